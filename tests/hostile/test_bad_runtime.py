# SPDX-License-Identifier: MIT
"""An OCI runtime that is missing or is another kind of program: the error says so, and nothing is left."""
import os

import pytest

from harness import host


def run_with(runner, program):
    return runner.submit(runner.request("echo never"), env={**os.environ, "LIGHT_RUNNER_RUNSC": program})


@pytest.fixture
def clean(runner, store):
    if runner.cell != ("local", "runsc"):
        pytest.skip("only there is the sandbox started by an OCI runtime that a variable names")
    before = host.leftovers(store)
    yield
    assert host.new_leftovers(before, store) == {}


def test_a_runtime_that_was_named_and_is_not_there(runner, clean):
    outcome = run_with(runner, "/nonexistent/runsc")
    assert outcome.error["code"] == "CONTAINER_START_FAILED"
    assert "/nonexistent/runsc" in outcome.error["message"] and "LIGHT_RUNNER_RUNSC" in outcome.error["hint"]


@pytest.mark.parametrize("program", ["/bin/false", "/bin/true", "/bin/echo", "/bin/cat"])
def test_a_program_that_is_no_runtime(runner, clean, program):
    outcome = run_with(runner, program)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    assert b"never" not in outcome.stderr


def test_what_the_runtime_says_is_in_the_error(runner, clean, tmp_path):
    program = tmp_path / "runtime"
    program.write_text("#!/bin/sh\nprintf 'the reason\\033[2J is this\\n' >&2\nexit 1\n")
    program.chmod(0o755)
    outcome = run_with(runner, str(program))
    assert "the reason?[2J is this" in outcome.error["message"], outcome


def test_a_runtime_that_rambles_is_cut_short(runner, clean, tmp_path):
    program = tmp_path / "runtime"
    program.write_text("#!/bin/sh\nwhile :; do echo rubbish; echo rubbish >&2; done\n")
    program.chmod(0o755)
    outcome = run_with(runner, str(program))
    assert outcome.error["code"] == "CONTAINER_START_FAILED" and len(outcome.error["message"]) < 800
