# SPDX-License-Identifier: MIT
"""Routes: TLS clients reach the group of the name or protocol that they ask for, unread; sources theirs (J21)."""

import os
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import make_certificate
from command import gaidaros
from harness import connect, free_port, receive_all, wait_until
from rig import ask_for
from threadhost import ThreadHost

pytestmark = pytest.mark.san_subset


class TlsHost(ThreadHost):
    """A TLS server that tells its own name and ends."""

    def __init__(self, folder, name):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*make_certificate(folder, name, "ca", alt="DNS:a.example,DNS:*.b.example"))
        self.context.set_alpn_protocols(["h2", "http/1.1", "acme-tls/1"])
        super().__init__(name)

    def talk(self, client):
        try:
            with self.context.wrap_socket(client, server_side=True) as secured:
                secured.sendall(self.name.encode())
        except OSError:
            client.close()


@pytest.fixture
def scene(daemon, host, folder):
    """A service with routes to TLS hosts; what is no TLS gets the plain host."""
    make_certificate(folder, "ca")
    hosts = [TlsHost(folder, name) for name in ("exact", "wild", "acme")]
    plain = host("plain", "id")
    listen = free_port()
    groups = "".join(f"[group {one.name}]\ncheck = none\nhost = {one.name} {one.address}\n" for one in hosts)
    running = daemon(f"[global]\naccess_log = access.log\n[service web]\nlisten = 127.0.0.1:{listen}\ngroup = main\n"
                     "handshake_timeout = 3s\nroute = alpn acme-tls/1 acme\nroute = sni a.example exact\n"
                     "route = sni *.example wild\nroute = source 127.0.0.66/32 wild\n"
                     f"[group main]\ncheck = none\nhost = plain {plain.address}\n{groups}", workers=2)
    running.edited = 1
    yield running, listen
    for one in hosts:
        one.close()


def hello(name, alpn=None, version=None):
    """The bytes of a ClientHello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    if version:
        context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    return talk, incoming, outgoing, outgoing.read()


def reach(listen, name, *, alpn=None, version=None, cut=None, source=None):
    """Which host a TLS client reaches, over bytes sent in pieces of so many; None when there is no TLS."""
    talk, incoming, outgoing, first = hello(name, alpn, version)
    with connect(f"127.0.0.1:{listen}", source=source) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cut = cut or len(first)
        for at in range(0, len(first), cut):
            client.sendall(first[at:at + cut])
        got = b""
        while True:
            try:
                got += talk.read(100)
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    client.sendall(outgoing.read())
                more = client.recv(65536)
                if not more:
                    return got.decode() or None
                incoming.write(more)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return got.decode()
            except ssl.SSLError:
                return None
            if got and len(got) >= 4 and got.decode() in ("exact", "wild", "acme"):
                return got.decode()


@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2])
def test_names_and_protocols_choose(scene, version):
    running, listen = scene
    for name, wanted in (("a.example", "exact"), ("A.Example", "exact"), ("b.example", "wild"), ("c.example", "wild")):
        assert reach(listen, name, version=version) == wanted, name
    assert reach(listen, "a.example", alpn=["acme-tls/1"], version=version) == "acme"  # the first route that fits
    assert reach(listen, "a.example", alpn=["h2"], version=version) == "exact"
    lines = wait_until(lambda: (lines := open(os.path.join(running.folder, "access.log"), encoding="utf-8").read().splitlines())
                       and len(lines) == 6 and lines, what="the lines")
    assert sorted(re.search(r"sni=(\S+)", line)[1] for line in lines) == sorted(
        ["a.example", "a.example", "b.example", "c.example", "a.example", "a.example"])
    groups = {group["name"]: group["role"] for group in running.service()["groups"]}
    assert groups == {"main": "enabled", "acme": "routed", "exact": "routed", "wild": "routed"}
    assert running.service()["errors"] == {}


@pytest.mark.parametrize("cut", [1, 3, 64, 100])
def test_a_hello_in_pieces(scene, cut):
    _, listen = scene
    assert reach(listen, "a.example", cut=cut) == "exact"


def records(first, size):
    """The same hello in records of so many bytes."""
    message = first[5:]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
                    for part in (message[i:i + size] for i in range(0, len(message), size)))


def ends_with(listen, data, end=True, source=None):
    """What comes back for these bytes."""
    with connect(f"127.0.0.1:{listen}", source=source) as client:
        try:
            client.sendall(data)
            if end:
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return receive_all(client)[0]


def test_a_hello_in_many_records_is_understood(scene):
    running, listen = scene
    for size in (1, 2, 50):
        before = running.host("exact")["connections_total"]
        ends_with(listen, records(hello("a.example")[3], size))
        wait_until(lambda: running.host("exact")["connections_total"] == before + 1, what=f"records of {size}")  # noqa: B023


def test_a_hello_that_no_buffer_holds_goes_to_the_default_and_spins_nobody(scene):
    """Thousands of bytes in records of one: its records are longer than what is kept, its message is not too long."""
    running, listen = scene
    padding = b"\0\x15" + (15000).to_bytes(2, "big") + bytes(15000)
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(padding).to_bytes(2, "big") + padding
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    first = records(b"\x16\x03\x01\0\0" + message, 1)
    with connect(f"127.0.0.1:{listen}") as client:
        client.sendall(first)
        wait_until(lambda: running.host("plain")["connections"] == 1, what="the default's host")
    assert running.service()["errors"].get("handshake_failed") is None


def test_what_is_no_hello_goes_to_the_default(scene):
    """Whole, to the byte: other protocols, names that are none, no name, no route."""
    running, listen = scene
    bad = hello("a.example")[3]
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", bad.replace(b"a.example", b"a\0exampl"),
                 hello("other.invalid")[3], hello("b.a.example")[3], b"\x16\x03\x01\0\x04\x02\0\0\0"):
        assert ends_with(listen, data).startswith(b"plain\n"), data
    assert running.host("plain")["connections_total"] == 6


def test_a_client_that_ends_too_early_goes_to_the_default(scene):
    _, listen = scene
    assert ends_with(listen, hello("a.example")[3][:60]).startswith(b"plain\n")


def test_sources_choose_whatever_the_client_says(scene):
    running, listen = scene
    before = running.host("wild")["connections_total"]
    ends_with(listen, b"GET /", source="127.0.0.66")
    wait_until(lambda: running.host("wild")["connections_total"] == before + 1, what="the source's group")


def test_silence_ends_at_an_absolute_time(scene):
    running, listen = scene
    first = hello("a.example")[3]
    with connect(f"127.0.0.1:{listen}") as silent, connect(f"127.0.0.1:{listen}") as slow:
        slow.sendall(first[:1])
        assert {row["phase"] for row in running.http("GET", "/connections").json()["connections"]} == {"hello"}
        sent, gone, began = 1, set(), time.monotonic()
        for client in (silent, slow):
            client.settimeout(0.05)
        while len(gone) < 2 and time.monotonic() < began + 30:
            for client in (silent, slow):
                try:
                    if client is slow and sent < 40:
                        client.sendall(first[sent:sent + 1])
                        sent += 1
                    if client.recv(1) == b"":
                        gone.add(client)
                except socket.timeout:
                    continue
                except OSError:
                    gone.add(client)
        assert len(gone) == 2
    assert running.service()["errors"] == {"handshake_failed": 2}


def test_a_routed_group_has_no_reserve(scene):
    """Its own hosts or none: the service's group does not stand in."""
    running, listen = scene
    ask_for(running, "hostAdminDown", group="exact", name="exact")
    assert ends_with(listen, hello("a.example")[3]) == b""
    wait_until(lambda: running.service()["errors"] == {"no_host": 1}, what="the refusal")
    assert reach(listen, "b.example") == "wild"


def test_why_and_what_can_be_changed(scene):
    running, listen = scene
    with connect(f"127.0.0.1:{listen}") as client:
        client.sendall(hello("b.example")[3])
        wait_until(lambda: running.host("wild")["connections"] == 1, what="the connection")
        (row,) = running.http("GET", "/connections").json()["connections"]
        why = running.http("GET", f"/connections/{row['id']}").json()
        assert why["group"] == "wild" and "routed to group wild" in why["chosen"], why
    assert "route" in ask_for(running, "enableGroup", 409, group="wild")
    assert "route" in ask_for(running, "delGroup", 409, group="wild")
    ask_for(running, "addHost", group="wild", name="more", address="127.0.0.1:9")
    ask_for(running, "setWeight", group="wild", name="more", weight="0")
    assert "more" in running.http("GET", "/config/running").text
    assert "routed" in running.http("GET", "/").text


def test_a_reload_changes_routes_for_new_connections(scene):
    running, listen = scene
    with open(running.file, encoding="utf-8") as file:
        text = file.read()
    assert reach(listen, "a.example") == "exact"
    own = f"pidfile = {running.pidfile}\ncontrol = {running.control}\nworkers = 2\n"
    running.reload(text.replace(own, "").replace("route = sni a.example exact\n", ""))
    assert reach(listen, "a.example") == "wild"


@pytest.mark.parametrize("line, said", [
    ("sni a.example", "is not one of"), ("sni a.example nogroup", "there is no [group nogroup]"), ("snl a.example main", "did you mean sni"),
    ("sni *.*.example main", "host name"), ("sni a..b main", "host name"), ("sni * main", "host name"), ("source 10.0.0.1/8 main", "10.0.0.1/8"),
    ("alpn \"\" main", "protocol"), ("sni a.example main more", "is not one of")])
def test_routes_that_are_none_are_named(tmp_path, line, said):
    path = tmp_path / "g.conf"
    path.write_text(f"[service web]\nlisten = 127.0.0.1:1\ngroup = main\nroute = {line}\n[group main]\nhost = a 127.0.0.1:9\n")
    done = gaidaros("-c", path, "-t")
    assert done.status == 3 and "g.conf:4: [service web] route:" in done.err and said in done.err, done


def test_routes_read_back(tmp_path):
    path = tmp_path / "g.conf"
    path.write_text("[service web]\nlisten = 127.0.0.1:1\ngroup = main\nroute = sni A.Example. spare\nroute = alpn h2 main\n"
                    "route = source 2001:db8::/32 spare\n[group main]\nhost = a 127.0.0.1:9\n[group spare]\nhost = b 127.0.0.1:9\n")
    once = gaidaros("-c", path, "--dump")
    for line in ("route = sni a.example spare", "route = alpn h2 main", "route = source 2001:db8::/32 spare"):
        assert line in once.out, once
    path.write_text(once.out)
    assert gaidaros("-c", path, "--dump").out == once.out
    path.write_text(once.out.replace("alpn h2 main", "sni a.example main"))
    assert "is routed already" in gaidaros("-c", path, "-t").err


def test_real_clients_reach_their_hosts(scene, folder):
    """openssl, which verifies the host's own certificate: nothing was read or changed in between."""
    _, listen = scene
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{listen}", "-servername", "a.example", "-CAfile",
                           str(folder / "ca.pem"), "-verify_return_error", "-verify_hostname", "a.example", "-quiet"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30)
    assert "exact" in done.stdout and "verify error" not in done.stderr, done
