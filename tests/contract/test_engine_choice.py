# SPDX-License-Identifier: MIT
"""Which engine a run takes that names none, where a Docker daemon answers."""
import os

import pytest

from harness.image_maker import Image, busybox_layer, docker_archive, entry, layer


@pytest.fixture
def undecided(runner):
    """The environment of a user who has Docker and has chosen nothing."""
    if (runner.engine, runner.tier) != ("docker", "runc"):
        pytest.skip("needs a Docker daemon; the choice does not depend on the tier")
    return {name: value for name, value in os.environ.items() if name != "LIGHT_RUNNER_ENGINE"}


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


def test_docker_comes_first_where_both_have_the_image(runner, undecided, tmp_path):
    import_locally(runner, "choice-both", b"local\n", tmp_path, undecided)
    runner.load(image(b"docker\n"), "choice-both")
    done = runner.cli("run", "--network", "none", "choice-both", "--", "cat /text", env=undecided)
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
