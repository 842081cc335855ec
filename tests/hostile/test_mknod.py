# SPDX-License-Identifier: MIT
"""A device node for the host's disk would give access to the host's disk."""
import os

import pytest


@pytest.mark.parametrize("kind,major,minor", [("b", 7, 0), ("b", 8, 0), ("b", 254, 0), ("c", 1, 1), ("c", 1, 4),
                                              ("c", 10, 232), ("c", 10, 229)])
def test_device_nodes_cannot_be_made(runner, kind, major, minor):
    outcome = runner.ok(f"for d in /tmp /app /dev /dev/shm; do mknod $d/x {kind} {major} {minor} 2>/dev/null && "
                        "echo MADE $d; done; exit 0")
    assert outcome.lines == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device for the test")
def test_a_device_node_in_the_input_folder_does_not_go_in(runner, tmp_path):
    import os
    os.mknod(tmp_path / "mem", 0o020666, os.makedev(1, 1))
    (tmp_path / "f").write_text("x")
    assert runner.ok("ls", dir=tmp_path).lines == ["f"]
