# SPDX-License-Identifier: MIT
"""Long runs (P1, P2, P5): nothing grows, nothing is lost but what a killed worker held, every line is counted.

GAIDAROS_SOAK_S is how long each takes, 600 s where it is not set; a night wants 28800.
"""

import os
import signal
import time

import pytest

from harness import ROOT, assert_no_loss, cpu_s, free_port, wait_until
from scene import children, config

pytestmark = pytest.mark.soak
SECONDS = int(os.environ.get("GAIDAROS_SOAK_S", "600"))
SAN_BIN = os.path.join(ROOT, "build", "san", "gaidaros")


class Scene:
    """A daemon with two groups, hosts that come and go, logs, and a load on it."""

    def __init__(self, daemon, host, load, rate, **options):
        self.hosts = [host(f"app{n}") for n in range(4)]
        self.listen = free_port()
        self.running = daemon(self.text(0), workers=2, **options)
        self.running.edited, self.running.pooled = 1, 8
        self.load = load(f"127.0.0.1:{self.listen}", short=rate, long=50, interval=500)
        self.reloads = 0

    def text(self, turn):
        """A configuration; each turn has another one."""
        return config(self.listen, self.hosts, glob="access_log = access.log\naccess_format = json",
                      service=f"idle_timeout = {300 + turn % 7}s\nstandby = spare",
                      group=f"scheduler = {['roundrobin', 'leastconn', 'maglev'][turn % 3]}\nsticky = source 1m\n"
                            "check = tcp\ncheck_interval = 500ms\npool = 2",
                      tail=f"[group spare]\nhost = s {self.hosts[0].address}\n")

    def turn(self):
        """What an operator does now and then."""
        self.reloads += 1
        self.running.reload(self.text(self.reloads))
        for name in ("app1", "app2"):
            for call in ("hostDrain", "hostAdminUp"):
                answer = self.running.http("POST", f"/api/{call}", f"service=web&group=main&name={name}",
                                           {"Content-Type": "application/x-www-form-urlencoded"})
                assert answer.status == 200, answer.text
        for path in ("/", "/running.json", "/metrics", "/connections", "/config/diff"):
            assert self.running.http("GET", path).status == 200

    def sizes(self):
        """{process: (resident bytes, descriptors)}; a replaced one is another process."""
        return {pid: (self.running.rss(pid), len(os.listdir(f"/proc/{pid}/fd"))) for pid in self.running.pids()}


def run(scene, seconds, every_s, on_turn=lambda: None):
    """Turns of an operator for so long; returns the sizes after a quarter of the time and at its end."""
    begun = time.monotonic()
    early, due = {}, begun
    while time.monotonic() < begun + seconds:
        due += every_s
        wait_until(lambda: time.monotonic() >= due, every_s + 60, "the next turn", 0.2)
        scene.turn()
        on_turn()
        if not early and time.monotonic() > begun + seconds / 4:
            early = scene.sizes()
    return early, scene.sizes()


def assert_flat(early, late):
    """Of processes that lived all the time: 1 MiB is what an allocator may keep, not what a leak needs at this rate."""
    assert set(early) & set(late)
    for pid in set(early) & set(late):
        assert late[pid][0] - early[pid][0] < 1 << 20, (pid, early[pid], late[pid])
        assert abs(late[pid][1] - early[pid][1]) < 60, (pid, early[pid], late[pid])


def assert_counted(running):
    running.settled()
    state = running.running()
    total = state["services"][0]["connections_total"]
    assert state["access_lines"] + state["access_dropped"] == total and state["access_dropped"] == 0, state
    with open(os.path.join(running.folder, "access.log"), "rb") as file:
        assert sum(1 for _ in file) == total


def test_p1_nothing_grows_and_nothing_is_lost(daemon, host, load):
    scene = Scene(daemon, host, load, 500)
    early, late = run(scene, SECONDS, min(10, SECONDS / 20))
    assert_no_loss(scene.load.stop())
    assert_flat(early, late)
    assert_counted(scene.running)


def test_p1_killed_workers_take_theirs_alone(daemon, host, load):
    scene = Scene(daemon, host, load, 500)
    kills = []

    def kill():
        if len(kills) * SECONDS / 10 > scene.reloads * min(10, SECONDS / 20):
            return
        victim = children(scene.running, "worker")[len(kills) % 2]
        kills.append(victim)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in children(scene.running, "worker") and len(children(scene.running, "worker")) == 2,
                   what="a new worker")

    run(scene, SECONDS, min(10, SECONDS / 20), kill)
    figures = scene.load.stop()
    assert len(kills) >= 5 and figures["short"]["ok"] > SECONDS * 200
    # At most what a worker holds at a time: 25 long sessions, and short ones on their way.
    for part, most in (("short", 30), ("long", 50)):
        assert figures[part]["lost_total"] <= most * len(kills), figures
    scene.running.settled()
    assert sum(worker["restarts"] for worker in scene.running.running()["workers"]) == len(kills)


def test_p2_the_sanitizers_have_nothing_to_say(daemon, host, load):
    scene = Scene(daemon, host, load, 150, binary=SAN_BIN)
    run(scene, SECONDS / 2, min(10, SECONDS / 20))
    figures = scene.load.stop()
    assert figures["short"]["lost_total"] == 0, figures


def test_p5_a_million_connections_in_a_worker_s_life(daemon, host, load):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    (worker,) = children(running, "worker")
    load(f"127.0.0.1:{port}", count=20000, parallel=32, size=64).wait()
    before, spent = running.rss(worker), cpu_s(worker)
    count = 1000000 if SECONDS >= 600 else 100000
    figures = load(f"127.0.0.1:{port}", count=count, parallel=32, size=64).wait(3600)
    assert_no_loss(figures, count)
    assert running.rss(worker) - before < 1 << 20
    assert cpu_s(worker) - spent > 0 and running.service()["connections_total"] == count + 20000
