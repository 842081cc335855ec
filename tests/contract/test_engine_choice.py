# SPDX-License-Identifier: MIT
"""The engine of a run that names none, on a machine where a Docker daemon answers."""
import json
import os
import stat
import subprocess
import tempfile

import pytest

from harness import dockerd
from harness.image_maker import (Image, archive_of, busybox_layer, docker_archive, entry, folder, hardlink, image_layout, layer,
                                 symlink, whiteout)

pytestmark = pytest.mark.cells("docker-runc")

NOBODY = 65534


@pytest.fixture
def undecided(runner):
    """The environment of a user who has Docker and has chosen no engine."""
    if (runner.engine, runner.tier) != ("docker", "runc"):
        pytest.skip("needs a Docker daemon; the choice does not depend on the tier")
    assert "LIGHT_RUNNER_ENGINE" not in os.environ
    return dict(os.environ)


def image(text):
    return Image(busybox_layer(), layer(entry("text", data=text)), config={"Cmd": ["/bin/cat", "/text"]})


def import_locally(runner, name, text, tmp_path, env):
    archive = docker_archive(tmp_path / f"{name}.tar", image(text))
    done = runner.cli("image", "import", str(archive), name, env=env)
    assert done.code == 0, done


def test_an_image_of_the_local_store_runs(runner, undecided, tmp_path):
    import_locally(runner, "choice-local", b"local\n", tmp_path, undecided)
    done = runner.cli("run", "--network", "none", "choice-local", "--", "cat /text", env=undecided)
    assert done.code == 0 and done.stdout == b"local\n", done


def test_the_local_store_comes_first_where_both_have_the_image(runner, undecided, tmp_path):
    """The imported image runs, even if the daemon has another image of that name."""
    import_locally(runner, "choice-both", b"local\n", tmp_path, undecided)
    runner.load(image(b"docker\n"), "choice-both")
    words = ["--network", "none", "choice-both", "--", "cat /text"]
    done = runner.cli("run", *words, env=undecided)
    assert done.code == 0 and done.stdout == b"local\n", done
    done = runner.cli("run", "--engine", "docker", *words, env=undecided)
    assert done.code == 0 and done.stdout == b"docker\n", done


def test_the_hint_of_docker_leads_to_the_local_store(runner, undecided, tmp_path):
    import_locally(runner, "choice-hint", b"local\n", tmp_path, undecided)
    words = ["--network", "none", "choice-hint", "--", "cat /text"]
    done = runner.cli("run", "--json", "--engine", "docker", *words, env=undecided)
    assert done.code == 125 and "--engine local" in done.error["hint"], done
    done = runner.cli("run", "--engine", "local", *words, env=undecided)
    assert done.code == 0 and done.stdout == b"local\n", done


def test_a_named_network_keeps_the_run_on_docker(runner, undecided, tmp_path):
    import_locally(runner, "choice-network", b"local\n", tmp_path, undecided)
    done = runner.cli("run", "--json", "--network", "some-network", "choice-network", "--", "true", env=undecided)
    assert done.code == 125 and "--engine local" in done.error["hint"], done


def test_an_image_that_nobody_has_goes_to_the_engine_with_the_tier(runner, undecided):
    """The daemon here does not have the tier kata. The error names the engine that would pull the image."""
    words = ["--json", "--network", "none", "127.0.0.1:1/nobody/nothing", "--", "true"]
    done = runner.cli("run", *words, env=undecided)
    assert done.code == 125 and done.error["operation"] == "docker.pull", done
    done = runner.cli("run", "--runtime", "kata", *words, env=undecided)
    assert done.code == 125 and done.error["operation"] == "image.pull", done


SCRIPT = ("cat /text /again; cd /; ls -ln text again link folder/note | cut -c1-10; id -u; pwd; echo $WORD; "
          "/bin/busybox stat -c '%u %g %a %Y' /text; /bin/busybox wc -c </hole; "
          "cat /not*utf /more /letters /e\u0301 /\u00e9; echo /* | /bin/busybox od -c")


def rich_image():
    return Image(busybox_layer(),
                 layer(entry("text", data=b"text\n", mode=0o640, uid=7, gid=8), hardlink("again", "text"),
                       symlink("link", "text"), entry("folder/note", data=b"x"), entry("gone", data=b"x"),
                       entry("hole", data=b"\0" * 100000)),
                 layer(whiteout("gone"), entry("n" * 180, data=b"long"), entry("caf\u00e9", data=b"x"),
                       entry("e\u0301", data=b"apart\n"), entry("\u00e9", data=b"in one\n"), entry("not\udcffutf", data=b"bytes\n"),
                       symlink("letters", "e\u0301"), hardlink("more", "e\u0301")),
                 config={"Env": ['WORD=a "b" $c', "PATH=/bin"], "User": "7:8", "WorkingDir": "/folder",
                         "Cmd": ["/bin/sh", "-c", SCRIPT]})


def test_an_import_is_the_same_image_on_docker(runner, undecided, tmp_path):
    """Each format, and a root file system: runs on Docker see the same files as local runs. The image gets no other name."""
    made = rich_image()
    archive = docker_archive(tmp_path / "a.tar", made)
    rootfs = tmp_path / "rootfs.tar"
    rootfs.write_bytes(layer(folder("bin"), entry("bin/busybox", data=open("/bin/busybox", "rb").read(), mode=0o755),
                             symlink("bin/sh", "busybox"), entry("text", data=b"rootfs\n")))
    sources = {"docker": archive, "oci": archive_of(image_layout(tmp_path / "l", made), tmp_path / "o.tar"),
               "folder": tmp_path / "l"}
    runner.load(image(b"not touched\n"), "image0")
    seen = {}
    for engine in ("local", "docker"):
        for kind, source in sources.items() if engine == "docker" else [("docker", archive)]:
            done = runner.cli("image", "import", "--json", "--engine", engine, str(source), f"import-{kind}", env=undecided)
            assert done.code == 0 and done.json["engine"] == engine and done.json["config"]["user"] == "7:8", done
            done = runner.cli("run", "--engine", engine, "--network", "none", f"import-{kind}", env=undecided)
            assert done.code == 0, done
            seen[engine, kind] = done.stdout
    assert b"bytes\napart\napart\napart\nin one\n" in done.stdout, seen
    assert len(set(seen.values())) == 1 and b"text\ntext\n" in done.stdout and b'a "b" $c' in done.stdout, seen
    with open(rootfs, "rb") as pipe:
        done = runner.cli("image", "import", "--engine", "docker", "-", "import-rootfs", stdin=pipe.read(), env=undecided)
    assert done.code == 0, done
    done = runner.cli("run", "--network", "none", "import-rootfs", "--", "/bin/busybox cat /text", env=undecided)
    assert done.code == 0 and done.stdout == b"rootfs\n", done
    done = runner.cli("run", "--engine", "docker", "--network", "none", "image0", env=undecided)
    assert done.stdout == b"not touched\n", done


def test_a_user_without_cgroups_imports_to_docker(runner, undecided, tmp_path):
    """The local engine needs delegated cgroups. A user without them runs on Docker if they may use it, so imports go there, too."""
    daemon, archive = dockerd.current(), docker_archive(tmp_path / "a.tar", image(b"text\n"))
    home = tempfile.mkdtemp(prefix="lr-home-")
    os.chown(home, NOBODY, NOBODY)
    places = {path: stat.S_IMODE(os.stat(path).st_mode) for path in (daemon.socket, os.path.dirname(daemon.socket))}
    env = {"HOME": home, "PATH": os.environ["PATH"], "DOCKER_HOST": daemon.host, "TMPDIR": home}

    def call(*words, **more):
        return subprocess.run([runner.executable, *words], user=NOBODY, group=NOBODY, extra_groups=[], env=env, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    try:
        for path in places:
            os.chmod(path, 0o777)
        with open(archive, "rb") as file:
            done = call("image", "import", "--json", "-", "choice-user", stdin=file)
        if done.returncode != 0 and b"Permission denied" in done.stderr and b"supervisor" in done.stderr:
            pytest.skip("the checkout cannot be entered by other users")
        assert done.returncode == 0 and json.loads(done.stdout)["engine"] == "docker", done
        done = call("run", "--network", "none", "choice-user", "--", "cat /text", stdin=subprocess.DEVNULL)
        assert done.returncode == 0 and done.stdout == b"text\n", done
    finally:
        for path, mode in places.items():
            os.chmod(path, mode)
        subprocess.run(["rm", "-rf", home], check=True, timeout=60)


def listed(runner, env):
    return json.loads(runner.cli("image", "ls", "--json", env=env, expects_json=False).stdout)


def test_ls_shows_both_and_rm_is_careful(runner, undecided, tmp_path):
    import_locally(runner, "verbs-both", b"local\n", tmp_path, undecided)
    runner.load(image(b"docker\n"), "verbs-both")

    def engines():
        return sorted(row["engine"] for row in listed(runner, undecided) if row["name"].endswith("verbs-both:latest"))

    assert engines() == ["docker", "local"]
    table = runner.cli("image", "ls", env=undecided).stdout.decode().splitlines()
    assert table[0].split()[-1] == "ENGINE" and {line.split()[-1] for line in table if "verbs-both" in line} == {"docker", "local"}
    assert runner.cli("image", "rm", "verbs-both", env=undecided).code == 0 and engines() == ["docker"]
    done = runner.cli("image", "rm", "--json", "verbs-both", env=undecided)
    assert done.code == 125 and "--engine docker" in done.error["hint"] and engines() == ["docker"], done
    hint = done.error["hint"].partition("light-runner ")[2].split()
    assert runner.cli(*hint, env=undecided).code == 0 and engines() == []


def test_rm_takes_setup_images_of_docker(runner, undecided):
    runner.load(image(b"x"), "verbs-setup")
    done = runner.cli("run", "--network", "none", "--engine", "docker", "--setup", "echo made >/made", "verbs-setup", "--", "cat /made",
                      env=undecided)
    assert done.code == 0 and done.stdout == b"made\n", done
    names = {row["name"] for row in listed(runner, undecided)}
    setup = [name for name in names if "light-runner/setup:" in name]
    assert setup
    done = runner.cli("image", "rm", *setup, env=undecided)
    assert done.code == 0, done
    left = {row["name"] for row in listed(runner, undecided)}
    assert left == names - set(setup)
