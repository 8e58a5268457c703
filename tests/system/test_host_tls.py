# SPDX-License-Identifier: MIT
"""TLS with hosts: whom it trusts, what a host must not say before, sessions, certificates of our own (J14, J20)."""

import os
import re
import socket
import ssl
import threading

import pytest

from certificates import make_certificate
from command import gaidaros
from harness import SAN, connect, free_port, receive_all, receive_exactly, wait_until
from threadhost import ThreadHost
from tlspeer import say, secure

pytestmark = pytest.mark.san_subset

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class SecureHost(ThreadHost):
    """Echoes over TLS; keeps what it learnt of each connection."""

    def __init__(self, folder, name, *, version=TLS13, client_ca=None, before=b""):
        self.shown, self.before = [], before
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self.context.maximum_version = version
        self.context.sni_callback = lambda _, asked, __: self.shown.append({"sni": asked}) and None
        if client_ca:
            self.context.load_verify_locations(client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED
        super().__init__(name)

    def talk(self, client):
        try:
            if self.before:
                client.sendall(self.before)
            with self.context.wrap_socket(client, server_side=True, suppress_ragged_eofs=False) as secured:
                self.shown[-1].update(reused=secured.session_reused, peer=secured.getpeercert())
                while part := secured.recv(65536):
                    secured.sendall(part)
                secured.unwrap().close()
        except OSError as error:
            self.shown.append({"error": str(error)})
            client.close()


@pytest.fixture
def secure_host(folder):
    """Makes hosts: secure_host("one", alt="DNS:a.example"), with certificates by ca.pem."""
    made = []
    make_certificate(folder, "ca")

    def make(name, *, ca="ca", days=10, alt="DNS:a.example", **settings):
        make_certificate(folder, name, ca, alt=alt, days=days)
        made.append(SecureHost(folder, name, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def config(port, hosts, group="", service=""):
    rows = "".join(f"host = {one.name} {one.address}\n" for one in hosts)
    return (f"[global]\naccess_log = access.log\n[service web]\nlisten = 127.0.0.1:{port}\ngroup = main\n{service}"
            f"[group main]\ncheck = none\n{rows}{group}")


VERIFY = "tls = verify\ntls_ca = ../ca.pem\ntls_name = a.example\n"


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("group", ["tls = yes\ntls_name = a.example\n", VERIFY], ids=["yes", "verify"])
def test_bytes_and_ends_go_through(daemon, secure_host, group, version):
    one, port = secure_host("one", version=version), free_port()
    running = daemon(config(port, [one], group), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(60)
        data = os.urandom(1 << 20)
        threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)), daemon=True).start()
        assert receive_all(client) == (data, "eof")
    assert one.shown[0]["sni"] == "a.example"
    wait_until(lambda: running.service()["connections"] == 0, what="the end")
    assert not running.service()["errors"] or set(running.service()["errors"].values()) == {0}


def test_a_host_may_speak_first(daemon, folder, secure_host):
    """A client that says nothing still has the handshake done with its host."""
    one, port = secure_host("one"), free_port()
    daemon(config(port, [one], VERIFY), workers=1)
    with connect(f"127.0.0.1:{port}"):
        wait_until(lambda: one.shown and "reused" in one.shown[0], what="the handshake")


def test_sessions_are_resumed(daemon, secure_host):
    for version in (TLS12, TLS13):
        one, port = secure_host(f"one{version.value}", version=version), free_port()
        running = daemon(config(port, [one], VERIFY), workers=1)
        n = 20
        for _ in range(n):
            with connect(f"127.0.0.1:{port}") as client:
                client.settimeout(60)
                client.sendall(b"hello")
                assert receive_exactly(client, 5) == b"hello"
                client.shutdown(socket.SHUT_WR)
                assert receive_all(client) == (b"", "eof")
        assert [row["reused"] for row in one.shown] == [False] + [True] * (n - 1)
        running.stop()


def test_our_certificate_is_shown(daemon, folder, secure_host):
    make_certificate(folder, "ca")
    make_certificate(folder, "me", "ca", alt="DNS:me")
    one, port = secure_host("one", client_ca=folder / "ca.pem"), free_port()
    # The fixture has made ca anew for the host: our certificate must be by the same.
    make_certificate(folder, "me", "ca", alt="DNS:me")
    daemon(config(port, [one], VERIFY + "tls_certificate = ../me.pem\n"), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(60)
        client.sendall(b"hello")
        assert receive_exactly(client, 5) == b"hello"
    assert dict(pair[0] for pair in one.shown[0]["peer"]["subject"])["commonName"] == "me"


BAD = {
    "wrong_name": ({"alt": "DNS:b.example"}, "certificate is for another name"),
    "wildcard_of_a_child": ({"alt": "DNS:*.a.example"}, "certificate is for another name"),
    "untrusted": ({"ca": "rogue"}, "certificate is not by one that tls_ca trusts"),
    "expired": ({"days": -1}, "certificate has expired"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_certificates_are_refused(daemon, folder, secure_host, what):
    """J14: the next host is tried, nothing of the client's reaches the bad one; it is counted and told."""
    settings, says = BAD[what]
    make_certificate(folder, "rogue")
    bad, good, port = secure_host("bad", **settings), secure_host("good"), free_port()
    running = daemon(config(port, [bad, good], VERIFY + "scheduler = first\n"), workers=1)
    for _ in range(3):
        with connect(f"127.0.0.1:{port}") as client:
            client.settimeout(60)
            client.sendall(b"hello")
            assert receive_exactly(client, 5) == b"hello"
    row = running.host("bad")
    assert row["failures_total"] == 3 and says in row["reason"], row
    assert row["state"] == "up"
    assert len([one for one in good.shown if "reused" in one]) == 3
    assert 'gaidaros_host_failures_total{service="web",group="main",host="bad",reason="tls"} 3' in running.http("GET", "/metrics").text
    wait_until(lambda: running.log_lines(rf"host main/bad .*: {says}"), what="the word in the log")


def test_a_wildcard_is_good_for_a_child(daemon, secure_host):
    one, port = secure_host("one", alt="DNS:*.a.example"), free_port()
    daemon(config(port, [one], VERIFY.replace("a.example", "x.a.example")), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(60)
        client.sendall(b"hello")
        assert receive_exactly(client, 5) == b"hello"


def test_an_address_is_a_name_too(daemon, secure_host):
    good, bad, port = secure_host("good", alt="IP:127.0.0.1"), secure_host("bad", alt="IP:127.0.0.9"), free_port()
    running = daemon(config(port, [bad, good], "tls = verify\ntls_ca = ../ca.pem\nscheduler = first\n"), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(60)
        client.sendall(b"hello")
        assert receive_exactly(client, 5) == b"hello"
    assert running.host("bad")["failures_total"] == 1 and running.host("good")["failures_total"] == 0


def assert_nothing(port):
    """A client gets no byte, but its end: it may come before connect(2) has returned here."""
    try:
        with connect(f"127.0.0.1:{port}") as client:
            client.settimeout(60)
            client.sendall(b"hello")
            assert client.recv(100) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass


@pytest.mark.parametrize("before", [b"HTTP/1.1 200 OK\r\n\r\nplain words", b"+OK", b"\x15\x03\x03\x00\x02\x02\x28", bytes(4096)])
def test_plain_bytes_of_a_host_reach_nobody(daemon, folder, secure_host, before):
    """J20: whatever comes before the handshake is no answer."""
    one, port = secure_host("one", before=before), free_port()
    running = daemon(config(port, [one], VERIFY), workers=1)
    assert_nothing(port)
    wait_until(lambda: running.service()["errors"].get("connect_failed") == 1, what="the count")


def test_a_plain_or_dumb_host_is_no_tls_host(daemon, folder, host):
    make_certificate(folder, "ca")
    plain, port = host("plain", "id"), free_port()
    silent = socket.create_server(("127.0.0.1", 0))
    text = config(port, [plain], VERIFY + f"host = silent 127.0.0.1:{silent.getsockname()[1]}\n",
                  "connect_timeout = 1s\n")
    running = daemon(text, workers=1)
    for _ in range(2):
        assert_nothing(port)
    wait_until(lambda: running.service()["errors"].get("connect_failed") == 2, what="the count")
    assert "TLS: the answer is no TLS" in running.host("plain")["reason"]
    silent.close()


def test_the_header_goes_before_tls(daemon, secure_host):
    one, port, lines = secure_host("one"), free_port(), []

    def talk(client):
        line = b""
        while not line.endswith(b"\r\n"):
            line += client.recv(1)
        lines.append(line)
        SecureHost.talk(one, client)

    one.talk = talk
    daemon(config(port, [one], VERIFY + "send_proxy = v1\n"), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(60)
        client.sendall(b"hello")
        assert receive_exactly(client, 5) == b"hello"
        ours = client.getsockname()[1]
    assert lines == [f"PROXY TCP4 127.0.0.1 127.0.0.1 {ours} {port}\r\n".encode()]


def test_tls_on_both_sides(daemon, folder, secure_host):
    one, port = secure_host("one"), free_port()
    make_certificate(folder, "door", "ca", alt="DNS:door.example")
    text = config(port, [one], VERIFY, "certificate = ../door.pem\n").replace(f":{port}\n", f":{port} tls\n")
    daemon(text, workers=2)
    for _ in range(10 if SAN else 50):
        with secure(port, name="door.example") as client:
            say(client, os.urandom(100000))
            client.unwrap().close()


def test_a_pool_is_of_plain_sockets_until_used(daemon, secure_host):
    one, port = secure_host("one"), free_port()
    running = daemon(config(port, [one], VERIFY + "pool = 2\n"), workers=1)
    running.pooled = 2
    for _ in range(5):
        with connect(f"127.0.0.1:{port}") as client:
            client.settimeout(60)
            client.sendall(b"hello")
            assert receive_exactly(client, 5) == b"hello"


BAD_LINES = {
    "verify_alone": ("tls = verify", "verify needs a tls_ca", "tls"),
    "ca": ("tls = verify\ntls_ca = nothing.pem", "holds no certificates in PEM", "tls_ca"),
    "certificate": ("tls = yes\ntls_certificate = ca.pem", "", "tls_certificate"),
    "word": ("tls = maybe", "must be one of no yes verify", "tls"),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_bad_lines_are_named(folder, what):
    line, says, key = BAD_LINES[what]
    make_certificate(folder, "ca")
    os.unlink(folder / "ca.key")
    (folder / "nothing.pem").write_text("nothing\n")
    path = folder / "bad.conf"
    path.write_text(config(free_port(), [], f"host = a 127.0.0.1:9\n{line}\n"))
    said = gaidaros("-t", "-c", path)
    assert said.status == 3 and says in said.err, said
    assert re.search(rf"bad\.conf:\d+: \[group main\] {key}: ", said.err), said
