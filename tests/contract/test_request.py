# SPDX-License-Identifier: MIT
"""The request as one JSON document."""
import json

import pytest

pytestmark = [pytest.mark.any_tier, pytest.mark.any_user]


def test_from_stdin(runner):
    document = json.dumps(runner.request("echo hi")).encode()
    outcome = runner.cli("run", "--json", "--request", "-", stdin=document)
    assert outcome.code == 0 and outcome.lines == ["hi"]


def test_from_a_file_without_json_output(runner):
    path = runner.write_request(runner.request("echo hi"))
    outcome = runner.cli("run", "--request", path)
    assert outcome.code == 0 and outcome.stdout == b"hi\n"


def test_flags_override_fields(runner):
    outcome = runner.submit(runner.request("pwd", workdir="/one"), "--workdir", "/two")
    assert outcome.lines == ["/two"]


def test_older_name_command(runner):
    document = runner.request()
    document["command"] = "echo older"
    assert runner.submit(document).lines == ["older"]


def test_older_name_network(runner):
    document = runner.request("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")
    del document["networks"]
    document["network"] = "none"
    assert runner.submit(document).lines == ["lo"]


@pytest.mark.any_cell
@pytest.mark.parametrize("fields", [{"command": "true"}, {"network": "none"}])
def test_old_and_new_name_together_are_refused(runner, fields):
    outcome = runner.submit({**runner.request("true"), **fields})
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert next(iter(fields)) in outcome.error["message"]


@pytest.mark.any_cell
def test_an_unknown_field_is_named(runner):
    outcome = runner.submit({**runner.request("echo started"), "comand": "x"})
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert "comand" in outcome.error["message"]
    assert "started" not in outcome.text


@pytest.mark.any_cell
def test_an_unknown_option_is_named(runner):
    outcome = runner.run("echo started", options={"memroy": "64m"})
    assert outcome.code == 125 and "memroy" in outcome.error["message"]


@pytest.mark.every_cell
def test_every_option_is_taken(runner):
    runner.needs_disk_cap()
    runner.ok("true", options={"memory": "64M", "cpus": 0.5, "noNewPrivileges": True, "disk": "64m",
                               "maxExtractBytes": 1000, "maxLogBytes": 1000})


@pytest.mark.any_cell
def test_detached_with_input_is_refused(runner):
    outcome = runner.run("cat", detached=True, input={"a": 1})
    assert outcome.code == 125 and outcome.error["code"] in ("INVALID_ARGUMENT", "NOT_SUPPORTED")
    assert "input" in outcome.error["message"]


@pytest.mark.any_cell
def test_image_is_required(runner):
    document = runner.request("true")
    del document["image"]
    outcome = runner.submit(document)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "image" in outcome.error["message"]


def test_without_entrypoint_the_images_own_is_used(runner):
    """The test image has none. The error says so."""
    outcome = runner.run()
    assert outcome.code == 125
    assert outcome.error["code"] in ("INVALID_ARGUMENT", "CONTAINER_START_FAILED", "IMAGE_INVALID")


def test_a_network_that_does_not_exist_is_refused(runner):
    outcome = runner.run("echo started", networks=["no-such-network"])
    assert outcome.code == 125 and "no-such-network" in outcome.error["message"]
    assert "started" not in outcome.text


@pytest.mark.every_cell
@pytest.mark.parametrize("cpus", [4096, 0.05])
def test_any_share_of_the_processors(runner, cpus):
    """More cores than the machine has, and so few that a guest would not start with them."""
    runner.ok("true", options={"cpus": cpus})
