# SPDX-License-Identifier: MIT
"""Filling /dev/shm uses the host's memory, which must be charged to the run."""
import os


def test_filling_shm_meets_a_limit(runner):
    script = "dd if=/dev/zero of=/dev/shm/f bs=1M count=2000 2>/dev/null; stat -c %s /dev/shm/f; exit 0"
    outcome = runner.run(script, options={"memory": "128m"}, timeout=60000)
    assert outcome.error is None, outcome
    if outcome.code == 0:
        assert int(outcome.lines[-1]) <= 128 << 20
    else:
        assert outcome.json["oomKilled"] is True


def test_every_place_that_can_be_written_meets_a_limit(runner):
    """No tmpfs is mounted without a size."""
    script = """for d in $(awk '$4 ~ /^rw/ { print $2 }' /proc/mounts); do
        (dd if=/dev/zero of=$d/fill bs=1M count=1500 2>/dev/null; s=$(stat -c %s $d/fill 2>/dev/null); rm -f $d/fill
        [ "${s:-0}" -gt 1100000000 ] && echo OVER $d $s); done; exit 0"""
    outcome = runner.run(script, options={"memory": "256m", "disk": "1g"}, timeout=90000, deadline=120)
    assert "OVER" not in outcome.text


def test_the_hosts_shm_is_another(runner):
    before = set(os.listdir("/dev/shm"))
    runner.ok("echo x > /dev/shm/from-inside")
    assert set(os.listdir("/dev/shm")) == before
