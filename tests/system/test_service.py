# SPDX-License-Identifier: MIT
"""What surrounds the daemon: init script (M5, M6), make install, make run, and what README promises."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import urllib.request

import pytest

from harness import BIN, CTL, ROOT, free_port, process_alive, wait_until

BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SCRIPT = os.path.join(ROOT, "etc", "init.d", "gaidaros")
NOBODY = 65534
need_root = pytest.mark.skipif(os.geteuid() != 0, reason="an init script is run by root")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def fetch(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
        return answer.read().decode()


class Service:
    """The init script in a private place: its files, and its actions as calls."""

    def __init__(self, folder):
        self.folder = folder
        self.admin, self.port = free_port(), free_port()
        self.pidfile, self.lockfile = f"{folder}/gaidaros.pid", f"{folder}/lock"
        self.settings = {"DAEMON": BIN, "CONFIG": f"{folder}/gaidaros.conf", "PIDFILE": self.pidfile,
                         "LOCKFILE": self.lockfile, "STOP_SECONDS": "20"}
        self.write_config()
        self.set()

    def write_config(self, more="", drain="2s"):
        with open(self.settings["CONFIG"], "w", encoding="utf-8") as file:
            file.write(f"[global]\nworkers = 2\nuser = nobody\ncontrol = {self.folder}/control.sock\n"
                       f"log = {self.folder}/log\ndrain_timeout = {drain}\n[admin]\nlisten = 127.0.0.1:{self.admin}\n"
                       f"[service web]\nlisten = 127.0.0.1:{self.port}\ngroup = main\n"
                       f"[group main]\nhost = one 127.0.0.1:1\n{more}")

    def set(self, **settings):
        self.settings.update(settings)
        with open(f"{self.folder}/defaults", "w", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in self.settings.items())

    def __call__(self, *actions, before=()):
        done = subprocess.run([*before, SCRIPT, *actions], env=dict(os.environ, GAIDAROS_DEFAULTS=f"{self.folder}/defaults"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              check=False)
        self.said = done.stdout.decode()
        return done.returncode

    def pid(self):
        with open(self.pidfile, encoding="ascii") as file:
            return int(file.read())

    def serves(self):
        try:
            return fetch(f"http://127.0.0.1:{self.admin}/healthz") is not None
        except OSError:
            return False


@pytest.fixture
def service():
    folder = tempfile.mkdtemp(prefix="gaidaros-service-")
    os.chmod(folder, 0o755)
    made = Service(folder)
    yield made
    family = []
    try:
        master = made.pid()
        if os.path.realpath(f"/proc/{master}/exe") == os.path.realpath(made.settings["DAEMON"]):
            family = [master, *children_of(master)]
    except (OSError, ValueError):
        pass
    for pid in family:
        if process_alive(pid):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def test_the_unit_leaves_master_what_it_needs():
    """The capabilities of the systemd unit are those that master keeps, and one for a later version."""
    with open(os.path.join(ROOT, "src", "master", "privileges.c"), encoding="utf-8") as file:
        kept = set(re.findall(r"CAP_\w+", re.search(r"needed\[\] = \{(.*?)\}", file.read(), re.S).group(1)))
    with open(os.path.join(ROOT, "etc", "systemd", "gaidaros.service"), encoding="utf-8") as file:
        (line,) = re.findall(r"(?m)^CapabilityBoundingSet=(.*)$", file.read())
    assert len(kept) >= 6 and set(line.split()) == kept | {"CAP_NET_RAW"}


@need_root
def test_script_starts_reloads_restarts_and_stops(service):
    assert service("status") == 3, service.said
    assert service("start") == 0, service.said
    assert service.serves()
    first = service.pid()
    assert service("status") == 0, service.said
    assert service("start") == 0, service.said
    assert service.pid() == first
    workers = children_of(first)
    for action in ("reload", "force-reload"):
        assert service(action) == 0, service.said
    assert (service.pid(), children_of(first)) == (first, workers)
    assert service("restart") == 0, service.said
    second = service.pid()
    assert second != first and not process_alive(first) and service.serves()
    assert service("try-restart") == 0, service.said
    third = service.pid()
    assert third != second and not process_alive(second) and service.serves()
    family = [third, *children_of(third)]
    assert service("stop") == 0, service.said
    wait_until(lambda: not any(map(process_alive, family)), what="every process gone")
    assert not os.path.exists(service.pidfile) and not os.path.exists(service.lockfile)


@need_root
def test_script_on_a_stopped_daemon(service):
    assert service("stop") == 0, service.said
    assert service("status") == 3, service.said
    assert service("reload") == 7, service.said
    assert service("force-reload") == 7, service.said
    assert service("try-restart") == 0, service.said
    assert service("status") == 3, service.said
    assert service("restart") == 0, service.said
    assert service("status") == 0, service.said
    assert service("stop") == 0, service.said


@need_root
def test_script_status_of_a_dead_daemon(service):
    assert service("start") == 0, service.said
    master = service.pid()
    family = [master, *children_of(master)]
    os.kill(master, signal.SIGKILL)
    wait_until(lambda: not any(map(process_alive, family)), what="every process gone")
    assert service("status") == 1, service.said
    os.unlink(service.pidfile)
    assert service("status") == 2, service.said
    os.mkdir(service.pidfile)
    assert service("status") == 4, service.said
    os.rmdir(service.pidfile)
    assert service("start") == 0, service.said
    assert service("status") == 0, service.said
    assert service("stop") == 0, service.said
    assert service("status") == 3, service.said


@need_root
def test_script_starts_over_a_stale_pidfile(service):
    assert service("start") == 0, service.said
    master = service.pid()
    family = [master, *children_of(master)]
    os.kill(master, signal.SIGKILL)
    wait_until(lambda: not any(map(process_alive, family)), what="every process gone")
    assert service("start") == 0, service.said
    assert service.pid() != master and service.serves()
    assert service("stop") == 0, service.said


@need_root
def test_script_refuses_with_the_statuses_of_the_lsb(service):
    assert service("frobnicate") == 2, service.said
    assert service() == 2, service.said
    assert service("start", "stop") == 2, service.said
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    for action in ("start", "stop", "restart", "reload", "try-restart", "force-reload"):
        assert service(action, before=as_nobody) == 4, service.said
    assert service("status", before=as_nobody) == 3, service.said
    service.set(CONFIG=f"{service.folder}/absent.conf")
    assert service("start") == 6, service.said
    service.set(CONFIG=f"{service.folder}/gaidaros.conf", DAEMON=f"{service.folder}/absent")
    assert service("start") == 5, service.said
    assert service("stop") == 5, service.said


@need_root
def test_script_tells_anybody_that_it_runs(service):
    assert service("start") == 0, service.said
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    assert service("status", before=as_nobody) == 0, service.said
    assert service("stop") == 0, service.said


@need_root
def test_script_refuses_a_broken_configuration_and_keeps_the_old(service):
    service.write_config("no_such_key = 1\n")
    assert service("start") == 6, service.said
    assert "no_such_key" in service.said
    service.write_config()
    assert service("start") == 0, service.said
    service.write_config("no_such_key = 1\n")
    assert service("reload") == 6, service.said
    assert "no_such_key" in service.said
    master = service.pid()
    assert service("restart") == 6, service.said
    assert service("try-restart") == 6, service.said
    assert service.pid() == master and service.serves()
    service.write_config()
    assert service("stop") == 0, service.said


@need_root
def test_script_reports_a_start_that_fails(service):
    with socket.create_server(("127.0.0.1", service.port)):
        assert service("start") == 1, service.said
    assert service("status") == 3, service.said


@need_root
@pytest.mark.parametrize("content", ["namesake", "sibling", "garbage", "empty"])
def test_script_never_touches_another_process(service, content):
    """A program of the same name, and another daemon of ours, whose numbers stand in a stale pidfile."""
    other_folder = tempfile.mkdtemp(prefix="gaidaros-other-")
    os.chmod(other_folder, 0o755)
    other = None
    try:
        if content == "sibling":
            sibling = Service(other_folder)
            other = subprocess.Popen([BIN, "-f", "-c", sibling.settings["CONFIG"], "-P", sibling.pidfile])
            wait_until(lambda: os.path.exists(sibling.pidfile) and sibling.serves(), what="the sibling serves")
        else:
            shutil.copy(shutil.which("sleep"), f"{other_folder}/gaidaros")
            other = subprocess.Popen([f"{other_folder}/gaidaros", "1000"])
        with open(service.pidfile, "w", encoding="ascii") as file:
            file.write({"garbage": "12x4\n", "empty": ""}.get(content, f"{other.pid}\n"))
        assert service("status") == 1, service.said
        assert service("reload") == 7, service.said
        assert service("stop") == 0, service.said
        assert process_alive(other.pid)
        assert service("start") == 0, service.said
        assert service.pid() != other.pid and service.serves()
        assert service("stop") == 0, service.said
        assert process_alive(other.pid)
    finally:
        if other:
            other.terminate()
            other.wait(20)
        shutil.rmtree(other_folder)


@need_root
def test_script_stops_a_master_that_does_not_answer(service):
    service.set(STOP_SECONDS="1")
    assert service("start") == 0, service.said
    master = service.pid()
    family = [master, *children_of(master)]
    os.kill(master, signal.SIGSTOP)
    began = time.monotonic()
    assert service("stop") == 0, service.said
    assert time.monotonic() - began < 15
    wait_until(lambda: not any(map(process_alive, family)), what="every process gone")
    assert service("status") == 3, service.said


@need_root
def test_script_cuts_connections_that_outlast_the_drain(service):
    service.set(STOP_SECONDS="1")
    with socket.create_server(("127.0.0.1", 0)) as host:
        service.write_config(f"host = open 127.0.0.1:{host.getsockname()[1]}\n", drain="1h")
        assert service("start") == 0, service.said
        family = [service.pid(), *children_of(service.pid())]
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(b"x")
            passed_on, _ = host.accept()
            with passed_on:
                assert passed_on.recv(1) == b"x"
                assert service("stop") == 0, service.said
    wait_until(lambda: not any(map(process_alive, family)), what="every process gone")


# --- make install ---------------------------------------------------------------------------

def make(*words, **options):
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={BUILD}", *words], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False, **options)
    return done.returncode, done.stdout.decode()


def tree(folder):
    """{path: permissions} of the files below a folder."""
    return {os.path.join(where, name)[len(folder):]: stat.S_IMODE(os.stat(os.path.join(where, name)).st_mode)
            for where, _, names in os.walk(folder) for name in names}


def layout(prefix):
    return {f"{prefix}/sbin/gaidaros": 0o755, f"{prefix}/bin/gaidarosctl": 0o755,
            "/etc/gaidaros/gaidaros.conf": 0o644, "/etc/init.d/gaidaros": 0o755,
            f"{prefix}/lib/systemd/system/gaidaros.service": 0o644,
            f"{prefix}/share/man/man1/gaidarosctl.1": 0o644, f"{prefix}/share/man/man5/gaidaros.conf.5": 0o644,
            f"{prefix}/share/man/man8/gaidaros.8": 0o644,
            f"{prefix}/share/bash-completion/completions/gaidarosctl": 0o644,
            f"{prefix}/share/zsh/vendor-completions/_gaidarosctl": 0o644,
            f"{prefix}/share/fish/vendor_completions.d/gaidarosctl.fish": 0o644}


@pytest.mark.parametrize("prefix", ["/usr/local", "/usr"])
def test_install_puts_each_file_in_its_place(tmp_path, prefix):
    root = str(tmp_path)
    status, said = make("install", f"DESTDIR={root}", f"PREFIX={prefix}")
    assert status == 0, said
    assert tree(root) == layout(prefix)
    for name in ("/etc/init.d/gaidaros", f"{prefix}/lib/systemd/system/gaidaros.service"):
        text = open(root + name, encoding="utf-8").read()
        assert set(re.findall(r"/\S*?/sbin/gaidaros\b", text)) == {f"{prefix}/sbin/gaidaros"}, name
    done = subprocess.run([f"{root}{prefix}/sbin/gaidaros", "-t", "-c", f"{root}/etc/gaidaros/gaidaros.conf"],
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    status, said = make("uninstall", f"DESTDIR={root}", f"PREFIX={prefix}")
    assert status == 0, said
    assert list(tree(root)) == ["/etc/gaidaros/gaidaros.conf"]


def test_install_keeps_the_configuration(tmp_path):
    root = str(tmp_path)
    os.makedirs(f"{root}/etc/gaidaros")
    mine = f"{root}/etc/gaidaros/gaidaros.conf"
    with open(mine, "w", encoding="utf-8") as file:
        file.write("# mine\n")
    status, said = make("install", f"DESTDIR={root}")
    assert status == 0 and "keeping" in said, said
    assert open(mine, encoding="utf-8").read() == "# mine\n"


def shipped_configurations():
    found = ["etc/gaidaros.conf", "etc/demo.conf"]
    return found + [f"etc/examples/{name}" for name in sorted(os.listdir(f"{ROOT}/etc/examples")) if name.endswith(".conf")]


@pytest.mark.parametrize("path", shipped_configurations())
def test_shipped_configurations_are_right(path):
    done = subprocess.run([BIN, "-t", "-c", os.path.join(ROOT, path)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


# --- make run -------------------------------------------------------------------------------

def with_environment(text):
    """The processes whose environment holds a text."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if text.encode() in file.read() and process_alive(name):
                    found.append(int(name))
        except OSError:
            continue
    return found


class Demo:
    """`make run` on a terminal of its own, as a person would start it."""

    def __init__(self, **variables):
        pid, self.terminal = os.forkpty()
        if pid == 0:
            os.chdir(ROOT)
            words = [f"{name}={value}" for name, value in variables.items()]
            os.execvp("make", ["make", "--no-print-directory", f"BUILD={BUILD}", "run", *words])
        self.pid, self.said = pid, ""

    def read_until(self, text, seconds=60):
        """Reads until a text comes; with None to the end."""
        os.set_blocking(self.terminal, False)
        deadline = time.monotonic() + seconds
        while text is None or text not in self.said:
            assert time.monotonic() < deadline, self.said
            try:
                got = os.read(self.terminal, 65536)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            except OSError:
                got = b""
            if not got:
                assert text is None, self.said
                return
            self.said += got.decode("utf-8", "replace")

    def end(self):
        self.read_until(None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)


def test_make_run_serves_and_ends_by_one_interrupt():
    port, admin = free_port(), free_port()
    demo = Demo(DEMO_PORT=port, DEMO_ADMIN_PORT=admin)
    try:
        demo.read_until("Ctrl-C ends it all.")
        assert f"http://127.0.0.1:{port}/" in demo.said and f"http://127.0.0.1:{admin}/" in demo.said
        folder = re.search(r"-s (\S+)/demo.sock status", demo.said).group(1)
        answers = [fetch(f"http://127.0.0.1:{port}/") for _ in range(8)]
        served = [re.match(r"I am host (\w+)", answer).group(1) for answer in answers]
        assert {name: served.count(name) for name in served} == {"one": 4, "two": 2, "three": 2}
        assert "gaidaros demo" in fetch(f"http://127.0.0.1:{admin}/")
        status = subprocess.run([CTL, "-s", f"{folder}/demo.sock", "status"], capture_output=True,
                                check=False)
        assert status.returncode == 0 and b"three" in status.stdout, status
        assert with_environment(f"DEMO_PIDFILE={folder}/")
    finally:
        os.write(demo.terminal, b"\x03")
        status = demo.end()
    assert status == 0, demo.said
    assert "gaidaros has ended." in demo.said
    assert with_environment(f"DEMO_PIDFILE={folder}/") == []
    assert not os.path.exists(folder)
    for number in (port, admin):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", number)) != 0


@pytest.mark.parametrize("variable", ["DEMO_PORT", "DEMO_ADMIN_PORT"])
def test_make_run_says_which_port_is_taken(variable):
    ports = {"DEMO_PORT": free_port(), "DEMO_ADMIN_PORT": free_port()}
    with socket.create_server(("127.0.0.1", ports[variable])):
        demo = Demo(**ports)
        assert demo.end() != 0, demo.said
    assert f"port {ports[variable]} is taken" in demo.said and f"make run {variable}=" in demo.said


# --- README ---------------------------------------------------------------------------------

def text_of(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def test_readme_names_only_targets_that_are_there():
    phony = set(re.search(r"\.PHONY: ((?:.*\\\n)*.*)", text_of("Makefile")).group(1).replace("\\", " ").split())
    named = set(re.findall(r"(?:`|^    |&& )make ([a-z]+)", text_of("README.md"), re.M))
    assert {"run", "check", "lint", "install"} <= named
    assert named <= phony


def test_ci_runs_nothing_that_readme_does_not_tell():
    run = set(re.findall(r"^\s*(make \w+)", text_of(".ci/run"), re.M))
    assert run == {"make lint", "make check"}
    assert all(command in text_of("README.md") for command in run)


def test_readme_names_files_that_are_there():
    paths = set(re.findall(r"`((?:src|include|etc|tests|man)/[\w./-]+)`", text_of("README.md")))
    paths |= set(re.findall(r"\]\(([\w./-]+)\)", text_of("README.md")))
    assert paths
    assert [path for path in sorted(paths) if not os.path.exists(os.path.join(ROOT, path))] == []


def test_readme_reads_every_file_aloud():
    names = {name for _, _, names in os.walk(os.path.join(ROOT, "src")) for name in names if name.endswith(".c")}
    told = set(re.findall(r"`(?:src/[a-z]+/|src/)?(\w+\.c)`", text_of("README.md")))
    assert sorted(names - told) == []
    assert sorted(told - names - {"mine.c", "probe_mine.c"}) == []


def test_readme_configurations_are_right(tmp_path):
    blocks = re.findall(r"```ini\n(.*?)```", text_of("README.md"), re.S)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.conf"
        path.write_text(block, encoding="utf-8")
        done = subprocess.run([BIN, "-t", "-c", str(path)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
