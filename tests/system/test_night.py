# SPDX-License-Identifier: MIT
"""What gaidarosctl(1) says for three in the morning, done word by word at a daemon that serves."""

import os
import re

import pytest

from command import ROOT, gaidarosctl
from harness import connect, free_port, wait_until
from rig import Closed
from scene import config, echo, visit

pytestmark = pytest.mark.san_subset

APP1 = ("service=web", "group=main", "name=app1")


@pytest.fixture(name="web")
def web_daemon(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("app1"), host("app2")]), workers=2)
    running.edited = 1
    return running, port


def done(running, *words):
    said = gaidarosctl(running, *words)
    assert said.status == 0 and said.err == "", (words, said)
    return said.out


def open_to(running, port, name):
    """A connection that goes to this host, and its id."""
    for _ in range(10):
        client = connect(f"127.0.0.1:{port}")
        echo(client)
        at = "{}:{}".format(*client.getsockname())
        for line in done(running, "connections", f"host={name}").splitlines():
            if at in line.split():
                return client, line.split()[0]
        client.close()
    raise AssertionError(f"no connection goes to {name}")


def test_a_host_is_taken_out_and_brought_back(web):
    running, port = web
    client, number = open_to(running, port, "app1")
    assert done(running, "hostDrain", *APP1) == "web/main/app1: up -> drain\n"
    (line,) = done(running, "connections", "host=app1").splitlines()[1:]
    assert line.split()[0] == number
    before = running.host("app1")["connections_total"]
    for _ in range(6):
        visit(port)
    assert running.host("app1")["connections_total"] == before
    assert done(running, "hostAdminUp", *APP1) == "web/main/app1: drain -> up\n"
    for _ in range(4):
        visit(port)
    assert running.host("app1")["connections_total"] == before + 2
    echo(client)
    client.close()


def test_another_one_that_fails_is_seen_with_its_reason(daemon, host):
    with Closed("app2") as dead:
        running = daemon(config(free_port(), [host("app1"), dead], group="check = tcp\ncheck_interval = 200ms\ncheck_timeout = 200ms"),
                         workers=1)
        wait_until(lambda: running.host("app2")["state"] == "down", what="the host to be down")
        lines = done(running, "top", "-n", "1").splitlines()
        first = lines[next(i for i, line in enumerate(lines) if line.startswith("HOST ")) + 1]
        assert re.match(r"app2 +web/main +down +1 +0 +0\.0  connect: Connection refused$", first), first
        assert "retried now, was down" in done(running, "retryHost", "service=web", "group=main", "name=app2")


def test_one_connection_is_found_explained_and_ended(web):
    running, port = web
    client, number = open_to(running, port, "app1")
    other, _ = open_to(running, port, "app2")
    echo(client, b"x" * 5000)
    (line,) = done(running, "connections", "source=127.0.0.0/8", "bytes=5k").splitlines()[1:]
    assert line.split()[0] == number
    told = done(running, "why", number)
    assert told.startswith(f"connection {number}\n")
    for words in ("app1 of group main", "idle_timeout", "s of 300.0 s are left"):
        assert words in told, told
    assert re.search(r"(?m)^  state +established +established$", told), told
    done(running, "killConnection", f"id={number}")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    client.close()
    echo(other)
    other.close()
    assert gaidarosctl(running, "why", number).status == 1


def test_what_a_restart_would_lose_is_seen_and_saved(web):
    running, _ = web
    assert done(running, "diff") == ""
    assert done(running, "setWeight", *APP1, "weight=5") == "web/main/app1: weight 1 -> 5\n"
    changed = [line for line in done(running, "diff").splitlines() if re.match(r"[-+]host = app1 ", line)]
    assert [line[0] for line in changed] == ["-", "+"] and "weight=5" in changed[1] and "weight=5" not in changed[0], changed
    done(running, "check", running.file)
    done(running, "saveConfig")
    assert done(running, "diff") == ""
    done(running, "check", running.file)
    with open(running.file, encoding="utf-8") as file:
        assert re.search(r"(?m)^host = app1 .*weight=5", file.read())
    assert os.path.exists(running.file + ".old")


def test_the_page_names_only_commands_and_calls_there_are(web):
    """Each example of the manual begins with a word that gaidarosctl knows."""
    running, _ = web
    with open(f"{ROOT}/man/gaidarosctl.1", encoding="utf-8") as file:
        words = re.findall(r"(?m)^\$ gaidarosctl (?:\\-o json )?(\w+)", file.read().replace("\\-", "-").replace("-o json ", ""))
    told = done(running, "--help")
    assert len(words) >= 12
    for word in words:
        assert re.search(rf"(?m)^  {word}\b", told), word
