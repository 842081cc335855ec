# SPDX-License-Identifier: MIT
"""The exit code is the program's, and a failing program is a result, not an error."""
import signal

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.any_user]


def in_one_cell(*values):
    """Parameters for the cell local-runc. Every engine and tier carries the agent's frame with the exit code or signal, whatever its value
    is, so a few values show that."""
    return [pytest.param(value, marks=pytest.mark.any_cell) for value in values]


@pytest.mark.apart
@pytest.mark.parametrize("code", [0, 1, 125, 255, *in_one_cell(2, 42, 124, 126, 127)])
def test_exit_code_is_the_programs(runner, code):
    outcome = runner.run(f"exit {code}")
    assert outcome.code == code
    assert outcome.json["exitCode"] == code
    assert outcome.json["success"] is (code == 0)
    assert "error" not in outcome.json
    assert "signal" not in outcome.json


@pytest.mark.apart
@pytest.mark.vm
@pytest.mark.parametrize("code", [3, *in_one_cell(0, 255)])
def test_exit_code_without_json(runner, code):
    assert runner.plain(f"exit {code}").code == code


@pytest.mark.parametrize("name", ["KILL", "SEGV", *in_one_cell("TERM", "ABRT", "INT")])
def test_signal_death_is_128_plus_n(runner, name):
    number = getattr(signal, "SIG" + name)
    outcome = runner.run(f"kill -{name} $$; sleep 5")
    assert outcome.code == 128 + number
    assert outcome.json["exitCode"] == 128 + number
    assert outcome.json["signal"] == "SIG" + name
    assert outcome.json["success"] is False
    assert outcome.json["cancelled"] is False and outcome.json["timedOut"] is False


@pytest.mark.apart
@pytest.mark.vm
def test_signal_death_without_json(runner):
    assert runner.plain("kill -9 $$").code == 137


def test_command_not_found_is_the_shells_127(runner):
    outcome = runner.run("no-such-program-anywhere")
    assert outcome.code == 127 and outcome.json["exitCode"] == 127
    assert "not found" in outcome.text


@pytest.mark.apart
def test_words_after_the_image_are_joined_for_the_shell(runner):
    outcome = runner.cli("run", *runner.cell_flags(), "--network", "none", "busybox",
                         "echo", "a   b;", "echo", "$((1+2))")
    assert outcome.stdout == b"a b\n3\n" and outcome.code == 0


@pytest.mark.apart
def test_entrypoint_runs_in_sh(runner):
    assert runner.ok('x=5; if [ "$x" = 5 ]; then echo "$0" | grep -q sh && echo yes; fi').lines == ["yes"]


@pytest.mark.vm
def test_background_processes_do_not_hold_the_run(runner):
    outcome = runner.ok("(sleep 300 &) ; echo done", deadline=20)
    assert outcome.lines == ["done"]


@pytest.mark.vm
def test_a_daemon_that_holds_the_output_does_not_hold_the_run(runner):
    outcome = runner.run("setsid sh -c 'trap \"\" TERM HUP; sleep 300' & exit 4", deadline=20)
    assert outcome.code == 4


@pytest.mark.vm
def test_orphans_are_reaped(runner):
    script = """
    i=0; while [ $i -lt 20 ]; do (sh -c 'sleep 0.1 &' ) ; i=$((i+1)); done
    sleep 1; cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z ' ; exit 0"""
    assert runner.ok(script).lines == ["0"]


@pytest.mark.vm
def test_stopped_program_can_still_time_out(runner):
    outcome = runner.run("kill -STOP $$; echo never", timeout=1500, deadline=20)
    assert outcome.json["timedOut"] is True and "never" not in outcome.text
