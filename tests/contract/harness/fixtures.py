# SPDX-License-Identifier: MIT
"""The fixtures and hooks of both suites. A conftest.py takes them in with `import *`."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from . import cells, dockerd, images, tools, witness
from .runner import Runner

__all__ = [
    "pytest_configure", "pytest_unconfigure", "pytest_generate_tests", "pytest_collection_modifyitems", "pytest_runtest_call", "pytest_runtest_setup", "pytest_runtest_makereport",
    "pytest_addoption",
    "executable", "data_dir", "store", "runner", "python_image", "probe_dir",
]

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
TEST_SECONDS = 180

# Where the engine itself has something to do, beyond starting a container.
SHORT = ("test_docker", "test_control", "test_cleanup", "test_exit", "test_helpers", "test_image_config", "test_names", "test_network",
         "test_pull_on_run", "test_setup_steps", "test_cgroup_escape", "test_init_files")

# What a machine of one's own has to do with: whole files, or the tests named. A VM that is emulated takes two seconds to come
# up, and three times as long beside other tests, so that the rest is seen only when this cell is asked for (make check-vms).
ALL = None
VMS = {
    "test_control": {"test_stop_sends_sigterm_first", "test_cancel_and_stop_return_when_nothing_is_left", "test_pause_and_resume",
                     "test_a_pause_does_a_program_no_harm", "test_memory_is_kept_while_paused", "test_a_paused_run_can_be_ended",
                     "test_the_timeout_goes_on_while_paused"},
    "test_exit": {"test_exit_code_without_json", "test_signal_death_without_json", "test_command_not_found_is_the_shells_127",
                  "test_background_processes_do_not_hold_the_run", "test_a_daemon_that_holds_the_output_does_not_hold_the_run",
                  "test_orphans_are_reaped", "test_stopped_program_can_still_time_out"},
    "test_defaults": ALL, "test_egress": ALL, "test_guest": ALL, "test_helpers": ALL, "test_lying_guest": ALL, "test_names": ALL,
    "test_network": ALL, "test_paused": ALL, "test_result": ALL, "test_standard_streams": ALL, "test_system_links": ALL,
    "test_users": {"test_root_becomes_others"},
}
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
    parser.addoption("--cell", help="only this engine-tier, e.g. local-runc")
    parser.addoption("--engine", help="only this engine; what is of no cell goes with local")
    parser.addoption("--short", action="store_true",
                     help="one tier per engine, and with a daemon only what is different there: for slow builds")


def pytest_configure(config):
    tools.use_cached_runsc()
    engine = config.getoption("--engine")
    if engine:
        os.environ[dockerd.ENGINE] = engine
    if not (config.getoption("--cell") or "docker").startswith("local"):
        _daemon.enter_context(dockerd.shared())
        dockerd.use()
    config.addinivalue_line("markers", "slow: much data; left out of the sanitizer pass")
    config.addinivalue_line("markers", "once: about the machine; no need to see it again with the sanitizers")
    config.addinivalue_line("markers", "seconds(n): the test's own deadline instead of 180 s")


def pytest_unconfigure(config):
    _daemon.close()


def pytest_generate_tests(metafunc):
    """A test that takes a cell runs in every cell that works; test_cells.py tells of the others."""
    if "cell" in metafunc.fixturenames:
        only = metafunc.config.getoption("--cell")
        working = [c for c in cells.CELLS if survey()[c] is None and only in (None, cells.name(c))]
        engine = metafunc.config.getoption("--engine")
        working = [c for c in working if engine in (None, c[0])]
        module = metafunc.module.__name__.rpartition(".")[2]
        named = VMS.get(module, set())
        if only is None and named is not ALL and metafunc.function.__name__ not in named:
            working = [c for c in working if c != ("local", "kata")]
        if metafunc.config.getoption("--short"):
            working = [c for c in working if c == ("local", "runc") or (c == ("docker", "runc") and module in SHORT)
                       or (c == ("local", "kata") and metafunc.function.__name__ == "test_pause_and_resume")]
        metafunc.parametrize("cell", working, ids=cells.name if working else None)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--engine") not in (None, "local"):
        items[:] = [item for item in items if "cell" in item.fixturenames]
    # What has no cell left is not skipped: it was not asked for.
    if config.getoption("--engine") or config.getoption("--short"):
        items[:] = [item for item in items if "cell" not in item.fixturenames or isinstance(item.callspec.params["cell"], tuple)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Every test has a deadline: one that hangs is a failure with a traceback."""
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
    """A test that fails prints what it saw, be it in its own words or not."""
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
    """A store of our own, so that the user's is neither used nor touched."""
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
    """The data folder, with the image `busybox` in it."""
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
