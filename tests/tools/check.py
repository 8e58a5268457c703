#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs all tests on what make has built, adds them up and ends in one line: N passed, N failed[, N skipped].

Unit tests are cmocka programs; their counts come from its XML report. System tests are pytest; theirs from
junit's. Marks: `soak` runs only with --soak; `san_subset` runs a second time against the sanitizer build, unless
`unsanitized` says that the sanitizers leave no room for it; `alone` measures time or processor use and runs after the others, one at a time.
"""

import concurrent.futures
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.path.join(ROOT, os.environ.get("BUILD", "build")))
REPORTS = os.path.join(BUILD, "reports")
UNIT_SECONDS = 120
UNITS_AT_A_TIME = 3  # some wait most of their time
LEAST_CASES = 1  # of a stage; a stage that runs none is a failure, not a success


class Tally:
    """How many tests passed, failed and were skipped."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, cases, failed, skipped):
        self.passed += cases - failed - skipped
        self.failed += failed
        self.skipped += skipped

    def line(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def report_counts(path):
    """The tests, failures with errors, and skipped of a report; None when it cannot be read."""
    try:
        root = xml.parse(path).getroot()
    except (OSError, xml.ParseError):
        return None
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    total = [0, 0, 0]
    for suite in suites:
        total[0] += int(suite.get("tests", 0))
        total[1] += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total[2] += int(suite.get("skipped", 0))
    return total


def run_unit(program):
    """Runs one cmocka program and gives back its counts and what to print; a signal or a sanitizer is one failure more."""
    name = os.path.basename(program)
    report = os.path.join(REPORTS, f"{name}.xml")
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="XML", CMOCKA_XML_FILE=report)
    try:
        done = subprocess.run([program], env=env, cwd=ROOT, stdin=subprocess.DEVNULL, timeout=UNIT_SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        status, said = done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        status, said = -1, f"not done after {UNIT_SECONDS} s\n" + (late.stdout or b"").decode("utf-8", "replace")
    counts = report_counts(report)
    cases, failed, skipped = counts or (0, 0, 0)
    if status != 0 and failed == 0 or cases < LEAST_CASES:
        cases, failed = cases + 1, failed + 1
    lines = [f"  {name:28} {cases - failed - skipped:4} passed{f', {failed} failed' if failed else ''}"]
    if failed:
        lines.append(f"ended with status {status}\n{said}")
        if counts:
            with open(report, encoding="utf-8", errors="replace") as file:
                lines.append(file.read())
    return (cases, failed, skipped), "\n".join(lines)


def run_units(tally):
    folder = os.path.join(BUILD, "unit")
    sources = os.listdir(os.path.join(ROOT, "tests", "unit"))
    programs = sorted(name[:-2] for name in sources if name.endswith("_test.c"))
    print(f"== unit tests, under ASan and UBSan: {len(programs)} programs", flush=True)
    if not programs:
        tally.add(1, 1, 0)
    with concurrent.futures.ThreadPoolExecutor(UNITS_AT_A_TIME) as threads:
        for counts, said in threads.map(run_unit, [os.path.join(folder, name) for name in programs]):
            tally.add(*counts)
            print(said, flush=True)


def run_system(tally, title, marks, parallel, env):
    """Runs the system tests that the expression of marks picks; to collect none is a failure unless told."""
    print(f"== system tests: {title}", flush=True)
    report = os.path.join(REPORTS, f"system-{title.replace(' ', '-')}.xml")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marks, f"--junitxml={report}",
               "--durations=5", "-rfE", "tests/system"]
    if parallel:
        command[4:4] = ["-n", "2", "--dist", "load"]
    done = subprocess.run(command, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **env), cwd=ROOT,
                          stdin=subprocess.DEVNULL, check=False)
    nothing_picked = done.returncode == 5
    cases, failed, skipped = report_counts(report) or (0, 0, 0)
    if done.returncode != 0 and not nothing_picked and failed == 0:
        cases, failed = cases + 1, failed + 1
    if nothing_picked and parallel:
        print(f"no test is marked for: {title}")
        cases, failed = cases + 1, failed + 1
    tally.add(cases, failed, skipped)


def main():
    os.makedirs(REPORTS, exist_ok=True)
    for old in os.listdir(REPORTS):
        os.unlink(os.path.join(REPORTS, old))
    began = time.monotonic()
    tally = Tally()
    release = {"GAIDAROS_BIN": f"{BUILD}/gaidaros", "GAIDAROS_CTL": f"{BUILD}/gaidarosctl",
               "GAIDAROS_HOOKS_BIN": f"{BUILD}/hooks/gaidaros", "GAIDAROS_TOOLS": f"{BUILD}/tools"}
    sanitized = dict(release, GAIDAROS_BIN=f"{BUILD}/san/gaidaros", GAIDAROS_CTL=f"{BUILD}/san/gaidarosctl",
                     GAIDAROS_SAN="1")
    if "--soak" in sys.argv[1:]:
        run_system(tally, "soak", "soak", False, release)
    else:
        run_units(tally)
        run_system(tally, "release build", "not soak and not alone", True, release)
        run_system(tally, "release build, measured alone", "alone and not soak", False, release)
        run_system(tally, "sanitizer build", "san_subset and not unsanitized and not soak and not alone", True,
                   sanitized)
        print("(left out of the sanitizer build: tests marked unsanitized, of limits below what it needs itself)")
    print(f"took {time.monotonic() - began:.0f} s")
    print(tally.line(), flush=True)
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
