# SPDX-License-Identifier: MIT
"""Connecting to hosts: refusals, silence, retries over other hosts, and what is never repeated."""

import contextlib
import hashlib
import os
import re
import socket
import time

import pytest

import harness
from rig import Closed, ask_name, config, local, outcomes

SLOW_S = 0.5 if harness.SAN else 0  # more time on the sanitizer build


def closed_after_s(address):
    """Seconds until a new client that says nothing is closed, and how."""
    began = time.monotonic()
    try:
        with harness.connect(address) as client:
            _, how = harness.receive_all(client)
    except ConnectionResetError:
        how = "reset"
    return time.monotonic() - began, how


@pytest.mark.san_subset
def test_the_only_host_refuses(daemon):
    """B1: one attempt, one line with the reason, one failure; the client is closed with a reset at once.

    Of several clients the fastest shows how it works, the others the machine; so in the tests below.
    """
    address = local()
    with Closed("app1") as closed:
        d = daemon(config(address, [closed]), workers=2)
        took, how = closed_after_s(address)
        d.settled()
        assert d.host("app1")["failures_total"] == 1
        assert outcomes(d) == {"connect_failed": 1}
        harness.wait_until(lambda: d.log_lines("app1.*refused"), what="the line with the reason")
        assert len(d.log_lines("app1.*refused")) == 1
        more = [(took, how)] + [closed_after_s(address) for _ in range(4)]
        assert {how for _, how in more} == {"reset"}
        assert min(more)[0] < 0.05 and max(more)[0] < 1, more


@pytest.mark.san_subset
def test_a_silent_host_is_left_for_the_next_at_the_limit(daemon, host, black_hole):
    """B2"""
    limit, hole, app, address = 4, black_hole(), host("app2", "echo", digest=1), local()
    d = daemon(config(address, [f"app1 {hole.address}", app], service=f"connect_timeout = {limit}s",
                      group="scheduler = first"), workers=2)
    data = os.urandom(100000)
    clients, began, took = [], [], []
    for _ in range(3):
        began.append(time.monotonic())
        clients.append(harness.connect(address))
        clients[-1].sendall(data)
        clients[-1].shutdown(socket.SHUT_WR)
    for client, start in zip(clients, began):
        first = client.recv(1)
        took.append(time.monotonic() - start)
        rest, how = harness.receive_all(client)
        client.close()
        assert how == "eof" and first + rest == data
    assert limit * 0.95 <= min(took) <= limit * 1.05 + SLOW_S and max(took) <= limit + 1, took
    d.settled()
    assert d.host("app1")["failures_total"] == 3 and d.host("app2")["failures_total"] == 0
    assert d.host("app1")["connections_total"] == 0 and d.host("app2")["connections_total"] == 3
    assert [e["sha_in"] for e in app.ended(3)] == [hashlib.sha256(data).hexdigest()] * 3


def failures(d, names):
    return [d.host(name)["failures_total"] for name in names]


@pytest.mark.san_subset
@pytest.mark.parametrize("retries, hosts, attempts", [(3, 6, 4), (3, 4, 4), (3, 2, 2), (3, 1, 1), (0, 4, 1), (1, 4, 2)])
def test_retries_count_other_hosts(daemon, retries, hosts, attempts):
    """B3, as INTERFACE has it: retries = other hosts tried, each at most once."""
    address = local()
    with contextlib.ExitStack() as stack:
        closed = [stack.enter_context(Closed(f"app{i}")) for i in range(hosts)]
        d = daemon(config(address, closed, service=f"retries = {retries}", group="eject_failures = 0"), workers=2)
        times = []
        for round_number in (1, 2, 3):
            took, how = closed_after_s(address)
            times.append(took)
            d.settled()
            counts = failures(d, [one.name for one in closed])
            assert how == "reset"
            assert sum(counts) == attempts * round_number, counts
            assert max(counts) <= round_number, counts
        assert min(times) < 0.05 and max(times) < 1, times
        assert outcomes(d) == {"connect_failed": 3}


@pytest.mark.san_subset
@pytest.mark.parametrize("scheduler", ["roundrobin", "leastconn", "first", "random", "weighted"])
def test_a_host_that_is_down_is_no_attempt(daemon, host, scheduler):
    """B5: down, three that refuse and one that serves: retries = 3 reaches the last."""
    address = local()
    down, good = host("app1", "id"), host("app5", "id")
    with contextlib.ExitStack() as stack:
        closed = [stack.enter_context(Closed(f"app{i}")) for i in (2, 3, 4)]
        d = daemon(config(address, [(down, "state=down"), *closed, good],
                          group=f"scheduler = {scheduler}\neject_failures = 0"), workers=2)
        for _ in range(10):
            assert ask_name(address) == "app5"
        d.settled()
        assert down.stat()["accepted"] == 0
        assert d.host("app1")["failures_total"] == d.host("app1")["connections_total"] == 0
        assert d.host("app1")["state"] == "admin_down"
        assert d.host("app5")["connections_total"] == 10


def unshown(line):
    """How many times more a line says that it was not written."""
    return int(re.search(r"\((\d+) more not shown\)", line).group(1))


@pytest.mark.san_subset
def test_no_usable_host_closes_at_once(daemon, host):
    """B6: with a reset, and is said at most once a second."""
    app, address = host("app1", "id"), local()
    text = config(address, [(app, "state=down")])
    d = daemon(text, workers=2)
    began, took, reloads = time.monotonic(), [], 0
    while time.monotonic() - began < 2.5:
        if reloads < 4 and time.monotonic() - began > 0.5 * (reloads + 1):
            d.reload(text)  # a new generation is no news
            reloads += 1
        seconds, how = closed_after_s(address)
        assert how == "reset"
        took.append(seconds)
    d.settled()
    lines = d.log_lines("has no usable host")
    assert min(took) < 0.05 and max(took) < 1 + SLOW_S
    lasted = time.monotonic() - began
    assert 1 <= len(lines) <= lasted + 1, lines  # over all workers and generations
    assert sum(map(unshown, lines)) + len(lines) <= len(took)
    assert outcomes(d) == {"no_host": len(took)} and len(took) >= 10
    assert app.stat()["accepted"] == 0
    d.reload(config(address, [app]))
    assert ask_name(address) == "app1"


@pytest.mark.san_subset
def test_what_one_host_has_had_is_never_sent_to_another(daemon, host):
    """B7: the first host reads ten bytes, then resets."""
    first, second, address = host("app1", "reset-read", bytes=10), host("app2", "sink"), local()
    d = daemon(config(address, [first, second], group="scheduler = first"), workers=2)
    for _ in range(10):
        with harness.connect(address) as client:
            client.sendall(b"0123456789")
            data, how = harness.receive_all(client)
        assert (data, how) == (b"", "reset")
    d.settled()
    assert second.stat()["accepted"] == 0 and second.stat()["bytes_in"] == 0
    assert outcomes(d) == {"host_reset": 10}
    assert d.host("app1")["failures_total"] == 0 and d.host("app1")["state"] == "up"


@pytest.mark.san_subset
def test_the_second_host_gets_every_early_byte_once(daemon, host):
    """B8 (without PROXY): the client speaks at once, the first host refuses."""
    app, address = host("app2", "answer", bytes=5, digest=1), local()
    with Closed("app1") as closed:
        d = daemon(config(address, [closed, app], group="scheduler = first\neject_failures = 0"), workers=2)
        for size in (1, 1000, 16384, 300000):
            data = os.urandom(size)
            with harness.connect(address) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                answer, how = harness.receive_all(client)
            (ended,) = app.ended(1)
            assert (len(answer), how, ended["how"]) == (5, "eof", "clean")
            assert (ended["bytes_in"], ended["sha_in"]) == (size, hashlib.sha256(data).hexdigest())
            app.command("zero")
        d.settled()
        assert d.host("app1")["failures_total"] == 4
        assert d.host("app2")["connections_total"] == 4
