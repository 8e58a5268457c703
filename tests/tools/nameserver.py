# SPDX-License-Identifier: MIT
"""A scripted name server for tests: answers as told, truthfully or with malice, over UDP and TCP on one port.

What it is to say to a question is a reply: a function from the Question to a list of packets, of which only
the first is used over TCP. `records` makes honest ones, `error` and `silent` unhelpful ones; hostile ones
are written where they are needed, with `name`, `record` and `packet`.
"""

import ipaddress
import socket
import struct
import threading
import time

A, CNAME, AAAA, SRV, OPT = 1, 5, 28, 33, 41
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5


class Question:
    """A question as it came: its bytes, id, name in lower case, type, and the sender's address."""

    def __init__(self, data, peer, over_tcp=False):
        self.data, self.peer, self.over_tcp = data, peer, over_tcp
        self.id = struct.unpack_from("!H", data)[0]
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
            at += data[at] + 1
        self.written = ".".join(labels)
        self.name = self.written.lower()
        self.type = struct.unpack_from("!H", data, at + 1)[0]
        self.section = data[12:at + 5]


def name(text):
    """A name on the wire, without compression."""
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in text.split(".") if label) + b"\0"


def record(kind, data, ttl=60, owner=b"\xc0\x0c", length=None):
    """A resource record; length lies about the length of its data."""
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data) if length is None else length) + data


def address(text, ttl=60, owner=b"\xc0\x0c"):
    """An A or AAAA record."""
    ip = ipaddress.ip_address(text)
    return record(A if ip.version == 4 else AAAA, ip.packed, ttl, owner)


def service(priority, weight, port, target, ttl=60):
    return record(SRV, struct.pack("!HHH", priority, weight, port) + name(target), ttl)


def packet(question, answers=(), *, code=0, flags=0x8180, id_=None, counts=None, section=None):
    """An answer to the question; counts are those of questions, answers, authorities and others."""
    head = struct.pack("!HH4H", question.id if id_ is None else id_, flags | code,
                       *(counts or (1, len(answers), 0, 0)))
    return head + (question.section if section is None else section) + b"".join(answers)


def records(*texts, ttl=60):
    """Answers with these addresses, those of the type asked for."""

    def reply(question):
        family = {A: 4, AAAA: 6}.get(question.type)
        return [packet(question, [address(t, ttl) for t in texts if ipaddress.ip_address(t).version == family])]

    return reply


def services(*rows, ttl=60):
    """Answers with these (priority, weight, port, target)."""
    return lambda question: [packet(question, [service(*row, ttl=ttl) for row in rows])]


def error(code):
    return lambda question: [packet(question, code=code)]


def silent(_question):
    return []


class NameServer:
    """Runs on a thread until closed.

    zone      name in lower case -> reply; another name does not exist
    questions every question that came, with the second it came
    """

    def __init__(self, zone=None, host="127.0.0.1"):
        self.zone, self.questions, self.host = dict(zone or {}), [], host
        self.lock = threading.Lock()
        self.udp = self.tcp = None
        while self.tcp is None:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((host, 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = socket.create_server((host, self.port))
            except OSError:
                self.udp.close()
        self.closing = False
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def set(self, host, reply):
        with self.lock:
            self.zone[host] = reply

    def asked(self, host=None):
        """How many questions came, for the name or at all."""
        with self.lock:
            return sum(host is None or question.name == host for _, question in self.questions)

    def times(self, host=None):
        with self.lock:
            return [at for at, question in self.questions if host is None or question.name == host]

    def _reply(self, question):
        with self.lock:
            self.questions.append((time.monotonic(), question))
            reply = self.zone.get(question.name, error(NXDOMAIN))
        return reply(question)

    def _serve_udp(self):
        while not self.closing:
            try:
                data, peer = self.udp.recvfrom(65536)
            except OSError:
                continue
            if len(data) < 17:
                continue
            for answer in self._reply(Question(data, peer)):
                try:
                    self.udp.sendto(answer, peer)
                except OSError:
                    break

    def _serve_tcp(self):
        while not self.closing:
            try:
                connection, peer = self.tcp.accept()
            except OSError:
                continue
            with connection:
                connection.settimeout(5)
                try:
                    self._serve_connection(connection, peer)
                except OSError:
                    continue

    def _serve_connection(self, connection, peer):
        """Questions of one connection, until it ends."""
        while head := connection.recv(2, socket.MSG_WAITALL):
            if len(head) < 2:
                return
            data = connection.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
            for answer in self._reply(Question(data, peer, over_tcp=True))[:1]:
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self):
        if self.closing:
            return
        self.closing = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (self.host, self.port))
        socket.create_connection((self.host, self.port), 5).close()
        for thread in self.threads:
            thread.join(10)
        self.udp.close()
        self.tcp.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
