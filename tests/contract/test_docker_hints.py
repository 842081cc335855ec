# SPDX-License-Identifier: MIT
"""Errors of the engine docker that the user can fix. Each test follows the hint and checks that it helps."""
import os
import pty
import shutil
import stat
import subprocess

import pytest

from harness import dockerd

pytestmark = pytest.mark.cells("docker-runc")

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


def test_a_tier_that_the_daemon_does_not_have(runner, daemon):
    """The hint names the engine that has this tier before any weaker tier."""
    outcome = runner.run("true", options={"runtime": "kata"})
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    hint = outcome.error["hint"]
    assert "--runtime runc" not in hint and "daemon.json" in hint, hint
    assert hint.startswith("use --engine local") == (shutil.which("qemu-system-x86_64") is not None), hint


def test_gpus_without_their_driver(runner, daemon):
    outcome = runner.run("true", options={"gpus": "1"})
    if outcome.code == 0:
        pytest.skip("there are some")
    assert outcome.code == 125 and "nvidia-ctk runtime configure" in outcome.error["hint"], outcome


def test_two_default_networks_become_one(runner, daemon):
    """Two first runs at the same time may create both. The daemon then accepts the name for neither."""
    name = "light-runner-isolated"

    def there():
        return [network["Id"] for network in daemon.call("GET", "/networks")[1] if network["Name"] == name]

    for network in there():
        daemon.call("DELETE", f"/networks/{network}")
    body = {"Name": name, "Driver": "bridge", "Options": {"com.docker.network.bridge.enable_icc": "false"},
            "Labels": {"light-runner.network": "default"}}
    made = [daemon.call("POST", "/networks/create", body) for _ in range(2)]
    if [status for status, _ in made] != [201, 201]:
        pytest.skip("this daemon makes no two of a name")
    runner.ok("true", networks=[name])
    assert there() == [made[0][1]["Id"]], "the older one stays"


def test_a_terminal_is_told_that_nothing_is_capped(runner, daemon):
    """By default, a run on Docker has no cap. Programs learn that from the result, and their stderr is left alone."""
    command = [runner.executable, "run", *runner.cell_flags(), "--network", "none", "busybox", "--", "true"]
    ours, theirs = pty.openpty()
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, stderr=theirs, check=True, timeout=60)
        os.close(theirs)
        said = os.read(ours, 65536)
    finally:
        os.close(ours)
    assert b"was not limited" in said and b"--disk" in said, said
    assert runner.plain("true").stderr == b""
