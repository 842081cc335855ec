# SPDX-License-Identifier: MIT
"""`cpuTimeout`: SIGKILL when all processes together have used up this CPU time, whatever the wall time."""
import json
import time

import pytest

pytestmark = pytest.mark.apart
BUSY = "while :; do :; done"


def check(outcome, limit):
    result = outcome.json
    assert result["cpuTimedOut"] is True and result["success"] is False and result["timedOut"] is False, outcome
    assert result["cancelled"] is False and result["exitCode"] == 137 and outcome.code == 137, outcome
    assert result["signal"] == "SIGKILL" and result["usage"]["cpuMs"] >= limit, outcome


@pytest.mark.every_cell
@pytest.mark.long
def test_it_is_counted_over_all_processes(runner):
    """Two loops at once, then many short processes. Wall time does not count."""
    outcome = runner.run(f"sleep 0.5; ({BUSY}) & {BUSY}", cpuTimeout=3500, deadline=120, options={"cpus": 2})
    check(outcome, 3500)
    # Apart from the two loops, only an emulated VM uses much. Counting per processor would double the result.
    assert outcome.json["usage"]["cpuMs"] < 6500 or runner.tier == "kata", outcome
    check(runner.run("while :; do (:); done", cpuTimeout=1000, deadline=120), 1000)


@pytest.mark.any_tier
@pytest.mark.any_user
def test_it_is_told_without_json_too(runner):
    outcome = runner.plain(BUSY, "--cpu-timeout", "500ms", deadline=120)
    assert outcome.code == 137 and b"its CPU time is used up" in outcome.stderr, outcome


def test_waiting_costs_nothing(runner):
    outcome = runner.ok("sleep 2; echo done", cpuTimeout=1500)
    assert outcome.lines == ["done"] and outcome.json["cpuTimedOut"] is False


@pytest.mark.any_user
def test_what_came_before_the_command_does_not_count(runner, tmp_path):
    """The agent also uses CPU time, to copy the files of `dir`."""
    limit, folder = 200, tmp_path / "in"
    folder.mkdir()
    for i in range(8000):
        (folder / str(i)).write_bytes(b"x")
    outcome = runner.ok("sleep 1; echo done", dir=folder, cpuTimeout=limit, deadline=120)
    assert outcome.lines == ["done"] and outcome.json["cpuTimedOut"] is False, outcome
    assert outcome.json["usage"]["cpuMs"] > limit, "the control: it would have been too much"


@pytest.mark.long
def test_it_holds_for_detached_runs_and_not_while_paused(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    document = runner.request(f"while [ ! -e /tmp/go ]; do sleep 0.1; [ -e /tmp/go ] || touch /tmp/go; done; echo up; {BUSY}",
                              cpuTimeout=3000, detached=True)
    run_id = runner.submit(document).json["id"]
    runner.cli("pause", run_id)
    time.sleep(4)  # longer than the loop needs
    state = json.loads((tmp_path / "state" / f"{run_id}.json").read_text())
    assert state["status"] == "running", state
    runner.cli("resume", run_id)
    outcome = runner.cli("attach", "--json", run_id, deadline=120)
    check(outcome, 3000)
    assert json.loads((tmp_path / "state" / f"{run_id}.json").read_text())["result"]["cpuTimedOut"] is True


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("value", [0, -1, 1.5, "5s", None, True])
def test_others_are_refused(runner, value):
    outcome = runner.run("echo started", cpuTimeout=value)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT", outcome
    assert "cpuTimeout" in outcome.error["message"] and "started" not in outcome.text, outcome
