# SPDX-License-Identifier: MIT
"""Shares that are measured: of the workers by the kernel's choice, of a host that warms up by `slow_start`."""

import time

import pytest

import harness
from checkhost import CheckHost
from rig import config, local

SLOW_S = 8
WARM = 4  # hosts beside the one that warms up


@pytest.mark.alone
def test_the_kernel_spreads_over_all_workers(daemon, host, load):
    """C16: 40,000 connections over four workers: each gets a quarter, give or take two in a hundred."""
    total, address = 40000, local()
    d = daemon(config(address, [host("app1", "id")]), workers=4)
    harness.assert_no_loss(load(address, parallel=64, count=total, size=64, ids=1, sources=8).wait(180), total)
    d.settled()
    counts = [row["accepted_total"] for row in d.running()["workers"]]
    assert sum(counts) == total
    assert all(0.23 * total <= count <= 0.27 * total for count in counts), counts


def share_of_new(load, address):
    """Of a second's connections: what app0 got of its fair share, and the time in the middle."""
    began = time.monotonic()
    figures = load(address, parallel=8, duration=1, size=64, ids=1).wait(30)
    harness.assert_no_loss(figures, 500)
    counts = figures["hosts"]
    return counts.get("app0", 0) * (WARM + 1) / sum(counts.values()), (began + time.monotonic()) / 2


def share_of_open(d, address):
    """Of many sessions that stay: how many app0 has to one that a warm host has, and the time in the middle."""
    began, clients, most = time.monotonic(), [], 400
    for _ in range(most):
        clients.append(harness.connect(address))
    names = [harness.receive_exactly(client, 5) for client in clients]
    middle = (began + time.monotonic()) / 2
    for client in clients:
        client.close()
    harness.wait_until(lambda: d.service()["connections"] == 0, what="the sessions to be gone")
    cold = names.count(b"app0\n")
    return cold * WARM / (most - cold), middle


def watch_it_warm(d, load, address, scheduler, since):
    """B12: at a quarter, half and three quarters of the time: as much of its share, a fifth more or less."""
    for part in (0.25, 0.5, 0.75):
        lead_s = 0.5 if scheduler == "roundrobin" else 0.1
        while time.monotonic() < since + part * SLOW_S - lead_s:
            time.sleep(0.01)  # the time itself is what is tested
        if scheduler == "roundrobin":
            share, at = share_of_new(load, address)
        else:
            share, at = share_of_open(d, address)
        expected = (at - since) / SLOW_S
        assert 0.8 * expected <= share <= 1.2 * expected, (scheduler, part, share, expected)
    harness.wait_until(lambda: time.monotonic() > since + SLOW_S + 0.2, SLOW_S, "it to be warm")
    share, _ = share_of_new(load, address)
    # Turns are exact; whoever has fewest connections depends on how fast each of them ends.
    slack = 0.03 if scheduler == "roundrobin" else 0.1
    assert 1 - slack < share < 1 + slack, share


@pytest.mark.alone
@pytest.mark.parametrize("scheduler", ["roundrobin", "leastconn"])
def test_a_host_that_returns_by_its_check_warms_up(daemon, host, load, scheduler):
    apps, cold, address = [host(f"app{n + 1}", "id") for n in range(WARM)], host("app0", "id"), local()
    door = CheckHost("bad")
    lines = [(cold, f"slow_start={SLOW_S}s check={door.address}"), *apps]
    d = daemon(config(address, lines, group=f"scheduler = {scheduler}\ncheck = tcp\ncheck_interval = 100ms\n"
                      "check_timeout = 90ms\nrise = 1\nfall = 1"), workers=2)
    door.close()
    harness.wait_until(lambda: d.host("app0")["state"] == "down", what="app0 to be down")
    door = CheckHost("ok", port=door.port)
    try:
        harness.wait_until(lambda: d.host("app0")["state"] == "up", what="app0 to be up")
        watch_it_warm(d, load, address, scheduler, time.monotonic())
    finally:
        door.close()


@pytest.mark.alone
@pytest.mark.parametrize("scheduler", ["roundrobin", "leastconn"])
def test_a_host_that_a_reload_adds_warms_up(daemon, host, load, scheduler):
    apps, cold, address = [host(f"app{n + 1}", "id") for n in range(WARM)], host("app0", "id"), local()
    d = daemon(config(address, apps, group=f"scheduler = {scheduler}"), workers=2)
    d.reload(config(address, [(cold, f"slow_start={SLOW_S}s"), *apps], group=f"scheduler = {scheduler}"))
    watch_it_warm(d, load, address, scheduler, time.monotonic())
