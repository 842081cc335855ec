# SPDX-License-Identifier: MIT
"""Keyrings are not namespaced: a run could read the caller's keys."""
import pytest


@pytest.mark.parametrize("call", ["keyctl", "add_key", "request_key"])
def test_keyrings_are_out_of_reach(runner, probe_dir, call):
    assert runner.ok(f"./probe {call}", dir=probe_dir).lines[-1].split()[:2] == [call, "refused"]


def test_the_list_of_keys_is_empty(runner):
    assert runner.ok("cat /proc/keys /proc/key-users 2>/dev/null | head -1 | grep -c keyring; exit 0").lines == ["0"]
