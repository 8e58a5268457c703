# SPDX-License-Identifier: MIT
"""Places and who gets them: limits of hosts, services, sources, exact over all workers; lines first in, first out."""

import os
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

import pytest

import harness
from rig import Closed, config, ended_without_a_byte, local, outcomes, wait_outcomes

WORKERS = [1, 2, 4]


def open_client(address, source=None, timeout=10):
    """A connection that has said who it is; its echo comes once it has a place."""
    client = harness.connect(address, timeout, source)
    client.sendall(b"x")
    return client


def is_served(client, timeout=0.0):
    """True once the echo is there; what is closed or reset is a failure."""
    client.settimeout(timeout or 0.000001)
    try:
        return client.recv(1, socket.MSG_PEEK) == b"x"
    except (TimeoutError, BlockingIOError):
        return False


def served(clients):
    return [n for n, client in enumerate(clients) if is_served(client)]


def join_line(daemon, address, count, source=None):
    """Clients that wait, one behind the other: the next comes when the last is seen to wait."""
    clients = []
    before = daemon.service()["waiting"]
    for n in range(count):
        clients.append(open_client(address, source))
        harness.wait_until(lambda: daemon.service()["waiting"] == before + n + 1,
                           what=f"client {n} to wait; {daemon.service()}")
    return clients


def leave(client):
    """Goes without a reset: what came is read first, so that the host's end comes before the place is free."""
    client.settimeout(0.000001)
    try:
        client.recv(100)
    except (TimeoutError, BlockingIOError):
        pass
    client.close()


def close_all(clients):
    for client in clients:
        leave(client)


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_hosts_get_exactly_their_most(daemon, host, workers):
    """B10: per host exactly min(limit, n); weight does not raise the limit; who waits is served when a place is free."""
    one, two, address = host("app1", "echo"), host("app2", "echo"), local()
    d = daemon(config(address, [(one, "max_connections=3 weight=5"), (two, "max_connections=4")],
                      group="queue_timeout = 1m"), workers=workers)
    clients = [open_client(address) for _ in range(7)]
    harness.wait_until(lambda: len(served(clients)) == 7, what="seven clients to be served")
    waiting = join_line(d, address, 13)
    assert served(waiting) == []
    assert (one.stat()["open"], two.stat()["open"]) == (3, 4)
    assert (d.host("app1")["connections"], d.host("app2")["connections"]) == (3, 4)
    close_all(clients)
    harness.wait_until(lambda: len(served(waiting)) == 7, what="seven more to be served")
    assert (one.stat()["open"], two.stat()["open"]) == (3, 4)
    assert d.service()["waiting"] == 6
    close_all(waiting)
    d.settled()
    assert one.stat()["peak"] == 3 and two.stat()["peak"] == 4


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_who_came_first_is_served_first_whichever_worker_has_it(daemon, host, workers):
    """B11: order of arrival over all workers."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [(app, "max_connections=1")], group="queue_timeout = 1m"), workers=workers)
    inside = open_client(address)
    harness.wait_until(lambda: is_served(inside), what="the first to be served")
    waiting = join_line(d, address, 24)
    for n, client in enumerate(waiting):
        leave(inside)
        harness.wait_until(lambda: is_served(client), what=f"client {n} to be served")
        assert served(waiting[n + 1:]) == []
        inside = client
    leave(inside)
    d.settled()
    assert app.stat()["peak"] == 1 and d.service()["waiting"] == 0


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_a_hundred_that_wait_are_served_in_the_order_they_came(daemon, host, workers):
    """B11 under load: three hosts with a place each, as fast as they are left; who came together may swap."""
    apps, address = [host(f"app{n}", "echo") for n in range(3)], local()
    d = daemon(config(address, [(app, "max_connections=1") for app in apps],
                      group="scheduler = leastconn\nqueue_timeout = 1m"), workers=workers)
    together, waiting = 5, []
    inside = [open_client(address) for _ in apps]
    harness.wait_until(lambda: len(served(inside)) == len(apps), what="three to be served")
    while len(waiting) < 100:
        waiting += [open_client(address) for _ in range(together)]
        harness.wait_until(lambda: d.service()["waiting"] == len(waiting), what=f"{len(waiting)} to wait")
    order = []
    with selectors.DefaultSelector() as selector:
        for n, client in enumerate(waiting):
            selector.register(client, selectors.EVENT_READ, n)
        close_all(inside)
        while len(order) < len(waiting):
            ready = selector.select(harness.PATIENCE_S)
            assert ready, f"nobody is served any more after {order}"
            for key, _ in ready:
                selector.unregister(key.fileobj)
                order.append(key.data)
                leave(key.fileobj)
    assert sorted(order) == list(range(len(waiting)))
    # Who is seen to be served has one of the three places: at most two who came earlier are on their way meanwhile.
    for at, n in enumerate(order):
        late = [m for m in order[at:] if m // together < n // together]
        assert len(late) < len(apps), (n, late, order)
    d.settled()
    assert [app.stat()["peak"] for app in apps] == [1, 1, 1]
    assert sum(app.stat()["accepted"] for app in apps) == len(apps) + len(waiting)


@pytest.mark.san_subset
def test_who_leaves_the_line_holds_nobody_up(daemon, host):
    """B11: half of those that wait leave; the gauge follows, the others keep their order."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [(app, "max_connections=1")], group="queue_timeout = 1m"), workers=4)
    inside = open_client(address)
    harness.wait_until(lambda: is_served(inside), what="the first to be served")
    waiting = join_line(d, address, 20)
    for client in waiting[::2]:
        harness.close_with_reset(client)
    harness.wait_until(lambda: d.service()["waiting"] == 10, what="ten to be left")
    for client in waiting[1::2]:
        leave(inside)
        harness.wait_until(lambda: is_served(client), what="the next in line to be served")
        inside = client
    leave(inside)
    d.settled()
    assert d.service()["waiting"] == 0


@pytest.mark.san_subset
@pytest.mark.parametrize("limit, least_s", [("0", 0), ("700ms", 0.69)])
def test_who_waits_too_long_is_sent_away(daemon, host, limit, least_s):
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [(app, "max_connections=1")], group=f"queue_timeout = {limit}"), workers=2)
    with open_client(address) as inside:
        harness.wait_until(lambda: is_served(inside), what="the first to be served")
        began = time.monotonic()
        assert ended_without_a_byte(address) == (b"", "reset")
        took = time.monotonic() - began
        assert least_s <= took < least_s + 5, took
        wait_outcomes(d, {"queue_timeout": 1})
        assert d.service()["waiting"] == 0


def worker_of(address):
    """Which worker has accepted the client of a port, as ss tells it."""
    done = subprocess.run(["ss", "-Htnp", "state", "established", f"sport = :{address.rpartition(':')[2]}"],
                          stdout=subprocess.PIPE, check=True)
    found = re.findall(r"(?m):(\d+)\s+users:.*?pid=(\d+)", done.stdout.decode())
    return {int(port): int(pid) for port, pid in found}


@pytest.mark.san_subset
def test_a_stuck_worker_holds_up_no_line_of_the_others(daemon, host):
    """Whoever waits at a worker that hangs is passed over until it is replaced."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [(app, "max_connections=1")], group="queue_timeout = 1m",
                      overall="stuck_timeout = 30s\nadopt_timeout = 200ms"), workers=2)
    d.allow_errors("stuck|adopt|silent|worker")
    inside = open_client(address)
    harness.wait_until(lambda: is_served(inside), what="the first to be served")
    waiting = join_line(d, address, 12)
    owners = worker_of(address)
    own = owners[inside.getsockname()[1]]
    at_own = [client for client in waiting if owners[client.getsockname()[1]] == own]
    holder = next(pid for pid in d.worker_pids() if pid != own)
    assert 0 < len(at_own) < len(waiting)
    try:
        os.kill(holder, signal.SIGSTOP)
        for client in at_own:
            leave(inside)
            harness.wait_until(lambda: is_served(client), what="the next one at the other worker to be served")
            inside = client
    finally:
        os.kill(holder, signal.SIGCONT)
    for client in waiting:
        if client not in at_own:
            leave(inside)
            harness.wait_until(lambda: is_served(client), what="the line to move on")
            inside = client
    leave(inside)
    d.settled()
    assert app.stat()["peak"] == 1 and app.stat()["accepted"] == 13


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_a_service_serves_exactly_its_most(daemon, host, workers):
    """The rest waits in the kernel's queue, nobody is accepted only to be closed."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="max_connections = 10"), workers=workers)
    clients = [open_client(address) for _ in range(30)]
    harness.wait_until(lambda: len(served(clients)) == 10, what="ten to be served")
    for _ in range(2):
        inside = [client for client in clients if is_served(client)]
        assert len(inside) == 10 and d.service()["connections"] == 10
        clients = [client for client in clients if client not in inside]
        close_all(inside)
        harness.wait_until(lambda: len(served(clients)) == 10, what="ten more to be served")
    close_all(clients)
    d.settled()
    assert app.stat()["peak"] == 10 and app.stat()["accepted"] == 30
    assert outcomes(d) == {}


@pytest.mark.san_subset
def test_a_services_lowered_limit_ends_nobody(daemon, host):
    """E6: none new until there are fewer; the gauge is never negative."""
    app, address = host("app1", "echo"), local()

    def text(limit):
        return config(address, [app], service=f"max_connections = {limit}")
    d = daemon(text(20), workers=2)
    clients = [open_client(address) for _ in range(20)]
    harness.wait_until(lambda: len(served(clients)) == 20, what="twenty to be served")
    d.reload(text(5))
    late = open_client(address)
    for client in clients[:15]:
        client.close()
    harness.wait_until(lambda: d.service()["connections"] == 5, what="five to be left")
    assert not is_served(late) and len(served(clients[15:])) == 5
    clients[15].close()
    harness.wait_until(lambda: is_served(late), what="the late one to be served")
    d.reload(text(0))
    more = [open_client(address) for _ in range(10)]
    harness.wait_until(lambda: len(served(more)) == 10, what="ten without a limit")
    close_all([*clients[16:], late, *more])
    d.settled()


def try_client(address, source):
    """A client whose echo came, None when it was closed without a byte."""
    client = None
    try:
        client = harness.connect(address, 10, source)
        client.sendall(b"x")
        if client.recv(1):
            return client
    except (ConnectionResetError, BrokenPipeError):
        pass  # at once, as it may be before connect(2) has returned
    if client:
        client.close()
    return None


def inside_of(address, source, tries):
    return [client for client in (try_client(address, source) for _ in range(tries)) if client]


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_a_source_gets_exactly_its_most(daemon, host, workers):
    """H9: ten of two hundred, over all workers; beyond that closed without a byte."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="max_connections_per_source = 10"), workers=workers)
    first = inside_of(address, "127.0.0.1", 200)
    assert len(first) == 10
    second = inside_of(address, "127.0.0.2", 20)
    assert len(second) == 10
    wait_outcomes(d, {"limited": 200})
    assert app.stat()["accepted"] == 20
    close_all(first)
    harness.wait_until(lambda: d.service()["connections"] == 10, what="the first ten to be gone")
    again = inside_of(address, "127.0.0.1", 12)
    assert len(again) == 10
    close_all([*second, *again])
    d.settled()


@pytest.mark.san_subset
def test_neighbours_count_as_one_source(daemon, host):
    """share_sources: IPv4 by 24 bits."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="max_connections_per_source = 3\nshare_sources = 24 64"), workers=2)
    inside = [client for n in range(1, 7) for client in inside_of(address, f"127.0.0.{n}", 1)]
    other = inside_of(address, "127.0.1.1", 5)
    assert (len(inside), len(other)) == (3, 3)
    close_all([*inside, *other])
    d.settled()


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_a_source_comes_no_faster_than_its_rate(daemon, host, workers):
    """What the rate names may come at once, then evenly: 20/h gives no second twenty while the test runs."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="connection_rate_per_source = 20/h"), workers=workers)
    assert len([client.close() for client in inside_of(address, "127.0.0.1", 60)]) == 20
    assert len([client.close() for client in inside_of(address, "127.0.0.2", 30)]) == 20
    d.settled()
    assert outcomes(d) == {"limited": 50}


@pytest.mark.san_subset
def test_a_rate_recovers(daemon, host):
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="connection_rate_per_source = 5/s"), workers=2)
    assert len([client.close() for client in inside_of(address, "127.0.0.1", 5)]) == 5
    harness.wait_until(lambda: inside_of(address, "127.0.0.1", 1), what="the rate to let one in again", step=0.05)


@pytest.mark.san_subset
@pytest.mark.parametrize("keys, inside, outside", [
    ("allow = 127.0.0.2/31", ["127.0.0.2", "127.0.0.3"], ["127.0.0.1", "127.0.0.4"]),
    ("deny = 127.0.0.2/31 127.0.0.9", ["127.0.0.1", "127.0.0.4"], ["127.0.0.2", "127.0.0.3", "127.0.0.9"]),
    ("allow = 127.0.0.0/8\ndeny = 127.0.0.4\nallow = 127.0.0.4", ["127.0.0.1"], ["127.0.0.4"]),
    ("allow = ::/0", [], ["127.0.0.1"]),
])
def test_only_allowed_networks_get_in(daemon, host, keys, inside, outside):
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service=keys), workers=2)
    for source in inside:
        assert [client.close() for client in inside_of(address, source, 1)] == [None], source
    for source in outside:
        assert inside_of(address, source, 1) == [], source
    d.settled()
    assert outcomes(d) == ({"denied": len(outside)} if outside else {})
    assert app.stat()["accepted"] == len(inside)


def test_ten_thousand_networks_are_read_and_hold(daemon, host):
    app, address = host("app1", "echo"), local()
    networks = [f"10.{n // 256}.{n % 256}.0/24" for n in range(10000)]
    lines = "\n".join(f"deny = {' '.join(networks[n:n + 20])}" for n in range(0, 10000, 20))
    d = daemon(config(address, [app], service=f"{lines}\ndeny = 127.0.0.7"), workers=2)
    assert [client.close() for client in inside_of(address, "127.0.0.1", 1)] == [None]
    assert inside_of(address, "127.0.0.7", 1) == []


class Hammer:
    """Clients that come and go as fast as they can; what they are refused for is not counted."""

    def __init__(self, address, threads, source):
        self.address, self.source, self.is_over, self.served = address, source, False, 0
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.is_over:
            try:
                with harness.connect(self.address, 2, self.source) as client:
                    client.sendall(b"x")
                    self.served += client.recv(1) == b"x"
            except OSError:
                continue

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def killed_again_and_again(daemon, host, rounds):
    """Kills workers that hold claims while others come and go; each limit admits exactly its most afterwards."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [(app, "max_connections=8")], group="queue_timeout = 0",
                      service="max_connections = 20\nmax_connections_per_source = 8"), workers=2)
    d.allow_errors("worker")
    hammer = Hammer(address, 3, "127.0.0.9")
    try:
        for n in range(rounds):
            holders = [c for c in (try_client(address, f"127.0.1.{n % 200 + 1}") for _ in range(3)) if c]
            os.kill(d.worker_pids()[n % 2] or d.worker_pids()[1 - n % 2], signal.SIGKILL)
            close_all(holders)
            harness.wait_until(lambda: all(row["state"] == "up" for row in d.running()["workers"]),
                               what="the worker to be replaced")
    finally:
        hammer.stop()
    harness.wait_until(lambda: d.service()["connections"] == 0, what="all to be gone")

    def is_exact():
        inside = inside_of(address, "127.0.0.9", 12)
        count = len(inside)
        close_all(inside)
        assert count <= 8
        harness.wait_until(lambda: d.service()["connections"] == 0, what="all to be gone")
        return count == 8
    harness.wait_until(is_exact, timeout=10, what="exactly the most to be admitted again")
    assert hammer.served > 0
    assert app.stat()["peak"] <= 8 + 3


@pytest.mark.san_subset
def test_limits_are_exact_again_after_kills(daemon, host):
    killed_again_and_again(daemon, host, 20)


@pytest.mark.soak
def test_limits_are_exact_again_after_a_hundred_kills(daemon, host):
    killed_again_and_again(daemon, host, 100)


@pytest.mark.san_subset
def test_a_full_first_group_spills_where_nobody_may_wait(daemon, host):
    """B10: with queue_timeout = 0 the standby takes what the first group has no place for."""
    one, spare, address = host("app1", "id"), host("spare1", "id"), local()
    text = config(address, [(one, "max_connections=2")], service="standby = spare", group="queue_timeout = 0")
    d = daemon(f"{text}\n[group spare]\nhost = spare1 {spare.address}\n", workers=2)
    clients = [harness.connect(address) for _ in range(5)]
    names = sorted(client.makefile("rb").readline().decode().strip() for client in clients)
    assert names == ["app1", "app1", "spare1", "spare1", "spare1"]
    close_all(clients)
    d.settled()


@pytest.mark.san_subset
def test_own_shortage_is_no_fault_of_a_host(daemon, host):
    """A host that refuses is still counted, one we cannot reach for want of a family of our own is not."""
    app, address = host("app1", "id"), local()
    with Closed("app2") as closed:
        d = daemon(config(address, [closed, app], group="scheduler = first\neject_failures = 0\nbind = 127.0.0.5"),
                   workers=2)
        with harness.connect(address) as client:
            assert client.makefile("rb").readline() == b"app1\n"
        d.settled()
        assert d.host("app2")["failures_total"] == 1
