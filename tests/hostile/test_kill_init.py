# SPDX-License-Identifier: MIT
"""Killing the agent from inside: it must survive, and still report the program's real outcome."""
import pytest

# This concerns the agent and its stream, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP", "PIPE", "STOP", "SEGV", "USR1", "CHLD", "ALRM"])
def test_init_survives_a_signal(runner, name):
    outcome = runner.run(f"kill -{name} 1; sleep 0.2; echo alive; exit 6", timeout=20000 if runner.tier != "runsc" else 3000)
    if runner.tier == "runsc" and outcome.code != 6:
        # gVisor's kernel does not protect PID 1 from root in the sandbox: the run ends, and its result says so.
        assert outcome.error is None and outcome.code == 137 and outcome.json["success"] is False, outcome
        return
    assert outcome.code == 6 and outcome.lines[-1] == "alive", outcome


def test_killing_everything_is_a_result(runner):
    outcome = runner.run("kill -9 -1; sleep 1; exit 5", timeout=20000)
    assert outcome.error is None
    assert outcome.code in (5, 137)


def test_a_storm_of_signals(runner):
    outcome = runner.run("i=0; while [ $i -lt 3000 ]; do kill -CHLD 1; kill -TERM 1; i=$((i+1)); done; exit 7")
    assert outcome.error is None and outcome.code in ((7, 137) if runner.tier == "runsc" else (7,)), outcome
