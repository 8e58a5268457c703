# SPDX-License-Identifier: MIT
"""TLS with hosts: whom it trusts, what a host must not say before, sessions, certificates of our own (J14, J20)."""

import http.server
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


class SecureWeb:
    """An HTTPS server that answers 200 at /well and 503 elsewhere; `asked` has the Host header of each request."""

    def __init__(self, folder, name):
        self.name, self.asked = name, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802  (the name is the library's)
                web.asked.append(self.headers["Host"])
                self.send_response(200 if self.path == "/well" else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def states(running):
    """Of each host its health and the reason for it."""
    group, = running.service()["groups"]
    return {one["name"]: (one["state"], one["reason"]) for one in group["hosts"]}


class PlainHost(ThreadHost):
    """Speaks no TLS; keeps what it hears."""

    def __init__(self, name):
        self.heard = []
        super().__init__(name)

    def talk(self, client):
        try:
            self.heard.append(client.recv(65536))
            client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        except OSError:
            pass
        client.close()


FAST = "check_interval = 200ms\ncheck_timeout = 200ms\nfall = 1\nrise = 1\n"


def test_why_tells_of_it(daemon, secure_host):
    """Version, cipher, whether the session was resumed."""
    one, port = secure_host("one"), free_port()
    running = daemon(config(port, [one], VERIFY), workers=1)
    for resumed in (False, True):
        with connect(f"127.0.0.1:{port}") as client:
            client.settimeout(60)
            client.sendall(b"hello")
            assert receive_exactly(client, 5) == b"hello"
            row, = running.http("GET", "/connections").json()["connections"]
            told = running.http("GET", f"/connections/{row['id']}").json()
            assert told["tls"] is None and told["host_tls"]["version"] == "TLSv1.3", told
            assert told["host_tls"]["cipher"].startswith("TLS_") and told["host_tls"]["resumed"] == resumed, told
        wait_until(lambda: not running.http("GET", "/connections").json()["connections"], what="its end")


CHECKS = pytest.mark.parametrize("check", ["tcp", 'send "ping\\n" expect "ping"'], ids=["tcp", "talk"])


@CHECKS
def test_checks_speak_it_where_the_group_does(daemon, folder, secure_host, check):
    """By the group's own trust, name and certificate: a host that does not shake hands is down, and the reason is told."""
    hosts = [secure_host("good", client_ca=folder / "ca.pem", version=TLS12), secure_host("other", alt="DNS:b.example")]
    make_certificate(folder, "ours", "ca", alt="DNS:ours")
    plain = PlainHost("plain")
    running = daemon(config(free_port(), [*hosts, plain], f"{FAST}{VERIFY}tls_certificate = ../ours.pem\ncheck = {check}\n")
                     .replace("check = none\n", ""), workers=1)
    wait_until(lambda: [states(running)[name][0] for name in ("good", "other", "plain")] == ["up", "down", "down"],
               what="each state")
    told = states(running)
    assert "certificate is for another name" in told["other"][1] and "TLS: " in told["plain"][1], told
    assert hosts[0].shown[0]["peer"]
    plain.close()
    running.allow_errors("is down|tls")
    running.stop()


def test_http_checks_speak_it(daemon, folder, secure_host):  # pylint: disable=unused-argument
    """Over TLS, with tls_name as the Host; a check at another address stays plain."""
    make_certificate(folder, "web", "ca", alt="DNS:a.example")
    web, plain = SecureWeb(folder, "web"), PlainHost("elsewhere")
    text = config(free_port(), [], f"{FAST}{VERIFY}host = web {web.address}\nhost = far {web.address} check={plain.address}\n"
                  "check = http /well\n").replace("check = none\n", "")
    running = daemon(text, workers=1)
    wait_until(lambda: web.asked, what="a check")
    wait_until(lambda: states(running)["web"][0] == "up" and plain.heard, what="both to be checked")
    assert set(web.asked) == {"a.example"} and plain.heard[0].startswith(b"GET /well HTTP/1.1\r\n"), plain.heard
    running.reload(text.replace("/well", "/ill"))
    wait_until(lambda: states(running)["web"] == ("down", "HTTP status 503"), what="the bad answer to count")
    running.allow_errors("is down|HTTP")
    running.stop()
    web.close()
    plain.close()
