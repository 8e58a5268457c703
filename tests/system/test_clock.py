# SPDX-License-Identifier: MIT
"""Time limits across the points at which a 32-bit count of milliseconds turns over."""

import time

import pytest

import harness
from rig import Closed, ask_name, config, local, outcomes

AHEAD_S = 4  # how long after its start the daemon's clock turns over


def offset_ns(turn_ms):
    """What to add to the monotonic clock so that it reaches turn_ms in AHEAD_S seconds."""
    return turn_ms * 1000000 - AHEAD_S * 1000000000 - time.monotonic_ns()


@pytest.mark.parametrize("turn_ms", [1 << 31, 1 << 32])
def test_limits_hold_across_the_turn_of_the_clock(daemon, host, turn_ms):
    """O10: idle and life times, queueing, ejection and heartbeats."""
    app, address, other, third = host("app1", "id"), local(), local(), local()
    with Closed("gone") as gone:
        text = config(address, [app], service="idle_timeout = 2s", overall="stuck_timeout = 1s") + f"""
[service bounded]
listen = {other}
group = narrow
lifetime = 3s
[group narrow]
host = app1 {app.address} max_connections=1
queue_timeout = 1500ms
[service retried]
listen = {third}
group = halves
[group halves]
scheduler = first
eject_failures = 1
eject_time = 4s
check = none
host = gone {gone.address}
host = app1 {app.address}
"""
        turn = time.monotonic() + AHEAD_S
        d = daemon(text, workers=2, binary=harness.HOOKS_BIN,
                   env={"GAIDAROS_TEST_CLOCK_OFFSET_NS": str(offset_ns(turn_ms))})
        workers = d.worker_pids()
        harness.wait_until(lambda: time.monotonic() > turn - 1.4, what="the last second before the turn")
        assert ask_name(third) == "app1" and d.host("gone", "retried")["state"] == "ejected"
        ejected = time.monotonic()
        began = time.monotonic()
        idle, living = harness.connect(address), harness.connect(other)
        assert harness.receive_exactly(idle, 5) == harness.receive_exactly(living, 5) == b"app1\n"
        waiting = harness.connect(other)  # the one place of its host is taken
        assert began < turn, "the machine is too slow for this test"
        assert harness.receive_all(waiting)[1] == "reset"
        queued_s = time.monotonic() - began
        living.sendall(b"busy")
        harness.receive_all(idle)
        idle_s = time.monotonic() - began
        harness.receive_all(living)
        living_s = time.monotonic() - began
        assert time.monotonic() > turn + 1
        assert 1.5 <= queued_s <= 1.8 and 2 <= idle_s <= 2.4 and 2.5 <= living_s <= 3.5, (queued_s, idle_s, living_s)
        harness.wait_until(lambda: d.host("gone", "retried")["state"] == "up", 10, "the ejection to end")
        assert 3.9 <= time.monotonic() - ejected <= 5
        for client in (idle, living, waiting):
            client.close()
        d.settled()
        assert outcomes(d) == {"idle": 1} and outcomes(d, "bounded") == {"lifetime": 1, "queue_timeout": 1}
        assert d.worker_pids() == workers and not any(row["restarts"] for row in d.running()["workers"])
