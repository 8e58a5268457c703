# SPDX-License-Identifier: MIT
"""Fixtures of the system tests: daemons, hosts and loads that are ended and checked after each test."""

import os
import sys

import pytest

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "tools")))

import harness  # noqa: E402  (found through the path above)


def pytest_configure(config):
    config.addinivalue_line("markers", "san_subset: also runs against the sanitizer build, with lower load")
    config.addinivalue_line("markers", "unsanitized: asks for less than the sanitizer build needs; left out there")
    config.addinivalue_line("markers", "soak: long; runs only when asked for with -m soak")
    config.addinivalue_line("markers", "alone: measures time or processor use; runs with nothing beside it")


def pytest_collection_modifyitems(config, items):
    """Long tests only run when asked for; under the sanitizers only those that are marked."""
    expression = config.getoption("-m") or ""
    keep, drop = [], []
    for item in items:
        is_wanted = "soak" in expression or not item.get_closest_marker("soak")
        if harness.SAN and "san_subset" not in expression:
            is_wanted = is_wanted and item.get_closest_marker("san_subset") is not None
        (keep if is_wanted else drop).append(item)
    if drop:
        config.hook.pytest_deselected(items=drop)
        items[:] = keep


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if call.when == "call":
        item.has_failed = report.failed


def end_all(request, things, end):
    """Ends each in its order; after a failed test without checks, so that the first fault is the one shown."""
    if getattr(request.node, "has_failed", True):
        for thing in things:
            if isinstance(thing, harness.Daemon) and thing.process:
                print(f"--- log of {thing.folder}\n{thing.log_text()[-6000:]}")
            thing.kill_hard()
        return
    try:
        for thing in things:
            end(thing)
    finally:
        for thing in things:
            thing.kill_hard()


@pytest.fixture
def folder(tmp_path):
    """A private folder that workers without privileges may pass through."""
    os.chmod(tmp_path, 0o755)
    return tmp_path


@pytest.fixture
def host(request):
    """Makes hosts: host("app1", "id", delay=50)."""
    made = []

    def make(*args, **settings):
        made.append(harness.Host(*args, **settings))
        return made[-1]

    yield make
    end_all(request, made, lambda one: one.stop())


@pytest.fixture
def daemon(request, folder, host):  # pylint: disable=unused-argument
    """Makes daemons: daemon(config, workers=2). Each is stopped with all end checks before its hosts end."""
    made = []

    def make(config, **options):
        made.append(harness.Daemon(config, folder / f"daemon{len(made)}", **options))
        return made[-1]

    yield make
    end_all(request, made, lambda one: one.stop())


@pytest.fixture
def load(request, daemon):  # pylint: disable=unused-argument
    """Makes loads: load("127.0.0.1:8080", short=2000, long=200). Ended before the daemon."""
    made = []

    def make(to, **options):
        made.append(harness.Load(to, **options))
        return made[-1]

    yield make
    end_all(request, made, lambda one: one.stop())


@pytest.fixture
def black_hole():
    """Makes addresses that swallow every SYN."""
    made = []

    def make():
        made.append(harness.BlackHole())
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session", autouse=True)
def nothing_left():
    """After the last test nothing that the tests started runs any more."""
    yield
    harness.wait_until(lambda: not harness.processes_left(), 10,
                       f"processes started by the tests to end: {harness.processes_left()}")
