# SPDX-License-Identifier: MIT
"""/proc/sysrq-trigger restarts or crashes the host."""


def test_sysrq_trigger_cannot_be_written(runner):
    # "h" prints a help text, which is harmless if the write succeeds.
    outcome = runner.ok("(echo h > /proc/sysrq-trigger) 2>&1 && echo WRITTEN; mount -o remount,rw /proc/sysrq-trigger"
                        " 2>/dev/null; (echo h > /proc/sysrq-trigger) 2>/dev/null && echo WRITTEN; exit 0")
    assert "WRITTEN" not in outcome.text
