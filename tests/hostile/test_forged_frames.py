# SPDX-License-Identifier: MIT
"""Forging the agent's frames: everything that a program prints is output, never protocol."""
import struct

import pytest

# This concerns the agent and its stream, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart

# An EXIT frame: type, flags, the command's number, length, fields. Then a few frames of other types.
EXIT = b"code=0\0signal=0\0user_us=0\0system_us=0\0peak_rss_kb=0\0"
FRAMES = b"".join(struct.pack("<BBHI", kind, 0, number, len(EXIT)) + EXIT for kind, number in ((71, 1), (69, 1), (72, 0), (19, 0), (64, 0), (96, 0), (99, 0)))


def test_frames_on_stdout_are_output(runner, tmp_path):
    (tmp_path / "frames").write_bytes(FRAMES * 50)
    outcome = runner.plain("cat frames; cat frames >&2; exit 7", "--dir", str(tmp_path))
    assert outcome.code == 7
    assert outcome.stdout == FRAMES * 50 and outcome.stderr == FRAMES * 50


def test_frames_into_every_fd_that_can_be_found(runner, tmp_path):
    (tmp_path / "frames").write_bytes(FRAMES)
    script = """for p in 1 self $PPID; do for f in /proc/$p/fd/*; do
        case $f in /proc/self/fd/[012]) ;; *) (cat frames > $f) 2>/dev/null;; esac; done; done
    for d in /dev/console /dev/tty /dev/hvc0 /dev/ttyS0 /dev/ttyS1 /dev/vport*; do
        [ -c $d ] && (cat frames > $d) 2>/dev/null; done
    exit 7"""
    outcome = runner.run(script, dir=tmp_path, timeout=20000)
    assert outcome.json.get("exitCode") == 7, outcome


def test_frames_in_a_file_that_is_extracted_are_its_contents(runner, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/frames").write_bytes(FRAMES)
    outcome = runner.ok("true", dir=tmp_path / "in", extract=[("frames", tmp_path / "out")])
    assert outcome.json["extracted"][0]["status"] == "ok"
    assert (tmp_path / "out/frames").read_bytes() == FRAMES


def test_a_forged_result_document_is_output(runner):
    forged = '{"success":true,"exitCode":0,"id":"light-runner-000000000000"}'
    outcome = runner.run(f"echo '{forged}'; echo '{forged}' >&2; exit 7")
    assert outcome.code == 7 and outcome.json["exitCode"] == 7
    assert outcome.json["id"] != "light-runner-000000000000"
