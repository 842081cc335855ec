# SPDX-License-Identifier: MIT
"""Kernel memory for a sandbox's sockets. cgroup v1 counts it separately from all other memory, and only if a limit is set."""
import glob
import os
import pathlib
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
    # The control: without a limit, the kernel uses several times as much.
    done = subprocess.run([tool / "flood", CONNECTIONS], stdout=subprocess.PIPE, check=True, timeout=60)
    assert int(done.stdout) > 2 * LIMIT, done
    # It is also fine if the run is killed for it.
    outcome = runner.run(f"./flood {CONNECTIONS}", dir=str(tool), options={"memory": "48m"})
    assert outcome.json.get("oomKilled") or int(outcome.lines[-1]) < LIMIT + LIMIT // 2, outcome


def test_huge_pages_are_forbidden_where_the_kernel_can(runner):
    """By the controller, if there is one. The seccomp filter rejects them anyway. The test does not mount the controller itself:
    every process of the machine would see one more hierarchy, and Docker's processes would then miss OOM kills."""
    if runner.cell != ("local", "runc") or os.geteuid() != 0:
        pytest.skip("the limit of a group that root makes")
    if not os.path.exists("/sys/fs/cgroup/hugetlb/cgroup.procs"):
        pytest.skip("there is no hierarchy of huge pages (v2: tests/faults/test_cgroup_v2.py)")
    process = runner.start("echo up; sleep 60")
    try:
        assert process.stderr.readline() == b"up\n"
        found = glob.glob("/sys/fs/cgroup/hugetlb/light-runner/*/hugetlb.*.limit_in_bytes")
        assert found and {pathlib.Path(path).read_text().strip() for path in found} == {"0"}, found
    finally:
        process.terminate()
        process.wait()
