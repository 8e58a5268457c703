# SPDX-License-Identifier: MIT
"""Hosts taken out, drained, weighed, brought back while the daemon serves: what each call promises."""

import collections
import json
import os
import random
import re
import signal
import time

import pytest

import harness
from command import gaidarosctl
from rig import Closed, ask_for, ask_name, config, local
from scene import full_load
from test_admin import headless_chromium, no_fault_so_far  # noqa: F401  (a fixture)

WORKERS = [1, 4]


def shares(address, count):
    return dict(collections.Counter(ask_name(address) for _ in range(count)))


def sessions_at(address, name, count):
    """Opens long sessions until so many are at the host; the others are closed again."""
    kept, others = [], []
    while len(kept) < count:
        client = harness.connect(address)
        got = harness.receive_exactly(client, len(name) + 1)
        (kept if got == f"{name}\n".encode() else others).append(client)
    for client in others:
        client.close()
    return kept


def accepted(host):
    return host.stat()["accepted"]


def rests_from_now_on(host, load, more):
    """What was on its way may still arrive; 100 ms after that nothing may, over so many connections more."""
    time.sleep(0.1)
    before = accepted(host)
    served = load.stat()["short"]["ok"]
    harness.wait_until(lambda: load.stat()["short"]["ok"] >= served + more, what="the load to go on")
    assert accepted(host) == before


@full_load
@pytest.mark.parametrize("workers", WORKERS)
def test_a_drained_host_gets_none_and_loses_none(daemon, host, load, workers):
    """E1: 2,000 a second, 100 long sessions on A: none new 100 ms after the answer, the 100 end by themselves."""
    a, b, address = host("A", "id"), host("B", "id"), local()
    d = daemon(config(address, [a, b]), workers=workers)
    clients = sessions_at(address, "A", 100)
    work = load(address, short=harness.scaled_rate(2000), ids=1)
    harness.wait_until(lambda: work.stat()["short"]["ok"] > 100, what="the load to run")
    assert "up -> drain" in ask_for(d, "hostDrain", name="A")
    rests_from_now_on(a, work, 100 if harness.SAN else 1000)
    row = d.host("A")
    assert (row["state"], row["connections"], row["drain_left_s"]) == ("draining", 100, None)
    for client in clients:
        client.sendall(b"still here")
        assert harness.receive_exactly(client, 10) == b"still here"
        client.close()
    harness.wait_until(lambda: d.host("A")["connections"] == 0, what="the drained host's gauge to be 0")
    assert "drain -> up" in ask_for(d, "hostAdminUp", name="A")
    before = accepted(a)
    harness.wait_until(lambda: accepted(a) > before, what="the host to be used again")
    harness.assert_no_loss(work.stop(), 100)


@full_load
@pytest.mark.parametrize("workers", WORKERS)
def test_hosts_go_and_come_a_thousand_times_and_nobody_notices(daemon, host, load, workers):
    """E2: random hosts out and back under load, at least one up at any time: 0 lost."""
    hosts, address = [host(f"app{n}", "id") for n in range(4)], local()
    d = daemon(config(address, hosts), workers=workers)
    work = load(address, short=harness.scaled_rate(1000), ids=1)
    chance, out = random.Random(workers), set()
    for _ in range(100 if harness.SAN else 1000):
        name = chance.choice([one.name for one in hosts])
        if name in out:
            ask_for(d, "hostAdminUp", name=name)
            out.remove(name)
        elif len(out) < len(hosts) - 1:
            ask_for(d, chance.choice(["hostAdminDown", "hostDrain"]), name=name)
            out.add(name)
    for name in out:
        ask_for(d, "hostAdminUp", name=name)
    harness.assert_no_loss(work.stop_after(100), 100)
    assert all(row["state"] == "up" for row in d.service()["groups"][0]["hosts"])


@full_load
@pytest.mark.parametrize("workers", WORKERS)
def test_a_weight_counts_from_the_answer_on(daemon, host, load, workers):
    """C4: 1:1 becomes 1:3 under load; what comes after the answer is shared 1:3, up to what was on its way."""
    a, b, address = host("A", "id"), host("B", "id"), local()
    d = daemon(config(address, [a, b]), workers=workers)
    parallel = 8
    work = load(address, short=harness.scaled_rate(1000), parallel=parallel, ids=1)
    harness.wait_until(lambda: work.stat()["short"]["ok"] > 100, what="the load to run")
    assert "weight 1 -> 3" in ask_for(d, "setWeight", name="B", weight=3)
    before = {one.name: d.host(one.name)["connections_total"] for one in (a, b)}
    start = work.zero()["short"]["ok"]
    harness.wait_until(lambda: work.stat()["short"]["ok"] > (400 if harness.SAN else 2000), what="connections to share")
    figures = work.stop()
    harness.assert_no_loss(figures, 400)
    assert start > 0
    shared = {one.name: d.host(one.name)["connections_total"] - before[one.name] for one in (a, b)}
    assert abs(shared["B"] - 3 * shared["A"]) <= 4 * (parallel + 4), shared


@pytest.mark.san_subset
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_first_full_run_after_a_weight_is_exact(daemon, host, workers):
    """C4, in turn: the very next four connections are one to three, wherever the turn stood."""
    a, b, address = host("A", "id"), host("B", "id"), local()
    d = daemon(config(address, [a, b]), workers=workers)
    for stood in range(4):
        ask_for(d, "setWeight", name="B", weight=1)
        shares(address, stood)
        ask_for(d, "setWeight", name="B", weight=3)
        for runs in (1, 1, 5):
            assert shares(address, 4 * runs) == {"A": runs, "B": 3 * runs}


@full_load
def test_weight_0_gets_no_new_connections(daemon, host, load):
    a, b, address = host("A", "id"), host("B", "id"), local()
    d = daemon(config(address, [a, b]), workers=2)
    (client,) = sessions_at(address, "A", 1)
    work = load(address, short=harness.scaled_rate(500), ids=1)
    harness.wait_until(lambda: work.stat()["short"]["ok"] > 50, what="the load to run")
    ask_for(d, "setWeight", name="A", weight=0)
    rests_from_now_on(a, work, 100)
    assert (d.host("A")["state"], d.host("A")["weight"], d.service()["groups"][0]["usable"]) == ("up", 0, 1)
    client.sendall(b"still here")
    assert harness.receive_exactly(client, 10) == b"still here"
    client.close()
    harness.assert_no_loss(work.stop(), 100)


@pytest.mark.san_subset
def test_what_was_set_outlives_a_worker_and_a_reload(daemon, host):
    a, b, c, address = host("A", "id"), host("B", "id"), host("C", "id"), local()
    text = config(address, [a, b, c])
    d = daemon(text, workers=2)
    d.allow_errors("worker")
    ask_for(d, "setWeight", name="A", weight=4)
    ask_for(d, "hostAdminDown", name="B")

    def is_as_set():
        rows = {row["name"]: (row["state"], row["weight"]) for row in d.service()["groups"][0]["hosts"]}
        assert rows == {"A": ("up", 4), "B": ("admin_down", 1), "C": ("up", 1)}
        assert shares(address, 10) == {"A": 8, "C": 2}

    is_as_set()
    victim = d.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    harness.wait_until(lambda: all(row["state"] == "up" and row["pid"] not in (0, victim)
                                   for row in d.running()["workers"]), what="the killed worker to be replaced")
    is_as_set()
    d.reload(text)
    is_as_set()
    d.reload(config(address, [a, (b, "weight=2"), c]))  # its own line has changed: the file counts again
    assert (d.host("B")["state"], d.host("B")["weight"], d.host("A")["weight"]) == ("up", 2, 4)


@pytest.mark.san_subset
def test_retry_ends_an_ejection(daemon, host):
    one, address = host("one", "id"), local()
    with Closed("dead") as dead:
        d = daemon(config(address, [one, dead], group="eject_failures = 1\neject_time = 1h"), workers=2)
        shares(address, 4)
        row = harness.wait_until(lambda: (row := d.host("dead"))["state"] == "ejected" and row, what="an ejection")
        assert row["reason"] and row["changes"][0]["state"] == "ejected" and row["since"] == row["changes"][0]["time"]
        assert "was ejected" in ask_for(d, "retryHost", name="dead")
        assert [change["state"] for change in d.host("dead")["changes"][:2]] == ["up", "ejected"]
        ask_for(d, "hostAdminDown", name="dead")
        assert "hostAdminUp" in ask_for(d, "retryHost", 409, name="dead")


@pytest.mark.san_subset
def test_refusals_say_what_would_do(daemon, host):
    one, address = host("one"), local()
    d = daemon(config(address, [one]), workers=1)
    assert "did you mean 'web'" in ask_for(d, "hostDrain", 404, service="wbe", name="one")
    assert "did you mean 'main'" in ask_for(d, "hostDrain", 404, group="mian", name="one")
    assert "did you mean 'one'" in ask_for(d, "hostDrain", 404, name="onne")
    assert "0 to 256" in ask_for(d, "setWeight", 400, name="one", weight=257)
    assert "duration" in ask_for(d, "hostDrain", 400, name="one", over="soon")
    assert "missing" in ask_for(d, "setWeight", 400, name="one")
    assert d.host("one")["state"] == "up" and not d.log_lines("by the control socket")


@pytest.mark.san_subset
def test_drain_over_a_time_is_told(daemon, host):
    one, two, address = host("one"), host("two"), local()
    d = daemon(config(address, [one, two]), workers=1)
    assert "drain over 10m" in ask_for(d, "hostDrain", name="one", over="10m")
    row = d.host("one")
    assert row["state"] == "draining" and 0 < row["drain_left_s"] <= 600
    ask_for(d, "hostAdminDown", name="one")
    assert (d.host("one")["state"], d.host("one")["drain_left_s"]) == ("admin_down", None)
    ask_for(d, "hostAdminUp", name="one")
    assert (d.host("one")["state"], d.host("one")["drain_left_s"]) == ("up", None)


@pytest.mark.san_subset
def test_each_change_is_one_line_of_the_log(daemon, host):
    one, address = host("one"), local()
    d = daemon(config(address, [one]), workers=1)
    ask_for(d, "setWeight", name="one", weight=7)
    ask_for(d, "setWeight", name="one", weight=7)
    ask_for(d, "hostAdminDown", name="one")
    lines = harness.wait_until(lambda: len(lines := d.log_lines("by the control socket")) > 1 and lines, what="two lines")
    assert [line.partition("]: ")[2] for line in lines] == [
        f"setWeight web/main/one: weight 1 -> 7, by the control socket (uid {os.getuid()})",
        f"hostAdminDown web/main/one: up -> down, by the control socket (uid {os.getuid()})"]


@pytest.mark.san_subset
def test_close_log_takes_new_files(daemon, host, folder):
    one, address = host("one", "id"), local()
    path = folder / "access.log"
    d = daemon(config(address, [one], overall=f"access_log = {path}\nuser = nobody"), workers=1)
    ask_name(address)
    harness.wait_until(lambda: path.exists() and path.read_text(), what="the first line")
    os.rename(path, folder / "access.log.1")
    said = gaidarosctl(d, "closeLog")
    assert said.status == 0 and said.out.strip() == "logs reopened", said
    ask_name(address)
    harness.wait_until(lambda: path.exists() and path.read_text().count("\n") == 1, what="a line in the new file")
    assert (folder / "access.log.1").read_text().count("\n") == 1


@pytest.mark.san_subset
def test_gaidarosctl_makes_the_calls(daemon, host):
    one, two, address = host("one", "id"), host("two", "id"), local()
    d = daemon(config(address, [one, two]), workers=1)
    named = ("service=web", "group=main", "name=one")
    said = gaidarosctl(d, "hostAdminDown", *named)
    assert said.status == 0 and said.out == "web/main/one: up -> down\n", said
    assert shares(address, 4) == {"two": 4}
    said = gaidarosctl(d, "status")
    assert re.search(r"(?m)^host +web +main +one .* admin_down ", said.out), said
    said = gaidarosctl(d, "-o", "json", "setWeight", *named, "weight=2")
    assert said.status == 0 and json.loads(said.out)["message"].endswith("weight 1 -> 2"), said
    assert gaidarosctl(d, "hostAdminUp", *named).status == 0
    assert shares(address, 3) == {"one": 2, "two": 1}
    said = gaidarosctl(d, "hostAdminUp", "service=web")
    assert said.status == 2 and "needs group=" in said.err, said
    said = gaidarosctl(d, "hostAdminUp", *named, "nmae=one")
    assert said.status == 2 and "did you mean 'name'?" in said.err, said
    assert gaidarosctl(d, "hostAdminUp", *named[:2], "name=three").status == 1
    assert gaidarosctl(d, "hostAdminOp", *named).status == 2
    told = gaidarosctl(d, "-h").out
    for call in ("hostDrain", "setWeight", "retryHost", "enableGroup", "closeLog", "[over]"):
        assert call in told


@pytest.mark.san_subset
def test_another_group_is_put_in_force(daemon, host):
    """enableGroup: the next connection goes to the other group, also after a worker's death."""
    one, two, address = host("one", "id"), host("two", "id"), local()
    text = config(address, [one], service="standby = spare") + f"\n[group spare]\nhost = two {two.address}\n"
    d = daemon(text, workers=2)
    d.allow_errors("worker")
    assert shares(address, 4) == {"one": 4}
    assert "group main -> spare" in ask_for(d, "enableGroup", group="spare")
    service = d.service()
    assert (service["group"], service["enabled"]) == ("main", "spare")
    assert [(group["name"], group["role"]) for group in service["groups"]] == [("main", "standby"), ("spare", "enabled")]
    assert shares(address, 4) == {"two": 4}
    victim = d.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    harness.wait_until(lambda: all(row["state"] == "up" and row["pid"] not in (0, victim)
                                   for row in d.running()["workers"]), what="the killed worker to be replaced")
    assert shares(address, 4) == {"two": 4}
    assert "did you mean 'spare'" in ask_for(d, "enableGroup", 404, group="spar")
    ask_for(d, "enableGroup", group="main")
    assert shares(address, 4) == {"one": 4}


# the page


def page_rig(daemon, host):
    hosts, address, door = [host(f"app{n}") for n in range(3)], local(), harness.free_port()
    text = config(address, hosts).replace("[service web]", f"[admin]\nlisten = 127.0.0.1:{door}\nrefresh = 1s\n[service web]")
    d = daemon(text, workers=1)
    return d, f"http://127.0.0.1:{door}/", door


def test_the_page_keeps_open_what_was_opened(daemon, host, browser):
    d, url, door = page_rig(daemon, host)
    browser.get(url)
    ask_for(d, "hostAdminDown", name="app1")
    browser.execute_script("document.querySelector('#s0g0h1 summary').click()")
    is_open = "return document.querySelector('#s0g0h1 details').open"
    past = "return document.querySelector('#s0g0h1 .past').innerText"
    assert browser.execute_script(is_open)
    harness.wait_until(lambda: "admin down" in browser.execute_script(past), what="the change to be listed", step=0.2)
    ask_for(d, "hostAdminUp", name="app1")
    harness.wait_until(lambda: re.search(r"(?s)\bup\b.*admin down", browser.execute_script(past)),
                       what="the next change to stand before it", step=0.2)
    assert browser.execute_script(is_open), "a refresh leaves it open"
    generation = d.generation()
    d.reload()
    shown = "return Number(document.documentElement.dataset.generation)"
    harness.wait_until(lambda: browser.execute_script(shown) > generation, what="the page to follow the reload", step=0.2)
    harness.wait_until(lambda: browser.execute_script(is_open), what="it to be opened again", step=0.2)
    no_fault_so_far(browser, door)


def test_a_host_that_is_out_is_seen_at_once(daemon, host, browser):
    d, url, door = page_rig(daemon, host)
    browser.get(url)
    ask_for(d, "hostDrain", name="app2")
    text = "return document.querySelector(arguments[0]).innerText"
    harness.wait_until(lambda: "2 of 3 usable" in browser.execute_script(text, "#s0 .ups"), what="the sum", step=0.2)
    assert browser.execute_script("return document.querySelector('#s0g0h2').className") == "asked"
    assert "app2" in browser.execute_script(text, "#attention")
    assert "drained by an administrator" in browser.execute_script(text, "#s0g0h2 summary")
    no_fault_so_far(browser, door)


def test_opened_details_fit_a_phone(daemon, host, browser, tmp_path):
    d, url, door = page_rig(daemon, host)
    for _ in range(9):
        ask_for(d, "hostAdminDown", name="app0")
        ask_for(d, "hostAdminUp", name="app0")
    for width, scheme in ((390, "light"), (390, "dark"), (1440, "light")):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": width < 500})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        browser.get(url)
        browser.execute_script("document.querySelector('#s0g0h0 summary').click()")
        assert browser.execute_script("return document.querySelectorAll('#s0g0h0 ol li').length") == 16
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, (width, wide)
        seen = browser.execute_script("const box = document.querySelector('#s0g0h0 ol').getBoundingClientRect();"
                                      "return [box.left, box.right, box.height]")
        assert seen[0] >= 0 and seen[1] <= width and seen[2] > 100, seen
        assert browser.save_screenshot(str(tmp_path / f"page-{width}-{scheme}.png"))
    no_fault_so_far(browser, door)
