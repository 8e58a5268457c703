# SPDX-License-Identifier: MIT
"""Open connections: listed, filtered, explained, ended (item 5 of the doors)."""

import json
import os
import signal
import socket
import subprocess

import pytest

from command import CTL, gaidarosctl
from harness import SAN, assert_no_loss, connect, free_port, wait_until
from rig import Closed, post
from scene import children, config, continue_processes, echo, stop_processes

pytestmark = pytest.mark.san_subset


def listed(running, query=""):
    answer = running.http("GET", "/connections" + query)
    assert answer.status == 200, answer.text
    return answer.json()["connections"]


def at(sock):
    return "{}:{}".format(*sock.getsockname()[:2])


@pytest.fixture(params=[1, 3])
def web(request, daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one"), host("two")]), workers=request.param)
    return running, port


def open_some(port, count):
    clients = [connect(f"127.0.0.1:{port}") for _ in range(count)]
    for client in clients:
        echo(client)
    return clients


def test_what_is_listed_is_what_is_open(web):
    running, port = web
    assert listed(running) == []
    clients = open_some(port, 20)
    echo(clients[0], b"x" * 1000)
    rows = {row["client"]: row for row in listed(running)}
    assert set(rows) == {at(client) for client in clients}
    assert len({row["id"] for row in rows.values()}) == 20
    for row in rows.values():
        assert (row["service"], row["group"], row["phase"]) == ("web", "main", "relay")
        assert running.host(row["host"])["address"] == row["address"]
        assert row["bytes_in"] == row["bytes_out"] == (1013 if row["client"] == at(clients[0]) else 13)
        assert 0 <= row["age_s"] < 60
    for name in ("one", "two"):
        assert running.host(name)["connections"] == sum(row["host"] == name for row in rows.values())
    for client in clients[:10]:
        client.close()
    wait_until(lambda: len(listed(running)) == 10, what="those that ended to be gone")
    for client in clients[10:]:
        client.close()


def test_filters_choose(web):
    running, port = web
    clients = open_some(port, 8)
    other = socket.socket()
    other.bind(("127.0.0.9", 0))
    other.connect(("127.0.0.1", port))
    echo(other, b"y" * 5000)
    everything = listed(running)
    assert len(everything) == 9
    for query, wanted in (("?service=web", 9), ("?service=wep", 0), ("?group=main", 9), ("?host=one", None), ("?limit=3", 3),
                          ("?source=127.0.0.9", 1), ("?source=127.0.0.0/29", 8), ("?source=10.0.0.0%2F8", 0),
                          ("?bytes=1k", 1), ("?bytes=26", 9), ("?bytes=27", 1), ("?age=1h", 0), ("?age=0", 9),
                          ("?source=127.0.0.9&host=none", 0), ("?service=%77eb", 9)):
        rows = listed(running, query)
        if wanted is None:
            wanted = sum(row["host"] == "one" for row in everything)
        assert len(rows) == wanted, query
    for query in ("?nosuch=1", "?age=x", "?source=1.2.3", "?bytes=-1", "?limit=0", "?service=", "?service=%zz", "?service=%00"):
        answer = running.http("GET", "/connections" + query)
        assert answer.status == 400 and answer.json()["ok"] is False, query
    said = gaidarosctl(running, "connections", "source=127.0.0.9", "bytes=1k")
    assert said.status == 0 and len(said.out.splitlines()) == 2 and at(other) in said.out, said
    assert gaidarosctl(running, "connections", "nosuch=1").status == 1
    assert gaidarosctl(running, "connections", "nosuch").status == 2
    for client in [*clients, other]:
        client.close()


def test_names_stay_right_when_the_configuration_has_moved_on(web):
    running, port = web
    running.edited = 1
    client = open_some(port, 1)[0]
    name = listed(running)[0]["host"]
    assert post(running, "delHost", service="web", group="main", name=name).status == 200
    (row,) = listed(running)
    assert (row["service"], row["group"], row["host"]) == ("web", "main", name)
    client.close()


def test_one_is_explained(web):
    running, port = web
    client = open_some(port, 1)[0]
    (row,) = listed(running)
    answer = running.http("GET", f"/connections/{row['id']}")
    assert answer.status == 200
    why = answer.json()
    for key in ("id", "client", "service", "group", "host", "address", "worker", "phase", "bytes_in", "bytes_out"):
        assert why[key] == row[key], key
    assert why["chosen"] == "roundrobin: its turn" and why["tries"] == 1
    (timer,) = why["timers"]
    assert timer["name"] == "idle_timeout" and timer["limit_s"] == 300 and 200 < timer["left_s"] <= 300
    assert why["client_tcp"]["remote"] == at(client) and why["host_tcp"]["remote"] == row["address"]
    client.shutdown(socket.SHUT_WR)
    wait_until(lambda: not listed(running) or
               "half" in json.dumps(running.http("GET", f"/connections/{row['id']}").json()), what="it to be half-closed or over")
    client.close()
    wait_until(lambda: not listed(running), what="it to end")
    assert running.http("GET", f"/connections/{row['id']}").status == 404


def test_figures_are_the_kernel_s(web):
    running, port = web
    client = open_some(port, 1)[0]
    (row,) = listed(running)
    why = running.http("GET", f"/connections/{row['id']}").json()
    host_port = why["host_tcp"]["local"].rpartition(":")[2]
    shown = subprocess.run(["ss", "-tinH", "sport", "=", f":{host_port}"], capture_output=True, text=True, check=True).stdout
    assert f"cwnd:{why['host_tcp']['cwnd']}" in shown and "ESTAB" in shown
    assert why["host_tcp"]["state"] == "established"
    # What the host does not read waits in the send queue.
    client.close()


def test_who_waits_is_told_so(daemon, host):
    port = free_port()
    full = host("one")
    running = daemon(config(port, [full], group="queue_timeout = 60s").replace(full.address, full.address + " max_connections=1"),
                     workers=1)
    clients = open_some(port, 1)
    clients.append(connect(f"127.0.0.1:{port}"))
    wait_until(lambda: sorted(row["phase"] for row in listed(running)) == ["queue", "relay"], what="one to wait")
    (waits,) = [row for row in listed(running) if row["phase"] == "queue"]
    assert waits["host"] == waits["group"] == ""
    why = running.http("GET", f"/connections/{waits['id']}").json()
    assert why["host_tcp"] is None and why["timers"][0]["name"] == "queue_timeout" and why["timers"][0]["limit_s"] == 60
    assert post(running, "killConnection", id=str(waits["id"])).status == 200
    assert_reset(clients.pop())
    assert running.host("one")["connections"] == 1
    clients[0].close()


def test_who_connects_is_told_so(daemon):
    port = free_port()
    with Closed("dead") as dead, socket.socket() as hole:
        # A backlog that is full: the kernel drops what else comes.
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        address = at(hole)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(hole.getsockname())
        running = daemon(f"[service web]\nlisten = 127.0.0.1:{port}\ngroup = main\nconnect_timeout = 60s\n[group main]\n"
                         f"scheduler = first\ncheck = none\nhost = dead {dead.address}\nhost = hole {address}\n", workers=1)
        client = connect(f"127.0.0.1:{port}")
        wait_until(lambda: [row["phase"] for row in listed(running)] == ["connect"], what="it to connect")
        (row,) = listed(running)
        why = running.http("GET", f"/connections/{row['id']}").json()
        assert why["host"] == "hole" and why["tries"] == 2 and "retried after 1 that could not be reached" in why["chosen"]
        assert why["host_tcp"]["state"] == "syn_sent" and why["timers"][0]["name"] == "connect_timeout"
        assert post(running, "killConnection", id=row["id"]).status == 200
        assert_reset(client)
        for one in fill:
            one.close()


def assert_reset(client):
    client.settimeout(20)
    with pytest.raises(ConnectionResetError):
        while client.recv(4096):
            pass
        raise AssertionError("ended with a clean FIN")
    client.close()


def test_one_is_ended_and_no_other(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one")], glob="access_log = access.log"), workers=2)
    clients = open_some(port, 6)
    victim = clients[3]
    (row,) = [row for row in listed(running) if row["client"] == at(victim)]
    said = gaidarosctl(running, "killConnection", f"id={row['id']}")
    assert said.status == 0, said
    assert_reset(victim)
    for client in clients:
        if client is not victim:
            echo(client)
    assert gaidarosctl(running, "killConnection", f"id={row['id']}").status == 1
    assert running.log_lines(rf"info director.*killConnection {row['id']}, by the control socket")
    log = os.path.join(running.folder, "access.log")
    wait_until(lambda: "status=killed" in open(log, encoding="utf-8").read(), what="its line in the access log")
    for client in clients:
        client.close()


@pytest.mark.parametrize("bad", ["0", "-1", "18446744073709551616", "x", "1x", "1.5", " 1"])
def test_a_wrong_id_is_refused(web, bad):
    running, _ = web
    assert post(running, "killConnection", id=bad).status == 400
    assert post(running, "killConnection", id="12345").status == 404


def test_a_stopped_worker_does_not_hold_the_door(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one")], glob="stuck_timeout = 30s"), workers=1)
    client = open_some(port, 1)[0]
    (row,) = listed(running)
    pids = children(running, "worker")
    stop_processes(pids)
    try:
        answer = post(running, "killConnection", id=row["id"])
        assert answer.status == 409 and "does not answer" in answer.json()["error"]
        assert [row["id"] for row in listed(running)] == [row["id"]], "what is known is shown"
        assert running.healthz() == 200
    finally:
        continue_processes(pids)
    echo(client)  # what was refused is not done later
    client.close()


def test_a_worker_that_dies_takes_its_connections_with_it(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one")]), workers=1)
    client = open_some(port, 1)[0]
    (row,) = listed(running)
    (worker,) = children(running, "worker")
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not listed(running), what="the row to be given back")
    assert post(running, "killConnection", id=row["id"]).status == 404
    client.close()


def test_rows_are_whole_under_churn(daemon, host, load):
    hosts = [host("one"), host("two")]
    port = free_port()
    running = daemon(config(port, hosts), workers=2)
    work = load(f"127.0.0.1:{port}", short=100 if SAN else 800, long=50, interval=50)
    addresses = {one.name: one.address for one in hosts}
    for _ in range(10 if SAN else 60):
        rows = listed(running)
        assert len({row["id"] for row in rows}) == len(rows)
        for row in rows:
            assert row["service"] == "web" and row["client"].startswith("127.")
            assert row["host"] == "" or addresses[row["host"]] == row["address"]
    assert_no_loss(work.stop())


@pytest.mark.unsanitized
def test_thousands_are_streamed_in_flat_memory(daemon, host, load):
    count = 6000  # of a descriptor limit of 20,000: each takes two here, and one in load and host
    port = free_port()
    running = daemon(config(port, [host("one")]), workers=2)
    work = load(f"127.0.0.1:{port}", long=count, interval=60000, opening=256)
    wait_until(lambda: work.stat()["long_up"] == count, 60, "all to be open")
    (director,) = children(running, "director")

    def resident():
        with open(f"/proc/{director}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    assert len(listed(running)) == count
    before = resident()
    # A reader that takes nothing holds nobody up.
    slow = socket.socket(socket.AF_UNIX)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(running.control)
    slow.sendall(b"GET /connections HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(5):
        assert len(listed(running)) == count
    assert resident() - before < 1024, "KiB; the list alone has more"
    slow.close()
    assert_no_loss(work.stop(), count)


def test_a_slow_reader_gets_a_whole_list(web):
    running, port = web
    clients = open_some(port, 30)
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(running.control)
        slow.sendall(b"GET /connections HTTP/1.0\r\nHost: x\r\n\r\n")
        got = b""
        while piece := slow.recv(7):
            got += piece
    assert len(json.loads(got.partition(b"\r\n\r\n")[2])["connections"]) == 30
    for client in clients:
        client.close()


def test_why_reads_well(web):
    running, port = web
    client = open_some(port, 1)[0]
    (row,) = listed(running)
    said = subprocess.run([CTL, "-s", running.control, "why", str(row["id"])], capture_output=True, text=True, check=True).stdout
    for word in ("roundrobin", "idle_timeout", "are left", "client's end", "host's end", "established", row["address"]):
        assert word in said, (word, said)
    client.close()
