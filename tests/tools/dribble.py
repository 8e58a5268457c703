#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Slow clients: many connections over which a text comes byte by byte, until the other side ends them.

dribble.py ADDRESS:PORT COUNT EVERY_S TEXT_AS_HEX

They are opened one after the other within EVERY_S; each has its first byte at once, the others EVERY_S apart. The
first line says that all were opened. Any line on stdin is answered with figures: how many are open, how long those
lived that the other side has ended (from before their connect), and how many bytes came back. So is its end, at which
the program ends.
"""

import collections
import json
import os
import select
import sys
import time

from sockets import connect


class Dribble:
    """The connections, each at its place in the text."""

    def __init__(self, text, every_s):
        self.text, self.every_s = text, every_s
        self.open = {}  # by descriptor: the socket, when it was opened, bytes sent
        self.due = collections.deque()  # when which socket has its next byte, soonest first
        self.lives, self.got_bytes = [], 0
        self.poller = select.epoll()

    def add(self, address):
        opened = time.monotonic()
        client = connect(address, 60)
        client.setblocking(False)
        self.open[client.fileno()] = [client, opened, 0]
        self.poller.register(client.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        self.due.append((opened, client))

    def drop(self, client):
        _, opened, _ = self.open.pop(client.fileno())
        self.lives.append(time.monotonic() - opened)
        client.close()

    def send_due(self):
        while self.due and self.due[0][0] <= time.monotonic():
            due, client = self.due.popleft()
            if client.fileno() < 0:  # ended meanwhile
                continue
            place = self.open[client.fileno()]
            try:
                place[2] += client.send(self.text[place[2]:place[2] + 1])
                self.due.append((due + self.every_s, client))
            except OSError:
                self.drop(client)

    def receive(self, fd):
        client = self.open[fd][0]
        try:
            part = client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        self.got_bytes += len(part)
        if not part:
            self.drop(client)

    def figures(self):
        return json.dumps({"open": len(self.open), "lives_s": sorted(self.lives), "got_bytes": self.got_bytes})

    def turn(self, until):
        """Waits for bytes, ends, a line, but not beyond the next byte or that time; true when stdin has ended."""
        soonest = min(self.due[0][0], until) if self.due else until
        for fd, _ in self.poller.poll(max(soonest - time.monotonic(), 0)):
            if fd in self.open:
                self.receive(fd)
            elif fd == 0:
                line = os.read(0, 4096)
                print(self.figures(), flush=True)
                if not line:
                    return True
        self.send_due()
        return False


def main():
    address, count, every_s, text = sys.argv[1:]
    dribble = Dribble(bytes.fromhex(text), float(every_s))
    began = time.monotonic()
    for n in range(int(count)):
        start = began + dribble.every_s * n / int(count)
        while time.monotonic() < start:
            dribble.turn(start)
        dribble.add(address)
    print('{"ready": true}', flush=True)
    dribble.poller.register(0, select.EPOLLIN)
    while not dribble.turn(time.monotonic() + 10):
        pass


if __name__ == "__main__":
    main()
