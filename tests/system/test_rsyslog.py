# SPDX-License-Identifier: MIT
"""The worked example of etc/examples: rsyslog carries the access log into PostgreSQL, in batches, and loses nothing."""

import os
import signal
import subprocess

from command import ROOT
from harness import free_port, wait_until
from scene import config, visit
from test_logs import rsyslog  # noqa: F401  (a fixture)
from test_peers import POSTGRES_OPTIONS, as_postgres, open_folder, postgres_program, run  # noqa: F401  (fixtures)

EXAMPLES = os.path.join(ROOT, "etc", "examples", "rsyslog")


class Database:
    """A PostgreSQL server of its own."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.words, self.home = as_postgres(folder), os.path.join(folder, "db")
        run([*self.words, postgres_program("initdb"), "-N", "-A", "trust", "-U", "tester", "-E", "UTF8", "--locale=C",
             "-D", self.home], cwd=folder)
        self.process = None

    def start(self):
        self.process = subprocess.Popen([*self.words, postgres_program("postgres"), "-D", self.home, "-p",
                                         str(self.port), *POSTGRES_OPTIONS], cwd=self.folder,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        ready = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, what="PostgreSQL")

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def ask(self, *words, text=None):
        """What psql prints."""
        return run([postgres_program("psql"), "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
                    str(self.port), "-U", "tester", "postgres", *words], **({"input": text} if text else {})).strip()


def example(folder, database, log):
    """The example with the values of this test."""
    with open(os.path.join(EXAMPLES, "gaidaros.conf"), encoding="utf-8") as file:
        text = file.read()
    for old, new in (("/var/spool/rsyslog", str(folder)), ("/var/log/gaidaros/access.log", str(log)),
                     ('port="5432"', f'port="{database.port}"'), ('"DATABASE"', '"postgres"'), ('"USER"', '"tester"'),
                     ('action.resumeInterval="5"', 'action.resumeInterval="1"')):
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_rsyslog_carries_the_access_log_into_postgresql(daemon, host, load, rsyslog, folder, open_folder):  # noqa: F811
    database = Database(open_folder)
    database.start()
    try:
        database.ask("-f", os.path.join(EXAMPLES, "connections.sql"))
        log, port = folder / "access.log", free_port()
        running = daemon(config(port, [host("one")], glob=f"access_log = {log}\naccess_format = json"), workers=2)
        carrier = rsyslog(example(folder, database, log))

        def count():
            return int(database.ask("-c", "SELECT count(*) FROM gaidaros.connections"))

        def total():
            return running.service()["connections_total"]

        load(f"127.0.0.1:{port}", count=2000, parallel=8, size=100).wait()
        running.settled()
        wait_until(lambda: count() == total(), 60, "a row for each connection")
        # While PostgreSQL is away lines wait. rsyslog's ompgsql may lose the one it was at (its issue 1105).
        database.stop()
        load(f"127.0.0.1:{port}", count=500, parallel=8, size=100).wait()
        os.rename(log, folder / "access.log.1")
        assert running.http("POST", "/api/closeLog").status == 200
        for _ in range(50):
            visit(port)
        running.settled()
        database.start()
        wait_until(lambda: count() >= total() - 2, 60, "the rows of the time without PostgreSQL")
        lost = total() - count()
        # What is written while rsyslog is away is read later.
        carrier.stop()
        for _ in range(50):
            visit(port)
        running.settled()
        carrier.start()
        wait_until(lambda: count() == total() - lost, 60, "the rows of the time without rsyslog")
        state = running.service()
        sums = database.ask("-c", "SELECT sum(bytes_in), sum(bytes_out), count(DISTINCT client), string_agg(DISTINCT "
                            "status || service || \"group\" || host, ',') FROM gaidaros.connections").split("|")
        for got, sent in zip(sums[:2], (state["bytes_in"], state["bytes_out"])):
            assert sent - 100 * lost <= int(got) <= sent, (sums, state)
        assert int(sums[2]) > 100 and sums[3] == "okwebmainone", sums
        assert database.ask("-c", "SELECT count(*) FROM gaidaros.torn_lines") == "0"
        database.ask("-c", "SELECT gaidaros.add_connection('{\"time\":\"2026-1')")
        assert database.ask("-c", "SELECT line FROM gaidaros.torn_lines") == '{"time":"2026-1'
        # Each transaction has a number: far fewer of them than lines.
        batches = int(database.ask("-c", "SELECT count(DISTINCT xmin::text) FROM gaidaros.connections"))
        assert batches < total() / 4, batches
    finally:
        database.stop()
