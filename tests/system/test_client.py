# SPDX-License-Identifier: MIT
"""gaidarosctl against answers of all kinds: what it asks, how it shows them, what it exits with."""

import json
import os
import pty
import re
import subprocess

import pytest

from command import CTL, ROOT, run
from fakedaemon import FakeDaemon
from harness import child_env

pytestmark = pytest.mark.san_subset

REFUSED, WRONG_USAGE, NO_DAEMON = 1, 2, 3
EVIL = "a\x1b[2J\x07\u009b1m\x7fb\tc"


@pytest.fixture(name="fake")
def fake_daemon(folder):
    """fake(answers) is a FakeDaemon until the test ends."""
    made = []

    def make(answers):
        made.append(FakeDaemon(folder, answers))
        return made[-1]

    yield make
    for one in made:
        one.__exit__()


def ctl(fake, *words):
    return run([CTL, "-s", fake.control, *words])


def on_terminal(fake, *words):
    """The exit status, and what a terminal gets on standard output and error."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([CTL, "-s", fake.control, *words], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                               env=child_env())
    os.close(follower)
    got = b""
    while True:
        try:
            some = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not some:
            break
        got += some
    os.close(leader)
    return process.wait(30), got


# which way a command goes


@pytest.mark.parametrize("words,path", [
    (["status"], "/running.txt"), (["-o", "json", "status"], "/running.json"), (["config"], "/config"),
    (["config", "running"], "/config/running"), (["running"], "/config/running"), (["diff"], "/config/diff"),
    (["metrics"], "/metrics"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_is_got_is_shown_as_it_is(fake, words, path):
    body = f"x = {EVIL}\nü ✓\n"
    one = fake({path: body})
    said = ctl(one, *words)
    assert (said.status, said.out, said.err) == (0, body, ""), said
    assert one.asked == [("GET", path, b"")]


def test_an_empty_answer_is_no_fault(fake):
    said = ctl(fake({"/config/diff": ""}), "diff")
    assert (said.status, said.out, said.err) == (0, "", ""), said


@pytest.mark.parametrize("words", [["profile", "3"], ["metrics"], ["diff"], ["why", "7"], ["connections"], ["-o", "json", "profile", "3"]],
                         ids=" ".join)
def test_a_daemon_that_does_not_know_it_is_told_plainly(fake, words):
    said = ctl(fake({}), *words)
    assert said.status == REFUSED and said.out == "", said
    assert re.fullmatch(r"gaidarosctl: this daemon has no /[a-z/7]+; is it of another version\?\n", said.err), said


def test_an_error_is_told_in_the_daemons_words(fake):
    one = fake({"/connections/7": (404, {"ok": False, "error": "connection 7 is not open"}), "/running.txt": (503, "503 starting")})
    for words in (["why", "7"], ["-o", "json", "why", "7"]):
        said = ctl(one, *words)
        assert (said.status, said.out, said.err) == (REFUSED, "", "gaidarosctl: connection 7 is not open\n"), said
    said = ctl(one, "status")
    assert said.status == REFUSED and said.out == "" and "503 starting" in said.err, said


@pytest.mark.parametrize("body", ["", "no JSON", "[]", "{", "\0", "{\"a\":\"\xff"], ids=repr)
def test_nonsense_is_told(fake, body):
    one = fake({"/connections": body.encode("latin-1"), "/connections/7": body.encode("latin-1"), "/profile": body.encode("latin-1"),
                "/api/reload": body.encode("latin-1")})
    for words in (["connections"], ["why", "7"], ["profile", "1"], ["reload"]):
        said = ctl(one, *words)
        assert said.status == REFUSED and said.err.startswith("gaidarosctl: "), (words, said)


def test_values_of_other_kinds_are_shown_or_left_out(fake):
    odd = [1, None, "x", {"id": "x", "client": [], "age_s": None, "bytes_in": {}}]
    one = fake({"/connections": {"connections": odd}, "/connections/7": {"timers": odd, "client_tcp": 3, "host_tcp": [], "chosen": 1},
                "/profile": {"workers": odd + [{"id": 0, "phases": {"relay": "x"}}, {"phases": 3}]}})
    for words in (["connections"], ["why", "7"], ["profile", "1"]):
        assert ctl(one, *words).status == 0, words


# what is harmless on a terminal


def test_a_terminal_gets_no_control_characters(fake):
    row = {"id": 7, "client": EVIL, "service": EVIL, "group": EVIL, "host": EVIL, "address": EVIL, "phase": EVIL, "chosen": EVIL,
           "timers": [{"name": EVIL, "limit_s": 1, "left_s": 1}], EVIL: EVIL,
           "client_tcp": {"state": EVIL, EVIL: 1}, "host_tcp": {"state": EVIL}}
    text = f"x {EVIL} \xff\n".encode("latin-1", "replace")
    one = fake({"/running.txt": text, "/config": text, "/config/diff": text, "/metrics": text, "/config/running": text,
                "/connections": {"connections": [row]}, "/connections/7": row, "/running.json": text,
                "/profile": {"seconds": 1, "workers": [{"id": 0, "pid": 1, "wait_pct": 50, "phases": {EVIL: 50}}]},
                "/connections/8": (404, {"ok": False, "error": EVIL}), "/connections/9": (500, EVIL),
                "/api/reload": {"ok": True, "message": EVIL}, "/api/closeLog": (409, {"ok": False, "error": EVIL})})
    for words, wanted in ((["status"], 0), (["config"], 0), (["config", "running"], 0), (["diff"], 0), (["metrics"], 0),
                          (["connections"], 0), (["why", "7"], 0), (["-o", "json", "status"], 0), (["profile", "1"], 0),
                          (["why", "8"], REFUSED), (["why", "9"], REFUSED), (["reload"], 0), (["closeLog"], REFUSED),
                          (["-o", "json", "reload"], 0)):
        status, got = on_terminal(one, *words)
        assert status == wanted and got, (words, got)
        shown = got.decode()  # it is UTF-8
        assert not re.search("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", shown), (words, shown)


# shapes


def test_columns_stand_below_each_other_also_with_letters_of_two_bytes(fake):
    rows = [{"id": 1, "client": "10.0.0.1:1", "service": "wéb", "group": "größe", "host": "", "worker": 0, "phase": "relay",
             "age_s": 1.25, "bytes_in": 0, "bytes_out": 12},
            {"id": 12345, "client": "[2001:db8::1]:50000", "service": "a b", "group": "main", "host": "app1", "worker": 11,
             "phase": "connect", "age_s": 10000, "bytes_in": 99, "bytes_out": 0}]
    said = ctl(fake({"/connections": {"connections": rows}}), "connections", "host=a&b", "age=1h")
    heading, *lines = said.out.splitlines()
    starts = [heading.index(word) for word in heading.split()]
    for line in lines:
        for start in starts[1:]:
            assert line[start - 1] == " " and line[start] != " ", (line, start, said)
        assert len(line.split()) == len(starts), line
    assert " - " in lines[0] and "a?b" in lines[1]


def test_filters_are_passed_on_as_they_are(fake):
    one = fake({"/connections": {"connections": []}})
    assert ctl(one, "connections", "host=a&b=c", "source=2001:db8::/32", "service=ü %").status == 0
    assert ctl(one, "connections", "ho&st=x").status == 0
    assert [path for _, path, _ in one.asked] == ["/connections?host=a%26b%3Dc&source=2001:db8::/32&service=%C3%BC%20%25",
                                                  "/connections?ho%26st=x"]


def test_why_is_told_to_a_person(fake):
    why = {"id": 7, "client": "192.0.2.7:40000", "service": "web", "group": "main", "host": "app1", "address": "10.0.0.11:80", "worker": 2,
           "phase": "relay", "since": "2026-11-22T07:00:00Z", "age_s": 12.5, "bytes_in": 100, "bytes_out": 2000, "idle_s": 3.25,
           "tries": 2, "chosen": "roundrobin: its turn", "sni": "example.org",
           "timers": [{"name": "idle_timeout", "limit_s": 300, "left_s": 296.75}],
           "client_tcp": {"state": "established", "rtt_ms": 31.5, "retransmits": 14}, "host_tcp": {"state": "close_wait", "rtt_ms": 0.021}}
    one = fake({"/connections/7": why, "/connections/8": dict(why, host="", chosen="", timers=[], host_tcp=None, phase="queue")})
    said = ctl(one, "why", "7")
    assert said.status == 0, said
    for line in ("connection 7", "  host           app1 of group main, 10.0.0.11:80", "  chosen by      roundrobin: its turn; tries: 2",
                 "  phase          relay; open for 12.5 s, idle for 3.2 s", "  bytes          100 from the client, 2000 to it",
                 "  sni            example.org", "  idle_timeout   296.8 s of 300.0 s are left"):
        assert line in said.out.splitlines(), (line, said)
    assert re.search(r"(?m)^  state +established +close_wait$", said.out), said
    assert re.search(r"(?m)^  rtt_ms +31\.500 +0\.021$", said.out) and re.search(r"(?m)^  retransmits +14 +-$", said.out), said
    said = ctl(one, "why", "8")
    assert "none is chosen yet" in said.out and "no socket yet" in said.out and "\n  none\n" in said.out, said
    assert json.loads(ctl(one, "-o", "json", "why", "7").out) == why


def test_profile_is_a_table_whose_rows_sum(fake):
    answer = {"seconds": 3, "workers": [{"id": 0, "pid": 4711, "wait_pct": 97.1, "phases": {"accept": 0.5, "relay": 1.8, "other": 0.6}},
                                        {"id": 1, "pid": 4712, "wait_pct": 40, "phases": {"accept": 10, "tls_handshake": 50}}]}
    one = fake({"/profile": answer})
    said = ctl(one, "profile", "3")
    assert said.status == 0, said
    lines = said.out.splitlines()
    assert lines[0] == "percent of 3 s"
    assert lines[1].split() == ["worker", "pid", "waiting", "accept", "relay", "other", "tls_handshake", "sum"]
    assert lines[2].split() == ["0", "4711", "97.1", "0.5", "1.8", "0.6", "0.0", "100.0"]
    assert lines[3].split() == ["1", "4712", "40.0", "10.0", "0.0", "0.0", "50.0", "100.0"]
    assert len(set(map(len, lines[1:]))) == 1, "the columns end below each other"
    assert json.loads(ctl(one, "-o", "json", "profile", "3").out) == answer
    assert [path for _, path, _ in one.asked] == ["/profile?seconds=3"] * 2


# usage


@pytest.mark.parametrize("words", [
    ["profile"], ["profile", "0"], ["profile", "61"], ["profile", "x"], ["profile", "1", "2"], ["profile", "-1"], ["profile", "1.5"],
    ["config", "walking"], ["config", "running", "x"], ["why"], ["why", "1", "2"], ["connections", "x"], ["check"], ["completion"],
    ["-o", "json", "config"], ["-o", "json", "top"], ["-o", "json", "metrics"], ["diff", "x"], ["hash", "x"], ["top", "-n", "1.5"],
    ["top", "-n", "inf"], ["top", "-d", "nan"], ["statsu"], ["hostDrain"], ["hostDrain", "service=a", "group=b", "name=c", "ovr=1s"],
    ["reload", "x=1"], ["killConnection"], ["hostDrain", "service=a", "service=b", "group=b", "name=c"],
], ids=" ".join)
def test_wrong_usage_is_told_before_anybody_is_asked(fake, words):
    one = fake({})
    said = ctl(one, *words)
    assert said.status == WRONG_USAGE and said.err.startswith("gaidarosctl: ") and said.out == "", said
    assert one.asked == []


def test_near_words_are_named(fake):
    one = fake({})
    assert "did you mean 'status'?" in ctl(one, "statsu").err
    assert "did you mean 'over'?" in ctl(one, "hostDrain", "service=a", "group=b", "name=c", "ovr=1s").err


def test_calls_that_only_the_daemon_knows_are_made(fake):
    one = fake({"/api/polishHost": {"ok": True, "message": "it shines"},
                "/api/danceHost": (404, {"ok": False, "error": "unknown call 'danceHost'", "unknown_call": True})})
    said = ctl(one, "polishHost", "name=a", "wax=yes")
    assert (said.status, said.out) == (0, "it shines\n"), said
    assert one.asked[0][:2] == ("POST", "/api/polishHost") and json.loads(one.asked[0][2]) == {"name": "a", "wax": "yes"}
    assert ctl(one, "danceHost").status == WRONG_USAGE


def test_without_a_daemon_all_of_them_end_alike(folder):
    for words in (["status"], ["connections"], ["why", "1"], ["profile", "1"], ["config"], ["diff"], ["metrics"], ["reload"],
                  ["top", "-n", "1"]):
        said = run([CTL, "-s", folder / "nothing.sock", *words])
        assert said.status == NO_DAEMON and said.out == "" and "nothing.sock" in said.err, (words, said)


def test_help_and_manual_have_every_command_and_call():
    told, page = run([CTL, "--help"]).out, run([CTL, "--manual"]).out
    heads = re.findall(r'(?m)^\.\\" (?:COMMAND|CALL) (\w+)$', page)
    assert len(heads) == len(set(heads)) > 30
    with open(os.path.join(ROOT, "include/ctl/words.h"), encoding="utf-8") as file:
        calls = re.findall(r"NOW\((\w+),", file.read())
    assert set(calls) <= set(heads)
    for word in heads:
        assert re.search(rf"(?m)^  {word}\b", told), word
    assert "--manual" not in told
