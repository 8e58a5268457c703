# SPDX-License-Identifier: MIT
"""Hosts behind names: found, found again, and kept whatever the name server does (O1-O6, O8)."""

import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

import harness
import nameserver
from harness import Failure, assert_no_loss, connect, cpu_s, free_port, receive_all, wait_until
from nameserver import CNAME, NXDOMAIN, OPT, REFUSED, SERVFAIL, SRV, NameServer, address, error, packet, record, records
from rig import ask_for, ask_name
from scene import children

OLD, NEW, EVIL = "127.0.0.2", "127.0.0.3", "127.0.0.66"
ADDRESS_LINE = r"info master\[\d+\]: name {}: "

BAD = {"nxdomain": error(NXDOMAIN), "servfail": error(SERVFAIL), "refused": error(REFUSED),
       "silence": nameserver.silent, "empty": records()}


@pytest.fixture
def names():
    """Makes name servers: names({"app.test": records("127.0.0.2")})."""
    made = []

    def make(zone):
        made.append(NameServer(zone))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pair(host):
    """Two hosts at one port of two addresses, which tell their names: (port, old, new)."""
    port = free_port()
    return port, host("old", "id", ip=OLD, port=port), host("new", "id", ip=NEW, port=port)


def config(listen, resolver, rows, *, overall=""):
    """One service `web` at the port over one group of these host lines."""
    return (f"[global]\nresolver = {resolver}\n{overall}\n[service web]\nlisten = 127.0.0.1:{listen}\ngroup = main\n"
            f"connect_timeout = 2s\n[group main]\n" + "".join(f"host = {row}\n" for row in rows))


def ask(port):
    return ask_name(f"127.0.0.1:{port}")


def hosts(daemon):
    """The hosts of the service's group as {address: state}."""
    return {row["address"]: row["state"] for row in daemon.service()["groups"][0]["hosts"]}


def wait_for_addresses(daemon, *wanted):
    wait_until(lambda: set(hosts(daemon)) == set(wanted), what=f"hosts at {wanted}, not {hosts(daemon)}")


def reloads(daemon):
    return daemon.running()["reloads"]


# --- O1: a name means something else


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_changed_address_takes_new_connections_and_old_sessions_live_on(daemon, names, pair, workers):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, ttl=1)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]), workers=workers)
    assert ask(listen) == "old", "the service answers only when its names are known"
    before = reloads(running)
    with connect(f"127.0.0.1:{listen}") as session:
        server.set("app.test", records(NEW, ttl=1))
        changed = time.monotonic()
        wait_until(lambda: ask(listen) == "new", what="a connection to the new address")
        assert time.monotonic() - changed < 10  # TTL + 1 s; a busy machine gets more
        wait_for_addresses(running, f"{NEW}:{port}")
        assert [ask(listen) for _ in range(10)] == ["new"] * 10
        session.shutdown(socket.SHUT_WR)
        assert receive_all(session)[0].strip() == b"old", "the session of before lives on"
    assert reloads(running) == before, "this is no reload"
    assert running.log_lines(ADDRESS_LINE.format("app.test") + NEW + "$")


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_all_addresses_of_a_name_are_hosts_in_whatever_order(daemon, names, pair, workers):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, NEW, ttl=1)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]), workers=workers)
    assert {ask(listen) for _ in range(10)} == {"old", "new"}
    generation, asked = running.generation(), server.asked()

    def shuffled(question):
        both = [OLD, NEW]
        random.shuffle(both)
        return records(*both, ttl=1)(question)

    server.set("app.test", shuffled)
    wait_until(lambda: server.asked() >= asked + 8, what="four more answers")
    assert running.generation() == generation, "the order of answers changes nothing"
    assert {row["name"] for row in running.service()["groups"][0]["hosts"]} == {f"app@{OLD}", f"app@{NEW}"}


def test_an_address_missing_once_stays(daemon, names, pair):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, NEW, ttl=1)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
    generation, turns = running.generation(), []

    def sometimes(question):
        if question.type == nameserver.A:
            turns.append(1)
        return records(*([OLD] if len(turns) % 2 else [OLD, NEW]), ttl=1)(question)

    server.set("app.test", sometimes)
    wait_until(lambda: len(turns) >= 6, what="six answers")
    assert running.generation() == generation


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_services_are_found_with_their_ports_and_weights(daemon, names, host, workers):
    one, two, three = (host(name, "id", ip=ip) for name, ip in (("one", OLD), ("two", NEW), ("three", "127.0.0.4")))
    listen = free_port()
    server = names({
        "_x._tcp.app.test": nameserver.services((10, 3, one.port, "one.test"), (10, 1, two.port, "two.test"),
                                                (20, 1, three.port, "three.test"), ttl=1),
        "one.test": records(OLD), "two.test": records(NEW), "three.test": records("127.0.0.4")})
    running = daemon(config(listen, server.address, ["app srv:_x._tcp.app.test weight=2"]), workers=workers)
    rows = {row["address"]: row["weight"] for row in running.service()["groups"][0]["hosts"]}
    assert rows == {one.address: 6, two.address: 2}, "only the lowest priority, and weights multiply"
    assert sorted(ask(listen) for _ in range(8)) == ["one"] * 6 + ["two"] * 2
    server.set("_x._tcp.app.test", nameserver.services((20, 1, three.port, "three.test"), ttl=1))
    wait_for_addresses(running, three.address)
    assert ask(listen) == "three"


def test_dnsmasq_is_a_name_server(daemon, pair, folder):
    binary = shutil.which("dnsmasq") or "/usr/sbin/dnsmasq"
    port, listen, dns = pair[0], free_port(), free_port()
    table = folder / "table"
    table.write_text(f"{OLD} app.test\n")
    table.chmod(0o644)
    with subprocess.Popen([binary, "--keep-in-foreground", f"--port={dns}", "--listen-address=127.0.0.1",
                           "--bind-interfaces", "--no-resolv", "--no-hosts", "--no-poll", "--local-ttl=1",
                           f"--addn-hosts={table}", f"--srv-host=_x._tcp.app.test,app.test,{port},1,1",
                           "--conf-file=/dev/null", f"--pid-file={folder}/dnsmasq.pid", "--user=root"],
                          env=harness.child_env()) as process:
        try:
            running = daemon(config(listen, f"127.0.0.1:{dns}", [f"plain app.test:{port}", "found srv:_x._tcp.app.test"]))
            wait_until(lambda: ask(listen) == "old", what="a connection by dnsmasq's word")
            table.write_text(f"{NEW} app.test\n")
            process.send_signal(signal.SIGHUP)
            wait_for_addresses(running, f"{NEW}:{port}")
            assert ask(listen) == "new"
        finally:
            process.terminate()
            process.wait()


# --- O2: the name server has no good answer


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_last_good_answer_is_kept(daemon, names, pair, kind, workers):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, ttl=1)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]), workers=workers)
    generation = running.generation()
    server.set("app.test", BAD[kind])
    asked = server.asked()
    wait_until(lambda: running.log_lines("warning director.*name app.test: .*its last addresses stay"),
               what="the log to say so")
    wait_until(lambda: server.asked() >= asked + 6, what="three rounds of questions")
    assert ask(listen) == "old" and running.generation() == generation
    assert len(running.log_lines("its last addresses stay")) == 1
    server.set("app.test", records(NEW, ttl=1))
    wait_for_addresses(running, f"{NEW}:{port}")
    assert len(running.log_lines("name app.test: is answered again")) == 1


@pytest.mark.parametrize("kind", BAD)
def test_a_start_without_an_answer_serves_and_finds_the_host_later(daemon, names, pair, kind):
    port, listen = pair[0], free_port()
    server = names({"app.test": BAD[kind]})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
    assert [row["state"] for row in running.service()["groups"][0]["hosts"]] == ["unresolved"]
    wait_until(lambda: running.log_lines("warning director.*name app.test: .*unresolved"), what="the log to say so")
    assert ask(listen) in (None, ""), "there is no host"
    server.set("app.test", records(OLD, ttl=1))
    wait_until(lambda: ask(listen) == "old", what="the host to be found")
    assert len(running.log_lines("name app.test: .*unresolved")) == 1


def test_a_start_without_an_answer_waits_about_a_second(daemon, names, pair):
    """The hosts that are known do not wait for one that is not."""
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD), "other.test": nameserver.silent})
    running = daemon(config(listen, server.address, [f"app app.test:{port}", f"other other.test:{port}"]))
    first = min(server.times("other.test"))
    assert time.monotonic() - first < 10
    assert ask(listen) == "old"
    assert "up" in hosts(running).values() and "unresolved" in hosts(running).values()


# --- O3: a name server that swallows everything


def test_a_silent_name_server_is_asked_ever_less_and_workers_do_not_notice(daemon, names, pair, load):
    port, listen, count = pair[0], free_port(), 40
    server = names({"app.test": records(OLD, ttl=1), **{f"n{i}.test": nameserver.silent for i in range(count)}})
    running = daemon(config(listen, server.address,
                            [f"app app.test:{port}"] + [f"n{i} n{i}.test:{port} weight=0" for i in range(count)]))
    server.set("app.test", nameserver.silent)
    began, director = time.monotonic(), children(running, "director")[0]
    spent = cpu_s(director)
    names_asked = 0
    while time.monotonic() - began < 8:
        assert ask(listen) == "old"
        names_asked += 1
    elapsed = time.monotonic() - began
    # Rounds begin 1, 2, 4 … s after one another's end; each is two families, each asked twice.
    for i in range(count):
        assert server.asked(f"n{i}.test") <= 4 * 5, f"{server.asked()} questions in {elapsed} s"
    assert cpu_s(director) - spent < 0.2 * elapsed
    assert names_asked > 8


# --- O4: addresses outlive reloads and processes


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_reloads_and_deaths_of_the_director_leave_no_gap(daemon, names, host, load, workers):
    port, listen = free_port(), free_port()
    host("one", ip=OLD, port=port)
    server = names({"app.test": records(OLD, ttl=1)})
    text = config(listen, server.address, [f"app app.test:{port}"])
    running = daemon(text, workers=workers)
    server.set("app.test", nameserver.silent)  # from now on only what is known counts
    work = load(f"127.0.0.1:{listen}", short=harness.scaled_rate(300))
    for turn in range(3):
        running.reload(text + f"queue_timeout = {turn + 1}s\n")
        assert list(hosts(running)) == [f"{OLD}:{port}"]
    director = children(running, "director")[0]
    os.kill(director, signal.SIGKILL)
    wait_until(lambda: children(running, "director") not in ([], [director]) and running.healthz() == 200,
               what="a new director")
    assert list(hosts(running)) == [f"{OLD}:{port}"]
    os.kill(running.worker_pids()[0], signal.SIGKILL)
    running.reload(text)
    assert list(hosts(running)) == [f"{OLD}:{port}"]
    figures = work.stop_after(300)
    assert figures["short"]["lost_total"] <= 5, f"but for the killed worker's: {figures}"
    server.set("app.test", records(NEW, ttl=1))
    wait_for_addresses(running, f"{NEW}:{port}")


def test_new_addresses_need_no_file(daemon, names, pair):
    """The file may be broken or gone: what serves is what was read."""
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, ttl=1)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
    with open(running.file, "w", encoding="utf-8") as file:
        file.write("this is no configuration\n")
    server.set("app.test", records(OLD, NEW, ttl=1))
    wait_for_addresses(running, f"{OLD}:{port}", f"{NEW}:{port}")
    os.unlink(running.file)
    server.set("app.test", records(NEW, ttl=1))
    wait_for_addresses(running, f"{NEW}:{port}")
    assert reloads(running)["failed"] == 0


def test_what_an_admin_set_outlives_new_addresses(daemon, names, pair):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, ttl=1)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
    ask_for(running, "setWeight", name="app", weight=9)
    server.set("app.test", records(OLD, NEW, ttl=1))
    wait_for_addresses(running, f"{OLD}:{port}", f"{NEW}:{port}")
    weights = {row["address"]: row["weight"] for row in running.service()["groups"][0]["hosts"]}
    assert weights == {f"{OLD}:{port}": 9, f"{NEW}:{port}": 9}, "what was set on all of a name is set on what joins it"


@pytest.mark.parametrize("is_known", [True, False])
def test_a_name_taken_out_stays_out_whatever_it_comes_to_mean(daemon, names, pair, is_known):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD, ttl=1) if is_known else error(NXDOMAIN)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
    ask_for(running, "hostAdminDown", name="app")
    server.set("app.test", records(NEW, ttl=1))
    wait_until(lambda: f"{NEW}:{port}" in hosts(running), what="the new address")
    assert set(hosts(running).values()) == {"admin_down"}
    assert ask(listen) in (None, "")
    ask_for(running, "hostAdminUp", name="app")
    wait_until(lambda: ask(listen) in ("old", "new"), what="the host to serve")


def test_a_reload_brings_new_names_with_their_addresses(daemon, names, pair):
    port, listen = pair[0], free_port()
    server = names({"app.test": records(OLD), "other.test": records(NEW)})
    running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
    running.reload(config(listen, server.address, [f"other other.test:{port}"]))
    assert list(hosts(running)) == [f"{NEW}:{port}"], "committed with its host, not without"
    assert reloads(running) == {"ok": 1, "failed": 0}
    assert ask(listen) == "new"
    asked = server.asked("app.test")
    running.reload()
    assert server.asked("app.test") == asked


def test_a_reload_may_name_another_server(daemon, names, pair):
    port, listen = pair[0], free_port()
    one, two = names({"app.test": records(OLD, ttl=1)}), names({"app.test": records(NEW, ttl=1)})
    running = daemon(config(listen, one.address, [f"app app.test:{port}"]))
    running.reload(config(listen, two.address, [f"app app.test:{port}"]))
    wait_for_addresses(running, f"{NEW}:{port}")
    asked = one.asked()
    seen = two.asked()
    wait_until(lambda: two.asked() >= seen + 4, what="two rounds at the new server")
    assert one.asked() <= asked + 2, "one round may have been under way"


# --- O5: answers by others


def poison(question, **more):
    """A false answer that leads elsewhere."""
    return packet(question, [address(EVIL, 3600)] if question.type == nameserver.A else [], **more)


@pytest.mark.parametrize("kind", ["id", "question", "sender"])
def test_poisoned_answers_are_ignored(daemon, names, pair, kind):
    port, listen = pair[0], free_port()
    liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def reply(question):
        honest = records(OLD, ttl=1)(question)
        if kind == "sender":
            liar.sendto(poison(question), question.peer)
            return honest
        if kind == "question":
            others = (nameserver.name("else.test") + struct.pack("!HH", question.type, 1),
                      question.section[:-4] + struct.pack("!HH", nameserver.SRV, 1),
                      question.section[:-4] + struct.pack("!HH", question.type, 3))
            return [poison(question, section=other) for other in others] + honest
        # As many as its socket holds: the ids around the right one. The truth comes last.
        return [poison(question, id_=(question.id + step) % 65536) for step in range(-100, 101) if step] + honest

    with liar:
        server = names({"app.test": reply})
        running = daemon(config(listen, server.address, [f"app app.test:{port}"]))
        wait_for_addresses(running, f"{OLD}:{port}")
        asked = server.asked()
        wait_until(lambda: server.asked() >= asked + 6, what="three rounds more")
        assert list(hosts(running)) == [f"{OLD}:{port}"] and ask(listen) == "old"
        assert not running.log_lines(EVIL)


def test_ids_and_ports_of_questions_cannot_be_guessed(daemon, names):
    listen, count = free_port(), 60
    zone = {f"n{i}.test": records(OLD, ttl=1) for i in range(count)}
    server = names(zone)
    running = daemon(config(listen, server.address, [f"n{i} n{i}.test:80" for i in range(count)]))
    wait_until(lambda: server.asked() >= 6 * count, what="three rounds")
    with server.lock:
        ids = [question.id for _, question in server.questions]
        ports = {question.peer[1] for _, question in server.questions}
    steps = [b - a for a, b in zip(ids, ids[1:])]
    assert len(set(ids)) > 0.9 * len(ids) and max(steps.count(step) for step in set(steps)) < len(steps) / 10
    assert len(ports) >= 3, "a socket of its own for each round"
    assert running.healthz() == 200


# --- O6: answers that are none


def long_name(labels, length=63):
    return b"".join(bytes([length]) + b"a" * length for _ in range(labels)) + b"\0"


def chain(length, target):
    """CNAMEs from the question's name to c1, c2 …, and an address at the end."""
    rows = [record(CNAME, nameserver.name("c1.test"))]
    rows += [record(CNAME, nameserver.name(f"c{i + 1}.test"), owner=nameserver.name(f"c{i}.test"))
             for i in range(1, length)]
    return rows + [address(target, owner=nameserver.name(f"c{length}.test"))]


def srv_data(target, port=80):
    return struct.pack("!HHH", 1, 1, port) + target


MALFORMED = {
    "nothing": lambda q: b"",
    "three bytes": lambda q: q.data[:3],
    "head alone": lambda q: packet(q, counts=(1, 1, 0, 0))[:12],
    "pointer to itself": lambda q: packet(q, [address(EVIL, owner=struct.pack("!H", 0xc000 | (12 + len(q.section))))]),
    "two pointers in a ring": lambda q: packet(q, [address(EVIL, owner=struct.pack("!HH", 0xc000 | (14 + len(q.section)),
                                                                                    0xc000 | (12 + len(q.section))))]),
    "pointer forward": lambda q: packet(q, [address(EVIL, owner=b"\xff\xff")]),
    "label of 64": lambda q: packet(q, [address(EVIL, owner=b"\x40" + b"a" * 64 + b"\0")]),
    "name of 256": lambda q: packet(q, [address(EVIL, owner=long_name(4))]),
    "name of 1000": lambda q: packet(q, [record(CNAME, long_name(16))]),
    "length past the end": lambda q: packet(q, [record(q.type, b"\x7f\0\0\x01", length=60000)]),
    "length of 3": lambda q: packet(q, [record(q.type, b"\x7f\0\0")]),
    "length of 0": lambda q: packet(q, [record(q.type, b"")]),
    "counts of 65535": lambda q: packet(q, [address(EVIL)], counts=(65535, 65535, 65535, 65535)),
    "answers of 65535": lambda q: packet(q, [address(EVIL)], counts=(1, 65535, 0, 0)),
    "no question": lambda q: packet(q, [address(EVIL, owner=nameserver.name(q.name))], counts=(0, 1, 0, 0), section=b""),
    "junk for options": lambda q: packet(q, [b"\0" + struct.pack("!HHIH", OPT, 65535, 0xffffffff, 9) + b"\xff" * 9],
                                         counts=(1, 0, 0, 1)),
    "alias of itself": lambda q: packet(q, [record(CNAME, b"\xc0\x0c")]),
    "ring of aliases": lambda q: packet(q, [record(CNAME, nameserver.name("c1.test")),
                                            record(CNAME, b"\xc0\x0c", owner=nameserver.name("c1.test"))]),
    "only hosts that cannot be": lambda q: packet(q, [address("0.0.0.0"), address("224.0.0.1"),
                                                      address("255.255.255.255")]),
    "no answer but a question": lambda q: q.data,
    "random bytes": lambda q: q.data[:2] + b"\x81\x80" + random.Random(7).randbytes(500),
}

MALFORMED_SERVICES = {
    "target that points to itself": lambda q: packet(
        q, [record(SRV, srv_data(struct.pack("!H", 0xc000 | (12 + len(q.section) + 12 + 6))))]),
    "target that points forward": lambda q: packet(q, [record(SRV, srv_data(b"\xff\xff"))]),
    "target without end": lambda q: packet(q, [record(SRV, srv_data(b"\x01a"))]),
    "target of 256": lambda q: packet(q, [record(SRV, srv_data(long_name(4)))]),
    "target with a newline": lambda q: packet(q, [record(SRV, srv_data(b"\x02a\n\0"))]),
    "target is the root": lambda q: packet(q, [record(SRV, srv_data(b"\0"))]),
    "port 0": lambda q: packet(q, [record(SRV, srv_data(nameserver.name("good.test"), 0))]),
    "six bytes": lambda q: packet(q, [record(SRV, srv_data(b""))]),
}


@pytest.mark.san_subset
def test_malformed_answers_do_no_harm(daemon, names, pair):
    port, listen = pair[0], free_port()
    zone = {"good.test": records(OLD, ttl=1)}
    rows = [f"good good.test:{port}"]
    for i, make in enumerate(MALFORMED.values()):
        zone[f"bad{i}.test"] = lambda question, make=make: [make(question)]
        rows.append(f"bad{i} bad{i}.test:{port} weight=0")
    for i, make in enumerate(MALFORMED_SERVICES.values()):
        zone[f"_s{i}._tcp.test"] = lambda question, make=make: [make(question)]
        rows.append(f"s{i} srv:_s{i}._tcp.test weight=0")
    server = names(zone)
    running = daemon(config(listen, server.address, rows))
    director = children(running, "director")
    assert ask(listen) == "old"
    began, spent = time.monotonic(), cpu_s(director[0])
    wait_until(lambda: all(server.asked(name) >= 3 for name in zone), what="three questions for each")
    elapsed = time.monotonic() - began
    assert cpu_s(director[0]) - spent < 0.2 * elapsed + 0.5
    server.set("good.test", records(NEW, ttl=1))
    wait_until(lambda: ask(listen) == "new", what="an honest answer among these")
    assert children(running, "director") == director, "the director lives"
    states = {row["name"]: row["state"] for row in running.service()["groups"][0]["hosts"]}
    wrong = [list({**MALFORMED, **MALFORMED_SERVICES})[i] for i, name in
             enumerate([f"bad{i}" for i in range(len(MALFORMED))] + [f"s{i}" for i in range(len(MALFORMED_SERVICES))])
             if states.get(name) != "unresolved"]
    assert not wrong, f"believed: {wrong}"


def test_odd_but_honest_answers_are_believed(daemon, names, pair):
    """Cut ones are asked for over TCP, a long chain of aliases is followed, the case of letters is free."""
    port, listen = pair[0], free_port()

    def cut(question):
        whole = records(OLD, ttl=60)(question)
        return whole if question.over_tcp else [packet(question, flags=0x8380)]

    def shouted(question):
        section = question.section[:-4].upper() + question.section[-4:]
        return [packet(question, [address(OLD)] if question.type == nameserver.A else [], section=section)]

    def aliased(question):
        return [packet(question, chain(20, OLD)) if question.type == nameserver.A else packet(question)]

    server = names({"cut.test": cut, "shouted.test": shouted, "aliased.test": aliased})
    rows = [f"{name} {name}.test:{port + i}" for i, name in enumerate(("cut", "shouted", "aliased"))]
    running = daemon(config(listen, server.address, rows))
    wait_for_addresses(running, *(f"{OLD}:{port + i}" for i in range(3)))


# --- O8: a name server that is not there


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
def test_a_name_server_that_refuses_is_not_asked_in_a_loop(daemon):
    """In a network of its own every refused question is counted by the kernel."""
    listen, nobody = free_port(), free_port()
    running = daemon(config(listen, f"127.0.0.1:{nobody}", ["app app.test:80"]),
                     wrap=["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"])

    def refused():
        with open(f"/proc/{running.pid}/net/snmp", encoding="utf-8") as file:
            head, row = [line.split() for line in file if line.startswith("Udp:")]
        return int(row[head.index("NoPorts")])

    began = time.monotonic()
    wait_until(lambda: refused() >= 6, what="the third round of questions")
    elapsed = time.monotonic() - began
    assert refused() <= 2 * (elapsed + 2), f"{refused()} questions in {elapsed} s"
    wait_until(lambda: running.log_lines("name app.test: no name server can be reached"), what="the log to say so")
    if not running.log_lines("unresolved"):
        raise Failure("the log does not say what became of the host")
