# SPDX-License-Identifier: MIT
"""`timeout`: SIGKILL when the time is up. This is neither a success nor a cancel."""
import time

import pytest


def test_a_program_over_its_time_is_killed(runner):
    begun = time.monotonic()
    outcome = runner.run("echo before; sleep 60; echo after", timeout=1000, deadline=20)
    assert time.monotonic() - begun < 10
    assert outcome.json["timedOut"] is True and outcome.json["success"] is False
    assert outcome.json["cancelled"] is False
    assert outcome.json["exitCode"] == 137 and outcome.code == 137
    assert outcome.json["signal"] == "SIGKILL"
    assert outcome.lines == ["before"]
    assert 1000 <= outcome.json["duration"] < 5000


def test_a_program_within_its_time_is_not(runner):
    outcome = runner.ok("sleep 0.2; echo done", timeout=20000)
    assert outcome.json["timedOut"] is False and outcome.lines == ["done"]


def test_it_cannot_be_ignored(runner):
    script = "trap '' TERM INT HUP ALRM; while :; do sleep 1; done"
    outcome = runner.run(script, timeout=1000, deadline=20)
    assert outcome.json["timedOut"] is True


def test_it_ends_every_process(runner):
    script = "for i in 1 2 3 4 5; do (setsid sh -c 'trap \"\" TERM; sleep 60' &) ; done; sleep 60"
    assert runner.run(script, timeout=1000, deadline=20).json["timedOut"] is True


def test_it_holds_while_output_floods(runner):
    outcome = runner.run("yes", timeout=1000, deadline=40, options={"maxLogBytes": 1000000})
    assert outcome.json["timedOut"] is True


@pytest.mark.any_tier
@pytest.mark.any_user
@pytest.mark.parametrize("text,least", [("500ms", 500), ("1s", 1000), ("700", 700)])
def test_durations_as_text(runner, text, least):
    begun = time.monotonic()
    outcome = runner.plain("sleep 60", "--timeout", text, deadline=20)
    assert outcome.code == 137
    assert time.monotonic() - begun >= least / 1000
    assert b"timed out" in outcome.stderr


@pytest.mark.any_tier
@pytest.mark.any_user
def test_an_integer_may_be_written_with_a_fraction(runner):
    """1000.0 is an integer in JSON Schema, and in JavaScript."""
    outcome = runner.cli("run", "--request", runner.write_request(runner.request("sleep 60", timeout=1000.0)), deadline=20)
    assert outcome.code == 137 and b"timed out after 1s" in outcome.stderr, outcome


@pytest.mark.any_tier
@pytest.mark.any_user
def test_nothing_is_extracted(runner, tmp_path):
    outcome = runner.run("echo x > f; sleep 60", timeout=1000, deadline=20, extract=[("f", tmp_path / "out")])
    assert "extracted" not in outcome.json
    assert not (tmp_path / "out").exists()
