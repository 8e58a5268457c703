# SPDX-License-Identifier: MIT
"""OCSP responders that are asked about clients' certificates (J15)."""

import re
import signal
import socket
import ssl
import threading
import time

import pytest

from certificates import join, make_certificate
from command import gaidaros
from harness import PATIENCE_S, SAN, connect, free_port, wait_until
from revocations import Revoker, Web
from scene import children
from test_connections import listed
from test_revocation import context_of, handshakes
from test_termination import accesses, authority, config  # noqa: F401  (a fixture among them)
from tlspeer import is_over, say, secure

pytestmark = pytest.mark.san_subset

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PATH = "/ocsp"


class Responder:
    """A Web that answers at /ocsp by what a Revoker knows of the certificates good, late and bad, which name it."""

    def __init__(self, folder):
        self.folder, self.web, self.revoker = folder, Web(), Revoker(folder)
        self.url = self.web.url(PATH)
        self.names = [f"authorityInfoAccess=OCSP;URI:{self.url}"]
        self.may_answer = threading.Event()
        self.may_answer.set()
        for name in ("good", "late", "bad"):
            make_certificate(folder, name, "ca", alt=f"DNS:{name}", more=self.names)
        self.know()

    def know(self, *more, revoked=()):
        self.revoker.know(*({"good", "late", "bad", *more} - set(revoked)), revoked=revoked)
        self.web.pages[PATH] = self.answer

    def answer(self, body):
        assert self.may_answer.wait(PATIENCE_S)
        return self.revoker.answer(body)

    def count(self):
        return self.web.count(PATH)

    def close(self):
        self.may_answer.set()
        self.web.close()


@pytest.fixture
def responder(authority):  # noqa: F811
    one = Responder(authority)
    yield one
    one.close()


def clients(more="", ocsp="auto", verify="required", ca="../ca.pem"):
    """The lines of a service that has responders asked."""
    return f"client_ca = {ca}\nclient_verify = {verify}\nclient_ocsp = {ocsp}\n{more}"


def answers(running, result):
    text = running.http("GET", "/metrics").text
    return int(re.search(rf'gaidaros_ocsp_answers_total\{{result="{result}"\}} (\d+)', text)[1])


def resumes(port, context, session):
    """Whether the session was resumed; None: the client was refused."""
    try:
        with secure(port, context, "a.example", session) as client:
            client.sendall(b"hello")
            return client.session_reused if client.recv(100) == b"hello" else None
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return None


def enters(folder, port, name, version=TLS13):
    return resumes(port, context_of(folder, name, version), None) is not None


def told(running, pattern):
    """The log's writer comes a moment after its client has the answer."""
    wait_until(lambda: running.log_lines(pattern), what=f"the word in the log: {pattern}")


def alert_to(folder, port, name):
    """What the client is told within the handshake."""
    with pytest.raises(ssl.SSLError) as refused:
        secure(port, context_of(folder, name, TLS12), "a.example")
    return refused.value.reason


def test_good_and_revoked(daemon, host, responder):
    """Who is good enters, who is revoked does not, in both versions; each is asked about once, whichever worker has it."""
    folder = responder.folder
    responder.know(revoked=["bad"])
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients()), workers=3)
    for _ in range(10):
        for version in (TLS12, TLS13):
            assert enters(folder, port, "good", version)
            assert not enters(folder, port, "bad", version)
    assert responder.count() == 2
    assert alert_to(folder, port, "bad") == "SSLV3_ALERT_CERTIFICATE_REVOKED"  # now it is known within the handshake
    wait_until(lambda: handshakes(running, "revoked") == 21, what="all to be counted")
    assert handshakes(running, "full") == 20 and handshakes(running, "no_ocsp_answer") == 0
    wait_until(lambda: running.service()["errors"]["handshake_failed"] == 21, what="all to be over")
    assert (answers(running, "good"), answers(running, "revoked"), answers(running, "none")) == (1, 1, 0)
    lines = accesses(running, 41)
    assert sum("status=handshake_failed" in line and line.endswith(" client_certificate=CN=bad refused=revoked")
               for line in lines) == 21, lines
    assert not any("refused=" in line for line in lines if "CN=good" in line)
    told(running, "is refused: OCSP: the certificate is revoked: CN=bad")
    running.allow_errors("is refused")


@pytest.mark.parametrize("verify", ["required", "optional"])
def test_who_shows_nothing_is_not_asked_about(daemon, host, responder, verify):
    folder = responder.folder
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(verify=verify)), workers=1)
    if verify == "optional":
        with secure(port, None, "a.example") as client:
            say(client)
    assert enters(folder, port, "good")
    assert responder.count() == 1
    running.allow_errors("is refused")


def sessions_of(folder, port, name):
    """[(context, session)] by a ticket of either version, and by an id."""
    begun = []
    for version, by_id in ((TLS12, False), (TLS12, True), (TLS13, False)):
        context = context_of(folder, name, version)
        if by_id:
            context.options |= ssl.OP_NO_TICKET
        with secure(port, context, "a.example") as client:
            say(client)
            begun.append((context, client.session))
    return begun


def test_a_session_of_who_is_revoked_now(daemon, host, responder):
    """J15: it was good when the session began; asked about anew, it does not enter, by none of the ways to resume."""
    folder = responder.folder
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_cache = 0\n")), workers=2)
    late, good = sessions_of(folder, port, "late"), sessions_of(folder, port, "good")
    for context, session in late[:2] + good[:2]:
        assert resumes(port, context, session) is True
    asked = responder.count()
    assert asked == 10, asked  # one a connection
    responder.know(revoked=["late"])
    for context, session in late:
        assert resumes(port, context, session) is None
    for context, session in good:
        assert resumes(port, context, session) is True
    assert responder.count() == asked + 6
    assert handshakes(running, "revoked") == 3 and handshakes(running, "resumed") == 7
    running.allow_errors("is refused")


def test_an_answer_counts_so_long(daemon, host, responder):
    """For ocsp_cache and no longer, whatever its own end; a session is not resumed either then."""
    folder = responder.folder
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_cache = 3s\n")), workers=2)
    began = time.monotonic()
    sessions = sessions_of(folder, port, "late")
    responder.know(revoked=["late"])
    entered_s = 0
    while resumes(port, *sessions[0]) is True:
        entered_s = time.monotonic() - began
        assert entered_s < PATIENCE_S
        time.sleep(0.05)  # the pace of a client
    assert time.monotonic() - began > 2.9, entered_s
    for context, session in sessions:
        assert resumes(port, context, session) is None
    assert responder.count() == 2
    assert alert_to(folder, port, "late") == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    running.allow_errors("is refused")


@pytest.mark.parametrize("policy", ["strict", "lenient"])
def test_a_responder_that_is_down(daemon, host, responder, policy):
    """Strict refuses and says why, lenient lets in; only the first waits; once it is back it counts."""
    folder = responder.folder
    closed = free_port()
    port = free_port()
    url = f"http://127.0.0.1:{closed}{PATH}"
    running = daemon(config(port, [host("one")], ["one.pem"], clients(f"ocsp_policy = {policy}\nocsp_timeout = 500ms\n", url)),
                     workers=2)
    assert enters(folder, port, "good") == (policy == "lenient")
    told(running, f"OCSP responder {url} does not answer: Connection refused")
    wait_until(lambda: answers(running, "none") == 1, what="the first question to be over")
    for name in ("good", "bad", "late", "good"):
        assert enters(folder, port, name) == (policy == "lenient")
    assert len(running.log_lines("does not answer")) == 1
    if policy == "strict":
        wait_until(lambda: handshakes(running, "no_ocsp_answer") == 5, what="all to be counted")
        assert sum("status=handshake_failed" in line and line.endswith("refused=no_ocsp_answer")
                   for line in accesses(running, 5)) == 5
        told(running, "is refused: OCSP: no good answer about the certificate: CN=good")
    else:
        assert handshakes(running, "full") == 5 and handshakes(running, "no_ocsp_answer") == 0
    responder.know(revoked=["bad"])
    back = Web(closed)
    back.pages[PATH] = responder.answer
    try:
        wait_until(lambda: enters(folder, port, "good") and answers(running, "good") > 0, PATIENCE_S, "it to be asked")
        assert not enters(folder, port, "bad")
        told(running, f"OCSP responder {url} answers again")
    finally:
        back.close()
    running.allow_errors("is refused|does not answer")


@pytest.mark.parametrize("policy", ["strict", "lenient"])
def test_a_responder_that_is_slow(daemon, host, responder, policy):
    """Who waits is seen to wait, for ocsp_timeout; nobody else is held up; what he has sent goes on."""
    folder = responder.folder
    port, plain = free_port(), free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(f"ocsp_policy = {policy}\nocsp_timeout = 2s\n"),
                            more=f"[service plain]\nlisten = 127.0.0.1:{plain}\ngroup = main\n"), workers=1)
    assert enters(folder, port, "good")
    responder.may_answer.clear()
    began = time.monotonic()
    with secure(port, context_of(folder, "late"), "a.example") as client, connect(f"127.0.0.1:{plain}") as other:
        client.sendall(b"early")
        wait_until(lambda: [row["phase"] for row in listed(running, "?service=web")] == ["ocsp"], what="it to wait")
        (row,) = listed(running, "?service=web")
        timers = running.http("GET", f"/connections/{row['id']}").json()["timers"]
        assert [(timer["name"], timer["limit_s"]) for timer in timers][:1] == [("ocsp_timeout", 2)]
        other.sendall(b"plain")
        assert other.recv(100) == b"plain"
        assert enters(folder, port, "good")  # whose answer is known
        if policy == "lenient":
            assert client.recv(100) == b"early"
        else:
            assert is_over(client)
        assert time.monotonic() - began > 1.9
    responder.may_answer.set()
    if policy == "strict":
        wait_until(lambda: handshakes(running, "no_ocsp_answer") == 1, what="it to be counted")
    wait_until(lambda: enters(folder, port, "late"), what="it to be asked again")
    running.allow_errors("is refused|does not answer")


def test_what_is_sent_meanwhile_goes_on(daemon, host, responder):
    """Bytes and the end of who waits are kept; who goes away meanwhile is gone."""
    folder = responder.folder
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_timeout = 20s\n")), workers=1)
    responder.may_answer.clear()
    with secure(port, context_of(folder, "good"), "a.example") as client, secure(port, context_of(folder, "late"), "a.example") as gone:
        client.sendall(b"one ")
        wait_until(lambda: [row["phase"] for row in listed(running)] == ["ocsp"] * 2, what="both to wait")
        client.sendall(b"two")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
        wait_until(lambda: len(listed(running)) == 1, what="who has left to be gone")
        responder.may_answer.set()
        got = b""
        while len(got) < 7:
            got += client.recv(100)
        assert got == b"one two"
        assert running.service()["errors"]["client_reset"] == 1


def test_a_reload_and_a_director_that_dies(daemon, host, responder):
    """Who waits goes on under what he came under; the next director is asked again."""
    folder = responder.folder
    port = free_port()
    text = config(port, [host("one")], ["one.pem"], clients("ocsp_timeout = 30s\n"))
    running = daemon(text, workers=2)
    responder.may_answer.clear()
    with secure(port, context_of(folder, "good"), "a.example") as client:
        wait_until(lambda: responder.count() == 1, what="it to be asked about")
        running.reload(text.replace("client_ocsp = auto\n", "client_ocsp = auto\nidle_timeout = 100s\n"))
        running.signal(signal.SIGKILL, children(running, "director")[0])
        wait_until(lambda: responder.count() == 2, what="it to be asked about again")
        responder.may_answer.set()
        say(client)
    assert handshakes(running, "full") == 1
    running.allow_errors("killed|director")


def test_many_wait_for_one_answer(daemon, host, responder):
    """A crowd with one certificate is one question; with some more it is as many."""
    folder = responder.folder
    n = 20 if SAN else 100
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_timeout = 30s\n")), workers=2)
    responder.may_answer.clear()
    responder.know(revoked=["bad"])
    crowd = []
    try:
        for i in range(n):
            crowd.append((i % 4, secure(port, context_of(folder, ("good", "late", "bad", "good")[i % 4]), "a.example")))
        wait_until(lambda: len(listed(running, "?limit=1000")) == n, what="all to wait")
        wait_until(lambda: responder.count() == 3, what="the questions")
        responder.may_answer.set()
        for kind, client in crowd:
            if kind == 2:
                assert is_over(client)
            else:
                say(client)
    finally:
        for _, client in crowd:
            client.close()
    assert responder.count() == 3
    wait_until(lambda: handshakes(running, "full") == n * 3 // 4 and handshakes(running, "revoked") == n // 4, what="the figures")
    running.allow_errors("is refused")


def test_more_questions_than_there_are_places(daemon, host, responder):
    """Each of a crowd with a certificate of his own is asked about, though no more than 64 questions wait in the segment."""
    folder = responder.folder
    n = 12 if SAN else 80
    names = [f"c{i}" for i in range(n)]
    make_certificate(folder, "c0", "ca", alt="DNS:c", more=responder.names)
    for name in names[1:]:
        (folder / f"{name}.key").write_bytes((folder / "c0.key").read_bytes())
        make_certificate(folder, name, "ca", alt="DNS:c", more=responder.names, kind="made")
    responder.know(*names)
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_timeout = 1m\n"), glob="stuck_timeout = 1m\n"), workers=2)
    (director,) = children(running, "director")
    running.signal(signal.SIGSTOP, director)
    crowd = []
    try:
        for name in names:
            crowd.append(secure(port, context_of(folder, name), "a.example"))
    finally:
        running.signal(signal.SIGCONT, director)
    for client in crowd:
        say(client)
        client.close()
    assert responder.count() == n
    wait_until(lambda: answers(running, "good") == n, what="the figures")
    running.allow_errors("director")


def test_answers_that_tell_nothing(daemon, host, responder):
    """Garbage, nothing, one about another certificate, one signed by another, "unknown": strict refuses, the reason is told."""
    folder, web = responder.folder, responder.web
    make_certificate(folder, "rogue", subject="/CN=ca")
    rogue = Revoker(folder, "rogue")
    rogue.know("good", "late", "bad")
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_cache = 0\n")), workers=1)
    assert enters(folder, port, "good")
    bodies = []
    web.pages[PATH] = lambda body: bodies.append(body) or b"garbage"
    pages = [(web.pages[PATH], ""), (lambda _: b"\x30\x03\x02\x01\x07", "there is no OCSP response, or a broken one"), (b"", ""),
             (lambda _: responder.revoker.answer(bodies[0]), "the answer is about another certificate"),
             (rogue.answer, "signature|about another certificate"), (b"0" * (1 << 20), "")]
    for page, reason in pages:
        web.pages[PATH] = page
        assert not enters(folder, port, "late" if "another certificate" in reason and "sig" not in reason else "good")
        told(running, f"OCSP responder .*(gives no good answer|does not answer): .*{reason}")
        wait_until(lambda: not running.log_lines("does not answer") or time.sleep(1.1) is None, what="it to be asked again")
    responder.revoker.know("late")
    web.pages[PATH] = responder.answer
    wait_until(lambda: enters(folder, port, "late"), what="it to be asked again")
    assert not enters(folder, port, "good")
    told(running, "the responder does not know the certificate")
    running.allow_errors("is refused|no good answer|does not answer")


def test_a_responder_of_the_configuration(daemon, host, responder):
    """It is asked about all, whomever the certificates name."""
    folder = responder.folder
    make_certificate(folder, "plain", "ca", alt="DNS:plain")
    responder.know("plain")
    other = Web()
    other.pages[PATH] = responder.answer
    port, auto = free_port(), free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(ocsp=other.url(PATH)),
                            more=f"[service auto]\nlisten = 127.0.0.1:{auto} tls\ngroup = main\ncertificate = ../one.pem\n" + clients()),
                     workers=1)
    assert enters(folder, port, "good") and enters(folder, port, "plain")
    assert other.count(PATH) == 2 and responder.count() == 0
    assert enters(folder, auto, "good") and not enters(folder, auto, "plain")
    assert other.count(PATH) == 2 and responder.count() == 1  # what one has said is not the other's word
    told(running, "nobody can be asked about a client's certificate: it names no OCSP responder by http://")
    other.close()
    running.allow_errors("is refused|nobody can be asked")


def test_by_a_proxy(daemon, host, responder):
    """http_proxy of the environment is gone by."""
    folder, url = responder.folder, "http://responders.example:8088/ocsp"
    responder.web.pages[url] = responder.answer
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem"], clients(ocsp=url)), workers=1,
           env={"http_proxy": f"http://127.0.0.1:{responder.web.port}", "no_proxy": ""})
    assert enters(folder, port, "good")
    assert responder.web.count(url) == 1 and responder.count() == 0


def test_certificates_between(daemon, host, responder):
    """The one that has issued a client's is asked about, too; its clients are not resumed, unless it is trusted itself."""
    folder = responder.folder
    make_certificate(folder, "between", "ca", more=["basicConstraints=CA:true", *responder.names])
    lower = Web()
    make_certificate(folder, "leaf", "between", alt="DNS:leaf", more=[f"authorityInfoAccess=OCSP;URI:{lower.url(PATH)}"])
    join(folder / "both.pem", folder / "leaf.pem", folder / "between.pem")
    (folder / "both.key").write_bytes((folder / "leaf.key").read_bytes())
    join(folder / "cas.pem", folder / "ca.pem", folder / "between.pem")
    of_leaf = Revoker(folder, "between")
    of_leaf.know("leaf")
    lower.pages[PATH] = of_leaf.answer
    responder.know("between")
    port, inner = free_port(), free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("ocsp_cache = 0\n"),
                            more=f"[service inner]\nlisten = 127.0.0.1:{inner} tls\ngroup = main\ncertificate = ../one.pem\n" +
                            clients("ocsp_cache = 0\n", ca="../cas.pem")), workers=2)
    for context, session in sessions_of(folder, port, "both"):
        assert resumes(port, context, session) is False  # who would be asked about the one between?
    assert responder.count() == 6 and lower.count(PATH) == 6
    for context, session in sessions_of(folder, inner, "both"):
        assert resumes(inner, context, session) is True
    assert responder.count() == 6 and lower.count(PATH) == 12
    responder.know(revoked=["between"])
    assert not enters(folder, port, "both")
    assert enters(folder, inner, "both")  # it is trusted itself
    of_leaf.know(revoked=["leaf"])
    assert not enters(folder, inner, "both")
    lower.close()
    running.allow_errors("is refused")


def test_lists_and_responders_together(daemon, host, responder):
    """Both must be for a client: on a list he is refused before anybody is asked."""
    folder = responder.folder
    (folder / "list.crl").write_bytes(responder.revoker.crl(["bad"]))
    responder.know(revoked=["late"])
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients("client_crl = ../list.crl\n")), workers=1)
    assert enters(folder, port, "good") and not enters(folder, port, "late") and not enters(folder, port, "bad")
    assert responder.count() == 2
    running.allow_errors("is refused")


FAULTS = {
    "secure": ("client_ocsp = https://ocsp.example/", "responders are asked by http:// alone"),
    "word": ("client_ocsp = yes", "neither no nor auto nor an http:// URL"),
    "empty": ("client_ocsp = http://", "no URL of at most 255 bytes"),
    "long": (f"client_ocsp = http://{'a' * 250}", "no URL of at most 255 bytes"),
    "timeout": ("ocsp_timeout = 0", "100ms"),
    "policy": ("ocsp_policy = soft", "strict"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(responder, name):
    line, word = FAULTS[name]
    done = look(responder.folder, f"client_ca = ../ca.pem\nclient_verify = required\n{line}\n")
    key = line.split(" ")[0]
    assert done.status == 3 and f"[service web] {key}: " in done.err and word in done.err, done


IDLE = {
    "no_client": ("client_ocsp = auto\n", "client_ocsp: has no effect: client_verify is none"),
    "no_responder": ("client_ca = ../ca.pem\nclient_verify = required\nocsp_policy = lenient\n",
                     "ocsp_policy: has no effect: client_ocsp is no"),
}


@pytest.mark.parametrize("name", IDLE)
def test_what_has_no_effect_is_told(responder, name):
    lines, word = IDLE[name]
    done = look(responder.folder, lines)
    assert done.status == 0 and word in done.err, done


def look(folder, lines):
    """gaidaros -t."""
    below = folder / "conf"
    below.mkdir()
    path = below / "gaidaros.conf"
    path.write_text(config(free_port(), [], ["one.pem"], lines, group="host = one 127.0.0.1:9\n"))
    path.chmod(0o600)
    return gaidaros("-t", "-c", path)
