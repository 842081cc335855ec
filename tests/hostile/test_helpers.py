# SPDX-License-Identifier: MIT
"""Helper processes of a sandbox on the host: they are subject to the run's limits, and do not have the caller's environment."""
import contextlib
import os
import subprocess

import pytest

from harness import host

pytestmark = [pytest.mark.engine, pytest.mark.vm]

SECRET = "LR_TEST_SECRET=hunter2"
FILES = 4096
CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "freezer")


def read(pid, name):
    """Reads a file of /proc/PID. None if only root may read it, or the process has just ended."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return None


@contextlib.contextmanager
def running(runner):
    """Yields (the supervisor's pid, {pid: name} of its descendants) for a run with the default network."""
    document = runner.request("echo up; sleep 60")
    del document["networks"]
    name, _, value = SECRET.partition("=")
    process = subprocess.Popen([runner.executable, "run", "--json", "--request", runner.write_request(document)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, name: value})
    try:
        line = process.stderr.readline()
        if line != b"up\n":
            pytest.fail(f"no sandbox: {line!r} {process.stdout.read()!r}")
        below = host.descendants(process.pid)
        supervisor = next(pid for pid in below if host.name_of(pid).startswith("light-runner-su") and host.parent_of(pid) == process.pid)
        yield supervisor, {pid: host.name_of(pid) for pid in host.descendants(supervisor)}
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_no_helper_has_the_callers_environment(runner):
    with running(runner) as (supervisor, helpers):
        assert SECRET.encode() in read(supervisor, "environ").split(b"\0")
        environments = {pid: read(pid, "environ") for pid in helpers}
        with_secret = [(pid, helpers[pid]) for pid, text in environments.items() if text and SECRET.encode() in text]
        assert not with_secret, helpers
        assert any(text is not None for text in environments.values()), helpers
        if runner.engine == "local":
            assert any("pas" in name for name in helpers.values()), helpers


def test_what_carries_the_network_is_within_the_runs_limits(runner):
    if runner.engine != "local":
        pytest.skip("the daemon's networks are the kernel's")
    with running(runner) as (supervisor, helpers):
        pasta = [pid for pid, name in helpers.items() if name.startswith("pas")]
        assert len(pasta) == 1, helpers
        groups = {}
        for line in read(pasta[0], "cgroup").decode().splitlines():
            _, controllers, path = line.split(":", 2)
            groups.update((name, path) for name in controllers.split(","))
        mine = read(supervisor, "cgroup").decode()
        wanted = [name for name in CONTROLLERS if name in groups] or [""]
        assert all("/light-runner/light-runner-" in groups[name] for name in wanted), groups
        assert "/light-runner/light-runner-" not in mine, mine
        limits = {line[:26].strip(): line[26:].split() for line in read(pasta[0], "limits").decode().splitlines()}
        assert int(limits["Max open files"][1]) <= FILES and limits["Max core file size"][1] == "1", limits
