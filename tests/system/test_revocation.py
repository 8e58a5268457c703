# SPDX-License-Identifier: MIT
"""Lists of revoked certificates from files, URLs and the certificates themselves; OCSP staples; files that change (J10, J15, J16)."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from certificates import join, make_certificate, openssl
from command import gaidaros
from harness import SAN, free_port, rss_bytes, wait_until
from revocations import Revoker, Web
from test_termination import accesses, authority, config, resume  # noqa: F401  (a fixture among them)
from tlspeer import common_name, say, secure, trusting

pytestmark = pytest.mark.san_subset

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PATIENCE_S = 60


@pytest.fixture
def web():
    one = Web()
    yield one
    one.close()


@pytest.fixture
def people(authority):  # noqa: F811
    """The authority, its Revoker, and certificates of good, late, bad; `late` is revoked in the course of a test."""
    for name in ("good", "late", "bad"):
        make_certificate(authority, name, "ca", alt=f"DNS:{name}")
    return Revoker(authority)


def clients(crl, more="", verify="required"):
    """The lines of a service that asks for certificates."""
    return f"client_ca = ../ca.pem\nclient_verify = {verify}\n{''.join(f'client_crl = {one}' + chr(10) for one in crl)}{more}"


def cache(folder):
    return f"cache = {folder}/cache\n"


def context_of(folder, name, version=TLS13):
    return trusting(versions=(version, version), chain=(folder / f"{name}.pem", folder / f"{name}.key"))


def contexts_of(folder, name):
    """Two whose sessions can be resumed many times: by a ticket, and by an id."""
    by_ticket, by_id = context_of(folder, name, TLS12), context_of(folder, name, TLS12)
    by_id.options |= ssl.OP_NO_TICKET
    return by_ticket, by_id


def begin_sessions(port, contexts):
    """[(context, session)]"""
    begun = []
    for context in contexts:
        with secure(port, context, "a.example") as client:
            say(client)
            begun.append((context, client.session))
    return begun


def enters(folder, port, name, version=TLS13):
    try:
        with secure(port, context_of(folder, name, version), "a.example") as client:
            say(client)
            return True
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return False


def handshakes(running, result):
    text = running.http("GET", "/metrics").text
    return int(re.search(rf'gaidaros_service_tls_handshakes_total\{{service="web",result="{result}"\}} (\d+)', text)[1])


def wait_entry(folder, port, name, expected, what):
    wait_until(lambda: enters(folder, port, name) == expected, PATIENCE_S, what)


def expiries(running, key):
    return {os.path.basename(row["file"]): row["left_s"] for row in running.running()["expiries"] if row["key"] == key}


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_list_in_a_file(daemon, host, people, form):
    """J10: who is on the list is refused, by a reason of its own, in both versions; an optional certificate is no way around."""
    folder = people.folder
    (folder / "list.crl").write_bytes(people.crl(["bad"], form=form))
    port, inner = free_port(), free_port()
    one = host("one")
    running = daemon(config(port, [one], ["one.pem"], clients(["../list.crl"])) +
                     f"[service inner]\nlisten = 127.0.0.1:{inner} tls\ngroup = main\ncertificate = ../one.pem\n" +
                     clients(["../list.crl"], verify="optional"), workers=1)
    for version in (TLS12, TLS13):
        for to in (port, inner):
            assert enters(folder, to, "good", version)
            assert not enters(folder, to, "bad", version)
    wait_until(lambda: handshakes(running, "revoked") == 2, what="both to be counted")
    with pytest.raises(ssl.SSLError) as refused:  # and the client is told
        secure(port, context_of(folder, "bad", TLS12), "a.example")
    assert "CERTIFICATE_REVOKED" in refused.value.reason
    wait_until(lambda: handshakes(running, "revoked") == 3, what="it to be counted")
    assert handshakes(running, "stale_list") == 0 and running.service()["errors"]["handshake_failed"] == 3
    lines = [line for line in accesses(running, 9) if " web " in line]
    assert sum("status=handshake_failed" in line and line.endswith(" client_certificate=CN=bad refused=revoked")
               for line in lines) == 3, lines
    assert not any("refused=" in line for line in lines if "CN=good" in line)
    wait_until(lambda: running.log_lines("TLS handshake: certificate: certificate revoked: CN=bad"), what="the word in the log")
    left = expiries(running, "client_crl")
    assert list(left) == ["list.crl"] and 3000 < left["list.crl"] <= 3600
    assert 'key="client_crl",file=' in running.http("GET", "/metrics").text
    running.allow_errors("TLS handshake")


def test_a_file_that_changes_is_taken_over(daemon, host, people):
    """A list and a certificate replaced on disk count soon, without a reload; whoever is connected stays; broken ones are told."""
    folder = people.folder
    (folder / "list.crl").write_bytes(people.crl())
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(["../list.crl"])), workers=2)
    reloads = running.running()["reloads"] if "reloads" in running.running() else None
    with secure(port, context_of(folder, "late"), "a.example") as before:
        say(before)
        (folder / "new.crl").write_bytes(people.crl(["late"]))
        os.rename(folder / "new.crl", folder / "list.crl")
        wait_entry(folder, port, "late", False, "the new list to count")
        assert enters(folder, port, "good")
        say(before)
        (folder / "one.pem").rename(folder / "kept.pem")  # a certificate that is not the key's
        (folder / "half.pem").write_text((folder / "good.pem").read_text())
        os.rename(folder / "half.pem", folder / "one.pem")
        wait_until(lambda: running.log_lines("what has changed is not used: generation"), PATIENCE_S, "the broken pair to be told")
        assert running.log_lines("one.pem.*the private key is not that of the certificate")
        assert enters(folder, port, "good")
        make_certificate(folder, "two", "ca", alt="DNS:a.example")
        os.rename(folder / "two.key", folder / "one.key")
        os.rename(folder / "two.pem", folder / "one.pem")

        def shown():
            context = context_of(folder, "good")
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(folder / "ca.pem")
            with secure(port, context, "a.example") as client:
                return common_name(client)

        wait_until(lambda: shown() == "two", PATIENCE_S, "the new certificate to be shown")
        say(before)
    assert running.running().get("reloads") == reloads
    running.allow_errors("TLS handshake|what has changed is not used|private key")


def test_a_list_is_fetched_and_renewed(daemon, host, people, web):
    """The autopilot: fetched at the start, again well before its end, swapped without touching connections or sessions."""
    folder = people.folder
    web.pages["/list"] = people.crl(seconds=12)
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients([web.url("/list")]), glob=cache(folder)), workers=2)
    wait_entry(folder, port, "late", True, "the list to be there")
    assert web.count("/list") == 1
    assert 0 < expiries(running, "client_crl")["list"] <= 12
    sessions = begin_sessions(port, contexts_of(folder, "late"))
    with secure(port, context_of(folder, "late"), "a.example") as staying, secure(port, context_of(folder, "good"), "a.example") as other:
        say(staying)
        assert all(resume(port, *one)[0] for one in sessions)
        web.pages["/list"] = people.crl(["late"], seconds=3600)
        wait_until(lambda: web.count("/list") >= 2, PATIENCE_S, "the list to be asked for again")
        wait_entry(folder, port, "late", False, "the new list to count")
        for one in sessions:  # J15: a session is no way around
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                resume(port, *one)
        say(staying)  # who is in stays in
        say(other)
        assert enters(folder, port, "good")
    assert running.log_lines("revocation list .*: fetched, [0-9]+ bytes, good until 20")
    asked = web.count("/list")
    assert expiries(running, "client_crl")["list"] > 3000
    assert asked <= 4, web.asked  # and not all the time
    running.allow_errors("TLS handshake")


def test_a_restart_needs_no_server(daemon, host, people, web):
    """What was fetched is kept: a daemon that starts while the authority's server is down serves, and refuses, at once."""
    folder = people.folder
    web.pages["/list"] = people.crl(["bad"])
    text = config(free_port(), [host("one")], ["one.pem"], clients([web.url("/list")]), glob=cache(folder))
    port = int(re.search(r"listen = 127.0.0.1:(\d+)", text)[1])
    running = daemon(text, workers=1)
    wait_entry(folder, port, "good", True, "the list to be there")
    web.close()
    running.stop()
    running.start()
    assert enters(folder, port, "good") and not enters(folder, port, "bad")
    kept = list((folder / "cache").iterdir())
    assert len(kept) == 1 and kept[0].stat().st_mode & 0o777 == 0o600
    running.stop()
    kept[0].write_bytes(kept[0].read_bytes()[:20])  # damaged: told, and fetched anew
    running.start()
    assert running.log_lines("is damaged: what was kept of crl:")
    assert not enters(folder, port, "good")
    running.allow_errors("TLS handshake|is damaged|cannot be renewed")


@pytest.mark.parametrize("policy", ["strict", "lenient"])
def test_what_no_fresh_list_covers(daemon, host, people, web, policy):
    """No list yet, then one that has run out: strict refuses, lenient lets in, but never who is on the old list."""
    folder = people.folder
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients([web.url("/list")], f"crl_policy = {policy}\n"),
                            glob=cache(folder)), workers=1)
    wait_until(lambda: running.log_lines("revocation list .* cannot be renewed: "), PATIENCE_S, "the failure to be told")
    assert expiries(running, "client_crl") == {"list": 0}
    assert re.search(r'class="expiry soon">http://[^<]*/list <b>has not come yet</b>', running.http("GET", "/").text)
    assert enters(folder, port, "good") == (policy == "lenient")
    if policy == "strict":
        wait_until(lambda: handshakes(running, "stale_list") == 1, what="the refusal to be counted")
        line, = accesses(running, 1)
        assert line.endswith("client_certificate=CN=good refused=stale_list"), line
        wait_until(lambda: running.log_lines("no fresh revocation list: .*: CN=good"), what="the word in the log")
    web.pages["/list"] = people.crl(["bad"], seconds=8)
    wait_entry(folder, port, "bad", False, "the list to be there")
    wait_entry(folder, port, "good", True, "the list to be there for good")
    sessions = begin_sessions(port, contexts_of(folder, "good"))
    del web.pages["/list"]
    time.sleep(9)  # the list's own time: nothing else brings its end nearer
    assert enters(folder, port, "good") == (policy == "lenient")
    assert not enters(folder, port, "bad")
    for one in sessions:
        if policy == "strict":
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                resume(port, *one)
        else:
            assert resume(port, *one)[0]
    web.pages["/list"] = people.crl()
    wait_entry(folder, port, "bad", True, "a new list to be fetched")
    running.allow_errors("TLS handshake|cannot be renewed|should have been renewed")


def test_lists_that_certificates_name(daemon, host, people, web):
    """auto: the first client with a new distribution point has it fetched; a forged certificate has nothing fetched."""
    folder = people.folder
    make_certificate(folder, "mallory")  # signs itself, in the authority's name
    for name, path, signer in (("ann", "/a", "ca"), ("ben", "/a", "ca")):
        make_certificate(folder, name, signer, alt=f"DNS:{name}", more=[f"crlDistributionPoints=URI:{web.url(path)}"])
    make_certificate(folder, "fake", subject="/CN=ca")
    make_certificate(folder, "eve", "fake", alt="DNS:eve", more=[f"crlDistributionPoints=URI:{web.url('/forged')}"])
    web.pages["/a"] = people.crl(["ben"])
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(["auto"]), glob=cache(folder)), workers=2)
    assert not enters(folder, port, "ann")
    wait_entry(folder, port, "ann", True, "the list that the certificate names")
    assert not enters(folder, port, "ben") and not enters(folder, port, "eve")
    assert web.count("/a") == 1
    assert expiries(running, "client_crl")["a"] > 3000
    running.stop()
    running.start()  # it is known at once what was named before
    assert enters(folder, port, "ann") and not enters(folder, port, "ben")
    assert web.count("/forged") == 0
    running.allow_errors("TLS handshake|cannot be renewed")


def test_lists_that_are_none(daemon, host, people, web):
    """Garbage, another's signature, one of the past, one too large: told, and the last good one counts."""
    folder = people.folder
    make_certificate(folder, "rogue", subject="/CN=ca")
    port = free_port()
    web.pages["/list"] = first = people.crl(["bad"], seconds=6)
    running = daemon(config(port, [host("one")], ["one.pem"], clients([web.url("/list")], "crl_policy = lenient\n"),
                            glob=cache(folder)), workers=1)
    wait_entry(folder, port, "bad", False, "the list to be there")
    cases = [
        (b"garbage", "."),
        (Revoker(folder, "rogue").crl(), "has a signature that is not its issuer's"),
        (people.crl(made="200101000000Z", ends="491231000000Z"), "is older than the list that is there"),
        (people.crl(made="200101000000Z", ends="200201000000Z"), "is too old"),
        (first[:-1], "."),
    ]
    for page, word in cases:
        seen = len(running.log_lines("cannot be renewed"))
        web.pages["/list"] = page
        wait_until(lambda: len(running.log_lines("cannot be renewed")) > seen, PATIENCE_S, word)  # noqa: B023
        assert re.search(word, running.log_lines("cannot be renewed: ")[-1].split("renewed: ")[1]), running.log_lines("cannot be")
        assert not enters(folder, port, "bad") and enters(folder, port, "good")
    running.allow_errors("TLS handshake|cannot be renewed|should have been renewed")


def test_failures_are_tried_again_ever_later(daemon, host, people, web):
    """A server that has nothing is left alone for two seconds, then four, and asked all the same: what it has then is taken."""
    folder = people.folder
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients([web.url("/list")]), glob=cache(folder)), workers=1)
    wait_until(lambda: web.count("/list") >= 3, PATIENCE_S, "three questions")
    first, second, third = [at for path, at in web.asked if path == "/list"][:3]
    assert second - first > 0.9 and third - second > 2.9, web.asked  # of two and four: it goes by whole seconds
    assert len(running.log_lines("cannot be renewed")) == 1  # the same again is no news
    web.pages["/list"] = people.crl(["bad"])
    wait_entry(folder, port, "good", True, "the list")
    assert not enters(folder, port, "bad")
    running.allow_errors("TLS handshake|cannot be renewed")


def test_by_a_proxy(daemon, host, people, web):
    """http_proxy of the environment is gone by."""
    folder = people.folder
    web.pages["http://lists.example:8088/list"] = people.crl(["bad"])
    port = free_port()
    daemon(config(port, [host("one")], ["one.pem"], clients(["http://lists.example:8088/list"]), glob=cache(folder)), workers=1,
           env={"http_proxy": f"http://127.0.0.1:{web.port}", "no_proxy": ""}).allow_errors("TLS handshake")
    wait_entry(folder, port, "good", True, "the list to come by the proxy")
    assert not enters(folder, port, "bad")


def test_a_server_that_hangs_holds_nobody_up(daemon, host, people, web):
    """One that accepts and says nothing: another list is fetched, the doors answer, the end comes in time."""
    folder = people.folder
    silent = socket.create_server(("127.0.0.1", 0))
    web.pages["/list"] = people.crl(["bad"])
    port = free_port()
    urls = [f"http://127.0.0.1:{silent.getsockname()[1]}/list", web.url("/list")]
    running = daemon(config(port, [host("one")], ["one.pem"], clients(urls), glob=cache(folder)), workers=1)
    hanging, _ = silent.accept()
    wait_entry(folder, port, "good", True, "the other list to be there")
    assert running.http("GET", "/running.json").status == 200
    began = time.monotonic()
    running.stop(settle=False)  # the transfer has its descriptor still
    assert time.monotonic() - began < 15  # the transfer itself would have 30
    hanging.close()
    silent.close()
    running.allow_errors("TLS handshake")


def status_of(folder, port, name="a.example"):
    """What openssl(1) says of the staple: good, none, or why it is not right."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-status", "-CAfile",
                           folder / "ca.pem"], input=b"", capture_output=True, timeout=60, check=False)
    text = done.stdout.decode("utf-8", "replace")
    if "OCSP response: no response sent" in text:
        return "none"
    found = re.search(r"Cert Status: (\w+)", text)
    return found[1] if found else text[:500]


@pytest.fixture
def stapled(authority, web):  # noqa: F811
    """two.pem with its issuer behind it, which names the web's /ocsp; and its Revoker."""
    revoker = Revoker(authority)
    make_certificate(authority, "two", "ca", alt="DNS:a.example", more=[f"authorityInfoAccess=OCSP;URI:{web.url('/ocsp')}"])
    join(authority / "chain.pem", authority / "two.pem", authority / "ca.pem")
    os.rename(authority / "two.key", authority / "chain.key")
    revoker.know("two")
    return revoker


def test_staples(daemon, host, stapled, web):
    """J16: the right staple or none: good is sent, an unknown or revoked one is not; it is kept, and renewed."""
    folder = stapled.folder
    web.pages["/ocsp"] = stapled.answer
    port = free_port()
    running = daemon(config(port, [host("one")], ["chain.pem", "one.pem"], "ocsp_stapling = yes\n", glob=cache(folder)), workers=2)
    wait_until(lambda: status_of(folder, port) == "good", PATIENCE_S, "the staple")
    assert status_of(folder, port, "x.b.example") == "none"  # a certificate that names no responder
    assert running.log_lines("staple of .*one.pem cannot be renewed: its issuer's certificate does not stand behind it")
    left = expiries(running, "ocsp_stapling")
    assert list(left) == ["chain.pem"] and 3000 < left["chain.pem"] <= 3600
    web.close()
    running.stop()
    running.start()
    assert status_of(folder, port) == "good"
    running.allow_errors("cannot be renewed")


def test_staples_that_are_none(daemon, host, stapled, web):
    """Garbage, an answer about another certificate, one signed by another, a revoked one: nothing is sent, the reason told."""
    folder = stapled.folder
    make_certificate(folder, "rogue", subject="/CN=ca")
    rogue = Revoker(folder, "rogue")
    stapled.know("two")
    rogue.know("two")
    port = free_port()
    web.pages["/ocsp"] = b"garbage"
    running = daemon(config(port, [host("one")], ["chain.pem"], "ocsp_stapling = yes\n", glob=cache(folder)), workers=1)

    def is_told(word):
        wait_until(lambda: running.log_lines(f"staple of .*chain.pem cannot be renewed: .*{word}"), PATIENCE_S, word)
        assert status_of(folder, port) == "none"

    is_told("")
    web.pages["/ocsp"] = rogue.answer
    is_told("signature|about another certificate")
    stapled.know(revoked=["two"])
    web.pages["/ocsp"] = stapled.answer
    is_told("the responder says that the certificate is revoked")
    stapled.know("two")
    wait_until(lambda: status_of(folder, port) == "good", PATIENCE_S, "the staple")
    running.allow_errors("cannot be renewed")


def test_a_staple_is_never_that_of_another_certificate(daemon, host, stapled, web):
    """J16: certificates are replaced again and again: none goes out with the staple of the one before, nor with "unknown"."""
    folder = stapled.folder
    web.pages["/ocsp"] = lambda body: stapled.answer(body, minutes=1)
    port = free_port()
    running = daemon(config(port, [host("one")], ["chain.pem"], "ocsp_stapling = yes\n", glob=cache(folder)), workers=2)
    wait_until(lambda: status_of(folder, port) == "good", PATIENCE_S, "the staple")
    generation = running.running()["generation"]
    for _ in range(5 if SAN else 20):
        make_certificate(folder, "next", "ca", alt="DNS:a.example", more=[f"authorityInfoAccess=OCSP;URI:{web.url('/ocsp')}"])
        join(folder / "chain.new", folder / "next.pem", folder / "ca.pem")
        os.rename(folder / "next.key", folder / "chain.key")
        os.rename(folder / "chain.new", folder / "chain.pem")
        running.reload()
        assert status_of(folder, port) == "none"
    stapled.know("next")
    running.signal(signal.SIGHUP)
    wait_until(lambda: status_of(folder, port) == "good", PATIENCE_S, "the staple of the last certificate")
    assert running.running()["generation"] > generation
    running.allow_errors("cannot be renewed")


def serials_of(folder, port):
    """Of the certificate that is shown, and of the one that its staple is about; None: there is no staple."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.example", "-status", "-CAfile",
                           folder / "ca.pem"], input=b"", capture_output=True, timeout=60, check=False)
    text = done.stdout.decode("utf-8", "replace")
    # The responder's own stands before it.
    shown = re.search(r"^Server certificate\n(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)", text, re.S | re.M)
    assert shown, text[:2000] + done.stderr.decode("utf-8", "replace")
    said = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown[1], capture_output=True, text=True, timeout=60,
                          check=True)
    about = re.search(r"Serial Number: (\w+)", text)
    return said.stdout.strip().split("=")[1], about and about[1]


def test_a_thousand_replacements_under_load(daemon, host, stapled, web):
    """J16: two certificates take turns on disk, with reloads in between: each client gets either with its own staple or with none."""
    folder = stapled.folder
    for name in ("ann", "ben"):
        make_certificate(folder, name, "ca", alt="DNS:a.example", more=[f"authorityInfoAccess=OCSP;URI:{web.url('/ocsp')}"])
        join(folder / f"{name}.both", folder / f"{name}.pem", folder / "ca.pem", folder / f"{name}.key")
        os.chmod(folder / f"{name}.both", 0o600)
    stapled.know("ann", "ben")
    web.pages["/ocsp"] = stapled.answer
    shutil.copy(folder / "ben.both", folder / "web.pem")
    port, seen, is_over = free_port(), [], threading.Event()
    running = daemon(config(port, [host("one")], ["web.pem"], "ocsp_stapling = yes\n", glob=cache(folder)), workers=2)
    workers = running.worker_pids()

    def visit():
        while not is_over.is_set():
            seen.append(serials_of(folder, port))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        for n in range(100 if SAN else 1000):
            shutil.copy(folder / f"{('ann', 'ben')[n % 2]}.both", folder / "next.pem")
            os.rename(folder / "next.pem", folder / "web.pem")
            if n % 50 == 49:
                running.signal(signal.SIGHUP)
            time.sleep(0.005)  # the pace of the replacements
    finally:
        is_over.set()
        visitor.join()
    last = openssl("x509", "-in", folder / "ben.pem", "-noout", "-serial").strip().split("=")[1]
    wait_until(lambda: serials_of(folder, port) == (last, last), PATIENCE_S, "the staple of the last certificate")
    wrong = [pair for pair in seen if pair[1] not in (None, pair[0])]
    assert len(seen) > (3 if SAN else 20) and not wrong, (len(seen), wrong)
    assert running.worker_pids() == workers
    running.allow_errors("cannot be renewed")


def test_connections_outlive_what_their_handshake_needed(daemon, host, people):
    """After a reload the certificates and lists of before are given back: open connections talk on, and end as they should."""
    folder = people.folder
    (folder / "list.crl").write_bytes(people.crl(["bad"]))
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(["../list.crl"], "handshake_timeout = 1s\n")), workers=2)
    staying = [secure(port, context_of(folder, "good", version), "a.example") for version in (TLS12, TLS13) * 3]
    for client in staying:
        say(client)
    running.reload()
    time.sleep(1 + 2 + 1)  # the limit of handshakes and what is added to it: nothing else tells
    for client in staying:
        say(client, os.urandom(1 << 20))
        row = [one for one in running.http("GET", "/connections").json()["connections"]
               if one["client"].endswith(f":{client.getsockname()[1]}")][0]
        assert running.http("GET", f"/connections/{row['id']}").json()["tls"]["client_certificate"] == "CN=good"
        client.unwrap().close()
    assert enters(folder, port, "good") and not enters(folder, port, "bad")
    assert sum("status=ok" in line for line in accesses(running, 8)) == 6
    running.allow_errors("TLS handshake")


@pytest.mark.alone
def test_connections_that_stay_do_not_keep_lists(daemon, host, people):
    """Each new list makes a generation, and connections may live for months: what they keep of it is not the list."""
    folder, generations = people.folder, 8
    (folder / "list.crl").write_bytes(people.crl(["bad"], others=100000))
    port = free_port()
    running = daemon(config(port, [host("one")], ["one.pem"], clients(["../list.crl"], "handshake_timeout = 1s\n")), workers=1)
    worker, = running.worker_pids()
    staying = []
    for _ in range(generations):
        staying.append(secure(port, context_of(folder, "good"), "a.example"))
        say(staying[-1])
        running.reload()
    wait_until(lambda: running.running()["generations"] == 1 + generations, what="all to be held")
    before = rss_bytes(worker)
    wait_until(lambda: rss_bytes(worker) < 80 << 20, 30, f"the lists to be given back, of {before >> 20} MiB")
    assert before > 100 << 20  # else this measures nothing
    for client in staying:
        say(client)
        client.close()
    assert enters(folder, port, "good") and not enters(folder, port, "bad")
    running.allow_errors("TLS handshake")


FAULTS = {
    "missing": ("client_crl = ../nowhere.crl", "nowhere.crl"),
    "broken": ("client_crl = ../one.pem", "no revocation list in PEM or DER"),
    "https": ("client_crl = https://127.0.0.1/list", "http:// alone"),
    "policy": ("client_crl = ../list.crl\ncrl_policy = soft", "strict"),
    "url": ("client_crl = http://", "no URL"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(people, name):
    """A list that cannot be used is named with its line, before anything starts."""
    lines, word = FAULTS[name]
    folder = people.folder
    (folder / "list.crl").write_bytes(people.crl())
    below = folder / "conf"
    below.mkdir()
    path = below / "gaidaros.conf"
    path.write_text(config(free_port(), [], ["one.pem"], clients([], f"{lines}\n"), group="host = one 127.0.0.1:9\n"))
    os.chmod(path, 0o600)
    done = gaidaros("-t", "-c", path)
    key = lines.splitlines()[-1].split(" ")[0]
    number = path.read_text().splitlines().index(lines.splitlines()[-1]) + 1
    assert done.status == 3 and f"gaidaros.conf:{number}: [service web] {key}: " in done.err and word in done.err, done
