# SPDX-License-Identifier: MIT
"""Mistakes of users: exit code 125, INVALID_ARGUMENT, an error that names the wrong value, and nothing is started."""

import pytest

from harness import host

pytestmark = [pytest.mark.any_tier, pytest.mark.any_user]


def refused(outcome, *names):
    assert outcome.code == 125, outcome
    assert b"light-runner: INVALID_ARGUMENT: " in outcome.stderr, outcome
    for name in names:
        assert name in outcome.stderr.decode(), outcome
    assert b"started" not in outcome.stdout and "\nstarted" not in "\n" + outcome.text
    # One line for people, without internals that only a terminal or a debugger would understand.
    assert outcome.stderr.count(b"\n") == 1 and b"\x1b" not in outcome.stderr


@pytest.mark.any_cell
@pytest.mark.parametrize("flags,names", [
    (["--foo"], ["--foo"]),
    (["--memory", "12q"], ["memory", "12q"]),
    (["--memory", ""], ["memory"]),
    (["--memory", "-1m"], ["memory"]),
    (["--memory", "1.5g"], ["memory"]),
    (["--memory", "0"], ["memory"]),
    (["--memory", "99999999999999999999g"], ["memory"]),
    (["--memory", "1k"], ["memory"]),
    (["--cpus", "nan"], ["cpus"]),
    (["--cpus", "inf"], ["cpus"]),
    (["--cpus", "0"], ["cpus"]),
    (["--cpus", "-1"], ["cpus"]),
    (["--cpus", "0.0001"], ["cpus", "0.01"]),
    (["--cpus", "one"], ["cpus"]),
    (["--cpus", "1x"], ["cpus"]),
    (["--timeout", "-1"], ["timeout"]),
    (["--timeout", "0"], ["timeout"]),
    (["--timeout", "soon"], ["timeout"]),
    (["--timeout", "99999999999999999999"], ["timeout"]),
    (["--disk", "12q"], ["disk"]),
    (["--workdir", "relative"], ["workdir"]),
    (["--gpus", "-all"], ["gpus"]),
    (["--gpus", "a;b"], ["gpus"]),
    (["--runtime", "chroot"], ["runtime", "chroot"]),
    (["--engine", "podman"], ["engine", "podman"]),
    (["--extract", "nocolon"], ["extract"]),
    (["--input-json", "{"], ["input"]),
    (["--dir", "/no/such/folder"], ["/no/such/folder"]),
    (["--request", "/no/such/file"], ["/no/such/file"]),
], ids=lambda v: " ".join(v) if v and v[0].startswith("--") else "")
def test_bad_flag(runner, flags, names):
    refused(runner.cli("run", "--network", "none", *flags, "busybox", "--", "echo started"), *names)


@pytest.mark.any_cell
def test_a_flag_without_its_value(runner):
    refused(runner.cli("run", "--memory"), "--memory")


@pytest.mark.any_cell
def test_no_image(runner):
    refused(runner.cli("run"), "image")


@pytest.mark.any_cell
@pytest.mark.parametrize("flags", [
    ["--cpus", "nan"], ["--cpus", "0"], ["--workdir", "relative"], ["--dir", "/no/such/folder"], ["--dir", "/etc/passwd"],
    ["--request", "/proc/self/cmdline"], ["--input-json", "{"], ["--memory", "12q"], ["--timeout", "soon"], ["--pids", "x"],
], ids=" ".join)
def test_what_to_do_is_said(runner, flags):
    outcome = runner.cli("run", "--json", "--network", "none", *flags, "busybox", "--", "echo started")
    assert outcome.code == 125 and outcome.error["hint"], outcome


@pytest.mark.any_cell
@pytest.mark.parametrize("options", [None, 5, []])
def test_flags_mend_no_document(runner, options):
    document = runner.request("echo started")
    document["options"] = options
    refused(runner.submit(document, "--memory", "64m"), "options: must be an object")


@pytest.mark.any_cell
def test_an_unknown_verb(runner):
    refused(runner.cli("frobnicate"), "frobnicate")


@pytest.mark.any_cell
@pytest.mark.parametrize("fields,names", [
    ({"timeout": -1}, ["timeout"]),
    ({"timeout": 1.5}, ["timeout"]),
    ({"timeout": "1s"}, ["timeout"]),
    ({"image": 5}, ["image"]),
    ({"image": ""}, ["image"]),
    ({"env": 5}, ["env"]),
    ({"env": {"A": 5}}, ["env"]),
    ({"env": {"A": "x\0y"}}, ["env"]),
    ({"workdir": "x"}, ["workdir"]),
    ({"workdir": "/x\0y"}, ["workdir"]),
    ({"networks": [5]}, ["networks"]),
    ({"extract": {}}, ["extract"]),
    ({"extract": [5]}, ["extract"]),
    ({"extract": [{"from": "x"}]}, ["extract"]),
    ({"extract": [{"from": "x", "to": "y", "mode": 1}]}, ["mode"]),
    ({"entrypoint": 5}, ["entrypoint"]),
    ({"entrypoint": "echo x\0y"}, ["entrypoint"]),
    ({"dir": 5}, ["dir"]),
    ({"detached": "yes"}, ["detached"]),
    ({"options": 5}, ["options"]),
    ({"options": None}, ["options"]),
    ({"options": {"memory": 512}}, ["memory"]),
    ({"options": {"cpus": "two"}}, ["cpus"]),
    ({"options": {"cpus": 1e999}}, []),
    ({"options": {"maxExtractBytes": -1}}, ["maxExtractBytes"]),
], ids=str)
def test_bad_field(runner, fields, names):
    document = runner.request("echo started")
    document.update(fields)
    refused(runner.submit(document), *names)


@pytest.mark.any_cell
@pytest.mark.parametrize("document", [
    b"", b"not json", b"{", b"[]", b'"text"', b"5", b"null", b'{"image": "busybox"} {}', b'{"image": "a", "image": "b"}',
    b"\xff\xfe\x00", b'{"image": "\xff"}', b'{"image": "busy\\u0000box"}', b"\0" * 1000,
], ids=repr)
def test_a_request_that_is_no_request(runner, document):
    refused(runner.submit(document))


@pytest.mark.any_cell
def test_json_10000_deep(runner):
    refused(runner.submit(b'{"image": "busybox", "input": ' + b"[" * 10000 + b"]" * 10000 + b"}"))


@pytest.mark.any_cell
def test_json_a_million_deep_and_open(runner):
    refused(runner.submit(b"[" * 1000000))


@pytest.mark.long
@pytest.mark.any_cell
def test_an_env_of_64_mib(runner):
    refused(runner.run("echo started", env={"BIG": "v" * (64 << 20)}), "env")


@pytest.mark.any_cell
def test_an_env_of_very_many_names(runner):
    refused(runner.run("echo started", env={f"N{i}": "v" * 20 for i in range(200000)}), "env")


@pytest.mark.long
@pytest.mark.any_cell
def test_a_giant_request_file(runner):
    refused(runner.submit(b'{"image": "' + b"a" * (100 << 20) + b'"}', deadline=150))


@pytest.mark.parametrize("workdir", ["/proc", "//./sys/kernel"])
def test_a_workdir_of_the_kernel(runner, workdir):
    outcome = runner.run("echo started", workdir=workdir)
    assert outcome.code == 125 and "started" not in outcome.text, outcome
    assert outcome.error["code"] == "INVALID_ARGUMENT" and "workdir: '" in outcome.error["message"], outcome


def test_a_missing_image(runner):
    outcome = runner.run("echo started", image="no-such-image")
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED"
    assert "no-such-image" in outcome.error["message"] and outcome.error["hint"]
    assert "started" not in outcome.text


@pytest.mark.parametrize("image", ["../../etc/passwd", "/etc/passwd", "-rf", "a" * 5000, "a\nb", "sha256:zz", "."])
def test_an_image_name_that_is_none(runner, image):
    outcome = runner.run("echo started", image=image)
    assert outcome.code == 125
    assert outcome.error["code"] in ("INVALID_ARGUMENT", "CONTAINER_START_FAILED")
    assert len(outcome.stderr) < 2000


def test_errors_are_structured(runner):
    outcome = runner.run("echo started", image="no-such-image")
    assert set(outcome.json) == {"error"}
    assert set(outcome.error) <= {"code", "message", "operation", "container", "hint"}
    assert outcome.error["operation"]
    assert outcome.stderr.startswith(b"light-runner: CONTAINER_START_FAILED: ")


def test_nothing_is_left_of_refused_runs(runner, store):
    before = host.leftovers(store)
    runner.run("true", options={"memory": "12q"})
    runner.run("true", image="no-such-image")
    runner.run("true", workdir="/etc/passwd/x")
    assert host.new_leftovers(before, store) == {}


def test_a_closed_stdin_stdout_and_stderr(runner):
    """No file descriptor of light-runner may take the number of a standard stream."""
    path = runner.write_request(runner.request("exit 5"))
    script = f"exec 0<&- 1>&- 2>&-; exec {runner.executable} run --request {path}"
    import subprocess
    assert subprocess.run(["/bin/sh", "-c", script], timeout=30).returncode in (5, 125, 137)
