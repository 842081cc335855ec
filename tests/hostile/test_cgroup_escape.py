# SPDX-License-Identifier: MIT
"""Escapes by release_agent, by notify_on_release, and by leaving the cgroup."""
import pytest

pytestmark = pytest.mark.engine


def test_no_cgroup_can_be_mounted_or_left(runner):
    script = """mkdir -p /tmp/c
    for t in cgroup cgroup2; do for o in memory rdma pids devices ''; do
        mount -t $t -o $o none /tmp/c 2>/dev/null && echo MOUNTED $t $o; done; done
    for f in $(find /sys/fs/cgroup /tmp/c -name cgroup.procs -o -name tasks -o -name release_agent \\
        -o -name 'memory.*limit*' -o -name memory.max -o -name pids.max 2>/dev/null | head -200); do
        (echo 0 > $f) 2>/dev/null && echo WRITTEN $f; done; exit 0"""
    assert runner.ok(script).lines == []
