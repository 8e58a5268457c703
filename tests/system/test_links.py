# SPDX-License-Identifier: MIT
"""Between clients, daemon and hosts in networks of their own: cables that are pulled, packets that vanish, ports that run out."""

import contextlib
import os
import time

import pytest

import harness
from networks import Network
from rig import config, outcomes, wait_outcomes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="networks of its own need root")

CLIENTS, DOOR = "10.77.1.1", "10.77.1.2"
GATES, APPS = ["10.77.2.1", "10.77.3.1"], ["10.77.2.2", "10.77.3.2"]


class Site:
    """Three networks: clients (a cable), the daemon (a cable to each host), hosts."""

    def __init__(self):
        self.clients, self.middle, self.hosts = Network(), Network(), Network()
        self.clients.wire("door", f"{CLIENTS}/24", self.middle, "clients", f"{DOOR}/24")
        for n in range(2):
            self.middle.wire(f"gate{n}", f"{GATES[n]}/24", self.hosts, f"app{n}", f"{APPS[n]}/24")

    def pull(self, n):
        """The cable of a host is pulled, at the host's end."""
        self.hosts.ip("link", "set", f"app{n}", "down")

    def plug(self, n):
        self.hosts.ip("link", "set", f"app{n}", "up")

    def swallow(self, n):
        """What a host sends to the daemon vanishes on the way; the link stays up."""
        self.hosts.ip("route", "add", "blackhole", f"{GATES[n]}/32")

    def give_back(self, n):
        self.hosts.ip("route", "del", "blackhole", f"{GATES[n]}/32")

    def close(self):
        for network in (self.clients, self.middle, self.hosts):
            network.close()


@pytest.fixture
def site():
    one = Site()
    yield one
    one.close()


@pytest.fixture
def inside():
    """The whole test runs in a network of its own."""
    network = Network()
    with network.inside():
        yield network
    network.close()


def start(site, daemon, host, *, mode="id", service="", group="", workers=2):
    """Hosts, a daemon before them; its address."""
    with site.hosts.inside():
        apps = [host(f"app{n}", mode, ip=APPS[n]) for n in range(2)]
    with site.middle.inside():
        address = f"{DOOR}:{harness.free_port()}"
        d = daemon(config(address, apps, service=service, group=group), workers=workers)
    return apps, d, address


def enter(site, address):
    """A session and its host's name."""
    with site.clients.inside():
        client = harness.connect(address)
    return client, harness.receive_exactly(client, 5).decode().strip()


def names_seen(site, address, count):
    """Of clients that stay until they have a host: who says nothing and ends is taken to have left."""
    names = []
    for _ in range(count):
        client, name = enter(site, address)
        client.close()
        names.append(name)
    return names


@pytest.mark.san_subset
@pytest.mark.parametrize("how", ["pull", "swallow"])
def test_a_host_behind_a_black_hole_is_left_for_the_next(site, daemon, host, how):
    """B2, B9: at connect_timeout, with one failure counted; who leaves while it is tried holds nothing up."""
    _, d, address = start(site, daemon, host, service="connect_timeout = 700ms",
                          group="scheduler = first\neject_failures = 0")
    assert names_seen(site, address, 4) == ["app0"] * 4
    getattr(site, how)(0)
    for n in range(1, 4):
        began = time.monotonic()
        assert names_seen(site, address, 1) == ["app1"]
        took = time.monotonic() - began
        assert 0.69 < took < 5, took
        assert d.host("app0")["failures_total"] == n and d.host("app1")["failures_total"] == 0
    with site.clients.inside():
        client = harness.connect(address)
    harness.wait_until(lambda: d.host("app0")["connections"] == 1, what="the connect to be under way")
    harness.close_with_reset(client)
    harness.wait_until(lambda: d.service()["connections"] == 0, what="the place to be free")
    assert d.host("app0")["failures_total"] == 3 and d.host("app0")["connections"] == 0
    (site.plug if how == "pull" else site.give_back)(0)
    harness.wait_until(lambda: names_seen(site, address, 1) == ["app0"], what="the host to be reached again")
    assert d.host("app0")["state"] == "up"


@pytest.mark.san_subset
@pytest.mark.parametrize("how", ["pull", "swallow"])
def test_a_host_whose_link_is_lost_is_down_and_comes_back(site, daemon, host, how):
    """Its check finds it; open connections end by their limit, those of the other host and new ones notice nothing."""
    _, d, address = start(site, daemon, host, service="connect_timeout = 500ms\nidle_timeout = 3s",
                          group="check = tcp\ncheck_interval = 200ms\ncheck_timeout = 150ms\nrise = 2\nfall = 3\n"
                                "eject_failures = 0")
    with contextlib.ExitStack() as stack:
        sessions = [enter(site, address) for _ in range(4)]
        for client, _ in sessions:
            stack.enter_context(client)
        assert sorted(name for _, name in sessions) == ["app0", "app0", "app1", "app1"]
        getattr(site, how)(0)
        harness.wait_until(lambda: d.host("app0")["state"] == "down", what="app0 to be down")
        assert d.host("app0")["reason"], "it is told why"
        for client, _ in sessions:
            client.sendall(b"y")
        assert names_seen(site, address, 10) == ["app1"] * 10
        failures = d.host("app0")["failures_total"]
        assert names_seen(site, address, 10) == ["app1"] * 10
        assert d.host("app0")["failures_total"] == failures, "nobody is sent there any more"
        for client, name in sessions:
            if name == "app1":
                assert client.recv(1) == b"y"
        ended = [harness.receive_all(client) for client, name in sessions if name == "app0"]
        assert [data for data, _ in ended] == [b"", b""]
        harness.wait_until(lambda: outcomes(d).get("idle", 0) >= 2, what="the limit to be counted")
        assert d.host("app1")["state"] == "up"
        (site.plug if how == "pull" else site.give_back)(0)
        harness.wait_until(lambda: d.host("app0")["state"] == "up", what="app0 to be up")
        names = names_seen(site, address, 10)
        assert (names.count("app0"), names.count("app1")) == (5, 5)


@pytest.mark.san_subset
@pytest.mark.parametrize("whose", ["host", "client"])
def test_a_link_that_comes_back_in_time_costs_nobody(site, daemon, host, whose):
    """What was sent meanwhile arrives, whole and once."""
    _, d, address = start(site, daemon, host, mode="echo")
    data = os.urandom(300000)
    with site.clients.inside():
        client = harness.connect(address, timeout=60)
    with client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        if whose == "host":
            site.pull(0)
            site.pull(1)
        else:
            site.middle.ip("link", "set", "clients", "down")
        client.setblocking(False)
        sent = client.send(data)
        assert sent > 0
        with pytest.raises(BlockingIOError):
            client.recv(1)
        if whose == "host":
            site.plug(0)
            site.plug(1)
        else:
            site.middle.ip("link", "set", "clients", "up")
        client.settimeout(60)
        assert harness.receive_exactly(client, sent) == data[:sent]
    harness.wait_until(lambda: d.service()["connections"] == 0, what="the session to be over")
    assert outcomes(d) == {}


@pytest.mark.san_subset
def test_a_client_whose_link_is_lost_is_ended_by_the_limit(site, daemon, host):
    apps, d, address = start(site, daemon, host, service="idle_timeout = 1s")
    sessions = [enter(site, address) for _ in range(10)]
    site.middle.ip("link", "set", "clients", "down")
    harness.wait_until(lambda: d.service()["connections"] == 0, what="all to be ended")
    harness.wait_until(lambda: [app.stat()["open"] for app in apps] == [0, 0], what="the hosts to know")
    wait_outcomes(d, {"idle": 10})
    site.middle.ip("link", "set", "clients", "up")
    for client, _ in sessions:
        client.close()


# --- H5: the local ports run out

PORTS = 10


def set_kernel(name, value):
    """A setting of the network that the caller is in."""
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(f"{value}\n")


def narrow_ports():
    """So many ports for connections without a port of their own."""
    set_kernel("ip_local_port_range", f"40000 {40000 + PORTS - 1}")


class Clients:
    """Sessions from ports of their own choice, which take none of the few."""

    def __init__(self, address, count):
        self.all = []
        for n in range(count):
            client = harness.socket.socket()
            client.settimeout(10)
            client.bind(("127.0.0.9", 50000 + n))
            ip, _, port = address.rpartition(":")
            client.connect((ip, int(port)))
            client.sendall(b"x")
            self.all.append(client)

    def served(self):
        """Those that have their echo."""
        found = []
        for client in self.all:
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                if client.recv(1, harness.socket.MSG_PEEK):
                    found.append(client)
        return found

    def leave(self, some):
        for client in some:
            client.recv(1)
            client.close()
            self.all.remove(client)


def run_short_of_ports(daemon, host, binds):
    """A hundred sessions, of which ten for each source address find a port; the others as these leave."""
    narrow_ports()
    if not binds:
        set_kernel("tcp_max_tw_buckets", 0)  # no TIME_WAIT: else ports would count as taken for a minute more
    app, address = host("app1", "echo"), f"127.0.0.1:{harness.free_port()}"
    most = PORTS * max(1, len(binds))
    d = daemon(config(address, [app], service="connect_timeout = 1s",
                      group="queue_timeout = 1m\neject_failures = 1\neject_most = 100%\n"
                            + "\n".join(f"bind = {one}" for one in binds)), workers=2)
    harness.wait_until(lambda: d.host("app1")["ports_left"] == PORTS, what="the ports to be counted")
    clients = Clients(address, 100)
    harness.wait_until(lambda: len(clients.served()) == most, what=f"{most} to be served")
    harness.wait_until(lambda: d.service()["waiting"] == 100 - most, what="the others to wait")
    harness.wait_until(lambda: d.host("app1")["ports_left"] == 0, what="the shortage to be counted")
    harness.wait_until(lambda: d.log_lines(rf"host main/app1: 0 of {PORTS} local ports are left"), what="the warning")
    assert len(clients.served()) == most and app.stat()["open"] == most
    while clients.all:
        some = harness.wait_until(clients.served, 60, "some of the waiting to be served")
        assert len(some) <= most
        clients.leave(some)
    assert app.stat()["accepted"] == 100 and app.stat()["peak"] <= most
    d.settled()
    row = d.host("app1")
    assert (row["state"], row["failures_total"], row["connections_total"]) == ("up", 0, 100)
    assert outcomes(d) == {}
    if not binds:
        harness.wait_until(lambda: d.host("app1")["ports_left"] == PORTS, what="the ports to be free again")


@pytest.mark.san_subset
@pytest.mark.parametrize("binds", [[], ["127.0.0.2", "127.0.0.3"]])
def test_a_shortage_of_ports_is_no_fault_of_a_host(inside, daemon, host, binds):  # pylint: disable=unused-argument
    """H5: nobody is refused for it, the host stays up, the log warns; two source addresses have twice as many."""
    run_short_of_ports(daemon, host, binds)


@pytest.mark.san_subset
def test_where_ports_run_out_another_host_serves(inside, daemon, host):  # pylint: disable=unused-argument
    """H5: the ports towards one host say nothing of those towards the next."""
    narrow_ports()
    apps, address = [host(f"app{n}", "echo") for n in range(2)], f"127.0.0.1:{harness.free_port()}"
    d = daemon(config(address, apps, group="scheduler = first\nqueue_timeout = 1m\neject_failures = 1"), workers=2)
    clients = Clients(address, 2 * PORTS)
    harness.wait_until(lambda: len(clients.served()) == 2 * PORTS, what="all to be served")
    assert [app.stat()["open"] for app in apps] == [PORTS, PORTS]
    clients.leave(list(clients.all))
    d.settled()
    assert [d.host(app.name)["failures_total"] for app in apps] == [0, 0] and outcomes(d) == {}
