# SPDX-License-Identifier: MIT
"""`disk`: a cap on the data that a run may write. The program gets ENOSPC, and the host is not affected."""
import os

import pytest


@pytest.fixture(autouse=True)
def capped(runner):
    runner.needs_disk_cap()


@pytest.mark.parametrize("path", ["/app/f", "/tmp/f", "/root/f"])
def test_over_the_cap_is_enospc_inside(runner, path):
    outcome = runner.run(f"dd if=/dev/zero of={path} bs=1M count=200 2>&1; echo code $?; stat -c %s {path}",
                         options={"disk": "64m"})
    assert outcome.code == 0, outcome
    assert "code 1" in outcome.text and "No space left on device" in outcome.text
    assert int(outcome.lines[-1]) <= 64 << 20


def test_under_the_cap_is_fine(runner):
    outcome = runner.ok("dd if=/dev/zero of=/app/f bs=1M count=40 2>/dev/null; stat -c %s /app/f", options={"disk": "64m"})
    assert outcome.lines == [str(40 << 20)]


def test_it_is_one_cap_for_every_place(runner):
    outcome = runner.run("for f in /app/f /tmp/f /root/f; do dd if=/dev/zero of=$f bs=1M count=30 2>/dev/null; done; "
                         "du -cm /app/f /tmp/f /root/f | tail -1", options={"disk": "64m"})
    assert int(outcome.lines[-1].split()[0]) <= 65


def test_many_empty_files_meet_a_limit_too(runner):
    """Without a limit on inodes, empty files would fill the host's disk."""
    # Not ":", because a failed redirection of this builtin would end the shell.
    script = "i=0; while [ $i -lt 200000 ] && true > f$i; do i=$((i+1)); done 2>/dev/null; ls | wc -l"
    # gVisor's kernel keeps inodes in the run's memory. With less memory, the limit is reached sooner.
    memory = {"memory": "128m"} if runner.tier == "runsc" else {}
    outcome = runner.run(script, options={"disk": "16m", **memory}, timeout=60000, deadline=90)
    if runner.tier == "runsc":
        assert outcome.json["oomKilled"] is True or int(outcome.lines[-1]) < 200000, outcome
        return
    assert outcome.code == 0, outcome
    assert int(outcome.lines[-1]) < 200000


def test_space_that_is_freed_can_be_used_again(runner):
    script = "for i in 1 2 3 4; do dd if=/dev/zero of=f bs=1M count=40 2>/dev/null || exit 1; rm f; done"
    runner.ok(script, options={"disk": "64m"})


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="without root the disk is memory (docs/rootless.md)")
def test_the_disk_is_not_the_memory(runner):
    """Files may take more space than the memory limit."""
    runner.ok("dd if=/dev/zero of=f bs=1M count=300 2>/dev/null && [ $(stat -c %s f) = 314572800 ]",
              options={"memory": "64m", "disk": "512m"}, deadline=120)


def test_the_program_survives_and_can_still_answer(runner, tmp_path):
    runner.ok("echo ok > result; dd if=/dev/zero of=f bs=1M count=200 2>/dev/null; exit 0",
              options={"disk": "32m"}, extract=[("result", tmp_path / "out")])
    assert (tmp_path / "out/result").read_text() == "ok\n"
