# SPDX-License-Identifier: MIT
"""What becomes of the service when master or director dies, and at each signal (G8, G10)."""

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from command import gaidaros
from harness import SAN, Daemon, Failure, assert_no_loss, child_env, connect, free_port, process_alive, scaled_rate, \
    session_pids, wait_until
from scene import children, command_line, config, echo, is_refused, listening, stop_processes, visit

QUICK = "adopt_timeout = 300ms\nstuck_timeout = 2s\n"


# G8: master and director


@pytest.fixture(name="orphaned")
def orphaned_daemon(folder, host):
    """A daemon of which the test kills the master, and the one that is started in its place."""
    one, port = host("one"), free_port()
    text = config(port, [one])
    first = Daemon(text, folder / "d", workers=3)
    second = Daemon(text, folder / "d", workers=3, start=False)
    yield first, second, port
    for one_of_them in (second, first):
        one_of_them.kill_hard()


def start_in_its_place(second, director):
    """Starts it where another master was killed, whose orphaned director may answer for a moment more."""
    second.start()

    def what_is_missing():
        with open(second.pidfile, encoding="ascii") as file:
            if file.read() != f"{second.pid}\n":
                return "its pidfile"
        if second.healthz() != 200:
            return "its answer"
        # Its number may have gone to another process meanwhile.
        return "the old director's end" if "director" in command_line(director) else None

    missing = [what_is_missing()]

    def has_taken_over():
        missing[:] = [what_is_missing()]
        return missing[0] is None

    try:
        wait_until(has_taken_over, what="the new daemon to serve")
    except Failure as failure:
        raise Failure(f"{failure}; missing: {missing[0]}\n{second.log_text()}") from failure
    second.note_base()


@pytest.mark.san_subset
def test_a_new_start_succeeds_at_once_beside_the_orphans_of_a_killed_master(orphaned):
    first, second, port = orphaned
    sessions = [connect(f"127.0.0.1:{port}") for _ in range(20)]
    for client in sessions:
        echo(client)
    orphans = first.pids()
    (director,) = children(first, "director")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not process_alive(first.pid), what="the master to be gone")
    began = time.monotonic()
    start_in_its_place(second, director)
    assert time.monotonic() - began < (10 if SAN else 3)
    for _ in range(100):
        visit(port)
    for client in sessions:
        echo(client, b"the orphans serve on")
    assert listening(port) == 3, "the orphans have closed their listeners"
    for client in sessions:
        client.close()
    wait_until(lambda: not any(map(process_alive, orphans)), what="the orphans to end with their sessions")
    first.stop(settle=False, status=-signal.SIGKILL)
    second.stop()


@pytest.mark.san_subset
def test_a_stopped_orphan_does_not_keep_clients_from_the_new_daemon(orphaned):
    first, second, port = orphaned
    stopped = first.worker_pids()[1]
    orphans = first.pids()
    (director,) = children(first, "director")
    stop_processes([stopped])
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not process_alive(first.pid), what="the master to be gone")
    start_in_its_place(second, director)
    wait_until(lambda: listening(port) == 3, what="only the new daemon's sockets to listen")
    for _ in range(60):
        visit(port)
    wait_until(lambda: not any(map(process_alive, orphans)), what="the orphans to end")
    first.process.wait()
    second.stop()


@pytest.mark.san_subset
def test_a_killed_director_comes_back_and_costs_nothing(daemon, host, load):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    running.allow_errors("director")
    work = load(f"127.0.0.1:{port}", short=scaled_rate(1000), long=20, interval=100)
    pids = running.worker_pids()
    for turn in range(5):
        (director,) = children(running, "director")
        os.kill(director, signal.SIGKILL)
        wait_until(lambda: not process_alive(director) and running.healthz() == 200,  # noqa: B023
                   what="the director to be back")
        assert running.running()["director_restarts"] == turn + 1
    assert running.worker_pids() == pids
    running.reload(config(port, [one], group="queue_timeout = 7s"))
    assert_no_loss(work.stop_after(100), 100)


@pytest.mark.san_subset
def test_a_hung_director_is_replaced_and_costs_nothing(daemon, host, load):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK), workers=2)
    running.allow_errors("director")
    work = load(f"127.0.0.1:{port}", short=scaled_rate(500), long=20, interval=100)
    pids = running.worker_pids()
    (director,) = children(running, "director")
    stop_processes([director])
    wait_until(lambda: not process_alive(director) and running.healthz() == 200, what="another director to answer")
    now = running.running()
    assert now["director_restarts"] == 1 and now["reloads"]["failed"] == 0
    assert running.worker_pids() == pids and [row["restarts"] for row in now["workers"]] == [0, 0]
    assert_no_loss(work.stop_after(100), 100)
    assert any("director" in line and "stuck" in line for line in running.log_lines(" warning ")), running.log_text()


@pytest.mark.san_subset
def test_an_order_to_reload_does_not_wait_for_a_hung_director(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK), workers=2)
    running.allow_errors("director")
    (director,) = children(running, "director")
    stop_processes([director])
    done = gaidaros("-s", "reload", "-c", running.file)
    assert done.status == 0, done
    assert "reload" in done.out, done  # by the next director, or by a signal
    wait_until(lambda: running.healthz() == 200 and running.generation() == 2, what="the reload to be committed")


@pytest.mark.soak
def test_an_order_to_reload_does_not_wait_for_ever(daemon, host):
    """A director that has taken the order and never answers: here because master is stopped."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    stop_processes([running.pid])
    try:
        done = gaidaros("-s", "reload", "-c", running.file, timeout=120)
    finally:
        os.kill(running.pid, signal.SIGCONT)
    assert done.status == 0 and "told to reload" in done.out, done
    wait_until(lambda: running.healthz() == 200 and running.generation() >= 2, what="the reload to be committed")


# G10: signals


def begin_session(port):
    client = connect(f"127.0.0.1:{port}")
    echo(client)
    return client


@pytest.mark.san_subset
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_an_idle_daemon_ends_at_once(daemon, host, number):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    visit(port)
    running.settled()
    began = time.monotonic()
    running.stop(number)
    assert time.monotonic() - began < 5  # promised: 1 s on a machine of its own
    assert not os.path.exists(running.pidfile) and not os.path.exists(running.control)


@pytest.mark.san_subset
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_sessions_get_the_drain_timeout(daemon, host, number):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="drain_timeout = 2s"), workers=2)
    client = begin_session(port)
    running.signal(number)
    began = time.monotonic()
    wait_until(lambda: is_refused(port), what="new clients to be refused")
    assert time.monotonic() - began < 2, "refused while the sessions are served on"
    echo(client, b"still served")
    client.settimeout(20)
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    took = time.monotonic() - began
    assert 1.5 < took < 5, took
    assert running.process.wait(10) == 0
    client.close()
    running.stop(settle=False)


@pytest.mark.san_subset
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_the_daemon_ends_with_its_last_session(daemon, host, number):
    one, port = host("one"), free_port()
    drain = "drain_timeout = 500ms" if number == signal.SIGQUIT else "drain_timeout = 60s"
    running = daemon(config(port, [one], glob=drain), workers=2)
    client = begin_session(port)
    running.signal(number)
    wait_until(lambda: is_refused(port), what="new clients to be refused")
    assert running.healthz() == 503 and running.running()["state"] == "draining"
    time.sleep(1)  # for QUIT: well beyond drain_timeout, which does not hold for it
    echo(client, b"still served")
    assert running.process.poll() is None
    client.close()
    assert running.process.wait(10) == 0
    running.stop(settle=False)


@pytest.mark.san_subset
@pytest.mark.parametrize("first,second", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT),
                                          (signal.SIGINT, signal.SIGINT)])
def test_a_second_signal_ends_it_at_once(daemon, host, first, second):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="drain_timeout = 60s"), workers=2)
    client = begin_session(port)
    running.signal(first)
    wait_until(lambda: is_refused(port), what="new clients to be refused")
    running.signal(second)
    began = time.monotonic()
    assert running.process.wait(10) == 0
    assert time.monotonic() - began < 5  # promised: 1 s on a machine of its own
    client.close()
    running.stop(settle=False)


@pytest.mark.san_subset
def test_a_stop_after_a_quit_sets_the_limit_that_quit_has_not(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="drain_timeout = 1s"), workers=2)
    client = begin_session(port)
    running.signal(signal.SIGQUIT)
    wait_until(lambda: is_refused(port), what="new clients to be refused")
    running.signal(signal.SIGTERM)
    began = time.monotonic()
    assert running.process.wait(10) == 0
    assert 0.7 < time.monotonic() - began < 5
    client.close()
    running.stop(settle=False)


@pytest.mark.san_subset
def test_a_stop_while_a_worker_is_stuck_ends(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob=QUICK + "drain_timeout = 1s"), workers=2)
    running.allow_errors("worker")
    stop_processes(running.worker_pids()[:1])
    running.signal(signal.SIGTERM)
    assert running.process.wait(20) == 0
    running.stop(settle=False)


@pytest.mark.san_subset
def test_a_stop_during_a_start_or_a_reload_leaves_nothing(folder, host):
    one, port, dice = host("one"), free_port(), random.Random(10)
    text = config(port, [one])
    for turn in range(6 if SAN else 20):
        starting = Daemon(text, folder / f"d{turn}", workers=2, start=turn % 2 == 1)
        try:
            if turn % 2:
                starting.signal(signal.SIGHUP)
                time.sleep(dice.uniform(0, 0.01))
            else:
                with open(starting.log, "ab") as log:
                    starting.process = subprocess.Popen([starting.binary, "-f", "-c", starting.file], stdout=log,
                                                        stderr=log, env=child_env(), start_new_session=True)
                time.sleep(dice.uniform(0, 0.05))
            pid = starting.process.pid
            starting.signal(signal.SIGTERM)
            # Before it catches signals, TERM kills it as it does any program.
            assert starting.process.wait(20) in (0, -signal.SIGTERM) and (turn % 2 == 0 or starting.process.poll() == 0)
            wait_until(lambda: not session_pids(pid), what="all processes to end")  # noqa: B023
            starting.check_log()
            assert not os.path.exists(starting.pidfile) or starting.process.poll() != 0
        finally:
            starting.kill_hard()
    assert listening(port) == 0


@pytest.mark.san_subset
def test_signals_without_a_meaning_change_nothing(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    pids = sorted(running.pids())
    client = begin_session(port)
    for number in (signal.SIGPIPE, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT, signal.SIGCHLD, signal.SIGUSR2,
                   signal.SIGUSR1):
        for pid in pids:
            if pid == running.pid or number not in (signal.SIGUSR1, signal.SIGUSR2):
                os.kill(pid, number)
    echo(client, b"still served")
    visit(port)
    assert sorted(running.pids()) == pids
    client.close()


@pytest.mark.san_subset
def test_a_terminals_interrupt_reaches_all_processes_and_still_drains(daemon, host):
    """Ctrl-C goes to the whole foreground group; the workers leave the decision to master."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="drain_timeout = 60s"), workers=2)
    client = begin_session(port)
    for pid in running.pids():
        if os.getpgid(pid) == os.getpgid(running.pid):
            os.kill(pid, signal.SIGINT)
    wait_until(lambda: is_refused(port), what="new clients to be refused")
    echo(client, b"still served")
    client.close()
    assert running.process.wait(10) == 0
    running.stop(settle=False)
