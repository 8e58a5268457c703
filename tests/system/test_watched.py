# SPDX-License-Identifier: MIT
"""What those who watch the daemon from outside see: the service manager, and who looks at its processes."""

import os
import signal
import socket
import time

import pytest

from harness import SESSION, connect, descriptors, free_port, tcp_states, wait_until
from scene import children, config, echo, stop_processes, visit, wait_for_workers

LISTEN = 10


# the service manager


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self):
        self.name = f"gaidaros-test-{SESSION}-{time.monotonic_ns()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{self.name}")
        self.heard = []

    def env(self, watchdog_s):
        return {"NOTIFY_SOCKET": f"@{self.name}", "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}

    def listen(self, seconds=0.0):
        """Takes what has been said, and what is said within so many seconds; returns that as dicts."""
        end, fresh = time.monotonic() + seconds, []
        while True:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                text = self.socket.recv(4096).decode()
            except socket.timeout:
                self.heard += fresh
                return fresh
            fresh.append(dict(line.split("=", 1) for line in text.splitlines()))

    def wait_for(self, key, value, what):
        """Waits for a message that has it; returns the message."""
        def said():
            self.listen(0.05)
            while self.heard:
                message = self.heard.pop(0)
                if message.get(key) == value:
                    return message
            return None
        return wait_until(said, what=what)


@pytest.fixture(name="manager")
def service_manager():
    manager = Manager()
    yield manager
    manager.socket.close()


@pytest.mark.san_subset
def test_the_service_manager_is_told_what_happens(daemon, host, manager):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2, env=manager.env(60))
    ready = manager.wait_for("READY", "1", "READY=1")
    assert ready["MAINPID"] == str(running.pid) and "generation 1" in ready["STATUS"], ready
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    running.reload()
    reloading = manager.wait_for("RELOADING", "1", "RELOADING=1")
    assert before_us <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert "generation 2" in manager.wait_for("READY", "1", "READY=1 after the reload")["STATUS"]
    running.allow_errors(".")
    running.reload("nonsense", ok=False)
    manager.wait_for("RELOADING", "1", "RELOADING=1 for the broken file")
    assert "failed" in manager.wait_for("READY", "1", "READY=1 though the reload failed")["STATUS"]
    running.signal(signal.SIGTERM)
    manager.wait_for("STOPPING", "1", "STOPPING=1")
    assert running.process.wait(20) == 0
    running.stop(settle=False)


@pytest.mark.san_subset
def test_the_watchdog_is_fed_by_a_master_that_works_and_by_no_other(daemon, host, manager):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2, env=manager.env(1))
    for _ in range(3):
        manager.wait_for("WATCHDOG", "1", "the watchdog to be fed")
    stop_processes([running.pid])
    try:
        manager.listen()
        silence = manager.listen(2)  # four times the interval at which it is fed
        visit(port)  # the workers need no master for that
    finally:
        running.signal(signal.SIGCONT)
    assert silence == [], silence
    manager.heard.clear()
    manager.wait_for("WATCHDOG", "1", "the watchdog to be fed again")


def test_children_do_not_speak_to_the_service_manager(daemon, host, manager):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2, env=manager.env(60))
    for pid in running.pids():
        if pid == running.pid:
            continue
        with open(f"/proc/{pid}/environ", "rb") as file:
            names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0")}
        assert not names & {b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"WATCHDOG_PID"}, names


# who looks at the processes

NEEDED = {"chown": 0, "dac_override": 1, "dac_read_search": 2, "kill": 5, "setgid": 6, "setuid": 7, "net_bind_service": 10}


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def listening_inodes(pid):
    """The inodes of the sockets that the process listens on."""
    states = tcp_states()
    found = (target[8:-1] for target in descriptors(pid).values() if target.startswith("socket:"))
    return sorted(inode for inode in found if states.get(inode) == LISTEN)


@pytest.mark.san_subset
def test_a_replaced_worker_has_the_sockets_of_its_slot_and_no_rights(daemon, host):
    one, ports = host("one"), [free_port(), free_port()]
    running = daemon(config(ports, [one]), workers=3)
    running.allow_errors("worker")
    before = {row["id"]: row["pid"] for row in running.running()["workers"]}
    sockets = {slot: listening_inodes(pid) for slot, pid in before.items()}
    assert all(len(inodes) == len(ports) for inodes in sockets.values()), sockets
    assert len(set(sum(sockets.values(), []))) == 3 * len(ports), "each slot has its own"
    for slot in before:
        os.kill(before[slot], signal.SIGKILL)
        wait_until(lambda: {r["id"]: r["pid"] for r in running.running()["workers"]}[slot]  # noqa: B023
                   not in (0, before[slot]), what="another process in the slot")
        wait_for_workers(running, 3)
        now = {row["id"]: row["pid"] for row in running.running()["workers"]}
        # What it had accepted for for a moment is closed a little later.
        wait_until(lambda: {s: listening_inodes(p) for s, p in now.items()} == sockets,  # noqa: B023
                   what="each worker to have the sockets of its slot, no more and no less")
        status = status_of(now[slot])
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapAmb"], 16) == 0, status
        assert status["NoNewPrivs"] == "1", status
        if os.getuid() == 0:
            assert status["Uid"].split() != ["0"] * 4 and "0" not in status["Uid"].split(), status
    for port in ports:
        visit(port)


def test_master_keeps_no_right_but_those_it_needs(daemon, host):
    if os.getuid() != 0:
        pytest.skip("needs root")
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    allowed = sum(1 << bit for bit in NEEDED.values())
    tasks = os.listdir(f"/proc/{running.pid}/task")
    assert len(tasks) >= 2, "the supervisor is a thread"
    for task in tasks:
        status = status_of(f"{running.pid}/task/{task}")
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[kind], 16) & ~allowed == 0, (task, kind, status[kind])


@pytest.mark.san_subset
def test_a_replaced_director_has_no_rights_either(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    running.allow_errors("director")
    (director,) = children(running, "director")
    os.kill(director, signal.SIGKILL)
    wait_until(lambda: children(running, "director") not in ([], [director]) and running.healthz() == 200,
               what="another director to answer")
    (fresh,) = children(running, "director")
    status = status_of(fresh)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1", status
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
