# SPDX-License-Identifier: MIT
"""Output arrives complete, byte for byte, with separate streams, whether it is read or not."""
import hashlib
import subprocess

import pytest

pytestmark = [pytest.mark.apart, pytest.mark.any_user]


def test_stdout_and_stderr_are_apart(runner):
    outcome = runner.plain("echo out; echo err >&2; echo out2")
    assert outcome.stdout == b"out\nout2\n"
    assert outcome.stderr == b"err\n"


@pytest.mark.any_tier
def test_with_json_output_goes_to_stderr(runner):
    outcome = runner.ok("echo out; echo err >&2")
    assert sorted(outcome.lines) == ["err", "out"]
    assert b"out" not in outcome.stdout.replace(b"\"timeout\"", b"")


@pytest.mark.any_tier
def test_last_line_without_newline_is_kept(runner):
    assert runner.plain("printf 'a\\nb'").stdout == b"a\nb"


@pytest.mark.any_tier
def test_no_output_is_no_output(runner):
    outcome = runner.plain("true")
    assert outcome.stdout == b"" and outcome.stderr == b""


@pytest.mark.any_tier
def test_empty_lines_and_carriage_returns_are_kept(runner):
    assert runner.plain("printf '\\n\\na\\r\\n\\r'").stdout == b"\n\na\r\n\r"


def test_every_byte_comes_through(runner, tmp_path):
    data = bytes(range(256)) * 3
    (tmp_path / "bytes").write_bytes(data)
    outcome = runner.plain("cat bytes; cat bytes >&2", "--dir", str(tmp_path))
    assert outcome.stdout == data and outcome.stderr == data


def test_output_appears_as_it_is_written(runner):
    """The first line arrives while the program still runs."""
    process = subprocess.Popen(
        [runner.executable, "run", *runner.cell_flags(), "--network", "none", "--timeout", "30s",
         "busybox", "--", "echo early; sleep 20"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.readline() == b"early\n"
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_line_of_10_mib(runner):
    outcome = runner.plain("head -c 10485760 /dev/zero | tr '\\0' x; echo")
    assert len(outcome.stdout) == 10485761 and outcome.stdout.strip(b"x") == b"\n"


@pytest.mark.slow
def test_100_mib_are_drained(runner):
    outcome = runner.plain("yes 0123456789abcde | head -c 104857600", deadline=120)
    expected = hashlib.sha256(b"0123456789abcde\n" * (104857600 // 16)).hexdigest()
    assert len(outcome.stdout) == 104857600
    assert hashlib.sha256(outcome.stdout).hexdigest() == expected


@pytest.mark.any_tier
def test_output_over_the_log_cap_is_cut_and_the_run_goes_on(runner):
    outcome = runner.ok("yes | head -c 3000000; echo; echo end > /app/end; exit 0",
                        options={"maxLogBytes": 100000})
    assert outcome.json["logTruncated"] is True
    assert 50000 < len(outcome.stderr) < 200000


@pytest.mark.any_tier
def test_output_under_the_log_cap_is_not_cut(runner):
    assert runner.ok("echo hello").json["logTruncated"] is False


def test_a_reader_that_goes_away_ends_the_run(runner):
    """`light-runner run ... | head -1` neither hangs nor crashes."""
    process = subprocess.Popen(
        [runner.executable, "run", *runner.cell_flags(), "--network", "none", "busybox", "--", "yes"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(timeout=20) != 0
    process.stderr.close()


def test_a_closed_stdout_in_the_program_is_fine(runner):
    assert runner.run("exec 1>&- 2>&-; sleep 0.3; exit 9").code == 9


def test_both_streams_at_once(runner):
    script = "(yes o | head -c 2000000) & (yes e | head -c 2000000 >&2) & wait"
    outcome = runner.plain(script)
    assert outcome.stdout == b"o\n" * 1000000 and outcome.stderr == b"e\n" * 1000000
