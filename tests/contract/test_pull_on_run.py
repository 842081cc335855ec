# SPDX-License-Identifier: MIT
"""A run of an image that is not there pulls it."""
import contextlib
import os
import pty
import signal
import socket
import subprocess

import pytest

from harness import host
from harness.image_maker import Image, busybox_layer, entry, layer
from harness.registry import HTPASSWD, MISSING, Registry, free_port

pytestmark = [pytest.mark.any_tier, pytest.mark.engine, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    r = Registry(tmp_path_factory.mktemp("registry") / "r")
    yield r
    r.stop()


def box(text=b""):
    return Image(busybox_layer(), layer(entry("text", data=text)), config={"Cmd": ["/bin/cat", "/text"]})


def test_a_missing_image_is_pulled_once(runner, registry):
    name = registry.push(f"once-{runner.engine}-{runner.tier}", "1", box(b"pulled\n"))
    assert runner.ok(None, name).lines == ["pulled"]
    registry.push(f"once-{runner.engine}-{runner.tier}", "1", box(b"pushed later\n"))
    assert runner.ok(None, name).lines == ["pulled"], "what is there is not pulled again"


def test_an_image_that_the_registry_does_not_have(runner, registry):
    outcome = runner.run("echo started", f"{registry.host}/none:1")
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED"
    assert "none:1" in outcome.error["message"] and outcome.error["hint"]


def test_a_registry_that_is_down(runner):
    name = f"127.0.0.1:{free_port()}/x:1"
    outcome = runner.run("echo started", name)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED"
    assert name in outcome.error["message"] and outcome.error["hint"]


def test_without_credentials(runner, tmp_path):
    private = Registry(tmp_path / "r", users=HTPASSWD)
    try:
        outcome = runner.run("echo started", private.push("secret", "1", box()))
    finally:
        private.stop()
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED"
    assert "login" in outcome.error["hint"]


def test_a_digest_is_not_pulled(runner):
    outcome = runner.run("echo started", "sha256:" + "0" * 64)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED"


@pytest.fixture
def stalled():
    """The name of an image whose registry takes connections and says nothing, and whether one has come."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.settimeout(0)
        calls = []

        def called():
            with contextlib.suppress(BlockingIOError):
                calls.append(s.accept()[0])
            return bool(calls)

        yield f"127.0.0.1:{s.getsockname()[1]}/x:1", called
        for call in calls:
            call.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_a_pull(runner, store, stalled, number):
    stalled, called = stalled
    before = host.leftovers(store)
    process = runner.start("echo started", image=stalled)
    assert host.wait_until(called, 10), "the pull did not begin"
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 137 and b'"cancelled":true' in stdout.replace(b" ", b""), stderr
    assert host.new_leftovers(before, store) == {}


def test_the_callers_death_ends_a_pull(runner, store, stalled):
    stalled, called = stalled
    before = host.leftovers(store)
    process = runner.start("echo started", image=stalled)
    assert host.wait_until(called, 10), "the pull did not begin"
    process.kill()
    process.communicate(timeout=10)
    assert host.wait_until(lambda: not host.processes_with(stalled), 10)
    assert host.wait_until(lambda: host.new_leftovers(before, store) == {}, 10), host.new_leftovers(before, store)


def test_a_bar_on_a_terminal_and_none_elsewhere(runner, registry):
    files = layer(entry("big", data=os.urandom(8 << 20)))
    name = registry.push(f"bar-{runner.engine}-{runner.tier}", "1",
                         Image(busybox_layer(), files, config={"Cmd": ["/bin/echo", "run"]}, pack=None))
    master, slave = pty.openpty()
    process = subprocess.Popen([runner.executable, "run", *runner.cell_flags(), "--network", "none", name],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    stdout, _ = process.communicate(timeout=60)
    shown = os.read(master, 65536)
    os.close(master)
    assert process.returncode == 0 and stdout == b"run\n"
    assert b"pulling the image" in shown
    runner.cli("image", "rm", name)
    done = runner.cli("run", *runner.cell_flags(), "--network", "none", name)
    assert done.stderr == b"" and done.stdout == b"run\n"
