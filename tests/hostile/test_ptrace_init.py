# SPDX-License-Identifier: MIT
"""Taking over the agent: a tracer of PID 1 could send the host messages in the agent's name."""
import pytest


@pytest.mark.parametrize("call", ["ptrace_init", "process_vm_readv_init"])
def test_init_cannot_be_traced_or_read(runner, probe_dir, call):
    outcome = runner.ok(f"./probe {call}", dir=probe_dir)
    assert outcome.lines[-1].split()[:2] == [call, "refused"], outcome


def test_nor_by_another_user(runner, probe_dir):
    outcome = runner.ok("./probe setuid ptrace_init", dir=probe_dir)
    assert outcome.lines[-1].split()[:2] == ["ptrace_init", "refused"], outcome
