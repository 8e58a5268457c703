# SPDX-License-Identifier: MIT
"""The whole of the list of bad requests (HT), at doors with and without users, and who takes his time over one (L1, L5)."""

import base64
import json
import os
import re
import socket
import subprocess
import time

import pytest

from command import CTL, gaidarosctl
from certificates import make_certificate
from harness import SAN, connect, free_port, receive_all, wait_until
from rig import post
from scene import config, visit

pytestmark = pytest.mark.san_subset

SECRET = "a long secret"
CALL = b"service=web&group=main&name=one"


@pytest.fixture(scope="module", name="hashed")
def hash_of_the_secret():
    return subprocess.run(["openssl", "passwd", "-6", SECRET], capture_output=True, text=True,
                          check=True).stdout.strip()


class Door:
    """An HTTP door, spoken to byte by byte."""

    def __init__(self, running, port, service, has_users):
        self.running, self.port, self.service, self.has_users = running, port, service, has_users
        word = base64.b64encode(f"eve:{SECRET}".encode())
        self.who = b"Authorization: Basic " + word + b"\r\n" if has_users else b""

    def send(self, data, timeout=30):
        """All that comes back until the end of the connection, and how that was."""
        with connect(f"127.0.0.1:{self.port}", timeout) as client:
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return receive_all(client)

    def status(self, head, body=b"", who=True):
        """The status of a request: its first line with its headers, without Host; 0: none came."""
        line, _, headers = head.partition(b"\r\n")
        data = line + b"\r\nHost: x\r\n" + (self.who if who else b"") + headers + (b"\r\n" if headers else b"") + b"\r\n" + body
        return status_of(self.send(data)[0])

    def is_untouched(self):
        return self.running.host("one")["state"] == "up" and self.running.generation() == 1


def status_of(answer):
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(found[1]) if found else 0


@pytest.fixture(params=["open", "users"])
def door(request, daemon, host, hashed):
    port, listen = free_port(), free_port()
    users = f"\nuser = eve {hashed} full" if request.param == "users" else ""
    running = daemon(config(listen, [host("one")], admin=f"listen = 127.0.0.1:{port}{users}"), workers=1)
    made = Door(running, port, listen, bool(users))
    yield made
    visit(listen)
    assert made.status(b"GET /healthz HTTP/1.1") == 200
    assert made.is_untouched()


POST = b"POST /api/hostAdminDown HTTP/1.1\r\n"
REFUSED = (0, 400)


HT1_CASES = [
    b"Content-Length: 31\r\nTransfer-Encoding: chunked", b"Content-Length: 31\r\nContent-Length: 30",
    b"Content-Length: +31", b"Content-Length: 31,31", b"Content-Length: 0x1f", b"Content-Length: -1",
    b"Content-Length: 9223372036854775808", b"Content-Length:", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity", b"A: b\r\n folded: c", b"A : b\r\nContent-Length: 31", b": b\r\nContent-Length: 31",
]  # libmicrohttpd cuts a value at a NUL before anybody sees it, so what comes with one is not refused


def test_ht1_bodies_and_headers_that_two_could_read_otherwise(door):
    for headers in HT1_CASES:
        # Of a type that would be acted on, were it taken.
        head = POST + b"Content-Type: application/x-www-form-urlencoded\r\n" + headers
        assert door.status(head, CALL) in (*REFUSED, 403, 411, 413, 501), headers
        assert door.running.host("one")["state"] == "up", headers


HT3_CASES = [
    (b"GET http://x/running.json HTTP/1.1", (0, 400, 404)), (b"OPTIONS * HTTP/1.1", (400, 404, 405)),
    (b"CONNECT x:80 HTTP/1.1", (400, 404, 405)), (b"TRACE / HTTP/1.1", (400, 405)), (b"BREW / HTTP/1.1", (400, 405)),
    (b"GET x:80 HTTP/1.1", (0, 400, 404)),
]


def test_ht3_other_forms_and_methods(door):
    for line, wanted in HT3_CASES:
        assert door.status(line) in wanted


HT4_CASES = [
    b"/../../etc/passwd", b"/%2e%2e%2f%2e%2e%2fetc/passwd", b"/%252e%252e/etc/passwd", b"/running.json%00", b"/\\..\\etc",
    b"//running.json", b"/" + b"." * 1000, b"/./running.json", b"/running.json/", b"/running%2ejson",
]


def test_ht4_paths_are_names_and_nothing_else(door):
    for path in HT4_CASES:
        assert door.status(b"GET " + path + b" HTTP/1.1") in (400, 404)


HT5_CASES = [
    b"GET /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.2x\r\nHost: x\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]


def test_ht5_other_versions_and_protocols(door):
    for data in HT5_CASES:
        answer, _ = door.send(data)
        assert status_of(answer) in (0, 400, 401, 404, 505), (data, answer)


def test_ht7_bodies_have_a_limit(door):
    assert door.status(POST + b"Content-Length: 65537", b"x" * 100) in (403, 413)
    assert door.status(POST + b"Transfer-Encoding: chunked", b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n") in (0, 403, 413)
    if not door.has_users:
        return
    with connect(f"127.0.0.1:{door.port}") as client:  # who waits for leave gets it
        client.sendall(b"POST /api/retryHost HTTP/1.1\r\nHost: x\r\n" + door.who + b"Expect: 100-continue\r\nConnection: close\r\n"
                       b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(CALL))
        assert client.recv(4096).startswith(b"HTTP/1.1 100")
        client.sendall(CALL)
        assert b'"ok":true' in receive_all(client)[0]


HT9_CASES = [
    b"", b"Authorization: Basic ZXZl", b"Authorization: Basic !!!!", b"Authorization: Basic " + base64.b64encode(b"eve\0:x"),
    b"Authorization: Bearer x", b"Authorization: Basic " + b"QUFB" * 16384, b"Authorization: Basic " + base64.b64encode(b":"),
    b"Authorization:",
]


def test_ht9_who_is_nobody_gets_in_nowhere(door):
    for header in HT9_CASES:
        wanted = (401,) if door.has_users and len(header) < 60000 else (0, 400, 401, 413, 431) if door.has_users else (200, 400, 413, 431)
        assert door.status(b"GET /running.json HTTP/1.1" + (b"\r\n" + header if header else b""), who=False) in wanted


HT10_CASES = [
    b"Origin: http://evil.example", b"Origin: null", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-origin",
    b"Origin: http://x", b"Content-Type: text/plain", b"Content-Type: multipart/form-data; boundary=x",
]


def test_ht10_calls_from_other_pages_are_none(door):
    for headers in HT10_CASES:
        form = b"" if b"Content-Type" in headers else b"\r\nContent-Type: application/x-www-form-urlencoded"
        head = POST + headers + form + b"\r\nContent-Length: %d" % len(CALL)
        assert door.status(head, CALL) in (400, 403, 415)


def test_ht11_what_is_echoed_ends_no_line(door):
    if door.has_users:
        body = json.dumps({"service": "web\r\nX-Evil: 1\r\n\r\n<script>", "group": "main", "name": "one"}).encode()
        answer, _ = door.send(POST + b"Host: x\r\n" + door.who + b"Content-Type: application/json\r\nConnection: close\r\n"
                              b"Content-Length: %d\r\n\r\n" % len(body) + body)
        head, _, text = answer.partition(b"\r\n\r\n")
        assert status_of(answer) == 404 and b"X-Evil" not in head
        assert b"application/json" in head and json.loads(text)["ok"] is False
    answer, _ = door.send(b"GET /%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: x\r\n" + door.who + b"Connection: close\r\n\r\n")
    assert b"X-Evil" not in answer.partition(b"\r\n\r\n")[0]
    assert not any(line.startswith("X-Evil") for line in door.running.log_text().splitlines())


def test_ht12_a_host_and_only_one(door):
    assert status_of(door.send(b"GET /running.json HTTP/1.1\r\n" + door.who + b"\r\n")[0]) == 400
    assert status_of(door.send(b"GET /running.json HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + door.who + b"\r\n")[0]) == 400


def test_ht14_head_has_no_body_and_a_get_may_have_one(door):
    answer, _ = door.send(b"HEAD /running.json HTTP/1.1\r\nHost: x\r\n" + door.who + b"Connection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == 200 and b"Content-Length:" in head and body == b""
    answer, _ = door.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + door.who + b"Content-Length: 5\r\n\r\nabcde"
                          b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + door.who + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") in (1, 2) and b"HTTP/1.1 400" not in answer


def test_ht15_headers_keep_browsers_safe(door):
    for path in (b"/", b"/running.json", b"/page.css", b"/nothing", b"/metrics"):
        answer, _ = door.send(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + door.who + b"Connection: close\r\n\r\n")
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"x-content-type-options: nosniff" in head and b"no-store" in head, (path, head)
        assert b"\r\nserver:" not in head and b"set-cookie" not in head, (path, head)
        if path == b"/":
            assert b"default-src 'none'" in head and b"frame-ancestors 'none'" in head and b"unsafe" not in head


def calls():
    """Every call with its fields, from the client's own help."""
    text = subprocess.run([CTL, "-h"], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"(?m)^  ([a-z]+[A-Z]\w*|reload|shutdown)\s.*$", text)
    assert len(rows) >= 20, rows
    return rows


def test_ht16_every_call_wants_a_post_and_every_view_a_get(door):
    for call in calls():
        for method in (b"GET", b"PUT", b"DELETE", b"HEAD"):
            status = door.status(method + b" /api/" + call.encode() + b"?service=web&group=main&name=one HTTP/1.1")
            assert status in (400, 403, 404, 405), (method, call, status)
        if not door.has_users:
            assert door.status(b"POST /api/" + call.encode() + b" HTTP/1.1\r\nContent-Length: 0") == 403, call
        else:
            assert door.status(b"POST /api/" + call.encode() + b" HTTP/1.1\r\nContent-Length: 0", who=False) == 401, call
    for path in (b"/", b"/running.json", b"/config", b"/metrics", b"/connections", b"/healthz"):
        assert door.status(b"POST " + path + b" HTTP/1.1\r\nContent-Length: 0") in (403, 404, 405), path


HT17_CASES = [
    b"{", b"[]", b"1", b'{"service":"web","service":"web","group":"main","name":"one"}', b'{"service":null,"group":"main","name":"one"}',
    b'{"service":{"a":1},"group":"main","name":"one"}', b"[" * 60000, b'{"service":"\xff","group":"main","name":"one"}',
    b'{"service":"web\\u0000","group":"main","name":"one"}', b'{"service":"web","group":"main","name":"one","extra":1}',
    b'{"service":"web","group":"main","name":"one"} x', b"",
]


def test_ht17_json_that_is_none(door):
    for body in HT17_CASES:
        head = POST + b"Content-Type: application/json\r\nContent-Length: %d" % len(body)
        assert door.status(head, body) in ((400,) if door.has_users else (400, 403))


def test_ht20_a_request_in_single_bytes(door):
    data = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connect(f"127.0.0.1:{door.port}") as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            client.sendall(data[at:at + 1])
        assert b"serving" in receive_all(client)[0]


def test_ht6_l5_who_takes_his_time_is_sent_away_at_ten_seconds(door):
    """Absolute: bytes in between do not lengthen it. Meanwhile others are served, by data plane and door."""
    began = time.monotonic()
    slow = [connect(f"127.0.0.1:{door.port}", 60) for _ in range(30)]
    for client in slow[:20]:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ")
    for client in slow[20:]:
        client.sendall(b"POST /api/reload HTTP/1.1\r\nHost: x\r\n" + door.who + b"Content-Length: 1000\r\n\r\n")
    gone = {}

    def are_gone():
        for client in slow:
            if client in gone:
                continue
            try:
                client.sendall(b"x")
                client.settimeout(0.001)
                if client.recv(4096) == b"":
                    gone[client] = time.monotonic() - began
            except socket.timeout:
                continue
            except OSError:
                gone[client] = time.monotonic() - began
        visit(door.service)
        return len(gone) == len(slow)

    assert door.status(b"GET /healthz HTTP/1.1") == 200
    wait_until(are_gone, 60, "slow clients to be sent away", 0.25)
    assert min(gone.values()) > 9, sorted(gone.values())
    for client in slow:
        client.close()


def test_l5_idle_connections_take_the_door_from_nobody_for_long(door):
    idle = [connect(f"127.0.0.1:{door.port}", 60) for _ in range(100)]
    visit(door.service)
    assert door.running.healthz() == 200  # the control socket is another door
    answer, _ = door.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 60)
    assert status_of(answer) == 200  # once the first of them were sent away
    for client in idle:
        client.close()


def test_ht19_without_descriptors_the_door_still_answers(daemon, host):
    """Workers run out of them, the director has its own."""
    port, listen = free_port(), free_port()
    running = daemon(config(listen, [host("one")], admin=f"listen = 127.0.0.1:{port}"), workers=1,
                     wrap=["prlimit", "--nofile=80:80"])
    clients = [connect(f"127.0.0.1:{listen}") for _ in range(100)]
    wait_until(lambda: running.service()["connections"] > 10, what="connections")
    for _ in range(20):
        assert b"serving" in Door(running, port, listen, False).send(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0]
    for client in clients:
        client.close()


FIELDS = {
    "addHost": {"service": "web", "group": "main", "name": "three", "address": "127.0.0.1:9"},
    "setWeight": {"service": "web", "group": "main", "name": "one", "weight": "2"},
    "hostAdminDown": {"service": "web", "group": "main", "name": "one"},
    "hostAdminUp": {"service": "web", "group": "main", "name": "one"},
    "hostDrain": {"service": "web", "group": "main", "name": "one"},
    "retryHost": {"service": "web", "group": "main", "name": "one"},
    "delHost": {"service": "web", "group": "main", "name": "three"},
    "newGroup": {"service": "web", "group": "other", "scheduler": "first"},
    "changeScheduler": {"service": "web", "group": "other", "scheduler": "random"},
    "delGroup": {"service": "web", "group": "other"},
    "enableGroup": {"service": "web", "group": "main"},
    "addUser": {"name": "rob", "password": "another secret", "access": "readonly"},
    "delUser": {"name": "rob"},
    "closeLog": {}, "saveConfig": {}, "reload": {},
}


@pytest.mark.parametrize("way", ["http", "https", "control"])
def test_the_calls_are_the_same_at_each_door(daemon, host, folder, hashed, way):
    """Full: done; readonly: 403; nobody: 401; another site: 403."""
    make_certificate(folder, "ca")
    make_certificate(folder, "door", "ca", alt="IP:127.0.0.1")
    plain, secure = free_port(), free_port()
    running = daemon(config(free_port(), [host("one"), host("two")], admin=f"listen = 127.0.0.1:{plain}\n"
                            f"listen = 127.0.0.1:{secure} tls\ncertificate = {folder}/door.pem\n"
                            f"user = eve {hashed} full\nuser = ann {hashed} readonly"), workers=1)
    running.edited = 1

    def ask(call, fields, user, *more):
        url = f"http://127.0.0.1:{plain}" if way == "http" else f"https://127.0.0.1:{secure}"
        words = ["curl", "-s", "-m", "30", "--cacert", f"{folder}/ca.pem", "-o", "/dev/null", "-w", "%{http_code}", *more]
        words += ["-u", f"{user}:{SECRET}"] if user else []
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(fields), f"{url}/api/{call}"]
        return int(subprocess.run(words, capture_output=True, text=True, check=False).stdout)

    listen = free_port()
    rows = dict(FIELDS, newService={"service": "more", "listen": f"127.0.0.1:{listen}", "group": "main"},
                delService={"service": "more"})
    order = [*[call for call in FIELDS if call not in ("saveConfig", "reload")], "newService", "delService", "saveConfig", "reload"]
    left = set(calls()) - set(rows) - {"killConnection", "shutdown", "delAllHosts"}
    assert not left, left
    for call in order:
        fields = rows[call]
        if way == "control":
            assert post(running, call, **fields).status == 200, call
        else:
            assert ask(call, fields, None) == 401, call
            assert ask(call, fields, "ann") == 403, call
            assert ask(call, fields, "eve", "-H", "Origin: https://evil.example") == 403, call
            assert ask(call, fields, "eve") == 200, call
    assert gaidarosctl(running, "status").status == 0
