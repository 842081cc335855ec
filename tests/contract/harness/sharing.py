# SPDX-License-Identifier: MIT
"""Several pytest processes share one suite: each takes the next part that no other process has begun.

A part is one file in one cell, so that all tests that share a module's fixtures run in the same process. There are two exceptions.
All VM tests of a suite are one part, because two emulated VMs at once would miss their deadlines. All tests that use the account of
an ordinary user (harness/ordinary.py) are one part, because they would wait for one another. tests/run starts the processes, with
--shared.

`light-runner reap` removes the leftovers of every killed supervisor of this user, whichever test it belonged to. So tests that
watch orphans, tests that reap, and tests that look for leftovers disturb one another, even in different processes. The same holds
for tests that change a setting of the machine. Markers keep them apart by locks on files.
"""
import collections
import contextlib
import fcntl
import os
import signal

import pytest

__all__ = ["pytest_runtest_protocol", "pytest_runtestloop"]

ACCOUNT = "account"
LOCKS = {"machine": ("machine", fcntl.LOCK_EX), "orphans": ("orphans", fcntl.LOCK_EX), "reaps": ("orphans", fcntl.LOCK_SH)}
MARKERS = [
    "reaps: kills supervisors, or reaps without a minimum age; may run beside other tests that do the same",
    "orphans: makes or watches orphans; no other test may reap or look for leftovers meanwhile",
    f"{ACCOUNT}: uses the account of an ordinary user; there is only one",
    "machine: changes a setting or an address of the whole machine; one such test at a time",
]

MACHINES = ("local-kata", "docker-kata")


def add_option(parser):
    parser.addoption("--shared", metavar="FOLDER", help="run only the parts of which no other process has left a file in this folder")


def cell_of(item):
    cell = getattr(item, "callspec", None) and item.callspec.params.get("cell")
    return "-".join(cell) if isinstance(cell, tuple) else ""


def parts(items):
    """[(name, tests)] in pytest's order, except that VM tests begin first, because they take longest."""
    found = collections.defaultdict(list)
    for item in items:
        cell = cell_of(item)
        found[cell if cell in MACHINES else ACCOUNT if item.get_closest_marker(ACCOUNT) else f"{item.path.name} {cell}"].append(item)
    return sorted(found.items(), key=lambda part: part[0] not in MACHINES)


def take(folder, name):
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    except FileExistsError:
        return False
    return True


_held = contextlib.ExitStack()  # released at the end of the test
_names = set()


def _lock(stack, name, how):
    path = f"/tmp/lr-test-{name}.lock"  # not in TMPDIR, which the suite rootless changes
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    stack.callback(os.close, lock)
    fcntl.flock(lock, how)


def hold(name, how):
    """Locks until the end of the test, unless the test holds this lock already. The time spent waiting does not count towards the
    test's deadline."""
    if name in _names:
        return
    seconds = signal.alarm(0)
    with contextlib.ExitStack() as gate:
        # A process keeps the gate while it waits for an exclusive lock. Otherwise holders of shared locks could make it wait forever.
        _lock(gate, f"{name}-gate", fcntl.LOCK_EX)
        _lock(_held, name, how)
    _names.add(name)
    signal.alarm(seconds)


def held_by_parent(name):
    """For a program of a test that holds this lock: the program takes it as its own."""
    _names.add(name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    for marker in sorted({marker.name for marker in item.iter_markers()} & set(LOCKS)):
        hold(*LOCKS[marker])
    yield
    _held.close()
    _names.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    folder = session.config.getoption("--shared")
    if not folder or session.testsfailed or session.config.option.collectonly:
        return None  # pytest's own loop, which reports files that cannot be imported
    remaining = parts(session.items)
    while remaining:
        name, tests = remaining.pop(0)
        if not take(folder, name):
            continue
        # pytest tears down the fixtures that the next test does not need. Naming a test of another file keeps the session's fixtures.
        other = next((test for _, tests_after in remaining for test in tests_after if test.path != tests[-1].path), None)
        for test, following in zip(tests, [*tests[1:], other]):
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
    return True
