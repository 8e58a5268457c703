# SPDX-License-Identifier: MIT
"""What a start on this machine would fail at, -t says before, with the same words, line and status."""

import os
import select
import socket
import stat
import subprocess
import time

import pytest

import harness
from command import AS_NOBODY, gaidaros, open_to_nobody
from harness import free_port, wait_until
from scene import config, visit

ERRORS = 3

pytestmark = pytest.mark.san_subset


def put(folder, **parts):
    """A file for one host that nobody serves; its path."""
    path = str(folder / "g.conf")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "w", encoding="utf-8") as file:
        file.write(config(free_port(), [], group="host = a 127.0.0.1:9", **parts))
    return path


def line_of(path, beginning):
    with open(path, encoding="utf-8") as file:
        return next(n for n, line in enumerate(file, 1) if line.startswith(beginning))


def assert_refused_alike(path, key, words, wrap=()):
    """-t and a start end with status 3 and say the same, at the line of the key."""
    told = []
    for how in ("-t", "-f"):
        said = gaidaros("-c", path, how, wrap=wrap, timeout=30)
        assert said.status == ERRORS, said
        told.append([line for line in said.lines if line.startswith(f"{path}:{line_of(path, key)}: [")])
        assert len(told[-1]) == 1 and words in told[-1][0], said
    assert told[0] == told[1]


@pytest.mark.parametrize("poller", ["epoll", "linuxaio", "iouring", "poll", "select"])
def test_a_poller_that_cannot_be_had_is_refused(folder, daemon, host, poller):
    """One that passes -t serves; one that does not is refused at the start, and never tried again for ever."""
    path = put(folder, glob=f"poller = {poller}")
    said = gaidaros("-c", path, "-t")
    if said.status == 0:
        one, port = host("one"), free_port()
        daemon(config(port, [one], glob=f"poller = {poller}"), workers=1)
        visit(port)
        return
    assert poller not in ("epoll", "poll", "select"), said
    assert_refused_alike(path, "poller", poller)


def test_a_reload_to_such_a_poller_is_refused(folder, daemon, host):
    if gaidaros("-c", put(folder, glob="poller = linuxaio"), "-t").status == 0:
        return  # this kernel and libev offer it
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    running.allow_errors("poller|reload failed")
    running.reload(config(port, [one], glob="poller = linuxaio"), ok=False)
    line = line_of(running.file, "poller")
    assert running.log_lines(rf"{running.file}:{line}: \[global\] poller: "), running.log_text()


def test_max_connections_beyond_the_descriptors(folder):
    if not open_to_nobody(folder):
        pytest.skip("needs root and a binary that nobody may run: root raises the limit")
    path = put(folder, glob="workers = 1\nmax_connections = 5000")
    assert_refused_alike(path, "max_connections", "5000 needs 1", wrap=("prlimit", "--nofile=500:500", *AS_NOBODY))


def test_no_connection_fits_in_the_descriptors(folder):
    if not open_to_nobody(folder):
        pytest.skip("needs root and a binary that nobody may run: root raises the limit")
    path = put(folder, glob="workers = 1")
    for how in ("-t", "-f"):
        said = gaidaros("-c", path, how, wrap=("prlimit", "--nofile=24:24", *AS_NOBODY), timeout=30)
        assert said.status == ERRORS and f"{path}: [global] max_connections: no connection fits" in said.err, said


def test_max_connections_beyond_what_a_worker_holds(folder):
    assert_refused_alike(put(folder, glob="max_connections = 131073"), "max_connections", "131072")


@pytest.mark.parametrize("key,kind,words", [
    ("control", "file", "not a socket"), ("control", "fifo", "not a socket"), ("pidfile", "fifo", "not a regular file"),
    ("pidfile", "hard link", "more than one name"), ("log", "socket", "neither a file nor a fifo"),
    ("access_log", "socket", "neither a file nor a fifo"),
])
def test_what_is_there_already_must_fit(folder, key, kind, words):
    target = folder / "target"
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(target))
    else:
        target.write_text("precious\n")
        if kind == "hard link":
            os.link(target, folder / "other")
    before = os.lstat(target)
    assert_refused_alike(put(folder, glob=f"{key} = {target}"), key, words)
    after = os.lstat(target)
    assert (before.st_ino, before.st_size, before.st_mode) == (after.st_ino, after.st_size, after.st_mode)


def test_more_addresses_of_the_page_than_there_is_room_for(folder):
    doors = "".join(f"listen = 127.0.0.1:{free_port()}\n" for _ in range(33))
    path = put(folder, admin=doors)
    for how in ("-t", "-f"):
        said = gaidaros("-c", path, how, timeout=30)
        assert said.status == ERRORS and "[admin] listen: 33 addresses are more than 32" in said.err, said


# Logs


def test_a_log_that_cannot_be_opened_is_told_with_its_line(daemon, host, folder):
    """At a reload; the old configuration and its logs go on, and so does the next good one."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    running.allow_errors("log|reload failed")
    os.mkdir(folder / "elsewhere")
    for key in ("log", "access_log"):
        running.reload(config(port, [one], glob=f"{key} = {folder}/elsewhere"), ok=False)
        line = line_of(running.file, key)
        assert running.log_lines(rf"{running.file}:{line}: \[global\] {key}: {folder}/elsewhere is a folder")
    running.reload(config(port, [one]))
    visit(port)


@pytest.mark.parametrize("key", ["log", "access_log"])
def test_a_fifo_without_a_reader_slows_nothing(daemon, host, folder, key):
    """It fills, then lines are dropped and counted; a reader that comes gets whole lines; reopening goes on."""
    one, port, fifo = host("one"), free_port(), folder / "fifo"
    os.mkfifo(fifo)
    os.chmod(fifo, 0o600)
    more = "\nlog_level = debug" if key == "log" else ""
    running = daemon(config(port, [one], glob=f"{key} = {fifo}{more}"), workers=2)
    assert gaidaros("-c", running.file, "-t").status == 0
    for _ in range(50):
        visit(port)
    running.settled()
    assert stat.S_ISFIFO(os.lstat(fifo).st_mode)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        got, ending = b"", time.monotonic() + 20
        wanted = 50 if key == "access_log" else 1
        while got.count(b"\n") < wanted and time.monotonic() < ending:
            select.select([reader], [], [], 1)
            with open(os.dup(reader), "rb", buffering=0) as file:
                got += file.read(65536) or b""
        assert got.count(b"\n") >= wanted
        assert key == "log" or all(line.endswith(b" sni=-") for line in got.split(b"\n")[:-1]), got
    finally:
        os.close(reader)
    running.reload()
    visit(port)


def test_a_full_fifo_drops_lines_and_counts_them(daemon, host, load, folder):
    one, port, fifo = host("one"), free_port(), folder / "fifo"
    os.mkfifo(fifo)
    os.chmod(fifo, 0o600)
    # Its writer is held: what cannot be written waits in the pipe before it, and drops once that is full too.
    running = daemon(config(port, [one], glob=f"access_log = {fifo}"), workers=1)
    work = load(f"127.0.0.1:{port}", short=2000)
    wait_until(lambda: running.running()["access_dropped"] > 0, 120, "the pipe and the fifo to be full")
    figures = work.stop()
    assert figures["short"]["lost_total"] == 0, figures
    running.settled()
    # With a reader again lines arrive again.
    told = folder / "told"
    with open(told, "wb") as out, subprocess.Popen(["cat", fifo], stdout=out) as reader:
        def is_told():
            with harness.connect(f"127.0.0.1:{port}", source="127.0.0.9") as client:
                client.shutdown(socket.SHUT_WR)
                harness.receive_all(client)
            return b"127.0.0.9:" in told.read_bytes()
        try:
            wait_until(is_told, what="a line that came after the reader")
        finally:
            reader.kill()


def test_a_daemon_in_the_background_does_not_log_to_nowhere(folder, host):
    """Its standard error leads nowhere: -t and the start say so, and its lines go to syslog."""
    one, port = host("one"), free_port()
    path = str(folder / "g.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config(port, [one], glob=f"workers = 1\ndaemon = yes\npidfile = {folder}/x.pid\ncontrol ="))
    warning = f"{path}:{line_of(path, 'daemon')}: [global] log: stderr leads nowhere"
    said = gaidaros("-c", path, "-t")
    assert said.status == 0 and warning in said.err and "syslog" in said.err, said
    assert warning not in gaidaros("-c", path, "-t", "-f").err
    assert warning not in gaidaros("-c", path, "-t", "-L", str(folder / "log")).err
    said = gaidaros("-c", path, timeout=30)
    try:
        assert said.status == 0 and warning in said.err, said
        visit(port)
        with open(folder / "x.pid", encoding="ascii") as file:
            pid = int(file.read())
        assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
    finally:
        assert gaidaros("-c", path, "-s", "stop", timeout=30).status == 0
