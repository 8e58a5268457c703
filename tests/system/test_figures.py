# SPDX-License-Identifier: MIT
"""/metrics: what Prometheus takes, what the other views say, and never backwards (item 6 of the doors)."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import ROOT, SAN, connect, free_port, wait_until
from rig import post
from scene import children, config, echo, visit

pytestmark = pytest.mark.san_subset
SAMPLE = re.compile(r"^(gaidaros_\w+)(?:\{(.*)\})? (\S+)$")
EXAMPLES = os.path.join(ROOT, "etc", "examples")


def text_of(running):
    answer = running.http("GET", "/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return answer.text


def figures(running):
    """{(name, labels): value}; no series twice."""
    found = {}
    for line in text_of(running).splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        key = name, labels or ""
        assert key not in found, f"{key} is there twice"
        found[key] = float(value)
    return found


def promtool(*words, **more):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def web(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one"), host("two")], service="standby = spare",
                            tail="[group spare]\nhost = s 127.0.0.1:9\n[service alt]\nlisten = 127.0.0.1:"
                                 f"{free_port()}\ngroup = main\n"), workers=2)
    return running, port


def test_promtool_has_nothing_to_say(web):
    running, port = web
    visit(port)
    assert promtool("check", "metrics", input=text_of(running)) == ""


def test_names_hold_what_they_may(daemon, host):
    one = host("one")
    name = "a\\\\b'ö{}=,"
    running = daemon(f"[service web]\nlisten = 127.0.0.1:{free_port()}\ngroup = g,\n[group g,]\nhost = \"{name}\" {one.address}\n"
                     f"host = \"caf\\xe9\" {one.address}\n")
    text = text_of(running)
    assert promtool("check", "metrics", input=text) == ""
    assert r'host="caf\\xe9"' in text, "what is no UTF-8"
    assert 'host="a\\\\b\'ö{}=,"' in text and 'group="g,"' in text


def test_figures_are_those_of_running_json(web):
    running, port = web
    clients = [connect(f"127.0.0.1:{port}") for _ in range(6)]
    for client in clients:
        echo(client)
    for _ in range(5):
        visit(port)
    wait_until(lambda: running.service("web")["connections"] == 6, what="the short ones to be over")
    now, shown = figures(running), running.running()
    for service in shown["services"]:
        label = f'service="{service["name"]}"'
        assert now["gaidaros_service_connections", label] == service["connections"]
        assert now["gaidaros_service_connections_total", label] == service["connections_total"]
        assert now["gaidaros_service_bytes_total", label + ',direction="in"'] == service["bytes_in"]
    for group in shown["services"][0]["groups"]:
        for row in group["hosts"]:
            label = f'service="web",group="{group["name"]}",host="{row["name"]}"'
            assert now["gaidaros_host_connections", label] == row["connections"]
            assert now["gaidaros_host_connections_total", label] == row["connections_total"]
            assert now["gaidaros_host_weight", label] == row["weight"]
            assert now["gaidaros_host_up", label] == (row["state"] == "up")
            assert now["gaidaros_host_connect_seconds_count", label] == row["connections_total"]
            assert now["gaidaros_host_connect_seconds_bucket", label + ',le="+Inf"'] == row["connections_total"]
            assert now["gaidaros_host_failures_total", label + ',reason="refused"'] == row["failures_total"]
    for row in shown["workers"]:
        label = f'worker="{row["id"]}"'
        assert now["gaidaros_worker_connections", label] == row["connections"]
        assert now["gaidaros_worker_restarts_total", label] == 0
        wait_until(lambda of=label: figures(running)["gaidaros_worker_heartbeat_lag_seconds_count", of] > 0, what="a heartbeat")
    assert now["gaidaros_build_info", f'version="{shown["version"]}"'] == 1
    assert now["gaidaros_reload_total", 'result="ok"'] == 0
    post(running, "reload")
    assert figures(running)["gaidaros_reload_total", 'result="ok"'] == 1
    for client in clients:
        client.close()


def test_counters_never_go_back_whoever_dies(daemon, host):
    port = free_port()
    running = daemon(config(port, [host("one"), host("two")], glob="access_log = /dev/full"), workers=2)
    running.allow_errors("lines are being lost")
    text = text_of(running)
    counters = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE") and line.endswith(" counter")}
    assert len(counters) > 15

    def totals():
        return {key: value for key, value in figures(running).items()
                if key[0] in counters or key[0].endswith(("_count", "_sum", "_bucket"))}

    for _ in range(20):
        visit(port)
    wait_until(lambda: totals()["gaidaros_log_lost_total", ""] > 0, what="lines that a full disk loses")
    before = totals()
    for who in ("worker", "director"):
        victim = children(running, who)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda v=victim: v not in children(running, who) and running.healthz() == 200, what=f"a new {who}")
        visit(port)
        after = totals()
        for key, value in before.items():
            assert after[key] >= value, (key, value, after[key])
        before = after


def test_the_manual_names_each_figure_as_it_is(web):
    """gaidaros(8) has type, labels and sentence of all of them, and of no others."""
    running, port = web
    visit(port)
    told, types, labels = {}, {}, {}
    for line in text_of(running).splitlines():
        if line.startswith("# HELP "):
            _, _, name, told[name] = line.split(" ", 3)
        elif line.startswith("# TYPE "):
            types[line.split(" ")[2]] = line.split(" ")[3]
        else:
            name, found, _ = SAMPLE.match(line).groups()
            name = re.sub("_(bucket|sum|count)$", "", name) if name not in types else name
            keys = [key for key in re.findall(r'(\w+)="', found or "") if key != "le"]
            assert labels.setdefault(name, keys) == keys, (name, keys)
    wanted = "".join(f".TP\n.BR {name}\n{types[name]}"
                     + (f" by {', '.join(labels[name])}" if labels.get(name) else "") + f".\n{told[name]}\n"
                     for name in told)
    with open(os.path.join(ROOT, "man", "gaidaros.8"), encoding="utf-8") as file:
        text = file.read()
    chapter = text[text.index(".SH FIGURES\n"):]
    chapter = chapter[chapter.index(".TP\n"):chapter.index(".SH ", 5)]
    assert chapter == wanted


def test_a_group_of_two_services_is_found_by_both(web):
    running, _ = web
    groups = {labels for name, labels in figures(running) if name == "gaidaros_service_group"}
    assert groups == {'service="web",group="main",role="enabled"', 'service="web",group="spare",role="standby"',
                      'service="alt",group="main",role="enabled"'}


def test_the_examples_name_figures_that_there_are(web):
    running, _ = web
    types = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text_of(running)))
    names = {name + ending for name, kind in types.items()
             for ending in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))}
    for file in ("grafana.json", "alerts.yml"):
        with open(os.path.join(EXAMPLES, file), encoding="utf-8") as example:
            text = example.read()
        used = set(re.findall(r"gaidaros_[a-z_]+", text))
        assert len(used) > 8 and used <= names | {"gaidaros"}, used - names
    with open(os.path.join(EXAMPLES, "grafana.json"), encoding="utf-8") as example:
        dashboard = json.load(example)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) >= 10
    assert "SUCCESS" in promtool("check", "rules", os.path.join(EXAMPLES, "alerts.yml"))


def test_alerts_go_off_when_they_should(folder):
    rules = folder / "test.yml"
    rules.write_text(f"""
rule_files: [{EXAMPLES}/alerts.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'gaidaros_group_usable_hosts{{service="web",group="main"}}'
        values: '1 1 0x20'
      - series: 'gaidaros_host_state{{service="web",group="main",host="a",state="down"}}'
        values: '0 1x30'
      - series: 'gaidaros_host_ports_left{{service="web",group="main",host="a"}}'
        values: '28000x30'
    alert_rule_test:
      - eval_time: 30s
        alertname: GaidarosGroupWithoutHosts
      - eval_time: 2m
        alertname: GaidarosGroupWithoutHosts
        exp_alerts:
          - exp_labels: {{severity: critical, service: web, group: main}}
            exp_annotations: {{summary: "group main of service web has no usable host"}}
      - eval_time: 5m
        alertname: GaidarosHostDown
        exp_alerts:
          - exp_labels: {{severity: warning, service: web, group: main, host: a, state: down}}
            exp_annotations: {{summary: "host a of group main is down"}}
      - eval_time: 5m
        alertname: GaidarosPortsRunOut
""")
    promtool("test", "rules", str(rules))


@pytest.mark.alone
@pytest.mark.unsanitized
def test_looking_costs_relayed_connections_nothing(daemon, host, load):
    """E5: a page of 5,000 hosts, ten times a second, under load; measured against the same run without."""
    port, admin = free_port(), free_port()
    rows = "".join(f"host = h{n} 127.1.{n // 250}.{n % 250 + 1}:9 weight=0\n" for n in range(5000))
    running = daemon(config(port, [host("one")], admin=f"listen = 127.0.0.1:{admin}", group="check = none\n" + rows), workers=1)
    work = load(f"127.0.0.1:{port}", short=500, long=20, interval=50)
    time.sleep(1)

    def look(path):
        began = time.monotonic()
        assert running.http("GET", path).status == 200
        return time.monotonic() - began

    p99 = {"idle": [], "looked at": []}
    took = {path: [] for path in ("/", "/running.json", "/running.txt", "/metrics")}
    for _ in range(3):
        work.zero()
        time.sleep(2)
        p99["idle"].append(work.zero()["short"]["p99_ms"])
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            for path, times in took.items():
                times.append(look(path))
                time.sleep(0.1)
        p99["looked at"].append(work.zero()["short"]["p99_ms"])
    work.stop()
    assert min(p99["looked at"]) < 3 * min(p99["idle"]) + 25, p99
    for path, times in took.items():
        assert min(times) < (1 if SAN else 0.4), f"{path}: {min(times)} s; 100 ms on a machine that does nothing else"


class Prometheus:
    """A real server that scrapes the daemon over HTTP and evaluates the rules of the examples."""

    def __init__(self, folder, target, user):
        with open(os.path.join(EXAMPLES, "alerts.yml"), encoding="utf-8") as file:
            rules = re.sub(r"(?m)^(\s+for:) \S+$", r"\1 0s", file.read())
        (folder / "alerts.yml").write_text(rules)
        access = f"    basic_auth: {{username: {user[0]}, password: '{user[1]}'}}\n" if user else ""
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{folder}/alerts.yml]\n"
            f"scrape_configs:\n  - job_name: gaidaros\n{access}    static_configs: [{{targets: ['{target}']}}]\n")
        self.url = f"http://127.0.0.1:{free_port()}"
        with open(folder / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={self.url[7:]}"], stdout=log, stderr=log, start_new_session=True)

    def ask(self, path, **query):
        """The data of an answer of its API; none while it does not serve."""
        words = [word for key, value in query.items() for word in ("--data-urlencode", f"{key}={value}")]
        done = subprocess.run(["curl", "-s", "-m", "5", "-G", *words, f"{self.url}/api/v1/{path}"], capture_output=True,
                              text=True, check=False)
        return json.loads(done.stdout)["data"] if done.stdout.startswith('{"status":"success"') else {}

    def value(self, query):
        """The number that a query gives, None when it gives none."""
        found = self.ask("query", query=query).get("result", [])
        return float(found[0]["value"][1]) if found else None

    def alerts(self):
        """Labels of what fires."""
        return [alert["labels"] for alert in self.ask("alerts").get("alerts", []) if alert["state"] == "firing"]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.mark.unsanitized
@pytest.mark.parametrize("user", [None, ("eve", "a secret")])
def test_prometheus_scrapes_and_an_alert_fires(daemon, host, folder, user):
    port, admin = free_port(), f"127.0.0.1:{free_port()}"
    access = ""
    if user:
        made = subprocess.run(["openssl", "passwd", "-6", user[1]], capture_output=True, text=True, check=True)
        access = f"\nuser = {user[0]} {made.stdout.strip()} readonly"
    one, two = host("one"), host("two")
    running = daemon(config(port, [one, two], admin=f"listen = {admin}{access}",
                            group="check = tcp\ncheck_interval = 100ms\nfall = 1"), workers=2)
    for _ in range(7):
        visit(port)
    prometheus = Prometheus(folder, admin, user)
    try:
        wait_until(lambda: prometheus.value('gaidaros_service_connections_total{service="web"}') == 7, 60, "a scrape")
        assert prometheus.value("up") == 1 and not prometheus.alerts()
        two.stop()
        wait_until(lambda: running.host("two")["state"] == "down", what="the host to be down")
        fired = wait_until(prometheus.alerts, 60, "an alert")
        assert any(labels.get("host") == "two" and labels.get("service") == "web" for labels in fired), fired
        assert not any(labels.get("host") == "one" for labels in fired), fired
    finally:
        prometheus.stop()
