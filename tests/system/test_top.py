# SPDX-License-Identifier: MIT
"""gaidarosctl top: plain into a pipe, a view with keys on a terminal, which is left as it was."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from command import CTL, gaidarosctl
from harness import connect, free_port, wait_until
from rig import Closed
from scene import children, config, continue_processes, echo, stop_processes

pytestmark = pytest.mark.san_subset


@pytest.fixture
def web(daemon, host):
    port = free_port()
    with Closed("dead") as dead:
        yield daemon(config(port, [host("one"), host("two"), dead], group="check = tcp\ncheck_interval = 200ms"), workers=1), port


def test_a_pipe_gets_plain_blocks(web):
    running, port = web
    wait_until(lambda: running.host("dead")["state"] == "down", what="the host to be down")
    clients = [connect(f"127.0.0.1:{port}") for _ in range(4)]
    for client in clients:
        echo(client)
    said = gaidarosctl(running, "top", "-n", "2", "-d", "0.3")
    assert said.status == 0 and "\x1b" not in said.out
    blocks = said.out.split("gaidaros ")[1:]
    assert len(blocks) == 2
    hosts = re.findall(r"(?m)^(one|two|dead) +web/main +(\w+) +1 +(\d+)", blocks[1])
    assert hosts[0] == ("dead", "down", "0"), "what fails comes first"
    assert sorted(hosts[1:]) == [("one", "up", "2"), ("two", "up", "2")]
    assert re.search(r"(?m)^web +4 ", blocks[1])
    for client in clients:
        client.close()


def test_wrong_words_and_no_daemon(web):
    running, _ = web
    for words in (["-d"], ["-d", "0"], ["-d", "x"], ["-x", "1"], ["web"]):
        assert gaidarosctl(running, "top", *words).status == 2, words
    done = subprocess.run([CTL, "-s", "/nonexistent", "top", "-n", "1"], capture_output=True, check=False)
    assert done.returncode == 3


class Terminal:
    """top on a terminal of 24 lines."""

    def __init__(self, running, rows=24, columns=100):
        self.leader, follower = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(follower)
        self.process = subprocess.Popen([CTL, "-s", running.control, "top", "-d", "0.2"], stdin=follower, stdout=follower,
                                        stderr=subprocess.PIPE)
        self.follower, self.seen = follower, b""

    def wait_for(self, words):
        end = time.monotonic() + 20
        while words not in self.seen:
            assert time.monotonic() < end, (words, self.seen[-2000:])
            if select.select([self.leader], [], [], 0.1)[0]:
                self.seen += os.read(self.leader, 65536)

    def press(self, keys):
        self.seen = b""
        os.write(self.leader, keys)

    def resize(self, rows, columns):
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ended(self):
        """The exit status; the terminal is as it was."""
        self.wait_for(b"\x1b[?25h\x1b[?1049l")
        status = self.process.wait(20)
        assert termios.tcgetattr(self.follower)[3] == self.before[3]
        os.close(self.leader)
        os.close(self.follower)
        self.process.stderr.close()
        return status


def test_keys_do_what_they_say(web):
    running, _ = web
    terminal = Terminal(running)
    terminal.wait_for(b"\x1b[?1049h")
    terminal.wait_for(b"hosts by need")
    terminal.press(b"s")
    terminal.wait_for(b"hosts by open")
    terminal.press(b"s")
    terminal.wait_for(b"hosts by name")
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_what_does_not_fit_is_scrolled_to(web):
    running, _ = web
    terminal = Terminal(running, rows=6)
    terminal.wait_for(b"SERVICE")
    assert b"WORKER" not in terminal.seen
    terminal.press(b"\x1b[6~\x1b[6~\x1b[6~")
    terminal.wait_for(b"WORKER")
    terminal.press(b"\x1b[H")
    terminal.wait_for(b"SERVICE")
    terminal.press(b"q")
    assert terminal.ended() == 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(web, by):
    running, _ = web
    terminal = Terminal(running)
    terminal.wait_for(b"hosts by")
    terminal.process.send_signal(by)
    assert terminal.ended() == 0


def test_the_end_of_the_daemon_leaves_the_terminal_as_it_was(web):
    running, _ = web
    terminal = Terminal(running)
    terminal.wait_for(b"hosts by")
    running.stop()
    assert terminal.ended() == 3


def test_a_filter_leaves_the_hosts_that_are_meant(web):
    running, _ = web
    terminal = Terminal(running)
    terminal.wait_for(b"two ")
    terminal.press(b"/twx\x7fo")
    terminal.wait_for(b"show hosts with: two_")
    terminal.press(b"\r")
    terminal.wait_for(b"hosts by need, with two")
    terminal.wait_for(b"WORKER")
    last = terminal.seen[terminal.seen.rindex(b"HOST "):]
    assert b"two " in last and b"one " not in last and b"dead " not in last
    terminal.press(b"\x1b")
    terminal.wait_for(b"one ")
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_a_pause_is_shown_and_ended(web):
    running, _ = web
    terminal = Terminal(running)
    terminal.wait_for(b"hosts by")
    terminal.press(b"p")
    terminal.wait_for(b"; paused")
    terminal.press(b"ps")
    terminal.wait_for(b"hosts by open")
    terminal.wait_for(b"WORKER")
    assert b"; paused" not in terminal.seen
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_the_screen_follows_its_terminal(web):
    running, _ = web
    terminal = Terminal(running, rows=5, columns=40)
    terminal.wait_for(b"SERVICE")
    lines = re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]", b"", re.sub(rb"\x1b\[[0-9;]*H", b"\r\n", terminal.seen)).split(b"\r\n")
    assert max(len(line.strip(b"\r")) for line in lines) == 40 and b"WORKER" not in terminal.seen
    terminal.seen = b""
    terminal.resize(40, 120)
    terminal.process.send_signal(signal.SIGWINCH)  # it is not this terminal's foreground group
    terminal.wait_for(b"WORKER")
    terminal.press(b"q")
    assert terminal.ended() == 0


def test_keys_are_heard_while_the_daemon_hangs(daemon, host):
    """It would be waited for two minutes, and nobody replaces the director meanwhile."""
    running = daemon(config(free_port(), [host("one")], glob="stuck_timeout = 1h"), workers=1)
    terminal = Terminal(running)
    terminal.wait_for(b"hosts by")
    director = children(running, "director")
    stop_processes(director)
    try:
        terminal.press(b"s")
        terminal.wait_for(b"hosts by open")
        terminal.press(b"q")
        assert terminal.ended() == 0
    finally:
        continue_processes(director)


def test_a_pipe_that_nobody_reads_ends_it(web):
    running, _ = web
    process = subprocess.Popen([CTL, "-s", running.control, "top", "-d", "0.1"], stdout=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"gaidaros ")
    process.stdout.close()
    assert process.wait(30) != 0
