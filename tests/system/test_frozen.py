# SPDX-License-Identifier: MIT
"""D13: the director dies or stands still: what was known of the hosts stays, service goes on, another one carries on."""

import os
import signal
import time

import pytest

import harness
from checkhost import CheckHost
from rig import ask_name, config, local
from scene import children, continue_processes, stop_processes

RISE = 3


class Watched:
    """Three hosts behind doors of their own for checks: two up, the first down; a daemon before them."""

    def __init__(self, daemon, host, workers):
        self.doors = [CheckHost(says, f"door{n}") for n, says in enumerate(["bad", "ok", "ok"])]
        self.apps, self.address = [host(f"app{n}", "id") for n in range(3)], local()
        lines = [(app, f"check={door.address}") for app, door in zip(self.apps, self.doors)]
        self.d = daemon(config(self.address, lines, group="check = http /\ncheck_interval = 200ms\n"
                               f"check_timeout = 150ms\nrise = {RISE}\nfall = 2"), workers=workers)
        self.wait_state("app0", "down")

    def wait_state(self, name, state):
        harness.wait_until(lambda: self.d.host(name)["state"] == state, what=f"{name} to be {state}")

    def director(self):
        found = children(self.d, "director")
        return found[0] if found else None

    def names(self, count=10):
        return {ask_name(self.address) for _ in range(count)}

    def changes(self, name):
        return self.d.log_lines(rf"host main/{name} is (down|up)")

    def close(self):
        for door in self.doors:
            door.close()


@pytest.fixture
def watched(daemon, host):
    made = []

    def make(workers=2):
        made.append(Watched(daemon, host, workers))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.mark.alone
def test_a_killed_director_is_replaced_within_a_second(watched):
    one = watched()
    for _ in range(3):
        old = one.director()
        began = time.monotonic()
        os.kill(old, signal.SIGKILL)
        harness.wait_until(lambda: one.director() not in (None, old) and one.d.healthz() == 200,  # noqa: B023
                           what="another director to answer")
        assert time.monotonic() - began < 1
        counts = [door.count() for door in one.doors]
        harness.wait_until(lambda: all(door.count() > n for door, n in zip(one.doors, counts)),  # noqa: B023
                           what="it to check every host")
    assert one.d.running()["director_restarts"] == 3


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_states_outlive_the_director(watched, workers):
    """What was down needs its rise from the next one, what was up its fall; nobody notices meanwhile."""
    one = watched(workers)
    old = one.director()
    since = {app.name: one.d.host(app.name)["since"] for app in one.apps}
    os.kill(old, signal.SIGKILL)
    assert one.names() == {"app1", "app2"}
    harness.wait_until(lambda: one.director() not in (None, old) and one.d.healthz() == 200, what="another director")
    assert {app.name: one.d.host(app.name)["since"] for app in one.apps} == since
    assert [one.d.host(app.name)["state"] for app in one.apps] == ["down", "up", "up"]
    assert one.names() == {"app1", "app2"}
    assert len(one.changes("app0")) == 1 and one.changes("app1") == one.changes("app2") == []
    count = one.doors[0].count()
    one.doors[0].says = ["ok"] * (RISE - 1) + ["bad", "ok"]
    one.wait_state("app0", "up")
    assert one.doors[0].count() >= count + 2 * RISE, "the failure in between begins the count anew"
    one.doors[1].says = "bad"
    one.wait_state("app1", "down")
    assert one.names() == {"app0", "app2"}


@pytest.mark.san_subset
@pytest.mark.parametrize("after", ["goes on", "is killed"])
def test_a_director_that_stands_still_changes_nothing(watched, after):
    """Hosts change while nobody looks: service as it was, no verdict from what was missed; then the truth by the rules."""
    one = watched()
    old = one.director()
    stop_processes([old])
    one.doors[0].says, one.doors[1].says = "ok", "bad"
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert ask_name(one.address) in ("app1", "app2")
    counts = [door.count() for door in one.doors]
    if after == "goes on":
        continue_processes([old])
    else:
        os.kill(old, signal.SIGKILL)
        harness.wait_until(lambda: one.director() not in (None, old) and one.d.healthz() == 200, what="another director")
    one.wait_state("app0", "up")
    one.wait_state("app1", "down")
    assert one.doors[0].count() >= counts[0] + RISE and one.doors[1].count() >= counts[1] + 2
    assert one.d.host("app2")["state"] == "up" and one.changes("app2") == []
    assert one.names() == {"app0", "app2"}
