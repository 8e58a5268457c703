# SPDX-License-Identifier: MIT
"""PostgreSQL, a primary with its replica: a check tells them apart, and clients go to whoever may be written to."""

import os
import signal
import struct
import subprocess

import pytest

import harness
from rig import config, local
from test_peers import POSTGRES_OPTIONS, as_postgres, open_folder, postgres_program, run, server  # noqa: F401

NAMES = ["db1", "db2"]


def escaped(data):
    return "".join(f"\\x{byte:02x}" for byte in data)


def startup():
    """A StartupMessage of protocol 3.0, which trust lets in without a word more."""
    body = struct.pack(">I", 3 << 16) + b"user\0tester\0database\0postgres\0\0"
    return struct.pack(">I", len(body) + 4) + body


CHECK = f'check = send "{escaped(startup())}" expect "in_hot_standby\\x00off"'


class Database:
    """One server of a pair in a folder of its own."""

    def __init__(self, server, words, home, address):  # noqa: F811
        self.home, self.port, self.words, self.folder = home, address.rpartition(":")[2], words, os.path.dirname(home)
        ready = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", self.port]
        self.server = server([*words, postgres_program("postgres"), "-D", home, "-p", self.port, *POSTGRES_OPTIONS,
                              "-c", "wal_level=replica", "-c", "hot_standby=on", "-c", "max_wal_senders=4"],
                             lambda: subprocess.run(ready, check=False).returncode == 0, stop=signal.SIGINT,
                             cwd=self.folder)

    def promote(self):
        run([*self.words, postgres_program("pg_ctl"), "promote", "-w", "-D", self.home], cwd=self.folder)


def sql(port, text):
    """What psql prints, without its frame; None when it failed."""
    done = subprocess.run([postgres_program("psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "tester", "-d", "postgres",
                           "-X", "-A", "-t", "-q", "-c", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=harness.child_env(), timeout=60, check=False)
    return done.stdout.decode().strip() if done.returncode == 0 else None


@pytest.mark.san_subset
@pytest.mark.parametrize("first", [0, 1])
def test_only_the_primary_gets_connections(daemon, server, open_folder, first):  # noqa: F811
    """The replica is down by its check until it is promoted; then the other takes over, with all that was written."""
    words, addresses, listen = as_postgres(open_folder), [local(), local()], local()
    homes = [os.path.join(open_folder, name) for name in NAMES]
    old, new = first, 1 - first
    run([*words, postgres_program("initdb"), "-N", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C", "-D",
         homes[old]], cwd=open_folder)
    primary = Database(server, words, homes[old], addresses[old])
    run([*words, postgres_program("pg_basebackup"), "-h", "127.0.0.1", "-p", primary.port, "-U", "tester", "-R", "-N",
         "-c", "fast", "-D", homes[new]], cwd=open_folder)
    replica = Database(server, words, homes[new], addresses[new])
    d = daemon(config(listen, [f"{name} {address}" for name, address in zip(NAMES, addresses)],
                      group=f"{CHECK}\ncheck_interval = 200ms\ncheck_timeout = 150ms\nrise = 1\nfall = 2"), workers=2)
    port = listen.rpartition(":")[2]

    def states():
        return [d.host(NAMES[n])["state"] for n in (old, new)]
    harness.wait_until(lambda: states() == ["up", "down"], what="the replica to be told from the primary")
    assert "in_hot_standby" in d.host(NAMES[new])["reason"], d.host(NAMES[new])["reason"]
    before = d.host(NAMES[new])["connections_total"]  # nothing had told it from a primary yet
    assert sql(port, "create table t (n int)") == ""
    for n in range(10):
        assert sql(port, f"insert into t values ({n}) returning pg_is_in_recovery()") == "f"
    harness.wait_until(lambda: sql(replica.port, "select count(*) from t") == "10", what="the replica to have all")
    assert sql(replica.port, "select pg_is_in_recovery()") == "t"
    assert d.host(NAMES[new])["connections_total"] == before, "only checks went to the replica"

    primary.server.stop()
    replica.promote()
    harness.wait_until(lambda: states() == ["down", "up"], what="the other to take over")
    for n in range(10, 20):
        assert sql(port, f"insert into t values ({n}) returning pg_is_in_recovery()") == "f"
    assert sql(port, "select count(*), sum(n) from t") == "20|190"
    d.settled()
    assert d.host(NAMES[new])["connections_total"] == before + 11
