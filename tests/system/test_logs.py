# SPDX-License-Identifier: MIT
"""The access log: lines at the start and in between, syslog servers, sinks that stop (M7, M8)."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import harness
from command import gaidaros
from harness import connect, free_port, wait_until
from scene import config, echo, visit
from test_peers import open_folder  # noqa: F401  (a fixture)

LINE = re.compile(r"^(\S+Z) (\S+) (\S+) (\S+) (\S+) status=(\w+) bytes_in=(\d+) bytes_out=(\d+) connect_ms=(\d+)"
                  r" duration_ms=(\d+) sni=-(?: id=(\d+))?$")


def lines_of(path):
    """Whole lines of a file, none while it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


def rows(path, form):
    """Each line as (status, id, bytes_in, duration_ms)."""
    found = []
    for line in lines_of(path):
        if form == "json":
            row = json.loads(line)
            found.append((row["status"], row.get("id"), row["bytes_in"], row["duration_ms"]))
        else:
            match = LINE.match(line)
            assert match, line
            found.append((match[6], match[11] and int(match[11]), int(match[7]), int(match[10])))
    return found


@pytest.mark.san_subset
@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_at_the_start_in_between_and_at_the_end(daemon, host, form):
    port = free_port()
    glob = f"access_log = access.log\naccess_format = {form}\naccess_start = yes\naccess_interval = 1s"
    running = daemon(config(port, [host("one")], glob=glob), workers=1)
    path = os.path.join(running.folder, "access.log")
    with connect(f"127.0.0.1:{port}") as client:
        echo(client, b"12345")
        wait_until(lambda: len(rows(path, form)) >= 3, what="a line at the start and two in between")
        echo(client, b"678")
    wait_until(lambda: rows(path, form)[-1][0] != "open", what="the line of the end")
    found = rows(path, form)
    assert [row[0] for row in found[:-1]] == ["open"] * (len(found) - 1) and found[-1][0] == "ok", found
    assert len({row[1] for row in found}) == 1 and found[0][1] is not None, found
    assert found[0][3] < 1000 and [row[3] // 1000 for row in found[1:3]] == [1, 2], found
    assert found[1][2] == 5 and found[-1][2] == 8, found


@pytest.mark.san_subset
def test_without_the_keys_a_connection_has_one_line(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one")], glob="access_log = access.log"), workers=1)
    path = os.path.join(running.folder, "access.log")
    visit(port)
    wait_until(lambda: rows(path, "text"), what="the line")
    assert [row[:2] for row in rows(path, "text")] == [("ok", None)]
    running.reload(config(port, [host("one")], glob="access_log = access.log\naccess_start = yes"))
    visit(port)
    wait_until(lambda: len(rows(path, "text")) == 3, what="two lines more")
    assert [row[0] for row in rows(path, "text")] == ["ok", "open", "ok"]


def test_lines_in_between_end_no_connection_and_keep_its_limits(daemon, host):
    port = free_port()
    glob = "access_log = access.log\naccess_interval = 1s"
    running = daemon(config(port, [host("one")], glob=glob, service="idle_timeout = 2500ms"), workers=1)
    path = os.path.join(running.folder, "access.log")
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
        assert harness.receive_all(client)[0] == b""
    wait_until(lambda: rows(path, "text")[-1][0] == "idle", what="the line of the end")
    found = rows(path, "text")
    assert [row[0] for row in found] == ["open", "open", "idle"] and found[-1][3] >= 2500, found


class Server:
    """A syslog server: a UDP socket."""

    def __init__(self, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((address, 0))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.got = []

    def messages(self):
        """All that have come so far."""
        try:
            while True:
                self.got.append(self.socket.recv(65536).decode())
        except socket.timeout:
            return self.got

    def close(self):
        self.socket.close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


RFC5424 = re.compile(r"^<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S{1,255}) gaidaros (\d+) (log|access) - (.*)$")


@pytest.mark.san_subset
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_syslog_server_gets_each_line_by_rfc_5424(daemon, host, server, form):
    port = free_port()
    running = daemon(config(port, [host("one")], glob=f"access_log = syslog@127.0.0.1:{server.port}:local3\n"
                            f"access_format = {form}\nlog = syslog@127.0.0.1:{server.port}"), workers=2)
    for _ in range(20):
        visit(port)

    def of(kind):
        parts = [RFC5424.match(message) for message in server.messages()]
        assert all(parts), server.got
        return [part for part in parts if part[5] == kind]

    wait_until(lambda: len(of("access")) == 20, what="a datagram for each connection")
    for part in of("access"):
        assert int(part[1]) == 19 * 8 + 6 and part[3] == socket.gethostname()  # local3, info
        if form == "json":
            assert json.loads(part[6])["time"] == part[2]
        else:
            assert LINE.match(part[6])[1] == part[2]
    running.reload()
    wait_until(lambda: any("generation 2 serves" in part[6] for part in of("log")), what="a message of master")
    levels = {int(part[1]) for part in of("log")}
    assert levels <= {3 * 8 + level for level in (3, 4, 6)} and 3 * 8 + 6 in levels, levels
    assert {part[6].split(":")[0].split(" ")[0] for part in of("log")} >= {"master"}
    state = running.running()
    assert state["access_lines"] == 20 and state["access_dropped"] == 0 and state["lines_lost"] == 0


@pytest.mark.san_subset
def test_datagrams_that_reach_nobody_are_told_and_slow_nothing(daemon, host, server):
    port, one = free_port(), host("one")
    gone = server.port
    running = daemon(config(port, [one], glob=f"access_log = syslog@127.0.0.1:{gone}"), workers=1)
    running.allow_errors("access log: lines are being lost")
    visit(port)
    wait_until(lambda: len(server.messages()) == 1, what="the first line")
    server.socket.close()
    for _ in range(30):
        visit(port)
    wait_until(lambda: running.running()["lines_lost"] > 0, what="lost lines to be counted")
    wait_until(lambda: "access log: lines are being lost: Connection refused" in running.log_text(), what="the message")
    # A connection ends, and has its line, a moment after its client has the answer.
    wait_until(lambda: running.running()["access_lines"] == 31, what="all lines to be counted")


def test_syslog_servers_in_ipv6(daemon, host):
    server, port = Server("::1"), free_port()
    try:
        daemon(config(port, [host("one")], glob=f"access_log = syslog@[::1]:{server.port}"), workers=1)
        visit(port)
        wait_until(lambda: len(server.messages()) == 1, what="the line")
    finally:
        server.close()


@pytest.mark.parametrize("target, said", [
    ("syslog@", "needs an address"), ("syslog@127.0.0.1:70000", "port"), ("syslog@log.example", "log.example"),
    ("syslog@127.0.0.1:local9", "no syslog facility"), ("syslog@[::1", "[::1"), ("syslog@0.0.0.0", "0.0.0.0"),
    ("syslog@127.0.0.1/8", "127.0.0.1/8"), ("syslog@unix:/x", "unix:/x")])
@pytest.mark.parametrize("key", ["log", "access_log"])
def test_targets_that_are_none_are_named(tmp_path, key, target, said):
    path = tmp_path / "g.conf"
    path.write_text(f"[global]\n{key} = {target}\n[service web]\nlisten = 127.0.0.1:1\ngroup = main\n"
                    "[group main]\nhost = a 127.0.0.1:9\n")
    done = gaidaros("-c", path, "-t")
    assert done.status == 3 and f"g.conf:2: [global] {key}:" in done.err and said in done.err, done


@pytest.mark.parametrize("target", ["syslog@192.0.2.1", "syslog@192.0.2.1:1514", "syslog@192.0.2.1:local0",
                                    "syslog@192.0.2.1:1514:local0", "syslog@[2001:db8::1]",
                                    "syslog@[2001:db8::1]:1514:local7"])
def test_targets_read_back_as_they_were_written(tmp_path, target):
    path = tmp_path / "g.conf"
    text = f"[global]\nlog = {target}\n[service web]\nlisten = 127.0.0.1:1\ngroup = main\n[group main]\nhost = a 127.0.0.1:9\n"
    path.write_text(text)
    once = gaidaros("-c", path, "--dump")
    assert once.status == 0, once
    path.write_text(once.out)
    assert gaidaros("-c", path, "--dump").out == once.out
    with_port = target if re.search(r"[\d\]]:\d+", target) else re.sub(r"(@\[?[\w.:]*?\]?)(:local\d)?$", r"\1:514\2", target)
    assert f"log = {with_port}\n" in once.out, once.out


@pytest.mark.parametrize("value", ["1ms", "999ms", "-1s", "2d"])
def test_intervals_that_help_nobody_are_refused(tmp_path, value):
    path = tmp_path / "g.conf"
    path.write_text(f"[global]\naccess_interval = {value}\n[service web]\nlisten = 127.0.0.1:1\ngroup = main\n"
                    "[group main]\nhost = a 127.0.0.1:9\n")
    done = gaidaros("-c", path, "-t")
    assert done.status == 3 and "g.conf:2: [global] access_interval:" in done.err, done


# ---- rsyslog

RSYSLOG = "/usr/sbin/rsyslogd"
PRIVATE_DEV = """
mount -t tmpfs none {dev}
for name in null zero full random urandom; do touch {dev}/$name; mount --bind /dev/$name {dev}/$name; done
mkdir {dev}/shm; mount -t tmpfs none {dev}/shm; ln -s /proc/self/fd {dev}/fd; ln -s {socket} {dev}/log
mount --rbind {dev} /dev
exec "$@"
"""


def private_dev(folder, socket_path):
    """Words in front of a program, which then finds another /dev/log."""
    dev = folder / "dev"
    dev.mkdir()
    script = "set -e" + PRIVATE_DEV.format(dev=dev, socket=socket_path)
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]


class Rsyslog:
    """A real rsyslogd with a configuration and files of its own."""

    def __init__(self, folder, text):
        self.folder = folder
        self.file, self.pidfile = folder / "rsyslog.conf", folder / "rsyslog.pid"
        self.file.write_text(text)
        self.process = None
        self.start()

    def start(self):
        with open(self.folder / "rsyslog.err", "ab") as err:
            self.process = subprocess.Popen([RSYSLOG, "-n", "-f", self.file, "-i", self.pidfile], stderr=err,
                                            env=harness.child_env(), start_new_session=True)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@pytest.fixture
def rsyslog(folder):
    made = []

    def make(text):
        made.append(Rsyslog(folder, text))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def stop_for(daemon, host, load, rsyslog, folder, open_folder, rate, seconds):  # pylint: disable=too-many-arguments
    """rsyslogd stands still for so long under load: connections do not notice, and no line goes uncounted."""
    path, out, port = os.path.join(open_folder, "log.sock"), folder / "out.log", free_port()
    system = rsyslog(f"""
module(load="imuxsock" SysSock.Use="off")
template(name="bare" type="string" string="%msg%\\n")
input(type="imuxsock" Socket="{path}" RateLimit.Interval="0" CreatePath="off")
global(workDirectory="{folder}")
action(type="omfile" file="{out}" template="bare" asyncWriting="off")
""")
    wait_until(lambda: os.path.exists(path), what="rsyslogd's socket")
    glob = "access_log = syslog:local0\nlog = main.log"
    running = daemon(config(port, [host("one")], glob=glob), workers=2, wrap=private_dev(folder, path))
    work = load(f"127.0.0.1:{port}", short=rate)
    wait_until(lambda: work.stat()["short"]["ok"] > rate * 2, 60, "load")
    before = work.zero()["short"]
    system.process.send_signal(signal.SIGSTOP)
    ends = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > ends, seconds + 10, "the time to pass", 0.1)
    during = work.stat()["short"]
    system.process.send_signal(signal.SIGCONT)
    wait_until(lambda: work.stat()["short"]["ok"] > during["ok"] + rate, 60, "load after it")
    figures = work.stop()
    harness.assert_no_loss(figures)
    running.settled()
    state = running.running()
    total = state["services"][0]["connections_total"]
    assert state["access_lines"] + state["access_dropped"] == total, state
    assert state["access_dropped"] > 0, (before, during)
    assert state["lines_lost"] == 0
    written = state["access_lines"]
    wait_until(lambda: len(lines_of(out)) == written, 60, f"{written} lines")
    assert all(" status=" in line and line.endswith(" sni=-") for line in lines_of(out))
    metrics = running.http("GET", "/metrics").text
    assert re.search(rf"(?m)^gaidaros_access_dropped_total {state['access_dropped']}$", metrics), metrics[-2000:]
    return before, during


@pytest.mark.alone
def test_a_stopped_rsyslog_slows_nothing(daemon, host, load, rsyslog, folder, open_folder):  # noqa: F811
    before, during = stop_for(daemon, host, load, rsyslog, folder, open_folder, 2000, 6)
    assert during["p99_ms"] <= before["p99_ms"] * 5 + 20, (before, during)


@pytest.mark.soak
def test_rsyslog_stopped_for_30_seconds_at_2000_connections_a_second(daemon, host, load, rsyslog, folder, open_folder):  # noqa: F811
    before, during = stop_for(daemon, host, load, rsyslog, folder, open_folder, 2000, 30)
    assert during["p99_ms"] <= before["p99_ms"] * 3 + 10, (before, during)
