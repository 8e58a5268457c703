# SPDX-License-Identifier: MIT
"""What the command line accepts, answers and exits with (K2, K6; gaidaros(8))."""

import http.client
import json
import os
import re
import signal
import subprocess

import pytest

from command import AS_NOBODY, BIN, gaidaros, open_to_nobody
from configs import text_of
from harness import SANITIZER_LINE, child_env, free_port, session_pids, wait_until
from scene import config, listening, visit

WRONG_USAGE = 2

pytestmark = pytest.mark.san_subset


@pytest.fixture(name="conf")
def conf_file(tmp_path):
    path = tmp_path / "g.conf"
    path.write_text(text_of())
    return str(path)


OPTIONS = {
    "-c": "--config", "-t": "--test", "-D": "--dump", "-d": "--daemon", "-f": "--foreground", "-P": "--pidfile",
    "-L": "--log", "-w": "--workers", "-v": "--verbose", "-V": "--version", "-h": "--help", "-s": None,
    "-l": "--listen", "-b": "--host", "-S": "--scheduler", "-a": "--admin",
}


@pytest.mark.parametrize("args", [
    ["--nosuch"], ["-z"], ["-c"], ["--config"], ["-w"], ["-P"], ["-s"], ["-l"], ["-b"], ["-S"], ["-a"], ["-L"],
    ["-s", "dance"], ["-s", ""], ["word"], ["-c", "FILE", "word"], ["-c", "FILE", "-c", "FILE"],
    ["-c", "FILE", "-d", "-f"], ["-c", "FILE", "-t", "-D"], ["-c", "FILE", "-t", "-s", "reload"],
    ["-c", "FILE", "-s", "reload", "-s", "stop"], ["-c", "FILE", "-w", "2", "-w", "3"],
    ["-c", "FILE", "-l", "127.0.0.1:7999", "-b", "127.0.0.1:9"], ["-l", "127.0.0.1:7999"], ["-b", "127.0.0.1:9"],
    ["-c", "FILE", "-S", "leastconn"], ["-c", "FILE", "-b", "127.0.0.1:9"], ["--test=yes", "-c", "FILE"],
], ids=" ".join)
def test_wrong_usage_is_told_with_status_2(conf, tmp_path, args):
    said = gaidaros(*[conf if a == "FILE" else a for a in args], timeout=20)
    assert said.status == WRONG_USAGE, said
    assert "usage" in said.err.lower() or "--help" in said.err, said
    assert said.out == "", said
    assert os.listdir(tmp_path) == ["g.conf"]


def test_help_names_every_option_on_stdout():
    said = gaidaros("-h")
    assert said.status == 0 and said.err == "", said
    for short, long in OPTIONS.items():
        assert re.search(rf"(^|\s){short}\b", said.out, re.M), (short, said)
        assert long is None or long in said.out, (long, said)
    for key in ("workers = auto", "[service NAME]", "idle_timeout = 5m", "scheduler = roundrobin"):
        assert key in said.out, (key, said)
    assert gaidaros("--help").out == said.out


def test_version_names_the_libraries_and_the_poller():
    said = gaidaros("-V")
    assert said.status == 0 and said.err == "", said
    assert re.match(r"gaidaros \d+\.\d+\.\d+", said.out), said
    for word in ("libev", "inih", "microhttpd", "jansson", "epoll"):
        assert word in said.out.lower(), (word, said)
    assert gaidaros("--version").out == said.out


@pytest.mark.parametrize("short,long", [("-t", "--test"), ("-D", "--dump")])
def test_long_options_do_the_same_as_short_ones(conf, short, long):
    one, two = gaidaros("-c", conf, short), gaidaros("--config", conf, long)
    assert (one.status, one.out, one.err) == (0, two.out, two.err) and two.status == 0, (one, two)
    assert gaidaros(f"--config={conf}", long).out == one.out


def test_options_win_over_the_file(conf):
    said = gaidaros("-c", conf, "-w", "7", "-L", "syslog:local3", "-P", "/tmp/other.pid", "-D")
    assert said.status == 0, said
    for line in ("workers = 7", "log = syslog:local3", "pidfile = /tmp/other.pid"):
        assert re.search(rf"^{line}$", said.out, re.M), (line, said)


@pytest.mark.parametrize("args,key", [(["-w", "abc"], "workers"), (["-w", "0"], "workers"),
                                      (["-w", "257"], "workers"), (["-L", "syslog:nosuch"], "log")])
def test_a_bad_value_of_an_option_is_told_with_its_key(conf, args, key):
    said = gaidaros("-c", conf, *args, "-t")
    assert said.status in (WRONG_USAGE, 3), said
    assert key in said.err, said


ONE_LINE = ["-l", "127.0.0.1:7999", "-b", "127.0.0.1:9", "-b", "127.0.0.1:10,weight=3"]


def test_one_line_is_a_whole_configuration():
    said = gaidaros(*ONE_LINE, "-S", "leastconn", "-a", "127.0.0.1:7001", "-w", "2", "-D")
    assert said.status == 0, said
    for line in ("[service main]", "[group main]", "listen = 127.0.0.1:7999", "scheduler = leastconn", "workers = 2",
                 "listen = 127.0.0.1:7001"):
        assert line in said.out.splitlines(), (line, said)
    hosts = re.findall(r"^host = (.*)$", said.out, re.M)
    assert [h.split()[:2] for h in hosts] == [["host1", "127.0.0.1:9"], ["host2", "127.0.0.1:10"]], said
    assert "weight=3" in hosts[1], said


@pytest.mark.parametrize("args,word", [
    (["-l", "127.0.0.1:0", "-b", "127.0.0.1:9"], "listen"), (["-l", "127.0.0.1:7999", "-b", "127.0.0.1"], "host"),
    (["-l", "127.0.0.1:7999", "-b", "127.0.0.1:9,weight=x"], "weight"),
    (["-l", "127.0.0.1:7999", "-b", "127.0.0.1:9", "-S", "best"], "scheduler"),
    (["-l", "127.0.0.1:7999", "-b", "127.0.0.1:9", "-a", "0.0.0.0:7001"], "insecure"),
])
def test_a_fault_in_one_line_is_told(args, word):
    said = gaidaros(*args, "-t")
    assert said.status == 3, said
    assert "command line" in said.err and word in said.err, said


@pytest.fixture(name="one_line")
def one_line_daemon(host, folder):
    """Runs `gaidaros` with words and no file until the test ends: one_line(words) is its process."""
    made = []

    def start(*words, **popen):
        popen.setdefault("stdin", subprocess.DEVNULL)
        log = open(folder / "log", "ab")  # pylint: disable=consider-using-with
        made.append(subprocess.Popen([BIN, *map(str, words)], stdout=log, stderr=log, env=child_env(),
                                     start_new_session=True, **popen))
        log.close()
        return made[-1]

    yield start
    for process in made:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(20) == 0, (folder / "log").read_text()
        finally:
            for pid in session_pids(process.pid):
                os.kill(pid, signal.SIGKILL)
    assert not SANITIZER_LINE.search((folder / "log").read_text())


def answers(door):
    """/running.json of a door, None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", door, timeout=5)
    try:
        connection.request("GET", "/running.json")
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


def test_one_line_balances(one_line, host, folder):
    hosts, port, door = [host("one"), host("two")], free_port(), free_port()
    words = ["-f", "-w", 2, "-l", f"127.0.0.1:{port}", "-a", f"127.0.0.1:{door}", "-P", folder / "x.pid"]
    running = one_line(*words, "-b", hosts[0].address, "-b", f"{hosts[1].address},weight=3")
    wait_until(lambda: answers(door), what="the daemon to serve")
    for _ in range(40):
        visit(port)
    (service,) = answers(door)["services"]
    assert [row["connections_total"] for row in service["groups"][0]["hosts"]] == [10, 30]  # checks count apart
    assert (service["name"], service["group"]) == ("main", "main")
    assert [(row["name"], row["weight"]) for row in service["groups"][0]["hosts"]] == [("host1", 1), ("host2", 3)]
    assert int((folder / "x.pid").read_text()) == running.pid
    assert answers(door)["workers"][1]["id"] == 1
    running.send_signal(signal.SIGHUP)  # there is no file: nothing changes, nothing breaks
    for _ in range(8):
        visit(port)


def test_one_line_without_a_pidfile_leaves_none(one_line, host, folder):
    one, port = host("one"), free_port()
    os.mkdir(folder / "cwd")
    one_line("-f", "-l", f"127.0.0.1:{port}", "-b", one.address, cwd=folder / "cwd")
    wait_until(lambda: listening(port), what="the daemon to listen")
    visit(port)
    assert os.listdir(folder / "cwd") == []


# -s


@pytest.mark.parametrize("word", ["reload", "stop", "quit", "reopen"])
def test_signalling_without_a_daemon_fails(conf, word):
    said = gaidaros("-c", conf, "-s", word)
    assert said.status == 1 and said.err.strip(), said


def test_upgrade_is_told_to_be_of_a_later_version(conf):
    said = gaidaros("-c", conf, "-s", "upgrade")
    assert said.status in (1, WRONG_USAGE) and "not yet supported" in said.err, said


def test_signalling_reports_whether_it_worked(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=2)
    running.allow_errors(".")
    generation = running.generation()
    said = gaidaros("-c", running.file, "-s", "reload")
    assert said.status == 0, said
    assert running.generation() == generation + 1
    with open(running.file, encoding="utf-8") as file:
        good = file.read()
    running.write(config(port, [one], service="retries = x"))
    said = gaidaros("-P", running.pidfile, "-c", running.file, "-s", "reload")
    assert said.status == 3 and "[service web] retries:" in said.err, said
    assert running.generation() == generation + 1
    with open(running.file, "w", encoding="utf-8") as file:
        file.write(good)
    said = gaidaros("-c", running.file, "-s", "reopen")
    assert said.status == 0 and "logs reopened" in said.out, said
    visit(port)
    said = gaidaros("-c", running.file, "-s", "quit", timeout=30)
    assert said.status == 0, said
    assert running.process.wait(15) == 0
    running.stop(settle=False)


def test_reopening_tells_why_it_failed(daemon, host, folder):
    one, port = host("one"), free_port()
    os.mkdir(folder / "logs")
    running = daemon(config(port, [one], glob=f"access_log = {folder}/logs/access.log"), workers=1)
    running.allow_errors("not reopened")
    os.rename(folder / "logs", folder / "away")
    # The file's own check would refuse it: the daemon is asked about the configuration it has.
    other = folder / "other.conf"
    other.write_text(f"[global]\npidfile = {running.pidfile}\ncontrol = {running.control}\n[service web]\n"
                     f"listen = 127.0.0.1:{port}\ngroup = main\n[group main]\nhost = a {one.address}\n")
    said = gaidaros("-c", other, "-s", "reopen")
    assert said.status == 1 and f"{running.file}:" in said.err and "[global] access_log:" in said.err, said
    os.rename(folder / "away", folder / "logs")
    said = gaidaros("-c", other, "-s", "reopen")
    assert said.status == 0 and "logs reopened" in said.out, said
    visit(port)


@pytest.mark.parametrize("word,line", [("reload", "generation 2 serves"), ("reopen", "logs reopened")])
def test_without_a_control_socket_it_is_only_signalled(one_line, host, folder, word, line):
    """There is nobody to answer; that much is said, and the log has the rest."""
    one, port = host("one"), free_port()
    file = folder / "g.conf"
    file.write_text(f"[global]\nworkers = 1\npidfile = {folder}/x.pid\ncontrol =\n[service web]\n"
                    f"listen = 127.0.0.1:{port}\ngroup = main\n[group main]\nhost = a {one.address}\n")
    one_line("-f", "-c", file)
    wait_until(lambda: listening(port), what="the daemon to listen")
    wait_until(lambda: "generation 1 serves" in (folder / "log").read_text(), what="the daemon to serve")
    said = gaidaros("-c", file, "-s", word)
    assert said.status == 0 and "without a control socket" in said.out, said
    wait_until(lambda: line in (folder / "log").read_text(), what=line)


# K6: the surroundings of a start


def test_the_surroundings_do_not_matter(daemon, host):
    one, port = host("one"), free_port()
    env = {"LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": ":/no/such/zone", "HOME": "", "PATH": "",
           **{f"HUGE_{n}": "x" * 100_000 for n in range(10)}}
    running = daemon(config(port, [one], group="eject_most = 34%"), workers=2, env=env)
    visit(port)
    running.reload()
    visit(port)
    dumped = gaidaros("-c", running.file, "-D", env=child_env(env))
    assert dumped.status == 0 and dumped.out == gaidaros("-c", running.file, "-D").out


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_are_made_up_for(daemon, host, folder, closed):
    one, port = host("one"), free_port()
    wrap = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    running = daemon(config(port, [one], glob=f"log = {folder}/x.log"), workers=1, wrap=wrap)
    for pid in running.pids():
        for fd in (0, 1, 2):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            assert not target.startswith(("socket:", "anon_inode:")) and ".conf" not in target, (pid, fd, target)
    visit(port)
    running.reload()


def test_nobody_may_run_it_too(one_line, host, folder):
    if not open_to_nobody(folder):
        pytest.skip("needs root and a binary that nobody may run")
    one, port = host("one"), free_port()
    os.mkdir(folder / "home")
    os.chown(folder / "home", 65534, 65534)
    file = folder / "home" / "g.conf"
    file.write_text(f"[global]\nworkers = 2\ncontrol = c.sock\npidfile = x.pid\n"
                    f"[service web]\nlisten = 127.0.0.1:{port}\ngroup = main\n[group main]\nhost = a {one.address}\n")
    with open(folder / "log", "ab") as log:
        running = subprocess.Popen([*AS_NOBODY, BIN, "-f", "-c", file], cwd="/", stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, env=child_env(), start_new_session=True)
    try:
        wait_until(lambda: listening(port) == 2, what="the daemon to listen")
        visit(port)
        pids = session_pids(running.pid)
        assert len(pids) == 4, pids
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status.read(), re.M)
        said = gaidaros("-c", file, "-s", "stop", wrap=AS_NOBODY, timeout=30)
        assert said.status == 0, said
        assert running.wait(15) == 0, (folder / "log").read_text()
    finally:
        for pid in session_pids(running.pid):
            os.kill(pid, signal.SIGKILL)


def test_root_runs_its_workers_as_somebody_else(daemon, host):
    if os.getuid() != 0:
        pytest.skip("needs root")
    one, port = host("one"), free_port()
    running = daemon(config(port, [one], glob="user = nobody"), workers=2)
    for pid in running.pids():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = file.read()
        if pid == running.pid:
            continue
        assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.M), status
        assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^CapPrm:\t0+$", status, re.M), status
        assert re.search(r"^NoNewPrivs:\t1$", status, re.M), status
    visit(port)


def test_a_port_that_nobody_may_bind_is_told(folder):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        first_free = int(file.read())
    if not open_to_nobody(folder) or first_free <= 80:
        pytest.skip("needs root, a binary that nobody may run, and privileged ports")
    said = gaidaros("-f", "-l", "127.0.0.1:80", "-b", "127.0.0.1:9", wrap=AS_NOBODY, timeout=20)
    assert said.status == 1 and "127.0.0.1:80" in said.err, said


def test_an_address_in_use_is_told(host):
    one = host("one")
    said = gaidaros("-f", "-l", one.address, "-b", "127.0.0.1:9", timeout=20)
    assert said.status == 1 and one.address in said.err and "in use" in said.err.lower(), said
