# SPDX-License-Identifier: MIT
"""The fixtures and hooks of the suites. Each conftest.py gets them by `import *`."""
import contextlib
import fnmatch
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from . import cells, dockerd, images, sharing, tools, witness
from .runner import Runner
from .sharing import pytest_runtest_protocol, pytest_runtestloop

__all__ = [
    "pytest_configure", "pytest_unconfigure", "pytest_generate_tests", "pytest_collection_modifyitems", "pytest_runtest_call", "pytest_runtest_setup", "pytest_runtest_makereport",
    "pytest_addoption", "pytest_runtest_protocol", "pytest_runtestloop",
    "executable", "data_dir", "store", "runner", "python_image", "probe_dir",
]

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
TEST_SECONDS = 180

MARKERS = [
    "slow: moves much data; not in the sanitizer pass",
    "once: tests the machine or the documents; not in the sanitizer pass",
    "long: takes seconds of CPU time; not in make check-fast",
    "seconds(n): the test's deadline, instead of 180 s",
    # Which cells a test is for. A test's own marker overrides its file's; without a marker, it runs in every cell.
    "every_cell: in every cell; overrides the file's marker",
    "any_cell: the same on every engine and tier, so only in the cell local-runc",
    "any_tier: the same in every tier, so only in the tier runc of each engine",
    "apart: the engine and the tier each make a difference, but not their combination: not in docker-runsc",
    "cells(pattern...): in the cells that match one of these, such as docker-*",
    "vm(short=False): can differ in a VM, so `make check` runs it in local-kata, too; short: also with --short",
    # Which other suites and passes a test is for.
    "any_user: the same for every user: not in the suite rootless",
    "engine: needs more from the engine than to start a container: with --short, in docker-runc, too",
    "podman: can differ with Podman's service: also in the suite podman",
    "no_podman: not in the suite podman, whose daemon mounts its own files in /etc",
]
PATTERNS = {"every_cell": ["*"], "any_cell": ["local-runc"], "any_tier": ["*-runc"], "apart": ["local-*", "docker-runc"]}
_survey = None
_daemon = contextlib.ExitStack()


def executable_path():
    path = os.environ.get("LIGHT_RUNNER") or os.path.join(ROOT, "build", "light-runner")
    return os.path.abspath(path)


def survey():
    global _survey
    if _survey is None:
        _survey = cells.survey(executable_path())
    return _survey


def pytest_addoption(parser):
    sharing.add_option(parser)
    parser.addoption("--cell", help="only this engine-tier, e.g. local-runc")
    parser.addoption("--engine", help="only this engine; what is of no cell goes with local")
    parser.addoption("--short", action="store_true",
                     help="one tier per engine, and with a daemon only what is different there: for slow builds")


def pytest_configure(config):
    tools.use_cached_runsc()
    engine = config.getoption("--engine")
    if engine:
        os.environ[dockerd.ENGINE] = engine
    if engine != "local" and not (config.getoption("--cell") or "docker").startswith("local"):
        _daemon.enter_context(dockerd.shared())
        dockerd.use()
    for marker in MARKERS + sharing.MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_unconfigure(config):
    _daemon.close()


def patterns_of(test):
    """The patterns of the cells that a test, or every test of a function, is for."""
    for marker in test.iter_markers():  # the closest one first
        if marker.name == "cells":
            return marker.args
        if marker.name in PATTERNS:
            return PATTERNS[marker.name]
    return PATTERNS["every_cell"]


def matches(cell, patterns):
    return any(fnmatch.fnmatch(cells.name(cell), pattern) for pattern in patterns)


def pytest_generate_tests(metafunc):
    """Runs a test that uses a cell in every cell that works and that the test is for. test_cells.py reports the cells that do not
    work."""
    if "cell" not in metafunc.fixturenames:
        return
    function = metafunc.definition
    only, engine, short = (metafunc.config.getoption(option) for option in ("--cell", "--engine", "--short"))
    vm = function.get_closest_marker("vm")
    working = [c for c in cells.CELLS if survey()[c] is None and only in (None, cells.name(c)) and engine in (None, c[0])
               and matches(c, patterns_of(function))]
    # An emulated VM takes two seconds to boot, and three times as long beside other tests. So this cell runs only the tests
    # marked `vm`, unless it was asked for by name (make check-vms).
    if only is None and vm is None:
        working = [c for c in working if c != ("local", "kata")]
    if short:
        working = [c for c in working if c == ("local", "runc")
                   or (c == ("docker", "runc") and function.get_closest_marker("engine"))
                   or (c == ("local", "kata") and vm and vm.kwargs.get("short"))]
    metafunc.parametrize("cell", working, ids=cells.name if working else None)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--engine") not in (None, "local"):
        items[:] = [item for item in items if "cell" in item.fixturenames]

    def is_wanted(item):
        # A test without any cell left is dropped, not skipped: nobody asked for it. A single parameter may have a marker, too.
        cell = item.callspec.params["cell"]
        return isinstance(cell, tuple) and matches(cell, patterns_of(item))

    items[:] = [item for item in items if "cell" not in item.fixturenames or is_wanted(item)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Gives every test a deadline, so that a test that hangs fails with a traceback."""
    marker = item.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def expired(_signal, _frame):
        raise TimeoutError(f"the test took longer than {seconds} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    del item
    witness.forget()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds what the test saw to the report of every failed test."""
    del item, call
    report = (yield).get_result()
    if report.failed and hasattr(report.longrepr, "addsection"):
        report.longrepr.addsection("what the test saw", witness.tell(executable_path()))


@pytest.fixture(scope="session")
def executable():
    path = executable_path()
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not there: build it, or set LIGHT_RUNNER")
    return path


@pytest.fixture(scope="session")
def data_dir():
    """A store for the tests, so that the user's store is neither used nor changed."""
    path = tempfile.mkdtemp(prefix="lr-test-data-")
    previous = os.environ.get("LIGHT_RUNNER_DATA_DIR")
    os.environ["LIGHT_RUNNER_DATA_DIR"] = path
    yield path
    if previous is None:
        del os.environ["LIGHT_RUNNER_DATA_DIR"]
    else:
        os.environ["LIGHT_RUNNER_DATA_DIR"] = previous
    shutil.rmtree(path, ignore_errors=True)


def import_image(executable, tar, name):
    done = subprocess.run([executable, "image", "import", tar, name], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    daemon = dockerd.current()
    if daemon:
        daemon.load_rootfs(tar, name)


@pytest.fixture(scope="session")
def store(executable, data_dir, tmp_path_factory):
    """The data folder, which contains the image `busybox`."""
    tar = str(tmp_path_factory.mktemp("images") / "busybox.tar")
    import_image(executable, images.make_busybox_tar(tar), "busybox")
    return data_dir


@pytest.fixture(scope="session")
def python_image(executable, store):
    tar = images.cached_tar("python")
    if tar is None:
        pytest.skip("no Python image in the cache: run scripts/make-image")
    import_image(executable, tar, "python")
    return "python"


@pytest.fixture
def runner(executable, store, cell, tmp_path_factory, record_property):
    record_property("cell", cells.name(cell))
    return Runner(executable, cell, tmp_path_factory.mktemp("requests"))


@pytest.fixture(scope="session")
def probe_dir(tmp_path_factory):
    """A folder with `probe`, a static program that tries one system call per word given to it."""
    folder = tmp_path_factory.mktemp("probe")
    source = os.path.join(ROOT, "tests", "hostile", "probe.c")
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(folder / "probe"), source],
                   check=True, timeout=60)
    return folder
