# SPDX-License-Identifier: MIT
"""Random deeds at both ends of many connections, compared with a model of what must arrive."""

import errno
import os
import random
import socket

import pytest

import harness
from rig import config, local


class End:
    """One end of a modelled connection: what it has sent, what it must receive."""

    BLOCK = random.Random(7).randbytes(1 << 20)

    def __init__(self, connection, offset):
        self.connection, self.offset = connection, offset
        self.to_send = self.sent = self.got = 0
        self.wants_shut = self.is_shut = self.has_eof = self.is_stalled = False
        self.is_reset = False  # by this end
        self.saw_reset = False
        connection.setblocking(False)

    def data(self, at, count):
        start = (self.offset + at) % (len(self.BLOCK) - 70000)
        return self.BLOCK[start:start + count]

    def write(self):
        while self.sent < self.to_send:
            at = self.offset + self.sent
            wrap = len(self.BLOCK) - 70000 - at % (len(self.BLOCK) - 70000)
            try:
                self.sent += self.connection.send(self.data(self.sent, min(65536, wrap, self.to_send - self.sent)))
            except BlockingIOError:
                return
        if self.wants_shut and not self.is_shut:
            self.connection.shutdown(socket.SHUT_WR)
            self.is_shut = True

    def read(self, other):
        """Everything that has come must be what the other end sent, in its order."""
        while not self.has_eof and not self.is_stalled:
            wrap = len(self.BLOCK) - 70000 - (other.offset + self.got) % (len(self.BLOCK) - 70000)
            try:
                part = self.connection.recv(min(65536, wrap))
            except BlockingIOError:
                return
            if not part:
                assert other.is_shut and self.got == other.sent, "an end that the other side did not make"
                self.has_eof = True
                return
            assert part == other.data(self.got, len(part)), "a byte is not what was sent"
            self.got += len(part)
            assert self.got <= other.sent

    def step(self, other):
        if self.is_reset or self.saw_reset:
            return
        try:
            self.read(other)
            self.write()
        except OSError as fault:
            assert fault.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN), fault
            assert other.is_reset, "a reset that the other side did not make"
            self.saw_reset = True

    def reset(self):
        self.is_reset = True
        harness.close_with_reset(self.connection)


class Pair:
    """A client and its host, tied by the number that the client sends first."""

    def __init__(self, number, address, listener):
        client = harness.connect(address)
        client.sendall(number.to_bytes(4, "big"))
        connection, _ = listener.accept()
        connection.settimeout(5)
        assert harness.receive_exactly(connection, 4) == number.to_bytes(4, "big")
        self.ends = [End(client, number * 7919), End(connection, number * 104729 + 13)]

    def pump(self):
        self.ends[0].step(self.ends[1])
        self.ends[1].step(self.ends[0])

    def is_over(self):
        one, two = self.ends
        if one.is_reset or two.is_reset:
            # An end that has both FINs behind it hears nothing of a reset that comes later.
            return all(end.is_reset or end.saw_reset or (end.has_eof and end.is_shut) for end in self.ends)
        return one.has_eof and two.has_eof

    def close(self):
        for end in self.ends:
            end.connection.close()


def act(rng, pair):
    """One random deed at one end of a pair."""
    end = rng.choice(pair.ends)
    deed = rng.choices(["write", "shut", "reset", "stall", "resume"], [70, 6, 4, 10, 10])[0]
    if end.is_reset or end.saw_reset:
        return
    if deed == "write" and not end.wants_shut:
        end.to_send += rng.choice([1, 100, 5000, 16384, 70000, 300000])
    elif deed == "shut":
        end.wants_shut = True
    elif deed == "reset":
        end.reset()
    elif deed in ("stall", "resume"):
        end.is_stalled = deed == "stall"


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 4])
def test_a_thousand_random_deeds_equal_the_model(daemon, workers):
    """A18"""
    seed = int(os.environ.get("GAIDAROS_TEST_SEED", 0)) or random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}: run again with GAIDAROS_TEST_SEED={seed}")
    rng = random.Random(seed)
    with socket.create_server(("127.0.0.1", harness.free_port()), backlog=100) as listener:
        listener.settimeout(10)
        address = local()
        d = daemon(config(address, [f"app1 127.0.0.1:{listener.getsockname()[1]}"]), workers=workers)
        pairs, finished, number = [], 0, 0
        for _ in range(1000):
            if len(pairs) < 20 and (not pairs or rng.random() < 0.15):
                number += 1
                pairs.append(Pair(number, address, listener))
            else:
                act(rng, rng.choice(pairs))
            for pair in pairs:
                pair.pump()
            for pair in [p for p in pairs if p.is_over()]:
                pair.close()
                pairs.remove(pair)
                finished += 1
        for end in (end for pair in pairs for end in pair.ends):
            end.is_stalled, end.wants_shut = False, True

        def all_over():
            for pair in pairs:
                pair.pump()
            return all(pair.is_over() for pair in pairs)

        harness.wait_until(all_over, 30, f"all of {len(pairs)} connections to end (seed {seed})", 0.001)
        for pair in pairs:
            pair.close()
    d.settled()
    assert finished + len(pairs) == number == d.service()["connections_total"]
