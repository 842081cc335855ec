# SPDX-License-Identifier: MIT
"""An image that tries to have its own program started instead of the agent.

Such a program would be PID 1 without the seccomp filter that the agent installs, and could report whatever kernel is
expected. The runtime resolves the agent's path in the image's root, so a link or a mount point that the image has prepared
at that path would lead it elsewhere.
"""
import itertools
import os
import re
import subprocess

import pytest

from harness import dockerd
from harness.docker_proxy import Proxy
from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink
from test_lying_agent import RUNNING, STDOUT, exit_frame, frame, hello, walls

# A path that is known when the image is made.
KNOWN = "/.light-runner-init"
HEARD = "the image's own program is PID 1"


def impostor(tier):
    """A program that reports what the agent would."""
    said = hello() if tier == "runc" else hello(release="4.4.0", kernel="#1 SMP", log="[    0.000000] Starting gVisor...")
    said += walls() + frame(RUNNING) + frame(STDOUT, HEARD.encode() + b"\n") + exit_frame()
    escaped = "".join(f"\\{byte:03o}" for byte in said)
    return f"#!/bin/busybox sh\nprintf '{escaped}'\nexec /bin/busybox cat > /dev/null\n".encode()


def old_runc():
    """Whether runc resolves links of /proc as text. Since 1.2.8 and 1.3.3 it does not."""
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", subprocess.run(["runc", "--version"], stdout=subprocess.PIPE, check=True).stdout.decode())
    version = tuple(map(int, found.groups()))
    return version < (1, 2, 8) or (1, 3) <= version < (1, 3, 3)


# How the path leads to the program, where the program is, and what else the image and the request contain.
WAYS = {
    "a volume of the image": ("/x/y/init", "x/y/init", {"Volumes": {"/x/y": {}}}, "true"),
    "the run's own volume": ("/app/init", "app/init", {}, "true"),
    "the image's working directory": ("/x/y/init", "x/y/init", {"WorkingDir": "/x/y", "Cmd": ["/bin/true"]}, None),
    "a link of /proc": ("/proc/self/cwd/evil", "evil", {}, "true"),
}


def evil_image(way, tier):
    target, path, config, _ = WAYS[way]
    folders = [folder(part) for part in itertools.accumulate(path.split("/")[:-1], os.path.join)]
    return Image(busybox_layer(), layer(*folders, entry(path, data=impostor(tier), mode=0o755), symlink(KNOWN[1:], target)),
                 config=config)


def at_known_path(call):
    """Makes the daemon start the agent from the path that the image was prepared for."""
    if call.name != "POST /containers/create":
        return None
    document = call.json
    document["Entrypoint"][0] = KNOWN
    for mount in document["HostConfig"]["Mounts"]:
        if mount["Type"] == "bind":
            mount["Target"] = KNOWN
    return document


@pytest.fixture
def daemon(runner):
    if runner.engine != "docker":
        pytest.skip("the agent is shown by Docker's mounts on the engine docker alone")
    return dockerd.current()


@pytest.fixture(params=WAYS)
def way(request, runner):
    runner.load(evil_image(request.param, runner.tier), "impostor")
    return request.param


def test_the_images_program_is_not_the_agent(runner, daemon, way, tmp_path):
    with Proxy(daemon, tmp_path / "proxy.sock") as proxy:
        for _ in range(2):
            outcome = runner.submit(runner.request(WAYS[way][3], "impostor"), env=proxy.environment())
            assert HEARD not in outcome.text, outcome
            assert outcome.code == 0 or outcome.error, outcome
    # The path of the started program is also where the program is mounted. It differs in every run.
    bodies = [call.json for call in proxy.calls if call.name == "POST /containers/create"]
    names = {body["Entrypoint"][0] for body in bodies}
    assert len(names) == len(bodies) == 2 and all(re.fullmatch("/[.]light-runner-[0-9a-f]{32}", name) for name in names), names
    for body in bodies:
        assert [m["Target"] for m in body["HostConfig"]["Mounts"] if m["Type"] == "bind"] == [body["Entrypoint"][0]]


def test_such_a_program_would_be_heard(runner, daemon, way, tmp_path):
    """The control: with a known path, the attack works."""
    if way == "a link of /proc" and (runner.tier != "runc" or not old_runc()):
        pytest.skip("this runtime does not take the links of /proc for text")
    seen = []
    with Proxy(daemon, tmp_path / "proxy.sock", change=at_known_path) as proxy:
        # Mounts of equal depth are made in any order, so the attack by the run's own volume works every second time.
        for _ in range(60):
            seen.append(runner.submit(runner.request(WAYS[way][3], "impostor"), env=proxy.environment()))
            if HEARD in seen[-1].text:
                break
    assert HEARD in seen[-1].text and seen[-1].json["isolation"]["verified"], seen
