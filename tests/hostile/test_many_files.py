# SPDX-License-Identifier: MIT
"""A hundred thousand empty files have no bytes, so every extracted entry counts with its header."""
import os

import pytest

# The agent sends the files, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart


# The supervisor counts. The other cells count the folders below.
@pytest.mark.any_cell
@pytest.mark.long
@pytest.mark.slow
def test_empty_files_count_against_the_cap(runner, tmp_path):
    script = "mkdir d; cd d; i=0; while [ $i -lt 100000 ]; do : > $i; i=$((i+1)); done"
    outcome = runner.ok(script, extract=[("d", tmp_path / "out")], options={"maxExtractBytes": 20 << 20}, deadline=150)
    entry = outcome.json["extracted"][0]
    assert entry["status"] == "error" and str(20 << 20) in entry["error"]
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []


def test_empty_folders_count_too(runner, tmp_path):
    script = "mkdir d; cd d; i=0; while [ $i -lt 1000 ]; do mkdir $i; i=$((i+1)); done"
    outcome = runner.ok(script, extract=[("d", tmp_path / "out")], options={"maxExtractBytes": 100 << 10})
    assert outcome.json["extracted"][0]["status"] == "error"
