# SPDX-License-Identifier: MIT
"""The number of workers changes by reload, under load, without loss (F7)."""

import os
import re

import pytest

from harness import SAN, assert_no_loss, connect, free_port, scaled_rate, wait_until
from scene import children, config, echo, full_load, listening, wait_for_workers, workers_up

LONG = 40 if SAN else 200


@full_load
def test_workers_come_and_go_without_loss(daemon, host, load):
    hosts, ports = [host("one"), host("two")], [free_port(), free_port()]
    running = daemon(config(ports, hosts, glob="workers = 4"))
    shorts = [load(f"127.0.0.1:{port}", short=scaled_rate(2000) // 2) for port in ports]
    longs = load(f"127.0.0.1:{ports[0]}", long=LONG, interval=100)
    wait_until(lambda: longs.stat()["long_up"] == LONG, what="all long sessions to be up")
    for count in (2, 8, 1, 4):
        running.reload(config(ports, hosts, glob=f"workers = {count}"))
        wait_until(lambda: len(workers_up(running)) == count, what=f"{count} workers to be up")  # noqa: B023
        wait_until(lambda: [listening(port) for port in ports] == [count, count],  # noqa: B023
                   what=f"{count} sockets for each address")
        for work in (*shorts, longs):
            so_far = work.stat()
            assert so_far["short"]["lost_total"] == so_far["long"]["lost_total"] == 0, (count, so_far)
        assert longs.stat()["long_up"] == LONG, "sessions of leaving workers live on"
        before = [work.stat()["short"]["ok"] for work in shorts]
        wait_until(lambda: all(work.stat()["short"]["ok"] > was + 100 for work, was in zip(shorts, before)),  # noqa: B023
                   what="both addresses to serve")
    for work in (*shorts, longs):
        assert_no_loss(work.stop(), LONG)
    wait_for_workers(running, 4)
    wait_until(lambda: len(children(running, "worker")) == 4, what="the left workers to end")
    running.note_base()


@pytest.mark.san_subset
def test_a_leaving_worker_serves_its_sessions_to_their_end(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="workers = 3"))
    clients = [connect(f"127.0.0.1:{port}") for _ in range(30)]
    for client in clients:
        echo(client)
    leaving = [row["pid"] for row in running.running()["workers"] if row["id"] > 0]
    running.reload(config(port, [one], glob="workers = 1"))
    wait_until(lambda: listening(port) == 1, what="one socket to be left")
    for turn in range(3):
        for client in clients:
            echo(client, b"turn %d" % turn)
    for client in clients:
        client.close()
    wait_until(lambda: not set(leaving) & set(children(running, "worker")), what="the leaving workers to end")
    wait_for_workers(running, 1)
    assert running.running()["workers"][0]["restarts"] == 0


@pytest.mark.san_subset
def test_a_killed_worker_among_fewer_comes_back_in_its_slot(daemon, host):
    """The sockets of each slot stay with the slot, also after the number of workers has changed."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="workers = 4"))
    running.reload(config(port, [one], glob="workers = 2"))
    wait_until(lambda: listening(port) == 2, what="two sockets to be left")
    wait_for_workers(running, 2)
    for slot in (0, 1):
        before = running.running()["workers"][slot]
        running.signal(9, before["pid"])
        wait_until(lambda: running.running()["workers"][slot]["restarts"] > before["restarts"]  # noqa: B023
                   and len(workers_up(running)) == 2, what="the killed worker to be replaced")
        assert [row["id"] for row in running.running()["workers"]] == [0, 1]
    for _ in range(50):
        with connect(f"127.0.0.1:{port}") as client:
            echo(client)
    assert listening(port) == 2
    running.allow_errors("worker")


def eventfds(pid):
    """The kernel's numbers of a process's eventfds."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as info:
                found.update(re.findall(r"^eventfd-id:\s*(\d+)", info.read(), re.M))
        except OSError:
            continue  # closed meanwhile
    return found


@pytest.mark.san_subset
def test_every_process_can_ring_every_other(daemon, host):
    """A bell a slot and the director's, the same in all: in those that ran before the slot came into use, and in replacements."""
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="workers = 2"))
    running.allow_errors("SIGKILL")

    def bells(count):
        processes = [running.pid, *children(running, "worker"), *children(running, "director")]
        sets = [eventfds(pid) for pid in processes]
        return len(processes) == count + 2 and len(set.intersection(*sets)) == count + 1

    wait_until(lambda: bells(2), what="two workers' bells everywhere")
    running.reload(config(port, [one], glob="workers = 4"))
    wait_for_workers(running, 4)
    wait_until(lambda: bells(4), what="four workers' bells everywhere")
    pid = running.running()["workers"][1]["pid"]
    os.kill(pid, 9)
    wait_until(lambda: pid not in children(running, "worker") and len(workers_up(running)) == 4,
               what="the killed worker to be replaced")
    wait_until(lambda: bells(4), what="all bells in the replacement, too")
    (director,) = children(running, "director")
    os.kill(director, 9)
    wait_until(lambda: children(running, "director") not in ([], [director]) and bells(4), what="all bells in the next director")
    running.note_base()
