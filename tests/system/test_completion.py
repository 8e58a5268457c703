# SPDX-License-Identifier: MIT
"""Shells complete gaidarosctl's words: asked of the real shells."""

import os
import subprocess
import tempfile

import pytest

from command import CTL
from harness import free_port
from scene import config


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
