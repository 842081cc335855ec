# SPDX-License-Identifier: MIT
"""If core_pattern names a pipe, the kernel runs that program as root on the host when a program crashes."""


def test_core_pattern_cannot_be_written(runner, tmp_path):
    path = "/proc/sys/kernel/core_pattern"
    with open(path) as file:
        before = file.read()
    outcome = runner.run(f"mount -o remount,rw /proc/sys 2>/dev/null; (echo '{before.strip()}' > {path}) 2>/dev/null"
                         " && echo WRITTEN; kill -SEGV $$")
    assert "WRITTEN" not in outcome.text
    assert outcome.code == 139
    with open(path) as file:
        assert file.read() == before


def test_other_helpers_cannot_be_set(runner):
    script = """for f in /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/fs/binfmt_misc/register \\
        /sys/kernel/uevent_helper /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent; do
        [ -e $f ] && (echo /bin/false > $f) 2>/dev/null && echo WRITTEN $f; done; exit 0"""
    assert runner.ok(script).lines == []
