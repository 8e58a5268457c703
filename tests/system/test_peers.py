# SPDX-License-Identifier: MIT
"""Real programs on both sides: nginx with curl and wrk, Redis, PostgreSQL; no errors, right shares."""

import contextlib
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

import pytest

import harness
from rig import config, local

SECONDS = 2


class Server:
    """A program of somebody else, run in the foreground and ended by its polite signal."""

    def __init__(self, words, folder, is_ready, stop=signal.SIGTERM, **popen):
        self.stop_signal, self.log = stop, os.path.join(str(folder), "output")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=harness.child_env(), start_new_session=True, **popen)
        harness.wait_until(lambda: self.process.poll() is not None or is_ready(), what=f"{words[0]} to serve")
        if self.process.poll() is not None:
            raise harness.Failure(f"{words[0]} did not start:\n{self.text()}")

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def answers(address):
    """Whether somebody accepts on the address."""
    with contextlib.suppress(OSError):
        harness.connect(address).close()
        return True
    return False


@pytest.fixture
def server(folder):
    """Starts servers in folders of their own; ends them after the test, in reverse."""
    made = []

    def make(words, is_ready, **options):
        home = folder / f"server{len(made)}"
        home.mkdir(exist_ok=True)
        made.append(Server(words, home, is_ready, **options))
        return made[-1]

    yield make
    for one in reversed(made):
        one.stop()


def run(words, timeout=120, **options):
    """Runs a client program to its end; returns its output, fails on its failure."""
    done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout, env=harness.child_env(), check=False, **options)
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}:\n{text}"
    return text


def totals(d, names):
    d.settled()
    return [d.host(name)["connections_total"] for name in names]


NGINX = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log; worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
    access_log off; keepalive_requests 1000000;
    client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
    uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
    server {{ listen {address}; location / {{ root {home}; }} location = /name {{ return 200 "{name}\\n"; }} }}
}}
"""


@pytest.mark.san_subset
def test_nginx_hosts_with_curl_and_wrk(daemon, server, folder):
    names, addresses, listen = ["app1", "app2"], [local(), local()], local()
    for name, address in zip(names, addresses):
        home = folder / name
        home.mkdir(mode=0o755)
        (home / "file").write_bytes(b"0123456789abcdef" * 65536)
        (home / "nginx.conf").write_text(NGINX.format(home=home, address=address, name=name))
        server(["nginx", "-e", home / "error.log", "-c", home / "nginx.conf"], lambda a=address: answers(a),
               stop=signal.SIGQUIT)
    d = daemon(config(listen, [f"{name} {address}" for name, address in zip(names, addresses)]), workers=2)
    url = f"http://{listen}"
    got = [run(["curl", "-sS", "--fail", f"{url}/name"]).strip() for _ in range(30)]
    assert [got.count(name) for name in names] == [15, 15]
    run(["curl", "-sS", "--fail", "-o", folder / "copy", f"{url}/file"])
    assert (folder / "copy").read_bytes() == (folder / "app1" / "file").read_bytes()
    before = totals(d, names)
    for header in ("Connection: keep-alive", "Connection: close"):
        text = run(["wrk", "-t1", "-c32", f"-d{SECONDS}s", "-H", header, f"{url}/name"])
        assert "Non-2xx" not in text and "Socket errors" not in text, text
        assert int(re.search(r"(\d+) requests in", text)[1]) > 100, text
        after = totals(d, names)
        one, two = (b - a for a, b in zip(before, after))
        assert abs(one - two) <= 1 and one + two >= 32, (before, after)
        before = after
    assert set(d.service()["errors"]) <= {"client_reset"}  # wrk resets what is under way when its time is over
    assert [d.host(name)["failures_total"] for name in names] == [0, 0]


@pytest.mark.san_subset
def test_redis_hosts_with_redis_benchmark(daemon, server, folder):
    names, addresses, listen = ["cache1", "cache2"], [local(), local()], local()
    for name, address in zip(names, addresses):
        home = folder / name
        home.mkdir()
        server(["redis-server", "--bind", "127.0.0.1", "--port", address.rpartition(":")[2], "--save", "",
                "--appendonly", "no", "--dir", home], lambda a=address: answers(a))
    d = daemon(config(listen, [f"{name} {address}" for name, address in zip(names, addresses)]), workers=2)
    port = listen.rpartition(":")[2]
    count = 4000 if harness.SAN else 20000
    for more in ([], ["-P", "16"]):
        before = totals(d, names)
        text = run(["redis-benchmark", "-h", "127.0.0.1", "-p", port, "-n", count, "-c", "50", "-d", "64", "--csv",
                    "-t", "set,get,lrange_100", *more])
        assert text.count('"SET"') == 1 and text.count('"GET"') == 1 and "rror" not in text, text
        one, two = (b - a for a, b in zip(before, totals(d, names)))
        assert abs(one - two) <= 1 and one + two >= 100, (one, two)
    done = [run(["redis-cli", "-p", a.rpartition(":")[2], "info", "commandstats"]) for a in addresses]
    calls = [int(re.search(r"cmdstat_set:calls=(\d+)", text)[1]) for text in done]
    assert sum(calls) == 2 * count, calls
    assert d.service()["errors"] == {} and [d.host(name)["failures_total"] for name in names] == [0, 0]


def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


def as_postgres(folder):
    """Words in front of a program that refuses to run as root; the folder becomes that user's."""
    if os.getuid() != 0:
        return []
    user = next(u for u in ("postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()})
    entry = pwd.getpwnam(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


@pytest.fixture
def open_folder():
    """A folder that another user can reach, which pytest's own is not."""
    path = f"/tmp/gaidaros-test-{os.getpid()}-{time.monotonic_ns()}"
    os.mkdir(path, 0o755)
    yield path
    shutil.rmtree(path)


POSTGRES_OPTIONS = ["-F", "-c", "full_page_writes=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB",
                    "-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1", "-c", "jit=off"]


@pytest.mark.san_subset
def test_postgresql_hosts_with_pgbench(daemon, server, open_folder):
    names, addresses, listen = ["db1", "db2"], [local(), local()], local()
    before_words = as_postgres(open_folder)
    homes = [os.path.join(open_folder, name) for name in names]
    run([*before_words, postgres_program("initdb"), "-N", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C",
         "-D", homes[0]], cwd=open_folder)
    run([*before_words, "cp", "-a", homes[0], homes[1]], cwd=open_folder)
    ready = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p"]
    for home, address in zip(homes, addresses):
        port = address.rpartition(":")[2]
        server([*before_words, postgres_program("postgres"), "-D", home, "-p", port, *POSTGRES_OPTIONS],
               lambda p=port: subprocess.run([*ready, p], check=False).returncode == 0, stop=signal.SIGINT,
               cwd=open_folder)
        run([postgres_program("pgbench"), "-h", "127.0.0.1", "-p", port, "-U", "tester", "-i", "-q", "postgres"])
    d = daemon(config(listen, [f"{name} {address}" for name, address in zip(names, addresses)]), workers=2)
    port = listen.rpartition(":")[2]
    for words in (["-S", "-T", SECONDS], ["-T", SECONDS], ["-S", "-C", "-t", 10 if harness.SAN else 25]):
        before = totals(d, names)
        text = run([postgres_program("pgbench"), "-n", "-h", "127.0.0.1", "-p", port, "-U", "tester", "-c", "8",
                    "-j", "2", *words, "postgres"])
        assert "number of failed transactions: 0 " in text, text
        assert int(re.search(r"actually processed: (\d+)", text)[1]) > 20, text
        one, two = (b - a for a, b in zip(before, totals(d, names)))
        assert abs(one - two) <= 1 and one + two >= 8, (one, two)
    assert d.service()["errors"] == {} and [d.host(name)["failures_total"] for name in names] == [0, 0]
