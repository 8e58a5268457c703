#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What terminating TLS costs: gaidaros beside haproxy, nginx and hitch.

All have one worker on processor 0 and the same ECDSA certificate, and speak TLS 1.3 with X25519, AES-128-GCM
and one ticket a handshake; client and host run on the other processors. Cost is the proxy's own processor
time, user and system, of all its processes, per operation. The proxies take turns within a round; what is
shown are medians over the rounds. Of this time, what lies outside OpenSSL's libraries is what a proxy can be
blamed for: perf tells the share, in a run of its own. Differences under about 3 % are noise.
"""

import contextlib
import glob
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from run import BUILD, free_port, Host, on_processors, OTHERS, processes_below, wait_open

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LIMIT_S = 280
HANDSHAKES = 400
REQUESTS = 10000
PARALLEL = 16
BULK_PARALLEL = 4
BULK_BYTES = 1 << 28
IDLE = 2000
# Hellos that cost who says them nothing: client and host share a processor on a small machine.
FLOOD_PER_S = int(os.environ.get("BENCH_FLOOD", "1500"))
FLOOD_S = 2
FLOOD_PARALLEL = 8
FLOOD_GAP_US = 2000
SAMPLED = 3
CRYPTO = ("libcrypto.so", "libssl.so")

# Neither haproxy 2.6 nor hitch can be told the number of tickets; OpenSSL can, for all that do not say it themselves.
OPENSSL = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = default
[default]
NumTickets = 1
"""
HAPROXY = """
global
    nbthread 1
    maxconn 5000
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode tcp
    timeout connect 3s
    timeout client 5m
    timeout server 5m
listen tls
    bind 127.0.0.1:{port} ssl crt {pem} curves X25519
    server one 127.0.0.1:{to}
"""
NGINX = """
{modules}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 5000; }}
stream {{
    access_log off;
    proxy_buffer_size 64k;
    tcp_nodelay on;
    server {{
        listen 127.0.0.1:{port} ssl;
        proxy_pass 127.0.0.1:{to};
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        ssl_protocols TLSv1.3;
        ssl_ecdh_curve X25519;
    }}
}}
"""
HITCH = """
frontend = "[127.0.0.1]:{port}"
backend = "[127.0.0.1]:{to}"
pem-file = "{pem}"
tls-protos = TLSv1.3
ecdh-curve = "X25519"
workers = 1
user = "nobody"
ocsp-dir = ""
syslog = off
quiet = on
"""
GAIDAROS = """
[global]
workers = 1
log = stderr
pidfile =
control =
[service tls]
listen = 127.0.0.1:{port} tls
certificate = {pem}
group = main
[group main]
host = one 127.0.0.1:{to}
check = none
"""
CONFIGURATIONS = {"gaidaros": GAIDAROS, "haproxy": HAPROXY, "nginx": NGINX, "hitch": HITCH}
NGINX_MODULES = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Proxy:
    """One proxy that terminates TLS in front of one host."""

    def __init__(self, name, purpose, host, folder):
        self.name, self.folder, self.port = name, os.path.join(folder, f"{name}-{purpose}"), free_port()
        self.process = None
        os.mkdir(self.folder, 0o755)
        self.path = os.path.join(self.folder, "conf")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATIONS[name].format(
                port=self.port, to=host.port, pem=os.path.join(folder, "web.pem"), folder=self.folder,
                modules="".join(f"load_module {module};\n" for module in glob.glob(NGINX_MODULES))))

    def refusal(self):
        """What gaidaros says to a configuration that it does not know yet; None when it takes it."""
        tested = subprocess.run([f"{BUILD}/gaidaros", "-t", "-c", self.path], capture_output=True, text=True, check=False)
        return (tested.stderr + tested.stdout).strip() if tested.returncode else None

    def start(self):
        command = {"gaidaros": [f"{BUILD}/gaidaros", "-f", "-c", self.path],
                   "haproxy": ["haproxy", "-db", "-f", self.path],
                   "nginx": ["nginx", "-c", self.path, "-p", self.folder],
                   "hitch": ["hitch", f"--config={self.path}"]}[self.name]
        environment = dict(os.environ)
        if self.name != "gaidaros":
            environment["OPENSSL_CONF"] = os.path.join(os.path.dirname(self.folder), "openssl.conf")
        with open(os.path.join(self.folder, "said"), "wb") as said:
            self.process = subprocess.Popen(command, preexec_fn=on_processors([0]), env=environment,
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            wait_open(self.port, self.process, f"{self.name} does not start")
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {self.said()}") from None

    def said(self):
        with open(os.path.join(self.folder, "said"), encoding="utf-8", errors="replace") as said:
            return said.read()[-2000:].strip() or "nothing"

    def cpu_s(self):
        """Processor seconds so far, also of threads that have ended: each process's clock (clock_getcpuclockid(3))."""
        return sum(time.clock_gettime_ns(~pid << 3 | 2) for pid in processes_below(self.process.pid)) / 1e9

    def memory_kb(self):
        """What lies in user space: each page is counted once, also if several of its processes share it."""
        total = 0
        for pid in processes_below(self.process.pid):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        return total

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Load:
    """tlsload against a proxy: waits before the measured part and after it, until it is told to go on."""

    def __init__(self, proxy, mode, options):
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.what = f"{mode} at {proxy.name}"
        self.process = subprocess.Popen([f"{BUILD}/bench/tlsload", mode, "--to", f"127.0.0.1:{proxy.port}", "--hold", "1",
                                         *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=on_processors(OTHERS), text=True)

    def __enter__(self):
        try:
            self.line()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.end()
            return
        self.go_on()
        status = self.process.wait(30)
        self.end()
        if status:
            raise RuntimeError(f"{self.what}: tlsload ended with {status}")

    def end(self):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.what}: tlsload has ended; what it said stands above")
        return json.loads(line)

    def go_on(self):
        # One that has ended is found by who reads its figures or its status.
        with contextlib.suppress(BrokenPipeError):
            os.write(self.process.stdin.fileno(), b"\n")

    def figures(self):
        """Runs the measured part."""
        self.go_on()
        return self.line()


class Perf:
    """Samples where a proxy spends its processor time."""

    def __init__(self, proxy):
        self.path = os.path.join(proxy.folder, "perf")
        commands, self.command = os.pipe()
        self.answer, answers = os.pipe()
        self.process = subprocess.Popen(
            ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", self.path, "-D", "-1", "--control",
             f"fd:{commands},{answers}", "-p", ",".join(map(str, processes_below(proxy.process.pid)))],
            pass_fds=(commands, answers), preexec_fn=on_processors(OTHERS), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        # Nothing comes, but the end, from a perf that may not or cannot.
        try:
            os.write(self.command, b"enable\n")
            self.is_recording = os.read(self.answer, 16).startswith(b"ack")
        except BrokenPipeError:
            self.is_recording = False

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait()
        os.close(self.command)
        os.close(self.answer)

    def outside_crypto(self):
        """The share of samples outside OpenSSL's libraries; None when perf does not know."""
        if not self.is_recording:
            return None
        said = subprocess.run(["perf", "report", "-i", self.path, "--stdio", "--no-children", "--sort", "dso", "-F",
                               "sample,dso", "-t", ";"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        samples = {}
        for line in said.stdout.splitlines():
            count, _, where = line.partition(";")
            if where and count.strip().isdigit():
                samples[where.strip()] = int(count)
        # Who may not see the kernel would take user space for the whole.
        if not any(where.startswith("[kernel") for where in samples):
            return None
        crypto = sum(count for where, count in samples.items() if where.startswith(CRYPTO))
        return 1 - crypto / sum(samples.values())


def visits(figures):
    if figures["done"] != HANDSHAKES:
        raise RuntimeError(f"not as many handshakes as asked for: {figures}")
    return HANDSHAKES


# What is measured: its unit, which proxy it needs, tlsload's mode and options, what was done, what a second is shown as.
MEASURES = [("full handshake and a request", "us", "echo", "full", {"count": HANDSHAKES, "parallel": PARALLEL}, visits, 1e6),
            ("resumed handshake and a request", "us", "echo", "resumed", {"count": HANDSHAKES, "parallel": PARALLEL},
             visits, 1e6),
            ("request of 64 B, established", "us", "echo", "requests", {"count": REQUESTS, "parallel": PARALLEL},
             lambda figures: figures["done"], 1e6),
            ("GB from host to client", "s", "bulk", "bulk", {"bytes": BULK_BYTES, "parallel": BULK_PARALLEL},
             lambda figures: figures["bytes"] / 1e9, 1)]


class Table:
    """Rows of one figure for each proxy, and how gaidaros compares with the best of the others."""

    def __init__(self, names):
        self.names = names
        print(f"{'':44}{''.join(f'{name:>10}' for name in names)}   gaidaros / best other")

    def row(self, what, values, digits=1):
        """values: {name: figure or None}; less is better. Columns without a figure are left empty."""
        cells = "".join(f"{'unknown' if values[name] is None else format(values[name], f'.{digits}f'):>10}"
                        if name in values else f"{'':>10}" for name in self.names)
        ours = values.get("gaidaros")
        others = [value for name, value in values.items() if name != "gaidaros" and value]
        ratio = f"{ours / min(others):10.2f}" if ours and others else ""
        print(f"{what:44}{cells}   {ratio}".rstrip(), flush=True)


def memory(proxies):
    """KB of an idle connection, for each proxy."""
    found = {}
    for name, proxy in proxies.items():
        # What the first connections of all bring is not to be counted.
        with Load(proxy, "full", {"count": 2 * PARALLEL, "parallel": PARALLEL}) as load:
            load.figures()
        before = settled_kb(proxy)
        with Load(proxy, "idle", {"parallel": IDLE}) as load:
            found[name] = (settled_kb(proxy) - before) / IDLE
            load.figures()
    return found


def settled_kb(proxy):
    """Its memory once it does nothing more: connections to the host come after handshakes, ends after the load's."""
    deadline = time.monotonic() + 5
    before = proxy.cpu_s()
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = proxy.cpu_s()
        if now - before < 0.002:
            break
        before = now
    return proxy.memory_kb()


def measure(proxies):
    """({measure: {name: [cost of a round]}}, {name: tickets of a full handshake})"""
    costs = {measure[0]: {name: [] for name in proxies["echo"]} for measure in MEASURES}
    tickets = {}
    for number in range(ROUNDS):
        for what, _, purpose, mode, options, units, scale in MEASURES:
            names = list(proxies[purpose])
            # Who goes first changes from round to round.
            for name in names[number % len(names):] + names[:number % len(names)]:
                proxy = proxies[purpose][name]
                with Load(proxy, mode, options) as load:
                    before = proxy.cpu_s()
                    figures = load.figures()
                    costs[what][name].append((proxy.cpu_s() - before) / units(figures) * scale)
                if mode == "full":
                    tickets[name] = figures["tickets"] / figures["done"]
    return costs, tickets


def outside(proxies):
    """{measure: {name: share outside OpenSSL's libraries, None: unknown}}"""
    shares = {}
    for what, _, purpose, mode, options, *_ in MEASURES:
        shares[what] = dict.fromkeys(proxies[purpose])
        # The more samples, the surer the share.
        options = {word: SAMPLED * value if word == "count" else value for word, value in options.items()}
        for name, proxy in proxies[purpose].items() if shutil.which("perf") else ():
            with Load(proxy, mode, options) as load:
                perf = Perf(proxy)
                try:
                    load.figures()
                finally:
                    perf.stop()
            shares[what][name] = perf.outside_crypto()
    return shares


def flood(proxies):
    """{name: [(figures of requests alone, of requests beside a flood of hellos) of a round]}"""
    found = {name: [] for name in ("gaidaros", "haproxy") if name in proxies}
    paced = {"parallel": FLOOD_PARALLEL, "gap": FLOOD_GAP_US}
    for number in range(ROUNDS):
        for name in sorted(found, reverse=bool(number % 2)):
            with Load(proxies[name], "requests", {"count": FLOOD_PARALLEL * 1000000 // FLOOD_GAP_US, **paced}) as load:
                quiet = load.figures()
            with Load(proxies[name], "flood", {"rate": FLOOD_PER_S, "seconds": FLOOD_S, "rude": 1, **paced}) as load:
                found[name].append((quiet, load.figures()))
    return found


def show(names, idle, costs, shares, floods):
    table = Table(names)
    for what, unit, *_ in MEASURES:
        medians = {name: statistics.median(values) for name, values in costs[what].items()}
        digits = 2 if unit == "s" else 1
        table.row(f"{what}, {unit} of CPU", medians, digits)
        table.row("  outside libssl and libcrypto", {
            name: share and share * medians[name] for name, share in shares[what].items()}, digits)
    table.row("idle connection, KB in user space", idle)
    for what, place in (("p99 of requests at a pace, us", 0), (f"  beside {FLOOD_PER_S} hellos/s, us", 1)):
        table.row(what, {name: statistics.median(pair[place]["request"]["p99_us"] for pair in pairs)
                         for name, pairs in floods.items()}, 0)
    print(f"pace: {FLOOD_PARALLEL} connections, each a request every {FLOOD_GAP_US / 1000:g} ms; "
          f"hellos said for {FLOOD_S} s, whether or not earlier ones are answered")
    for name, pairs in floods.items():
        asked, done, failed, timed_out = (sum(loud[word] for _, loud in pairs)
                                          for word in ("asked", "done", "failed", "timed_out"))
        half_us = statistics.median(loud["handshake"]["p50_us"] for _, loud in pairs)
        print(f"  {name}: {asked} hellos said, {done} answered, {failed} not, {timed_out} timed out; "
              f"half of them within {half_us / 1000:.1f} ms")


def make_certificate(folder):
    """web.pem: chain and key in one file, for its owner alone."""
    key, chain, whole = (os.path.join(folder, name) for name in ("key", "chain", "web.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    key, "-out", chain, "-subj", "/CN=bench.example", "-days", "2"], check=True, capture_output=True)
    with open(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        for part in (chain, key):
            with open(part, "rb") as file:
                out.write(file.read())


def candidates():
    found = ["gaidaros"]
    for name in ("haproxy", "nginx", "hitch"):
        if shutil.which(name) and (name != "nginx" or glob.glob(NGINX_MODULES)):
            found.append(name)
        else:
            print(f"{name} is not there (make deps-bench installs it)")
    return found


def start(hosts, folder, running):
    """{purpose: {name: proxy}}, all started, and in running."""
    proxies = {purpose: {} for purpose in hosts}
    for name in candidates():
        for purpose, host in hosts.items():
            proxy = Proxy(name, purpose, host, folder)
            refusal = proxy.refusal() if name == "gaidaros" else None
            if refusal is not None:
                print(f"the built gaidaros does not support TLS yet, so that only the others are measured; it says:\n{refusal}")
                break
            running.append(proxy)
            proxy.start()
            proxies[purpose][name] = proxy
    if not proxies["echo"]:
        raise RuntimeError("nothing is there that could be measured")
    return proxies


def bench(folder, running):
    make_certificate(folder)
    with open(os.path.join(folder, "openssl.conf"), "w", encoding="utf-8") as file:
        file.write(OPENSSL)
    hosts = {"echo": Host("--mode", "echo"), "bulk": Host("--mode", "source", "--bytes", str(BULK_BYTES // BULK_PARALLEL))}
    running += hosts.values()
    proxies = start(hosts, folder, running)
    os.sched_setaffinity(0, set(OTHERS) & os.sched_getaffinity(0) or os.sched_getaffinity(0))
    idle = memory(proxies["echo"])
    costs, tickets = measure(proxies)
    shares = outside(proxies)
    if not any(share is not None for row in shares.values() for share in row.values()):
        print("what lies outside OpenSSL is unknown: perf is not there, or may not look")
    show(list(proxies["echo"]), idle, costs, shares, flood(proxies["echo"]))
    for name, count in tickets.items():
        if count != 1:
            print(f"not alike: {name} sends {count:g} tickets a handshake, not one")


def on_signal(number, _):
    raise RuntimeError(f"not done after {LIMIT_S} s" if number == signal.SIGALRM else "told to end")


def main():
    print(f"== TLS, {ROUNDS} rounds", flush=True)
    # An idle connection takes two descriptors of a proxy.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 2 * IDLE + 1000:
        print(f"{2 * IDLE + 1000} open files are needed, {hard} allowed (ulimit -n)", file=sys.stderr)
        return 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 20000)
                                                if hard == resource.RLIM_INFINITY else hard, hard))
    signal.signal(signal.SIGALRM, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    signal.alarm(LIMIT_S)
    with tempfile.TemporaryDirectory(prefix="gaidaros-bench-") as folder:
        os.chmod(folder, 0o755)
        running = []
        try:
            bench(folder, running)
        except RuntimeError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        finally:
            signal.alarm(0)
            for process in reversed(running):
                process.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
