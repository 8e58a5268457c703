# SPDX-License-Identifier: MIT
"""A reload loses nothing, a broken one changes nothing (F1, F2, F4-F6, F12)."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from command import AS_NOBODY, gaidaros, open_to_nobody
from configs import CASES
from harness import SAN, Descriptors, assert_no_loss, connect, free_port, scaled_rate, wait_until
from scene import (children, config, continue_processes, echo, full_load, is_refused, listening, stop_processes, visit,
                   wait_for_workers)

LONG = 50 if SAN else 200


def busy(daemon, host, load, workers=2, **parts):
    """A daemon under the load that the rows ask for: (daemon, load, config as a function of the round)."""
    hosts = [host("one"), host("two"), host("three")]
    port = free_port()

    def text(turn):
        """Each round has other weights and limits, so that each generation differs from the one before."""
        more = {**parts, "service": f"retries = {turn % 3}\nidle_timeout = {300 + turn}s\n{parts.get('service', '')}"}
        return config(port, hosts[:2 + turn % 2], **more)

    running = daemon(text(0), workers=workers)
    work = load(f"127.0.0.1:{port}", short=scaled_rate(2000), long=LONG, interval=100)
    wait_until(lambda: work.stat()["long_up"] == LONG, what="all long sessions to be up")
    return running, work, text


def reload_often(daemon, host, load, times, pause_s):
    running, work, text = busy(daemon, host, load)
    pids = running.worker_pids()
    time.sleep(2)  # the idle figure that the other is measured by
    idle = work.zero()
    before = running.generation()
    for turn in range(1, times + 1):
        began = time.monotonic()
        running.reload(text(turn))
        time.sleep(max(0.0, pause_s - (time.monotonic() - began)))
    figures = work.stop()
    assert_no_loss(idle)
    assert_no_loss(figures)
    # Two in a hundred may come late on a busy machine; a load that stood still would prove nothing.
    assert figures["short"]["ok"] >= 0.8 * scaled_rate(2000) * figures["elapsed_s"] * times / (times + 30), figures
    assert figures["long"]["ok"] == LONG, figures
    assert running.generation() == before + times
    assert running.worker_pids() == pids, "a reload keeps its workers"
    return idle, figures


@pytest.mark.alone
def test_fifty_reloads_lose_nothing(daemon, host, load):
    idle, figures = reload_often(daemon, host, load, 50, 0.2)
    assert figures["short"]["p99_ms"] < max(5 * idle["short"]["p99_ms"], 250), (idle, figures)


def test_reloads_faster_than_every_timer_make_nobody_look_stuck(daemon, host):
    """Each reload may set a process's timers anew; one that never runs must not silence its beat."""
    one, port = host("one"), free_port()
    # A director beats each 250 ms, a worker each 50 ms.
    quick = "stuck_timeout = 1s\nadopt_timeout = 200ms"
    running = daemon(config(port, [one], glob=quick), workers=2)
    before = children(running, "director"), running.worker_pids()
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        running.reload()
        visit(port)
    assert (children(running, "director"), running.worker_pids()) == before
    assert "stuck" not in running.log_text()


@pytest.mark.soak
def test_a_thousand_reloads_lose_nothing(daemon, host, load):
    idle, figures = reload_often(daemon, host, load, 1000, 0.2)
    assert figures["short"]["attempts"] >= 350_000, figures
    assert figures["short"]["p99_ms"] < max(5 * idle["short"]["p99_ms"], 250), (idle, figures)


@pytest.mark.san_subset
def test_reloads_lose_nothing_under_the_sanitizers_too(daemon, host, load):
    reload_often(daemon, host, load, 15, 0.2)


@pytest.mark.san_subset
def test_sessions_outlive_their_host_and_fifty_generations(daemon, host, load):
    stays, leaves = host("stays"), host("leaves")
    port = free_port()
    running = daemon(config(port, [leaves]), workers=2)
    work = load(f"127.0.0.1:{port}", long=LONG, interval=50)
    wait_until(lambda: work.stat()["long_up"] == LONG, what="all long sessions to be up")
    for turn in range(50):
        running.reload(config(port, [stays], group=f"queue_timeout = {turn + 1}s"))
    assert running.service()["connections"] == LONG
    visit(port)
    wait_until(lambda: running.host("stays")["connections_total"] == 1, what="the visit to be counted")
    figures = work.stop()
    assert_no_loss(figures, LONG)
    assert leaves.stat()["accepted"] == LONG
    wait_until(lambda: running.service()["connections"] == 0, what="the old generations to end")


def wait_for_log(running, since, beginnings):
    """Waits until every beginning stands in the log behind `since`."""
    def all_there():
        told = running.log_text()[since:]
        return all(beginning in told for beginning in beginnings)
    wait_until(all_there, what=f"the log to tell {beginnings}")


def put_bytes(path, content, mode=0o600):
    temporary = path + ".new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    os.rename(temporary, path)


@full_load
def test_every_broken_file_is_told_and_changes_nothing(daemon, host, load):
    running, work, text = busy(daemon, host, load)
    running.allow_errors(".")
    running.reload(text(1))
    before, pids = running.running(), running.worker_pids()
    base = {pid: Descriptors(pid) for pid in running.pids() if pid not in pids}
    for case in CASES[::8 if SAN else 1]:
        put_bytes(running.file, case.text)
        since = len(running.log_text())
        running.reload(ok=False)
        wait_for_log(running, since, case.expected(running.file))
        if case.words:
            assert case.words.lower() in running.log_text()[since:].lower(), case.name
    now = running.running()
    assert now["generation"] == before["generation"] and running.worker_pids() == pids
    assert now["reloads"]["failed"] == before["reloads"]["failed"] + len(CASES[::8 if SAN else 1])
    running.reload(text(2))
    assert running.generation() == before["generation"] + 1
    for pid, was in base.items():
        assert Descriptors(pid).others <= was.others and Descriptors(pid).listening == was.listening, pid
    assert_no_loss(work.stop_after(100), 100)


@pytest.mark.san_subset
@pytest.mark.parametrize("what", ["absent", "directory", "fifo", "empty", "world_writable", "cut"])
def test_a_file_gone_bad_changes_nothing(daemon, host, what):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    running.allow_errors(".")
    generation = running.generation()
    with open(running.file, "rb") as file:
        good = file.read()
    os.unlink(running.file)
    if what == "directory":
        os.mkdir(running.file)
    elif what == "fifo":
        os.mkfifo(running.file, 0o600)
    elif what == "empty":
        put_bytes(running.file, b"")
    elif what == "world_writable":
        put_bytes(running.file, good)
        os.chmod(running.file, 0o666)
    elif what == "cut":
        put_bytes(running.file, good[:good.index(b"[group main]")])
    since = len(running.log_text())
    running.reload(ok=False)
    wait_for_log(running, since, [running.file])
    visit(port)
    assert running.generation() == generation
    if what == "directory":
        os.rmdir(running.file)
    put_bytes(running.file, good)
    running.reload()
    assert running.generation() == generation + 1
    visit(port)


@pytest.mark.san_subset
def test_a_failed_reload_is_shown_until_a_good_one(daemon, host):
    """F4: on the page, in running.json and running.txt, with file and line; a new director knows it too."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    running.allow_errors("reload failed|retries")
    assert running.running()["last_reload"] is None
    running.reload(config(port, [one], service="retries = <x>"), ok=False)
    with open(running.file, encoding="utf-8") as file:
        line = next(n for n, text in enumerate(file, 1) if text.startswith("retries"))
    place = f"{running.file}:{line}: [service web] retries:"

    def is_shown():
        last = running.running()["last_reload"]
        return last and not last["ok"] and place in last["message"] and last["time"].endswith("Z")

    wait_until(is_shown, what="the failed reload in running.json")
    page, text = running.http("GET", "/").text, running.http("GET", "/running.txt").text
    assert place in page and 'id="reload" role="alert">' in page and "<x>" not in page
    assert re.search(rf"(?m)^reload +failed \S+Z {re.escape(place)}", text), text
    (director,) = set(running.pids()) - {running.pid, *running.worker_pids()}
    os.kill(director, signal.SIGKILL)
    wait_until(lambda: running.healthz() == 200 and running.running()["director_restarts"] == 1,
               what="another director")
    wait_until(is_shown, what="the failed reload at the new director")
    running.reload(config(port, [one]))
    wait_until(lambda: running.running()["last_reload"]["ok"], what="the good reload in running.json")
    assert 'id="reload" role="alert" hidden' in running.http("GET", "/").text
    assert "\nreload " not in running.http("GET", "/running.txt").text


@pytest.mark.san_subset
def test_old_generations_live_as_long_as_their_connections(daemon, host):
    """F2: running.json counts them; lifetime bounds them."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    wait_until(lambda: running.running()["generations"] == 1, what="one generation")
    sessions = []
    for turn in range(5):
        sessions.append(connect(f"127.0.0.1:{port}"))
        echo(sessions[-1])
        running.reload(config(port, [one], service=f"retries = {turn % 3}"))
    wait_until(lambda: running.running()["generations"] == 6, what="five old generations beside the current one")
    for left, session in zip((5, 4, 3, 2, 1), sessions):
        echo(session)
        session.close()
        wait_until(lambda: running.running()["generations"] == left, what="a generation to go")  # noqa: B023
    with connect(f"127.0.0.1:{port}") as session:
        running.reload(config(port, [one], service="lifetime = 1s"))
        with connect(f"127.0.0.1:{port}") as bounded:
            echo(bounded)
            echo(session)
            running.reload(config(port, [one]))
            assert running.running()["generations"] >= 2
            bounded.settimeout(20)
            assert bounded.recv(1) == b""
            wait_until(lambda: running.running()["generations"] == 2, what="the bounded generation to go")
            echo(session)
    wait_until(lambda: running.running()["generations"] == 1, what="all old generations to go")


@pytest.mark.san_subset
@pytest.mark.parametrize("fault", ["in_use", "foreign"])
def test_a_listener_that_cannot_be_had_binds_none(daemon, host, load, fault):
    one, port, fresh = host("one"), free_port(), free_port()
    rounds = 20 if SAN else 100
    running = daemon(config(port, [one]), workers=2)
    running.allow_errors(".")
    before = running.generation()
    work = load(f"127.0.0.1:{port}", short=scaled_rate(500))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        bad = f"127.0.0.1:{taken.getsockname()[1]}" if fault == "in_use" else "192.0.2.77:8080"
        broken = config([port, fresh], [one], service=f"listen = {bad}")
        running.reload(broken, ok=False)  # what the first try allocates for good is no leak
        base = {pid: running.fds(pid) for pid in [running.pid]}
        for _ in range(rounds - 1):
            running.reload(ok=False)
            assert listening(fresh) == 0
        assert bad in running.log_text()
        wait_until(lambda: all(running.fds(pid) <= was for pid, was in base.items()), what="no descriptor more")
    assert running.generation() == before and listening(port) == 2
    assert_no_loss(work.stop_after(100), 100)
    running.reload(config([port, fresh], [one]))
    visit(fresh)


@pytest.mark.san_subset
def test_a_dropped_listener_serves_those_in_its_queue(daemon, host):
    one, stays, leaves, new = host("one"), free_port(), free_port(), free_port()
    patient = "adopt_timeout = 20s\nstuck_timeout = 60s\n"  # the stopped workers are this test's, nobody else's
    running = daemon(config([stays, leaves], [one], glob=patient), workers=2)
    session = connect(f"127.0.0.1:{leaves}")
    echo(session)
    pids = running.worker_pids()
    stop_processes(pids)
    try:
        queued = [connect(f"127.0.0.1:{leaves}") for _ in range(50)]
        for client in queued:
            client.sendall(b"queued")
        generation = running.generation()
        running.write(config([stays, new], [one], glob=patient))
        running.signal(signal.SIGHUP)
    finally:
        continue_processes(pids)
    wait_until(lambda: running.generation() > generation, what="the reload to be committed")
    acked = time.monotonic()
    visit(new)
    for client in queued:
        assert client.recv(100) == b"queued"
        echo(client, b"and on")
    wait_until(lambda: is_refused(leaves), what="the dropped listener to refuse", step=0.02)
    assert time.monotonic() - acked < 6  # promised: 1 s on a machine of its own
    echo(session, b"the old session lives on")
    for client in [session, *queued]:
        client.close()
    visit(stays)
    assert listening(leaves) == 0 and listening(new) == 2


@pytest.mark.san_subset
def test_a_queue_held_back_by_the_connection_limit_outlives_its_listener(daemon, host):
    """Both workers are full, so that fifty clients wait in the queues while their address is taken away."""
    one, leaves, new = host("one"), free_port(), free_port()
    running = daemon(config(leaves, [one], glob="max_connections = 1"), workers=2)
    clients = [connect(f"127.0.0.1:{leaves}") for _ in range(52)]
    for client in clients:
        client.sendall(b"queued")
    wait_until(lambda: [row["connections"] for row in running.running()["workers"]] == [1, 1],
               what="both workers to be full")
    running.reload(config(new, [one], glob="max_connections = 1000"))
    for client in clients:
        assert client.recv(100) == b"queued"
        echo(client, b"and on")
    visit(new)
    wait_until(lambda: is_refused(leaves), what="the dropped listener to refuse", step=0.02)
    for client in clients:
        client.close()


@pytest.mark.san_subset
def test_listeners_come_and_go_under_load(daemon, host, load):
    """Twenty times another listener comes and goes; what stays loses nothing, sockets do not pile up."""
    one, port, others = host("one"), free_port(), [free_port(), free_port()]
    running = daemon(config(port, [one]), workers=2)
    work = load(f"127.0.0.1:{port}", short=scaled_rate(1000), long=20, interval=100)
    for turn in range(20):
        running.reload(config([port, others[turn % 2]], [one]))
        visit(others[turn % 2])
    running.reload(config(port, [one]))
    wait_until(lambda: listening(others[0]) + listening(others[1]) == 0, what="dropped listeners to be closed")
    assert listening(port) == 2
    assert_no_loss(work.stop_after(100), 100)


@pytest.mark.san_subset
def test_a_change_that_needs_a_restart_is_told_and_the_rest_applies(daemon, host):
    one, two, port = host("one"), host("two"), free_port()
    running = daemon(config(port, [one]), workers=2)
    since = len(running.log_text())
    running.reload(config(port, [two], glob="poller = poll"))
    wait_for_log(running, since, ["needs a restart", "poller"])
    visit(port)
    assert two.stat()["accepted"] == 1 and one.stat()["accepted"] == 0


@pytest.mark.san_subset
def test_reloads_that_come_in_a_burst_end_in_the_last_file(daemon, host, load):
    one, two, port = host("one"), host("two"), free_port()
    running = daemon(config(port, [one]), workers=2)
    work = load(f"127.0.0.1:{port}", short=scaled_rate(500))
    for turn in range(100):
        running.write(config(port, [one], group=f"queue_timeout = {turn + 1}s"))
        running.signal(signal.SIGHUP)
    running.reload(config(port, [two]))

    def all_at_the_second():
        before = one.stat()["accepted"]
        visit(port)
        return one.stat()["accepted"] == before and two.stat()["accepted"] > 0
    wait_until(all_at_the_second, what="the last file to hold")
    assert_no_loss(work.stop_after(10), 10)


@full_load
def test_a_check_of_the_file_touches_nothing(daemon, host, load):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    work = load(f"127.0.0.1:{port}", short=scaled_rate(2000), long=LONG, interval=100)

    def traces():
        return {name: (os.stat(path).st_ino, os.stat(path).st_mtime_ns, os.stat(path).st_mode)
                for name in sorted(os.listdir(running.folder)) if name != "log"
                for path in [os.path.join(running.folder, name)]}

    before, sockets = traces(), listening(port)
    for _ in range(20 if SAN else 100):
        said = gaidaros("-c", running.file, "-t")
        assert said.status == 0 and f"{running.file}: ok" in said.out + said.err, said
    if open_to_nobody(running.folder):
        os.chmod(running.file, 0o644)
        before = traces()
        for _ in range(20 if SAN else 100):
            said = gaidaros("-c", running.file, "-t", wrap=AS_NOBODY)
            assert said.status == 3 and "may not be written" in said.err, said  # the folder is root's
    assert traces() == before and listening(port) == sockets
    assert_no_loss(work.stop_after(100), 100)
    wait_for_workers(running, 2)


@pytest.mark.san_subset
def test_a_check_as_another_user_needs_no_folder_to_write_in(daemon, host, folder):
    """F12: a good file in a folder of root's, for a daemon that writes no files of its own."""
    if not open_to_nobody(folder):
        pytest.skip("needs root and a binary that nobody may run")
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    os.mkdir(folder / "sealed", 0o755)
    file = str(folder / "sealed" / "good.conf")
    put_bytes(file, config(port, [one], glob="pidfile =\ncontrol =\nworkers = 2").encode(), 0o644)
    before = os.stat(folder / "sealed").st_mtime_ns
    for _ in range(20):
        said = gaidaros("-c", file, "-t", wrap=AS_NOBODY)
        assert said.status == 0 and f"{file}: ok" in said.out + said.err, said
    assert os.listdir(folder / "sealed") == ["good.conf"] and os.stat(folder / "sealed").st_mtime_ns == before
    assert listening(port) == 2
    visit(port)
    assert running.generation() == 1


@pytest.mark.san_subset
def test_a_privileged_port_that_cannot_be_had_binds_none(daemon, host, folder):
    """F5: a daemon of nobody's is told to listen below 1024, beside an address that is fine."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        first_free = int(file.read())
    if not open_to_nobody(folder) or first_free <= 1023:
        pytest.skip("needs root, a binary that nobody may run, and privileged ports")
    one, port, fresh = host("one"), free_port(), free_port()
    running = daemon(config(port, [one]), workers=2, wrap=AS_NOBODY, start=False)
    running.allow_errors(".")

    def write(text):
        running.write(text)
        os.chown(running.file, 65534, 65534)

    os.chown(running.folder, 65534, 65534)
    write(config(port, [one]))
    running.start()
    write(config([port, fresh], [one], service="listen = 127.0.0.1:1023"))
    running.reload(ok=False)  # what the first try allocates for good is no leak
    base = running.fds(running.pid)
    for _ in range(20 if SAN else 100):
        running.reload(ok=False)
        assert listening(fresh) == 0
    assert "127.0.0.1:1023" in running.log_text() and "ermission denied" in running.log_text()
    wait_until(lambda: running.fds(running.pid) <= base, what="no descriptor more")
    assert running.generation() == 1 and listening(port) == 2
    write(config([port, fresh], [one]))
    running.reload()
    visit(port)
    visit(fresh)


@pytest.mark.san_subset
def test_who_waits_for_a_reload_is_answered_though_the_doors_have_changed(daemon, host):
    """New admin addresses mean a new director: not while somebody waits at the old one."""
    one, port, door = host("one"), free_port(), free_port()
    patient = "adopt_timeout = 20s\nstuck_timeout = 60s\n"
    running = daemon(config(port, [one], glob=patient), workers=2)
    (director,) = children(running, "director")
    running.write(config(port, [one], glob=patient, admin=f"listen = 127.0.0.1:{door}"))
    as_json = {"Content-Type": "application/json"}
    assert running.http("POST", "/api/reload", "{}", as_json).status == 200
    held = running.worker_pids()[:1]
    stop_processes(held)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(running.http("POST", "/api/reload", "{}", as_json, 30)))
    waiter.start()
    time.sleep(1)  # well beyond the moment that the old director is given for its last answer
    continue_processes(held)
    waiter.join(30)
    assert [answer.status for answer in answers] == [200], answers
    wait_until(lambda: children(running, "director") not in ([], [director]), what="a director with the new doors")
    wait_until(lambda: running.healthz() == 200, what="the new director to answer")
    wait_for_workers(running, 2)


def test_workers_that_left_with_all_their_addresses_come_back(daemon, host):
    """Their slots are used again, and what listens there is not taken away a few seconds later."""
    one, first, second = host("one"), free_port(), free_port()
    running = daemon(config(first, [one], glob="workers = 2"))
    running.reload(config(second, [one], glob="workers = 1"))
    wait_until(lambda: is_refused(first), what="the old address to be closed")
    wait_until(lambda: len(children(running, "worker")) == 1, what="the second worker to end")
    running.reload(config(second, [one], glob="workers = 2"))
    wait_for_workers(running, 2)
    end = time.monotonic() + 5  # a leaving worker's sockets are closed after three quiet seconds
    while time.monotonic() < end:
        assert listening(second) == 2
        visit(second)
        time.sleep(0.1)
    assert [row["accept_paused_total"] for row in running.running()["workers"]] == [0, 0]
