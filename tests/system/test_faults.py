# SPDX-License-Identifier: MIT
"""Killed, stopped, hung and crashing processes cost their own connections and nothing else (G1-G3, G5-G7, G11-G14)."""

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from command import open_to_nobody
from harness import HOOKS_BIN, SAN, assert_no_loss, child_env, connect, free_port, process_alive, scaled_rate, wait_until
from scene import (children, config, continue_processes, echo, established, full_load, listening,
                   stop_processes, visit, wait_for_workers, workers_up)

QUICK = "adopt_timeout = 300ms\nstuck_timeout = 2s\n"
PATIENT = "adopt_timeout = 20s\nstuck_timeout = 60s\n"
SPIN, DEADLOCK = signal.SIGRTMIN, signal.SIGRTMIN + 1


def row_of(running, slot):
    return next(row for row in running.running()["workers"] if row["id"] == slot)


def wait_for_replacement(running, slot, old_pid, timeout=20):
    """Waits until another process is up in the slot; returns its row."""
    def is_replaced():
        row = row_of(running, slot)
        return row if row["pid"] not in (0, old_pid) and row["state"] == "up" else None
    return wait_until(is_replaced, timeout, f"worker {slot} to be replaced")


def kill_slot(running, slot):
    """SIGKILL; returns when the worker has been replaced, with the seconds that it took."""
    pid = row_of(running, slot)["pid"]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    wait_for_replacement(running, slot, pid)
    return time.monotonic() - began


# G1, G7: killed


@full_load
def test_a_killed_worker_costs_exactly_its_own_sessions(daemon, host, load):
    one, long_port, short_port = host("one"), free_port(), free_port()
    running = daemon(config([long_port, short_port], [one], glob="workers = 4"))
    running.allow_errors("worker")
    total = 40 if SAN else 200
    longs = load(f"127.0.0.1:{long_port}", long=total, interval=50)
    shorts = load(f"127.0.0.1:{short_port}", short=scaled_rate(2000))
    wait_until(lambda: longs.stat()["long_up"] == total, what="all long sessions to be up")
    lost, slowest = 0, 0.0
    for turn in range(20):
        slot = turn % 4
        row = row_of(running, slot)
        held = established(long_port).get(row["pid"], 0)
        assert held <= row["connections"], (held, row)
        slowest = max(slowest, kill_slot(running, slot))
        lost += held
        wait_until(lambda: longs.stat()["long"]["lost_total"] >= lost, what="the lost sessions to be seen")  # noqa: B023
        assert longs.stat()["long"]["lost_total"] == lost, (turn, held, longs.stat())
        assert row_of(running, slot)["restarts"] == turn // 4 + 1
        assert listening(long_port) == listening(short_port) == 4
    assert slowest < 2, slowest  # promised: 250 ms on a machine of its own
    figures = shorts.stop()["short"]
    # Short ones live about a millisecond: what was in flight in the killed workers, never a refused or hung one.
    assert figures["lost"]["refused"] == figures["lost"]["hung"] == figures["lost"]["corrupt"] == 0, figures
    assert figures["lost_total"] <= 20 * 30, figures
    survived = longs.stop()["long"]
    assert survived["ok"] == total - lost and survived["lost"]["hung"] == 0, survived
    wait_for_workers(running, 4)


@pytest.mark.san_subset
@pytest.mark.parametrize("which", ["one", "all"])
def test_clients_in_the_queue_of_killed_workers_are_served(daemon, host, which):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=PATIENT), workers=4)
    running.allow_errors("worker")
    for turn in range(3):
        pids = running.worker_pids()
        stopped = pids[turn % 4:turn % 4 + 1] if which == "one" else pids
        stop_processes(stopped)
        clients = [connect(f"127.0.0.1:{port}") for _ in range(80)]
        for client in clients:
            client.sendall(b"queued")
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        for client in clients:
            assert client.recv(100) == b"queued"
            echo(client)
            client.close()
        wait_for_workers(running, 4)
        assert listening(port) == 4


@pytest.mark.san_subset
def test_clients_that_come_when_all_workers_are_killed_are_served(daemon, host, load):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=4)
    running.allow_errors("worker")
    worst = 0.0
    for _ in range(5):
        for pid in running.worker_pids():
            os.kill(pid, signal.SIGKILL)
        figures = load(f"127.0.0.1:{port}", short=scaled_rate(500), duration=1).wait()
        assert_no_loss(figures, 100)
        worst = max(worst, figures["short"]["max_ms"])
        wait_for_workers(running, 4)
    assert worst < (4000 if SAN else 2000), worst  # promised: 500 ms on a machine of its own


# G2, G3: stuck


@pytest.mark.san_subset
@pytest.mark.parametrize("how", ["stopped", "spinning", "deadlocked"])
def test_a_stuck_worker_is_found_and_replaced(daemon, host, load, how):
    number = {"stopped": signal.SIGSTOP, "spinning": SPIN, "deadlocked": DEADLOCK}[how]
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK), workers=3, binary=None if how == "stopped" else HOOKS_BIN)
    running.allow_errors("worker")
    before = running.running()["workers"]
    session = {row["id"]: [] for row in before}
    by_pid = {row["pid"]: row["id"] for row in before}
    while not all(session.values()):  # a session in each worker
        client = connect(f"127.0.0.1:{port}")
        echo(client)
        at = f"127.0.0.1:{client.getsockname()[1]}"
        owner = subprocess.run(["ss", "-Htnp", "state", "established", f"sport = :{port} and dst = {at}"],
                               stdout=subprocess.PIPE, check=True).stdout.decode()
        session[next(slot for pid, slot in by_pid.items() if f"pid={pid}," in owner)].append(client)
    victim = before[1]
    os.kill(victim["pid"], number)
    began = time.monotonic()
    # Clients that come now wait at most until their queue is taken over; none is lost.
    work = load(f"127.0.0.1:{port}", short=scaled_rate(500), timeout=5000)
    row = wait_for_replacement(running, 1, victim["pid"])
    took = time.monotonic() - began
    figures = work.stop()
    assert_no_loss(figures, 100)
    assert figures["short"]["max_ms"] < 2100, figures  # stuck_timeout and 100 ms; adopting is quicker
    assert 1.5 < took < 10, took
    assert row["restarts"] == 1 and not process_alive(victim["pid"])
    assert [r["restarts"] for r in running.running()["workers"]] == [0, 1, 0]
    for slot in (0, 2):
        for client in session[slot]:
            echo(client, b"the others live on")
    for client in session[1]:
        with pytest.raises((ConnectionError, AssertionError)):
            echo(client)
    for client in sum(session.values(), []):
        client.close()
    assert any("stuck" in line or "silent" in line for line in running.log_lines(r"(error|warning) ")), \
        running.log_text()[-3000:]


@pytest.mark.san_subset
def test_a_worker_stopped_for_a_moment_is_not_killed(daemon, host):
    """Beyond adopt_timeout, short of stuck_timeout: its queue is taken over and given back, nobody dies."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="adopt_timeout = 200ms\nstuck_timeout = 30s\n"), workers=2)
    pids = running.worker_pids()
    session = [connect(f"127.0.0.1:{port}") for _ in range(16)]
    for client in session:
        echo(client)
    for turn in range(3):
        victim = pids[turn % 2]
        stop_processes([victim])
        try:
            for _ in range(20):
                visit(port)  # half of them land in the stopped one's queue
        finally:
            continue_processes([victim])
        wait_for_workers(running, 2)
        for client in session:
            echo(client)
            visit(port)
    for client in session:
        client.close()
    assert running.worker_pids() == pids


# G5: the machine is late, the worker is not


def spinners(count):
    """Processes that keep the processors busy."""
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"], env=child_env()) for _ in range(count)]


def overcommitted(daemon, host, load, seconds):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK), workers=2)
    pids = running.worker_pids()
    work = load(f"127.0.0.1:{port}", short=scaled_rate(200), long=20, interval=100, timeout=20000)
    hogs = spinners(4 * os.cpu_count())
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert running.worker_pids() == pids, "a worker was shot for the machine's slowness"
            time.sleep(0.2)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert_no_loss(work.stop(), 20)
    assert [row["restarts"] for row in running.running()["workers"]] == [0, 0]


@pytest.mark.alone
def test_nobody_is_killed_when_the_processors_are_overcommitted(daemon, host, load):
    overcommitted(daemon, host, load, 10)


@pytest.mark.soak
def test_nobody_is_killed_when_the_processors_are_overcommitted_for_long(daemon, host, load):
    overcommitted(daemon, host, load, 60)


@pytest.mark.alone
@pytest.mark.parametrize("how", ["stopped", "spinning", "deadlocked"])
def test_a_stuck_worker_is_found_when_the_processors_are_overcommitted(daemon, host, how):
    number = {"stopped": signal.SIGSTOP, "spinning": SPIN, "deadlocked": DEADLOCK}[how]
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK), workers=2, binary=HOOKS_BIN)
    running.allow_errors("worker")
    first, second = running.worker_pids()
    hogs = spinners(4 * os.cpu_count())
    try:
        os.kill(first, number)
        wait_for_replacement(running, 0, first, 30)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    visit(port)
    assert running.worker_pids()[1] == second


@pytest.mark.san_subset
def test_nobody_is_killed_when_all_were_stopped(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="adopt_timeout = 250ms\nstuck_timeout = 1s\n"), workers=4)
    pids, family = running.worker_pids(), running.pids()
    session = connect(f"127.0.0.1:{port}")
    echo(session)
    for turn in range(3):
        order = family if turn % 2 else family[::-1]
        stop_processes(order)
        time.sleep(3)  # three times stuck_timeout
        continue_processes(order)
        echo(session)
        visit(port)
        wait_for_workers(running, 4)
        time.sleep(1.5)  # the supervisor has looked at all of them again
        assert running.worker_pids() == pids
    session.close()


# G6: crashes at every start


def test_a_worker_that_crashes_at_every_start_is_started_less_and_less_often(daemon, host, load, folder):
    open_to_nobody(folder)  # the workers, who are nobody, look for the file
    one, port, crash = host("one"), free_port(), str(folder / "crash")
    running = daemon(config(port, [one], glob=QUICK), workers=3, binary=HOOKS_BIN, env={"GAIDAROS_TEST_CRASH": crash})
    running.allow_errors("worker")
    with open(crash, "w", encoding="ascii"):
        pass
    since = len(running.log_text())
    os.kill(row_of(running, 2)["pid"], signal.SIGKILL)
    figures = load(f"127.0.0.1:{port}", short=500, duration=6, timeout=5000).wait()
    assert_no_loss(figures, 1000)
    row = row_of(running, 2)
    assert 3 <= row["restarts"] <= 12, row  # 0.1 s, doubled: seven starts in six seconds
    assert len(workers_up(running)) == 2
    told = running.log_text()[since:].splitlines()
    assert sum(" error " in line for line in told) <= 2, told
    os.unlink(crash)
    wait_for_workers(running, 3, 30)
    assert_no_loss(load(f"127.0.0.1:{port}", short=500, duration=1).wait(), 100)


def test_a_worker_that_cannot_start_is_alerted_of_once_with_its_reason(daemon, host):
    """G6, not by a crash: without room for the segment it says why and ends, and master tries again."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK), workers=2)
    running.allow_errors("worker 1 ")
    unlimited = resource.prlimit(running.pid, resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))
    since = len(running.log_text())
    os.kill(row_of(running, 1)["pid"], signal.SIGKILL)
    wait_until(lambda: "next try in 1600 ms" in running.log_text()[since:], what="the fifth try")
    resource.prlimit(running.pid, resource.RLIMIT_AS, unlimited)
    told = running.log_text()[since:].splitlines()
    tries = [line for line in told if "before it was ready" in line]
    assert len(tries) >= 5 and all("cannot map the shared segment: Cannot allocate memory" in t for t in tries), told
    assert sum(" error " in line for line in told) == 1, told
    wait_for_workers(running, 2, 30)
    visit(port)


def test_a_daemon_whose_workers_crash_at_the_first_start_goes_on_trying(daemon, host, folder):
    """G6, with the crash there from the beginning: one alert, and it serves once the cause is gone."""
    open_to_nobody(folder)
    one, port, crash = host("one"), free_port(), str(folder / "crash")
    with open(crash, "w", encoding="ascii"):
        pass
    running = daemon(config(port, [one], glob=QUICK), workers=2, binary=HOOKS_BIN, start=False,
                     env={"GAIDAROS_TEST_CRASH": crash})
    running.allow_errors("worker")
    first = threading.Thread(target=running.start)
    first.start()
    try:
        wait_until(lambda: os.path.exists(running.log) and "next try in 800 ms" in running.log_text(),
                   what="the fourth try")
        told = running.log_text().splitlines()
        assert sum(" error " in line for line in told) == 1, told
    finally:
        os.unlink(crash)
        first.join()
    wait_for_workers(running, 2, 30)
    visit(port)


def test_a_reload_works_while_a_worker_crashes_at_every_start(daemon, host, folder):
    open_to_nobody(folder)
    one, two, port, crash = host("one"), host("two"), free_port(), str(folder / "crash")
    running = daemon(config(port, [one], glob=QUICK), workers=2, binary=HOOKS_BIN, env={"GAIDAROS_TEST_CRASH": crash})
    running.allow_errors("worker")
    with open(crash, "w", encoding="ascii"):
        pass
    os.kill(row_of(running, 1)["pid"], signal.SIGKILL)
    wait_until(lambda: row_of(running, 1)["restarts"] >= 2, what="a second crash")
    running.reload(config(port, [two], glob=QUICK))
    for _ in range(10):
        visit(port)
    assert two.stat()["accepted"] == 10 and one.stat()["accepted"] == 0
    os.unlink(crash)
    wait_for_workers(running, 2, 30)
    for _ in range(10):
        visit(port)
    assert two.stat()["accepted"] == 20


# G11, G12: what a dead worker had claimed


def begin_session(port):
    client = connect(f"127.0.0.1:{port}")
    echo(client)
    return client


@pytest.mark.san_subset
def test_what_a_killed_worker_held_is_free_again(daemon, host):
    total = 100 if SAN else 500
    one, two, port = host("one"), host("two"), free_port()
    limits = f"scheduler = leastconn\nqueue_timeout = 1s\nhost = a {one.address} max_connections={total // 2}\n" \
             f"host = b {two.address} max_connections={total // 2}"
    running = daemon(config(port, [], group=limits), workers=2)
    running.allow_errors("worker")
    clients = [begin_session(port) for _ in range(total)]
    assert [running.host(name)["connections"] for name in "ab"] == [total // 2] * 2
    victim = running.running()["workers"][0]
    assert 0 < victim["connections"] < total
    os.kill(victim["pid"], signal.SIGKILL)
    began = time.monotonic()
    left = total - victim["connections"]
    wait_until(lambda: sum(running.host(name)["connections"] for name in "ab") == left, what="the gauges to be true")
    assert time.monotonic() - began < 5  # promised: 1 s on a machine of its own
    assert running.service()["connections"] == left
    wait_for_replacement(running, 0, victim["pid"])
    clients += [begin_session(port) for _ in range(victim["connections"])]
    assert [running.host(name)["connections"] for name in "ab"] == [total // 2] * 2
    with connect(f"127.0.0.1:{port}") as beyond, pytest.raises((ConnectionError, AssertionError)):
        echo(beyond)  # full: it waits for a free place, then is closed
    for client in clients:
        client.close()


def kill_at_random(daemon, host, load, rounds, seed):
    dice = random.Random(seed)
    hosts = [host("one"), host("two")]
    port = free_port()
    group = "scheduler = leastconn\nqueue_timeout = 2s\neject_failures = 0\n"
    rows = "".join(f"host = {h.name}x {h.address} max_connections=40 weight={n + 1}\n" for n, h in enumerate(hosts))
    running = daemon(config(port, [], group=group + rows), workers=4)
    running.allow_errors("worker")
    work = load(f"127.0.0.1:{port}", parallel=24, timeout=60000, size=200)  # who is killed while it starts is tried again later and later
    killed = set()  # nobody twice: one that dies is still there for a moment, and is replaced once
    while len(killed) < rounds:
        pids = [pid for pid in children(running, "worker") if pid not in killed]
        if not pids:
            continue
        time.sleep(dice.uniform(0, 0.03))
        with contextlib.suppress(ProcessLookupError):
            victim = dice.choice(pids)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
    wait_for_workers(running, 4, 30)
    served = work.stat()["short"]["ok"]
    wait_until(lambda: work.stat()["short"]["ok"] > served + 500, what="the load to go on")
    figures = work.stop()["short"]
    assert figures["lost"]["refused"] == figures["lost"]["hung"] == figures["lost"]["corrupt"] == 0, (seed, figures)
    running.settled()  # each gauge is true: nought
    clients = [begin_session(port) for _ in range(80)]  # the limits are usable in full
    assert [running.host(f"{h.name}x")["connections"] for h in hosts] == [40, 40]
    for client in clients:
        client.close()
    assert sum(row["restarts"] for row in running.running()["workers"]) >= rounds * 9 // 10


@pytest.mark.san_subset
def test_killed_at_random_instants_workers_leave_no_lock_and_no_gauge(daemon, host, load):
    kill_at_random(daemon, host, load, 40, 12)


@pytest.mark.soak
def test_killed_ten_thousand_times_workers_leave_no_lock_and_no_gauge(daemon, host, load):
    kill_at_random(daemon, host, load, 10_000, int(time.time()))


# G14: out of memory


def oom_score(pid):
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
        return int(file.read())


@pytest.mark.san_subset
def test_the_kernel_takes_a_worker_before_master_or_director(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    (director,) = children(running, "director")
    for pid in running.worker_pids():
        assert oom_score(pid) > oom_score(running.pid), (oom_score(pid), oom_score(running.pid))
        assert oom_score(pid) > oom_score(director), (oom_score(pid), oom_score(director))


@contextlib.contextmanager
def memory_group(limit):
    """A memory cgroup of version 1 or 2 with the limit, as the path of its list of processes."""
    for root, key in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        path = f"{root}/gaidaros-test-{os.getpid()}"
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            if os.path.exists(f"{path}/{key}"):
                with open(f"{path}/{key}", "w", encoding="ascii") as file:
                    file.write(str(limit))
                yield f"{path}/cgroup.procs"
                return
        except OSError:
            continue
        finally:
            wait_until(lambda: not open(f"{path}/cgroup.procs", encoding="ascii").read().strip(),  # noqa: B023
                       what="the cgroup to be empty")
            os.rmdir(path)
    pytest.skip("no memory cgroup can be made here")


def test_a_worker_killed_for_want_of_memory_is_replaced(daemon, host):
    """The worker's further pages count in a group that has no room for them; its siblings serve on."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    running.allow_errors("worker")
    first, second = running.worker_pids()
    with memory_group(128 << 10) as group:
        with open(group, "w", encoding="ascii") as file:
            file.write(str(first))
        clients = []
        while process_alive(first):
            assert len(clients) < 6000, "the worker needed no memory for 3,000 connections"
            clients.append(socket.create_connection(("127.0.0.1", port), 10))
            clients[-1].sendall(b"x")
        row = wait_for_replacement(running, 0, first)
    assert row["restarts"] == 1 and running.worker_pids()[1] == second
    for client in clients:
        client.close()
    for _ in range(20):
        visit(port)
