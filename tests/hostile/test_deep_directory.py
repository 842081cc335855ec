# SPDX-License-Identifier: MIT
"""A tree of 2 000 levels: no crash, no endless recursion, no false success."""
import os

import pytest

from harness import host

# The agent sends the files, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart


def depth(folder):
    levels = 0
    fd = os.open(folder, os.O_RDONLY)
    while True:
        names = os.listdir(fd)
        if "d" not in names:
            os.close(fd)
            return levels
        inner = os.open("d", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
        os.close(fd)
        fd, levels = inner, levels + 1


@pytest.mark.long
def test_extracting_a_deep_tree_is_told_truly(runner, tmp_path):
    out = tmp_path / "out"
    script = "i=0; mkdir t; cd t; while [ $i -lt 2000 ]; do mkdir d; cd d || exit 9; i=$((i+1)); done; exit 0"
    outcome = runner.run(script, extract=[("t", out)], timeout=60000)
    try:
        assert outcome.code == 0, outcome
        entry = outcome.json["extracted"][0]
        if entry["status"] == "ok":
            assert depth(out) == 2000
        else:
            assert entry["status"] == "error" and entry["error"]
    finally:
        host.remove(out)


def test_a_tree_of_100_levels_comes_out(runner, tmp_path):
    out = tmp_path / "out"
    script = "i=0; mkdir t; cd t; while [ $i -lt 100 ]; do mkdir d; cd d; i=$((i+1)); done; echo x > bottom"
    outcome = runner.ok(script, extract=[("t", out)])
    assert outcome.json["extracted"][0]["status"] == "ok"
    assert depth(out) == 100


def test_a_deep_input_folder_is_copied_or_refused(runner, tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    try:
        outcome = runner.run("echo started", dir=tmp_path)
        assert outcome.code == 0 or outcome.error["code"] == "SEED_FAILED", outcome
    finally:
        host.remove(tmp_path / "d")
