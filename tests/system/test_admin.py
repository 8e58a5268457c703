# SPDX-License-Identifier: MIT
"""The status page, its figures, its two doors, and gaidarosctl."""

import http.client
import json
import os
import re
import signal
import socket
import stat
import time
import urllib.parse

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from command import CTL, gaidarosctl, run
from harness import Answer, assert_no_loss, connect, free_port, wait_until
from scene import config, echo, visit

WRONG_USAGE, NO_DAEMON = 2, 3


def request(port, method, path, body=None, headers=None):
    """One request at the HTTP door."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def raw_request(port, data):
    """Sends bytes as they are; returns the status of the answer, 0 when it is closed without one."""
    answer = b""
    with connect(f"127.0.0.1:{port}", 15) as client:
        try:
            client.sendall(data)
            while b"\r\n" not in answer and (part := client.recv(65536)):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/") else 0


@pytest.fixture(name="served")
def served_daemon(daemon, host):
    """(daemon, port of the service, port of the admin door)"""
    hosts, port, door = [host("one"), host("two")], free_port(), free_port()
    admin = f"listen = 127.0.0.1:{door}\ntitle = The house\nrefresh = 1s"
    return daemon(config(port, hosts, admin=admin), workers=2), port, door


@pytest.mark.san_subset
def test_running_json_tells_what_is(served):
    running, port, door = served
    clients = [connect(f"127.0.0.1:{port}") for _ in range(3)]
    for client in clients:
        echo(client, b"12345")
    for _ in range(6):
        visit(port, b"1234567")
    wait_until(lambda: running.service()["connections"] == 3, what="the short ones to end")
    now = request(door, "GET", "/running.json").json()
    assert re.match(r"\d+\.\d+\.\d+$", now["version"]) and now["generation"] >= 1 and now["uptime_s"] > 0
    assert now["state"] == "serving"
    assert [row["id"] for row in now["workers"]] == [0, 1]
    for row in now["workers"]:
        assert set(row) >= {"id", "pid", "state", "connections", "accepted_total", "loop_lag_ms", "restarts"}
        assert row["state"] == "up" and row["restarts"] == 0 and os.path.exists(f"/proc/{row['pid']}")
    assert sum(row["connections"] for row in now["workers"]) == 3
    assert sum(row["accepted_total"] for row in now["workers"]) == 9
    (service,) = now["services"]
    assert {key: service[key] for key in ("name", "protocol", "listen", "group", "connections", "connections_total")} == {
        "name": "web", "protocol": "tcp", "listen": [f"127.0.0.1:{port}"], "group": "main", "connections": 3,
        "connections_total": 9}
    assert service["bytes_in"] == service["bytes_out"] == 3 * 5 + 6 * 7
    assert service["errors"] == {}
    (group,) = service["groups"]
    assert (group["name"], group["scheduler"]) == ("main", "roundrobin")
    assert [row["name"] for row in group["hosts"]] == ["one", "two"]
    for row in group["hosts"]:
        assert set(row) >= {"name", "address", "state", "weight", "connections", "connections_total", "bytes_in",
                            "bytes_out", "failures_total", "since", "reason"}
        assert (row["state"], row["weight"], row["failures_total"], row["reason"]) == ("up", 1, 0, "")
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", row["since"])
    assert sum(row["connections"] for row in group["hosts"]) == 3
    assert sum(row["connections_total"] for row in group["hosts"]) == 9
    assert running.running()["services"] == now["services"], "both doors tell the same"
    for client in clients:
        client.close()


@pytest.mark.san_subset
def test_running_txt_tells_the_same_in_columns(served):
    running, port, door = served
    for _ in range(4):
        visit(port)
    wait_until(lambda: running.service()["connections"] == 0, what="the short ones to end")
    answer = request(door, "GET", "/running.txt")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    rows = [line.split() for line in answer.text.splitlines() if line]
    assert [row[1] for row in rows if row[0] == "worker"] == ["0", "1"]
    (service,) = [row for row in rows if row[0] == "service"]
    assert service[1:4] == ["web", f"127.0.0.1:{port}", "main"] and "4" in service
    hosts = [row for row in rows if row[0] == "host"]
    assert [row[3] for row in hosts] == ["one", "two"] and all(row[5] == "up" for row in hosts)
    heads = [line for line in answer.text.splitlines() if line.startswith("#host")]
    table = [heads[0], *(line for line in answer.text.splitlines() if line.startswith("host "))]
    assert len({line.index(word) for line, word in zip(table[1:], ("one", "two"))}) == 1, "columns stand below each other"


@pytest.mark.san_subset
def test_healthz_is_200_while_serving_and_503_while_draining(served):
    running, port, door = served
    assert request(door, "GET", "/healthz").status == running.healthz() == 200
    with connect(f"127.0.0.1:{port}") as client:
        echo(client)
        running.signal(signal.SIGQUIT)
        wait_until(lambda: request(door, "GET", "/healthz").status == 503, what="503 while draining")
        assert running.healthz() == 503
        assert request(door, "GET", "/running.json").json()["state"] == "draining"
        echo(client)
    assert running.process.wait(15) == 0
    running.stop(settle=False)


@pytest.mark.san_subset
def test_the_http_door_is_read_only_and_the_control_socket_is_not(served):
    running, _, door = served
    before = running.running()
    for path in ("/api/reload", "/api/shutdown", "/api/hostAdminDown"):
        answer = request(door, "POST", path, body="{}", headers={"Content-Type": "application/json"})
        assert answer.status == 403 and answer.json()["ok"] is False, answer.text
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert request(door, method, "/api/reload").status in (403, 404, 405)
    now = running.running()
    assert (now["generation"], now["reloads"], now["state"]) == (before["generation"], before["reloads"], "serving")
    answer = running.http("POST", "/api/reload")
    assert answer.status == 200 and answer.json()["ok"] is True, answer.text
    assert running.generation() == before["generation"] + 1
    for path in ("/api/nosuch", "/api/"):
        answer = running.http("POST", path)
        assert answer.status == 404 and answer.json()["ok"] is False, (path, answer.text)
    foreign = running.http("POST", "/api/reload", headers={"Origin": "http://evil.example"})
    assert foreign.status == 403 and running.generation() == before["generation"] + 1, foreign.text
    assert stat.S_IMODE(os.stat(running.control).st_mode) == 0o600


@pytest.mark.san_subset
def test_a_refused_reload_tells_its_caller_why(served):
    running, _, _ = served
    running.allow_errors(".")
    with open(running.file, encoding="utf-8") as file:
        good = file.read()
    before = running.generation()
    with open(running.file, "a", encoding="utf-8") as file:
        file.write("[group spare]\nnosuch = 1\nhost = a 127.0.0.1:0\n")
    answer = running.http("POST", "/api/reload")
    assert answer.status == 409 and answer.json()["ok"] is False, answer.text
    for words in (f"{running.file}:", "[group spare] nosuch:", "[group spare] host:"):
        assert words in answer.json()["error"], answer.text
    said = gaidarosctl(running, "reload")
    assert said.status == 1 and "[group spare] nosuch:" in said.out + said.err, said
    assert running.generation() == before
    with open(running.file, "w", encoding="utf-8") as file:
        file.write(good)
    said = gaidarosctl(running, "reload")
    assert said.status == 0, said
    assert running.generation() == before + 1


@pytest.mark.san_subset
@pytest.mark.parametrize("data,expected", [
    (b"GET /nosuch HTTP/1.1\r\nHost: a\r\n\r\n", [404]),
    (b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", [400, 404]),
    (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", [400, 404]),
    (b"GET /running.json HTTP/1.1\r\n\r\n", [400]),
    (b"GET /running.json HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", [400]),
    (b"POST /running.json HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", [403, 404, 405]),
    (b"BREW /running.json HTTP/1.1\r\nHost: a\r\n\r\n", [400, 405, 501]),
    (b"POST /api/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", [403, 413]),
    (b"POST /api/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", [0, 400]),
    (b"POST /api/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     [0, 400]),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [0, 400, 505]),
    (b"GET " + b"/" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", [0, 400, 404, 413, 414, 431]),
], ids=["unknown", "dots", "escaped_dots", "no_host", "two_hosts", "post_page", "method", "large_body", "two_lengths",
        "length_and_chunked", "tls", "long_path"])
def test_bad_requests_get_their_status_and_the_door_stays_open(served, data, expected):
    running, port, door = served
    before = running.generation()
    assert raw_request(door, data) in expected
    assert request(door, "GET", "/healthz").status == 200
    assert running.generation() == before
    visit(port)


@pytest.mark.san_subset
def test_answers_carry_the_headers_that_keep_browsers_safe(served):
    _, _, door = served
    for path in ("/", "/running", "/running.txt", "/running.json"):
        answer = request(door, "GET", path)
        assert answer.status == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer.headers["Cache-Control"]
    policy = request(door, "GET", "/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    head = request(door, "HEAD", "/running.json")
    assert head.status == 200 and head.text == ""


@pytest.mark.san_subset
def test_a_slow_reader_of_the_door_holds_up_nobody(served, load):
    _, port, door = served
    work = load(f"127.0.0.1:{port}", short=200)
    idle = [connect(f"127.0.0.1:{door}") for _ in range(30)]
    for client in idle:
        client.sendall(b"GET /running.json HTTP/1.1\r\nHost")
    for _ in range(20):
        assert request(door, "GET", "/running.json").status == 200
    wait_until(lambda: work.stat()["short"]["ok"] > 100, what="the load to go on")
    for client in idle:
        client.close()
    assert_no_loss(work.stop_after(100), 100)


# gaidarosctl


@pytest.mark.san_subset
def test_gaidarosctl_exits_as_it_was_answered(served, folder):
    running, _, _ = served
    said = gaidarosctl(running, "status")
    assert said.status == 0 and "web" in said.out and "two" in said.out, said
    said = gaidarosctl(running, "-o", "json", "status")
    assert said.status == 0 and json.loads(said.out)["services"][0]["name"] == "web", said
    generation = running.generation()
    assert gaidarosctl(running, "reload").status == 0
    assert running.generation() == generation + 1
    said = gaidarosctl(running, "-o", "json", "reload")
    assert said.status == 0 and json.loads(said.out)["ok"] is True, said
    for words in ([], ["dance"], ["reload", "word"], ["-o", "xml", "status"], ["-x", "status"], ["status", "x=1"]):
        said = gaidarosctl(running, *words)
        assert said.status in (1, WRONG_USAGE) and said.err.strip(), (words, said)
        assert words in (["dance"], ["reload", "word"], ["status", "x=1"]) or said.status == WRONG_USAGE, (words, said)
    said = run([CTL, "-s", folder / "nothing.sock", "status"])
    assert said.status == NO_DAEMON and "nothing.sock" in said.err, said


@pytest.mark.san_subset
def test_gaidarosctl_says_when_the_daemon_is_gone(daemon, host):
    one, port = host("one"), free_port()
    running = daemon(config(port, [one]), workers=1)
    for pid in running.pids():
        os.kill(pid, signal.SIGKILL)
    running.process.wait()
    said = gaidarosctl(running, "status")  # the socket's file is still there
    assert said.status == NO_DAEMON and said.err.strip(), said
    running.start()


# names that would like to be markup

NASTY = "<img/src=x/onerror=document.title='owned'>"  # without blanks, below 50 bytes
TITLE = "</title><script>document.title='owned'</script>&amp;\\\"'"


def nasty_daemon(daemon, host):
    one, two, port, door = host("one"), host("two"), free_port(), free_port()
    text = (f'[global]\n[admin]\nlisten = 127.0.0.1:{door}\ntitle = "{TITLE}"\nrefresh = 1s\n'
            f"[service <b>s&'x]\nlisten = 127.0.0.1:{port}\ngroup = g'><script>\n"
            f"[group g'><script>]\nhost = {NASTY} {one.address}\nhost = ü✓'><i> {two.address}\n")
    return daemon(text, workers=1), port, door


@pytest.mark.san_subset
def test_names_are_escaped_everywhere(daemon, host):
    running, port, door = nasty_daemon(daemon, host)
    visit(port)
    page = request(door, "GET", "/").text
    assert "<img/src=x" not in page and "<script>document" not in page and "<b>s" not in page and "<i>" not in page
    assert "&lt;img/src=x/onerror=" in page and "ü✓" in page
    (service,) = running.running()["services"]
    assert service["name"] == "<b>s&'x" and service["group"] == "g'><script>"
    assert [row["name"] for row in service["groups"][0]["hosts"]] == [NASTY, "ü✓'><i>"]
    text = request(door, "GET", "/running.txt")
    assert text.headers["Content-Type"].startswith("text/plain") and "<img/src" in text.text


# the page in a browser


@pytest.fixture(name="browser")
def headless_chromium(tmp_path_factory):
    """A browser of its own for each test, since one keeps connections open and a log of all pages."""
    service = Service("/usr/bin/chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
                 "--disable-background-networking", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def no_fault_so_far(browser, door):
    """No error on the console, no request to another origin since this was asked last."""
    errors = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not errors, errors
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = urllib.parse.urlsplit(message["params"]["request"]["url"])
            assert url.scheme in ("data", "chrome") or (url.hostname, url.port) == ("127.0.0.1", door), url


def text_of_page(browser):
    return browser.execute_script("return document.body.innerText")


def test_the_page_shows_services_hosts_and_workers_and_refreshes_itself(served, browser):
    running, port, door = served
    browser.set_window_size(1200, 900)
    browser.get(f"http://127.0.0.1:{door}/")
    assert "The house" in browser.title
    shown = text_of_page(browser)
    for word in ("The house", "web", "main", "one", "two", "127.0.0.1:", "roundrobin"):
        assert word.lower() in shown.lower(), (word, shown)
    for pid in running.worker_pids():
        assert str(pid) in shown.replace(",", "").replace("\u202f", "").replace(" ", ""), (pid, shown)
    clients = [connect(f"127.0.0.1:{port}") for _ in range(17)]
    for client in clients:
        echo(client)
    wait_until(lambda: re.search(r"\b17\b", text_of_page(browser)), what="the page to show 17 open connections", step=0.2)
    victim = running.worker_pids()[0]
    running.allow_errors("worker")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: str(running.worker_pids()[0]) in text_of_page(browser), what="the page to show the new worker",
               step=0.2)
    for client in clients:
        client.close()
    no_fault_so_far(browser, door)


def test_the_page_follows_a_reload(served, host, browser):
    running, port, door = served
    browser.get(f"http://127.0.0.1:{door}/")
    three = host("three")
    with open(running.file, encoding="utf-8") as file:
        text = file.read()
    running.reload(re.sub(r"pidfile = .*\ncontrol = .*\n(workers = .*\n)?", "", text) + f"host = three {three.address}\n")
    wait_until(lambda: "three" in text_of_page(browser), what="the page to show the new host", step=0.2)
    visit(port)
    no_fault_so_far(browser, door)


def test_the_page_shows_a_host_that_is_out(daemon, host, browser):
    one, port, door = host("one"), free_port(), free_port()
    dead = free_port()
    running = daemon(config(port, [one], admin=f"listen = 127.0.0.1:{door}\nrefresh = 1s",
                            group=f"host = dead 127.0.0.1:{dead}\neject_failures = 1\neject_time = 60s"), workers=1)
    browser.get(f"http://127.0.0.1:{door}/")
    visit(port)
    visit(port)
    wait_until(lambda: running.host("dead")["state"] == "ejected", what="the dead host to be ejected")
    wait_until(lambda: "ejected" in text_of_page(browser).lower(), what="the page to show it", step=0.2)
    no_fault_so_far(browser, door)


def test_the_page_fits_a_screen_of_any_width(daemon, host, browser):
    hosts, port, door = [host(f"a-host-with-a-rather-long-name-{n}") for n in range(2)], free_port(), free_port()
    daemon(config(port, hosts, admin=f"listen = 127.0.0.1:{door}\ntitle = {'a-long-title-' * 8}"), workers=2)
    for width in (320, 390, 768, 1600):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": width < 500})
        browser.get(f"http://127.0.0.1:{door}/")
        wide, inner = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= inner <= width, (width, wide, inner)
        assert browser.execute_script("return document.body.scrollWidth") <= width
    no_fault_so_far(browser, door)


def luminance(color):
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", color)[:3])
    def linear(part):
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)


def test_the_page_can_be_read_by_day_and_by_night(served, browser):
    _, _, door = served
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        browser.get(f"http://127.0.0.1:{door}/")
        back, front = browser.execute_script(
            "const of = (e) => getComputedStyle(e).backgroundColor;"
            "const back = [document.body, document.documentElement].map(of).find(c => !/, 0\\)$/.test(c));"
            "return [back || 'rgb(255, 255, 255)', getComputedStyle(document.body).color]")
        back, front = luminance(back), luminance(front)
        assert (back < 0.2) == (scheme == "dark"), (scheme, back)
        assert (max(back, front) + 0.05) / (min(back, front) + 0.05) >= 7, (scheme, back, front)
    no_fault_so_far(browser, door)


def test_names_stay_inert_in_a_browser(daemon, host, browser):
    running, port, door = nasty_daemon(daemon, host)
    browser.get(f"http://127.0.0.1:{door}/")
    visit(port)
    generation = running.generation()
    running.reload()  # the script draws the rows anew
    assert running.generation() == generation + 1
    shown = wait_until(lambda: NASTY in (text := text_of_page(browser)) and text, what="the names to be shown", step=0.2)
    assert "ü✓'><i>" in shown and "<b>s&'x" in shown
    time.sleep(2.5)  # two refreshes, by which a name drawn as markup would have acted
    assert browser.title != "owned" and "</title><script>" in browser.title
    assert browser.execute_script("return document.querySelectorAll('script:not([src]), img[onerror], b > b, i').length") == 0
    no_fault_so_far(browser, door)


def test_the_page_is_whole_without_scripts(served):
    _, port, door = served
    visit(port)
    page = request(door, "GET", "/").text
    assert re.search(r"<meta[^>]+http-equiv=.?refresh", page, re.I)
    for word in ("one", "two", "web", "The house", "roundrobin"):
        assert word in page
    for attribute in re.findall(r"""\b(?:src|href)\s*=\s*["']?([^"'\s>]+)""", page):
        assert not attribute.startswith(("http:", "https:", "//")), attribute
