# SPDX-License-Identifier: MIT
"""What a service does when its group has no usable host: standby groups, waiting, a word of its own, open connections."""

import os
import socket
import time

import pytest

import harness
from rig import Closed, ask_name, config, ended_without_a_byte, local, outcomes, unless_checked, wait_outcomes


def two_groups(address, main, spare, *, service="", group="", spare_group="", overall=""):
    """A service with one group and one standby."""
    text = config(address, main, service=f"standby = spare\n{service}", group=group, overall=overall)
    hosts = "\n".join(f"host = {one}" if isinstance(one, str) else f"host = {one.name} {one.address}" for one in spare)
    return f"{text}\n[group spare]\n{unless_checked(spare_group)}\n{hosts}\n"


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_standby_serves_while_the_group_cannot_and_no_longer(daemon, host, workers):
    """C1: 30 to the standby, and all back."""
    app, spare, address = host("app1", "id"), host("spare1", "id"), local()
    down = two_groups(address, [f"app1 {app.address} state=down"], [spare])
    d = daemon(down, workers=workers)
    assert [ask_name(address) for _ in range(30)] == ["spare1"] * 30
    d.reload(two_groups(address, [app], [spare]))
    assert [ask_name(address) for _ in range(30)] == ["app1"] * 30
    d.settled()
    assert (app.stat()["accepted"], spare.stat()["accepted"]) == (30, 30)
    groups = d.service()["groups"]
    assert [group["name"] for group in groups] == ["main", "spare"]


@pytest.mark.san_subset
def test_standby_groups_are_used_in_their_order(daemon, host):
    one, two, address = host("one", "id"), host("two", "id"), local()
    text = config(address, ["app1 127.0.0.1:9 state=down"], service="standby = first second")
    tail = "[group first]\nhost = one {} state={}\n[group second]\nhost = two {}\n"
    d = daemon(text + tail.format(one.address, "up", two.address), workers=2)
    assert {ask_name(address) for _ in range(6)} == {"one"}
    d.reload(text + tail.format(one.address, "down", two.address))
    assert {ask_name(address) for _ in range(6)} == {"two"}


@pytest.mark.san_subset
def test_without_failover_the_standby_stays_unused(daemon, host):
    spare, address = host("spare1", "id"), local()
    d = daemon(two_groups(address, ["app1 127.0.0.1:9 state=down"], [spare], service="failover = no"), workers=2)
    assert ask_name(address) is None
    d.settled()
    assert outcomes(d) == {"no_host": 1} and spare.stat()["accepted"] == 0


@pytest.mark.san_subset
@pytest.mark.parametrize("retries, expected", [(1, None), (2, "spare1")])
def test_the_limit_of_tries_holds_over_groups(daemon, host, retries, expected):
    """B4: two tries, of hosts that refuse: the standby is not tried; with a third it is."""
    spare, address = host("spare1", "id"), local()
    with Closed("app1") as one, Closed("app2") as two:
        d = daemon(two_groups(address, [one, two], [spare], service=f"retries = {retries}",
                              group="eject_failures = 0"), workers=2)
        assert ask_name(address) == expected
        d.settled()
        assert spare.stat()["accepted"] == (expected is not None)
        assert d.host("app1")["failures_total"] + d.host("app2")["failures_total"] == 2


@pytest.mark.san_subset
def test_ejected_hosts_leave_the_service_to_the_standby_and_come_back(daemon, host):
    """B13: every connect fails a while, then the standby has all, then the recovered host again."""
    spare, address = host("spare1", "id"), local()
    closed = Closed("app1")
    with closed:
        d = daemon(two_groups(address, [closed], [spare], service="retries = 1",
                              group="eject_failures = 1\neject_time = 1s\neject_most = 100%"), workers=2)
        d.allow_errors("ejected")
        assert ask_name(address) == "spare1"
        assert d.host("app1")["state"] == "ejected"
        assert [ask_name(address) for _ in range(10)] == ["spare1"] * 10
        assert d.host("app1")["failures_total"] == 1
    host("app1", "id", port=int(closed.address.rpartition(":")[2]))
    harness.wait_until(lambda: ask_name(address) == "app1", what="the recovered host to be used", step=0.1)
    assert [ask_name(address) for _ in range(30)] == ["app1"] * 30


@pytest.mark.san_subset
def test_nobody_is_kept_where_no_host_can_be_used(daemon):
    """when_no_host = close: with a reset, at once."""
    address = local()
    d = daemon(config(address, ["app1 127.0.0.1:9 state=down"], service="when_no_host = close"), workers=2)
    began = time.monotonic()
    assert ended_without_a_byte(address) == (b"", "reset")
    assert time.monotonic() - began < 5
    wait_outcomes(d, {"no_host": 1})


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 4])
def test_who_is_held_is_served_when_a_host_comes(daemon, host, workers):
    """when_no_host = hold: what the client sent meanwhile arrives once, whole."""
    app, address = host("app1", "echo"), local()

    def text(state):
        return config(address, [(app, f"state={state}")], service="when_no_host = hold 1m")
    d = daemon(text("down"), workers=workers)
    clients = [harness.connect(address) for _ in range(20)]
    data = os.urandom(20000)
    for client in clients:
        client.sendall(data)
    harness.wait_until(lambda: d.service()["connections"] == 20, what="all to be held")
    assert app.stat()["accepted"] == 0
    # Held ones keep their old configuration, and see the row all the same.
    d.reload(text("up"))
    for client in clients:
        assert harness.receive_exactly(client, len(data)) == data
        client.close()
    d.settled()
    assert outcomes(d) == {} and app.stat()["accepted"] == 20


@pytest.mark.san_subset
def test_who_is_held_too_long_is_sent_away(daemon):
    address = local()
    d = daemon(config(address, ["app1 127.0.0.1:9 state=down"], service="when_no_host = hold 600ms"), workers=2)
    began = time.monotonic()
    with harness.connect(address) as client:
        assert harness.receive_all(client) == (b"", "reset")
    assert 0.59 <= time.monotonic() - began < 5
    wait_outcomes(d, {"no_host": 1})


@pytest.mark.san_subset
@pytest.mark.parametrize("size, sends", [(30, 0), (65536, 0), (200, 300000)])
def test_sorry_is_said_whole_whatever_the_client_sends(daemon, folder, size, sends):
    """when_no_host = sorry: the file, then a clean end, although the client's bytes are not wanted."""
    words = os.urandom(size)
    with open(folder / "sorry.http", "wb") as file:
        file.write(words)
    address = local()
    d = daemon(config(address, ["app1 127.0.0.1:9 state=down"], service=f"when_no_host = sorry {folder}/sorry.http"),
               workers=2)
    with harness.connect(address) as client:
        if sends:
            client.setblocking(False)
            left = sends
            try:
                while left > 0:
                    left -= client.send(b"x" * min(left, 16384))
            except BlockingIOError:
                pass
            client.settimeout(10)
        data, how = harness.receive_all(client)
        assert (data == words, how) == (True, "eof")
        client.shutdown(socket.SHUT_WR)
    d.settled()
    wait_outcomes(d, {"no_host": 1})
    assert d.service()["bytes_out"] == size


@pytest.mark.san_subset
def test_sorry_is_said_when_no_host_answers(daemon, folder):
    (folder / "sorry").write_bytes(b"come back later\n")
    address = local()
    with Closed("app1") as closed:
        d = daemon(config(address, [closed], service=f"when_no_host = sorry {folder}/sorry"), workers=2)
        with harness.connect(address) as client:
            assert harness.receive_all(client) == (b"come back later\n", "eof")
        d.settled()
        wait_outcomes(d, {"connect_failed": 1})


@pytest.mark.san_subset
def test_a_client_that_stays_after_sorry_is_ended(daemon, folder):
    (folder / "sorry").write_bytes(b"sorry\n")
    address = local()
    d = daemon(config(address, ["app1 127.0.0.1:9 state=down"],
                      service=f"when_no_host = sorry {folder}/sorry\nhalf_close_timeout = 300ms"), workers=2)
    with harness.connect(address) as client:
        assert harness.receive_all(client) == (b"sorry\n", "eof")
        harness.wait_until(lambda: d.service()["connections"] == 0, what="the connection to be ended")


def checked(address, apps, *, group="", service=""):
    return config(address, apps, service=service,
                  group=f"check = tcp\ncheck_interval = 100ms\ncheck_timeout = 90ms\nrise = 1\nfall = 2\n{group}")


@pytest.mark.san_subset
@pytest.mark.parametrize("on_down", ["keep", "close"])
def test_open_connections_of_a_host_that_goes_down(daemon, host, on_down):
    """D10: kept by default; with close, reset within a second."""
    one, two, address = host("app1", "echo"), host("app2", "echo"), local()
    check = socket.create_server(("127.0.0.1", 0))
    port = check.getsockname()[1]
    d = daemon(checked(address, [(one, f"check=127.0.0.1:{port}"), two], group=f"on_down = {on_down}"), workers=2)
    clients = [harness.connect(address) for _ in range(10)]
    for client in clients:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    assert one.stat()["open"] == 5
    check.close()
    harness.wait_until(lambda: d.host("app1")["state"] == "down", what="app1 to be down")
    if on_down == "keep":
        for client in clients:
            client.sendall(b"y")
            assert client.recv(1) == b"y"
        assert one.stat()["open"] == 5
    else:
        harness.wait_until(lambda: one.stat()["open"] == 0, 5, "the connections of app1 to be ended")
        alive = 0
        for client in clients:
            try:
                client.sendall(b"y")
                alive += client.recv(1) == b"y"
            except ConnectionResetError:
                pass
        assert alive == 5
        wait_outcomes(d, {"host_reset": 5})
    for client in clients:
        client.close()
    d.settled()


@pytest.mark.san_subset
def test_all_hosts_are_tried_when_too_few_are_usable(daemon, host):
    """D11: fail_open: below half, checks no longer count; above it they do again."""
    apps = [host(f"app{n}", "id") for n in range(4)]
    address = local()
    checks = [socket.create_server(("127.0.0.1", 0)) for _ in apps]
    lines = [(app, f"check=127.0.0.1:{check.getsockname()[1]}") for app, check in zip(apps, checks)]
    d = daemon(checked(address, lines, group="fail_open = 50%"), workers=2)

    def names():
        return {ask_name(address) for _ in range(16)}

    def down(*expected):
        harness.wait_until(lambda: [a.name for a in apps if d.host(a.name)["state"] == "down"] == list(expected),
                           what=f"{expected} to be down")
    for check in checks[:2]:
        check.close()
    down("app0", "app1")
    assert names() == {"app2", "app3"}
    checks[2].close()
    down("app0", "app1", "app2")
    assert names() == {"app0", "app1", "app2", "app3"}
    ports = [int(line[1].rpartition(":")[2]) for line in lines]
    checks[:3] = [socket.create_server(("127.0.0.1", port)) for port in ports[:3]]
    down()
    assert names() == {"app0", "app1", "app2", "app3"}
    for check in checks:
        check.close()
