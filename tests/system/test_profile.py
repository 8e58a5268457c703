# SPDX-License-Identifier: MIT
"""Where each worker's loop spends its time (item 8 of the doors)."""

import http.client
import os
import signal
import socket
import threading
import time

import pytest

from harness import connect, free_port, wait_until
from scene import children, config, continue_processes, echo, stop_processes

pytestmark = pytest.mark.san_subset

PHASES = {"loop", "accept", "proxy", "hello", "starttls", "handshake", "ocsp", "queue", "connect", "relay", "closing", "sorry", "limits", "bell", "log", "other"}


class Asked:
    """One GET in a thread of its own, so that others can be asked meanwhile."""

    def __init__(self, running, path):
        self.answer = None
        self.thread = threading.Thread(target=self.ask, args=(running, path))
        self.thread.start()

    def ask(self, running, path):
        try:
            self.answer = running.http("GET", path, timeout=80)
        except (OSError, http.client.HTTPException) as broken:
            self.answer = broken

    def wait(self):
        self.thread.join(90)  # the longest profile, and a busy machine
        assert not self.thread.is_alive(), "no answer"
        return self.answer

    def rows(self):
        answer = self.wait()
        assert answer.status == 200, answer
        return answer.json()["workers"]


def profile(running, seconds):
    return Asked(running, f"/profile?seconds={seconds}").rows()


def assert_whole(row):
    assert set(row["phases"]) == PHASES
    assert all(share >= 0 for share in (row["wait_pct"], *row["phases"].values())), row
    assert abs(row["wait_pct"] + sum(row["phases"].values()) - 100) <= 1, row


def is_under_way(running):
    """Whether a second one is refused; when not, it was done."""
    return running.http("GET", "/profile?seconds=1").status == 409


def begin(running, seconds):
    """One that is under way."""
    while True:
        asked = Asked(running, f"/profile?seconds={seconds}")
        if is_under_way(running):
            return asked
        asked.wait()  # the question came before it


@pytest.mark.parametrize("workers", [1, 4])
def test_an_idle_worker_waits(daemon, host, workers):
    running = daemon(config(free_port(), [host("one")]), workers=workers)
    answer = running.http("GET", "/profile?seconds=2")
    assert answer.status == 200 and answer.json()["seconds"] == 2
    rows = answer.json()["workers"]
    assert sorted(row["id"] for row in rows) == list(range(workers))
    assert {row["pid"] for row in rows} == set(children(running, "worker"))
    for row in rows:
        assert_whole(row)
        assert row["wait_pct"] > 50, "of an idle worker"


def test_work_is_told_by_phase(daemon, host, load):
    port = free_port()
    running = daemon(config(port, [host("one")], glob="access_log = access.log"), workers=1)
    work = load(f"127.0.0.1:{port}", parallel=8)
    (busy,) = profile(running, 2)
    work.stop()
    (idle,) = profile(running, 1)
    assert_whole(busy)
    assert_whole(idle)
    assert busy["wait_pct"] < idle["wait_pct"], "load is seen"
    for phase in ("accept", "connect", "relay", "closing", "log", "loop"):
        assert busy["phases"][phase] > 0, phase
        assert busy["phases"][phase] > idle["phases"][phase], phase
    assert busy["phases"]["queue"] == busy["phases"]["sorry"] == 0, "nobody waited, nobody was told sorry"


def test_one_at_a_time_and_others_are_answered(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one")]), workers=2)
    asked = begin(running, 3)
    assert "one at a time" in running.http("GET", "/profile").json()["error"]
    assert running.healthz() == 200
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
        (row,) = running.http("GET", "/connections").json()["connections"]
        assert running.http("GET", f"/connections/{row['id']}").status == 200
        assert asked.answer is None, "these were answered while it was under way"
    for row in asked.rows():
        assert_whole(row)
    for row in profile(running, 1):
        assert_whole(row)


@pytest.mark.parametrize("query", ["?seconds=0", "?seconds=61", "?seconds=-1", "?seconds=x", "?seconds=", "?seconds=1.5",
                                   "?seconds=18446744073709551617", "?seconds=1&worker=0", "?second=1"])
def test_bad_questions_are_refused(daemon, host, query):
    running = daemon(config(free_port(), [host("one")]), workers=1)
    answer = running.http("GET", "/profile" + query)
    assert answer.status == 400 and answer.json()["ok"] is False
    assert running.http("POST", "/profile").status == 405
    assert running.http("GET", "/profile/1").status == 404


def test_a_worker_that_dies_is_told_as_such(daemon, host):
    running = daemon(config(free_port(), [host("one")]), workers=2)
    pids = running.worker_pids()
    asked = begin(running, 3)
    os.kill(pids[1], signal.SIGKILL)
    wait_until(lambda: running.worker_pids()[1] not in (0, pids[1]), what="it to be replaced")
    fresh = running.worker_pids()[1]
    rows = {(row["id"], row["pid"]): row for row in asked.rows()}
    assert rows[1, pids[1]]["note"] == "ended meanwhile" and "phases" not in rows[1, pids[1]]
    assert rows[1, fresh]["note"] == "started meanwhile" and "phases" not in rows[1, fresh]
    assert_whole(rows[0, pids[0]])
    assert len(rows) == 3


def test_a_stopped_worker_is_told_as_such(daemon, host):
    running = daemon(config(free_port(), [host("one")], glob="stuck_timeout = 60s"), workers=2)
    pid = running.worker_pids()[1]
    stop_processes([pid])
    try:
        rows = {row["id"]: row for row in profile(running, 1)}
    finally:
        continue_processes([pid])
    assert rows[1]["note"] == "does not answer" and "phases" not in rows[1]
    assert_whole(rows[0])
    for row in profile(running, 1):
        assert_whole(row)


def test_who_asked_may_leave(daemon, host):
    running = daemon(config(free_port(), [host("one")]), workers=1)
    was_under_way = False
    while not was_under_way:
        with socket.socket(socket.AF_UNIX) as gone:
            gone.connect(running.control)
            gone.sendall(b"GET /profile?seconds=2 HTTP/1.1\r\nHost: x\r\n\r\n")
            was_under_way = is_under_way(running)
    wait_until(lambda: not is_under_way(running), 30, "it to be over")
    assert running.healthz() == 200


def test_a_director_that_dies_leaves_no_profile_behind(daemon, host):
    running = daemon(config(free_port(), [host("one")]), workers=2)
    asked = begin(running, 60)
    began = time.monotonic()
    (director,) = children(running, "director")
    os.kill(director, signal.SIGKILL)
    asked.wait()
    assert time.monotonic() - began < 50, "nobody waits for what will not come"
    wait_until(lambda: children(running, "director") not in ([], [director]), what="it to be replaced")

    def answered():
        try:
            return running.http("GET", "/profile?seconds=1").status == 200
        except (OSError, http.client.HTTPException):
            return False

    wait_until(answered, 30, "the next director to profile")
    for row in profile(running, 1):
        assert_whole(row)
