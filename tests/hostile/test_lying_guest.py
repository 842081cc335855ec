# SPDX-License-Identifier: MIT
"""A VM whose kernel an attacker has taken over: the supervisor withstands everything that may come out of it."""
import os
import resource
import subprocess
import time

import pytest

pytestmark = [pytest.mark.cells("local-kata"), pytest.mark.vm]

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAMS = [("../src/run", "supervisor"), ("../src/host", "filter"), ("../src/image", "unpack"), ("../src/tier", "initramfs"),
            ("../agent", "agent")]


@pytest.fixture
def liar(runner, executable, data_dir, tmp_path):
    """Returns a function that runs a command in a VM whose first program tells the given lie."""
    if runner.cell != ("local", "kata"):
        pytest.skip("there is no VM of ours in this tier")
    build = os.path.dirname(os.path.realpath(executable))
    helpers = tmp_path / "helpers"
    helpers.mkdir()
    for folder, name in PROGRAMS:
        os.symlink(os.path.join(build, folder, f"light-runner-{name}"), helpers / f"light-runner-{name}")
    # Use a separate store, so that the files of other VMs stay unchanged.
    store = tmp_path / "data"
    store.mkdir()
    subprocess.run(["cp", "-a", os.path.join(data_dir, "images"), store], check=True)

    def run(lie, **fields):
        subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-static", f'-DLIE="{lie}"',
                        f"-I{ROOT}/guest", f"-I{ROOT}/src", f"-I{ROOT}/include", "-o", helpers / "light-runner-guest-init",
                        f"{ROOT}/tests/hostile/lying_guest.c", f"{ROOT}/guest/devices.c", f"{ROOT}/guest/stop.c"],
                       check=True, timeout=60)
        env = {**os.environ, "LIGHT_RUNNER_LIBEXEC": str(helpers), "LIGHT_RUNNER_DATA_DIR": str(store)}
        begun = time.monotonic()
        outcome = runner.submit(runner.request("echo never", **fields), env=env)
        assert time.monotonic() - begun < 30
        assert b"never" not in outcome.stdout + outcome.stderr
        return outcome

    return run


def test_a_kernel_that_panics_is_told_of(liar):
    error = liar("panic").error
    assert error["code"] == "CONTAINER_START_FAILED" and "Kernel panic" in error["message"], error


def test_a_kernel_that_panics_later_is_no_programs_failure(liar):
    error = liar("panic later").error
    assert error["code"] == "ISOLATION_FAILED" and "Kernel panic" in error["message"], error


def test_a_machine_that_ends_before_it_began(liar):
    assert liar("close").error["code"] == "CONTAINER_START_FAILED"


def test_a_machine_that_ends_in_the_middle(liar):
    outcome = liar("close later")
    assert outcome.json["exitCode"] == 137 and outcome.json["success"] is False


@pytest.mark.parametrize("lie", ["huge", "garbage"])
def test_what_is_no_frame_ends_the_run(liar, lie):
    error = liar(lie).error
    assert error["code"] == "CONTAINER_START_FAILED" and "broke the protocol" in error["message"], error


@pytest.mark.parametrize("lie", ["flood the console", "flood control", "chatter", "boast", "stall"])
def test_what_is_no_answer_holds_nobody_up(liar, lie):
    outcome = liar(lie, timeout=3000)
    assert outcome.json["timedOut"] is True, outcome
    # KiB: the peak of the largest child process so far, including QEMU.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20
