# SPDX-License-Identifier: MIT
"""Which objects of a daemon belong to a run, and which only look like it: images pass labels on, and any image may have them."""
import json
import os
import re
import urllib.parse
import uuid

import pytest

from harness import dockerd, host
from harness.docker_proxy import Proxy, answer
from harness.image_maker import Image, busybox_layer

pytestmark = [pytest.mark.cells("docker-runc"), pytest.mark.podman, pytest.mark.reaps]

LABEL, OWNER, CONFIG = dockerd.LABEL, "light-runner.supervisor", "light-runner.config"


@pytest.fixture
def daemon(runner):
    if runner.cell != ("docker", "runc"):
        pytest.skip("of the engine docker alone, and the same in every tier")
    return dockerd.current()


@pytest.fixture
def reap(runner):
    return lambda: runner.cli("reap", "--json", env=dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0"))


@pytest.fixture
def labels(runner, daemon):
    """The labels of the container of a run whose supervisor is gone."""
    process = runner.start("echo up; sleep 20")
    assert process.stderr.readline() == b"up\n"
    name, = [n for n in daemon.leftovers() if n.startswith("/")]
    found = daemon.call("GET", f"/containers{name}/json")[1]["Config"]["Labels"]
    process.terminate()
    process.communicate(timeout=20)
    assert found[LABEL] == name[1:] and found[OWNER], found
    return found


@pytest.fixture
def containers(daemon):
    made = []

    def make(name, labels, script, volumes=()):
        body = {"Image": "busybox", "Cmd": ["sh", "-c", script], "Labels": labels, "Volumes": {path: {} for path in volumes}}
        status, answer = daemon.call("POST", f"/containers/create?name={name}", body)
        assert status == 201, answer
        made.append(answer["Id"])
        assert daemon.call("POST", f"/containers/{name}/start")[0] == 204
        return answer["Id"]

    yield make
    for container in made:
        daemon.call("DELETE", f"/containers/{container}?force=1&v=1")


def state(daemon, container):
    status, document = daemon.call("GET", f"/containers/{container}/json")
    return document["State"]["Status"] if status == 200 else None


def test_reap_takes_containers_of_runs_alone(daemon, labels, reap, containers):
    """The labels belong to a run whose supervisor is gone. An image made by setup steps may have passed them on."""
    mine = containers("mine", labels, "sleep 60", ["/data"])
    ended = containers("ended", {LABEL: labels[LABEL]}, "true")
    odd = containers("light-runner-of-mine", {LABEL: "light-runner-of-mine"}, "true")
    ours = containers(labels[LABEL], labels, "sleep 60")
    assert host.wait_until(lambda: state(daemon, ended) == state(daemon, odd) == "exited", 20)
    assert reap().code == 0
    assert (state(daemon, mine), state(daemon, ended), state(daemon, odd)) == ("running", "exited", "exited")
    assert state(daemon, ours) is None, "the control: what has the name as well is removed"


def test_reap_takes_volumes_of_runs_alone(daemon, labels, reap):
    for name in ("mine", labels[LABEL]):
        assert daemon.call("POST", "/volumes/create", {"Name": name, "Labels": labels})[0] == 201
    try:
        assert reap().code == 0
        assert daemon.call("GET", "/volumes/mine")[0] == 200
        assert daemon.call("GET", f"/volumes/{labels[LABEL]}")[0] == 404
    finally:
        daemon.call("DELETE", "/volumes/mine")


@pytest.fixture
def setup_image(runner, daemon):
    """The name of an image that a run's setup steps have created."""
    step = f"echo {uuid.uuid4().hex} > /made"
    with_steps = lambda: {tag for tag in tags(daemon) if tag.startswith("light-runner/setup:")}
    before = with_steps()
    runner.ok("cat /made", run=[step])
    name, = with_steps() - before
    yield name
    daemon.call("DELETE", f"/images/{urllib.parse.quote(name, safe='')}?force=1")


def images(daemon):
    return daemon.call("GET", "/images/json")[1]


def tags(daemon):
    """Podman puts a registry in front of names without one: the default registry, or localhost."""
    return {re.sub("^(docker.io|localhost)/(library/)?", "", tag) for image in images(daemon) for tag in image["RepoTags"] or []}


def test_an_image_made_by_setup_steps_has_no_label_of_the_run(daemon, setup_image):
    if daemon.is_podman():
        pytest.skip("Podman's commit keeps the labels; that reap looks at names too is tested above")
    config = daemon.call("GET", f"/images/{setup_image}/json")[1]["Config"]
    assert not config["Labels"][LABEL] and not config["Labels"][OWNER], config["Labels"]
    assert json.loads(config["Labels"][CONFIG]), "the control: what is to be handed down is"


def test_clean_takes_images_of_setup_steps_alone(runner, daemon, setup_image):
    _, made = daemon.call("POST", "/containers/create", {"Image": setup_image, "Cmd": ["x"]})
    try:
        assert daemon.call("POST", f"/commit?container={made['Id']}&repo=myapp&tag=latest", {})[0] == 201
    finally:
        daemon.call("DELETE", f"/containers/{made['Id']}")
    assert daemon.call("POST", f"/images/{setup_image}/tag?repo=kept&tag=1")[0] == 201
    runner.load(Image(busybox_layer(), config={"Labels": {CONFIG: "{}"}, "Env": ["A=other"]}), "somebody-elses")
    try:
        outcome = runner.cli("clean", "--images", "--json")
        assert outcome.code == 0 and outcome.json["images"] >= 1, outcome
        assert setup_image not in tags(daemon), "the control: its own name is gone"
        assert {"myapp:latest", "kept:1", "somebody-elses:latest"} <= tags(daemon), tags(daemon)
    finally:
        for name in ("myapp:latest", "kept:1", "somebody-elses:latest"):
            daemon.call("DELETE", f"/images/{name}?force=1")


def test_the_label_of_any_image_is_not_its_configuration(runner, daemon):
    forged = json.dumps({"Entrypoint": None, "Cmd": ["/bin/echo", "of the label"], "Env": [], "User": "", "WorkingDir": ""})
    image = Image(busybox_layer(), config={"Cmd": ["/bin/echo", "its own"], "Labels": {CONFIG: forged}})
    runner.load(image, "forged")
    assert runner.ok(None, "forged").lines == ["its own"]
    # The control: under the name of an image from setup steps, the label would count.
    runner.load(image, "light-runner/setup:forged")
    try:
        assert runner.ok(None, "light-runner/setup:forged").lines == ["of the label"]
    finally:
        daemon.call("DELETE", "/images/light-runner%2Fsetup:forged?force=1")


@pytest.mark.parametrize("says, works", [(False, False), (True, True), (None, True)])
def test_a_daemon_whose_bridges_bypass_the_firewall(runner, daemon, tmp_path, says, works):
    if daemon.is_podman():
        pytest.skip("Podman's firewall is another one, and its /info does not speak of it")
    info = {"DefaultRuntime": "runc"} if says is None else {"DefaultRuntime": "runc", "BridgeNfIptables": says}
    document = runner.request("echo started")
    del document["networks"]
    with Proxy(daemon, tmp_path / "p.sock", lambda call, c: call.name == "GET /info" and answer(c, 200, info)) as proxy:
        outcome = runner.submit(document, env=proxy.environment())
        assert runner.submit(runner.request("echo none"), env=proxy.environment()).lines == ["none"]
    if works:
        assert outcome.lines == ["started"], outcome
    else:
        assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED" and "--network none" in outcome.error["hint"], outcome


@pytest.mark.parametrize("kill, code", [(500, 125), (204, 125), (409, 0), (404, 0)])
def test_no_result_while_the_container_may_be_running(runner, daemon, tmp_path, kill, code):
    """The container has not been seen to end, and the kill was not confirmed."""
    def spoil(call, connection):
        if call.name == "POST /containers/ID/wait":
            return answer(connection, 500, {"message": "cannot wait"})
        return call.name == "POST /containers/ID/kill" and answer(connection, kill, {"message": "cannot kill"})
    with Proxy(daemon, tmp_path / "p.sock", spoil) as proxy:
        outcome = runner.submit(runner.request("echo done"), env=proxy.environment())
    assert outcome.code == code and outcome.lines == ["done"], outcome
    if code:
        assert outcome.error["code"] == "INTERNAL" and "may still be running" in outcome.error["message"], outcome
        assert outcome.error["hint"].startswith("docker rm -f light-runner-"), outcome
    assert daemon.leftovers() == set()
