# SPDX-License-Identifier: MIT
"""`pool`, `bind`, `sticky`: connections made ahead of need, from chosen addresses, to the same host again."""

import os
import re
import selectors
import signal
import socket
import threading
import time

import pytest

import harness
from command import gaidaros
from rig import ask_name, config, local, outcomes

need_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers CAP_NET_RAW")
NET_RAW = 1 << 13


class IdleCloser:
    """A host that answers each line, and closes a connection over which nothing came for idle_s."""

    def __init__(self, idle_s, greeting=b""):
        self.idle_s, self.greeting = idle_s, greeting
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.accepted = self.closed_idle = self.requests = 0
        self.is_over = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        selector, last = selectors.DefaultSelector(), {}
        self.listener.setblocking(False)
        selector.register(self.listener, selectors.EVENT_READ)
        while not self.is_over:
            for key, _ in selector.select(0.002):
                if key.fileobj is self.listener:
                    self.accept(selector, last)
                    continue
                last[key.fileobj] = time.monotonic()
                if not self.answer(key.fileobj):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    del last[key.fileobj]
            now = time.monotonic()
            for client in [client for client, at in last.items() if now - at > self.idle_s]:
                selector.unregister(client)
                client.close()
                del last[client]
                self.closed_idle += 1
        for client in last:
            client.close()
        self.listener.close()

    def accept(self, selector, last):
        try:
            client, _ = self.listener.accept()
        except BlockingIOError:
            return
        self.accepted += 1
        client.sendall(self.greeting)
        last[client] = time.monotonic()
        selector.register(client, selectors.EVENT_READ)

    def answer(self, client):
        try:
            data = client.recv(4096)
        except ConnectionResetError:
            return False
        self.requests += bool(data)
        if data:
            client.sendall(data)
        return bool(data)

    def stop(self):
        self.is_over = True
        self.thread.join()


@pytest.fixture
def idle_closer():
    made = []

    def make(*args):
        made.append(IdleCloser(*args))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def ask(address, data=b"ping\n"):
    with harness.connect(address) as client:
        client.sendall(data)
        return harness.receive_exactly(client, len(data))


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2])
def test_a_pool_is_filled_and_used_and_counts_nowhere(daemon, host, workers):
    app, address = host("app1", "id"), local()
    d = daemon(config(address, [(app, "max_connections=2")], group="pool = 3\ncheck = none"), workers=workers)
    d.pooled = 3
    harness.wait_until(lambda: app.stat()["open"] == 3 * workers, what="the pools to be full")
    assert d.host("app1")["connections"] == 0 and d.host("app1")["connections_total"] == 0
    for n in range(20):
        assert ask_name(address) == "app1"
        harness.wait_until(lambda: app.stat()["open"] == 3 * workers, what="the pools to be full again")
    d.settled()
    assert d.host("app1")["connections_total"] == 20
    # Each client took one that was there: only replacements were made.
    assert app.stat()["accepted"] == 3 * workers + 20
    d.reload(config(address, [app], group="pool = 0\ncheck = none"))
    harness.wait_until(lambda: app.stat()["open"] == 0, what="the pools to be closed")
    assert ask_name(address) == "app1"


def many_requests(daemon, host_of_pool, count):
    address = local()
    d = daemon(config(address, [f"app1 {host_of_pool.address}"], group="pool = 4\ncheck = none\neject_failures = 0"),
               workers=2)
    d.pooled = 4
    harness.wait_until(lambda: host_of_pool.closed_idle > 8, what="the host to have closed some")
    for n in range(count):
        assert ask(address) == b"ping\n", n
        if n % 97 == 0:
            time.sleep(0.03)  # long enough for those in the pools to become old, which is the point here
    d.settled()
    assert outcomes(d) == {}
    assert d.host("app1")["connections_total"] == count and d.host("app1")["failures_total"] == 0
    assert host_of_pool.requests == count


@pytest.mark.alone
def test_a_host_that_closes_idle_sockets_costs_no_client(daemon, idle_closer):
    """Ten thousand requests against a host that closes what is idle for 50 ms: no error."""
    many_requests(daemon, idle_closer(0.05), 10000)


@pytest.mark.san_subset
def test_a_greeting_that_came_early_is_delivered(daemon, idle_closer):
    server, address = idle_closer(60, b"220 ready\r\n"), local()
    d = daemon(config(address, [f"app1 {server.address}"], group="pool = 2\ncheck = none"), workers=1)
    d.pooled = 2
    harness.wait_until(lambda: server.accepted == 2, what="the pool to be full")
    for n in range(10):
        with harness.connect(address) as client:
            assert harness.receive_exactly(client, 11) == b"220 ready\r\n"
            client.sendall(b"EHLO\r\n")
            assert harness.receive_exactly(client, 6) == b"EHLO\r\n"
        harness.wait_until(lambda: server.accepted == 3 + n, what="the pool to be full again")


@pytest.mark.san_subset
def test_a_pool_to_a_host_that_is_gone_is_patient(daemon, host):
    """No storm of connects to a host that refuses; its word counts for nothing."""
    address = local()
    port = harness.free_port()
    d = daemon(config(address, [f"app1 127.0.0.1:{port}"], group="pool = 5\ncheck = none"), workers=1)
    d.pooled = 5
    (worker,) = d.worker_pids()
    before, began = harness.cpu_s(worker), time.monotonic()
    app = host("app1", "id", port=port)
    harness.wait_until(lambda: app.stat()["open"] == 5, what="the pool to be full once the host is there")
    assert d.host("app1")["failures_total"] == 0
    assert harness.cpu_s(worker) - before < 0.5 * (time.monotonic() - began) + 0.2


def sources_seen(address, count):
    """Asks a host that tells whom it sees."""
    seen = []
    for _ in range(count):
        with harness.connect(address) as client:
            seen.append(client.makefile("rb").readline().decode().strip())
    return seen


class Mirror:
    """A host that tells each client the address it comes from."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            client, (ip, _) = self.listener.accept()
            with client:
                if ip == "127.0.0.99":
                    return
                client.sendall(ip.encode() + b"\n")
                client.shutdown(socket.SHUT_WR)
                client.settimeout(5)
                try:
                    while client.recv(100):
                        pass
                except OSError:
                    pass

    def stop(self):
        with harness.connect(self.address, source="127.0.0.99"):
            pass
        self.thread.join()
        self.listener.close()


@pytest.fixture
def mirror():
    one = Mirror()
    yield one
    one.stop()


@pytest.mark.san_subset
def test_source_addresses_take_turns(daemon, mirror):
    address = local()
    d = daemon(config(address, [f"app1 {mirror.address}"], group="bind = 127.0.0.21\nbind = 127.0.0.22\ncheck = none"),
               workers=1)
    assert sources_seen(address, 6) == ["127.0.0.21", "127.0.0.22"] * 3
    d.settled()
    assert outcomes(d) == {}


def capabilities(pid):
    """Names of the sets that a process has, each as a number of bits."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: int(bits, 16) for name, bits in re.findall(r"^Cap(\w+):\s*(\w+)$", file.read(), re.M)}


def seen_from(address, source):
    with harness.connect(address, source=source) as client:
        return client.makefile("rb").readline().decode().strip()


@need_root
@pytest.mark.san_subset
def test_hosts_see_their_clients_addresses(daemon, mirror):
    """`bind = client`: workers have CAP_NET_RAW for it and nothing else, the director has nothing."""
    address = local()
    text = config(address, [f"app1 {mirror.address}"], group="bind = client\ncheck = none")
    d = daemon(text, workers=2)
    for n in range(31, 41):
        assert seen_from(address, f"127.0.0.{n}") == f"127.0.0.{n}"
    d.reload()
    assert seen_from(address, "127.0.0.41") == "127.0.0.41"
    workers = d.worker_pids()
    only = dict(capabilities(workers[0]), Inh=NET_RAW, Prm=NET_RAW, Eff=NET_RAW, Amb=NET_RAW)
    assert [capabilities(pid) for pid in workers] == [only] * 2
    (director,) = set(d.pids()) - {d.pid, *workers}
    assert capabilities(director)["Prm"] == capabilities(director)["Eff"] == 0
    # A worker that is replaced gets it, too.
    os.kill(workers[0], signal.SIGKILL)
    harness.wait_until(lambda: len(set(d.worker_pids()) - {0, *workers}) == 1 and
                       all(row["state"] == "up" for row in d.running()["workers"]), what="a new worker")
    assert [capabilities(pid)["Eff"] for pid in d.worker_pids()] == [NET_RAW] * 2
    for n in range(51, 61):
        assert seen_from(address, f"127.0.0.{n}") == f"127.0.0.{n}"
    d.settled()
    assert outcomes(d) == {}


@need_root
@pytest.mark.san_subset
def test_clients_addresses_are_not_promised_without_the_right_to_them(daemon, host, tmp_path):
    """Told at -t where the capability is missing, and at a reload when the workers were started without it."""
    app, address = host("app1", "id"), local()
    with_bind = config(address, [app], group="bind = client\ncheck = none")
    path = tmp_path / "g.conf"
    path.write_text(with_bind)
    said = gaidaros("-c", path, "-t", wrap=("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"))
    assert said.status == 3 and "CAP_NET_RAW" in said.err and "g.conf:" in said.err, said
    assert gaidaros("-c", path, "-t").status == 0
    d = daemon(config(address, [app], group="check = none"), workers=1)
    assert all(capabilities(pid)["Prm"] == 0 for pid in d.worker_pids())
    d.reload(with_bind, ok=False)
    assert d.log_lines(r"CAP_NET_RAW")
    d.allow_errors("CAP_NET_RAW|reload failed")
    assert ask_name(address) == "app1"


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_client_comes_back_to_its_host(daemon, host, workers):
    """C12, C13: by source, over all workers and reloads; elsewhere while that host cannot, and then stays there."""
    apps = [host(f"app{n}", "id") for n in range(5)]
    address = local()

    def text(state=""):
        return config(address, [(app, state if app.name == first else "") for app in apps],
                      group="sticky = source 1h\ncheck = none")
    first = ""
    d = daemon(text(), workers=workers)

    def name_from(source):
        with harness.connect(address, source=source) as client:
            client.shutdown(socket.SHUT_WR)
            return harness.receive_all(client)[0].decode().strip()
    homes = {f"127.0.0.{n}": name_from(f"127.0.0.{n}") for n in range(1, 41)}
    assert sorted(list(homes.values()).count(app.name) for app in apps) == [8] * 5
    for _ in range(3):
        assert {source: name_from(source) for source in homes} == homes
    d.reload()
    assert {source: name_from(source) for source in homes} == homes
    first = homes["127.0.0.1"]
    d.reload(text("state=down"))
    moved = {source: name_from(source) for source in homes}
    for source, home in homes.items():
        assert (moved[source] == home) == (home != first), source
    first, was = "", first
    d.reload(text())
    assert {source: name_from(source) for source in homes} == moved
    d.settled()
    assert was not in moved.values()


@pytest.mark.san_subset
def test_a_full_stick_table_forgets_the_oldest(daemon, host):
    """C12: a table of 100 takes 2,000 clients without growing, and knows the latest."""
    apps = [host(f"app{n}", "id") for n in range(3)]
    address = local()
    d = daemon(config(address, apps, group="sticky = source 1h\ncheck = none", overall="stick_entries = 100"), workers=2)
    (rss,) = [max(harness.rss_bytes(pid) for pid in d.worker_pids())]

    def name_from(n):
        with harness.connect(address, source=f"127.1.{n // 250}.{n % 250 + 1}") as client:
            client.shutdown(socket.SHUT_WR)
            return harness.receive_all(client)[0].decode().strip()
    for n in range(2000):
        name_from(n)
    assert name_from(1999) == name_from(1999) == name_from(1999)
    assert max(harness.rss_bytes(pid) for pid in d.worker_pids()) - rss < 4 << 20
    d.settled()
