# SPDX-License-Identifier: MIT
"""Which host a connection goes to: exact shares over all workers, and what happens when none has room."""

import collections
import contextlib
import time

import pytest

import harness
from rig import Closed, ask_name, config, local, outcomes

WORKERS = [1, 2, 4]


def ask_names(address, count):
    return [ask_name(address) for _ in range(count)]


def shares(names):
    return dict(collections.Counter(names))


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_thirty_in_turn_are_shared_exactly(daemon, host, workers):
    """C1: equal; one to two; one of three refuses."""
    one, two = host("app1", "id"), host("app2", "id")
    address = local()
    d = daemon(config(address, [one, two]), workers=workers)
    assert shares(ask_names(address, 30)) == {"app1": 15, "app2": 15}
    d.reload(config(address, [one, (two, "weight=2")]))
    assert shares(ask_names(address, 30)) == {"app1": 10, "app2": 20}
    with Closed("app3") as closed:
        d.reload(config(address, [one, two, closed], group="eject_failures = 0"))
        assert shares(ask_names(address, 30)) == {"app1": 15, "app2": 15}
        assert d.host("app3")["failures_total"] > 0


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_first_uses_the_next_host_only_without_the_first(daemon, host, workers):
    """C1, the part of the backup."""
    one, two = host("app1", "id"), host("app2", "id")
    address = local()
    d = daemon(config(address, [one, two], group="scheduler = first"), workers=workers)
    assert shares(ask_names(address, 30)) == {"app1": 30}
    d.reload(config(address, [(one, "state=down"), two], group="scheduler = first"))
    assert shares(ask_names(address, 30)) == {"app2": 30}


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_weights_are_spread_smoothly(daemon, host, workers):
    """C2: 5:1:1 gives a a b a c a a, never five in a burst."""
    hosts = [(host("a", "id"), "weight=5"), (host("b", "id"), "weight=1"), (host("c", "id"), "weight=1")]
    address = local()
    daemon(config(address, hosts), workers=workers)
    for _ in range(3):
        assert "".join(ask_names(address, 7)) == "aabacaa"


@pytest.mark.san_subset
def test_a_hundred_thousand_connections_keep_the_weights(daemon, host, load):
    """C3: 64 at a time over four workers; the shared cursor makes it exact."""
    total = 10000 if harness.SAN else 100000
    hosts = [(host(f"app{n}", "id"), f"weight={n}") for n in (1, 2, 3, 4)]
    address = local()
    d = daemon(config(address, hosts), workers=4)
    figures = load(address, parallel=64, count=total, size=64, ids=1).wait(180)
    harness.assert_no_loss(figures, total)
    assert figures["hosts"] == {f"app{n}": total * n // 10 for n in (1, 2, 3, 4)}
    d.settled()
    assert [d.host(f"app{n}")["connections_total"] for n in (1, 2, 3, 4)] == [total * n // 10 for n in (1, 2, 3, 4)]


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
def test_leastconn_goes_where_there_is_least(daemon, host, workers):
    """C5: ten in turn 5/5; with two long ones on A ten in turn all go to B."""
    address = local()
    d = daemon(config(address, [host("A", "id"), host("B", "id")], group="scheduler = leastconn"), workers=workers)

    def in_turn(count):
        names = []
        for _ in range(count):
            before = [d.host(name)["connections"] for name in "AB"]
            names.append(ask_name(address))
            harness.wait_until(lambda: [d.host(name)["connections"] for name in "AB"] == before)  # noqa: B023
        return shares(names)

    assert in_turn(10) == {"A": 5, "B": 5}
    clients = [harness.connect(address) for _ in range(4)]
    by_name = collections.defaultdict(list)
    for client in clients:
        by_name[harness.receive_exactly(client, 2)].append(client)
    assert len(by_name[b"A\n"]) == len(by_name[b"B\n"]) == 2
    for client in by_name[b"B\n"]:
        client.close()
    harness.wait_until(lambda: d.host("B")["connections"] == 0)
    assert in_turn(10) == {"B": 10}
    for client in by_name[b"A\n"]:
        client.close()


@pytest.mark.san_subset
def test_leastconn_is_exact_over_all_workers(daemon, host, load):
    """C6: 4,000 long sessions opened 64 at a time over four workers and four hosts."""
    total = 400 if harness.SAN else 4000
    hosts = [host(f"app{n}", "id") for n in range(4)]
    address = local()
    d = daemon(config(address, hosts, group="scheduler = leastconn"), workers=4)
    sessions = load(address, long=total, interval=0, opening=64, ids=1)

    def counts():
        return [row["connections"] for row in d.service()["groups"][0]["hosts"]]

    seen = []
    while sessions.stat()["long_up"] < total:
        seen.append(counts())
        assert sessions.stat()["long"]["lost_total"] == 0, sessions.stat()
    assert counts() == [total // 4] * 4
    assert [one.stat()["open"] for one in hosts] == [total // 4] * 4
    # Sums read while they move, one after another: a reader that loses its processor in between sees more.
    apart = sorted(max(row) - min(row) for row in seen)
    assert apart[len(apart) // 2] <= 1 + 64, seen
    figures = sessions.stop()
    harness.assert_no_loss(figures, total)
    harness.wait_until(lambda: seen.append(counts()) or not any(seen[-1]), what="all to be closed")
    assert min(min(row) for row in seen) == 0
    d.settled()
    assert d.service()["connections"] == 0


SCHEDULERS = ["roundrobin", "leastconn", "random", "weighted", "first"]
CONDITIONS = {  # of the two hosts of a group; a file in which no host has a weight is refused
    "down": ("state=down", "state=down"),
    "drain": ("state=drain", "state=drain"),
    "weightless": ("weight=0", "state=down"),
    "full": ("max_connections=1", "max_connections=1"),
}


def crowded_config(scheduler, hosts, addresses):
    """A service for each condition."""
    text = ""
    for name, options in CONDITIONS.items():
        lines = "\n".join(f"host = {one.name} {one.address} {option}" for one, option in zip(hosts, options))
        text += f"""
[service {name}]
listen = {addresses[name]}
group = {name}
[group {name}]
check = none
scheduler = {scheduler}
queue_timeout = 500ms
{lines}
"""
    return text


@pytest.mark.alone
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_no_scheduler_loops_when_nobody_may_be_chosen(daemon, host, load, scheduler):
    """C7: 1,000 a second; each is queued or closed by rule, the worker stays calm.

    Calm is a tenth of a processor, or on a machine on which accepting and closing alone takes that,
    what clients that are served cost it: a loop would cost all of it.
    """
    hosts = [host("app1", "id"), host("app2", "id")]
    addresses = {name: local() for name in CONDITIONS}
    addresses["served"] = local()
    d = daemon(crowded_config(scheduler, hosts, addresses) + f"""
[service served]
listen = {addresses["served"]}
group = served
[group served]
check = none
host = {hosts[0].name} {hosts[0].address}
""", workers=1)
    (worker,) = d.worker_pids()
    served = harness.cpu_s(worker)
    load(addresses["served"], short=1000, duration=1, ids=1).wait(30)
    served = harness.cpu_s(worker) - served
    holders = [harness.connect(addresses["full"]) for _ in hosts]
    names = {harness.receive_exactly(client, 5) for client in holders}
    assert names == {b"app1\n", b"app2\n"}
    for name in CONDITIONS:
        rule = "queue_timeout" if name == "full" else "no_host"
        busy, began = harness.cpu_s(worker), time.monotonic()
        figures = load(addresses[name], short=1000, duration=1, ids=1).wait(30)
        busy, took = harness.cpu_s(worker) - busy, time.monotonic() - began
        row = figures["short"]
        assert row["attempts"] > 900 and row["ok"] == 0 and figures["hosts"] == {}, figures
        # The whole price of a client that cannot be served, accept and close and all, in 1,000 a second.
        assert busy < max(0.10 * took, served), (name, busy, took, served)
        harness.wait_until(lambda n=name, r=row: sum(outcomes(d, n).values()) == r["attempts"], 5, "all to be counted")
        kinds = set(outcomes(d, name))
        assert kinds == {rule}, (name, outcomes(d, name))
    (row,) = d.running()["workers"]
    assert row["pid"] == worker and row["restarts"] == 0 and row["state"] == "up"
    holders[0].close()
    harness.wait_until(lambda: ask_name(addresses["full"]), 5, "the freed place to be given")
    holders[1].close()


@pytest.mark.alone
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_no_scheduler_loops_when_every_host_is_ejected(daemon, load, scheduler):
    """C7: the whole group left out (eject_most = 100%): closed by rule, no host asked, the worker calm."""
    address = local()
    with Closed("app1") as one, Closed("app2") as two:
        rules = f"scheduler = {scheduler}\neject_failures = 1\neject_most = 100%\neject_time = 1h\nqueue_timeout = 500ms"
        d = daemon(config(address, [one, two], group=rules), workers=1)
        (worker,) = d.worker_pids()

        def all_ejected():
            assert ask_name(address) is None
            return {d.host(name)["state"] for name in ("app1", "app2")} == {"ejected"}
        harness.wait_until(all_ejected, what="both hosts to be ejected")
        before, failures = outcomes(d), [d.host(name)["failures_total"] for name in ("app1", "app2")]
        busy, began = harness.cpu_s(worker), time.monotonic()
        row = load(address, short=1000, duration=1, ids=1).wait(30)["short"]
        busy, took = harness.cpu_s(worker) - busy, time.monotonic() - began
        assert row["attempts"] > 900 and row["ok"] == 0, row
        assert busy < 0.5 * took, (busy, took)  # a loop would take all of a processor

        def all_counted():
            now = outcomes(d)
            return now.get("no_host", 0) - before.get("no_host", 0) == row["attempts"]
        harness.wait_until(all_counted, 5, "all to be counted as without a host")
        assert [d.host(name)["failures_total"] for name in ("app1", "app2")] == failures, "nobody was asked"
        (row,) = d.running()["workers"]
        assert row["pid"] == worker and row["restarts"] == 0 and row["state"] == "up"


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 4])
def test_a_lowered_limit_kills_nobody(daemon, host, workers):
    """E6: max_connections 10 with ten open, then 5: none new until below, the gauge never wrong."""
    app, address = host("app1", "id"), local()

    def limited(limit):
        return config(address, [(app, f"max_connections={limit}")], group="queue_timeout = 60s")

    d = daemon(limited(10), workers=workers)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(harness.connect(address)) for _ in range(10)]
        for client in clients:
            assert harness.receive_exactly(client, 5) == b"app1\n"
        d.reload(limited(5))
        for client in clients:
            client.sendall(b"still here")
            assert harness.receive_exactly(client, 10) == b"still here"
        waiting = stack.enter_context(harness.connect(address))
        harness.wait_until(lambda: d.service()["connections"] == 11, what="the eleventh to wait")
        for left in (9, 8, 7, 6, 5):
            clients.pop().close()
            harness.wait_until(lambda n=left: d.host("app1")["connections"] == n, what=f"{left} to be left")
            waiting.settimeout(0.1)
            with pytest.raises(TimeoutError):
                waiting.recv(10)
        assert app.stat()["accepted"] == 10
        clients.pop().close()
        waiting.settimeout(5)
        assert harness.receive_exactly(waiting, 5) == b"app1\n"
        assert d.host("app1")["connections"] == 5
