# SPDX-License-Identifier: MIT
"""Clients that want too much: slow ones by the thousand, more handshakes than a core computes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

import harness
import scene
from certificates import make_certificate, openssl
from harness import connect, free_port, receive_exactly, rss_bytes, wait_until
from scene import echo
from tlspeer import hello_bytes, say, secure, trusting

HEADER = b"PROXY TCP4 192.0.2.77 198.51.100.2 4711 443\r\n"
REQUEST = b"GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n"


class Dribble(harness.Tool):
    """Slow clients in a process of their own; see dribble.py."""

    def __init__(self, port, count, text):
        path = os.path.join(harness.ROOT, "tests", "tools", "dribble.py")
        super().__init__([sys.executable, path, f"127.0.0.1:{port}", count, 1, text.hex()])
        if not self.process.stdout.readline().startswith(b'{"ready"'):
            raise harness.Failure("the slow clients could not connect")


@pytest.fixture
def dribble(request, daemon):  # pylint: disable=unused-argument
    """Makes slow clients; ended before the daemon."""
    made = []

    def make(*args):
        made.append(Dribble(*args))
        return made[-1]

    yield make
    for one in made:
        one.kill_hard()


def by_tls(port):
    with secure(port, trusting(), "a.example") as client:
        say(client)


def by_header(port):
    with connect(f"127.0.0.1:{port}") as client:
        client.sendall(HEADER)
        echo(client)


def by_name(port):
    with connect(f"127.0.0.1:{port}") as client:
        echo(client, hello_bytes("a.example"))


def by_request(port):
    with connect(f"127.0.0.1:{port}", 60) as client:
        client.sendall(REQUEST)
        assert receive_exactly(client, 15) == b"HTTP/1.1 200 OK"


def times_of(visit, port, is_enough):
    """Seconds that each visit took, one after the other until there are enough; sorted."""
    took = []
    while not is_enough(len(took)):
        began = time.monotonic()
        visit(port)
        took.append(time.monotonic() - began)
    return sorted(took)


def p99(took):
    return took[len(took) * 99 // 100]


def is_as_before(during, before):
    """Whether others noticed little: of a hundred visits all but one."""
    return len(during) >= 100 and p99(during) <= 30 * max(p99(before), 0.001)


def most_rss_bytes(pid):
    """The most that was ever resident of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) * 1024


LIMIT_S = 3
WAYS = {  # options of the address, a key of the service, what comes byte by byte, what others do meanwhile, bytes for each
    "tls": (" tls", "certificate = ../one.pem", hello_bytes(), by_tls, 96 << 10),
    "header": (" accept_proxy=127.0.0.0/8", "", HEADER, by_header, 12 << 10),
    "name": ("", "route = sni a.example main", hello_bytes(), by_name, 12 << 10),
}


@pytest.mark.alone
@pytest.mark.parametrize("way", WAYS)
def test_slow_clients_end_at_a_time_of_their_own(daemon, host, dribble, folder, way):
    """H7: a byte a second into what comes before a host: handshake_timeout ends it; others are served as before."""
    options, key, text, visit, each_bytes = WAYS[way]
    count, port, one = 5000, free_port(), host("one")
    make_certificate(folder, "one", alt="DNS:a.example")
    running = daemon(f"[service web]\nlisten = 127.0.0.1:{port}{options}\ngroup = main\nhandshake_timeout = {LIMIT_S}s\n{key}\n"
                     f"[group main]\ncheck = none\nhost = one {one.address}\n", workers=1)
    (worker,) = running.worker_pids()
    before = times_of(visit, port, lambda n: n >= 300)
    rest = rss_bytes(worker)
    slow = dribble(port, count, text)
    assert slow.stat()["open"] == count
    late = time.monotonic() + 20
    during = times_of(visit, port, lambda n: n % 20 == 19 and (slow.stat()["open"] == 0 or time.monotonic() > late))
    figures = slow.stop()
    lives, grown = figures["lives_s"], most_rss_bytes(worker) - rest
    print(f"{len(during)} visits, p99 {p99(during) * 1e3:.1f} ms, {p99(during) / p99(before):.1f} times as before; lives "
          f"{lives[:1]} to {lives[-1:]}, in the middle {lives[len(lives) // 2:][:1]}; {grown / count / 1024:.1f} KiB each")
    assert figures["open"] == 0 and len(lives) == count, figures["open"]
    assert LIMIT_S <= lives[0] and lives[count // 2] < LIMIT_S + 1.5 and lives[-1] < LIMIT_S + 4, lives[::500]
    assert is_as_before(during, before), (p99(before), during[::-max(len(during) // 100, 1)])
    assert grown <= count * each_bytes + (16 << 20), grown
    wait_until(lambda: running.service()["errors"].get("handshake_failed") == count, what="all to be counted")
    assert one.stat()["accepted"] == len(before) + len(during)
    assert running.worker_pids() == [worker]


DOOR_PLACES, REQUEST_S = 64, 10


@pytest.mark.alone
def test_slow_requests_leave_the_door_in_time(daemon, host, dribble):
    """H7, at a door that has few places left: ten seconds for a whole request, looked at each second."""
    door, count, one = free_port(), DOOR_PLACES - 4, host("one")
    running = daemon(scene.config(free_port(), [one], admin=f"listen = 127.0.0.1:{door}"), workers=1)
    director, = set(running.pids()) - {running.pid, *running.worker_pids()}
    before = times_of(by_request, door, lambda n: n >= 300)
    rest = rss_bytes(director)
    slow = dribble(door, count, REQUEST)
    late = time.monotonic() + 30
    during = times_of(by_request, door, lambda n: n % 20 == 19 and (slow.stat()["open"] == 0 or time.monotonic() > late))
    figures = slow.stop()
    lives, grown = figures["lives_s"], most_rss_bytes(director) - rest
    print(f"{len(during)} visits, p99 {p99(during) * 1e3:.1f} ms, {p99(during) / p99(before):.1f} times as before; lives "
          f"{lives[:1]} to {lives[-1:]}; {grown / count / 1024:.1f} KiB each")
    assert figures["open"] == 0 and len(lives) == count and REQUEST_S <= lives[0] and lives[-1] < REQUEST_S + 4, figures
    assert is_as_before(during, before), (p99(before), during[::-max(len(during) // 100, 1)])
    assert grown <= count * (64 << 10) + (4 << 20), grown


@pytest.mark.parametrize("way", ["door", "control"])
def test_a_door_that_was_full_opens_again(daemon, host, way):
    """As many clients as a door holds end at once; the next one is served."""
    door, one = free_port(), host("one")
    running = daemon(scene.config(free_port(), [one], admin=f"listen = 127.0.0.1:{door}"), workers=1)
    family, address = (socket.AF_INET, ("127.0.0.1", door)) if way == "door" else (socket.AF_UNIX, running.control)
    director, = set(running.pids()) - {running.pid, *running.worker_pids()}
    rest, clients = running.fds(director), []
    for _ in range(DOOR_PLACES):
        clients.append(socket.socket(family))
        clients[-1].connect(address)
    wait_until(lambda: running.fds(director) >= rest + DOOR_PLACES, what="the door to be full")
    os.kill(director, signal.SIGSTOP)  # so that all ends are seen in one turn
    for client in clients:
        client.close()
    os.kill(director, signal.SIGCONT)
    with socket.socket(family) as client:
        client.settimeout(20)
        client.connect(address)
        client.sendall(REQUEST)
        assert client.recv(100).startswith(b"HTTP/1.1 200")


TLSLOAD = os.path.join(os.path.dirname(harness.TOOLS), "bench", "tlsload")
PATIENCE_S, FLOOD_S, PARALLEL, GAP_S = 15, 8, 16, 0.02
LINE = 1024  # handshakes that may wait for a worker's thread


def tlsload(mode, port, **options):
    """Figures of a run of the bench's load client; see tlsload.c."""
    if not os.path.exists(TLSLOAD):
        raise harness.Failure(f"{TLSLOAD} is missing: make benches")
    words = [TLSLOAD, mode, "--to", f"127.0.0.1:{port}", "--name", "a.example", "--parallel", PARALLEL,
             "--timeout", PATIENCE_S * 1000]
    for name, value in options.items():
        words += [f"--{name}", value]
    done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=harness.child_env(), timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def goodput(worker, mode, port, **options):
    """Figures of a run, handshakes a second, handshakes a second of the worker's processor time."""
    used_s = harness.cpu_s(worker)
    figures = tlsload(mode, port, **options)
    return figures, figures["done"] / figures["elapsed_s"], figures["done"] / (harness.cpu_s(worker) - used_s)


@pytest.mark.alone
def test_handshakes_beyond_capacity_cost_no_goodput(daemon, host, folder):
    """H10: twice what one worker can: it does nearly what it could, refuses the rest; open sessions are not in that line.

    The key is of a kind that costs the worker much more than the clients, which have no machine of their own.
    """
    port, one = free_port(), host("one")
    openssl("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-subj", "/CN=a.example", "-days", 10,
            "-keyout", folder / "one.key", "-out", folder / "one.pem")
    os.chmod(folder / "one.key", 0o600)
    running = daemon(f"[service web]\nlisten = 127.0.0.1:{port} tls\ngroup = main\ncertificate = ../one.pem\n"
                     f"handshake_timeout = {PATIENCE_S}s\n[group main]\ncheck = none\nhost = one {one.address}\n", workers=1)
    (worker,) = running.worker_pids()
    _, before, before_cpu = goodput(worker, "full", port, count=1000)
    flood, during, during_cpu = goodput(worker, "flood", port, rate=int(2 * before), seconds=FLOOD_S, gap=int(GAP_S * 1e6))
    _, after, after_cpu = goodput(worker, "full", port, count=1000)
    requests = flood["request"]
    print(f"{before:.0f}/s, at twice that {during:.0f}/s, then {after:.0f}/s; for its processor time {before_cpu:.0f}/s, "
          f"{during_cpu:.0f}/s, {after_cpu:.0f}/s; of {flood['asked']} {flood['done']} done, {flood['failed']} refused, "
          f"{flood['timed_out']} late, p50 {flood['handshake']['p50_us'] / 1e3:.0f} ms; requests {requests['n']}, p99 "
          f"{requests['p99_us'] / 1e3:.0f} ms")
    # What else the machine does meanwhile shows in the first, not in the second; alone it is 0.9 of either.
    assert during >= 0.6 * min(before, after) and during_cpu >= 0.6 * (before_cpu + after_cpu) / 2, flood
    assert flood["timed_out"] < 0.01 * flood["asked"], flood
    assert flood["failed"] <= running.service()["errors"].get("limited", 0), flood
    assert requests["n"] >= 0.9 * FLOOD_S / GAP_S * PARALLEL, flood
    assert requests["p99_us"] / 1e6 < LINE / before / 2, flood  # of the time that the whole line of handshakes takes
    assert running.worker_pids() == [worker]


@pytest.mark.alone
def test_hellos_that_cost_nothing_hold_nobody_up(daemon, host, folder):
    """Each is answered, and who is in waits for a few of them at most: a turn of the loop has a ration for those who come."""
    port, one = free_port(), host("one")
    make_certificate(folder, "one", alt="DNS:a.example")
    running = daemon(f"[service web]\nlisten = 127.0.0.1:{port} tls\ngroup = main\ncertificate = ../one.pem\n"
                     f"[group main]\ncheck = none\nhost = one {one.address}\n", workers=1)
    (worker,) = running.worker_pids()
    _, before, _ = goodput(worker, "full", port, count=1000)
    flood = tlsload("flood", port, rate=int(before), seconds=3, gap=int(GAP_S * 1e6), rude=1)
    requests = flood["request"]
    print(f"{before:.0f} visits/s; at as many hellos p99 of {requests['n']} requests {requests['p99_us'] / 1e3:.1f} ms")
    assert flood["done"] == flood["asked"], flood
    assert requests["n"] >= 0.9 * 3 / GAP_S * PARALLEL, flood
    assert requests["p99_us"] < 100e3, flood  # alone it is one or two milliseconds
    assert running.worker_pids() == [worker]
    running.allow_errors("TLS handshake")
