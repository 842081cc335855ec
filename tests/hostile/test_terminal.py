# SPDX-License-Identifier: MIT
"""Errors and results contain names that an image or a sandbox chooses. They must not control the user's terminal."""
import os
import unicodedata

import pytest

from harness.image_maker import Image, busybox_layer

# This concerns the agent and its stream, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart

# A window title, a colour, both again with C1 characters, reversed text, and a second line.
NASTY = "owned\x1b]0;t\x07\x1b[31m\x7f\u009b31m\u009d0;t\u009c\u202edcba\u2028z"
FORMAT = "owned" + "".join(f"\\{byte:03o}" for byte in NASTY[5:].encode())  # for the shell's printf


def assert_clean(outcome):
    """Checks that there are only printable characters and line feeds, and that the name is there, quoted."""
    for stream in (outcome.stdout, outcome.stderr):
        bad = [f"U+{ord(c):04X}" for c in stream.decode() if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]
        assert not bad, (bad, outcome)
    assert b"owned" in outcome.stderr + outcome.stdout, f"control: the name is not quoted at all: {outcome}"


def assert_clean_strings(value, seen):
    """Checks the same for the strings that a program gets when it reads the JSON."""
    if isinstance(value, dict):
        for item in value.values():
            assert_clean_strings(item, seen)
    elif isinstance(value, list):
        for item in value:
            assert_clean_strings(item, seen)
    elif isinstance(value, str):
        assert not [c for c in value if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")], (value, seen)


CONFIGURATIONS = {
    "workdir": {"WorkingDir": "/" + NASTY + "/..", "Cmd": ["true"]},
    "user": {"User": NASTY, "Cmd": ["true"]},
    "command": {"Cmd": ["/" + NASTY]},
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_the_configuration_of_an_image(runner, kind):
    runner.load(Image(busybox_layer(), config=CONFIGURATIONS[kind]), "nasty-" + kind)
    plain = runner.cli("run", *runner.cell_flags(), "--network", "none", "nasty-" + kind)
    assert plain.code == 125, plain
    assert_clean(plain)
    outcome = runner.run(None, "nasty-" + kind)
    assert outcome.code == 125, outcome
    assert_clean(outcome)
    assert_clean_strings(outcome.json, outcome)


def test_the_names_of_extracted_files(runner, tmp_path):
    """There is a folder at the file's path, so the reason quotes the file's name."""
    name = NASTY.encode()
    for to in ("plain", "json"):
        (tmp_path / to).mkdir()
        # The folder is not empty, so it cannot be replaced.
        os.makedirs(os.path.join(os.fsencode(tmp_path / to), name, b"x"))
    script = f"mkdir out && cd out && : > \"$(printf '{FORMAT}')\""
    plain = runner.plain(script, "--extract", f"out:{tmp_path / 'plain'}")
    assert b"extract 'out':" in plain.stderr, plain
    assert_clean(plain)
    outcome = runner.run(script, extract=[("out", tmp_path / "json")])
    assert outcome.json["extracted"][0]["status"] == "error", outcome
    assert_clean(outcome)
    assert_clean_strings(outcome.json["extracted"], outcome)


@pytest.mark.once
def test_logs_as_json_give_every_character_and_show_none(runner):
    """Programs that read `logs --json` get the exact text, and people may look at it in a terminal."""
    started = runner.plain(f"printf '{FORMAT}\\377'", "--detach")
    assert started.code == 0, started
    run = started.stdout.decode().strip()
    runner.cli("attach", run)
    logs = runner.cli("logs", "--json", run)
    assert_clean(logs)
    assert logs.json["text"] == NASTY + "\ufffd", logs
