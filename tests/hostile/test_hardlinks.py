# SPDX-License-Identifier: MIT
"""Hard links count against the cap, and never lead to a file outside of the sandbox."""
import os

import pytest

# The agent sends the files, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart


def test_hard_links_come_out_as_files_and_are_charged(runner, tmp_path):
    out = tmp_path / "out"
    outcome = runner.ok("mkdir d; head -c 1000 /dev/zero > d/a; ln d/a d/b", extract=[("d", out)])
    entry = outcome.json["extracted"][0]
    assert entry["status"] == "ok" and entry["bytes"] >= 2 * 1024
    assert sorted(os.listdir(out)) == ["a", "b"]
    assert os.stat(out / "a").st_size == os.stat(out / "b").st_size == 1000


def test_a_thousand_links_to_a_big_file_are_over_the_cap(runner, tmp_path):
    script = "mkdir d; head -c 5000000 /dev/zero > d/f; i=0; while [ $i -lt 1000 ]; do ln d/f d/$i; i=$((i+1)); done"
    outcome = runner.ok(script, extract=[("d", tmp_path / "out")])
    assert outcome.json["extracted"][0]["status"] == "error"
