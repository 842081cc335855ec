# SPDX-License-Identifier: MIT
"""`input`: the command reads it from stdin, then gets EOF."""
import hashlib
import json
import os
import subprocess
import time

import pytest

pytestmark = [pytest.mark.apart, pytest.mark.any_user]


@pytest.mark.parametrize("value", [
    {"n": 30}, [1, 2, 3], "text", 5, 1.5, True, False, None, {}, [], "",
    {"nested": {"deep": [{"x": None}]}}, "snow \u2603 and \U0001f600", "quote \" back \\ nl \n",
], ids=lambda v: json.dumps(v)[:20])
def test_json_reaches_stdin(runner, value):
    assert json.loads(runner.ok("cat", input=value).text) == value


EXACT = [b'{"id":10014255632117358197}', b'[1e400, -0, 1.50, 0.1e1]', b'{"b": 1,  "a": 2, "b": 3}', b'"\\u00e9\\/\\ud800"',
         b'123456789012345678901234567890.5', b"[1,\n\t2]", "\"\u2603\"".encode(),
         b'{"a\\u0000b": "\\u0000", "a\\u0000b": ["\\uDFFF\\ud800", -0.0, 1E+99999, 1e-99999, 9223372036854775808, -9223372036854775809]}',
         b'{"":' + b"[" * 1500 + b"0" + b"]" * 1500 + b"}"]


@pytest.mark.any_tier
@pytest.mark.parametrize("text", EXACT, ids=range(len(EXACT)))
def test_json_is_passed_on_letter_by_letter(runner, text):
    document = json.dumps(runner.request("cat")).encode()
    outcome = runner.submit(b'{"input": ' + text + b" ," + document[1:])
    assert outcome.code == 0 and outcome.stderr == text, outcome
    assert runner.plain("cat", "--input-json", text.decode()).stdout == text


@pytest.mark.any_cell
@pytest.mark.parametrize("text", ["01", "[1,]", "nul", "{a:1}", "'a'", "1 2", "", '"\\x"', "[" * 5000 + "]" * 5000])
def test_what_is_not_json_is_refused(runner, text):
    outcome = runner.plain("echo started", "--input-json", text)
    assert outcome.code == 125 and b"INVALID_ARGUMENT: --input-json: " in outcome.stderr and outcome.stdout == b"", outcome
    document = json.dumps(runner.request("echo started")).encode()
    outcome = runner.submit(b'{"input": ' + text.encode() + b"," + document[1:])
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "started" not in outcome.text, outcome


def test_no_input_is_an_empty_stdin(runner):
    assert runner.ok("wc -c").lines[0].strip() == "0"


def test_eof_follows_the_input(runner):
    assert runner.ok("cat > /dev/null; echo eof", input={"a": 1}, deadline=20).lines == ["eof"]


@pytest.mark.any_tier
def test_input_json_flag(runner):
    assert json.loads(runner.plain("cat", "--input-json", '{"n": [1, 2]}').stdout) == {"n": [1, 2]}


def test_input_from_a_file_is_byte_for_byte(runner, tmp_path):
    data = bytes(range(256)) + b"\nno newline at the end"
    (tmp_path / "in").write_bytes(data)
    assert runner.plain("cat", "--input", str(tmp_path / "in")).stdout == data


@pytest.mark.any_tier
def test_input_from_stdin(runner):
    assert runner.plain("cat", "--input", "-", stdin=b"a\0b\nc").stdout == b"a\0b\nc"


@pytest.mark.any_tier
def test_input_from_a_slow_pipe(runner):
    process = subprocess.Popen(
        [runner.executable, "run", *runner.cell_flags(), "--network", "none", "--input", "-", "busybox", "--",
         "cat; echo end"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for part in (b"one\n", b"two\n"):
        process.stdin.write(part)
        process.stdin.flush()
        time.sleep(0.3)
    stdout, stderr = process.communicate(timeout=20)
    assert stdout == b"one\ntwo\nend\n", stderr


@pytest.mark.any_tier
def test_a_fifo_without_a_writer_does_not_hold_up_the_deadline(runner, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    outcome = runner.plain("sleep 1000", "--input", str(tmp_path / "fifo"), "--timeout", "1s")
    assert outcome.code == 137 and b"timed out" in outcome.stderr, outcome


@pytest.mark.any_tier
def test_a_fifo_whose_writer_comes_later(runner, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    process = subprocess.Popen(
        [runner.executable, "run", *runner.cell_flags(), "--network", "none", "--input", str(tmp_path / "fifo"), "busybox",
         "--", "echo up; cat; echo end"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"up\n"
    with open(tmp_path / "fifo", "wb") as fifo:
        fifo.write(b"late\n")
    stdout, stderr = process.communicate(timeout=30)
    assert stdout == b"late\nend\n", stderr


@pytest.mark.any_tier
@pytest.mark.parametrize("source", ["/dev/null", "/dev/zero", "/proc/self/status"])
def test_other_kinds_of_files(runner, source):
    outcome = runner.plain("head -c 5 | wc -c", "--input", source)
    assert outcome.code == 0 and outcome.stdout.strip() == (b"0" if source == "/dev/null" else b"5"), outcome


@pytest.mark.any_tier
def test_without_input_the_callers_stdin_is_left_alone(runner):
    assert runner.plain("cat; echo end", stdin=b"not for the sandbox").stdout == b"end\n"


def test_16_mib_through_cat(runner):
    data = os.urandom(1 << 20) * 16
    outcome = runner.plain("cat", "--input", "-", stdin=data)
    assert hashlib.sha256(outcome.stdout).digest() == hashlib.sha256(data).digest()


def test_a_program_that_never_reads(runner):
    outcome = runner.plain("echo done", "--input", "-", stdin=bytes(16 << 20), deadline=30)
    assert outcome.code == 0 and outcome.stdout == b"done\n"


def test_a_program_that_closes_stdin_early(runner):
    outcome = runner.plain("head -c 3; exec 0<&-; sleep 0.2; exit 6", "--input", "-", stdin=b"abc" * 500000)
    assert outcome.code == 6 and outcome.stdout == b"abc"


@pytest.mark.any_cell
def test_a_missing_input_file_is_refused(runner, tmp_path):
    outcome = runner.plain("echo started", "--input", str(tmp_path / "missing"))
    assert outcome.code == 125 and outcome.stdout == b""
    assert b"light-runner: " in outcome.stderr


@pytest.mark.any_cell
def test_input_json_that_is_not_json_is_refused(runner):
    outcome = runner.plain("echo started", "--input-json", "{n: 30")
    assert outcome.code == 125 and b"INVALID_ARGUMENT" in outcome.stderr and outcome.stdout == b""
