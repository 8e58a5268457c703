# SPDX-License-Identifier: MIT
"""Users of the admin doors: who comes in, who may do what, what a guesser gets (L2, L3, L7, HT9, HT10)."""

import base64
import fcntl
import os
import pty
import signal
import socket
import statistics
import subprocess
import termios
import threading
import time

import pytest

from command import CTL, gaidaros, gaidarosctl
from harness import SAN, cpu_s, free_port, wait_until
from rig import ask_for, post
from scene import children, config

pytestmark = pytest.mark.san_subset


def made_hash(password):
    """By gaidarosctl."""
    done = subprocess.run([CTL, "hash"], input=password + "\n", capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def hashes():
    return {password: made_hash(password) for password in ("full secret", "read secret")}


class Door:
    """The HTTP door of a daemon, asked by curl."""

    def __init__(self, running, port):
        self.running, self.url = running, f"http://127.0.0.1:{port}"

    def ask(self, path, user=None, *more):
        words = ["curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", *more]
        if user is not None:
            words += ["-u", user]
        return int(subprocess.run([*words, self.url + path], capture_output=True, text=True, check=True).stdout)

    def raw(self, authorization, path="/running.txt"):
        """The status of a request with this header as it is."""
        with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 20) as client:
            client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\n\r\n"
                           % (path.encode(), authorization))
            return int(client.makefile("rb").readline().split()[1])


FULL, READ = "eve:full secret", "rob:read secret"


@pytest.fixture
def door(daemon, host, hashes, folder):
    port = free_port()
    users = folder / "users"
    users.write_text(f"# those who only look\n\nrob {hashes['read secret']} readonly\n")
    users.chmod(0o600)
    admin = f"listen = 127.0.0.1:{port}\nuser = eve {hashes['full secret']} full\nusers_file = {users}"
    running = daemon(config(free_port(), [host("one")], admin=admin), workers=2)
    running.edited = 1
    return Door(running, port)


def test_everything_but_healthz_asks_for_a_password(door):
    for path in ("/", "/running", "/running.txt", "/running.json", "/config", "/config/diff", "/style.css", "/nothing"):
        assert door.ask(path) == 401, path
    assert door.ask("/healthz") == 200
    assert door.ask("/api/reload", None, "-d", "") == 401
    said = subprocess.run(["curl", "-s", "-i", door.url + "/"], capture_output=True, text=True, check=True).stdout
    assert 'WWW-Authenticate: Basic realm="gaidaros"' in said


def test_each_sees_and_does_what_is_his(door):
    for user, configs in ((FULL, 200), (READ, 403)):
        assert door.ask("/", user) == 200 and door.ask("/running.json", user) == 200
        for path in ("/config", "/config/running", "/config/diff"):
            assert door.ask(path, user) == configs, (path, user)
    weigh = ["-d", "service=web&group=main&name=one&weight=4"]
    assert door.ask("/api/setWeight", READ, *weigh) == 403
    assert door.running.host("one")["weight"] == 1
    assert door.ask("/api/setWeight", FULL, *weigh) == 200
    assert door.running.host("one")["weight"] == 4
    assert door.running.log_lines(r"info director.*setWeight web/main/one: weight 1 -> 4, by eve at 127\.0\.0\.1")


def test_readonly_is_refused_every_call(door):
    with open("include/ctl/words.h", encoding="utf-8") as file:
        calls = [line.split("(")[1].split(",")[0] for line in file if line.lstrip().startswith("NOW(") and "," in line]
    assert len(calls) >= 18
    generation = door.running.generation()
    for call in calls:
        assert door.ask(f"/api/{call}", READ, "-d", "") == 403, call
    assert door.running.generation() == generation


def test_another_site_s_page_makes_no_calls(door):
    """A browser sends the password it remembers along with whatever page asks."""
    for header in ("Origin: http://evil.example", f"Origin: {door.url}", "Sec-Fetch-Site: cross-site",
                   "Sec-Fetch-Site: same-origin"):
        for body in ("service=web&group=main&name=one&weight=9",):
            assert door.ask("/api/setWeight", FULL, "-H", header, "-d", body) == 403, header
            assert door.ask("/api/setWeight", FULL, "-H", header, "-H", "X-Gaidaros-Token: " + "0" * 32, "-d", body) == 403
    for path in ("/api/setWeight?service=web&group=main&name=one&weight=9", "/api/shutdown"):
        assert door.ask(path, FULL) == 405, "nothing changes by GET"
    assert door.running.host("one")["weight"] == 1


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("header", [
    b"", b"Basic", b"Basic ", b"Basic ====", b"Basic !!!!", b"Basic " + encode("eve"), b"Basic " + encode(":"),
    b"Basic " + encode("eve:full secret")[:-1], b"Basic " + encode("eve:full secret") + b"=",
    b"Basic " + encode(b"eve:full secret\0more"), b"Basic " + encode(b"eve\0:full secret"), b"Bearer " + encode(FULL),
    b"Basic " + encode("EVE:full secret"), b"Basic " + encode(b"x" * 700 + b":y"), b"Digest username=eve",
])
def test_a_malformed_authorization_lets_nobody_in(door, header):
    assert door.raw(header) == 401
    assert door.raw(b"basic   " + encode(FULL)) == 200


def test_an_endless_authorization_lets_nobody_in(door):
    assert door.raw(b"Basic " + b"QUFB" * 16384) in (400, 401, 413, 431)
    assert door.ask("/healthz") == 200


def test_ten_failures_a_minute_then_none_is_hashed(door):
    for user in ("eve:no", "nobody:no", "rob:full secret", *["eve:no"] * 7):
        assert door.ask("/", user) == 401
    (director,) = children(door.running, "director")
    spent = cpu_s(director)
    for _ in range(50):
        assert door.ask("/", "eve:no") == 429
    assert door.ask("/", "rob:read secret") == 429, "a right one is not looked at either"
    assert cpu_s(director) - spent < (2 if SAN else 0.5), "a hash costs more"
    assert gaidarosctl(door.running, "status").status == 0, "the control socket asks nobody"


def test_who_is_in_stays_in_while_another_guesses(door):
    assert door.ask("/", FULL) == 200
    for _ in range(12):
        door.ask("/", "nobody:no")
    assert door.ask("/", "nobody:no") == 429
    assert door.ask("/", FULL) == 200, "what was right a moment ago costs no hash"


@pytest.mark.alone
@pytest.mark.unsanitized
def test_time_does_not_tell_who_there_is(door):
    """Few tries of each: they are counted."""
    def took(user):
        began = time.monotonic()
        assert door.ask("/", user) == 401
        return time.monotonic() - began

    known, unknown = [], []
    for _ in range(5):
        known.append(took("eve:no"))
        unknown.append(took("nobody:no"))
    assert 0.5 < statistics.median(known) / statistics.median(unknown) < 2


@pytest.mark.alone
@pytest.mark.unsanitized
def test_a_flood_of_wrong_passwords_delays_no_check(daemon, host, hashes):
    """L2: a thousand wrong logins in ten seconds, from one address and from fifty."""
    port, one = free_port(), host("one")
    admin = f"listen = 127.0.0.1:{port}\nuser = eve {hashes['full secret']} full"
    running = daemon(config(free_port(), [one], admin=admin, group="check = tcp\ncheck_interval = 100ms\ncheck_timeout = 2s"),
                     workers=1)
    (director,) = children(running, "director")

    def checks():
        return running.host("one")["checks_total"]

    def rate(seconds):
        began, before = time.monotonic(), checks()
        time.sleep(seconds)
        return (checks() - before) / (time.monotonic() - began)

    idle, done = rate(3), threading.Event()
    answers = []

    def guess(number):
        while not done.is_set():
            with socket.socket() as client:
                client.settimeout(20)
                client.bind((f"127.0.0.{2 + number % 50}", 0))
                client.connect(("127.0.0.1", port))
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic %s\r\n\r\n"
                               % encode("eve:no"))
                answers.append(int(client.makefile("rb").readline().split()[1]))
            done.wait(0.1)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    busy = rate(6)
    wait_until(lambda: answers[-50:].count(429) == 50, 60, "all addresses to have had their ten")
    spent, began = cpu_s(director), time.monotonic()
    refused = rate(2)  # without a look at the password
    spent, elapsed = cpu_s(director) - spent, time.monotonic() - began
    done.set()
    for thread in threads:
        thread.join()
    assert len(answers) > 100 and set(answers) <= {401, 429, 503}, (len(answers), set(answers))
    assert answers.count(401) <= 10 * 10, "ten a minute for each of ten addresses"
    assert busy > 0.8 * idle and refused > 0.8 * idle, (busy, refused, idle)
    assert spent < 0.4 * elapsed, (spent, elapsed)
    assert running.host("one")["check_failures_total"] == 0


def test_users_come_and_go_and_are_dead_at_once(door):
    assert door.ask("/api/addUser", FULL, "-d", "name=zed&password=pass word&access=full") == 200
    assert door.ask("/config", "zed:pass word") == 200
    assert "zed $y$" in door.running.http("GET", "/config/running").text
    assert "pass word" not in door.running.log_text() and "$y$" not in door.running.log_text()
    assert post(door.running, "addUser", name="zed", password="x", access="full").status == 409
    for fields in ({"name": "a:b", "password": "x", "access": "full"}, {"name": "ok", "password": "", "access": "full"},
                   {"name": "ok", "password": "x", "access": "most"}, {"name": "ok", "password": "x" * 501, "access": "full"}):
        assert post(door.running, "addUser", **fields).status == 400, fields
    # A connection that is kept open asks again with the same password.
    with socket.create_connection(("127.0.0.1", int(door.url.rpartition(":")[2])), 20) as client:
        ask = (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /running.txt HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "
               + encode("zed:pass word") + b"\r\n\r\n")
        client.sendall(ask[1])
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        ask_for(door.running, "delUser", service=None, group=None, name="zed")
        client.setblocking(False)
        try:
            while client.recv(65536):
                pass
        except BlockingIOError:
            client.settimeout(20)
        client.sendall(ask[1])
        assert client.recv(65536).startswith(b"HTTP/1.1 401")
    assert door.ask("/", "zed:pass word") == 401
    assert "users_file" in ask_for(door.running, "delUser", status=409, service=None, group=None, name="rob")
    ask_for(door.running, "saveConfig", service=None, group=None)


def test_the_last_user_stays(daemon, host, hashes):
    port = free_port()
    admin = f"listen = 127.0.0.1:{port}\nuser = eve {hashes['full secret']} full"
    running = daemon(config(free_port(), [host("one")], admin=admin))
    assert "last user" in ask_for(running, "delUser", status=409, service=None, group=None, name="eve")
    assert Door(running, port).ask("/") == 401


def test_a_reload_changes_who_comes_in(door, hashes):
    text = open(door.running.file, encoding="utf-8").read()
    assert door.ask("/", FULL) == 200
    with open(door.running.file, "w", encoding="utf-8") as file:
        file.write(text.replace(f"user = eve {hashes['full secret']} full", f"user = eve {hashes['read secret']} readonly"))
    assert post(door.running, "reload").status == 200
    assert door.ask("/", FULL) == 401
    assert door.ask("/config", "eve:read secret") == 403


def test_hashes_are_kept_from_others(folder, hashes):
    for name, text, why in (("a.conf", f"[admin]\nuser = eve {hashes['full secret']} full\n", "chmod o-r"),):
        path = folder / name
        path.write_text(config(free_port(), []).replace("[admin]\n", text).replace("[group main]", "[group main]\nhost = a 127.0.0.1:9"))
        path.chmod(0o644)
        said = gaidaros("-t", "-c", path)
        assert said.status == 3 and why in said.err, said
        path.chmod(0o640)
        assert gaidaros("-t", "-c", path).status == 0
    users = folder / "users"
    users.write_text(f"rob {hashes['read secret']} readonly\nrob\n")
    path.write_text(config(free_port(), [], admin=f"users_file = {users}", group="host = a 127.0.0.1:9"))
    users.chmod(0o644)
    assert "chmod o-r" in gaidaros("-t", "-c", path).err
    users.chmod(0o600)
    said = gaidaros("-t", "-c", path)
    assert said.status == 3 and f"{users}:2: needs a name" in said.err, said


def test_hash_asks_a_terminal_twice_and_shows_nothing():
    leader, follower = pty.openpty()
    process = subprocess.Popen([CTL, "hash"], stdin=follower, stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    shown = b""
    for question in (b"password: ", b"once more: "):
        while not shown.endswith(question):
            shown += os.read(leader, 100)
        os.write(leader, b"between us\n")
    out, _ = process.communicate(timeout=30)
    os.close(leader)
    assert out.startswith(b"$y$") and process.returncode == 0
    assert b"between us" not in shown
    done = subprocess.run([CTL, "hash"], input=b"a\0b\n", capture_output=True, check=False)
    assert done.returncode == 2 and done.stdout == b"", "a NUL would cut it"
    done = subprocess.run([CTL, "hash"], input=b"x" * 501, capture_output=True, check=False)
    assert done.returncode == 2 and done.stdout == b""
    assert subprocess.run([CTL, "hash", "secret"], capture_output=True, check=False).returncode == 2
    assert subprocess.run([CTL, "hash"], input=b"", capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, "keys"])
def test_a_question_that_is_broken_off_leaves_the_terminal_as_it_was(by):
    leader, follower = pty.openpty()
    before = termios.tcgetattr(follower)
    process = subprocess.Popen([CTL, "hash"], stdin=follower, stdout=subprocess.PIPE, stderr=follower, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    shown = b""
    while not shown.endswith(b"password: "):
        shown += os.read(leader, 100)
    assert not termios.tcgetattr(follower)[3] & termios.ECHO
    if by == "keys":
        os.write(leader, b"half\x03")
    else:
        process.send_signal(by)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == -(signal.SIGINT if by == "keys" else by) and out == b""
    assert termios.tcgetattr(follower)[3] == before[3]
    os.close(leader)
    os.close(follower)


def test_check_tells_errors_without_a_daemon(folder):
    path = folder / "bad.conf"
    path.write_text("[service web]\nlisten = 1\n")
    path.chmod(0o600)
    done = subprocess.run([CTL, "check", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"{path}:2: [service web] listen:" in done.stderr
