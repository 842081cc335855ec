# SPDX-License-Identifier: MIT
"""`env`: the given variables arrive, invalid names are dropped silently, and none of the host's variables appear."""
import os

import pytest

pytestmark = [pytest.mark.apart, pytest.mark.any_user]


def test_variables_arrive(runner):
    outcome = runner.ok('echo "$A|$B_2|$_c"', env={"A": "1", "B_2": "two words", "_c": "x=y"})
    assert outcome.lines == ["1|two words|x=y"]


@pytest.mark.any_tier
def test_env_flag(runner):
    assert runner.plain('echo "$A|$B"', "--env", "A=1", "--env", "B=b=c").stdout == b"1|b=c\n"


@pytest.mark.any_tier
def test_an_empty_value_is_a_value(runner):
    assert runner.ok("env | grep ^EMPTY=", env={"EMPTY": ""}).lines == ["EMPTY="]


@pytest.mark.any_tier
def test_values_with_newlines_and_utf8(runner):
    assert runner.ok('printf %s "$V"', env={"V": "a\nb \u2603"}).text == "a\nb \u2603"


@pytest.mark.any_tier
def test_invalid_names_are_dropped_silently(runner):
    outcome = runner.ok("env", env={"1BAD": "x", "A-B": "x", "A B": "x", "": "x", "\u00e4": "x", "GOOD": "y"})
    names = {line.partition("=")[0] for line in outcome.lines}
    assert "GOOD" in names
    assert not names & {"1BAD", "A-B", "A B", "", "\u00e4"}
    assert "light-runner: " not in outcome.stderr.decode()


def test_the_hosts_environment_stays_out(runner):
    outcome = runner.plain("env; echo end", env={**os.environ, "HOST_SECRET_TOKEN": "geheim"})
    assert outcome.stdout.endswith(b"\nend\n")
    assert b"HOST_SECRET_TOKEN" not in outcome.stdout and b"geheim" not in outcome.stdout
    assert b"LIGHT_RUNNER" not in outcome.stdout


def test_path_and_home_are_set(runner):
    outcome = runner.ok('echo "$PATH"; echo "$HOME"')
    assert "/bin" in outcome.lines[0].split(":") and outcome.lines[1] == "/root"


def test_path_can_be_replaced(runner):
    assert runner.ok('echo "$PATH"', env={"PATH": "/bin"}).lines == ["/bin"]


def test_a_large_value(runner):
    value = "v" * 100000
    assert runner.ok("printf %s \"$BIG\" | wc -c", env={"BIG": value}).lines[0].strip() == "100000"
