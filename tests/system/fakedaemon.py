# SPDX-License-Identifier: MIT
"""A control socket that answers what a test says, whatever daemon there is."""

import json
import os
import socket
import threading


class FakeDaemon:
    """Answers each request on a unix socket with answers[path without query], 404 in plain words otherwise.

    An answer is a body (JSON when it is no text or bytes), or a pair of status and body. asked holds what came:
    (method, path with query, body).
    """

    def __init__(self, folder, answers):
        self.control = os.path.join(str(folder), "fake.sock")
        self.answers, self.asked = answers, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.control)
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self.answer(client)

    def answer(self, client):
        file = client.makefile("rb")
        words = file.readline().decode().split()
        length = 0
        for line in iter(file.readline, b"\r\n"):
            if not line:
                return
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        method, path = words[:2]
        self.asked.append((method, path, file.read(length)))
        found = self.answers.get(path.partition("?")[0], (404, "404 there is nothing here; try /running"))
        status, body = found if isinstance(found, tuple) else (200, found)
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        body = body.encode() if isinstance(body, str) else body
        client.sendall(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(20)
        os.unlink(self.control)
