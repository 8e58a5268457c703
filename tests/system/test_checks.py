# SPDX-License-Identifier: MIT
"""Active checks: a host goes down and comes back exactly when it should, is told why, and is asked quietly."""

import calendar
import os
import pwd
import re
import signal
import ssl
import subprocess
import time

import pytest

import harness
from certificates import make_certificate
from checkhost import CheckHost
from rig import ask_name, config, host_line, local
from scene import children, continue_processes, stop_processes
from test_peers import NGINX, POSTGRES_OPTIONS, answers, as_postgres, postgres_program, run, server  # noqa: F401
from test_peers import open_folder  # noqa: F401

FAST = "check_interval = 200ms\ncheck_timeout = 150ms\nrise = 2\nfall = 3\n"
QUIET = "eject_failures = 0\n"


@pytest.fixture
def check_host():
    """Makes hosts that answer checks as told; closed after the test."""
    made = []

    def make(*args, **settings):
        made.append(CheckHost(*args, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_state(d, name, state, timeout=harness.PATIENCE_S, service="web"):
    harness.wait_until(lambda: d.host(name, service)["state"] == state, timeout, f"host {name} to be {state}")


def log_time(line):
    """Seconds since 1970 of a line of the log."""
    found = re.match(r"(\S+?)\.(\d{3})Z ", line)
    return calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) + int(found[2]) / 1000


def changes(d, name="app"):
    return d.log_lines(rf"host \w+/{name} is (down|up)")


@pytest.mark.san_subset
def test_d1_down_at_fall_and_up_at_rise(daemon, check_host):
    says = ["ok", "bad", "bad", "ok", "bad", "bad", "bad", "bad", "ok", "bad", "ok", "ok", "ok"]
    app = check_host(says)
    d = daemon(config(local(), [app], group=FAST + "check = http /health"), workers=2)
    app.wait(13)
    wait_state(d, "app", "up")
    down, up = changes(d)
    assert down.endswith("host main/app is down: HTTP status 503") and up.endswith("host main/app is up")
    begins = [visit.began for visit in app.visits]
    # After the answer to the 7th (the third failure in a row) and the 12th (the second success), before the next.
    assert begins[6] - 0.002 <= log_time(down) <= begins[7] + 0.1, (down, begins)
    assert begins[11] - 0.002 <= log_time(up) <= begins[12] + 0.1, (up, begins)


def test_d2_alternating_results_change_nothing(daemon, check_host):
    app = check_host(["ok", "bad"] * 1000)
    d = daemon(config(local(), [app], group=FAST.replace("200ms", "100ms").replace("150ms", "90ms")
                      + "check = http /"), workers=1)
    app.wait(40)
    assert d.host("app")["state"] == "up"
    assert changes(d) == []


@pytest.mark.parametrize("says", ["silent", "drip"])
def test_d3_the_timeout_counts_from_the_start(daemon, check_host, says):
    app = check_host(says)
    group = 'check_interval = 500ms\ncheck_timeout = 300ms\nfall = 1\ncheck = send "PING\\r\\n" expect "+PONG"'
    d = daemon(config(local(), [app], group=group), workers=1)
    wait_state(d, "app", "down")
    reason = d.host("app")["reason"]
    assert "no answer within 300ms" == reason if says == "silent" else reason.startswith('expected "+PONG", got "HH')
    harness.wait_until(lambda: app.visits[0].ended, what="the first probe to end")
    took = app.visits[0].ended - app.visits[0].began
    assert 0.28 <= took < 2, took


def group_text(name, hosts, keys):
    return "\n".join([f"[group {name}]", keys, *(host_line(host) for host in hosts), ""])


def test_d4_one_prober_for_all_workers(daemon, check_host):
    hosts = [check_host("ok", f"app{n}") for n in range(40)]
    odd, even = hosts[1::2], hosts[0::2]
    text = config(local(), odd, group="check = http /\ncheck_interval = 500ms\ncheck_timeout = 400ms")
    text += f"\n[service other]\nlisten = {local()}\ngroup = even\n" + group_text("even", even, "check = none")
    d = daemon(text, workers=4)
    odd[0].wait(8)
    counts = [host.count() for host in odd]
    assert max(counts) - min(counts) <= 1 and max(counts) <= 9, counts
    assert [host.count() for host in even] == [0] * len(even)
    assert all(d.host(host.name, "other")["state"] == "up" for host in even)


@pytest.mark.alone
def test_d5_failing_checks_leave_nothing_behind(daemon, check_host, black_hole):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls = check_host("tls", "tls", tls=context)  # it has no certificate: every handshake fails
    reset, hole, refused = check_host("reset", "reset"), black_hole(), local()
    fast = "check_interval = 100ms\ncheck_timeout = 50ms\nfall = 1\n" + QUIET
    rows = {"refused": (refused, "tcp"), "hole": (hole.address, "tcp"),
            "reset": (reset.address, "http /"), "tls": (tls.address, "tls")}
    text = config(local(), ["app 127.0.0.1:9"], group="check = none")
    for name, (address, check) in rows.items():
        port = address.rpartition(":")[2]
        hosts = [f"{name}{n} {address} check=127.0.0.1:{port}".replace(address, f"127.0.{n}.1:{port}", 1)
                 for n in range(25)]
        text += f"\n[service {name}]\nlisten = {local()}\ngroup = {name}\n"
        text += group_text(name, hosts, fast + f"check = {check}")
    d = daemon(text, workers=1)
    director, = children(d, "director")

    def failures():
        return sum(h["check_failures_total"] for s in d.running()["services"] for g in s["groups"] for h in g["hosts"])

    harness.wait_until(lambda: failures() >= 500, 60, "500 failures")
    before = d.fds(director)
    count = 2000 if harness.SAN else 10000
    harness.wait_until(lambda: failures() >= count, 300, f"{count} failures", 0.2)
    # Those of some 100 probes come and go.
    harness.wait_until(lambda: d.fds(director) <= before + 10, what=f"descriptors to be about {before} again")


@pytest.mark.parametrize("says,reason", [("endless", "HTTP: no end of the headers within 16 KiB"),
                                         ("junk", "HTTP: the status line is broken")])
def test_d7_hostile_answers_cost_nothing(daemon, check_host, says, reason):
    app = check_host(says)
    d = daemon(config(local(), [app], group="check_interval = 100ms\ncheck_timeout = 90ms\nfall = 1\ncheck = http /"),
               workers=1)
    wait_state(d, "app", "down")
    director, = children(d, "director")
    before, count = d.rss(director), app.count()
    app.wait(count + 30)
    assert d.rss(director) <= before + (8 << 20 if harness.SAN else 1 << 20)
    assert d.host("app")["reason"] == reason


@pytest.mark.alone
def test_d8_starts_are_spread(daemon, check_host):
    app = check_host("ok", address="0.0.0.0")
    hosts = [f"app{n} 127.0.1.{n + 1}:{app.port}" for n in range(100)]
    daemon(config(local(), hosts, group="check_interval = 4s\ncheck = tcp"), workers=1)
    app.wait(200, 60)
    begins = [visit.began for visit in app.visits[:200]]
    assert begins[99] - begins[0] > 3 and begins[199] - begins[0] > 7
    buckets = {}
    for began in begins[:100]:
        buckets[int(began * 5)] = buckets.get(int(began * 5), 0) + 1
    assert max(buckets.values()) <= 15, buckets  # 5 to 200 ms are right; a busy machine bunches some


def tls_context(pem, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context


@pytest.mark.san_subset
def test_d9_tls_checks_name_what_is_wrong(daemon, check_host, folder):
    make_certificate(folder, "ca")
    make_certificate(folder, "otherca")
    kinds = {"good": {}, "wrongname": {"alt": "DNS:web.example"}, "expired": {"days": -1}}
    hosts = []
    for name, options in kinds.items():
        hosts.append(check_host("tls", name, tls=tls_context(*make_certificate(folder, name, "ca", **options))))
    hosts.append(check_host("tls", "untrusted", tls=tls_context(*make_certificate(folder, "foreign", "otherca"))))
    hosts.append(check_host("junk", "plain"))
    group = FAST.replace("150ms", "190ms") + f"check = tls\ntls_name = app.example\ntls_ca = {folder}/ca.pem\n"
    d = daemon(config(local(), hosts, group=group), workers=1)
    reasons = {"wrongname": "certificate is for another name", "expired": "certificate has expired",
               "untrusted": "certificate is not by one that tls_ca trusts", "plain": "TLS: the answer is no TLS"}
    for name, reason in reasons.items():
        wait_state(d, name, "down")
        assert d.host(name)["reason"] == reason
    good = hosts[0]
    good.wait(3)
    assert d.host("good")["state"] == "up"
    harness.wait_until(lambda: good.visits[2].ended, what="the third check to end")
    # Neither a torn end nor a reset: close_notify, then FIN.
    assert {visit.how for visit in good.visits[:3]} == {"fin"}


@pytest.mark.san_subset
@pytest.mark.parametrize("on_down", ["keep", "close"])
def test_d10_open_connections_of_a_host_that_goes_down(daemon, check_host, on_down):
    app, door, listen = check_host("echo"), check_host("ok", "door"), local()
    group = FAST + f"check = http /\non_down = {on_down}\n"
    d = daemon(config(listen, [f"app {app.address} check={door.address}"], group=group), workers=2)
    with harness.connect(listen) as client:
        client.sendall(b"hello")
        assert harness.receive_exactly(client, 5) == b"hello"
        door.says = "bad"
        wait_state(d, "app", "down")
        if on_down == "keep":
            client.sendall(b"still")
            assert harness.receive_exactly(client, 5) == b"still"
        else:
            assert harness.receive_all(client) == (b"", "reset")


@pytest.mark.san_subset
def test_d11_all_hosts_fail_at_once(daemon, host, check_host):
    doors = [check_host("ok", f"door{n}") for n in range(4)]
    apps = [host(f"app{n}", "id") for n in range(4)]
    lines = [f"{app.name} {app.address} check={door.address}" for app, door in zip(apps, doors)]
    closed, opened = local(), local()
    keys = FAST + "check = http /\n"
    text = config(closed, lines, group=keys) + f"\n[service open]\nlisten = {opened}\ngroup = open\n"
    text += group_text("open", lines, keys + "fail_open = 50%")
    d = daemon(text, workers=2)
    assert ask_name(closed) and ask_name(opened)
    for door in doors:
        door.says = "bad"
    for app in apps:
        wait_state(d, app.name, "down")
        wait_state(d, app.name, "down", service="open")
    assert ask_name(closed) is None
    assert {ask_name(opened) for _ in range(8)} == {app.name for app in apps}
    assert len(d.log_lines("group main: no usable host left")) == 1
    assert len(d.log_lines("group open: only . of 4 hosts are usable, so all are tried")) == 1
    for door in doors:
        door.says = "ok"
    for app in apps:
        wait_state(d, app.name, "up")
    harness.wait_until(lambda: len(d.log_lines("group (main|open): has usable hosts again")) == 2, what="two lines")
    assert ask_name(closed)


@pytest.mark.san_subset
def test_d12_a_reload_keeps_what_checks_found_out(daemon, host, check_host):
    doors = [check_host("bad", "door0"), check_host("ok", "door1")]
    apps, listen = [host("app0", "id"), host("app1", "id")], local()
    lines = [f"{app.name} {app.address} check={door.address}" for app, door in zip(apps, doors)]

    def text(interval):
        return config(listen, lines, group=FAST.replace("200ms", interval) + "check = http /\n")

    d = daemon(text("200ms"), workers=2)
    wait_state(d, "app0", "down")
    before = d.host("app0")["connections_total"]
    for n in range(10):
        d.reload(text(f"{200 + n}ms"))
        assert {ask_name(listen) for _ in range(10)} == {"app1"}
    assert d.host("app0")["connections_total"] == before
    assert d.host("app0")["state"] == "down" and len(changes(d, "app0")) == 1 and changes(d, "app1") == []
    doors[0].says = "ok"
    wait_state(d, "app0", "up")
    assert {ask_name(listen) for _ in range(10)} == {"app0", "app1"}


@pytest.mark.san_subset
def test_d13_the_director_dies_or_freezes(daemon, host, check_host):
    doors = [check_host("bad", "door0"), check_host("ok", "door1")]
    apps, listen = [host("app0", "id"), host("app1", "id")], local()
    lines = [f"{app.name} {app.address} check={door.address}" for app, door in zip(apps, doors)]
    d = daemon(config(listen, lines, group=FAST + "check = http /\n"), workers=2)
    wait_state(d, "app0", "down")
    director, = children(d, "director")
    os.kill(director, signal.SIGKILL)
    assert {ask_name(listen) for _ in range(10)} == {"app1"}
    harness.wait_until(lambda: d.healthz() == 200 and children(d, "director") not in ([], [director]),
                       what="another director")
    count = doors[1].count()
    doors[1].wait(count + 4)
    assert d.host("app0")["state"] == "down" and d.host("app1")["state"] == "up"
    # Frozen for long: what it missed is no fault of the hosts.
    frozen = children(d, "director")
    stop_processes(frozen)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert ask_name(listen) == "app1"
        time.sleep(0.05)
    count = doors[1].count()
    continue_processes(frozen)
    doors[1].wait(count + 4)
    assert d.host("app1")["state"] == "up" and changes(d, "app1") == []


# --- real hosts: a check is not to be seen in their logs ---


def wait_checks(d, count, name="app"):
    first = d.host(name)["checks_total"]
    harness.wait_until(lambda: d.host(name)["checks_total"] >= first + count, what=f"{count} checks")
    assert d.host(name)["state"] == "up", d.host(name)
    assert d.host(name)["check_failures_total"] == 0, d.host(name)


@pytest.mark.san_subset
def test_nginx_logs_nothing_of_checks(daemon, server, folder):  # noqa: F811
    address = local()
    (folder / "nginx.conf").write_text(NGINX.format(home=folder, address=address, name="app"))
    server(["nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf"], lambda: answers(address),
           stop=signal.SIGQUIT)
    listen = local()
    hosts = [f"app {address}"]
    d = daemon(config(listen, hosts, group=FAST + "check = http GET /name 200"), workers=1)
    wait_checks(d, 5)
    for check in ("tcp", "http HEAD /nothing 404", 'send "GET /name HTTP/1.0\\r\\n\\r\\n" expect "app"'):
        d.reload(config(listen, hosts, group=FAST + f"check = {check}"))
        wait_checks(d, 5)
    assert " 404 " not in (folder / "error.log").read_text()
    errors = [line for line in (folder / "error.log").read_text().splitlines() if "No such file" not in line]
    assert errors == []


@pytest.mark.san_subset
def test_redis_logs_nothing_of_checks(daemon, server, folder):  # noqa: F811
    address = local()
    redis = server(["redis-server", "--bind", "127.0.0.1", "--port", address.rpartition(":")[2], "--save", "",
                    "--appendonly", "no", "--dir", folder, "--loglevel", "notice"], lambda: answers(address))
    harness.wait_until(lambda: "Ready to accept" in redis.text(), what="redis to have said all it says at its start")
    before = redis.text()
    listen = local()
    for check in ("redis", "tcp", 'send "PING\\r\\n" expect "+PONG"'):
        if check == "redis":
            d = daemon(config(listen, [f"app {address}"], group=FAST + f"check = {check}"), workers=1)
        else:
            d.reload(config(listen, [f"app {address}"], group=FAST + f"check = {check}"))
        wait_checks(d, 5)
    assert redis.text() == before
    stats = run(["redis-cli", "-p", address.rpartition(":")[2], "info", "clients"])
    assert int(re.search(r"connected_clients:(\d+)", stats)[1]) <= 2  # this one, and a check at most


@pytest.mark.san_subset
def test_postgresql_logs_nothing_of_checks(daemon, server, open_folder):  # noqa: F811
    address, home = local(), os.path.join(open_folder, "db")
    words, port = as_postgres(open_folder), address.rpartition(":")[2]
    run([*words, postgres_program("initdb"), "-N", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C", "-D",
         home], cwd=open_folder)
    ready = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", port]
    db = server([*words, postgres_program("postgres"), "-D", home, "-p", port, *POSTGRES_OPTIONS],
                lambda: subprocess.run(ready, check=False).returncode == 0, stop=signal.SIGINT, cwd=open_folder)
    before, listen = db.text(), local()
    d = daemon(config(listen, [f"app {address}"], group=FAST + "check = postgres"), workers=1)
    wait_checks(d, 5)
    for check in ("postgres tester postgres", "tcp"):
        d.reload(config(listen, [f"app {address}"], group=FAST + f"check = {check}"))
        wait_checks(d, 5)
    assert db.text() == before


EXIM = """
primary_hostname = mail.example
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
exim_user = {user}
exim_group = {group}
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
keep_environment =
never_users =
"""


@pytest.mark.san_subset
def test_exim_logs_nothing_of_checks(daemon, server, open_folder):  # noqa: F811
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    address = local()
    for part in ("spool", "log"):
        os.mkdir(os.path.join(open_folder, part))
        os.chown(os.path.join(open_folder, part), user.pw_uid, user.pw_gid)
    conf = os.path.join(open_folder, "exim.conf")
    with open(os.open(conf, os.O_WRONLY | os.O_CREAT, 0o644), "w", encoding="utf-8") as file:
        file.write(EXIM.format(home=open_folder, user=user.pw_uid, group=user.pw_gid))
    log = os.path.join(open_folder, "log", "mainlog")
    exim = server(["/usr/sbin/exim4", "-C", conf, "-bdf", "-oX", address.replace(":", ".")], lambda: answers(address),
                  cwd=open_folder)

    def text():
        written = open(log, encoding="utf-8").read() if os.path.exists(log) else ""
        return written + exim.text()

    harness.wait_until(lambda: "daemon started" in text(), what="exim to log that it has started")
    before = text()
    # Its answer to QUIT takes 200 ms: exim first waits whether somebody speaks out of turn.
    group = "check_interval = 2s\ncheck_timeout = 1900ms\ncheck = smtp"
    d = daemon(config(local(), [f"app {address}"], group=group), workers=1)
    wait_checks(d, 4)
    assert text() == before
