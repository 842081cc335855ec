# SPDX-License-Identifier: MIT
"""An image's own configuration: entrypoint, cmd, env, user, working directory."""
import pytest

from harness import dockerd
from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink

pytestmark = [pytest.mark.engine, pytest.mark.apart]

PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:1000:\nstaff:x:50:app,other\nextra:x:60:other\naudio:x:70:app\n"


@pytest.fixture
def configured(runner):
    """Makes the image `configured` with this configuration."""
    def make(**config):
        files = layer(folder("etc"), entry("etc/passwd", data=PASSWD), entry("etc/group", data=GROUP),
                      folder("srv"), folder("srv/data", uid=1000, gid=1000))
        runner.load(Image(busybox_layer(), files, config=config), "configured")
        return "configured"
    return make


def test_entrypoint_and_cmd(runner, configured):
    image = configured(Entrypoint=["/bin/echo", "one  word"], Cmd=["two", "$HOME"])
    assert runner.ok(None, image).lines == ["one  word two $HOME"]


def test_cmd_alone(runner, configured):
    assert runner.ok(None, configured(Cmd=["/bin/sh", "-c", "echo $0 from cmd", "sh0"])).lines == ["sh0 from cmd"]


def test_a_command_replaces_both(runner, configured):
    image = configured(Entrypoint=["/bin/echo", "the image's"], Cmd=["own"])
    assert runner.ok("echo mine", image).lines == ["mine"]


def test_an_image_without_any_needs_a_command(runner, configured):
    outcome = runner.run(None, configured())
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert "entrypoint" in outcome.error["message"] and outcome.error["hint"]


def test_env_and_what_the_request_overrides(runner, configured):
    image = configured(Env=["A=image", "B=image", "PATH=/bin"])
    assert runner.ok("echo $A $B $C", image, env={"B": "request", "C": "request"}).lines == ["image request request"]


def test_variables_are_there_once(runner, configured):
    """The last value counts. An image's PATH or HOME without a value is not there, and what is no variable is not either."""
    variables = ["A=old", "PATH=", "HOME=", "B=x=y", "EMPTY=", "NONE", "A=new", "C=image"]
    if runner.engine == "local":
        variables.append("=bad")  # a container of such an image is none that Docker starts
    image = configured(Entrypoint=["env"], Env=variables)
    said = runner.ok(None, image, env={"C": "request", "D": ""}).lines
    assert sorted(said) == sorted(["A=new", "B=x=y", "EMPTY=", "C=request", "D=", "HOME=/root",
                                   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])


def test_a_shell_is_found_whatever_path_says(runner, configured):
    assert runner.ok('echo "[$PATH]"', configured(Env=["PATH=/nowhere"])).lines == ["[/nowhere]"]
    assert runner.ok('echo "[$PATH]"', env={"PATH": ""}).lines == ["[]"]
    with open("/bin/busybox", "rb") as file:
        tools = layer(folder("tools"), entry("tools/busybox", data=file.read(), mode=0o755), symlink("tools/sh", "busybox"))
    runner.load(Image(tools, config={"Env": ["PATH=/tools"]}), "tools")
    assert runner.ok("echo found", "tools").lines == ["found"]


# The agent resolves the user in every cell, so one name and one pair of numbers show that it gets the image's.
@pytest.mark.parametrize("user, said", [
    ("app", "uid=1000(app) gid=1000(app) groups=1000(app),50(staff),70(audio)"),
    ("4242:4243", "uid=4242 gid=4243 groups=4243"),
    *(pytest.param(*case, marks=pytest.mark.any_cell) for case in [
        ("1000", "uid=1000(app) gid=1000(app) groups=1000(app),50(staff),70(audio)"),
        ("app:extra", "uid=1000(app) gid=60(extra) groups=60(extra)"),
        ("1000:60", "uid=1000(app) gid=60(extra) groups=60(extra)"),
        ("4242", "uid=4242 gid=0(root) groups=0(root)"),
        ("root", "uid=0(root) gid=0(root)"),
        ("", "uid=0(root) gid=0(root)"),
    ]),
])
def test_user(runner, configured, user, said):
    words = runner.ok("id", configured(User=user)).lines[0].split(" groups=")
    expected = said.split(" groups=")
    assert words[0] == expected[0]
    if expected[1:]:
        assert set(words[1].split(",")) == set(expected[1].split(","))
    else:
        assert words[1:] in ([], ["0(root)"])


@pytest.mark.parametrize("user", ["nobody-here", *(pytest.param(user, marks=pytest.mark.any_cell)
                                                   for user in ("app:no-group", "-1", "99999999999999999999", "a b"))])
def test_a_user_that_is_not_there(runner, configured, user):
    outcome = runner.run("echo started", configured(User=user))
    assert outcome.code == 125 and "started" not in outcome.text
    assert outcome.error["code"] in ("CONTAINER_START_FAILED", "INVALID_ARGUMENT", "IMAGE_INVALID")


def test_a_user_can_write_to_the_workdir(runner, configured):
    assert runner.ok("touch f && ls", configured(User="app")).lines == ["f"]


def test_workdir_goes_with_the_images_own_command(runner, configured):
    image = configured(WorkingDir="/srv/data", Cmd=["pwd"])
    assert runner.ok(None, image).lines == ["/srv/data"]
    assert runner.ok(None, image, workdir="/other").lines == ["/other"]
    assert runner.ok("pwd", image).lines == ["/app"]


def test_files_go_into_the_images_workdir(runner, configured, tmp_path):
    (tmp_path / "f").write_text("in\n")
    image = configured(WorkingDir="/srv/data", Cmd=["/bin/cat", "f"])
    outcome = runner.ok(None, image, dir=tmp_path, extract=[("f", tmp_path / "out")])
    assert outcome.lines == ["in"] and (tmp_path / "out" / "f").read_text() == "in\n"


@pytest.mark.parametrize("workdir, found", [("relative", "/relative"), ("/new/one", "/new/one")])
def test_workdirs_that_are_not_there(runner, configured, workdir, found):
    assert runner.ok(None, configured(WorkingDir=workdir, Cmd=["pwd"])).lines == [found]


def test_a_hostile_workdir(runner, configured):
    outcome = runner.run(None, configured(WorkingDir="/srv/../../x", Cmd=["pwd"]))
    assert outcome.code == 125 and outcome.error["code"] == "IMAGE_INVALID"


def test_a_program_that_is_not_there(runner, configured):
    outcome = runner.run(None, configured(Entrypoint=["/no/such/program"]))
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED"
    assert "/no/such/program" in outcome.error["message"]


def test_a_program_where_the_workdir_would_be(runner, tmp_path):
    """Nobody names a working directory, and the image has a program of that name."""
    if runner.engine == "docker" and dockerd.current().is_podman():
        pytest.skip("Podman shows the volume, not what the image has in its place (docs/docker.md)")
    program = layer(entry("app", data=b"#!/bin/sh\npwd\necho made > /result\n", mode=0o755))
    runner.load(Image(busybox_layer(), program, config={"Entrypoint": ["/app"]}), "program")
    outcome = runner.ok(None, "program", extract=[("result", tmp_path / "out")])
    assert outcome.lines == ["/"] and (tmp_path / "out" / "result").read_text() == "made\n"
    named = runner.run(None, "program", workdir="/app")
    assert named.code == 125 and "/app" in named.error["message"] and not named.text, named


def test_workdirs_that_are_links_to_nothing(runner, tmp_path):
    """What they lead to is made, within the sandbox."""
    (tmp_path / "f").write_text("in\n")
    links = layer(folder("srv"), symlink("data", "srv/one"), symlink("srv/one", "../tmp/two/three"), symlink("loop", "loop"))
    runner.load(Image(busybox_layer(), links, config={"WorkingDir": "/data", "User": "1000", "Cmd": ["/bin/sh", "-c", "cat f && : > g && pwd -P"]}),
                "links")
    assert runner.ok(None, "links", dir=tmp_path).lines == ["in", "/tmp/two/three"]
    loop = runner.run("echo started", "links", workdir="/loop/x")
    assert loop.code == 125 and "started" not in loop.text, loop


def test_a_workdir_of_roots_and_another_user(runner, tmp_path):
    """The command's user can write to the folder with its files, even if the image has created that folder."""
    (tmp_path / "in" / "src").mkdir(parents=True)
    (tmp_path / "in" / "src" / "f").write_text("in\n")
    roots = layer(folder("app"), folder("app/src"), folder("app/other"), entry("app/mine", data=b"image\n"))
    runner.load(Image(busybox_layer(), roots, config={"User": "1000:1000"}), "roots")
    script = """cat mine src/f && : > src/f && : > src/g && echo done > result || exit 1
    (: > other/x) 2>/dev/null && exit 2; (: > /x) 2>/dev/null && exit 3; exit 0"""
    outcome = runner.ok(script, "roots", dir=tmp_path / "in", extract=[("result", tmp_path / "out")])
    assert outcome.lines == ["image", "in"] and (tmp_path / "out" / "result").read_text() == "done\n"
    assert runner.ok("(: > x) 2>/dev/null; id -u; pwd; exit 0", "roots", workdir="/").lines == ["1000", "/"]
