# SPDX-License-Identifier: MIT
"""`source` and `maglev`: a client's host is where the hash says, whichever worker, run or release it meets."""

import collections
import os
import signal

import pytest

import harness
from homes import HOMES
from rig import ask_name, config, local
from scene import wait_for_workers

WORKERS = [1, 2, 4]
KINDS = ["source", "maglev"]
CLIENTS = [f"127.{n * 7 % 256}.{n * 31 % 256}.{n * 13 % 250 + 1}" for n in range(120)]


def test_the_rule_is_that_of_every_release():
    """C8: what this test reckons by gives every line of the vectors that may never change."""
    for kind, rule in HOMES.items():
        found = rule([f"app{n}" for n in range(10)])
        with open(os.path.join(harness.ROOT, "tests", "unit", "golden", f"{kind}.txt"), encoding="ascii") as file:
            rows = [line.split() for line in file]
        assert len(rows) == 10000
        assert [row for row in rows if found[row[0]] != row[1]] == []


def homes_seen(address):
    return {client: ask_name(address, client) for client in CLIENTS}


def homes_expected(kind, names):
    rule = HOMES[kind](names)
    return {client: rule[client] for client in CLIENTS}


def accepted(d):
    return [row["accepted_total"] for row in sorted(d.running()["workers"], key=lambda row: row["id"])]


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_has_one_host_in_every_worker_and_run(daemon, host, kind, workers):
    """C8: by every worker, after a reload, a worker's death, a restart, with the lines in another order."""
    apps = [host(f"app{n}", "id") for n in range(5)]
    address = local()
    expected = homes_expected(kind, [app.name for app in apps])
    assert set(expected.values()) == {app.name for app in apps}
    text = config(address, apps, group=f"scheduler = {kind}")
    d = daemon(text, workers=workers)
    for _ in range(workers):
        assert homes_seen(address) == expected
    assert all(count > len(CLIENTS) / 4 for count in accepted(d)), "every worker was asked"
    d.reload(config(address, apps[::-1], group=f"scheduler = {kind}"))
    assert homes_seen(address) == expected
    os.kill(d.worker_pids()[0], signal.SIGKILL)
    d.allow_errors("worker")
    harness.wait_until(lambda: sum(row["restarts"] for row in d.running()["workers"]) == 1, what="the replacement")
    wait_for_workers(d, workers)
    assert homes_seen(address) == expected
    d.stop()
    d.write(text)
    d.start()
    assert homes_seen(address) == expected


@pytest.mark.san_subset
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["reload", "hostAdminDown", "setWeight"])
def test_only_the_clients_of_a_host_that_goes_move(daemon, host, kind, by):
    """C9: what moves is what the rule moves, and all are back at home when it is."""
    apps = [host(f"app{n}", "id") for n in range(10)]
    names, address = [app.name for app in apps], local()
    home, away = homes_expected(kind, names), homes_expected(kind, names[:3] + names[4:])
    moved = [client for client in CLIENTS if home[client] != away[client]]
    others = [client for client in moved if home[client] != "app3"]
    assert len(moved) > len(others) and len(others) <= (0 if kind == "source" else len(CLIENTS) // 20)
    rules = f"scheduler = {kind}"
    d = daemon(config(address, apps, group=rules), workers=2)
    place = {"service": "web", "group": "main", "name": "app3"}

    def call(name, **more):
        answer = d.http("POST", f"/api/{name}", body="&".join(f"{k}={v}" for k, v in {**place, **more}.items()),
                        headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 200, answer.text
    assert homes_seen(address) == home
    for _ in range(2):
        if by == "reload":
            d.reload(config(address, apps[:3] + apps[4:], group=rules))
        elif by == "setWeight":
            call("setWeight", weight=0)
        else:
            call("hostAdminDown")
        assert homes_seen(address) == away
        if by == "reload":
            d.reload(config(address, apps, group=rules))
        elif by == "setWeight":
            call("setWeight", weight=1)
        else:
            call("hostAdminUp")
        assert homes_seen(address) == home


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_is_elsewhere_only_while_its_home_is_full(daemon, host, kind, workers):
    """C15: two places at home; who finds none goes to one and the same other host, and comes home again."""
    apps = [host(f"app{n}", "id") for n in range(4)]
    address, client = local(), "127.3.2.1"
    home = HOMES[kind]([app.name for app in apps])[client]
    d = daemon(config(address, [(app, "max_connections=2") for app in apps], group=f"scheduler = {kind}"),
               workers=workers)

    held = collections.Counter()

    def enter():
        one = harness.connect(address, source=client)
        name = harness.receive_exactly(one, 5).decode().strip()
        held[name] += 1
        return one, name

    def end(one, name):
        one.close()
        held[name] -= 1
        harness.wait_until(lambda: d.host(name)["connections"] == held[name], what="the place to be free")

    for _ in range(3):
        inside = [enter() for _ in range(2)]
        assert [name for _, name in inside] == [home] * 2
        spilled = [enter() for _ in range(2)]
        other = spilled[0][1]
        assert other != home and [name for _, name in spilled] == [other] * 2
        assert ask_name(address, client) not in (home, other)
        end(*inside[0])
        assert ask_name(address, client) == home
        for one in (inside[1], *spilled):
            end(*one)
    assert [app.stat()["peak"] for app in apps if app.name == home] == [2]
