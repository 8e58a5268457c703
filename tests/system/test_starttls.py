# SPDX-License-Identifier: MIT
"""STARTTLS: what is said in plain before TLS, by PostgreSQL, SMTP and IMAP; nothing of it reaches a host."""

import imaplib
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess

import pytest

from certificates import make_certificate
from command import gaidaros
from harness import connect, free_port, receive_all, wait_until
from rig import local
from test_checks import EXIM
from test_peers import POSTGRES_OPTIONS, answers, as_postgres, postgres_program, run, server  # noqa: F401
from test_peers import open_folder  # noqa: F401
from threadhost import ThreadHost
from tlspeer import hello_bytes, trusting

pytestmark = pytest.mark.san_subset


@pytest.fixture
def authority(folder):
    make_certificate(folder, "ca")
    make_certificate(folder, "one", "ca", alt="DNS:localhost,DNS:*.b.example")
    return folder


def config(port, kind, address, more="", service=""):
    return (f"[global]\naccess_log = access.log\n[service web]\nlisten = 127.0.0.1:{port} tls starttls={kind}\n"
            f"certificate = ../one.pem\ngroup = main\nhandshake_timeout = 3s\n{service}"
            f"[group main]\ncheck = none\nhost = one {address}\n{more}")


def test_psql_verifies_in_full(daemon, server, open_folder, authority):  # noqa: F811
    address, home = local(), os.path.join(open_folder, "db")
    words, port = as_postgres(open_folder), address.rpartition(":")[2]
    run([*words, postgres_program("initdb"), "-N", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C", "-D",
         home], cwd=open_folder)
    ready = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", port]
    server([*words, postgres_program("postgres"), "-D", home, "-p", port, *POSTGRES_OPTIONS],
           lambda: subprocess.run(ready, check=False).returncode == 0, stop=signal.SIGINT, cwd=open_folder)
    listen = free_port()
    running = daemon(config(listen, "postgres", address), workers=1)

    def psql(mode, more=""):
        return subprocess.run(
            ["psql", "-X", "-At", "-c", "select 6*7", f"host=localhost hostaddr=127.0.0.1 port={listen} user=tester "
             f"dbname=postgres sslmode={mode} sslrootcert={authority}/ca.pem {more}"],
            capture_output=True, text=True, timeout=60, check=False)

    for more in ("", "gssencmode=prefer"):
        said = psql("verify-full", more)
        assert said.returncode == 0 and said.stdout == "42\n", said
    refused = psql("disable")
    assert refused.returncode != 0 and "FATAL:  TLS is required (sslmode=require)" in refused.stderr, refused
    wait_until(lambda: running.log_lines("STARTTLS: no request for TLS comes first"), what="the word in the log")
    running.allow_errors("STARTTLS")


def test_exim_gets_mail(daemon, server, open_folder, authority):  # noqa: F811
    import pwd  # pylint: disable=import-outside-toplevel
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    address, listen = local(), free_port()
    for part in ("spool", "log"):
        os.mkdir(os.path.join(open_folder, part))
        os.chown(os.path.join(open_folder, part), user.pw_uid, user.pw_gid)
    conf = os.path.join(open_folder, "exim.conf")
    with open(os.open(conf, os.O_WRONLY | os.O_CREAT, 0o644), "w", encoding="utf-8") as file:
        file.write(EXIM.format(home=open_folder, user=user.pw_uid, group=user.pw_gid))
    server(["/usr/sbin/exim4", "-C", conf, "-bdf", "-oX", address.replace(":", ".")], lambda: answers(address),
           cwd=open_folder)
    daemon(config(listen, "smtp", address), workers=1)
    with smtplib.SMTP("127.0.0.1", listen, timeout=60) as client:
        assert client.ehlo()[0] == 250 and client.has_extn("starttls")
        assert client.docmd("MAIL FROM:<a@b.example>")[0] == 530
        client._host = "localhost"  # whose name smtplib asks for  # pylint: disable=protected-access
        assert client.starttls(context=trusting(str(authority / "ca.pem")))[0] == 220
        code, words = client.ehlo()
        assert code == 250 and b"mail.example" in words, (code, words)  # the host's own answer, not its welcome
        assert client.noop()[0] == 250
    done = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{listen}", "-quiet",
                           "-servername", "localhost", "-CAfile", authority / "ca.pem", "-verify_return_error"],
                          input="EHLO me\r\nQUIT\r\n", capture_output=True, text=True, timeout=60, check=False)
    assert "250-mail.example Hello" in done.stdout, done
    assert "220 mail.example" not in done.stdout


class TalkingHost(ThreadHost):
    """Welcomes, then answers each line by a function; keeps all that it has heard."""

    def __init__(self, welcome, answer=lambda line: b""):
        self.welcome, self.answer, self.heard = welcome, answer, []
        super().__init__()

    def talk(self, client):
        with client, client.makefile("rb") as lines:
            for part in self.welcome:
                client.sendall(part)
            try:
                for line in lines:
                    self.heard.append(line)
                    client.sendall(self.answer(line))
            except OSError:
                pass


@pytest.fixture
def talking():
    made = []

    def make(*args):
        made.append(TalkingHost(*args))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_imap_goes_on_where_its_host_is(daemon, talking, authority):
    host = talking([b"* OK rea", b"dy\r\n"], lambda line: b"%s OK there\r\n" % line.split()[0] if b"NOOP" in line else
                   b"* CAPABILITY IMAP4rev1 X-HOST\r\n%s OK done\r\n" % line.split()[0] if b"CAPABILITY" in line else
                   b"* BYE\r\n%s OK done\r\n" % line.split()[0])
    listen = free_port()
    daemon(config(listen, "imap", host.address), workers=1)
    client = imaplib.IMAP4("127.0.0.1", listen, timeout=60)
    assert "STARTTLS" in client.capabilities
    client.host = "localhost"
    client.starttls(trusting(str(authority / "ca.pem")))
    assert "X-HOST" in client.capabilities
    assert client.noop()[0] == "OK"
    client.logout()
    assert not [line for line in host.heard if b"STARTTLS" in line]


def shake(client, folder, name="localhost"):
    return trusting(str(folder / "ca.pem")).wrap_socket(client, server_hostname=name)


def begin(listen, said):
    """A plain client up to the server's word to begin; said: (sends, expects) in turn."""
    client = connect(f"127.0.0.1:{listen}")
    client.settimeout(60)
    for sends, expects in said:
        for byte in sends:
            client.sendall(bytes([byte]))
        got = b""
        while len(got) < len(expects):
            part = client.recv(len(expects) - len(got))
            assert part, (got, expects)
            got += part
        assert got == expects
    return client


SMTP = [(b"", b"220 gaidaros ESMTP\r\n"), (b"STARTTLS\r\n", b"220 2.0.0 Ready to start TLS\r\n")]
POSTGRES = [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S")]
IMAP = [(b"", b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] gaidaros\r\n"), (b"1 STARTTLS\r\n", b"1 OK begin TLS now\r\n")]


@pytest.mark.parametrize("kind, said", [("smtp", SMTP), ("postgres", POSTGRES), ("imap", IMAP)])
def test_it_may_come_byte_by_byte(daemon, talking, authority, kind, said):
    host = talking([] if kind == "postgres" else [b"220-a\r\n", b"220 b\r\n"] if kind == "smtp" else [b"* OK a\r\n"],
                   lambda line: b"heard " + line)
    listen = free_port()
    daemon(config(listen, kind, host.address), workers=1)
    with shake(begin(listen, said), authority) as client:
        client.sendall(b"question\r\n")
        assert client.recv(100) == b"heard question\r\n"


@pytest.mark.parametrize("kind, said", [("smtp", SMTP), ("postgres", POSTGRES), ("imap", IMAP)])
def test_what_is_slipped_in_before_tls_is_refused(daemon, talking, authority, kind, said):
    """CVE-2011-0411 and CVE-2021-23222: plain bytes behind the word must not count as said in TLS."""
    host, listen = talking([]), free_port()
    running = daemon(config(listen, kind, host.address), workers=1)
    with begin(listen, said[:-1]) as client:
        client.sendall(said[-1][0] + b"RSET\r\n")
        got, _ = receive_all(client)
        assert got in (b"", said[-1][1])  # the answer may have been on its way
    with begin(listen, said[:-1]) as client:
        client.sendall(said[-1][0] + hello_bytes("localhost"))
        got, _ = receive_all(client)
        assert b"\x16\x03" not in got
    wait_until(lambda: running.service()["errors"].get("handshake_failed") == 2, what="both to be refused")
    assert not host.heard
    wait_until(lambda: running.log_lines("STARTTLS: more came before TLS had begun"), what="the word in the log")
    running.allow_errors("STARTTLS")


def test_direct_tls_of_postgres(daemon, talking, authority):
    host, listen = talking([], lambda line: b"heard " + line), free_port()
    daemon(config(listen, "postgres", host.address), workers=1)
    with shake(connect(f"127.0.0.1:{listen}"), authority) as client:
        client.settimeout(60)
        client.sendall(b"question\n")
        assert client.recv(100) == b"heard question\n"


def test_routes_by_name_after_starttls(daemon, talking, authority):
    main, named, listen = talking([], lambda _: b"main"), talking([], lambda _: b"named"), free_port()
    daemon(config(listen, "postgres", main.address, f"[group named]\ncheck = none\nhost = named {named.address}\n",
                  "route = sni *.b.example named\n"), workers=1)
    for name, expected in (("localhost", b"main"), ("x.b.example", b"named")):
        with shake(begin(listen, POSTGRES), authority, name) as client:
            client.sendall(b"x\n")
            assert client.recv(100) == expected


def test_a_host_that_does_not_welcome_is_heard(daemon, talking, authority):
    """Its refusal is the client's to see; one that says nothing is left for the next."""
    refusing, listen = talking([b"554 not now\r\n"]), free_port()
    silent = socket.create_server(("127.0.0.1", 0))
    text = config(listen, "smtp", refusing.address)
    running = daemon(text, workers=1)
    with shake(begin(listen, SMTP), authority) as client:
        assert client.recv(100) == b"554 not now\r\n"
    welcoming = talking([b"220 hello\r\n"], lambda line: b"heard " + line)
    running.reload(config(listen, "smtp", f"127.0.0.1:{silent.getsockname()[1]}", f"host = two {welcoming.address}\nscheduler = first\n",
                          "connect_timeout = 1s\n"))
    with shake(begin(listen, SMTP), authority) as client:
        client.sendall(b"EHLO a\r\n")
        assert client.recv(100) == b"heard EHLO a\r\n"
    assert running.host("one")["failures_total"] == 1
    silent.close()


def test_who_stalls_or_quits_is_over(daemon, talking, authority):
    host, listen = talking([]), free_port()
    running = daemon(config(listen, "smtp", host.address), workers=1)
    with begin(listen, [SMTP[0], (b"QUIT\r\n", b"221 2.0.0 Bye\r\n")]) as client:
        assert receive_all(client)[0] == b""
    with begin(listen, SMTP[:1]) as client:
        receive_all(client)  # after handshake_timeout
    with begin(listen, SMTP[:1]) as client:
        for _ in range(30):
            try:
                client.sendall(b"NOOP\r\n")
            except OSError:
                break
        assert receive_all(client)[0].count(b"250") <= 20
    wait_until(lambda: running.log_lines("STARTTLS: not complete within handshake_timeout"), what="the word in the log")
    wait_until(lambda: running.service()["errors"].get("handshake_failed") == 2, what="both to be counted")
    running.allow_errors("STARTTLS")
    assert not host.heard


@pytest.mark.parametrize("option, says", [("starttls=postgres", "needs the word tls"), ("tls starttls=ldap", "must be one of postgres smtp imap"),
                                          ("tls starttls", "needs =VALUE")])
def test_bad_options_are_named(authority, option, says):
    path = authority / "bad.conf"
    path.write_text(config(free_port(), "smtp", "127.0.0.1:9").replace("tls starttls=smtp", option).replace("../", ""))
    said = gaidaros("-t", "-c", path)
    assert said.status == 3 and says in said.err and re.search(r"bad\.conf:\d+: \[service web\] listen: ", said.err), said
