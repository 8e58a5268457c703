# SPDX-License-Identifier: MIT
"""How many system calls the byte path costs, counted by strace on the one worker."""

import contextlib
import re
import signal
import subprocess
import time

import pytest

import harness
from rig import config, local

pytestmark = pytest.mark.alone

READS = {"read", "readv", "recvfrom", "recvmsg", "recv"}
WRITES = {"write", "writev", "sendto", "sendmsg", "send"}
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
REQUESTS = 1000


class Counted:
    """System calls of a process while the block runs, by name, with those that failed."""

    def __init__(self, pid, folder):
        self.pid, self.file = pid, str(folder / "strace")
        self.calls = {}

    def __enter__(self):
        words = ["strace", "-f", "-c", "-U", "name,calls", "-o", self.file, "-p", str(self.pid)]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=harness.child_env())
        assert "attached" in self.process.stderr.readline()
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.began
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        with open(self.file, encoding="utf-8") as file:
            for line in file:
                found = re.match(r"\s*(\w+)\s+(\d+)\s*$", line)
                if found and found[1] != "total":
                    self.calls[found[1]] = int(found[2])

    def sum(self, names=None):
        return sum(count for name, count in self.calls.items() if names is None or name in names)

    def beats(self):
        """Turns of the loop that come of the worker's own clock: the heartbeat, ten a second, with room."""
        return int(self.seconds * 25) + 20


@contextlib.contextmanager
def open_connection(daemon, host):
    """A worker's pid and a client on an echo connection that has settled."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app]), workers=1)
    (worker,) = d.worker_pids()
    with harness.connect(address) as client:
        for _ in range(10):
            client.sendall(bytes(64))
            harness.receive_exactly(client, 64)
        yield worker, client


def test_a_request_costs_two_reads_two_writes_and_its_wake_ups(daemon, host, folder):
    """One request at a time: client and host are never ready in the same turn, so each way has one wait."""
    with open_connection(daemon, host) as (worker, client):
        with Counted(worker, folder) as counted:
            for _ in range(REQUESTS):
                client.sendall(bytes(64))
                assert len(harness.receive_exactly(client, 64)) == 64
    assert counted.sum(READS) <= 2 * REQUESTS, counted.calls
    assert counted.sum(WRITES) <= 2 * REQUESTS, counted.calls
    assert counted.sum(WAITS) <= 2 * REQUESTS + counted.beats(), counted.calls
    assert counted.sum({"epoll_ctl"}) == 0, counted.calls
    others = counted.sum() - counted.sum(READS | WRITES | WAITS)
    assert others <= counted.beats(), counted.calls


def test_requests_in_flight_share_their_wake_ups(daemon, host, folder):
    """Eight requests under way on the one connection: at most one wait a request, the same for reads and writes."""
    with open_connection(daemon, host) as (worker, client):
        with Counted(worker, folder) as counted:
            client.sendall(bytes(64 * 8))
            for _ in range(REQUESTS - 8):
                assert len(harness.receive_exactly(client, 64)) == 64
                client.sendall(bytes(64))
            assert len(harness.receive_exactly(client, 64 * 8)) == 64 * 8
    assert counted.sum(READS) <= 2 * REQUESTS, counted.calls
    assert counted.sum(WRITES) <= 2 * REQUESTS, counted.calls
    assert counted.sum(WAITS) <= REQUESTS + counted.beats(), counted.calls
    assert counted.sum({"epoll_ctl"}) == 0, counted.calls


def test_a_short_connection_costs_sixteen_calls(daemon, host, load, folder):
    """64 bytes there and back, FIN both ways, 1,000 of them 16 at a time; every call of the worker counts."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app]), workers=1)
    (worker,) = d.worker_pids()
    harness.assert_no_loss(load(address, parallel=16, count=200, size=64).wait(), 200)
    with Counted(worker, folder) as counted:
        harness.assert_no_loss(load(address, parallel=16, count=REQUESTS, size=64).wait(), REQUESTS)
        d.settled()
    each = counted.sum() / REQUESTS
    assert counted.sum({"accept4", "accept"}) >= REQUESTS  # strace has seen them all
    assert each <= 16, (each, counted.calls)
