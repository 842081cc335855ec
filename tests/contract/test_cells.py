# SPDX-License-Identifier: MIT
"""The cells of the matrix that this machine can test. A missing cell is one skipped test with its reason."""
import json
import os
import subprocess

import pytest

from harness import cells
from harness.fixtures import survey


@pytest.mark.once
@pytest.mark.parametrize("which", cells.CELLS, ids=cells.name)
def test_cell_is_available(which, executable, record_property):
    record_property("cell", cells.name(which))
    reason = survey()[which]
    if reason is not None:
        pytest.skip(reason)


def test_the_default_cell_works(executable):
    """Without this cell, the whole suite would be empty and still succeed."""
    assert survey()[("local", "runc")] is None


@pytest.mark.parametrize("pattern, ok", [("core", True), ("|/usr/lib/helper %p", True), ("@/run/cores.sock", False)])
def test_the_doctor_warns_of_a_socket_for_core_dumps(executable, tmp_path, pattern, ok):
    """The kernel connects to this socket regardless of RLIMIT_CORE."""
    if os.geteuid() != 0:
        pytest.skip("takes a mount namespace")
    (tmp_path / "pattern").write_text(pattern + "\n")
    script = 'mount --bind "$0" /proc/sys/kernel/core_pattern && exec "$1" doctor --json'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, str(tmp_path / "pattern"), executable], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    row = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "core dumps"][0]
    assert row["ok"] is ok and pattern in row["detail"], row
    assert ok or row["fix"].startswith("sysctl -w kernel.core_pattern="), row
