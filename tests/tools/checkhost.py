# SPDX-License-Identifier: MIT
"""A host that answers checks as a test tells it to, and remembers each: when it came and how it ended."""

import contextlib
import socket
import ssl
import threading
import time

from sockets import close_with_reset

import harness

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
BAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nX: "


class Visit:
    """One connection. Times are of the wall clock, as in the log."""

    def __init__(self):
        self.began, self.ended, self.how = time.time(), None, None


class CheckHost:
    """Listens on an address; `says` is what it does from now on, or a list of what it does one after the other.

    ok bad     answers a request by HTTP 200 or 503        silent  says nothing, waits for the end
    reset      resets at once                              drip    a byte now and then
    endless    a header that never ends                    junk    NULs without a newline
    tls        shakes hands, waits for close_notify        echo    sends back what it gets
    name       sends its name once the client has shut its side, as echo.c in mode id
    """

    def __init__(self, says="ok", name="app", address="127.0.0.1", port=None, tls=None):
        self.name, self.says, self.tls = name, says, tls
        self.visits, self.lock, self.open = [], threading.Lock(), set()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = port or harness.free_port()
        self.listener.bind((address, self.port))
        self.listener.listen(1024)
        self.address = f"{address}:{self.port}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def next_word(self):
        if isinstance(self.says, str):
            return self.says
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            visit = Visit()
            with self.lock:
                self.visits.append(visit)
                self.open.add(client)
                word = self.next_word()
            threading.Thread(target=self.play, args=(client, visit, word), daemon=True).start()

    def play(self, client, visit, word):
        try:
            getattr(self, "play_" + word)(client)
            visit.how = visit.how or self.wait_for_end(client)
        except ssl.SSLError as error:
            visit.how = str(error)
        except OSError:
            visit.how = "reset"
        visit.ended = time.time()
        with self.lock:
            self.open.discard(client)
        client.close()

    @staticmethod
    def wait_for_end(client):
        try:
            while client.recv(65536):
                pass
        except OSError:
            return "reset"
        return "fin"

    @staticmethod
    def read_request(client):
        data = b""
        while b"\r\n\r\n" not in data:
            part = client.recv(65536)
            if not part:
                return
            data += part

    def play_ok(self, client):
        self.read_request(client)
        client.sendall(OK)
        client.shutdown(socket.SHUT_WR)

    def play_bad(self, client):
        self.read_request(client)
        client.sendall(BAD)
        client.shutdown(socket.SHUT_WR)

    def play_silent(self, client):
        pass

    def play_reset(self, client):
        close_with_reset(client)
        raise OSError

    def play_drip(self, client):
        while True:
            client.sendall(b"H")
            time.sleep(0.05)

    def play_endless(self, client):
        client.sendall(HEAD)
        while True:
            client.sendall(b"x" * 65536)

    def play_junk(self, client):
        client.sendall(HEAD[:9] + bytes(100))

    def play_echo(self, client):
        while part := client.recv(65536):
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)

    def play_name(self, client):
        while client.recv(65536):
            pass
        client.sendall(self.name.encode() + b"\n")
        client.shutdown(socket.SHUT_WR)

    def play_tls(self, client):
        with self.tls.wrap_socket(client.dup(), server_side=True, suppress_ragged_eofs=False) as secure:
            while secure.recv(65536):
                pass

    def count(self):
        with self.lock:
            return len(self.visits)

    def wait(self, count, timeout=harness.PATIENCE_S):
        """Waits until so many have come."""
        harness.wait_until(lambda: self.count() >= count, timeout, f"{count} visits to {self.name}")

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        with self.lock:
            left = list(self.open)
        for client in left:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
