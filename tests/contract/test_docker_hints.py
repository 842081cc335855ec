# SPDX-License-Identifier: MIT
"""Errors of the engine docker that a user can do something about, and whether doing that helps."""
import os
import stat
import subprocess

import pytest

from harness import dockerd

NOBODY = 65534


@pytest.fixture
def daemon(runner):
    if (runner.engine, runner.tier) != ("docker", "runc"):
        pytest.skip("of the engine docker alone, and the same in every tier")
    return dockerd.current()


def test_a_network_that_is_not_there(runner, daemon):
    name = "light-runner-test-hint"
    outcome = runner.run("true", networks=[name])
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    assert f"docker network create {name}" in outcome.error["hint"], outcome
    status, answer = daemon.call("POST", "/networks/create", {"Name": name})
    assert status == 201, answer
    try:
        runner.ok("true", networks=[name])
    finally:
        daemon.call("DELETE", f"/networks/{name}")


def test_a_socket_that_is_closed_to_the_user(runner, daemon):
    mode = stat.S_IMODE(os.stat(daemon.socket).st_mode)
    os.chmod(daemon.socket, 0o600)
    try:
        done = subprocess.run([runner.executable, "run", "--engine", "docker", "busybox", "--", "true"], user=NOBODY, group=NOBODY,
                              extra_groups=[], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              env={"DOCKER_HOST": daemon.host, "HOME": "/nonexistent"})
    finally:
        os.chmod(daemon.socket, mode)
    if b"Permission denied" in done.stderr and b"DOCKER_UNREACHABLE" not in done.stderr:
        pytest.skip("the checkout cannot be entered by other users")
    assert done.returncode == 125 and b"usermod -aG docker" in done.stderr, done
