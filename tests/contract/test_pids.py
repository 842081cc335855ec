# SPDX-License-Identifier: MIT
"""`pids`: how many processes and threads a run may have at once, the command included."""
import pytest

# The shell gives up at the first process that it cannot start. The processes that it has started continue.
FILL = "i=1; while [ $i -lt {most} ]; do sleep 100 & i=$((i+1)); echo $i; done; exit 7"


def last_number(outcome):
    return max([1] + [int(line) for line in outcome.lines if line.isdigit()])


@pytest.mark.parametrize("limit", [1, 5, None, 300])
def test_the_limit_is_exact(runner, limit):
    options = {"pids": limit} if limit else {}
    wanted = limit or 100
    outcome = runner.run(FILL.format(most=wanted + 20), options=options)
    assert outcome.code not in (0, 7, 125) and "fork" in outcome.text, outcome
    assert last_number(outcome) == wanted, outcome


def test_one_is_enough_for_a_program(runner):
    outcome = runner.cli("run", *runner.cell_flags(), "--network", "none", "--pids", "1", "--argv", "busybox", "echo", "alone")
    assert outcome.code == 0 and outcome.stdout == b"alone\n", outcome


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("value", [0, -1, 32769, 1.5, "5", True, None])
def test_others_are_refused(runner, value):
    outcome = runner.run("echo started", options={"pids": value})
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT", outcome
    assert "options.pids" in outcome.error["message"] and "started" not in outcome.text, outcome
    if isinstance(value, int) and not isinstance(value, bool):
        assert "from 1 to 32768" in outcome.error["message"], outcome


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("value", ["0", "-1", "x", "32769", ""])
def test_flags_that_are_refused(runner, value):
    outcome = runner.cli("run", "--pids", value, "busybox", "echo", "started")
    assert outcome.code == 125 and b"pids" in outcome.stderr and outcome.stdout == b"", outcome
