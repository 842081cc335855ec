# SPDX-License-Identifier: MIT
"""After a cancel, or after parts of light-runner were killed, nothing is left."""
import json
import os
import signal
import threading
import uuid

import pytest

from harness import host

SECONDS = 5


class Running:
    """A run that has printed that it is up, with a marker in its command line."""

    def __init__(self, runner, data_dir, body="while :; do sleep 1; done"):
        self.marker = "marker-" + uuid.uuid4().hex
        self.before = host.leftovers(data_dir)
        self.data_dir = data_dir
        self.process = runner.start(f"M={self.marker}; echo ready; {body}", timeout=120000)
        watchdog = threading.Timer(30, self.process.kill)
        watchdog.start()
        line = self.process.stderr.readline()
        watchdog.cancel()
        assert line == b"ready\n", (line, self.process.communicate(timeout=10))
        # The processes inside a VM are not the host's: there, only the supervisors are visible.
        assert host.processes_with(self.marker) or runner.tier != "runc"

    def finish(self):
        stdout, stderr = self.process.communicate(timeout=20)
        return self.process.returncode, json.loads(stdout) if stdout else None, stderr

    def assert_gone(self, *, kinds=None):
        assert host.wait_until(lambda: not host.processes_with(self.marker), SECONDS), \
            host.processes_with(self.marker)
        assert host.new_leftovers(self.before, self.data_dir, SECONDS, kinds) == {}

    def assert_reaped(self, runner):
        """Without its supervisor, the run leaves its cgroups until the next reap. Dying processes may keep them for a moment."""
        def reap():
            assert runner.cli("reap", env=dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")).code == 0
            return host.new_leftovers(self.before, self.data_dir, 0) == {}
        assert host.wait_until(reap, SECONDS, 0.2), host.new_leftovers(self.before, self.data_dir, 0)

    def supervisor(self):
        found = [pid for pid, argv in host.descendants(self.process.pid).items()
                 if "light-runner-supervisor" in argv]
        assert found, host.descendants(self.process.pid)
        return found[0]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_cancels_the_run_and_cleans_up(runner, store, name):
    run = Running(runner, store)
    run.process.send_signal(getattr(signal, name))
    code, result, _ = run.finish()
    assert result["cancelled"] is True and result["success"] is False and result["timedOut"] is False
    assert code == 137 and result["exitCode"] == 137
    run.assert_gone()


def test_a_program_that_ignores_signals_is_cancelled_too(runner, store):
    run = Running(runner, store, "trap '' INT TERM HUP; while :; do sleep 1; done")
    run.process.send_signal(signal.SIGTERM)
    _, result, _ = run.finish()
    assert result["cancelled"] is True
    run.assert_gone()


@pytest.mark.any_tier
def test_a_second_signal_changes_nothing(runner, store):
    run = Running(runner, store)
    for _ in range(5):
        run.process.send_signal(signal.SIGINT)
    _, result, _ = run.finish()
    assert result["cancelled"] is True
    run.assert_gone()


@pytest.mark.any_tier
def test_a_cancelled_run_extracts_nothing(runner, store, tmp_path):
    marker = "marker-" + uuid.uuid4().hex
    process = runner.start(f"M={marker}; echo x > f; echo ready; sleep 60", timeout=60000,
                           extract=[("f", tmp_path / "out")])
    assert process.stderr.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=20)
    assert "extracted" not in json.loads(stdout)
    assert not (tmp_path / "out").exists()


def test_cancel_before_the_program_is_up(runner, store):
    """The run ends and leaves nothing, in whatever phase of its start the signal arrives."""
    for delay in (0.001, 0.01, 0.02, 0.04, 0.08):
        before = host.leftovers(store)
        process = runner.start("sleep 60", timeout=60000)
        host.wait_until(lambda: False, delay)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        # Until the handler is installed, the signal ends light-runner as it ends any program.
        assert process.returncode in (137, 125, -signal.SIGTERM), process.returncode
        assert host.new_leftovers(before, store, SECONDS) == {}


def test_sigkill_of_the_caller_leaves_nothing(runner, store):
    run = Running(runner, store)
    run.process.kill()
    run.process.communicate(timeout=20)
    run.assert_gone()


@pytest.mark.orphans
def test_sigkill_of_the_supervisor_leaves_no_process_and_no_mount(runner, store):
    run = Running(runner, store)
    os.kill(run.supervisor(), signal.SIGKILL)
    code, document, _ = run.finish()
    assert code == 125 and document["error"]["code"] == "SUPERVISOR_LOST"
    run.assert_gone(kinds={"mounts", "supervisors"})
    run.assert_reaped(runner)


@pytest.mark.orphans
def test_sigkill_of_the_caller_and_the_supervisor_at_once(runner, store):
    run = Running(runner, store)
    supervisor = run.supervisor()
    run.process.kill()
    os.kill(supervisor, signal.SIGKILL)
    run.process.communicate(timeout=20)
    run.assert_gone(kinds={"mounts", "supervisors"})
    run.assert_reaped(runner)


@pytest.mark.orphans
def test_what_a_killed_supervisor_left_does_not_hinder_the_next_run(runner, store):
    run = Running(runner, store)
    os.kill(run.supervisor(), signal.SIGKILL)
    run.finish()
    run.assert_gone(kinds={"mounts", "supervisors"})
    assert runner.ok("echo next").lines == ["next"]
    run.assert_reaped(runner)
