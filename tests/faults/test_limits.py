# SPDX-License-Identifier: MIT
"""Too little of a resource that programs rely on: file descriptors, memory, processes, file size.

A run then works, or fails with an error that says so. It does not hang, and it leaves nothing.
"""
import contextlib
import json
import os
import resource
import subprocess

import pytest

from harness import host

# Not with the sanitizers, which need more of these resources.
pytestmark = [pytest.mark.once, pytest.mark.reaps]

PIDS = "/sys/fs/cgroup/pids"


def limited(which, value):
    return lambda: resource.setrlimit(which, (value, value))


def outcome(runner, store, prepare, **fields):
    """Runs with the limit in place and returns the exit code. Whatever the outcome, the run leaves nothing."""
    before = host.leftovers(store)
    path = runner.write_request(runner.request("echo out; echo x > f", **fields))
    done = subprocess.run([runner.executable, "run", "--json", "--request", path], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, preexec_fn=prepare)
    document = json.loads(done.stdout)
    if done.returncode == 0:
        assert document["success"] is True and b"out" in done.stderr, done
    else:
        # The limit also holds for the command, so it may be the command that failed.
        error = document.get("error")
        assert document["exitCode"] == done.returncode if error is None else error["code"] and error["message"], done
    environment = dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")
    assert host.wait_until(lambda: runner.cli("reap", env=environment).code == 0
                           and host.new_leftovers(before, store, 0) == {}, 20), host.new_leftovers(before, store, 0)
    return done.returncode


def works(runner):
    assert runner.ok("echo fine").lines == ["fine"], "nothing is broken for later"


def test_few_file_descriptors(runner, store, tmp_path):
    codes = {count: outcome(runner, store, limited(resource.RLIMIT_NOFILE, count), extract=[("f", tmp_path / "out")])
             for count in (5, 7, 9, 11, 13, 15, 17, 19, 22, 26, 30, 36, 64, 1024)}
    assert codes[5] == 125 and codes[1024] == 0, codes
    works(runner)


def test_little_address_space(runner, store):
    """Tries sizes from the smallest in which the programs load at all."""
    def starts(mib):
        done = subprocess.run([runner.executable, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=limited(resource.RLIMIT_AS, mib << 20), timeout=20)
        return done.returncode == 0

    sizes = [mib for mib in (4, 6, 8, 10, 12, 16, 24, 48, 4096) if starts(mib)]
    codes = {}
    for mib in sizes:
        with contextlib.suppress(ValueError):
            # With so little memory that the supervisor cannot be loaded, there may be no document.
            codes[mib] = outcome(runner, store, limited(resource.RLIMIT_AS, mib << 20))
    assert codes[4096] == 0 or runner.tier == "runsc", codes  # gVisor reserves terabytes
    works(runner)


def test_a_file_may_not_grow(runner, store, tmp_path):
    """EFBIG, as a stand-in for a full disk: for waiting output, for extracted files, for the state."""
    codes = {size: outcome(runner, store, limited(resource.RLIMIT_FSIZE, size), extract=[("f", tmp_path / f"out{size}")])
             for size in (0, 1, 4096, 1 << 20, 8 << 30)}
    assert codes[0] == 125 and codes[8 << 30] == 0, codes
    works(runner)


@pytest.fixture
def group():
    """A cgroup with a low limit on processes."""
    path = os.path.join(PIDS, f"lr-test-{os.getpid()}")
    if not os.path.isdir(PIDS) or os.geteuid() != 0:
        pytest.skip("the pids controller is not on cgroup v1, or not root's")
    os.mkdir(path)
    yield path
    assert host.wait_until(lambda: not open(os.path.join(path, "cgroup.procs")).read().split(), 20)
    os.rmdir(path)


def test_fork_fails(runner, store, group):
    def enter(most):
        def prepare():
            with open(os.path.join(group, "pids.max"), "w") as file:
                file.write(str(most))
            with open(os.path.join(group, "cgroup.procs"), "w") as file:
                file.write("0")
        return prepare

    codes = {most: outcome(runner, store, enter(most)) for most in (1, 2, 3, 4, 6, 8, 200)}
    assert codes[1] == 125 and codes[200] == 0, codes
    works(runner)


def test_a_detached_run_that_cannot_keep_its_state(runner, store, tmp_path, monkeypatch):
    """The state is written before `run` returns. If it cannot be written, the run does not start."""
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "small", str(small)], check=True)
    try:
        monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(small / "states"))
        with open(small / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        before = host.leftovers(store)
        done = runner.submit(runner.request("sleep 60", detached=True))
        assert done.code == 125 and done.error["message"], done
        assert host.new_leftovers(before, store) == {}
        assert not [name for name in os.listdir(small / "states") if name.startswith("light-runner-")]
        os.unlink(small / "filler")
        run_id = runner.submit(runner.request("echo again", detached=True)).json["id"]
        assert runner.cli("attach", run_id).code == 0
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
