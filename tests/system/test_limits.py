# SPDX-License-Identifier: MIT
"""At the limits: descriptors, memory, full queues, more clients than places."""

import re
import resource
import select
import signal
import time

import pytest

import harness
from rig import config, local, outcomes
from sockets import cookies_failed

# As root the daemon may raise its own limits; a test that sets one takes that right away.
LIMITED = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]


def served_now(clients, expected, timeout):
    """Clients that get their echo; waits until as many as expected have."""
    served, poller = [], select.poll()
    by_fd = {client.fileno(): client for client in clients}
    for fd in by_fd:
        poller.register(fd, select.POLLIN)
    end = time.monotonic() + timeout
    while len(served) < expected and time.monotonic() < end:
        for fd, _ in poller.poll(50):
            assert by_fd[fd].recv(100) == b"x", "a client was accepted and then closed"
            poller.unregister(fd)
            served.append(by_fd[fd])
    return served


@pytest.mark.alone
def test_few_descriptors_pause_accepting(daemon, host):
    """H1: 64 descriptors, 500 clients; no spin, no accepted client without a host, all served in the end."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="idle_timeout = 1h"), workers=1,
               wrap=["prlimit", "--nofile=64:64", *LIMITED])
    (worker,) = d.worker_pids()
    with open(f"/proc/{worker}/limits", encoding="utf-8") as file:
        assert re.search(r"Max open files +64 +64 ", file.read())
    clients = [harness.connect(address) for _ in range(500)]
    for client in clients:
        client.sendall(b"x")
    served = served_now(clients, 500, 3)
    places = len(served)
    assert 8 <= places <= 31, places  # two descriptors each, beside those that a worker needs for itself
    busy, began, lines = harness.cpu_s(worker), time.monotonic(), len(d.log_lines())
    assert served_now([c for c in clients if c not in served], 500, 3) == []
    took = time.monotonic() - began
    assert harness.cpu_s(worker) - busy < 0.10 * took
    assert len(d.log_lines()) - lines <= took + 1
    for client in served:  # those inside notice nothing
        client.sendall(b"x")
        assert client.recv(100) == b"x"
    waiting = [c for c in clients if c not in served]
    while waiting:
        for client in served:
            client.close()
        served = served_now(waiting, min(places, len(waiting)), 5)
        assert len(served) == min(places, len(waiting)), f"{len(waiting)} clients are left waiting"
        waiting = [c for c in waiting if c not in served]
    for client in served:
        client.close()
    assert app.stat()["accepted"] == 500


@pytest.mark.alone
def test_full_service_returns_at_once(daemon, host):
    """H1: full service within a second after places are free."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app]), workers=1, wrap=["prlimit", "--nofile=64:64", *LIMITED])
    clients = [harness.connect(address) for _ in range(60)]
    for client in clients:
        client.sendall(b"x")
    served = served_now(clients, 60, 2)
    began = time.monotonic()
    for client in served:
        client.close()
    rest = [c for c in clients if c not in served]
    more = served_now(rest, min(len(served), len(rest)), 5)
    assert len(more) == min(len(served), len(rest)) and time.monotonic() - began < 1
    for client in clients:
        client.close()
    d.settled()


def vm_bytes(pid):
    """Address space of a process."""
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


@pytest.mark.alone
def test_ten_thousand_sessions_in_bounded_memory(daemon, host, load):
    """H3 (plain): 256 MiB of address space beyond the start are plenty; at most 37 KiB each; above: waiting."""
    sessions, places = 10000, 8000
    app, address = host("app1", "echo"), local()
    text = config(address, [app], overall=f"max_connections = {places // 2}")
    probe = daemon(text, workers=2)
    most = max(map(vm_bytes, probe.pids())) + (256 << 20)  # the segment is mapped whole, hardly touched
    probe.stop()
    d = daemon(text, workers=2, wrap=["prlimit", f"--as={most}:{most}"])
    workers = d.worker_pids()
    before = [harness.rss_bytes(pid) for pid in workers]
    clients = load(address, long=sessions, interval=0, opening=sessions, timeout=60000)
    harness.wait_until(lambda: clients.stat()["long_up"] == places, 40, f"{places} sessions to be served")
    grown = sum(harness.rss_bytes(pid) for pid in workers) - sum(before)
    assert grown / places <= 37 * 1024, grown / places
    stat = clients.stat()
    assert stat["long_open"] == sessions and stat["long"]["lost_total"] == 0, stat
    assert d.service()["connections"] == places
    figures = clients.stop(60)  # as places come free, those that wait are served
    assert figures["long"]["ok"] == sessions and figures["long"]["lost_total"] == 0, figures
    assert d.worker_pids() == workers


@pytest.mark.alone
def test_a_burst_beyond_the_queue_loses_nobody(daemon, host, load):
    """H6: 20,000 connects in a second while the worker is held for one; late ones come by retransmission.

    The kernel answers the overflow with SYN cookies, and a late duplicate of an acknowledgement that
    bears one makes a connection without a client: a handful, which idle_timeout ends. Now and then such a
    duplicate comes when it is no cookie any more, and the kernel itself resets that client: it counts them.
    """
    app, address = host("app1", "echo"), local()
    d = daemon(config(f"{address} backlog=4096", [app], service="idle_timeout = 15s"), workers=1)
    (worker,) = d.worker_pids()
    overflows, failed = d.running()["listen_overflows"], cookies_failed()
    d.signal(signal.SIGSTOP, worker)
    began = time.monotonic()
    clients = [load(address, short=10000, count=10000, size=64, timeout=60000, seed=n * 1000000) for n in (1, 2)]
    harness.wait_until(lambda: time.monotonic() - began >= 1, what="the pause of the test to be over")
    d.signal(signal.SIGCONT, worker)
    figures = [one.wait(90)["short"] for one in clients]
    failed = cookies_failed() - failed
    resets = sum(row["lost"]["reset_before_data"] for row in figures)
    assert sum(row["lost_total"] for row in figures) == resets <= min(failed, 20), (figures, failed)
    assert sum(row["unclean"] + row["local_errors"] for row in figures) == 0, figures
    assert sum(row["ok"] for row in figures) == 20000 - resets
    assert d.worker_pids() == [worker]
    assert d.running()["listen_overflows"] > overflows
    d.settled(40)
    total = d.service()["connections_total"]
    assert total == app.stat()["accepted"]
    ended = outcomes(d)
    assert ended.pop("client_reset", 0) <= resets and total < 20100
    assert 0 <= ended.pop("idle", 0) - (total - 20000) <= resets and not ended, (ended, total)


@pytest.mark.san_subset
def test_more_clients_than_places_wait_in_order(daemon, host):
    """H8: at twice max_connections nobody is accepted and then closed; the rest is served first come, first served."""
    places = 50
    app, address = host("app1", "id"), local()
    d = daemon(config(address, [app], overall=f"max_connections = {places}"), workers=1)
    clients = [harness.connect(address) for _ in range(2 * places)]
    for client in clients[:places]:
        assert harness.receive_exactly(client, 5) == b"app1\n"
    assert select.select(clients[places:], [], [], 1)[0] == []
    assert app.stat()["accepted"] == d.service()["connections_total"] == places
    took = []
    for leaving, next_one in zip(clients[:places], clients[places:]):
        began = time.monotonic()
        leaving.close()
        assert harness.receive_exactly(next_one, 5) == b"app1\n"
        took.append(time.monotonic() - began)
    assert sorted(took)[places // 2] <= 0.01 * (5 if harness.SAN else 1) and max(took) < 1, sorted(took)[-5:]
    for client in clients[places:]:
        client.close()
    d.settled()
    assert app.stat()["peak"] <= places + 1  # a host may see a new one before the FIN of the old
