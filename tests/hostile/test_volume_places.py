# SPDX-License-Identifier: MIT
"""An image whose volumes are at paths where the runtime mounts something itself.

A volume begins with a copy of the image's files at its path. At /dev, these include the image's /dev/null, which older versions of
runc mount over files that they mask. If it is a link, the masked file shows the file of the host's kernel that the link names.
"""
import pytest

from harness import dockerd
from harness.docker_proxy import Proxy, answer
from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink
from test_replaced_agent import old_runc

pytestmark = pytest.mark.cells("docker-*")

SHOWN = "/proc/timer_list"
READ = f"read line < {SHOWN}; echo \"first: $line\"; read line < /proc/keys; echo \"second: $line\""


@pytest.fixture
def daemon(runner):
    if runner.engine != "docker":
        pytest.skip("volumes are of the engine docker alone")
    return dockerd.current()


def own_dev(*entries, volumes=(), **config):
    """Makes an image with its own /dev, in which /dev/null links to a file that every container masks."""
    devices = layer(folder("dev"), symlink("dev/null", SHOWN), *entries)
    return Image(busybox_layer(), devices, config={"Volumes": {path: {} for path in volumes}, **config})


def check_rejected(runner, daemon, tmp_path, place, image, script=READ, **fields):
    runner.load(image, "volumes")
    (tmp_path / "proxy.sock").unlink(missing_ok=True)
    with Proxy(daemon, tmp_path / "proxy.sock") as proxy:
        outcome = runner.submit(runner.request(script, "volumes", **fields), env=proxy.environment())
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED", outcome
    assert f"'{place}'" in outcome.error["message"] and outcome.error["hint"], outcome
    assert "POST /containers/ID/start" not in proxy.names and daemon.leftovers() == set(), proxy.names
    return proxy.names


@pytest.mark.parametrize("place", ["/", "/dev", "/dev/shm", "//dev/", "/./dev", "dev", "/proc", "/proc/sys", "/sys", "/etc", "/etc/x", "/x/../dev"])
def test_a_volume_at_a_place_of_the_runtimes(runner, daemon, tmp_path, place):
    names = check_rejected(runner, daemon, tmp_path, place, own_dev(volumes=[place]))
    assert "POST /containers/create" not in names, names


@pytest.mark.parametrize("place, links", [
    ("/x", [symlink("x", "/dev")]),
    ("/x", [symlink("x", "dev")]),
    ("/y/dev", [symlink("y", "/")]),
    ("/a/b/c", [folder("a"), symlink("a/b", "../z"), symlink("z", "w"), folder("w"), symlink("w/c", "../etc/../dev/shm/new")]),
    ("/self", [symlink("self", "/proc/self/fd")]),
    ("/loop", [symlink("loop", "/loop")]),
], ids=lambda value: value if isinstance(value, str) else None)
def test_a_volume_that_leads_there(runner, daemon, tmp_path, place, links):
    if place == "/loop":
        # The daemon or the runtime may be the one that rejects it.
        runner.load(own_dev(*links, volumes=[place]), "volumes")
        outcome = runner.run(READ, "volumes")
        assert outcome.code == 125 and outcome.error and daemon.leftovers() == set(), outcome
        return
    check_rejected(runner, daemon, tmp_path, place, own_dev(*links, volumes=[place]))


def test_the_runs_own_volume_that_leads_there(runner, daemon, tmp_path):
    check_rejected(runner, daemon, tmp_path, "/app", own_dev(symlink("app", "/dev")))
    check_rejected(runner, daemon, tmp_path, "/x/y", own_dev(symlink("x", "/"), symlink("y", "dev"), WorkingDir="/x/y", Cmd=["/bin/true"]), None)


def test_setup_steps_are_rejected_too(runner, daemon, tmp_path):
    check_rejected(runner, daemon, tmp_path, "/dev", own_dev(volumes=["/dev"]), run=["true"])


def test_what_such_a_volume_would_show(runner, daemon, tmp_path):
    """The control: if nothing rejects the volume, the kernel's file appears instead of the masked one."""
    if runner.tier != "runc" or not old_runc():
        pytest.skip("this runtime mounts another file over what it hides")
    runner.load(own_dev(), "volumes")

    def add_volume(call):
        return {**call.json, "Volumes": {"/dev": {}}} if call.name == "POST /containers/create" else None

    assert runner.ok(READ, "volumes").lines == ["first: ", "second: "], "hidden as they should be"
    with Proxy(daemon, tmp_path / "proxy.sock", change=add_volume) as proxy:
        outcome = runner.submit(runner.request(READ, "volumes"), env=proxy.environment())
    assert any(line.startswith(("first: Timer List", "second: Timer List")) for line in outcome.lines), outcome


def test_volumes_elsewhere_are_as_the_image_has_them(runner, daemon):
    runner.load(Image(busybox_layer(), layer(folder("run"), folder("run/x"), folder("var"), symlink("var/run", "/run"), folder("etcetera"),
                                             entry("run/x/f", data=b"kept\n"), entry("etcetera/g", data=b"kept too\n")),
                      config={"Volumes": {"/var/run/x": {}, "/etcetera": {}}}), "volumes")
    outcome = runner.ok("cat /run/x/f /etcetera/g; echo new > /run/x/h && cat /var/run/x/h", "volumes")
    assert outcome.lines == ["kept", "kept too", "new"], outcome
    assert daemon.leftovers() == set()


def test_a_volume_is_not_outside_of_the_cap(runner, daemon, tmp_path):
    runner.load(Image(busybox_layer(), config={"Volumes": {"/data": {}}}), "volumes")
    info = lambda call, c: call.name == "GET /info" and answer(c, 200, {"Driver": "overlay2", "DefaultRuntime": "runc"})
    with Proxy(daemon, tmp_path / "proxy.sock", info) as proxy:
        outcome = runner.submit(runner.request("true", "volumes", options={"disk": "64m"}), env=proxy.environment())
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED" and "'/data'" in outcome.error["message"], outcome
    assert "--disk" in outcome.error["hint"] and "POST /containers/create" not in proxy.names, (outcome, proxy.names)
    # The control: without the cap, there is a volume, and the result says that the disk has no cap.
    assert runner.ok("echo x > /data/f", "volumes").json["isolation"]["unenforced"] == ["disk"]


@pytest.mark.parametrize("workdir", ["/etc/x", "/dev/shm/x"])
def test_a_working_directory_there_has_no_volume(runner, daemon, tmp_path, workdir):
    with Proxy(daemon, tmp_path / "proxy.sock") as proxy:
        outcome = runner.submit(runner.request("pwd; echo x > f && cat f", workdir=workdir), env=proxy.environment())
    assert outcome.lines == [workdir, "x"], outcome
    body = next(call.json for call in proxy.calls if call.name == "POST /containers/create")
    assert all(mount["Type"] != "volume" for mount in body["HostConfig"]["Mounts"]), body
