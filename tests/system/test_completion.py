# SPDX-License-Identifier: MIT
"""Shells complete gaidarosctl's words: asked of the real shells."""

import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time

import pytest

from command import CTL, ROOT
from harness import child_env, free_port
from scene import children, config, continue_processes, stop_processes


@pytest.fixture
def running(daemon, host):
    return daemon(config(free_port(), [host("app1"), host("app2")], service="standby = spare",
                         tail="[group spare]\nhost = old 127.0.0.1:9\n"))


def shell(*words, env, **more):
    path = os.path.dirname(CTL) + ":" + os.environ["PATH"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PATH": path, **env}, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def by_bash(line, env):
    script = ('eval "$(gaidarosctl completion bash)"; COMP_WORDBREAKS=$\' \\t\\n"\\\'><=;|&(:\'; COMP_LINE=$1; '
              'COMP_POINT=${#1}; _gaidarosctl; printf "%s\\n" "${COMPREPLY[@]}"')
    return shell("bash", "--norc", "-c", script, "bash", line, env=env)


def by_zsh(line, env):
    script = ('compdef() { :; }; compadd() { shift $#; print -l -- $found; }; eval "$(gaidarosctl completion zsh)"; '
              'words=("${(@s: :)1}"); CURRENT=${#words}; _gaidarosctl')
    return shell("zsh", "-f", "-c", script, "zsh", line, env=env)


def by_fish(line, env):
    script = "gaidarosctl completion fish | source; complete -C $argv[1]"
    with tempfile.TemporaryDirectory() as home:  # it makes folders there
        return shell("fish", "--no-config", "-c", script, "--", line,
                     env={**env, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home})


CASES = [
    ("gaidarosctl host", {"hostAdminDown", "hostAdminUp", "hostDrain"}),
    ("gaidarosctl sta", {"status"}),
    ("gaidarosctl hostDrain s", {"service="}),
    ("gaidarosctl hostDrain service=web ", {"group=", "name=", "over="}),
    ("gaidarosctl hostDrain service=web group=main name=", {"name=app1", "name=app2"}),
    ("gaidarosctl enableGroup service=web group=s", {"group=spare"}),
    ("gaidarosctl changeScheduler scheduler=r", {"scheduler=roundrobin", "scheduler=random"}),
    ("gaidarosctl connections ho", {"host="}),
    ("gaidarosctl delUser name=", set()),
    ("gaidarosctl config r", {"running"}),
    ("gaidarosctl completion ", {"bash", "zsh", "fish"}),
    ("gaidarosctl -o ", {"text", "json"}),
    ("gaidarosctl -o json sta", {"status"}),
    ("gaidarosctl nosuch ", set()),
]


@pytest.mark.parametrize("ask", [by_bash, by_zsh, by_fish])
def test_words_are_completed(running, ask):
    env = {"GAIDAROS_CONTROL": running.control}
    for line, wanted in CASES:
        found = set(ask(line, env))
        if ask is by_bash:  # which completes what follows the '='
            wanted = {word.partition("=")[2] or word for word in wanted} if "=" in line.split(" ")[-1] else wanted
        assert found == wanted, line


def test_without_a_daemon_what_is_known_is_offered():
    env = {"GAIDAROS_CONTROL": "/nonexistent"}
    assert by_bash("gaidarosctl addUser name=x access=", env) == ["full", "readonly"]
    assert by_bash("gaidarosctl hostDrain service=", env) == []


def test_another_shell_is_none():
    assert subprocess.run([CTL, "completion", "tcsh"], capture_output=True, check=False).returncode == 2


# as a person has it: the installed files, a terminal, the TAB key


@pytest.fixture(scope="module", name="installed")
def installed_files(tmp_path_factory):
    """The folder `share` of an installation."""
    root = tmp_path_factory.mktemp("root")
    build = os.path.dirname(os.path.dirname(CTL)) if os.path.basename(os.path.dirname(CTL)) == "san" else os.path.dirname(CTL)
    subprocess.run(["make", "--no-print-directory", f"BUILD={build}", "install", f"DESTDIR={root}", "PREFIX=/usr"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    return root / "usr/share"


class Typist:
    """A shell on a terminal."""

    def __init__(self, words, env):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, child_env({"TERM": "dumb", "HISTFILE": "/dev/null", **env}))
        self.seen = ""

    def wait_for(self, expression):
        end = time.monotonic() + 30
        while not re.search(expression, self.seen):
            assert time.monotonic() < end, (expression, self.seen)
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.seen += os.read(self.terminal, 65536).decode("utf-8", "replace").replace("\a", "")

    def type(self, keys):
        self.seen = ""
        os.write(self.terminal, keys.encode())

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def typing_in(shell_name, installed, running, folder):
    env = {"GAIDAROS_CONTROL": running.control, "PATH": os.path.dirname(CTL) + ":" + os.environ["PATH"], "HOME": str(folder),
           "PS1": "ready> "}
    if shell_name == "bash":
        typist = Typist(["bash", "--norc", "--noprofile", "-i"], env)
        typist.wait_for("ready> ")
        typist.type(f". {installed}/bash-completion/completions/gaidarosctl; echo so''urced\n")
    else:
        typist = Typist(["zsh", "-f", "-i"], env)
        typist.wait_for("ready> ")
        typist.type(f"fpath=({installed}/zsh/vendor-completions $fpath); autoload -Uz compinit; compinit -u -D; echo so''urced\n")
    typist.wait_for(r"(?<!'')sourced[\s\S]*ready> ")
    return typist


@pytest.mark.parametrize("shell_name", ["bash", "zsh"])
def test_the_tab_key_completes_at_its_first_stroke(running, installed, folder, shell_name):
    typist = typing_in(shell_name, installed, running, folder)
    try:
        typist.type("gaidarosctl enableG\t")
        typist.wait_for("enableGroup ")
        typist.type("ser\t")
        typist.wait_for("service=")
        typist.type("w\t")
        typist.wait_for("web ")
        typist.type("group=sp\t")
        typist.wait_for("group=spare ")
    finally:
        typist.end()


@pytest.mark.parametrize("shell_name", ["bash", "zsh"])
def test_files_are_completed_where_a_file_is_meant(running, installed, folder, shell_name):
    (folder / "balancer.conf").write_text("")
    typist = typing_in(shell_name, installed, running, folder)
    try:
        typist.type(f"gaidarosctl check {folder}/bal\t")
        typist.wait_for("balancer.conf ")
    finally:
        typist.end()


def test_names_with_signs_are_completed_to_their_end(daemon, host, installed, folder):
    """bash takes ':' and '@' for ends of words, and writes the last one again."""
    one = host("one")
    running = daemon(config(free_port(), [], group=f"host = a:b@c {one.address}\nhost = zz {host('two').address}"))
    for shell_name in ("bash", "zsh"):
        typist = typing_in(shell_name, installed, running, folder)
        try:
            typist.type("gaidarosctl retryHost name=a\t")
            typist.wait_for("name=a:b@c ")
            typist.type("\x15gaidarosctl retryHost name=a:b@\t")
            typist.wait_for("name=a:b(@|@\x08@)c ")
        finally:
            typist.end()


def test_files_are_completed_by_fish(running, folder):
    (folder / "balancer.conf").write_text("")
    env = {"GAIDAROS_CONTROL": running.control}
    assert by_fish(f"gaidarosctl check {folder}/bal", env)[0].endswith("balancer.conf")


def test_a_daemon_that_hangs_does_not_hang_the_shell(daemon, host):
    running = daemon(config(free_port(), [host("one")], glob="stuck_timeout = 1h"), workers=1)
    director = children(running, "director")
    stop_processes(director)
    try:
        done = subprocess.run([CTL, "-s", running.control, "complete", "hostDrain", "name="], capture_output=True, timeout=60, check=False)
        assert done.stdout == b"", "the daemon would be waited for two minutes"
    finally:
        continue_processes(director)
