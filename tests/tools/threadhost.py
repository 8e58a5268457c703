# SPDX-License-Identifier: MIT
"""A host in this process: a thread for each connection, which does what a test says."""

import socket
import threading


class ThreadHost:
    """Listens on a port of its own; subclasses say in talk what is done with a connection, and close it there."""

    def __init__(self, name="one"):
        self.name = name
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.settimeout(60)
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        raise NotImplementedError

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
