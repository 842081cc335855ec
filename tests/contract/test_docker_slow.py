# SPDX-License-Identifier: MIT
"""A daemon that answers slowly while the command runs: the run's deadlines hold, and its callers are served."""
import json
import os
import subprocess
import threading

import pytest

from harness import dockerd, host
from harness.docker_proxy import Proxy, answer

pytestmark = pytest.mark.cells("docker-runc")


@pytest.fixture
def daemon(runner):
    if runner.cell != ("docker", "runc"):
        pytest.skip("of the engine docker alone, and the same in every tier")
    return dockerd.current()


class Slow:
    """A daemon that does not answer one kind of call until it is told to."""

    def __init__(self, runner, daemon, folder, what):
        self.runner, self.what = runner, what
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.proxy = Proxy(daemon, folder / "proxy.sock", self.spoil)
        self.environment = self.proxy.environment(LIGHT_RUNNER_STATE_DIR=str(folder / "state"))

    def spoil(self, call, connection):
        if call.name != self.what:
            return False
        self.reached.set()
        self.go_on.wait(120)
        return answer(connection, 500, {"message": "too late"})

    def detached(self, script, **fields):
        return self.cli("run", "--json", "--request", self.runner.write_request(self.runner.request(script, detached=True, **fields))).json["id"]

    def cli(self, *words):
        return self.runner.cli(*words, env=self.environment)

    def begin(self, *words):
        process = subprocess.Popen([self.runner.executable, *words], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.reached.wait(20), self.proxy.names
        return process

    def state(self, run_id):
        with open(os.path.join(self.environment["LIGHT_RUNNER_STATE_DIR"], f"{run_id}.json")) as file:
            return json.load(file)

    def ended(self, run_id):
        """Waits for the final state, which is written while the daemon has not answered yet."""
        assert host.wait_until(lambda: self.state(run_id)["status"] != "running", 40), (self.state(run_id), self.proxy.names)
        assert not self.go_on.is_set()
        return self.state(run_id)


@pytest.fixture
def slow(runner, daemon, tmp_path):
    made = []

    def make(what):
        made.append(Slow(runner, daemon, tmp_path, what))
        return made[-1]

    yield make
    for one in made:
        one.go_on.set()
        one.proxy.__exit__()
    assert host.wait_until(lambda: daemon.leftovers() == set(), 20), daemon.leftovers()


PAUSE, UNPAUSE = "POST /containers/ID/pause", "POST /containers/ID/unpause"


def test_the_timeout_ends_a_run_during_a_slow_pause(slow):
    daemon = slow(PAUSE)
    run_id = daemon.detached("sleep 100", timeout=4000)
    pause = daemon.begin("pause", run_id)
    state = daemon.ended(run_id)
    assert state["result"]["timedOut"] is True, state
    pause.communicate(timeout=30)
    assert pause.returncode != 0


def test_a_cancel_ends_a_run_during_a_slow_pause(slow):
    daemon = slow(PAUSE)
    run_id = daemon.detached("sleep 100")
    pause = daemon.begin("pause", run_id)
    assert daemon.cli("cancel", run_id).code == 0
    state = daemon.ended(run_id)
    assert state["result"]["cancelled"] is True, state
    pause.communicate(timeout=30)
    assert pause.returncode != 0


def test_others_are_served_during_a_slow_pause(slow):
    """Another pause is rejected at once, the command's output arrives, and a stop is obeyed."""
    daemon = slow(PAUSE)
    run_id = daemon.detached("trap 'echo told; exit 3' TERM; while :; do echo tick; sleep 0.1; done")
    pause = daemon.begin("pause", run_id)
    second = daemon.cli("pause", "--json", run_id)
    assert second.code != 0 and b"under way" in second.stdout + second.stderr, second
    attach = daemon.begin("attach", run_id)
    assert attach.stdout.readline() == b"tick\n"
    stopped = daemon.cli("stop", run_id)
    assert stopped.code == 0, stopped
    state = daemon.ended(run_id)
    assert state["result"]["exitCode"] == 3, state
    attach.communicate(timeout=30)
    pause.communicate(timeout=30)


def test_the_answer_is_the_daemons_once_it_comes(slow):
    daemon = slow(PAUSE)
    run_id = daemon.detached("sleep 100")
    pause = daemon.begin("pause", run_id)
    daemon.go_on.set()
    _, error = pause.communicate(timeout=30)
    assert pause.returncode != 0 and b"too late" in error
    assert daemon.cli("cancel", run_id).code == 0


def test_a_run_that_cannot_be_thawed_ends_all_the_same(slow):
    """Its container is killed and removed within the time that the library gives a supervisor."""
    daemon = slow(UNPAUSE)
    run_id = daemon.detached("sleep 100")
    assert daemon.cli("pause", run_id).code == 0
    cancel = daemon.begin("cancel", run_id)
    state = daemon.ended(run_id)
    assert state["result"]["cancelled"] is True, state
    assert cancel.wait(timeout=30) == 0
