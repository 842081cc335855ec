# SPDX-License-Identifier: MIT
"""Kills, in every phase of a run, each process that belongs to it, and its Docker daemon. Afterwards reap removes everything that
is left, no other run is affected, and the state says what happened.

The supervisor stops itself in the phase (LIGHT_RUNNER_TEST_HOLD), so nothing here depends on timing.
"""
import contextlib
import json
import os
import signal
import subprocess
import tempfile

import pytest

from harness import dockerd, host, images

pytestmark = pytest.mark.reaps
PHASES = ["prepare", "start", "run", "collect", "destroy", "remove", "state"]
VICTIMS = ["caller", "supervisor", "relay", "runtime", "agent", "command", "dockerd"]
# The processes that exist in each phase. In the first one, the runtime waits for its configuration.
CASES = [(phase, victim, detached) for phase in PHASES for victim in VICTIMS for detached in (False, True)
         if not (phase == "prepare" and victim in ("relay", "agent", "command"))
         and not (phase == "remove" and victim not in ("caller", "supervisor"))
         and not (phase == "state" and (not detached or victim in ("relay", "runtime", "agent", "command")))]
# Seconds. A daemon takes long to notice that a shim was killed.
PATIENCE = {"local": 10, "docker": 60}
REAP = {"LIGHT_RUNNER_REAP_AGE_MS": "0"}


@pytest.fixture(autouse=True)
def states(tmp_path, monkeypatch):
    folder = tmp_path / "states"
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(folder))
    return folder


def victims_on_docker(supervisor, which):
    """The agent is the container's process, and Docker's shim is the agent's parent."""
    if which == "relay":
        return [pid for pid in host.descendants(supervisor) if host.name_of(pid) == "docker-relay"]
    run_id = host.processes_with("light-runner-supervisor")[supervisor].split()[2]
    _, container = dockerd.current().call("GET", f"/containers/{run_id}/json")
    agent = container["State"]["Pid"]
    if not agent:
        return []
    if which == "command":
        return list(host.descendants(agent))
    found = agent if which == "agent" else host.parent_of(agent)
    return [found] if found else []


def victims_of(supervisor, which, engine):
    if engine == "docker":
        return victims_on_docker(supervisor, which)
    below = host.descendants(supervisor)
    if which == "runtime":
        # The runtime process that keeps the container is the agent's parent.
        return [host.parent_of(pid) for pid, argv in below.items() if argv.startswith("/.light-runner-")]
    if which == "agent":
        return [pid for pid, argv in below.items() if argv.startswith("/.light-runner-")]
    return [pid for pid, argv in below.items() if "sleep 0.0" in argv or argv.startswith("sh -c")]


@pytest.fixture(scope="module")
def own_daemon(tmp_path_factory):
    """A dockerd for the runs of this file only. All other runs use the shared one."""
    if dockerd.missing():
        pytest.skip(dockerd.missing())
    process = dockerd.Process(tempfile.mkdtemp(prefix="lr-dockerd-"))
    try:
        tar = images.make_busybox_tar(str(tmp_path_factory.mktemp("own") / "busybox.tar"))
        dockerd.Daemon(process.host).load_rootfs(tar, "busybox")
        yield process
    finally:
        process.remove()


@pytest.fixture
def victim_daemon(own_daemon):
    """The same daemon, restarted if the previous test has killed it."""
    if own_daemon.process.poll() is not None:
        own_daemon.start()
    assert dockerd.Daemon(own_daemon.host).leftovers() == set(), "an earlier test has left something"
    return own_daemon


def request_of(runner, detached, tmp_path):
    document = runner.request("echo out; sleep 0.01; echo x > f", extract=[("f", tmp_path / "out")], timeout=20000)
    document["detached"] = detached
    return runner.write_request(document)


def case(phase, victim, detached):
    # The tier decides what a killed process leaves, and so does being detached, but not the two together. On Docker, light-runner's own
    # processes are the same in every tier.
    marks = [pytest.mark.any_tier] if detached else [pytest.mark.apart] if victim in ("caller", "supervisor", "relay") else []
    return pytest.param(phase, victim, detached, id=f"{phase}-{victim}-{'detached' if detached else 'attached'}", marks=marks)


@pytest.mark.parametrize("phase, victim, detached", [case(*c) for c in CASES])
def test_kill(request, runner, store, states, tmp_path, phase, victim, detached):
    if victim in ("relay", "dockerd") and runner.engine != "docker":
        pytest.skip("of the engine docker alone")
    if victim == "dockerd" and runner.tier != "runc":
        pytest.skip("the daemon ends in the same way, whatever the tier of its containers")
    if (phase, victim) == ("prepare", "runtime") and runner.engine == "docker":
        pytest.skip("a daemon starts nothing before there is something to be run")
    before = host.leftovers(store)
    bystander = subprocess.Popen([runner.executable, "run", "--json", "--request",
                                  runner.write_request(runner.request("sleep 0.5; echo fine"))],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    marker = f"FAULT_MARKER={os.getpid()}-{runner.engine}-{runner.tier}-{phase}-{victim}-{detached}"
    environment = dict(os.environ, LIGHT_RUNNER_TEST_HOLD=phase, FAULT_MARKER=marker.partition("=")[2])
    reap = dict(os.environ, **REAP)
    daemon = request.getfixturevalue("victim_daemon") if victim == "dockerd" else None
    if daemon:
        environment["DOCKER_HOST"] = reap["DOCKER_HOST"] = daemon.host
    process = subprocess.Popen([runner.executable, "run", "--json", "--request", request_of(runner, detached, tmp_path)],
                               env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    supervisor = host.wait_until(lambda: host.held_supervisor(marker), 20)
    assert supervisor, "the supervisor did not come to the phase"
    if victim == "caller":
        process.kill()
    elif victim == "supervisor":
        os.kill(supervisor, signal.SIGKILL)
    elif victim == "dockerd":
        daemon.process.kill()
        daemon.process.wait()
    else:
        for pid in victims_of(supervisor, victim, runner.engine):
            with contextlib.suppress(ProcessLookupError):  # it may just have exited
                os.kill(pid, signal.SIGKILL)
    if victim != "supervisor":
        os.kill(supervisor, signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=60)
    assert host.wait_until(lambda: host.state_letter(supervisor) is None, 30), "the supervisor does not end"

    if victim != "caller" and not (detached and stdout.startswith(b'{"id"') and len(stdout) < 60):
        document = json.loads(stdout)
        assert "error" in document or "exitCode" in document, "every run has its outcome"
        if phase == "remove" and not detached and runner.engine == "local":
            assert "exitCode" in document, "the result is sent before the removal"
    if daemon:
        # While the daemon is down, reap cannot remove anything, but it already marks the states of runs that are gone.
        runner.cli("reap", env=reap)
        daemon.start()
    assert runner.cli("reap", env=reap).code == 0
    out, err = bystander.communicate(timeout=60)
    assert bystander.returncode == 0 and b"fine" in err, "another run noticed"
    of_the_daemon = lambda: dockerd.Daemon(daemon.host).leftovers() if daemon else set()
    gone = host.wait_until(lambda: (runner.cli("reap", env=reap), host.new_leftovers(before, store, 0) == {} and
                                    of_the_daemon() == set())[1], PATIENCE[runner.engine])
    assert gone, (host.new_leftovers(before, store, 0), of_the_daemon())
    for name in os.listdir(states) if states.is_dir() else []:
        if name.endswith(".json"):
            state = json.loads((states / name).read_text())
            assert state["status"] in ("exited", "cancelled", "failed"), state
            assert state["finishedAt"] >= state["startedAt"]
        else:
            assert not name.endswith((".sock", ".tmp")), f"{name} is left"
