# SPDX-License-Identifier: MIT
"""Differences of Podman's service: containers in one network reach each other, so each run gets its own network."""
import json
import os
import urllib.parse

import pytest

from harness import dockerd, host
from harness.docker_proxy import Proxy, answer

pytestmark = [pytest.mark.cells("docker-runc"), pytest.mark.podman]

CREATE = "POST /v4.0.0/libpod/networks/create"
DEFAULT = ["light-runner-isolated"]


@pytest.fixture
def daemon(runner):
    daemon = dockerd.current() if runner.cell == ("docker", "runc") else None
    if not daemon or not daemon.is_podman():
        pytest.skip("of Podman's service alone, and seen in the suite of that name")
    return daemon


def networks(daemon):
    """Those of runs: {name: how it is kept apart}"""
    filters = urllib.parse.quote(json.dumps({"label": [dockerd.LABEL]}))
    _, found = daemon.call("GET", f"/v4.0.0/libpod/networks/json?filters={filters}")
    return {network["name"]: network.get("options", {}).get("isolate") for network in found}


def detached(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    outcome = runner.run("sleep 60", detached=True, networks=DEFAULT)
    assert outcome.code == 0, outcome
    return outcome.json["id"]


def test_a_run_has_a_network_of_its_own(runner, daemon, tmp_path, monkeypatch):
    first, second = detached(runner, tmp_path, monkeypatch), detached(runner, tmp_path, monkeypatch)
    found = networks(daemon)
    assert set(found) == {first, second} and set(found.values()) <= {"strict", "true"}, found
    for run in (first, second):
        assert runner.cli("cancel", run).code == 0
    assert host.wait_until(lambda: not networks(daemon) and not daemon.leftovers(), 20), networks(daemon)


def test_a_network_by_the_name_of_the_default_one_is_that(runner, daemon):
    assert runner.run("echo up", networks=DEFAULT).lines == ["up"]
    assert networks(daemon) == {}


@pytest.mark.reaps
def test_what_a_killed_supervisor_leaves_is_reaped(runner, daemon, tmp_path, monkeypatch):
    lives, killed = detached(runner, tmp_path, monkeypatch), detached(runner, tmp_path, monkeypatch)
    host.kill_supervisor(killed)
    assert host.wait_until(lambda: not host.processes_with(killed), 10)
    environment = dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")
    assert host.wait_until(lambda: runner.cli("reap", env=environment).code == 0 and killed not in networks(daemon), 20)
    assert set(networks(daemon)) == {lives}, "another run does not notice"
    assert runner.cli("network", "prune", "--engine", "docker").code == 0 and set(networks(daemon)) == {lives}
    assert runner.cli("cancel", lives).code == 0
    assert host.wait_until(lambda: not networks(daemon) and not daemon.leftovers(), 20)


@pytest.mark.parametrize("how", ["refuses", "forgets"])
def test_networks_that_cannot_be_kept_apart(runner, daemon, tmp_path, how):
    """As with the network backend of earlier versions; or one that would make it without what makes it a wall."""
    def spoil(call, connection):
        if call.name != CREATE:
            return False
        if how == "refuses":
            return answer(connection, 500, {"message": "unsupported bridge network option isolate"})
        status, made = daemon.call(call.method, call.path, {**call.json, "options": {}})
        return answer(connection, status, made)
    with Proxy(daemon, tmp_path / "p.sock", spoil) as proxy:
        outcome = runner.submit(runner.request("echo started", networks=DEFAULT), env=proxy.environment())
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED" and "--network none" in outcome.error["hint"], outcome
    assert "POST /containers/create" not in proxy.names and networks(daemon) == {}
