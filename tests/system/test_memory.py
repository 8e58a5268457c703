# SPDX-License-Identifier: MIT
"""What an idle connection costs in memory."""

import os

import pytest

import harness
from rig import config, local

pytestmark = pytest.mark.alone

SESSIONS = 5000


def anonymous_bytes(pid):
    """Resident bytes of a process without what it shares: its own memory and its program's pages."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        rows = dict(line.split(":", 1) for line in file)
    return sum(int(rows[key].split()[0]) * 1024 for key in ("RssAnon", "RssFile"))


def segment_bytes(pid):
    """Touched pages of the shared memory that a process has open, each file once, whoever touched them."""
    blocks = {}
    for fd, target in harness.descriptors(pid).items():
        if target.startswith("/memfd:"):
            status = os.stat(f"/proc/{pid}/fd/{fd}")
            blocks[status.st_ino] = status.st_blocks * 512
    assert blocks, "the worker has no shared memory"
    return sum(blocks.values())


def test_an_idle_connection_costs_a_kibibyte(daemon, host, load):
    """5,000 plain connections that have spoken once: worker and segment together."""
    app, address = host("app1", "echo"), local()
    d = daemon(config(address, [app], service="idle_timeout = 1h"), workers=1)
    (worker,) = d.worker_pids()
    harness.assert_no_loss(load(address, long=16, interval=0, duration=0.5).wait(), 16)
    d.settled()
    before = anonymous_bytes(worker), segment_bytes(worker)
    sessions = load(address, long=SESSIONS, interval=0, opening=64)
    harness.wait_until(lambda: sessions.stat()["long_up"] == SESSIONS, 30, "all sessions to be open and at rest")
    after = anonymous_bytes(worker), segment_bytes(worker)
    assert d.service()["connections"] == SESSIONS
    each = (sum(after) - sum(before)) / SESSIONS
    assert each <= 1024, (each, before, after)
    harness.assert_no_loss(sessions.stop(), SESSIONS)
