#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a connection, a request and a GB cost: gaidaros beside haproxy and nginx, and the micro benches.

Cost is the balancer's own processor time, user and system, of all its processes. Each balancer has one
worker, kept on processor 0; client and host run on the others. The balancers take turns within a round,
so that what else the machine does hits all alike; what is shown are medians over the rounds, and the
median of each round's ratio to the peer. Differences under about 3 % are noise.
"""

import glob
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.path.join(ROOT, os.environ.get("BUILD", "build")))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SHORT_CONNECTIONS = 3000
REQUESTS = 12000
BULK_BYTES = 1 << 30
OPEN_CONNECTIONS = 16

HAPROXY = """
global
    nbthread 1
    maxconn 1000
defaults
    mode tcp
    timeout connect 3s
    timeout client 5m
    timeout server 5m
    {option}
{sections}
"""
NGINX = """
{modules}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 2000; }}
stream {{
    access_log off;
    proxy_buffer_size 64k;
    tcp_nodelay on;
{sections}
}}
"""
GAIDAROS = """
[global]
workers = 1
user = nobody
pidfile = {folder}/gaidaros.pid
control = {folder}/gaidaros.sock
log = {folder}/gaidaros.log
{sections}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def on_processors(numbers):
    """For preexec_fn: keeps the process on these processors, where there are so many."""
    usable = sorted(os.sched_getaffinity(0))
    chosen = [usable[n] for n in numbers if n < len(usable)] or usable
    return lambda: os.sched_setaffinity(0, chosen)


OTHERS = range(1, os.cpu_count() or 1)


def wait_open(port, process, otherwise):
    """Until the process listens there; the words are what is said when it does not."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(otherwise) from None
            time.sleep(0.02)


def processes_below(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            with open(path, encoding="ascii") as file:
                todo += map(int, file.read().split())
    return found


class Host:
    """A test host in one mode, on processors that the balancers do not use."""

    def __init__(self, *options):
        self.process = subprocess.Popen([f"{BUILD}/tools/echo", "--listen", "127.0.0.1:0", *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=on_processors(OTHERS))
        word, port = self.process.stdout.readline().split()
        assert word == b"ready", word
        self.port = int(port)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class Balancer:
    """One balancer under test: a service for each host, in the order of hosts."""

    def __init__(self, name, hosts, folder):
        self.name, self.folder = name, os.path.join(folder, name.replace(" ", "-"))
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        self.ports = [free_port() for _ in hosts]
        self.process = subprocess.Popen(self.command(hosts), preexec_fn=on_processors([0]),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.wait_ready()

    def command(self, hosts):
        pairs = list(enumerate(zip(self.ports, (host.port for host in hosts))))
        path = os.path.join(self.folder, "conf")
        if self.name.startswith("haproxy"):
            text = HAPROXY.format(option="option splice-auto" if "splice" in self.name else "", sections="\n".join(
                f"listen s{i}\n    bind 127.0.0.1:{port}\n    server h 127.0.0.1:{to}" for i, (port, to) in pairs))
            command = ["haproxy", "-db", "-f", path]
        elif self.name == "nginx":
            modules = glob.glob("/usr/lib/nginx/modules/ngx_stream_module.so")
            text = NGINX.format(folder=self.folder, modules="".join(f"load_module {m};\n" for m in modules),
                                sections="\n".join(f"    server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{to}; }}"
                                                   for i, (port, to) in pairs))
            command = ["nginx", "-c", path, "-p", self.folder]
        else:
            text = GAIDAROS.format(folder=self.folder, sections="\n".join(
                f"[service s{i}]\nlisten = 127.0.0.1:{port}\ngroup = g{i}\n[group g{i}]\nhost = h 127.0.0.1:{to}"
                for i, (port, to) in pairs))
            command = [f"{BUILD}/gaidaros", "-f", "-c", path]
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return command

    def wait_ready(self):
        wait_open(self.ports[0], self.process, f"{self.name} does not start; see {self.folder}")

    def cpu_s(self):
        """Processor seconds so far: the scheduler's nanoseconds of every thread."""
        total = 0
        for pid in processes_below(self.process.pid):
            for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
                with open(path, encoding="ascii") as file:
                    total += int(file.read().split()[0])
        return total / 1e9

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def short_connections(port):
    # Its stdin stays open while it runs: the end of it would stop the load.
    load = subprocess.Popen([f"{BUILD}/tools/load", "--to", f"127.0.0.1:{port}", "--parallel", str(OPEN_CONNECTIONS),
                             "--count", str(SHORT_CONNECTIONS), "--size", "64"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, preexec_fn=on_processors(OTHERS))
    with load:
        said = load.stdout.read()
    if load.returncode != 0:
        raise RuntimeError(f"load ended with {load.returncode}")
    figures = json.loads(said.splitlines()[-1])["short"]
    if figures["lost_total"]:
        raise RuntimeError(f"lost connections: {figures}")
    return SHORT_CONNECTIONS


def receive(sock, count):
    while count:
        got = len(sock.recv(count))
        if not got:
            raise RuntimeError("closed before the whole answer")
        count -= got


def requests(size):
    """REQUESTS requests of so many bytes, echoed, over connections that stay open."""
    def run(port):
        open_ones = [socket.create_connection(("127.0.0.1", port)) for _ in range(OPEN_CONNECTIONS)]
        for sock in open_ones:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message = bytes(size)
        for _ in range(REQUESTS // OPEN_CONNECTIONS):
            for sock in open_ones:
                sock.sendall(message)
            for sock in open_ones:
                receive(sock, size)
        for sock in open_ones:
            sock.close()
        return REQUESTS
    return run


def bulk(port):
    # Thrown away in the kernel: the client shares its processor with the host, and the balancer is to be the bottleneck.
    buffer, count = bytearray(1 << 20), 0
    with socket.create_connection(("127.0.0.1", port)) as sock:
        while got := sock.recv_into(buffer, 0, socket.MSG_TRUNC):
            count += got
    if count != BULK_BYTES:
        raise RuntimeError(f"{count} bytes came, {BULK_BYTES} were sent")
    return count / 1e9


# What is measured: its unit, the host it needs (by place), how to run it, what a second is shown as.
MEASURES = [("short connection, 64 B there and back", "us", 0, short_connections, 1e6),
            ("request of 64 B on an open connection", "us", 0, requests(64), 1e6),
            ("request of 16 KiB on an open connection", "us", 0, requests(16384), 1e6),
            ("bulk from host to client, per GB", "s", 1, bulk, 1)]


def peers():
    found = ["gaidaros"]
    if shutil.which("haproxy"):
        found += ["haproxy", "haproxy splice"]
    if shutil.which("nginx") and glob.glob("/usr/lib/nginx/modules/ngx_stream_module.so"):
        found.append("nginx")
    return found


def measure(balancers):
    """{measure: {balancer: [cost per round]}}"""
    costs = {name: {balancer.name: [] for balancer in balancers} for name, *_ in MEASURES}
    for number in range(ROUNDS):
        for name, _, place, run, scale in MEASURES:
            # Who goes first changes from round to round.
            for balancer in balancers[number % len(balancers):] + balancers[:number % len(balancers)]:
                before = balancer.cpu_s()
                units = run(balancer.ports[place])
                costs[name][balancer.name].append((balancer.cpu_s() - before) / units * scale)
    return costs


def show(costs):
    for name, unit, *_ in MEASURES:
        print(f"{name}, {unit} of processor time")
        ours = costs[name]["gaidaros"]
        for peer, values in costs[name].items():
            ratio = statistics.median(a / b for a, b in zip(ours, values))
            note = "" if peer == "gaidaros" else f"   gaidaros takes {ratio:.2f} of it"
            print(f"  {peer:16} {statistics.median(values):8.2f}{note}")


def main():
    for bench in sorted(glob.glob(f"{BUILD}/bench/*_bench")):
        print(f"== {os.path.basename(bench)}", flush=True)
        subprocess.run([bench], check=True, timeout=60)
    print(f"== whole balancers, {ROUNDS} rounds", flush=True)
    with tempfile.TemporaryDirectory(prefix="gaidaros-bench-") as folder:
        os.chmod(folder, 0o755)
        running = []
        try:
            hosts = [Host("--mode", "echo"), Host("--mode", "source", "--bytes", str(BULK_BYTES))]
            running += hosts
            balancers = []
            for name in peers():
                balancers.append(Balancer(name, hosts, folder))
                running.append(balancers[-1])
            os.sched_setaffinity(0, set(OTHERS) & os.sched_getaffinity(0) or os.sched_getaffinity(0))
            show(measure(balancers))
        finally:
            for process in reversed(running):
                process.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
