# SPDX-License-Identifier: MIT
"""TLS with clients: certificates by name, versions, bytes and ends through it, resumption over all workers (J1 to J7, J9, J11, J12, J13, J18, J19)."""

import hashlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import join, make_certificate, make_large_rsa, openssl
from command import gaidaros
from harness import SAN, connect, cpu_s, free_port, receive_all, rss_bytes, wait_until
from test_https import memory_has
from tlspeer import alert_of, common_name, hello_bytes, is_over, say, secure, trusting

pytestmark = pytest.mark.san_subset

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BOTH = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])


def config(port, hosts, certificates, service="", glob="", group="", listen="", more=""):
    lines = "".join(f"certificate = ../{path}\n" for path in certificates)
    rows = "".join(f"host = {one.name} {one.address}\n" for one in hosts)
    return (f"[global]\naccess_log = access.log\n{glob}[service web]\nlisten = 127.0.0.1:{port} tls{listen}\n"
            f"group = main\n{lines}{service}[group main]\ncheck = none\n{rows}{group}{more}")


def accesses(running, n=1):
    """Lines of the access log, once there are so many."""
    path = pathlib.Path(running.folder) / "access.log"
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= n, what=f"{n} lines in the access log")
    return path.read_text().splitlines()


@pytest.fixture
def authority(folder):
    """ca.pem and one.pem of it, for a.example and *.b.example."""
    make_certificate(folder, "ca")
    make_certificate(folder, "one", "ca", alt="DNS:a.example,DNS:*.b.example,DNS:only.a.example")
    return folder


@BOTH
def test_bytes_and_both_ends_go_through(daemon, host, authority, version):
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], "tls_alpn = h2 http/1.1\n"), workers=2)
    context = trusting(authority / "ca.pem", alpn=["http/1.1"], versions=(version, version))
    with secure(port, context, "A.Example") as client:
        assert client.version() == ("TLSv1.2" if version == TLS12 else "TLSv1.3")
        assert client.selected_alpn_protocol() == "http/1.1"
        assert common_name(client) == "one"
        say(client)
        say(client, os.urandom(1 << 20))
        plain = client.unwrap()  # close_notify one way is answered by the host's end, as close_notify, then a FIN
        assert plain.recv(1) == b""
        plain.close()
    line = accesses(running)[0]
    assert "status=ok" in line and f"bytes_in={(1 << 20) + 5} bytes_out={(1 << 20) + 5} " in line, line
    assert line.endswith("sni=a.example"), line


@BOTH
def test_an_end_without_close_notify_is_a_reset(daemon, authority, version):
    """Truncation stays visible: the host must not take what it got for the whole."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = free_port()
    text = config(port, [], ["one.pem"], group=f"host = one 127.0.0.1:{listener.getsockname()[1]}\n")
    running = daemon(text, workers=1)
    client = secure(port, trusting(versions=(version, version)), "a.example")
    client.sendall(b"half of")
    at_host, _ = listener.accept()
    at_host.settimeout(30)
    assert at_host.recv(100) == b"half of"
    socket.socket.shutdown(client, socket.SHUT_RDWR)
    with pytest.raises(ConnectionResetError):
        at_host.recv(100)
    at_host.close()
    client.close()
    assert "status=client_reset" in accesses(running)[0]
    listener.close()


def test_a_host_that_resets_is_no_clean_end(daemon, authority):
    listener = socket.create_server(("127.0.0.1", 0))
    port = free_port()
    text = config(port, [], ["one.pem"], group=f"host = one 127.0.0.1:{listener.getsockname()[1]}\n")
    daemon(text, workers=1)
    with secure(port, name="a.example") as client:
        at_host, _ = listener.accept()
        at_host.sendall(b"half of")
        at_host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert client.recv(100) == b"half of"
        at_host.close()
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            assert client.recv(100) != b""  # a clean end would be b""
            raise AssertionError("bytes from nowhere")
    listener.close()


def test_half_close_goes_both_ways_apart(daemon, authority):
    """J18: the client's end reaches the host, whose answer still comes after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = free_port()
    text = config(port, [], ["one.pem"], group=f"host = one 127.0.0.1:{listener.getsockname()[1]}\n")
    daemon(text, workers=1)
    context = trusting()
    plain = connect(f"127.0.0.1:{port}")
    plain.settimeout(30)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="a.example")

    def pump(step):
        while True:
            try:
                done = step()
                plain.sendall(outgoing.read())
                return done
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                part = plain.recv(65536)
                incoming.write(part) if part else incoming.write_eof()  # pylint: disable=expression-not-assigned

    pump(client.do_handshake)
    pump(lambda: client.write(b"question"))
    at_host, _ = listener.accept()
    at_host.settimeout(30)
    assert at_host.recv(100) == b"question"
    try:
        client.unwrap()
    except ssl.SSLWantReadError:
        pass
    plain.sendall(outgoing.read())  # close_notify, and no FIN
    assert at_host.recv(100) == b""
    answer = os.urandom(300000)
    at_host.sendall(answer)
    at_host.close()
    got = b""
    while len(got) < len(answer):
        try:
            got += client.read(65536)
        except ssl.SSLWantReadError:
            part = plain.recv(65536)
            assert part
            incoming.write(part)
    assert hashlib.sha256(got).digest() == hashlib.sha256(answer).digest()
    with pytest.raises((ssl.SSLZeroReturnError, ssl.SSLWantReadError)):
        client.read(1)
    rest, how = receive_all(plain)
    assert how == "eof"
    assert len(rest) < 64  # close_notify at most, then the FIN
    plain.close()
    listener.close()


@pytest.mark.parametrize("slow", ["client", "host"])
def test_nothing_is_lost_where_one_end_is_slow(daemon, authority, slow):
    """J19: buffered records neither stall nor spin."""
    size = (8 if SAN else 64) << 20
    data = os.urandom(1 << 20) * (size >> 20)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    port = free_port()
    text = config(port, [], ["one.pem"], group=f"host = one 127.0.0.1:{listener.getsockname()[1]}\n")
    running = daemon(text, workers=1)
    client = secure(port, name="a.example")
    client.sendall(b"x")
    at_host, _ = listener.accept()
    at_host.settimeout(60)
    assert at_host.recv(1) == b"x"
    sender, receiver = (client, at_host) if slow == "host" else (at_host, client)
    thread = threading.Thread(target=lambda: (sender.sendall(data), client.unwrap() if slow == "host" else at_host.close()),
                              daemon=True)
    thread.start()
    got, seen = hashlib.sha256(), 0
    while seen < size:
        part = receiver.recv(16384)
        assert part, seen
        got.update(part)
        seen += len(part)
        if seen % (1 << 20) < 16384:
            time.sleep(0.002)  # slower than what comes, so that it must wait on the way
    assert got.digest() == hashlib.sha256(data).digest()
    if slow == "host":
        assert receiver.recv(1) == b""
        at_host.close()
    thread.join(30)
    client.close()
    assert f"={size}" in accesses(running)[0].replace(f"={size + 1}", f"={size}")
    listener.close()


def test_certificates_by_name(daemon, host, authority):
    """J2: exact, wildcard, case, a dot at the end, none, no match; RSA and ECDSA for one name."""
    make_certificate(authority, "wild", "ca", alt="DNS:*.example")
    make_certificate(authority, "other", "ca", alt="DNS:c.example,DNS:d.example")
    make_certificate(authority, "rsa", "ca", alt="DNS:c.example", kind="rsa")
    join(authority / "both.pem", authority / "other.pem", authority / "other.key")
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem", "wild.pem", "both.pem", "rsa.pem"]), workers=1)
    context = trusting(authority / "ca.pem")

    def shown(name, with_context=context):
        with secure(port, with_context, name) as client:
            say(client)
            return common_name(client)

    expected = {"a.example": "one", "only.a.example": "one", "x.b.example": "one", "b.example": "wild", "q.example": "wild",
                "Q.EXAMPLE": "wild", "c.example": "other", "D.example.": "other", "x.y.b.example": "one",
                "nobody.test": "one", None: "one"}
    assert {name: shown(name) for name in expected} == expected
    for kind, name in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "other")):
        old = trusting(authority / "ca.pem", versions=(TLS12, TLS12))
        old.set_ciphers(kind)
        assert shown("c.example", old) == name


def test_default_of_two_kinds(daemon, host, authority):
    make_certificate(authority, "rsa", "ca", alt="DNS:a.example", kind="rsa")
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem", "rsa.pem"]), workers=1)
    for cipher, name in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "one")):
        context = trusting(authority / "ca.pem", versions=(TLS12, TLS12))
        context.set_ciphers(cipher)
        for asked in (None, "a.example"):
            with secure(port, context, asked) as client:
                assert common_name(client) == name


def test_old_versions_get_an_alert(daemon, host, authority):
    """J3, and what is no TLS at all."""
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"]), workers=1)
    modern = hello_bytes(version=TLS12)
    # SSLv3 has no alert of its own for versions: RFC 6101, 5.4.2.
    for low, alert in ((b"\3\0", 40), (b"\3\1", 70), (b"\3\2", 70)):
        old = modern[:1] + low + modern[3:9] + low + modern[11:]
        assert alert_of(port, old) == alert, low
    for nothing in (b"\x80\x2e\1\0\2\0\x15\0\0\0\x10" + bytes(37), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
        with connect(f"127.0.0.1:{port}") as client:
            client.settimeout(30)
            client.sendall(nothing)
            assert b"HTTP" not in receive_all(client)[0]
    with secure(port, trusting(versions=(TLS12, TLS12)), "a.example") as client:
        say(client)
    failed = [line for line in accesses(running, 6) if "status=handshake_failed" in line]
    assert len(failed) == 5
    wait_until(lambda: running.log_lines(r"warning .*service web: client 127\.0\.0\.1:\d+ is refused: TLS handshake: "), what="the word in the log")
    running.allow_errors("is refused: TLS handshake")


def test_tls_min_and_ciphers(daemon, host, authority):
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem"],
                  "tls_min = 1.3\ntls_ciphers = TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384\n"), workers=1)
    with secure(port, trusting(), "a.example") as client:
        assert client.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    with pytest.raises(ssl.SSLError):
        secure(port, trusting(versions=(TLS12, TLS12)), "a.example")


def test_alpn_of_nobody_is_refused(daemon, host, authority):
    """J13."""
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem"], "tls_alpn = h2 http/1.1\n"), workers=1)
    with secure(port, trusting(alpn=["http/1.1", "h2"]), "a.example") as client:
        assert client.selected_alpn_protocol() == "h2"  # the service's order
    with secure(port, trusting(), "a.example") as client:
        assert client.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secure(port, trusting(alpn=["smtp"]), "a.example")


def test_handshakes_that_stall_end_in_time(daemon, host, authority):
    """J4: after nothing, a part of the hello, the server's flight; each byte extends nothing."""
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], "handshake_timeout = 2s\n"), workers=1)
    hello = hello_bytes()
    begun = time.monotonic()
    with connect(f"127.0.0.1:{port}") as silent, connect(f"127.0.0.1:{port}") as begins, connect(f"127.0.0.1:{port}") as stops:
        begins.sendall(hello[:50])
        stops.sendall(hello)
        assert len(stops.recv(65536)) > 100
        for at in range(50, 90):
            if is_readable(begins):
                break
            begins.sendall(hello[at:at + 1])
            time.sleep(0.1)
        for client in (silent, begins, stops):
            client.settimeout(30)
            receive_all(client)
    assert time.monotonic() - begun >= 1.9
    assert all("status=handshake_failed" in line for line in accesses(running, 3))
    wait_until(lambda: running.log_lines("TLS handshake: not complete within handshake_timeout"), what="the word in the log")
    running.allow_errors("TLS handshake")


def is_readable(client):
    client.setblocking(False)
    try:
        client.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        client.setblocking(True)


def test_renegotiation_is_refused(daemon, host, authority):
    """J5."""
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"]), workers=1)
    pid = running.worker_pids()[0]
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-servername", "a.example"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        said = b""
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        while b"\nhello\n" not in said:  # the echo: the next line is read for itself
            part = client.stdout.read1(65536)
            assert part, said
            said += part
        client.stdin.write(b"R\n")
        client.stdin.flush()
        rest = client.stdout.read()
    assert b"RENEGOTIATING" in rest and b"no renegotiation" in rest, rest[-500:]
    assert running.worker_pids() == [pid]


class TestAudits:
    """J22: the field's auditors have nothing to say against the defaults."""

    def test_sslscan(self, daemon, host, authority):
        port = free_port()
        daemon(config(port, [host("one")], ["one.pem"]), workers=1)
        said = subprocess.run(["sslscan", "--no-colour", f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=120,
                              check=True).stdout
        spoken = dict(re.findall(r"^((?:SSL|TLS)v[\d.]+) +(enabled|disabled)", said, re.M))
        assert spoken == {"SSLv2": "disabled", "SSLv3": "disabled", "TLSv1.0": "disabled", "TLSv1.1": "disabled",
                          "TLSv1.2": "enabled", "TLSv1.3": "enabled"}
        assert "Session renegotiation not supported" in said and "vulnerable to heartbleed" in said.replace("not vulnerable", "vulnerable")
        ciphers = re.findall(r"^(?:Preferred|Accepted) +TLSv1\.[23] +\d+ bits +(\S+)", said, re.M)
        assert len(ciphers) == 6 and all("GCM" in cipher or "CHACHA20" in cipher for cipher in ciphers), ciphers

    def test_testssl(self, daemon, host, authority):
        port = free_port()
        daemon(config(port, [host("one")], ["one.pem"]), workers=1)
        found = authority / "found.json"
        subprocess.run(["testssl", "--color", "0", "--quiet", "--warnings", "batch", "--ip", "127.0.0.1", "-p", "-s", "-f", "-U",
                        "--jsonfile", found, f"127.0.0.1:{port}"], capture_output=True, timeout=300, check=False,
                       stdin=subprocess.DEVNULL)
        rows = json.loads(found.read_text())
        assert len(rows) > 30, rows
        about_us = [row for row in rows if row["id"] not in ("engine_problem", "service")]  # its own OpenSSL; no HTTP here
        bad = [row for row in about_us if row["severity"] not in ("OK", "INFO")]
        assert not bad, bad


def test_a_flood_of_key_updates_is_bounded(daemon, host, authority):
    """J5, of TLS 1.3: records that carry no byte end the connection in the end; others are served meanwhile."""
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"]), workers=1)
    flood = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-servername", "a.example"],
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0)
    try:
        with secure(port, name="a.example") as good:
            wait_until(lambda: running.service()["connections"] == 2, what="both")
            updates = 0
            while updates < 200 and tell_update(flood):
                updates += 1
                say(good, b"served")
            assert 60 <= updates < 200, updates
            wait_until(lambda: running.service()["errors"].get("client_reset") == 1, what="the flood to be ended")
            say(good)
    finally:
        flood.kill()
        flood.stdin.close()  # nothing is kept back in it: closing writes to nobody
        flood.stderr.close()
        flood.wait()


def tell_update(client):
    """Has s_client send one update of its keys, and waits until it says so. False: its connection has ended."""
    try:
        client.stdin.write(b"k\n")
    except BrokenPipeError:
        return False
    line = client.stderr.readline()
    while line and b"KEYUPDATE" not in line:
        line = client.stderr.readline()
    return bool(line)


def handshakes(running):
    """Counts by result, of the service web."""
    found = re.findall(r'gaidaros_service_tls_handshakes_total\{service="web",result="(\w+)"\} (\d+)',
                       running.http("GET", "/metrics").text)
    return {result: int(count) for result, count in found}


@pytest.mark.parametrize("kind", ["ec", "slow"])
def test_who_left_before_his_turn_costs_nothing(daemon, host, authority, kind):
    """Clients that are gone when the worker comes to their hellos: next to none of them is computed, on its loop or beside it."""
    port, n = free_port(), 300
    make_certificate(authority, "key", "ca", alt="DNS:a.example", kind=kind)
    running = daemon(config(port, [host("one")], ["key.pem"], glob="stuck_timeout = 30s\nadopt_timeout = 20s\n"), workers=1)
    with secure(port, name="a.example") as steady:
        say(steady)
        hello, pid = hello_bytes(), running.worker_pids()[0]
        running.signal(signal.SIGSTOP, pid)
        clients = [connect(f"127.0.0.1:{port}") for _ in range(n)]
        for client in clients:
            client.sendall(hello)
            client.shutdown(socket.SHUT_WR)
        running.signal(signal.SIGCONT, pid)
        wait_until(lambda: sum(running.service()["errors"].values()) == n, what="all to be over")
        for client in clients:
            client.close()
        say(steady)
    counts = handshakes(running)
    assert counts["full"] == 1 and counts["resumed"] == 0, counts
    assert counts["abandoned"] >= n // 2, counts
    running.allow_errors("TLS handshake")


def test_a_ticket_goes_with_the_answer(daemon, authority):
    """Who has asked for something gets his ticket in one piece with what comes first; who has not gets it at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = free_port()
        daemon(config(port, [], ["one.pem"], group=f"host = one 127.0.0.1:{listener.getsockname()[1]}\n"), workers=1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting().wrap_bio(incoming, outgoing, server_hostname="a.example")
        with connect(f"127.0.0.1:{port}") as plain:
            plain.settimeout(30)
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            plain.sendall(outgoing.read())
            while True:
                incoming.write(plain.recv(65536))
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
            client.write(b"question")
            plain.sendall(outgoing.read())  # in one piece with the end of the handshake
            at_host, _ = listener.accept()
            at_host.settimeout(30)
            assert at_host.recv(100) == b"question"
            # What had been sent before the host was asked would be here.
            assert not select.select([plain], [], [], 0)[0]
            assert not client.session or not client.session.has_ticket
            at_host.sendall(b"answer")
            at_host.close()
            got = b""
            while not got:
                incoming.write(plain.recv(65536))
                try:
                    got = client.read(100)
                except ssl.SSLWantReadError:
                    pass
            assert got == b"answer" and client.session.has_ticket
        with secure(port, trusting(), "a.example") as silent:
            at_host, _ = listener.accept()
            assert select.select([silent], [], [], 30)[0], "no ticket came"
            silent.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                silent.recv(1)
            assert silent.session.has_ticket
            at_host.close()


def resume(port, context, session, name="a.example"):
    """Whether the session was resumed, and the next one."""
    with secure(port, context, name, session) as client:
        say(client)
        reused = client.session_reused
        return reused, client.session


@pytest.mark.parametrize("version, by_id", [(TLS12, False), (TLS13, False), (TLS12, True)], ids=["1.2", "1.3", "1.2-id"])
def test_sessions_resume_on_every_worker(daemon, host, authority, version, by_id):
    """J6: over workers, a reload, and the death of the one that gave the ticket, or that the session is with."""
    port = free_port()
    text = config(port, [host("one")], ["one.pem"])
    running = daemon(text, workers=4)
    context = trusting(versions=(version, version))
    if by_id:
        context.options |= ssl.OP_NO_TICKET
    with secure(port, context, "a.example") as client:
        say(client)
        session = client.session
    assert session.has_ticket != by_id
    tries = 100 if SAN else 1000
    n = 0
    for _ in range(tries):
        reused, after = resume(port, context, session)
        session = after if version == TLS13 else session
        n += reused
    assert n >= tries * 0.99, n
    running.reload(text)
    reused, session2 = resume(port, context, session)
    assert reused
    session = session2 if version == TLS13 else session
    for pid in running.worker_pids():
        running.signal(signal.SIGKILL, pid)
    running.allow_errors("killed")
    wait_until(lambda: all(row["state"] == "up" for row in running.running()["workers"]) and
               running.healthz() == 200, what="new workers")
    assert resume(port, context, session)[0]
    figures = running.http("GET", "/metrics").text
    assert re.search(r'gaidaros_service_tls_handshakes_total\{service="web",result="resumed"\} \d+', figures), figures[:300]


def test_keys_of_tickets_rotate(daemon, host, authority):
    """J7: a ticket opens for two rotations and no longer; nobody fails for it."""
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem"], glob="ticket_rotation = 3s\n"), workers=2)
    context = trusting(versions=(TLS12, TLS12))
    with secure(port, context, "a.example") as client:
        say(client)
        session = client.session
    begun = time.monotonic()
    seen = []
    while time.monotonic() - begun < 40:
        reused, _ = resume(port, context, session)
        seen.append((time.monotonic() - begun, reused))
        if not reused:
            break
        time.sleep(0.2)
    assert not seen[-1][1], "a ticket opened for ever"
    # Sealed with the newest key: between two and three times the rotation, whenever that began; busy machines are late.
    assert 5.5 <= seen[-1][0] <= 25, seen[-1]
    assert all(reused for _, reused in seen[:-1])


def test_nodes_with_one_secret_share_sessions(daemon, host, authority):
    """What one has sealed the other opens; one with another secret does not."""
    for name in ("shared", "own"):
        path = authority / f"{name}.secret"
        path.write_bytes(os.urandom(48))
        os.chmod(path, 0o600)
    one, ports = host("one"), [free_port() for _ in range(3)]
    for port, name in zip(ports, ("shared", "shared", "own")):
        daemon(config(port, [one], ["one.pem"], glob=f"ticket_secret = ../{name}.secret\nticket_rotation = 1h\n"), workers=1)
    context = trusting(versions=(TLS12, TLS12))

    def session_of(port):
        with secure(port, context, "a.example") as client:
            say(client)
            return client.session

    # The keys are there with the director's first look at them, some time after the start.
    wait_until(lambda: resume(ports[1], context, session_of(ports[0]))[0], what="the other node to know the key")
    assert not resume(ports[2], context, session_of(ports[0]))[0]
    short = authority / "short.secret"
    short.write_bytes(b"short")
    os.chmod(short, 0o600)
    path = authority / "bad.conf"
    path.write_text(config(free_port(), [one], ["one.pem"], glob="ticket_secret = short.secret\n").replace("../", ""))
    said = gaidaros("-t", "-c", path)
    assert said.status == 3 and "[global] ticket_secret" in said.err and "fewer than 32 bytes" in said.err, said


def test_depth_of_clients_chains(daemon, host, authority):
    """J10: how many may stand between a client's certificate and the authority."""
    make_certificate(authority, "sub", "ca", alt="DNS:sub", more=["basicConstraints=critical,CA:TRUE"])
    make_certificate(authority, "eve", "sub", alt="DNS:eve")
    join(authority / "chain.pem", authority / "eve.pem", authority / "sub.pem")
    chain, ports, one = (authority / "chain.pem", authority / "eve.key"), (free_port(), free_port()), host("one")
    running = daemon(config(ports[0], [one], ["one.pem"], "client_ca = ../ca.pem\nclient_verify = required\nclient_depth = 1\n") +
                     f"[service flat]\nlisten = 127.0.0.1:{ports[1]} tls\ngroup = main\ncertificate = ../one.pem\n"
                     "client_ca = ../ca.pem\nclient_verify = required\nclient_depth = 0\n", workers=1)
    with secure(ports[0], trusting(chain=chain), "a.example") as client:
        say(client)
    with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
        with secure(ports[1], trusting(chain=chain), "a.example") as client:
            say(client)
    wait_until(lambda: running.service("flat")["errors"].get("handshake_failed") == 1, what="the refusal")
    running.allow_errors("TLS handshake")


@pytest.mark.parametrize("version, by_id", [(TLS12, False), (TLS13, False), (TLS12, True)], ids=["1.2", "1.3", "1.2-id"])
def test_a_session_is_none_of_another_service(daemon, host, authority, version, by_id):
    """J12: who has shown no certificate does not enter where one is required."""
    ports = free_port(), free_port()
    one = host("one")
    text = config(ports[0], [one], ["one.pem"]) + (
        f"[service inner]\nlisten = 127.0.0.1:{ports[1]} tls\ngroup = main\ncertificate = ../one.pem\nclient_ca = ../ca.pem\n"
        "client_verify = required\n")
    running = daemon(text, workers=2)
    context = trusting(versions=(version, version))
    if by_id:
        context.options |= ssl.OP_NO_TICKET
    with secure(ports[0], context, "a.example") as client:
        say(client)
        session = client.session
    assert resume(ports[0], context, session)[0]
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        with secure(ports[1], context, "a.example", session) as client:
            say(client)
    wait_until(lambda: running.service("inner")["errors"].get("handshake_failed") == 1, what="the refusal")
    assert running.service("inner")["connections_total"] == 1
    wait_until(lambda: running.log_lines("service inner: client .* TLS handshake: "), what="the word in the log")
    running.allow_errors("TLS handshake")


def test_clients_certificates(daemon, host, authority):
    """J10: good, none, untrusted, expired, for another use, too deep; the reason is told."""
    folder = authority
    make_certificate(folder, "eve", "ca", alt="DNS:eve", more=["extendedKeyUsage=clientAuth"])
    make_certificate(folder, "server", "ca", alt="DNS:server", more=["extendedKeyUsage=serverAuth"])
    make_certificate(folder, "past", "ca", alt="DNS:past", days=-1)
    make_certificate(folder, "rogue")
    make_certificate(folder, "mallory", "rogue", alt="DNS:mallory")
    port, inner = free_port(), free_port()
    one = host("one")
    running = daemon(config(port, [one], ["one.pem"], "client_ca = ../ca.pem\nclient_verify = required\n") +
                     f"[service inner]\nlisten = 127.0.0.1:{inner} tls\ngroup = main\ncertificate = ../one.pem\n"
                     "client_ca = ../ca.pem\nclient_verify = optional\n", workers=1)

    def enters(name, to=port, version=TLS13):
        chain = (folder / f"{name}.pem", folder / f"{name}.key") if name else None
        try:
            with secure(to, trusting(versions=(version, version), chain=chain), "a.example") as client:
                say(client)
                return True
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
            return False

    for version in (TLS12, TLS13):
        assert enters("eve", version=version)
        assert enters("eve", inner, version) and enters(None, inner, version)
        for name in (None, "mallory", "past", "server"):
            assert not enters(name, version=version), (name, version)
        for name in ("mallory", "past", "server"):
            assert not enters(name, inner, version), (name, version)
    wait_until(lambda: running.service()["errors"].get("handshake_failed") == 8, what="all refusals")
    assert running.service("inner")["errors"]["handshake_failed"] == 6
    lines = accesses(running, 4 + 14)
    entered = [line for line in lines if "status=handshake_failed" not in line]
    assert [line.endswith(" client_certificate=CN=eve") for line in entered] == [True, True, False] * 2
    assert all(line.endswith(" client_certificate=-") for line in entered if "eve" not in line)
    wait_until(lambda: re.search("TLS handshake: certificate: (unsupported certificate purpose|certificate has expired|unable to get)",
                                 running.log_text()), what="the word in the log")
    running.allow_errors("TLS handshake")


def a_chain_of_a_hundred(folder):
    """Below 64 KiB, in order, and by the authority."""
    names = ["ca"] + [f"sub{n}" for n in range(99)]
    for before, name in zip(names, names[1:]):
        make_certificate(folder, name, before, alt=f"DNS:{name}", more=["basicConstraints=critical,CA:TRUE"])
    make_certificate(folder, "eve", names[-1], alt="DNS:eve")
    return join(folder / "chain.pem", folder / "eve.pem", *(folder / f"{name}.pem" for name in reversed(names[1:])))


def a_large_key(folder, ca):
    make_large_rsa(folder / "eve.key", 16384)
    return make_certificate(folder, "eve", ca, alt="DNS:eve", kind="made")[0]


def a_large_certificate(folder):
    return make_certificate(folder, "eve", "ca", alt="DNS:eve", more=["nsComment=" + "x" * 65536])[0]


COSTLY = {  # what a client shows, why it is refused
    "chain": (a_chain_of_a_hundred, "certificate: certificate chain too long"),
    "key": (lambda folder: a_large_key(folder, None), "certificate: self-signed certificate"),
    "trusted_key": (lambda folder: a_large_key(folder, "ca"), None),
    "certificate": (a_large_certificate, "excessive message size"),
}


@pytest.mark.alone
@pytest.mark.parametrize("what", COSTLY)
def test_costly_certificates_of_clients_cost_little(daemon, host, authority, what):
    """J11: a hundred certificates, a key of 16,384 bits, more than 64 KiB; refused before they cost, others are served.

    A key of that size enters by a certificate of the authority's; to verify its signature takes milliseconds.
    """
    make, reason = COSTLY[what]
    chain, port, tries = make(authority), free_port(), 10
    make_certificate(authority, "good", "ca", alt="DNS:good")
    running = daemon(config(port, [host("one")], ["one.pem"], "client_ca = ../ca.pem\nclient_verify = required\n"), workers=1)
    (worker,) = running.worker_pids()
    good = trusting(chain=(authority / "good.pem", authority / "good.key"))

    def enters(version):
        try:
            with secure(port, trusting(versions=(version, version), chain=(chain, authority / "eve.key")), "a.example") as client:
                say(client)
                return True
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
            return False

    with secure(port, good, "a.example") as steady:
        for n, version in enumerate((TLS12, TLS13)):
            before = cpu_s(worker)
            for _ in range(tries):
                assert enters(version) == (reason is None)
                say(steady)
            used_s = cpu_s(worker) - before
            print(f"{what}, {version.name}: {used_s / tries * 1e3:.0f} ms of the worker each")
            assert used_s / tries < 0.1, used_s
            with secure(port, good, "a.example") as fresh:
                say(fresh)
            refused = (n + 1) * tries if reason else 0
            wait_until(lambda: running.service()["errors"].get("handshake_failed", 0) == refused, what="all refusals")  # noqa: B023
    if reason:
        wait_until(lambda: running.log_lines(f"is refused: TLS handshake: {reason} "), what="the word in the log")
    assert running.worker_pids() == [worker]


def test_identity_is_escaped(daemon, host, authority):
    """What a certificate says of itself may hold anything: a line stays a line, a value a value."""
    make_certificate(authority, "evil", "ca", alt="DNS:evil", subject="/CN=a b\\nstatus=ok \\x22é")
    port = free_port()
    for form in ("text", "json"):
        running = daemon(config(port, [host("one")], ["one.pem"], "client_ca = ../ca.pem\nclient_verify = required\n",
                                glob=f"access_format = {form}\n"), workers=1)
        with secure(port, trusting(chain=(authority / "evil.pem", authority / "evil.key")), "a.example") as client:
            say(client)
            client.unwrap().close()
        line, = accesses(running)
        if form == "json":
            assert json.loads(line)["client_certificate"].startswith("CN=a b")
        else:
            assert len(line.split()) == 12 and "client_certificate=CN=a\\x20b" in line, line
        running.stop()


def test_when_certificates_end_is_told(daemon, host, authority):
    """In running.json, /metrics and on the page, also where the key stands in the same file."""
    make_certificate(authority, "soon", "ca", alt="DNS:soon.example", days=3)
    join(authority / "whole.pem", authority / "soon.pem", authority / "soon.key")
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem", "whole.pem"], "client_ca = ../ca.pem\nclient_verify = optional\n"),
                     workers=1)
    told = {os.path.basename(row["file"]): row for row in running.running()["expiries"]}
    assert set(told) == {"one.pem", "whole.pem", "ca.pem"}
    assert told["whole.pem"]["section"] == "service web" and told["whole.pem"]["key"] == "certificate"
    day = 86400
    assert 2 * day < told["whole.pem"]["left_s"] <= 3 * day and 9 * day < told["one.pem"]["left_s"] <= 10 * day
    figures = running.http("GET", "/metrics").text
    left, = re.findall(r'gaidaros_expiry_seconds\{section="service web",key="certificate",file="[^"]*whole\.pem"\} ([\d.]+)', figures)
    assert abs(float(left) - told["whole.pem"]["left_s"]) < 60
    page = running.http("GET", "/").text
    assert re.search(r'class="expiry soon">[^<]*whole\.pem ends in <b>[23] d', page), re.findall("expiry.*", page)
    assert "PRIVATE" not in page


def test_routes_by_what_was_agreed(daemon, host, authority):
    port, plain_port = free_port(), free_port()
    one, named, spoken = host("one", "id"), host("named", "id"), host("spoken", "id")
    running = daemon(config(port, [one], ["one.pem"],
                            f"listen = 127.0.0.1:{plain_port}\ntls_alpn = h2 imap\nroute = alpn imap spoken\nroute = sni *.b.example named\n",
                            more=f"[group named]\ncheck = none\nhost = named {named.address}\n"
                                 f"[group spoken]\ncheck = none\nhost = spoken {spoken.address}\n"), workers=1)

    def reached(name, alpn=()):
        with secure(port, trusting(alpn=alpn), name) as client:
            client.sendall(b"x")
            return client.recv(100).decode().split()[0]

    assert reached("a.example") == "one"
    assert reached("X.b.example") == "named"
    assert reached("x.b.example", ["h2"]) == "named"
    assert reached("x.b.example", ["imap"]) == "spoken"
    with connect(f"127.0.0.1:{plain_port}") as client:
        client.sendall(b"x")
        assert client.recv(100).split()[0] == b"one"
    assert {line.split()[3] for line in accesses(running, 5)} == {"main", "named", "spoken"}


def test_a_proxy_header_comes_before_tls(daemon, host, authority):
    """I9: header and hello in one segment, or apart; a header inside TLS is the client's own bytes."""
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], listen=" accept_proxy=127.0.0.0/8"), workers=1)
    header = b"PROXY TCP4 192.0.2.77 198.51.100.2 4711 443\r\n"
    with secure(port, name="a.example", before=header) as client:
        say(client)
        client.unwrap().close()
    with connect(f"127.0.0.1:{port}") as client:
        client.settimeout(30)
        client.sendall(header + hello_bytes())
        assert client.recv(5)[0] == 22
    lines = accesses(running, 2)
    assert lines[0].split()[1] == "192.0.2.77:4711" and "status=ok" in lines[0]
    assert "bytes_in=5 " in lines[0], lines[0]
    running.allow_errors("TLS handshake")


def test_tls_is_told_to_hosts_by_proxy_header(daemon, authority):
    """The header's values of type SSL with its parts, ALPN, AUTHORITY; the client's name where it has shown one."""
    make_certificate(authority, "eve", "ca", alt="DNS:eve")
    listener = socket.create_server(("127.0.0.1", 0))
    port = free_port()
    daemon(config(port, [], ["one.pem"], "client_ca = ../ca.pem\nclient_verify = optional\ntls_alpn = h2\n",
                  group=f"host = one 127.0.0.1:{listener.getsockname()[1]}\nsend_proxy = v2\n"), workers=1)

    def values_of(chain):
        with secure(port, trusting(alpn=["h2"], chain=chain, versions=(TLS13, TLS13)), "a.example") as client:
            client.sendall(b"x")
            at_host, _ = listener.accept()
            with at_host:
                at_host.settimeout(30)
                head = at_host.recv(16, socket.MSG_WAITALL)
                rest = at_host.recv(int.from_bytes(head[14:16], "big"), socket.MSG_WAITALL)
                assert at_host.recv(1) == b"x"
        return split(rest[12:])

    def split(data):
        out = {}
        while data:
            length = int.from_bytes(data[1:3], "big")
            out[data[0]] = data[3:3 + length]
            data = data[3 + length:]
        return out

    for chain in (None, (authority / "eve.pem", authority / "eve.key")):
        values = values_of(chain)
        assert values[0x01] == b"h2" and values[0x02] == b"a.example"
        secured = values[0x20]
        parts = split(secured[5:])
        assert secured[0] == (7 if chain else 1) and secured[1:5] == (b"\0\0\0\0" if chain else b"\0\0\0\1"), secured
        assert parts[0x21] == b"TLSv1.3" and parts[0x23].startswith(b"TLS_")
        assert parts.get(0x22) == (b"eve" if chain else None)
    listener.close()


def test_why_tells_of_tls(daemon, host, authority):
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"]), workers=1)
    with secure(port, name="a.example") as client:
        say(client)
        row, = running.http("GET", "/connections").json()["connections"]
        told = running.http("GET", f"/connections/{row['id']}").json()
        assert told["tls"] == {"version": "TLSv1.3", "cipher": client.cipher()[0], "sni": "a.example", "alpn": "",
                               "resumed": False, "client_certificate": ""}
        assert told["host_tls"] is None


BAD_HELLOS = [
    b"\x16\3\1\0\0", b"\x16\3\1\xff\xff" + bytes(100), b"\x16\3\1\0\4\1\0\0\0", b"\x15\3\1\0\2\2\x28", b"\x14\3\3\0\1\1",
    b"\x17\3\3\0\5hello", bytes(300), b"\xff" * 300, b"SSH-2.0-OpenSSH_9\r\n", b"EHLO a\r\n", b"\x16\3\1\0\5\1\0\xff\xff\xff",
]


def test_bad_clients_do_not_disturb_good_ones(daemon, host, authority):
    """J9, list T: in one worker, one after the other and at once; the queue of OpenSSL's errors is nobody else's."""
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"]), workers=1)
    hello = hello_bytes()
    bad = BAD_HELLOS + [hello[:n] for n in (1, 5, 6, 40, len(hello) - 1)] + \
        [hello[:n] + bytes([hello[n] ^ 0xFF]) + hello[n + 1:] for n in range(0, len(hello), 7)]
    with secure(port, name="a.example") as steady:
        for text in bad:
            client = connect(f"127.0.0.1:{port}")
            client.sendall(text)
            say(steady, b"still here")
            client.close()
        with secure(port, name="a.example") as fresh:
            say(fresh)
    assert running.worker_pids()
    running.allow_errors("TLS handshake")


def test_a_renewed_certificate_touches_no_connection(daemon, host, authority):
    port = free_port()
    text = config(port, [host("one")], ["one.pem"])
    running = daemon(text, workers=2)
    context = trusting(authority / "ca.pem")
    with secure(port, context, "a.example") as old:
        say(old)
        serial = old.getpeercert()["serialNumber"]
        make_certificate(authority, "one", "ca", alt="DNS:a.example,DNS:*.b.example")
        running.reload(text)
        with secure(port, context, "a.example") as new:
            say(new)
            assert new.getpeercert()["serialNumber"] != serial
        say(old)
    (authority / "one.pem").write_text("nothing of use")
    running.reload(text, ok=False)
    with secure(port, context, "a.example") as new:
        say(new)
    running.allow_errors("one.pem|reload failed")


def test_keys_are_for_workers_alone(daemon, host, authority):
    """And for no core file: what cannot be dumped belongs to root under /proc."""
    join(authority / "whole.pem", authority / "one.pem", authority / "one.key")
    port = free_port()
    running = daemon(config(port, [host("one")], ["whole.pem"]), workers=2)
    with secure(port, name="a.example") as client:
        say(client)
    pids = running.worker_pids()
    director, = set(running.pids()) - set(pids) - {running.pid}
    assert {os.stat(f"/proc/{pid}/environ").st_uid for pid in pids} == {0}
    if SAN:
        return  # the sanitizers keep what was freed
    key = (authority / "one.key").read_text().splitlines()[1].encode()
    assert not memory_has(director, key)
    assert not any(memory_has(pid, key) for pid in pids)  # OpenSSL has another form of it


BAD_FILES = {
    "missing": (lambda f: os.unlink(f / "one.pem"), "one.pem cannot be opened"),
    "empty": (lambda f: (f / "one.pem").write_text(""), "one.pem"),
    "no_key": (lambda f: os.unlink(f / "one.key"), "holds no private key"),
    "mismatch": (lambda f: os.replace(f / "ca.key", f / "one.key"), "not that of the certificate"),
    "open": (lambda f: os.chmod(f / "one.key", 0o644), "may be read by others: chmod o-r"),
    "der": (lambda f: (openssl("x509", "-in", f / "one.pem", "-outform", "DER", "-out", f / "one.der"),
                       os.replace(f / "one.der", f / "one.pem")), "no certificate in PEM"),
    "order": (lambda f: (join(f / "two", f / "one.pem", f / "one.pem"), os.replace(f / "two", f / "one.pem")), "the chain is not in order"),
    "encrypted": (lambda f: (openssl("pkcs8", "-topk8", "-in", f / "one.key", "-passout", "pass:abcd", "-out", f / "k"),
                             os.chmod(f / "k", 0o600), os.replace(f / "k", f / "one.key")), "the private key is encrypted"),
    "broken": (lambda f: (f / "one.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
               "no certificate in PEM, or a broken one"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_certificates_are_named(daemon, host, authority, what):
    """J1: at -t, at the start, at a reload, which keeps the old one."""
    spoil, says = BAD_FILES[what]
    port = free_port()
    text = config(port, [host("one")], ["one.pem"])
    path = authority / "bad.conf"
    path.write_text(text.replace("../", ""))
    running = daemon(text, workers=1)
    os.chmod(authority / "one.key", 0o600)
    spoil(authority)
    for words in (["-t"], []):
        path.write_text(text.replace("../", "").replace(f":{port} ", f":{free_port()} "))
        done = gaidaros(*words, "-c", path)
        assert done.status == 3 and says in done.err, (words, done.err)
        assert re.search(r"bad\.conf:\d+: \[service web\] certificate: ", done.err), done.err
    running.reload(text, ok=False)
    with secure(port, name="a.example") as client:
        say(client)
    running.allow_errors("certificate: |reload failed")


def test_an_expired_certificate_is_a_warning(host, daemon, authority):
    make_certificate(authority, "past", "ca", alt="DNS:a.example", days=-1)
    path = authority / "past.conf"
    port = free_port()
    path.write_text(config(port, [host("one")], ["past.pem"]).replace("../", ""))
    done = gaidaros("-t", "-c", path)
    assert done.status == 0 and re.search(r"past\.conf:\d+: .*past\.pem has expired", done.err), done.err
    running = daemon(config(port, [host("one")], ["past.pem"]), workers=1)
    with secure(port, name="a.example") as client:
        say(client)
    wait_until(lambda: running.log_lines("past.pem has expired"), what="the word in the log")


BAD_LINES = {
    "no_certificate": ("", "tls needs a certificate", None),
    "cipher": ("tls_ciphers = ECDHE-ECDSA-AES128-GCM-SHA256:NONSENSE", 'OpenSSL knows no cipher "NONSENSE"', "tls_ciphers"),
    "suite": ("tls_ciphers = TLS_NONSENSE", 'OpenSSL knows no cipher "TLS_NONSENSE"', "tls_ciphers"),
    "contradiction": ("tls_min = 1.3\ntls_ciphers = ECDHE-ECDSA-AES128-GCM-SHA256", "names no cipher of TLS 1.3", "tls_ciphers"),
    "version": ("tls_min = 1.1", "must be one of 1.2 1.3", "tls_min"),
    "protocols": ("tls_alpn = h2 h2", "is named twice", "tls_alpn"),
    "verify_alone": ("client_verify = required", "needs a client_ca", "client_verify"),
    "ca": ("client_verify = required\nclient_ca = ../one.key", "", "client_ca"),
    "depth": ("client_depth = 17", "client_depth", "client_depth"),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_bad_lines_are_named(authority, what):
    line, says, key = BAD_LINES[what]
    path = authority / "bad.conf"
    text = config(free_port(), [], [] if key is None else ["one.pem"], f"{line}\n", group="host = a 127.0.0.1:9\n")
    path.write_text(text.replace("../", ""))
    done = gaidaros("-t", "-c", path)
    assert done.status == 3 and says in done.err, done.err
    assert re.search(rf"bad\.conf:\d+: \[service web\] {key or 'listen'}: ", done.err), done.err


def test_unused_keys_are_warned_of(authority):
    path = authority / "a.conf"
    path.write_text("[service web]\nlisten = 127.0.0.1:1080\ngroup = main\ncertificate = one.pem\ntls_min = 1.3\n"
                    "[group main]\nhost = a 127.0.0.1:9\n")
    done = gaidaros("-t", "-c", path)
    assert done.status == 0
    for key in ("certificate", "tls_min"):
        assert re.search(rf"a\.conf:\d+: warning: \[service web\] {key}: has no effect: no listen address has the word tls",
                         done.err) or f"{key}: has no effect" in done.err, done.err


@pytest.mark.unsanitized
def test_a_thousand_certificates_cost_little(daemon, host, authority):
    """At most 16 MiB a worker over one certificate; ten reloads add at most 1 MiB."""
    make_many(authority, 1000)
    port = free_port()
    one = host("one")
    running = daemon(config(port, [one], ["one.pem"]), workers=1)
    with secure(port, name="a.example") as client:
        say(client)
    before = rss_bytes(running.worker_pids()[0])
    text = config(port, [one], ["one.pem"] + [f"many/{n}.pem" for n in range(1000)])
    running.reload(text, timeout=120)
    context = trusting(authority / "ca.pem")
    for n in (0, 500, 999):
        with secure(port, context, f"h{n}.many.example") as client:
            assert common_name(client) == f"h{n}.many.example"
    assert rss_bytes(running.worker_pids()[0]) - before <= 16 << 20
    running.reload(text, timeout=120)  # from now on there is room for two at a time, as each reload needs
    settled = rss_bytes(running.worker_pids()[0])
    for _ in range(10):
        running.reload(text, timeout=120)
    assert rss_bytes(running.worker_pids()[0]) - settled <= 1 << 20


def make_many(folder, n):
    """Certificates of one key, self-signed: making a thousand keys takes long."""
    many = folder / "many"
    many.mkdir()
    os.chmod(many, 0o755)
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", many / "key")
    for at in range(n):
        name = f"h{at}.many.example"
        openssl("req", "-new", "-key", many / "key", "-subj", f"/CN={name}", "-out", many / "csr")
        (many / "ext").write_text(f"subjectAltName=DNS:{name}\n")
        openssl("x509", "-req", "-in", many / "csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
                "-CAcreateserial", "-days", 10, "-extfile", many / "ext", "-out", many / f"{at}.crt")
        join(many / f"{at}.pem", many / f"{at}.crt", many / "key")
