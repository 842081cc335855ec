# SPDX-License-Identifier: MIT
"""stop, cancel, pause and resume."""
import json
import time

import pytest

from harness import host
from test_detached import detach, nothing_is_left, state_of, states, wait_for_end  # noqa: F401

pytestmark = pytest.mark.engine


def ticking(runner, **fields):
    """A run that prints a number ten times a second."""
    return detach(runner, "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done", **fields)


def lines_of(runner, run_id):
    return len(runner.cli("logs", run_id).stdout.splitlines())


@pytest.mark.vm
def test_stop_sends_sigterm_first(runner, states):
    run_id = detach(runner, "trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    assert host.wait_until(lambda: lines_of(runner, run_id) == 1)
    assert runner.cli("stop", run_id).code == 0
    state = state_of(states, run_id)
    assert state["exitCode"] == 3 and state["status"] == "cancelled" and state["cancelled"] is True
    assert runner.cli("logs", run_id).stdout == b"ready\nterm\n"


def test_stop_with_another_signal(runner, states):
    run_id = detach(runner, "trap 'exit 4' USR1; echo ready; while :; do sleep 0.05; done")
    assert host.wait_until(lambda: lines_of(runner, run_id) == 1)
    assert runner.cli("stop", "--signal", "SIGUSR1", run_id).code == 0
    assert state_of(states, run_id)["exitCode"] == 4


@pytest.mark.vm
def test_cancel_and_stop_return_when_nothing_is_left(runner, store, states):
    for verb in (("cancel",), ("stop", "--grace", "100ms")):
        run_id = detach(runner, "trap '' TERM; while :; do sleep 0.05; done")
        assert runner.cli(*verb, run_id).code == 0
        assert state_of(states, run_id)["status"] == "cancelled"
        assert not host.traces(run_id)


@pytest.mark.any_tier
@pytest.mark.any_user
def test_without_waiting(runner, states):
    run_id = detach(runner, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    assert host.wait_until(lambda: lines_of(runner, run_id) == 1)
    # The command ignores the signal and has an hour of grace, so a call that waited would not return.
    assert runner.cli("stop", "--no-wait", "--grace", "1h", run_id).code == 0
    assert state_of(states, run_id)["status"] == "running"
    assert runner.cli("cancel", "--no-wait", run_id).code == 0
    assert wait_for_end(states, run_id)["status"] == "cancelled"


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("verb", ["pause", "resume", "logs"])
def test_other_verbs_have_no_such_flag(runner, states, verb):
    assert runner.cli(verb, "--no-wait", "light-runner-000000000000").code == 125


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("signal", ["NONE", "0", "65", "-1", ""])
def test_a_signal_that_is_none(runner, states, signal):
    run_id = detach(runner, "sleep 0.3")
    assert runner.cli("stop", f"--signal={signal}", run_id).code == 125
    assert wait_for_end(states, run_id)["exitCode"] == 0


def test_stop_kills_after_the_grace(runner, states):
    run_id = detach(runner, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    assert host.wait_until(lambda: lines_of(runner, run_id) == 1)
    begun = time.monotonic()
    assert runner.cli("stop", "--grace", "500ms", run_id).code == 0
    state = state_of(states, run_id)
    assert state["exitCode"] == 137 and state["status"] == "cancelled" and state["result"]["timedOut"] is False
    assert time.monotonic() - begun >= 0.5


def test_grace_of_zero_kills_at_once(runner, states):
    run_id = detach(runner, "trap 'sleep 5; exit 1' TERM; while :; do sleep 0.05; done")
    assert runner.cli("stop", "--grace", "0", run_id).code == 0
    assert state_of(states, run_id)["exitCode"] == 137


def test_a_stopped_run_extracts_nothing(runner, states, tmp_path):
    run_id = detach(runner, "trap 'exit 0' TERM; echo x > f; echo ready; while :; do sleep 0.05; done",
                    extract=[("f", tmp_path / "out")])
    assert host.wait_until(lambda: lines_of(runner, run_id) == 1)
    runner.cli("stop", run_id)
    state = state_of(states, run_id)
    assert state["exitCode"] == 0 and state["result"]["success"] is False
    assert "extracted" not in state["result"] and not (tmp_path / "out").exists()


@pytest.mark.vm(short=True)
def test_pause_and_resume(runner, states):
    run_id = ticking(runner)
    assert host.wait_until(lambda: lines_of(runner, run_id) >= 2)
    assert runner.cli("pause", run_id).code == 0
    before = lines_of(runner, run_id)
    time.sleep(0.6)
    # Output that was in the pipe before the freeze may still arrive.
    frozen = lines_of(runner, run_id)
    assert frozen <= before + 1
    time.sleep(0.4)
    assert lines_of(runner, run_id) == frozen
    assert state_of(states, run_id)["status"] == "running"
    assert runner.cli("pause", run_id).code == 0, "twice is no error"
    assert runner.cli("resume", run_id).code == 0
    assert host.wait_until(lambda: lines_of(runner, run_id) > frozen + 1)
    runner.cli("cancel", run_id)
    assert wait_for_end(states, run_id)["cancelled"] is True


@pytest.mark.vm
def test_a_pause_does_a_program_no_harm(runner, states):
    """The pause may come at any moment: the program is always in the middle of starting a process."""
    script = "for n in 1 2 3 4; do (while :; do /bin/true || exit 1; done) & done; for n in 1 2 3 4; do wait -n || exit 1; done"
    run_id = detach(runner, script)
    for _ in range(20):
        done = runner.cli("pause", run_id)
        # Debian's runc gives up on a cgroup v1 that starts processes faster than they can be frozen, and reports that. The container is
        # not paused then, so there is nothing to resume.
        if runner.cell == ("docker", "runc") and b"unable to freeze" in done.stderr:
            continue
        assert done.code == 0, (done, state_of(states, run_id))
        done = runner.cli("resume", run_id)
        assert done.code == 0, (done, state_of(states, run_id))
    state = state_of(states, run_id)
    assert state["status"] == "running", (state, runner.cli("logs", run_id))
    runner.cli("cancel", run_id)
    assert wait_for_end(states, run_id)["cancelled"] is True


@pytest.mark.vm
def test_memory_is_kept_while_paused(runner, states):
    run_id = detach(runner, "x=$(head -c 1000000 /dev/urandom | md5sum); echo $x; sleep 0.5; echo $x")
    assert host.wait_until(lambda: lines_of(runner, run_id) == 1)
    runner.cli("pause", run_id)
    time.sleep(0.3)
    runner.cli("resume", run_id)
    assert wait_for_end(states, run_id)["exitCode"] == 0
    first, second = runner.cli("logs", run_id).stdout.splitlines()
    assert first == second


@pytest.mark.vm
@pytest.mark.parametrize("verb", ["cancel", "stop"])
def test_a_paused_run_can_be_ended(runner, states, verb):
    run_id = ticking(runner)
    runner.cli("pause", run_id)
    assert runner.cli(verb, run_id).code == 0
    assert state_of(states, run_id)["status"] == "cancelled"


@pytest.mark.vm
def test_the_timeout_goes_on_while_paused(runner, states):
    run_id = ticking(runner, timeout=800)
    runner.cli("pause", run_id)
    state = wait_for_end(states, run_id)
    assert state["result"]["timedOut"] is True and state["exitCode"] == 137


@pytest.mark.any_tier
@pytest.mark.any_user
@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_on_a_finished_run_it_is_an_error(runner, states, verb):
    run_id = detach(runner, "true")
    wait_for_end(states, run_id)
    outcome = runner.cli(verb, "--json", run_id)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"


@pytest.mark.any_tier
@pytest.mark.any_user
def test_stop_on_a_finished_run_does_nothing(runner, states):
    run_id = detach(runner, "exit 2")
    before = wait_for_end(states, run_id)
    assert runner.cli("stop", run_id).code == 0 and runner.cli("cancel", run_id).code == 0
    assert state_of(states, run_id) == before


def test_attached_clients_hear_of_a_stop(runner, states):
    run_id = detach(runner, "sleep 60")
    import subprocess
    process = subprocess.Popen([runner.executable, "attach", "--json", run_id], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.2)
    runner.cli("stop", "--grace", "100ms", run_id)
    stdout, _ = process.communicate(timeout=10)
    assert json.loads(stdout)["cancelled"] is True
