# SPDX-License-Identifier: MIT
"""`argv`: the command as a list of words, without a shell."""
import json

import pytest

from harness import image_maker, images

pytestmark = pytest.mark.apart

WORDS = ["a  b", "$HOME", "*", "", "'\"\\", "-x", "--", "ünï", "new\nline", ";exit 9"]


@pytest.fixture
def bare(runner):
    """An image that contains one program and no sh."""
    with open(images.BUSYBOX, "rb") as file:
        program = file.read()
    files = image_maker.layer(
        image_maker.folder("opt"), image_maker.entry("opt/echo", data=program, mode=0o755),
        image_maker.entry("opt/plain", data=b"x"), image_maker.entry("opt/script", data=b"#!/no/interpreter\n", mode=0o755))
    runner.load(image_maker.Image(files), "bare")
    return "bare"


def test_words_reach_the_program_as_they_are(runner, bare):
    """By the request and by the flag, in an image without sh. The program is found by the run's own PATH."""
    env = {"PATH": "/nowhere:/opt"}
    outcome = runner.ok(image=bare, argv=["echo", *WORDS], env=env)
    assert outcome.text == " ".join(WORDS) + "\n"
    outcome = runner.cli("run", *runner.cell_flags(), "--network", "none", "--env", "PATH=/opt", "--argv", bare, "--", "echo",
                         *WORDS)
    assert outcome.code == 0 and outcome.stdout.decode() == " ".join(WORDS) + "\n", outcome


@pytest.mark.any_user
def test_words_take_the_place_of_the_images_own(runner):
    """They replace the image's entrypoint and its command."""
    own = image_maker.Image(image_maker.busybox_layer(), config={"Entrypoint": ["/bin/echo", "entrypoint"], "Cmd": ["cmd"]})
    runner.load(own, "own-words")
    assert runner.ok(image="own-words").lines == ["entrypoint cmd"], "the control: it has both"
    assert runner.ok(image="own-words", argv=["echo", "argv"]).lines == ["argv"]


def test_what_cannot_be_executed_ends_with_127_or_126(runner, bare):
    """This is a result of the command, not an error of light-runner. The command's stderr gives the reason."""
    def run(*argv):
        outcome = runner.cli("run", *runner.cell_flags(), "--network", "none", "--env", "PATH=/opt", "--argv", bare, *argv)
        assert outcome.stdout == b"" and outcome.stderr.startswith(b"light-runner: cannot execute '" + argv[0].encode()), outcome
        return outcome.code, outcome.stderr.decode().partition("': ")[2].strip()

    assert run("nothing", "x") == (127, "not found in PATH")
    assert run("/opt/plain") == (126, "Permission denied")
    assert run("/opt/script") == (127, "its interpreter or loader does not exist")
    outcome = runner.run(image=bare, argv=["/opt"])
    assert outcome.code == 126 and outcome.json["exitCode"] == 126 and outcome.json["success"] is False, outcome
    assert "signal" not in outcome.json and outcome.error is None


@pytest.mark.any_cell
@pytest.mark.any_user
def test_what_is_no_command_is_refused(runner):
    def refused(document, words):
        outcome = runner.submit(document)
        assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and words in outcome.error["message"], outcome

    refused(runner.request("echo started", argv=["echo"]), "argv: cannot be given together with 'entrypoint'")
    refused(runner.request(command="echo started", argv=["echo"]), "together")
    refused(runner.request(argv=[]), "argv: is empty")
    refused(runner.request(argv=["", "x"]), "argv: the first word is empty")
    refused(runner.request(argv=["a\0b"]), "argv[0]: contains a NUL")
    refused(runner.request(argv=["a", 5]), "argv[1]: must be a string")
    refused(runner.request(argv="echo"), "argv: must be a list")
    refused(runner.request(argv=["a", "b" * 131072]), "argv: word 1 is 131072 bytes long")
    refused(runner.request(argv=["a"] + ["b" * 131071] * 9), "argv: is over the limit")
    outcome = runner.cli("run", *runner.cell_flags(), "--argv", "busybox")
    assert outcome.code == 125 and b"--argv: there is no command" in outcome.stderr, outcome


@pytest.mark.any_tier
@pytest.mark.any_user
def test_flags_go_over_the_request(runner):
    """Whichever kind of command the flags give, it replaces the document's."""
    path = runner.write_request(runner.request(argv=["echo", "document"]))
    assert runner.cli("run", "--request", path, "busybox", "echo shell").stdout == b"shell\n"
    path = runner.write_request(runner.request("echo document"))
    assert runner.cli("run", "--request", path, "--argv", "busybox", "echo", "a  b").stdout == b"a  b\n"


@pytest.mark.any_tier
@pytest.mark.any_user
def test_a_detached_run_keeps_its_words(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    run_id = runner.cli("run", "--detach", *runner.cell_flags(), "--network", "none", "--argv", "busybox", "echo", "a  b").stdout
    outcome = runner.cli("attach", "--json", run_id.decode().strip())
    assert outcome.code == 0, outcome
    state = json.loads((tmp_path / "state" / f"{run_id.decode().strip()}.json").read_text())
    assert state["argv"] == ["echo", "a  b"] and "command" not in state
    assert b"echo a  b" in runner.cli("ls").stdout
