# SPDX-License-Identifier: MIT
"""Limits that the kernel counts per user: a sandbox that uses them up takes nothing from programs of the host's root."""
import os
import subprocess

import pytest

from harness import host

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PLENTY = 100000
INSIDE = 60


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("take")
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(folder / "take"),
                    os.path.join(ROOT, "tests", "hostile", "take.c")], check=True, timeout=60)
    return folder


def counts_of(stream):
    counts = {}
    for line in iter(stream.readline, b""):
        words = line.decode().split()
        if words == ["held"]:
            return counts
        if len(words) == 2:
            counts[words[0]] = int(words[1])
    raise AssertionError(f"it has ended: {counts}")


def left_to_root(tool):
    """Returns how much of each a process of the host's root can get now."""
    process = subprocess.Popen([tool / "take", str(PLENTY)], stdout=subprocess.PIPE)
    try:
        return counts_of(process.stdout)
    finally:
        process.kill()
        process.communicate()


def test_what_root_may_have_is_not_used_up(runner, tool):
    if os.geteuid() != 0 or runner.engine == "docker":
        pytest.skip("without root a sandbox uses the user's share; on Docker root in it is the host's unless the daemon remaps users")
    before = left_to_root(tool)
    # The control: another process of root takes as much, and the test notices it.
    control = subprocess.Popen([tool / "take", str(INSIDE)], stdout=subprocess.PIPE)
    try:
        assert counts_of(control.stdout) == {"instances": INSIDE, "signals": INSIDE}
        assert host.wait_until(lambda: all(left_to_root(tool)[name] < before[name] - INSIDE // 2 for name in before)), before
    finally:
        control.kill()
        control.communicate()
    run = runner.start(f"exec ./take {INSIDE}", dir=str(tool))
    try:
        inside = counts_of(run.stderr)
        # gVisor queues fewer signals.
        assert inside["instances"] == INSIDE and inside["signals"] in (INSIDE, 32), inside
        # Other processes of this machine have some for a moment. What a sandbox had taken would stay missing.
        assert host.wait_until(lambda: all(left_to_root(tool)[name] >= before[name] - INSIDE // 2 for name in before)), \
            (before, left_to_root(tool), inside)
    finally:
        run.kill()
        run.communicate()


def test_two_runs_at_once_have_no_id_in_common(runner):
    if runner.cell != ("local", "runc") or os.geteuid() != 0:
        pytest.skip("the ids of the tier runc, as root, can be seen in the sandbox")
    first = runner.start("cat /proc/self/uid_map /proc/self/gid_map; exec sleep 60")
    try:
        maps = [first.stderr.readline().decode().split() for _ in range(2)]
        maps += [line.split() for line in runner.ok("cat /proc/self/uid_map /proc/self/gid_map").lines]
    finally:
        first.kill()
        first.communicate()
    assert all(inside == "0" and count == "65536" for inside, _, count in maps), maps
    mine, mine_too, theirs, theirs_too = (int(outside) for _, outside, _ in maps)
    assert mine == mine_too and theirs == theirs_too and abs(mine - theirs) >= 65536, maps
    # Above the ids that SSSD assigns by default, and below those that systemd reserves for images.
    assert all(2000200000 < outside < 0x7ffe0000 for outside in (mine, theirs)), maps
