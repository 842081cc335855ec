# SPDX-License-Identifier: MIT
"""The supervisor of a paused run is killed. A frozen sandbox cannot end by itself."""
import pytest

from harness import host

pytestmark = [pytest.mark.vm, pytest.mark.orphans]


def test_the_supervisor_of_a_paused_run_is_killed(runner, store, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "states"))
    monkeypatch.setenv("LIGHT_RUNNER_REAP_AGE_MS", "0")
    before = host.leftovers(store)
    run_id = runner.submit(runner.request("while :; do :; done", detached=True)).json["id"]
    assert runner.cli("pause", run_id).code == 0
    host.kill_supervisor(run_id)
    assert host.wait_until(lambda: runner.cli("reap").code == 0 and not host.traces(run_id), 20), host.traces(run_id)
    assert host.wait_until(lambda: not host.processes_with(run_id), 10), host.processes_with(run_id)
    assert runner.cli("attach", run_id).code == 125
    assert host.wait_until(lambda: host.new_leftovers(before, store, 0) == {}, 10), host.new_leftovers(before, store, 0)
    assert runner.ok("echo fine").lines == ["fine"]
