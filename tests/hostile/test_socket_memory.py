# SPDX-License-Identifier: MIT
"""Memory that the kernel holds for a sandbox's sockets: cgroup v1 counts it only when a limit is set, apart from all other memory."""
import os
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LIMIT = 48 << 20
CONNECTIONS = "100"


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flood")
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(folder / "flood"),
                    os.path.join(ROOT, "tests", "hostile", "flood.c")], check=True, timeout=60)
    return folder


def test_buffers_of_sockets_are_within_the_limit(runner, tool):
    if runner.engine == "docker":
        pytest.skip("a daemon sets the limits of its containers by itself")
    # The control: without a limit the kernel keeps several times as much.
    done = subprocess.run([tool / "flood", CONNECTIONS], stdout=subprocess.PIPE, check=True, timeout=60)
    assert int(done.stdout) > 2 * LIMIT, done
    # A run that is killed for it is as well; the larger a kernel's own allowance, the smaller its buffers.
    outcome = runner.run(f"./flood {CONNECTIONS}", dir=str(tool), options={"memory": "48m"})
    assert outcome.json.get("oomKilled") or int(outcome.lines[-1]) < LIMIT + LIMIT // 2, outcome


def test_huge_pages_are_forbidden_where_the_kernel_can(runner, tmp_path):
    """By the controller, where there is one: the seccomp filter refuses them anyway."""
    if runner.cell != ("local", "runc") or os.geteuid() != 0:
        pytest.skip("the limit of a group that root makes")
    # Where the hierarchy is not mounted, it is for as long as this takes, and seen by nobody else: in another tree.
    script = """cd "$1" && shift && mkdir old && mount --rbind /sys/fs/cgroup old && mount -t tmpfs tmpfs /sys/fs/cgroup || exit 77
        for old in old/*; do new=/sys/fs/cgroup/${old#old/}; mkdir $new && mount --bind $old $new || exit 77; done
        cd /sys/fs/cgroup
        [ -e hugetlb ] || { mkdir hugetlb && mount -t cgroup -o hugetlb hugetlb hugetlb || exit 77; ours=1; }
        "$@" &
        for i in $(seq 100); do cat hugetlb/light-runner/*/hugetlb.2MB.limit_in_bytes 2>/dev/null && break; sleep 0.1; done
        wait
        [ -z "$ours" ] || { rmdir hugetlb/light-runner; umount hugetlb; }"""
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        pytest.skip("the machine has cgroup v2: tests/faults/test_cgroup_v2.py")
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), runner.executable, "run", "--network", "none", "busybox", "--",
                           "sleep 3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    if done.returncode == 77:
        pytest.skip(f"the controller cannot be mounted: {done.stderr.decode(errors='replace')}")
    assert done.stdout.split()[:1] == [b"0"], done
