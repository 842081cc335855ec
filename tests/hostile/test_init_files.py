# SPDX-License-Identifier: MIT
"""Reading or writing the agent through /proc/1: its file descriptors lead to the host."""
import pytest

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("path", ["mem", "environ", "auxv", "maps", "syscall", "stack", "pagemap", "map_files/."])
def test_inits_files_give_nothing(runner, path):
    outcome = runner.ok(f"head -c 64 /proc/1/{path} 2>/dev/null | wc -c; ls /proc/1/{path}/ 2>/dev/null; exit 0")
    assert outcome.lines[0].strip() == "0", outcome


def test_inits_fds_cannot_be_opened(runner):
    script = """for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 20 30 63 100 255 1000 1023; do
        (: < /proc/1/fd/$n) 2>/dev/null && echo read $n
        (: > /proc/1/fd/$n) 2>/dev/null && echo written $n
        readlink /proc/1/fd/$n
    done; exit 0"""
    assert runner.ok(script).lines == []


def test_inits_root_and_cwd_lead_nowhere_else(runner):
    assert runner.run("readlink /proc/1/root; readlink /proc/1/cwd; readlink /proc/1/exe; exit 0").lines == []


def test_inits_memory_cannot_be_written(runner):
    outcome = runner.run("printf x | dd of=/proc/1/mem bs=1 seek=4194304 conv=notrunc; echo code $?; exit 0")
    assert "code 0" not in outcome.lines
