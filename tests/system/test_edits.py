# SPDX-License-Identifier: MIT
"""Changes to hosts, groups and services of a running daemon: exact, in one order, and nobody notices (E2, E4, E7)."""

import collections
import os
import random
import signal
import socket
import threading

import pytest

from harness import SAN, assert_no_loss, connect, free_port, wait_until
from rig import ask_for, ask_name, post
from scene import children, config, echo, is_refused, visit

pytestmark = pytest.mark.san_subset


@pytest.fixture
def web(daemon, host):
    """A daemon whose service web has one host that tells its name: (daemon, port, make a host, its file's text)."""
    port = free_port()
    text = config(port, [host("one", "id")])
    running = daemon(text, workers=2)
    running.edited = 1
    return running, port, host, text


def address(port):
    return f"127.0.0.1:{port}"


def groups(running, service="web"):
    """{group: [hosts]}"""
    (row,) = [row for row in running.running()["services"] if row["name"] == service]
    return {group["name"]: [host["name"] for host in group["hosts"]] for group in row["groups"]}


def test_hosts_come_and_go(web):
    running, port, host, _ = web
    two = host("two", "id")
    generation = running.generation()
    said = ask_for(running, "addHost", name="two", address=two.address, weight=3)
    assert said == "web/main/two: added"
    assert running.generation() == generation + 1
    seen = collections.Counter(ask_name(address(port)) for _ in range(8))
    assert seen == {"one": 2, "two": 6}, "from the answer on, by its weight"
    ask_for(running, "delHost", name="one")
    assert groups(running) == {"main": ["two"]}
    assert {ask_name(address(port)) for _ in range(4)} == {"two"}
    why = ask_for(running, "delHost", status=409, name="two")
    assert "last host" in why
    assert ask_name(address(port)) == "two"


def test_groups_come_are_filled_put_in_force_and_go(web):
    running, port, host, _ = web
    spare = host("spare", "id")
    ask_for(running, "newGroup", group="late", scheduler="leastconn")
    assert "no hosts" in ask_for(running, "enableGroup", status=409, group="late")
    ask_for(running, "addHost", group="late", name="spare", address=spare.address)
    ask_for(running, "enableGroup", group="late")
    assert ask_name(address(port)) == "spare"
    ask_for(running, "newGroup", group="later", scheduler="first")
    assert ask_name(address(port)) == "spare", "a change elsewhere leaves the group in force"
    assert "in force" in ask_for(running, "delGroup", status=409, group="late")
    ask_for(running, "changeScheduler", group="late", scheduler="random")
    ask_for(running, "enableGroup", group="main")
    ask_for(running, "delAllHosts", group="late")
    ask_for(running, "delGroup", group="late")
    ask_for(running, "delGroup", group="later")
    assert list(groups(running)) == ["main"]
    assert ask_name(address(port)) == "one"


def test_services_come_and_go(web):
    running, port, _, _ = web
    other, taken = free_port(), free_port()
    ask_for(running, "newService", service="alt", listen=address(other))
    assert ask_name(address(other)) == "one"
    with socket.create_server(("127.0.0.1", taken)):
        why = ask_for(running, "newService", status=409, service="third", listen=address(taken))
    assert "in use" in why and str(taken) in why
    assert {row["name"] for row in running.running()["services"]} == {"web", "alt"}
    running.allow_errors("in use|a change is not made")
    ask_for(running, "delService", service="alt", group=None)
    wait_until(lambda: is_refused(other), what="the address to be free")
    assert ask_name(address(port)) == "one"


def test_what_is_wrong_is_said_and_changes_nothing(web):
    running, port, _, _ = web
    generation = running.generation()
    cases = [("addHost", 404, {"group": "man", "name": "x", "address": "127.0.0.1:1"}, "did you mean 'main'"),
             ("addHost", 409, {"name": "one", "address": "127.0.0.1:1"}, "already"),
             ("addHost", 400, {"name": "x", "address": "127.0.0.1"}, "127.0.0.1"),
             ("addHost", 400, {"name": "x", "address": "127.0.0.1:1 weight=2"}, "one word"),
             ("addHost", 400, {"name": "x\ny", "address": "127.0.0.1:1"}, "one word"),
             ("addHost", 400, {"name": "x", "address": "127.0.0.1:1", "weight": 257}, "257"),
             ("addHost", 400, {"name": "x"}, "address"),
             ("delHost", 404, {"name": "ona"}, "did you mean 'one'"),
             ("changeScheduler", 400, {"scheduler": "robin"}, "robin"),
             ("newGroup", 409, {"group": "main", "scheduler": "first"}, "already"),
             ("newService", 404, {"service": "x", "group": "nil", "listen": "127.0.0.1:1"}, "nil"),
             ("delService", 409, {"group": None}, "last service")]
    for call, status, fields, why in cases:
        assert why in ask_for(running, call, status=status, **fields), (call, fields)
    assert running.generation() == generation
    visit(port, b"")


def test_a_reload_puts_the_file_in_its_place_and_says_what_it_drops(web):
    running, _, host, text = web
    two = host("two", "id")
    ask_for(running, "addHost", name="two", address=two.address)
    ask_for(running, "newGroup", group="late", scheduler="first")
    said = post(running, "reload").json()["message"]
    assert "addHost web/main/two" in said and "newGroup web/late" in said
    assert running.log_lines("warning master.*dropped.*addHost web/main/two")
    assert groups(running) == {"main": ["one"]}
    # What the file has as well is not dropped.
    ask_for(running, "addHost", name="two", address=two.address)
    running.reload(text.replace("host = one", f"host = two {two.address}\nhost = one"))
    assert len(running.log_lines("warning master.*dropped")) == 2, "those of the reload before"
    assert sorted(groups(running)["main"]) == ["one", "two"]


@pytest.mark.parametrize("who", ["director", "worker"])
def test_changes_outlive_the_death_of_processes(web, who):
    running, port, host, _ = web
    two = host("two", "id")
    ask_for(running, "addHost", name="two", address=two.address)
    victim = children(running, who)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in children(running, who) and len(children(running, who)) == (1 if who == "director" else 2)
               and running.healthz() == 200, what=f"a new {who}")
    assert groups(running) == {"main": ["one", "two"]}
    wait_until(lambda: {ask_name(address(port)) for _ in range(4)} == {"one", "two"}, what="both to serve")
    said = post(running, "reload").json()["message"]
    assert "addHost web/main/two" in said, "master remembers what the file does not have"


def test_an_open_connection_outlives_its_host(web):
    running, port, host, _ = web
    leaves = host("leaves")
    ask_for(running, "addHost", name="leaves", address=leaves.address)
    ask_for(running, "hostAdminDown", name="one")
    with connect(address(port)) as client:
        echo(client)
        ask_for(running, "hostAdminUp", name="one")
        ask_for(running, "delHost", name="leaves")
        echo(client, b"still there")
        assert groups(running) == {"main": ["one"]}


def test_sixteen_writers_lose_no_change_and_no_connection(daemon, host, load):
    """Each adds its own hosts and takes some of them away again; all also write to the same names."""
    port, target = free_port(), host("target")
    running = daemon(config(port, [target]), workers=2)
    running.edited = 1
    work = load(address(port), short=100 if SAN else 500, long=20, interval=100)
    answers, lock = [], threading.Lock()

    def write(number):
        chance = random.Random(number)
        for turn in range(4 if SAN else 12):
            own = f"w{number}-{turn}"
            for call, name in (("addHost", own), ("addHost", "shared"), ("delHost", "shared"),
                               *([("delHost", own)] if chance.random() < 0.5 else [])):
                fields = {"address": target.address, "weight": 0} if call == "addHost" else {}
                answer = post(running, call, service="web", group="main", name=name, **fields)
                with lock:
                    answers.append((call, name, answer.status, answer.json().get("generation", 0)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    before = running.generation()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for _, _, status, _ in answers} <= {200, 404, 409}
    # An own name is written by one alone, in order: what it did last is what is there.
    last = {}
    for call, name, status, _ in answers:
        if name != "shared":
            assert status == 200, (call, name, status)
            last[name] = call
    wanted = {name for name, call in last.items() if call == "addHost"}
    there = set(groups(running)["main"])
    assert there - {"shared"} == wanted | {"target"}
    # Adds and deletes of the shared one that went well take turns in any serial order.
    done = collections.Counter(call for call, name, status, _ in answers if name == "shared" and status == 200)
    assert done["addHost"] - done["delHost"] == ("shared" in there)
    assert before < max(generation for *_, generation in answers) == running.generation()
    figures = work.stop()
    assert_no_loss(figures)


def test_a_host_is_taken_out_and_put_back_a_thousand_times_and_nobody_notices(daemon, host, load):
    hosts = [host(name) for name in ("one", "two", "three")]
    port = free_port()
    running = daemon(config(port, hosts), workers=2)
    work = load(address(port), short=200 if SAN else 1000, long=20, interval=100)
    chance, out = random.Random(7), set()
    for _ in range(40 if SAN else 300):
        name = chance.choice([one.name for one in hosts])
        if name in out:
            out.discard(name)
            ask_for(running, "hostAdminUp", name=name)
        elif len(out) < 2:
            out.add(name)
            ask_for(running, chance.choice(["hostAdminDown", "hostDrain"]), name=name)
    assert_no_loss(work.stop())
