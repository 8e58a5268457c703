# SPDX-License-Identifier: MIT
"""Drives the built daemon, its hosts and its load for system tests, and checks that each ends cleanly.

A Daemon runs `gaidaros -f -c FILE` in a private folder with a control socket of its own; Host wraps
the scriptable host (echo.c), Load the load client (load.c). Nothing here sleeps for luck: everything
waits for an event that can be asked for.
"""

import contextlib
import http.client
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

from sockets import close_with_reset, connect, receive_all, receive_exactly, tcp_states  # noqa: F401  (for tests)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BIN = os.path.abspath(os.environ.get("GAIDAROS_BIN", os.path.join(ROOT, "build", "gaidaros")))
CTL = os.path.abspath(os.environ.get("GAIDAROS_CTL", os.path.join(ROOT, "build", "gaidarosctl")))
HOOKS_BIN = os.path.abspath(os.environ.get("GAIDAROS_HOOKS_BIN", os.path.join(ROOT, "build", "hooks", "gaidaros")))
TOOLS = os.path.abspath(os.environ.get("GAIDAROS_TOOLS", os.path.join(ROOT, "build", "tools")))
SAN = os.environ.get("GAIDAROS_SAN") == "1"
SESSION = f"{os.getpid()}.{time.monotonic_ns()}"  # in the environment of all that this test run starts
PATIENCE_S = 20  # the bound of waiting for what should be there at once

ERROR_LINE = re.compile(r"^\S+Z error ")
SANITIZER_LINE = re.compile(r"ERROR: \w*Sanitizer|runtime error:|SUMMARY: \w*Sanitizer|LeakSanitizer")


class Failure(AssertionError):
    """Something that a test promised did not hold."""


def scaled_rate(per_s):
    """The rate of short connections: as asked, or what the sanitizer build can carry on two cores."""
    return min(per_s, 300) if SAN else per_s


def wait_until(predicate, timeout=PATIENCE_S, what="the event", step=0.01):
    """Asks until the predicate gives something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f"waited {timeout} s in vain for {what}; last answer: {found!r}")
        time.sleep(step)


_used_ports = set()


def free_port():
    """A TCP port free in both families, below those that the kernel gives to clients, never given twice."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    low, span = 10000 + worker % 4 * 5000, 5000
    start = os.getpid() * 7919 + len(_used_ports)
    for i in range(span):
        port = low + (start + i) % span
        if port in _used_ports:
            continue
        _used_ports.add(port)
        try:
            with socket.socket(socket.AF_INET6) as six:
                six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                six.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                six.bind(("::", port))
            return port
        except OSError:
            continue
    raise Failure("no free port is left")


def child_env(extra=None):
    """The environment of what tests start: findable afterwards, sanitizers told what to look for."""
    env = dict(os.environ, GAIDAROS_TEST_SESSION=SESSION)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=0")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    env.update(extra or {})
    return env


def processes_left():
    """Command lines of processes that this test run started and that still run."""
    left = []
    mark = f"GAIDAROS_TEST_SESSION={SESSION}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark not in file.read().split(b"\0") or int(pid) == os.getpid():
                    continue
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                left.append((int(pid), file.read().replace(b"\0", b" ").decode("utf-8", "replace")))
        except OSError:
            continue
    return left


def process_alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def session_pids(session):
    """Processes of a session (setsid), zombies left out."""
    pids = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            pids.append(int(pid))
    return pids


def cpu_s(pid):
    """User and system seconds that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid):
    """What each descriptor of a process is, as /proc tells it."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
    return found


class Descriptors:
    """Descriptors of one process, sorted into those of connections and those that should stay as they are.

    Sockets made fresh again for reuse (closed, in no table of the kernel) and pooled pipes are neither:
    they are kept on purpose, up to a bound of their own.
    """

    LISTENING = 10

    def __init__(self, pid, states=None):
        states = states if states is not None else tcp_states()
        self.connections = self.listening = self.spare = self.pipes = self.others = 0
        for target in descriptors(pid).values():
            if target.startswith("pipe:"):
                self.pipes += 1
            elif target.startswith("socket:"):
                state = states.get(target[8:-1])
                self.listening += state == self.LISTENING
                self.connections += state is not None and state != self.LISTENING
                self.spare += state is None
            else:
                self.others += 1

    def __repr__(self):
        return str(vars(self))


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    """Status, headers and text of an HTTP answer."""

    def __init__(self, response):
        self.status, self.headers = response.status, dict(response.getheaders())
        self.text = response.read().decode("utf-8", "replace")

    def json(self):
        return json.loads(self.text)


class Daemon:
    """One daemon in the foreground, in a folder of its own.

    config   text of the file; pidfile, control socket and `workers` are added to its [global]
    folder   private; holds gaidaros.conf, control.sock, gaidaros.pid, log
    wrap     words put in front of the command, as ["prlimit", "--nofile=64"]
    """

    SPARE_MOST = 300  # recycled host sockets and pooled pipes a process may keep
    PIPES_MOST = 600

    def __init__(self, config, folder, *, binary=None, args=(), env=None, workers=None, wrap=(), start=True):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.file = os.path.join(self.folder, "gaidaros.conf")
        self.control = os.path.join(self.folder, "control.sock")
        self.pidfile = os.path.join(self.folder, "gaidaros.pid")
        self.log = os.path.join(self.folder, "log")
        self.binary, self.args, self.env, self.workers, self.wrap = binary or BIN, args, env, workers, wrap
        self.allowed = []
        self.edited = 0  # 1: master keeps what the file said, since a test changes the configuration by calls
        self.pooled = 0  # connections to hosts that each process keeps ahead of need
        self.process = None
        self.base = {}
        self.write(config)
        if start:
            self.start()

    # starting

    def write(self, config):
        """Writes the configuration with the private paths added."""
        own = f"pidfile = {self.pidfile}\ncontrol = {self.control}\n"
        if self.workers is not None and not re.search(r"(?m)^workers\s*=", config):
            own += f"workers = {self.workers}\n"
        head, found, rest = config.partition("[global]")
        text = f"{head}[global]\n{own}{rest}" if found else f"[global]\n{own}\n{config}"
        temporary = self.file + ".new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, self.file)

    def start(self):
        """Starts it and waits until it answers 200 on /healthz."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.wrap, self.binary, "-f", "-c", self.file, *self.args],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            env=child_env(self.env), start_new_session=True)

        def serves():
            if self.process.poll() is not None:
                raise Failure(f"gaidaros ended with {self.process.returncode} at its start:\n{self.log_text()}")
            return self.healthz() == 200

        try:
            wait_until(serves, what="GET /healthz = 200")
        except Failure:
            self.kill_hard()
            raise Failure(f"gaidaros did not start:\n{self.log_text()[-4000:]}") from None
        self.note_base()

    def note_base(self):
        """Remembers what each process has open now, for settled()."""
        states = tcp_states()
        self.base = {pid: Descriptors(pid, states) for pid in self.pids()}

    # asking

    @property
    def pid(self):
        return self.process.pid

    def pids(self):
        """All processes of the daemon."""
        return session_pids(self.process.pid)

    def http(self, method, path, body=None, headers=None, timeout=10):
        """One HTTP request over the control socket."""
        connection = UnixConnection(self.control, timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def healthz(self):
        """The status of /healthz, None while nobody answers."""
        try:
            return self.http("GET", "/healthz", timeout=2).status
        except (OSError, http.client.HTTPException):
            return None

    def running(self):
        """/running.json"""
        answer = self.http("GET", "/running.json")
        if answer.status != 200:
            raise Failure(f"/running.json answered {answer.status}: {answer.text[:300]}")
        return answer.json()

    def service(self, name="web"):
        return next(s for s in self.running()["services"] if s["name"] == name)

    def host(self, name, service="web"):
        """The row of a host in /running.json."""
        return next(h for g in self.service(service)["groups"] for h in g["hosts"] if h["name"] == name)

    def generation(self):
        return self.running()["generation"]

    def worker_pids(self):
        return [worker["pid"] for worker in sorted(self.running()["workers"], key=lambda row: row["id"])]

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_lines(self, pattern=None):
        """Lines on standard error, all or those the expression is found in."""
        return [line for line in self.log_text().splitlines() if not pattern or re.search(pattern, line)]

    def fds(self, pid):
        return len(descriptors(pid))

    def rss(self, pid):
        return rss_bytes(pid)

    # telling

    def signal(self, number, pid=None):
        os.kill(pid or self.pid, number)

    def reload(self, config=None, ok=True, timeout=PATIENCE_S):
        """SIGHUP, with a new file if one is given; returns when it is committed (or refused, with ok=False)."""
        if config is not None:
            self.write(config)
        before = self.running()
        self.signal(signal.SIGHUP)

        def is_answered():
            now = self.running()
            if now["reloads"]["failed"] > before["reloads"]["failed"]:
                if ok:
                    raise Failure(f"the reload was refused:\n{self.log_text()[-3000:]}")
                return now
            return now if ok and now["generation"] > before["generation"] else None

        return wait_until(is_answered, timeout, f"the reload to be {'committed' if ok else 'refused'}")

    def allow_errors(self, pattern):
        """Error lines that the expression is found in are expected by this test."""
        self.allowed.append(re.compile(pattern))

    # ending

    def unsettled(self):
        """What is not back at base, in words; None when all is."""
        running = self.running()
        for worker in running["workers"]:
            if worker["connections"]:
                return f"worker {worker['id']} counts {worker['connections']} connections"
        for service in running["services"]:
            if service["connections"]:
                return f"service {service['name']} counts {service['connections']} connections"
            for host in (h for g in service["groups"] for h in g["hosts"]):
                if host["connections"]:
                    return f"host {host['name']} counts {host['connections']} connections"
        states = tcp_states()
        for pid in self.pids():
            now, base = Descriptors(pid, states), self.base.get(pid)
            if now.connections > self.pooled or now.spare > self.SPARE_MOST or now.pipes > self.PIPES_MOST:
                return f"process {pid} has {now} open"
            if base and now.others > base.others + (self.edited if pid == self.pid else 0):
                return f"process {pid} has {now} open, at its start {base}"
        return None

    def settled(self, timeout=PATIENCE_S):
        """Waits until gauges and descriptors are back at base."""
        last = []

        def is_settled():
            last[:] = [self.unsettled()]
            return last[0] is None

        try:
            wait_until(is_settled, timeout, "gauges and descriptors to come back to base", 0.05)
        except Failure as failure:
            raise Failure(f"{failure}: {last[0]}") from None

    def stop(self, number=None, timeout=PATIENCE_S, settle=True, status=0):
        """Ends it and makes the end checks; returns its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            if settle:
                self.settled()
            self.signal(number or signal.SIGTERM)
        try:
            ended = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"gaidaros did not end within {timeout} s:\n{self.log_text()[-3000:]}") from None
        wait_until(lambda: not self.pids(), 10, "all processes of the daemon to end")
        self.process = None
        self.check_log()
        if ended != status:
            raise Failure(f"gaidaros ended with status {ended}, not {status}:\n{self.log_text()[-3000:]}")
        return ended

    def check_log(self):
        """No alert but those allowed, no sanitizer report."""
        for line in self.log_lines():
            if SANITIZER_LINE.search(line):
                raise Failure(f"sanitizer report:\n{self.log_text()[-8000:]}")
            if ERROR_LINE.match(line) and not any(pattern.search(line) for pattern in self.allowed):
                raise Failure(f"an alert in the log: {line}")

    def kill_hard(self):
        """SIGKILL to all processes of the daemon; no checks."""
        if self.process is None:
            return
        for pid in self.pids():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not self.pids(), 10, "killed processes to go")
        self.process = None


def build_tool(name):
    """The path of a compiled test tool; compiles it when it is missing."""
    path = os.path.join(TOOLS, name)
    if not os.path.exists(path):
        os.makedirs(TOOLS, exist_ok=True)
        folder = os.path.join(ROOT, "tests", "tools")
        sources = [os.path.join(folder, source) for source in (f"{name}.c", "kit.c", "digest.c")]
        temporary = f"{path}.{os.getpid()}"
        subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-o", temporary, *sources], check=True)
        os.rename(temporary, path)
    return path


class Tool:
    """A test tool that takes commands by line and answers each with one line of JSON."""

    def __init__(self, words, wrap=()):
        self.process = subprocess.Popen([*wrap, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=child_env(), start_new_session=True)
        self.lock = threading.Lock()
        self.last = None

    def command(self, line):
        """Sends a line, returns the answer."""
        with self.lock:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def stat(self):
        return self.command("stat")

    def stop(self, timeout=30):
        """Ends it; returns its last word, the same on every call."""
        if self.process:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            lines = self.process.stdout.read().decode().splitlines()
            status = self.process.wait(timeout)
            self.process.stdout.close()
            self.process = None
            if status != 0 or not lines:
                raise Failure(f"a test tool ended with status {status}")
            self.last = json.loads(lines[-1])
        return self.last

    def kill_hard(self):
        """Ends it at once, as a dying machine would: the kernel closes what it had open."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


class Host(Tool):
    """A host behind the daemon; see echo.c for modes and settings."""

    def __init__(self, name="host", mode="echo", *, ip="127.0.0.1", port=None, wrap=(), **settings):
        self.name, self.ip, self.port = name, ip, port or free_port()
        self.address = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        words = [build_tool("echo"), "--listen", self.address, "--name", name, "--mode", mode]
        for key, value in settings.items():
            words += [f"--{key}", int(value)]
        super().__init__(words, wrap)
        if not self.process.stdout.readline().startswith(b"ready"):
            raise Failure(f"host {name} did not start on {self.address}")

    def set(self, **settings):
        """Changes settings for connections accepted from now on."""
        for key, value in settings.items():
            answer = self.command(f"{key} {value}")
        return answer

    def ended(self, count=1, timeout=PATIENCE_S):
        """What is known of the last `count` connections, when so many have ended."""
        return wait_until(lambda: len(self.stat()["ended"]) >= count and self.stat()["ended"][-count:], timeout,
                          f"{count} connections to end on host {self.name}")


class Load(Tool):
    """A running load; see load.c. Options by name, as short=2000, long=200, ids=1."""

    def __init__(self, to, *, wrap=(), **options):
        words = [build_tool("load"), "--to", to]
        for key, value in options.items():
            words += [f"--{key}", value]
        super().__init__(words, wrap)

    def wait(self, timeout=120):
        """Waits until it ends by itself (count or duration); returns its figures."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise Failure(f"the load did not end within {timeout} s: {self.stat()}")
        return self.stop()

    def stop_after(self, count, timeout=PATIENCE_S):
        """Ends it once so many short connections were served, however fast the test went; its figures."""
        wait_until(lambda: self.stat()["short"]["ok"] >= count, timeout, f"{count} connections to be served")
        return self.stop()

    def zero(self):
        """The figures so far, which then start from zero."""
        return self.command("zero")


def assert_no_loss(figures, at_least=1):
    """Every short connection and long session gave its own correct echo and a clean end."""
    for part in ("short", "long"):
        row = figures[part]
        assert row["lost_total"] == 0 and row["unclean"] == 0 and row["local_errors"] == 0, (part, figures)
    assert figures["short"]["ok"] + figures["long"]["ok"] >= at_least, figures


class BlackHole:
    """An address whose listen queue is full: the kernel drops every further SYN."""

    def __init__(self, ip="127.0.0.1"):
        self.port = free_port()
        self.address = f"{ip}:{self.port}"
        self.listener = socket.socket()
        self.listener.bind((ip, self.port))
        self.listener.listen(0)
        self.fill = []
        while True:
            client = socket.socket()
            client.settimeout(0.3)
            try:
                client.connect((ip, self.port))
                self.fill.append(client)
            except socket.timeout:
                client.close()
                break

    def close(self):
        for client in self.fill:
            client.close()
        self.listener.close()
