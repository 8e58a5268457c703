# SPDX-License-Identifier: MIT
"""gaidarosctl why: how a host was chosen, in words, and each limit that runs."""

import socket

import pytest

from harness import connect, free_port, wait_until
from rig import Closed, ask_for
from scene import echo

pytestmark = pytest.mark.san_subset


def why(running, index=-1):
    """All about the connection with the highest id, or another."""
    rows = sorted(running.http("GET", "/connections").json()["connections"], key=lambda row: row["id"])
    answer = running.http("GET", f"/connections/{rows[index]['id']}")
    assert answer.status == 200, answer.text
    return answer.json()


def text(port, hosts, service="", group="", tail=""):
    lines = "".join(f"host = {line}\n" for line in hosts)
    return (f"[service web]\nlisten = 127.0.0.1:{port}\ngroup = main\n{service}\n[group main]\n{group}\ncheck = none\n"
            f"{lines}{tail}")


WORDS = {"roundrobin": "its turn", "leastconn": "fewest connections", "random": "by chance",
         "weighted": "by chance, as weights are", "twochoices": "the less busy of two by chance",
         "source": "hash of the source", "maglev": "hash of the source", "first": "the first that could be used"}


@pytest.mark.parametrize("scheduler", sorted(WORDS))
def test_each_scheduler_has_its_reason(daemon, host, scheduler):
    port, one = free_port(), host("one")
    running = daemon(text(port, [f"one {one.address}"], group=f"scheduler = {scheduler}"), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
        assert why(running)["chosen"] == f"{scheduler}: {WORDS[scheduler]}"


def test_a_client_that_comes_back(daemon, host):
    port, hosts = free_port(), [host("one"), host("two")]
    running = daemon(text(port, [f"{one.name} {one.address}" for one in hosts], group="sticky = source 10m"), workers=1)
    with connect(f"127.0.0.1:{port}") as client, connect(f"127.0.0.1:{port}") as again:
        echo(client)
        echo(again)
        assert why(running, 0)["chosen"] == "roundrobin: its turn"
        assert why(running, 1)["chosen"] == "sticky: the client was there before"


def test_its_own_host_is_full(daemon, host):
    port, hosts = free_port(), [host("one"), host("two")]
    lines = [f"one {hosts[0].address} max_connections=1", f"two {hosts[1].address}"]
    running = daemon(text(port, lines, group="scheduler = first\nsticky = source 10m"), workers=1)
    with connect(f"127.0.0.1:{port}") as client, connect(f"127.0.0.1:{port}") as spilled:
        echo(client)
        echo(spilled)
        found = why(running)
        assert found["host"] == "two" and found["chosen"].endswith("its sticky host being full"), found


@pytest.mark.parametrize("state, reason", [("down", "no usable host"), ("full", "no place")])
def test_a_standby_group(daemon, host, state, reason):
    port, one, two = free_port(), host("one"), host("two")
    running = daemon(text(port, [f"one {one.address} max_connections=1"], service="standby = spare",
                          group="queue_timeout = 0",
                          tail=f"[group spare]\ncheck = none\nhost = two {two.address}\n"), workers=1)
    with connect(f"127.0.0.1:{port}") as first:
        echo(first)
        if state == "down":
            ask_for(running, "hostAdminDown", name="one")
        with connect(f"127.0.0.1:{port}") as client:
            echo(client)
            found = why(running)
            assert found["group"] == "spare", found
            assert found["chosen"] == f"roundrobin: its turn, standby since group main had {reason}"


def test_another_group_is_in_force(daemon, host):
    port, one, two = free_port(), host("one"), host("two")
    running = daemon(text(port, [f"one {one.address}"], service="standby = spare",
                          tail=f"[group spare]\ncheck = none\nhost = two {two.address}\n"), workers=1)
    ask_for(running, "enableGroup", group="spare")
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
        assert why(running)["chosen"] == "roundrobin: its turn, group spare was in force"


def test_a_host_that_refused_comes_before(daemon, host):
    port, one = free_port(), host("one")
    with Closed("dead") as dead:
        running = daemon(text(port, [f"dead {dead.address}", f"one {one.address}"], group="scheduler = first"), workers=1)
        with connect(f"127.0.0.1:{port}") as client:
            echo(client)
            assert why(running)["chosen"].endswith(", retried after 1 that could not be reached (dead: Connection refused)")


def test_who_waited_is_told_how_long(daemon, host):
    port, one = free_port(), host("one")
    running = daemon(text(port, [f"one {one.address} max_connections=1"]), workers=1)
    with connect(f"127.0.0.1:{port}") as first:
        echo(first)
        with connect(f"127.0.0.1:{port}") as client:
            wait_until(lambda: why(running)["phase"] == "queue" and why(running)["age_s"] > 0.05, what="a wait")
            first.close()
            echo(client)
            chosen = why(running)["chosen"]
            assert ", waited " in chosen and chosen.endswith(" ms in the queue"), chosen


def test_each_limit_that_runs_is_shown(daemon, host):
    port, one = free_port(), host("one")
    running = daemon(text(port, [f"one {one.address}"], service="lifetime = 1h\nidle_timeout = 10m\nuser_timeout = 45s\n"
                          "half_close_timeout = 5m"), workers=1)
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
        limits = {timer["name"]: timer for timer in why(running)["timers"]}
        assert set(limits) == {"idle_timeout", "lifetime"} and limits["lifetime"]["limit_s"] == 3600, limits
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        # Nobody reads here: in the end what is sent there is not taken any more, whatever the window.
        def is_stuck():
            for _ in range(50):
                try:
                    client.send(bytes(65536))
                except BlockingIOError:
                    break
            return [timer for timer in why(running)["timers"] if timer["name"] == "user_timeout of the client"]
        timer, = wait_until(is_stuck, what="the client to stop acknowledging")
        assert timer["limit_s"] == 45 and 0 < timer["left_s"] <= 45, timer
