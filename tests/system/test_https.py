# SPDX-License-Identifier: MIT
"""HTTPS of the admin doors: what it shows, who gets its key, what comes to it that is no TLS, renewed certificates."""

import os
import re
import signal
import socket
import ssl
import subprocess

import pytest

import harness
from certificates import join, make_certificate, openssl
from command import gaidaros
from harness import SAN, free_port, wait_until
from scene import children, config

pytestmark = pytest.mark.san_subset

SECRET = "a secret"


@pytest.fixture(scope="module")
def hashed():
    """The hash of SECRET."""
    done = subprocess.run(["openssl", "passwd", "-6", "-salt", "abcdefgh", SECRET], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip()


@pytest.fixture
def certificates(folder):
    """An authority with a certificate for the door."""
    make_certificate(folder, "ca")
    make_certificate(folder, "door", "ca", alt="IP:127.0.0.1,DNS:door.example")
    return folder


class Door:
    """The HTTPS door of a daemon."""

    def __init__(self, running, port, folder):
        self.running, self.port, self.folder = running, port, folder
        self.url = f"https://127.0.0.1:{port}"

    def ask(self, path, *more, user=f"eve:{SECRET}"):
        """Status and body by curl, which trusts the test's authority."""
        words = ["curl", "-s", "-m", "20", "--cacert", str(self.folder / "ca.pem"), "-w", "\n%{http_code}", *more]
        words += ["-u", user] if user else []
        done = subprocess.run([*words, self.url + path], capture_output=True, text=True, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body, done.returncode

    def shown(self):
        """The serial number of what the door shows."""
        text = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=10)
        done = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=text, capture_output=True, text=True,
                              check=True)
        return done.stdout.strip()


def curl(url):
    """The status of a plain request, 0 when there is no answer."""
    done = subprocess.run(["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url], capture_output=True,
                          text=True, check=False)
    return int(done.stdout)


def asked_on(client):
    """The head of the answer to /healthz over an open connection."""
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    while not got.endswith(b"serving\n"):
        more = client.recv(65536)
        assert more, got
        got += more
    return got.decode()


def serial(path):
    return openssl("x509", "-noout", "-serial", "-in", path).strip()


@pytest.fixture
def door(daemon, host, certificates, hashed):
    port = free_port()
    admin = (f"listen = 127.0.0.1:{port} tls\ncertificate = {certificates}/door.pem\n"
             f"user = eve {hashed} full\n")
    running = daemon(config(free_port(), [host("one")], admin=admin), workers=2)
    running.edited = 1
    return Door(running, port, certificates)


def test_the_page_and_its_calls_by_https(door):
    status, page, _ = door.ask("/")
    assert status == 200 and "<!DOCTYPE html>" in page
    assert door.ask("/", user=None)[0] == 401
    assert door.ask("/healthz", user=None)[0] == 200
    assert door.ask("/api/hostDrain", "-d", "service=web&group=main&name=one")[0] == 200
    assert door.running.host("one")["state"] == "draining"
    audit = door.running.log_lines(r"hostDrain")
    assert any("eve at 127.0.0.1" in line for line in audit), audit


def version_of(port, *words):
    """What openssl s_client agrees on; "" when there is no agreement."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"(?m)^New, (\S+), Cipher is (\S+)", done.stdout)
    return "" if not found or found[2] == "(NONE)" else found[1]


def test_old_versions_are_not_spoken(door):
    assert version_of(door.port, "-tls1_3") == "TLSv1.3"
    assert version_of(door.port, "-tls1_2") in ("TLSv1.2", "TLSv1.3", "TLSv1/SSLv3")
    old = ("-cipher", "DEFAULT:@SECLEVEL=0")
    assert version_of(door.port, "-tls1_1", *old) == "" and version_of(door.port, "-tls1", *old) == ""


def test_what_is_no_tls_is_turned_away(door):
    with socket.create_connection(("127.0.0.1", door.port), 20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        got, end = harness.receive_all(client)
        assert b"HTTP" not in got and end in ("eof", "reset"), (got, end)
    with socket.create_connection(("127.0.0.1", door.port), 20) as client:
        client.sendall(os.urandom(4096))
        assert harness.receive_all(client)[1] in ("eof", "reset")
    assert door.ask("/healthz", user=None)[0] == 200


def test_a_silent_client_is_sent_away_and_holds_nobody_up(door):
    with socket.create_connection(("127.0.0.1", door.port), 60) as silent, \
            socket.create_connection(("127.0.0.1", door.port), 60) as slow:
        slow.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
        assert door.ask("/healthz", user=None)[0] == 200
        for client in (silent, slow):
            client.settimeout(40)
            harness.receive_all(client)  # its time is over: 10 s


def test_a_renewed_certificate_is_taken_over_and_open_connections_live_on(door):
    trust = ssl.create_default_context(cafile=str(door.folder / "ca.pem"))
    before = serial(door.folder / "door.pem")
    assert door.shown() == before
    with socket.create_connection(("127.0.0.1", door.port), 20) as plain, \
            trust.wrap_socket(plain, server_hostname="door.example") as client:
        assert "200 OK" in asked_on(client)
        make_certificate(door.folder, "door", "ca", alt="IP:127.0.0.1,DNS:door.example")
        after = serial(door.folder / "door.pem")
        door.running.reload()
        wait_until(lambda: door.shown() == after, what="the new certificate")
        assert "200 OK" in asked_on(client)
    assert before != after and door.ask("/running.json")[0] == 200


def test_a_certificate_that_changes_on_disk_is_taken_over(door):
    """Without a reload, a few seconds later."""
    make_certificate(door.folder, "door", "ca", alt="IP:127.0.0.1,DNS:door.example")
    after = serial(door.folder / "door.pem")
    wait_until(lambda: door.shown() == after, what="the new certificate")
    assert door.running.running()["last_reload"] is None


def test_an_unchanged_certificate_changes_nothing(door):
    trust = ssl.create_default_context(cafile=str(door.folder / "ca.pem"))
    with socket.create_connection(("127.0.0.1", door.port), 20) as plain, \
            trust.wrap_socket(plain, server_hostname="door.example") as client:
        for _ in range(3):
            door.running.reload()
            said = asked_on(client)
            assert "200 OK" in said and "close" not in said.lower()


def test_a_broken_certificate_at_a_reload_leaves_the_old_one(door):
    before = door.shown()
    door.running.allow_errors(r"door\.pem: there is no certificate|reload failed")
    (door.folder / "door.pem").write_text("no certificate\n")
    door.running.reload(ok=False)
    assert door.shown() == before and door.ask("/healthz", user=None)[0] == 200
    assert "door.pem" in door.running.running()["last_reload"]["message"]


def test_a_killed_director_serves_https_again(door):
    director = children(door.running, "director")[0]
    os.kill(director, signal.SIGKILL)
    wait_until(lambda: door.ask("/healthz", user=None)[0] == 200, what="HTTPS of the next director")


def memory_has(pid, needle):
    """Whether the bytes stand somewhere in the memory of a process."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or "[v" in line or "/memfd:gaidaros (" in line:  # the segment, which is vast
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(begin)
                while begin < end:
                    bytes_ = memory.read(min(end - begin, 1 << 24))
                    if not bytes_:
                        break
                    if needle in bytes_:
                        return True
                    begin += len(bytes_)
            except (OSError, ValueError, OverflowError):
                continue
    return False


@pytest.mark.skipif(SAN, reason="the sanitizers keep freed memory")
def test_workers_never_have_the_key(door):
    with open(door.folder / "door.key", "rb") as file:
        key = file.read().splitlines()[1]
    workers = door.running.worker_pids()
    assert workers and not any(memory_has(pid, key) for pid in workers)
    for pid in workers:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            assert "keys" not in os.readlink(f"/proc/{pid}/fd/{fd}")


@pytest.mark.parametrize("address", ["0.0.0.0", "*"])
def test_beyond_loopback_with_tls_and_a_user(daemon, host, certificates, hashed, address):
    port = free_port()
    admin = f"listen = {address}:{port} tls\ncertificate = {certificates}/door.pem\nuser = eve {hashed} full\n"
    running = daemon(config(free_port(), [host("one")], admin=admin), workers=1)
    assert Door(running, port, certificates).ask("/running.txt")[0] == 200


def test_tls_of_an_address_can_come_and_go_by_reload(daemon, host, certificates):
    port, listen, one = free_port(), free_port(), host("one")
    plain = config(listen, [one], admin=f"listen = 127.0.0.1:{port}")
    secured = config(listen, [one], admin=f"listen = 127.0.0.1:{port} tls\ncertificate = {certificates}/door.pem")
    running = daemon(plain, workers=1)
    door = Door(running, port, certificates)
    running.reload(secured)
    wait_until(lambda: door.ask("/healthz", user=None)[0] == 200, what="HTTPS")
    running.reload(plain)
    wait_until(lambda: curl(f"http://127.0.0.1:{port}/healthz") == 200, what="HTTP")


def refused(folder, admin, *named):
    """-t and a start both name the file, the line, the key and all of these words."""
    path = folder / "g.conf"
    text = (f"[global]\npidfile =\ncontrol =\n[admin]\nlisten = 127.0.0.1:{free_port()} tls\n{admin}\n"
            f"[service web]\nlisten = 127.0.0.1:{free_port()}\ngroup = main\n[group main]\nhost = a 127.0.0.1:9\n")
    path.write_text(text)
    path.chmod(0o600)
    line = 1 + text.splitlines().index(admin.splitlines()[-1])
    for words in (("-t",), ("-f",)):
        said = gaidaros("-c", path, *words)
        assert said.status == 3, said
        assert f"g.conf:{line}: [admin] certificate:" in said.err, said
        for word in named:
            assert word in said.err, (word, said)


def test_bad_certificates_and_keys_are_named(certificates):
    folder = certificates
    make_certificate(folder, "other", "ca")
    openssl("pkey", "-in", folder / "door.key", "-aes256", "-passout", "pass:x", "-out", folder / "locked.key")
    openssl("x509", "-in", folder / "door.pem", "-outform", "DER", "-out", folder / "der.pem")
    join(folder / "mixed.pem", folder / "door.pem", folder / "other.key")
    join(folder / "locked.pem", folder / "door.pem")
    join(folder / "cut.pem", folder / "door.pem", folder / "door.key")
    (folder / "cut.pem").write_bytes((folder / "cut.pem").read_bytes()[:-100])
    join(folder / "alone.pem", folder / "door.pem")
    (folder / "empty.pem").write_text("")
    join(folder / "empty.key", folder / "door.key")
    join(folder / "der.key", folder / "door.key")
    join(folder / "open.pem", folder / "door.pem")
    join(folder / "open.key", folder / "door.key")
    os.chmod(folder / "open.key", 0o644)
    refused(folder, "certificate = none.pem", "none.pem", "cannot be opened")
    refused(folder, "certificate = mixed.pem", "mixed.pem", "not that of the certificate")
    refused(folder, "certificate = locked.pem", "encrypted")
    refused(folder, "certificate = cut.pem", "cut.pem", "broken")
    refused(folder, "certificate = alone.pem", "alone.key", "alone.pem holds no private key")
    refused(folder, "certificate = empty.pem", "empty.pem", "no certificate")
    refused(folder, "certificate = der.pem", "der.pem", "no certificate")
    refused(folder, "certificate = open.pem", "open.key", "may be read by others")
    refused(folder, f"certificate = {folder}", "is a folder")


def test_an_expired_certificate_is_a_warning(certificates):
    make_certificate(certificates, "late", "ca", days=-1)
    path = certificates / "g.conf"
    path.write_text(f"[global]\npidfile =\ncontrol =\n[admin]\nlisten = 127.0.0.1:{free_port()} tls\n"
                    f"certificate = late.pem\n[service web]\nlisten = 127.0.0.1:{free_port()}\ngroup = main\n"
                    f"[group main]\nhost = a 127.0.0.1:9\n")
    said = gaidaros("-c", path, "-t")
    assert said.status == 0 and "late.pem has expired" in said.err, said
