# SPDX-License-Identifier: MIT
"""Keys of the configuration that change how connections are made and kept: each one does what it says."""

import contextlib
import ctypes
import errno
import json
import os
import re
import socket
import time

import pytest

import harness
from rig import Closed, ask_name, config, local, outcomes

SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438
TCP_CONGESTION = 13


def system_call(*args):
    result = ctypes.CDLL(None, use_errno=True).syscall(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@contextlib.contextmanager
def connections_of(pid):
    """The connected TCP sockets of another process as our own, to read their options: {peer's port: socket}."""
    found = {}
    with contextlib.ExitStack() as stack:
        handle = system_call(SYS_PIDFD_OPEN, pid, 0)
        stack.callback(os.close, handle)
        for fd, target in harness.descriptors(pid).items():
            if not target.startswith("socket:"):
                continue
            copy = stack.enter_context(socket.socket(fileno=system_call(SYS_PIDFD_GETFD, handle, fd, 0)))
            if copy.family in (socket.AF_INET, socket.AF_INET6):
                try:
                    found[copy.getpeername()[1]] = copy
                except OSError as fault:
                    assert fault.errno == errno.ENOTCONN
        yield found


def options_of(connection):
    """The options that keys of the configuration set."""
    word = connection.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 16)
    return {"nodelay": connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            "keepalive": connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            "user_timeout": connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            "congestion": word.rstrip(b"\0").decode()}


def both_ends(d, app, address):
    """Options of the client's and of the host's socket of one connection."""
    (worker,) = d.worker_pids()
    with harness.connect(address) as client:
        assert harness.receive_exactly(client, 5) == b"app1\n"
        with connections_of(worker) as found:
            return options_of(found[client.getsockname()[1]]), options_of(found[app.port])


@pytest.mark.san_subset
def test_socket_options_reach_both_ends_and_follow_a_reload(daemon, host):
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="utf-8") as file:
        usual = file.read().strip()
    with open("/proc/sys/net/ipv4/tcp_allowed_congestion_control", encoding="utf-8") as file:
        other = next((word for word in file.read().split() if word != usual), usual)
    app, address = host("app1", "id"), local()
    d = daemon(config(address, [app]), workers=1)
    plain = {"nodelay": 1, "keepalive": 1, "user_timeout": 0, "congestion": usual}
    assert both_ends(d, app, address) == (plain, plain)
    d.reload(config(address, [app], group=f"congestion = {other}"))
    assert both_ends(d, app, address) == (plain, dict(plain, congestion=other))
    d.reload(config(address, [app], service=f"nodelay = no\nkeepalive = no\nuser_timeout = 7s\ncongestion = {other}"))
    changed = {"nodelay": 0, "keepalive": 0, "user_timeout": 7000, "congestion": other}
    assert both_ends(d, app, address) == (changed, changed)
    d.reload(config(address, [app]))
    assert both_ends(d, app, address) == (plain, plain)


@pytest.mark.san_subset
def test_cork_holds_nothing_back(daemon, host):
    """What is corked and not let go would come 200 ms late."""
    app, address = host("app1", "echo"), local()
    daemon(config(address, [app], service="cork = yes"), workers=1)
    took = []
    with harness.connect(address) as client:
        for size in [1, 100, 5000] * 10:
            began = time.monotonic()
            client.sendall(bytes(size))
            assert len(harness.receive_exactly(client, size)) == size
            took.append(time.monotonic() - began)
    assert sorted(took)[len(took) // 2] < 0.1, took


@pytest.mark.san_subset
def test_without_half_close_the_first_fin_ends_both(daemon, host):
    app, address = host("app1", "answer", bytes=10, delay=60000), local()
    d = daemon(config(address, [app], service="half_close = no"), workers=2)
    with harness.connect(address) as client:
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        data, _ = harness.receive_all(client)
        assert data == b"" and time.monotonic() - began < 2
    harness.wait_until(lambda: app.stat()["bytes_in"] == 7, what="the request to have arrived")
    d.settled()


@pytest.mark.san_subset
@pytest.mark.parametrize("ip", ["127.0.0.1", "[::1]"])
def test_a_star_serves_both_families(daemon, host, ip):
    app, port = host("app1", "id"), harness.free_port()
    daemon(config(f"*:{port}", [app]), workers=2)
    assert [ask_name(f"{ip}:{port}") for _ in range(4)] == ["app1"] * 4


@pytest.mark.san_subset
def test_listen_options_reach_the_sockets(daemon, host):
    app, port = host("app1", "id"), harness.free_port()
    d = daemon(config(f"127.0.0.1:{port} backlog=77 interface=lo", [app]), workers=2)
    assert ask_name(f"127.0.0.1:{port}") == "app1"
    rows = os.popen(f"ss -Hltn 'sport = :{port}'").read().splitlines()
    assert len(rows) == 2 and all(row.split()[2] == "77" and f"%lo:{port}" in row for row in rows), rows
    d.reload(config(f"127.0.0.1:{port} backlog=88 interface=lo", [app]))
    rows = os.popen(f"ss -Hltn 'sport = :{port}'").read().splitlines()
    assert len(rows) == 2 and all(row.split()[2] == "88" for row in rows), rows


@pytest.mark.san_subset
@pytest.mark.parametrize("poller", ["epoll", "poll", "select"])
def test_every_poller_carries_load(daemon, host, load, poller):
    app, address = host("app1", "id"), local()
    d = daemon(config(address, [app], overall=f"poller = {poller}"), workers=2)
    harness.assert_no_loss(load(address, short=300, long=20, duration=1, ids=1).wait(), 250)
    for pid in d.worker_pids():
        assert ("anon_inode:[eventpoll]" in harness.descriptors(pid).values()) == (poller == "epoll")


@pytest.mark.alone
@pytest.mark.parametrize("spin_ms, least, most", [(0, 0, 0.2), (50, 0.3, 1.2)])
def test_spin_polls_between_events_and_not_for_ever(daemon, host, spin_ms, least, most):
    """A message each 40 ms: with spin = 50ms the worker never sleeps; when nothing comes it does."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], overall=f"spin = {spin_ms}ms"), workers=1)
    (worker,) = d.worker_pids()
    with harness.connect(address) as client:
        busy, began = harness.cpu_s(worker), time.monotonic()
        while time.monotonic() - began < 1:
            client.sendall(b"x")
            assert client.recv(10) == b"x"
            time.sleep(0.04)  # the pace of the messages
        share = (harness.cpu_s(worker) - busy) / (time.monotonic() - began)
        assert least <= share <= most, share


def failed_connects(d):
    return d.host("gone")["failures_total"]


@pytest.mark.san_subset
def test_a_failing_host_is_ejected_and_tried_again_later_each_time(daemon, host):
    """Three failures eject it for 500 ms, then one for 1 s; a good connect ends it all."""
    address = local()
    with Closed("gone") as closed:
        app = host("app1", "id")
        d = daemon(config(address, [closed, app], group="eject_failures = 3\neject_time = 500ms"), workers=2)
        while d.host("gone")["state"] != "ejected":
            assert ask_name(address) == "app1"
        began = time.monotonic()
        assert failed_connects(d) == 3
        for _ in range(20):
            assert ask_name(address) == "app1"
        assert failed_connects(d) == 3 and d.host("gone")["state"] == "ejected"
        harness.wait_until(lambda: d.host("gone")["state"] == "up", 5, "the ejection to end")
        assert 0.45 <= time.monotonic() - began <= 1.5
        while d.host("gone")["state"] != "ejected":
            assert ask_name(address) == "app1"
        began = time.monotonic()
        assert failed_connects(d) == 4, "one more failure sends it back"
        harness.wait_until(lambda: d.host("gone")["state"] == "up", 5, "the second ejection to end")
        assert 0.95 <= time.monotonic() - began <= 2
        closed.socket.listen()
        clients = [harness.connect(address) for _ in range(4)]
        harness.wait_until(lambda: d.host("gone")["connections_total"] >= 1, what="the host to be used again")
        for client in clients:
            client.close()
        assert d.host("gone")["state"] == "up" and failed_connects(d) == 4


@pytest.mark.san_subset
def test_never_more_than_the_share_is_ejected(daemon):
    """eject_most = 50%: of four that all refuse, two stay in."""
    address = local()
    with contextlib.ExitStack() as stack:
        closed = [stack.enter_context(Closed(f"app{n}")) for n in range(4)]
        d = daemon(config(address, closed, group="eject_failures = 1\neject_time = 1h\neject_most = 50%"), workers=2)
        for _ in range(10):
            assert ask_name(address) is None
        states = sorted(d.host(one.name)["state"] for one in closed)
        assert states == ["ejected", "ejected", "up", "up"]
        assert outcomes(d) == {"connect_failed": 10}


def end_in_every_way(d, addresses, hosts):
    """One connection for each word of the access log that this daemon can write; returns what each moved."""
    with harness.connect(addresses["web"]) as client:  # ok
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert harness.receive_all(client) == (b"app1\nhello", "eof")
    assert harness.receive_all(harness.connect(addresses["short"]))[0] == b"app1\n"  # idle
    client = harness.connect(addresses["web"])  # client_reset
    harness.receive_exactly(client, 5)
    harness.close_with_reset(client)
    with harness.connect(addresses["web"]) as client:  # host_reset
        harness.receive_exactly(client, 5)
        harness.wait_until(lambda: hosts["app1"].stat()["open"] == 1)
        hosts["app1"].command("reset")
        harness.receive_all(client)
    for name in ("refused", "none"):
        assert ask_name(addresses[name]) is None
    d.settled()


STATUSES = {"ok": ("web", "app1", 5, 10), "idle": ("short", "app1", 0, 5), "client_reset": ("web", "app1", 0, 5),
            "host_reset": ("web", "app1", 0, 5), "connect_failed": ("refused", None, 0, 0), "no_host": ("none", None, 0, 0)}


@pytest.mark.san_subset
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_access_log_tells_how_each_connection_ended(daemon, host, folder, form):
    app = host("app1", "id")
    addresses = {name: local() for name in ("web", "short", "refused", "none")}
    with Closed("gone") as closed:
        text = config(addresses["web"], [app], overall=f"access_log = {folder}/access\naccess_format = {form}") + f"""
[service short]
listen = {addresses["short"]}
group = main
idle_timeout = 200ms
[service refused]
listen = {addresses["refused"]}
group = broken
[group broken]
check = none
host = gone {closed.address}
[service none]
listen = {addresses["none"]}
group = resting
[group resting]
check = none
host = app1 {app.address} state=down
"""
        d = daemon(text, workers=2)
        end_in_every_way(d, addresses, {"app1": app})

    def lines():
        with open(folder / "access", encoding="utf-8") as file:
            return file.read().splitlines()

    began = time.monotonic()
    harness.wait_until(lambda: len(lines()) >= len(STATUSES), 5, "all lines to be written")
    assert time.monotonic() - began < 1.5
    rows = [json.loads(line) if form == "json" else text_row(line) for line in lines()]
    assert len(rows) == len(STATUSES)
    for row in rows:
        service, name, bytes_in, bytes_out = STATUSES[row["status"]]
        assert row["service"] == service and (row["host"] == name or name is None), row
        assert (int(row["bytes_in"]), int(row["bytes_out"])) == (bytes_in, bytes_out), row
        assert re.match(r"127\.0\.0\.1:\d+$", row["client"]) and re.match(r"20\d\d-\d\d-\d\dT.*Z$", row["time"]), row
        assert 0 <= float(row["duration_ms"]) < 10000, row
    assert {row["status"] for row in rows} == set(STATUSES)


def text_row(line):
    """A line of the text form as the object of the JSON form."""
    words = line.split(" ")
    row = dict(zip(("time", "client", "service", "group", "host"), words))
    keys = [word.partition("=")[0] for word in words[5:]]
    assert keys == ["status", "bytes_in", "bytes_out", "connect_ms", "duration_ms", "sni"], line
    row.update(word.partition("=")[::2] for word in words[5:])
    return row
