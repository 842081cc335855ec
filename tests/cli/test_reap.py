# SPDX-License-Identifier: MIT
"""`reap` removes the remains of killed supervisors, and touches nothing in use."""
import glob
import json
import os
import signal
import subprocess
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
from harness import host, images  # noqa: E402

pytestmark = pytest.mark.orphans
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))


def call(environment, *argv, **variables):
    return subprocess.run([PROGRAM, *argv], env={**environment, **variables}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reap")
    os.mkdir(folder / "data", 0o700)
    variables = {**os.environ, "LIGHT_RUNNER_DATA_DIR": str(folder / "data")}
    tar = images.make_busybox_tar(str(folder / "busybox.tar"))
    assert call(variables, "image", "import", tar, "busybox").returncode == 0
    return variables


def cgroups_of(run):
    """The folders of one run's cgroup. Other runs on this machine do not matter."""
    agent = [pid for pid, argv in host.descendants(run.pid).items() if argv.startswith("/.light-runner-")][0]
    with open(f"/proc/{agent}/cgroup") as file:
        name = [part for line in file for part in line.strip().split("/") if part.startswith("light-runner-")][0]
    return set(glob.glob(f"/sys/fs/cgroup/**/light-runner/{name}", recursive=True))


def supervisors_of(pid):
    return [child for child, argv in host.descendants(pid).items() if "light-runner-supervisor" in argv]


@pytest.fixture
def sleeper(environment):
    run = subprocess.Popen([PROGRAM, "run", "--network", "none", "busybox", "--", "echo up; sleep 600"],
                           env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stdout.readline() == b"up\n"
    yield run
    run.terminate()
    run.communicate(timeout=30)


def kill_supervisor(run):
    """Kills the run's supervisor and waits for the caller's end. Returns the cgroup's folders that are left."""
    left = cgroups_of(run)
    assert left
    os.kill(supervisors_of(run.pid)[0], signal.SIGKILL)
    run.wait(timeout=30)
    return left


def test_the_cgroup_of_a_killed_supervisor_goes(environment, sleeper):
    left = kill_supervisor(sleeper)

    def reap():
        done = call(environment, "reap", "--json", LIGHT_RUNNER_REAP_AGE_MS="0")
        assert done.returncode == 0 and json.loads(done.stdout)["containers"] >= 0
        return not any(os.path.exists(path) for path in left)

    # Dying processes may keep the cgroup for a moment.
    assert host.wait_until(reap)


def test_what_is_young_is_left(environment, sleeper):
    left = kill_supervisor(sleeper)
    assert call(environment, "reap", "--json").returncode == 0
    assert all(os.path.exists(path) for path in left)
    call(environment, "reap", LIGHT_RUNNER_REAP_AGE_MS="0")


def test_a_run_that_is_going_on_is_not_touched(environment, sleeper):
    own = cgroups_of(sleeper)
    done = call(environment, "reap", "--json", LIGHT_RUNNER_REAP_AGE_MS="0")
    assert json.loads(done.stdout)["volumes"] == 0
    assert sleeper.poll() is None and own and all(os.path.exists(path) for path in own)


def test_a_wrong_age_is_refused(environment):
    done = call(environment, "reap", LIGHT_RUNNER_REAP_AGE_MS="soon")
    assert done.returncode == 125 and b"LIGHT_RUNNER_REAP_AGE_MS" in done.stderr


def test_without_an_environment(environment):
    """A system service has no HOME and hardly a PATH."""
    data = environment["LIGHT_RUNNER_DATA_DIR"]
    done = subprocess.run([PROGRAM, "reap"], env={"LIGHT_RUNNER_DATA_DIR": data}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(b"containers: "), done


def test_a_detached_run_whose_id_cannot_be_printed_ends(environment, tmp_path):
    state = {"LIGHT_RUNNER_STATE_DIR": str(tmp_path / "state")}
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "run", "--network", "none", "--detach", "busybox", "--", "sleep 600"], stdout=full,
                              env={**environment, **state}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125 and b"cannot print the id" in done.stderr, done

    def ended():
        listed = call(environment, "ls", "--json", **state)
        return [run["status"] for run in json.loads(listed.stdout)] == ["cancelled"]
    assert host.wait_until(ended, 20), call(environment, "ls", "--json", **state)
