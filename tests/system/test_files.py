# SPDX-License-Identifier: MIT
"""Pidfile, socket, logs: who makes them, who may touch them, what becomes of them (M1-M4, M7, M11)."""

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import time

import pytest

from command import AS_NOBODY, gaidaros, open_to_nobody
from harness import SAN, Daemon, assert_no_loss, child_env, free_port, process_alive, scaled_rate, wait_until
from scene import config, listening, visit

COULD_NOT_RUN, ERRORS = 1, 3


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def pid_in(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


def started(running):
    """Starts the daemon's command, without waiting for anything."""
    with open(running.log, "ab") as log:
        return subprocess.Popen([running.binary, "-f", "-c", running.file], stdin=subprocess.DEVNULL, stdout=log,
                                stderr=log, cwd=running.folder, env=child_env(), start_new_session=True)


# M1: two at once


def start_twice(running):
    """Two starts at the same instant: one serves, the other says why not and touches nothing."""
    both = [started(running), started(running)]
    try:
        wait_until(lambda: any(one.poll() is not None for one in both) and running.healthz() == 200,
                   what="one to serve, the other to end")
        (loser,), (winner,) = ([one for one in both if (one.poll() is not None) is is_over] for is_over in (True, False))
        assert loser.returncode == COULD_NOT_RUN, running.log_text()[-2000:]
        assert pid_in(running.pidfile) == winner.pid
        assert running.healthz() == 200, "the loser took the winner's socket away"
        winner.send_signal(signal.SIGTERM)
        winner.send_signal(signal.SIGTERM)
        assert winner.wait(20) == 0
    finally:
        for one in both:
            if one.poll() is None:
                one.kill()
            one.wait()


def twice_for(folder, host, rounds, seconds):
    one, port = host("one"), free_port()
    running = Daemon(config(port, [one]), folder / "d", workers=1, start=False)
    began, done = time.monotonic(), 0
    while done < rounds and time.monotonic() - began < seconds:
        start_twice(running)
        done += 1
    return done


@pytest.mark.san_subset
def test_of_two_starts_at_once_exactly_one_runs(folder, host):
    assert twice_for(folder, host, 100, 10) >= 5


@pytest.mark.soak
def test_of_two_starts_at_once_exactly_one_runs_a_hundred_times(folder, host):
    assert twice_for(folder, host, 100, 600) == 100


# M2: what lies where the pidfile should be


@pytest.mark.san_subset
@pytest.mark.parametrize("left", ["dead", "other_program", "empty", "garbage", "no_newline", "huge_number", "negative"])
def test_a_stale_pidfile_is_replaced(daemon, host, left):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1, start=False)
    other = subprocess.Popen(["sleep", "600"], env=child_env())
    try:
        content = {"dead": "99999999\n", "other_program": f"{other.pid}\n", "empty": "", "garbage": "no pid\n" * 50,
                   "no_newline": f"{other.pid}", "huge_number": "9" * 40 + "\n", "negative": "-1\n"}[left]
        with open(running.pidfile, "w", encoding="ascii") as file:
            file.write(content)
        for word in ("reload", "stop"):  # nobody holds the lock: nobody is signalled
            said = gaidaros("-c", running.file, "-s", word)
            assert said.status == COULD_NOT_RUN, said
        running.start()
        assert pid_in(running.pidfile) == running.pid
        visit(port)
        running.stop()
        assert other.poll() is None, "another program was killed for its number"
        assert not os.path.exists(running.pidfile)
    finally:
        other.kill()
        other.wait()


@pytest.mark.san_subset
@pytest.mark.parametrize("what", ["directory", "symlink", "dangling_symlink", "missing_folder", "fifo"])
def test_a_pidfile_that_is_none_is_refused(daemon, host, folder, what):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1, start=False)
    target = folder / "precious"
    target.write_text("precious\n")
    if what == "directory":
        os.mkdir(running.pidfile)
    elif what == "symlink":
        os.symlink(target, running.pidfile)
    elif what == "dangling_symlink":
        os.symlink(folder / "nothing", running.pidfile)
    elif what == "fifo":
        os.mkfifo(running.pidfile)
    args = ["-P", str(folder / "no" / "folder" / "x.pid")] if what == "missing_folder" else []
    said = gaidaros("-f", "-c", running.file, *args, timeout=20)
    assert said.status in (COULD_NOT_RUN, ERRORS), said
    assert ("x.pid" if args else running.pidfile) in said.err, said
    assert target.read_text() == "precious\n" and not os.path.exists(folder / "nothing")
    assert listening(port) == 0
    assert args or os.path.lexists(running.pidfile), "what is not ours was removed"


@pytest.mark.san_subset
def test_a_pidfile_that_may_not_be_written_is_refused(folder):
    if not open_to_nobody(folder):
        pytest.skip("needs root and a binary that nobody may run")
    port = free_port()
    (folder / "ro").mkdir()
    file = folder / "g.conf"
    file.write_text(f"[service web]\nlisten = 127.0.0.1:{port}\ngroup = main\n[group main]\nhost = a 127.0.0.1:9\n")
    said = gaidaros("-f", "-c", file, "-P", folder / "ro" / "x.pid", wrap=AS_NOBODY, timeout=20)
    assert said.status in (COULD_NOT_RUN, ERRORS) and "x.pid" in said.err, said


# M3: daemon mode


def read_pid(path):
    with contextlib.suppress(OSError, ValueError):
        return pid_in(path)
    return None


@pytest.fixture(name="detached")
def detached_daemon(folder, host):
    """A daemon that a test starts with -d; stopped through its pidfile, whatever happens."""
    one, port = host("one"), free_port()
    made = Daemon(config(port, [one], glob=f"log = {folder}/d.log"), folder / "d", workers=2, start=False)
    yield made, port
    pid = read_pid(made.pidfile)
    if pid and process_alive(pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not process_alive(pid), what="the daemon to end")


@pytest.mark.san_subset
def test_a_daemon_start_returns_when_the_service_answers(detached):
    made, port = detached
    for _ in range(5):
        said = gaidaros("-d", "-c", made.file, timeout=20)  # returns: nothing of the caller is held open
        assert said.status == 0, said
        visit(port)
        pid = pid_in(made.pidfile)
        assert made.healthz() == 200
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        assert int(fields[3]) != os.getsid(0), "it has a session of its own"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        for fd in (0, 1):
            assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
        said = gaidaros("-c", made.file, "-s", "reload")
        assert said.status == 0, said
        assert pid_in(made.pidfile) == pid
        said = gaidaros("-c", made.file, "-s", "stop", timeout=30)
        assert said.status == 0, said
        wait_until(lambda: not process_alive(pid), what="the daemon to end")  # noqa: B023
        assert not os.path.exists(made.pidfile)


@pytest.mark.san_subset
@pytest.mark.parametrize("fault", ["config", "bind", "foreign", "log", "running"])
def test_a_daemon_start_that_fails_says_so_to_its_caller(detached, folder, host, fault):
    made, port = detached
    one = host("two")
    glob = f"log = {folder}/d.log"
    if fault == "config":
        made.write(config(port, [one], glob=glob, service="retries = x"))
        word = "[service web] retries:"
    elif fault == "bind":
        made.write(config(one.port, [one], glob=glob))
        word = f"127.0.0.1:{one.port}"
    elif fault == "foreign":
        made.write(config(port, [one], glob=glob, service="listen = 192.0.2.77:8080"))
        word = "192.0.2.77:8080"
    elif fault == "log":
        made.write(config(port, [one], glob=f"log = {folder}/missing/d.log"))
        word = "missing/d.log"
    else:
        assert gaidaros("-d", "-c", made.file, timeout=20).status == 0
        word = "running"
    before = read_pid(made.pidfile)
    said = gaidaros("-d", "-c", made.file, timeout=20)
    assert said.status == (ERRORS if fault in ("config", "log") else COULD_NOT_RUN), said
    assert word in said.err, said
    assert read_pid(made.pidfile) == before
    assert listening(port) == (2 if fault == "running" else 0)


# M4: the pidfile's life


@pytest.mark.san_subset
def test_the_pidfile_lives_as_long_as_its_daemon(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    running.allow_errors(".")
    assert pid_in(running.pidfile) == running.pid
    running.reload(config(port, [one], group="queue_timeout = 3s"))
    running.reload(config(port, [one], group="queue_timeout = x"), ok=False)
    assert pid_in(running.pidfile) == running.pid
    running.write(config(free_port(), [one]))
    said = gaidaros("-f", "-c", running.file, timeout=20)  # a second one, on another port, with the same pidfile
    assert said.status == COULD_NOT_RUN and str(running.pid) in said.err, said
    assert pid_in(running.pidfile) == running.pid and running.healthz() == 200
    running.stop()
    assert not os.path.exists(running.pidfile)
    running.start()
    first = running.pid
    os.kill(first, signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: not running.pids(), what="the orphans to end")
    assert pid_in(running.pidfile) == first
    running.start()
    assert pid_in(running.pidfile) == running.pid != first


@pytest.mark.san_subset
def test_a_pidfile_taken_over_by_another_is_not_removed(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    os.unlink(running.pidfile)
    with open(running.pidfile, "w", encoding="ascii") as file:
        file.write("1\n")
    running.allow_errors("pid")
    running.stop()
    assert pid_in(running.pidfile) == 1


# M7: rotation

TEXT_LINE = re.compile(r"^\S+Z 127\.\d+\.\d+\.\d+:\d+ web main (one|two) status=ok bytes_in=\d+ bytes_out=\d+ "
                       r"connect_ms=\S+ duration_ms=\S+ sni=\S*$")
JSON_KEYS = {"time", "client", "service", "group", "host", "status", "bytes_in", "bytes_out", "connect_ms",
             "duration_ms", "sni"}


def check_line(line, form):
    if form == "text":
        assert TEXT_LINE.match(line), line
    else:
        row = json.loads(line)
        assert JSON_KEYS <= set(row) and row["status"] == "ok" and row["service"] == "web", row


@pytest.mark.san_subset
@pytest.mark.parametrize("form", ["text", "json"])
def test_rotated_logs_hold_each_connection_once(daemon, host, load, form):
    hosts, port, rounds = [host("one"), host("two")], free_port(), 20 if SAN else 100
    running = daemon(config(port, hosts, glob=f"access_log = access.log\naccess_format = {form}\nlog = main.log"),
                     workers=2)
    access, main = (os.path.join(running.folder, name) for name in ("access.log", "main.log"))
    assert mode(access) in (0o600, 0o640) and mode(main) in (0o600, 0o640)
    work = load(f"127.0.0.1:{port}", short=scaled_rate(1000))
    for turn in range(rounds):
        so_far = work.stat()["short"]["ok"]
        wait_until(lambda: work.stat()["short"]["ok"] > so_far + 20, what="the load to go on")  # noqa: B023
        os.rename(access, f"{access}.{turn}")
        os.rename(main, f"{main}.{turn}")
        running.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(access) and os.path.exists(main), what="fresh logs")
    figures = work.stop()
    assert_no_loss(figures, 100)
    total = figures["short"]["ok"]
    wait_until(lambda: running.service()["connections_total"] == total, what="every connection to be counted")

    def lines():
        found = []
        for name in [access, *(f"{access}.{turn}" for turn in range(rounds))]:
            with open(name, encoding="utf-8") as file:
                found += file.read().split("\n")[:-1]
        return found

    began = time.monotonic()
    wait_until(lambda: len(lines()) >= total, what="every line to be written")
    assert time.monotonic() - began < 5  # promised: within 1 s of the end
    told = lines()
    assert len(told) == total
    for line in told:
        check_line(line, form)
    for pid in running.pids():  # nobody holds an old log open
        held = [target for target in map(lambda fd, p=pid: os.readlink(f"/proc/{p}/fd/{fd}"), os.listdir(f"/proc/{pid}/fd"))
                if ".log." in target]
        assert not held, (pid, held)
    assert running.running()["access_dropped"] == 0


@pytest.mark.san_subset
def test_logs_that_cannot_be_reopened_are_kept(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="access_log = logs/access.log"), workers=1, start=False)
    running.allow_errors("access.log")
    os.mkdir(os.path.join(running.folder, "logs"))
    running.start()
    access = os.path.join(running.folder, "logs", "access.log")
    visit(port)
    wait_until(lambda: os.path.getsize(access) > 0, what="the first line")
    os.rename(os.path.join(running.folder, "logs"), os.path.join(running.folder, "gone"))
    since = len(running.log_text())
    running.signal(signal.SIGUSR1)
    wait_until(lambda: "access.log" in running.log_text()[since:], what="the failure to be told")
    moved = os.path.join(running.folder, "gone", "access.log")
    size = os.path.getsize(moved)
    visit(port)
    wait_until(lambda: os.path.getsize(moved) > size, what="a line in the kept log")
    os.rename(os.path.join(running.folder, "gone"), os.path.join(running.folder, "logs"))
    running.signal(signal.SIGUSR1)
    visit(port)


# M11: modes


@pytest.mark.san_subset
@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_files_have_their_modes_whatever_the_umask(daemon, host, mask):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="access_log = access.log\nlog = main.log"), workers=1, start=False)
    before = os.umask(mask)
    try:
        running.log = os.path.join(running.folder, "stderr")
        os.umask(before)
        with open(running.log, "ab"):
            pass
        os.umask(mask)
        running.start()
    finally:
        os.umask(before)
    assert mode(running.control) == 0o600
    assert mode(running.pidfile) in (0o600, 0o640, 0o644)
    for name in ("access.log", "main.log"):
        assert mode(os.path.join(running.folder, name)) in (0o600, 0o640), name
    visit(port)


@pytest.mark.san_subset
def test_a_left_over_control_socket_is_replaced_and_anything_else_is_not(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1, start=False)
    with open(running.control, "w", encoding="ascii") as file:
        file.write("precious\n")
    said = gaidaros("-f", "-c", running.file, timeout=20)
    assert said.status in (COULD_NOT_RUN, ERRORS) and running.control in said.err, said
    with open(running.control, encoding="ascii") as file:
        assert file.read() == "precious\n"
    os.unlink(running.control)
    running.start()
    os.kill(running.pid, signal.SIGKILL)
    running.process.wait()
    wait_until(lambda: not running.pids(), what="the orphans to end")
    assert os.path.exists(running.control)
    running.start()
    assert running.healthz() == 200
