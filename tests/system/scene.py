# SPDX-License-Identifier: MIT
"""The usual scene of the tests of reloads, faults, files: a service, its hosts, and looks at sockets and processes."""

import os
import re
import signal
import socket
import subprocess

import pytest

from harness import PATIENCE_S, SAN, Failure, connect, receive_exactly, session_pids, wait_until
from rig import unless_checked

# Full load wants both processors for itself; the sanitizer build gets a load that leaves room beside it.
full_load = pytest.mark.san_subset if SAN else pytest.mark.alone


def config(port, hosts, *, glob="", admin="", service="", group="", tail=""):
    """A file with one service `web` on the port(s) and a group `main` of the hosts."""
    ports = [port] if isinstance(port, int) else port
    listens = "".join(f"listen = 127.0.0.1:{p}\n" for p in ports)
    rows = "".join(f"host = {host.name} {host.address}\n" for host in hosts)
    return (f"[global]\n{glob}\n[admin]\n{admin}\n[service web]\n{listens}group = main\n{service}\n"
            f"[group main]\n{rows}{unless_checked(group)}\n{tail}\n")


def echo(client, data=b"here and back"):
    """Sends, and expects the same back."""
    client.sendall(data)
    got = receive_exactly(client, len(data))
    if got != data:
        raise Failure(f"sent {data!r}, got back {got!r}")


def visit(port, data=b"here and back", timeout=10):
    """One whole short connection."""
    with connect(f"127.0.0.1:{port}", timeout) as client:
        echo(client, data)


def is_refused(port):
    """Whether a connection is refused; one that is let hang (its SYN dropped) is not."""
    with socket.socket() as client:
        client.settimeout(0.2)
        try:
            client.connect(("127.0.0.1", port))
        except ConnectionRefusedError:
            return True
        except socket.timeout:
            return False
    return False


def listening(port):
    """How many sockets listen on the port, as ss tells it."""
    done = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], stdout=subprocess.PIPE, check=True)
    return len(done.stdout.splitlines())


def established(port):
    """Established connections accepted on the port, as {pid: count}, as ss tells it."""
    done = subprocess.run(["ss", "-Htnp", "state", "established", f"sport = :{port}"], stdout=subprocess.PIPE,
                          check=True)
    counts = {}
    for line in done.stdout.decode().splitlines():
        found = re.search(r"pid=(\d+)", line)
        if found:
            counts[int(found[1])] = counts.get(int(found[1]), 0) + 1
    return counts


def command_line(pid):
    """The words of a process, "" when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def children(daemon, word):
    """Pids of the daemon's processes whose name has the word: worker, director."""
    return sorted(pid for pid in session_pids(daemon.pid) if pid != daemon.pid and word in command_line(pid))


def workers_up(daemon):
    """Rows of the workers that are up."""
    return [row for row in daemon.running()["workers"] if row["state"] == "up"]


def wait_for_workers(daemon, count, timeout=PATIENCE_S):
    """Waits until exactly so many workers are up and none is in another state."""
    def are_there():
        rows = daemon.running()["workers"]
        return len(rows) == count and all(row["state"] == "up" and row["pid"] for row in rows)
    wait_until(are_there, timeout, f"{count} workers to be up")


def stop_processes(pids):
    """SIGSTOP; returns when the kernel shows each stopped."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def is_stopped(pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    wait_until(lambda: all(map(is_stopped, pids)), what="stopped processes to be stopped")


def continue_processes(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
