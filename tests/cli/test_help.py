# SPDX-License-Identifier: MIT
"""The executable's help, compared with the man pages."""
import os
import re
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))


# Verbs that are described in the pages of other verbs.
FLAGS_OF_RUN = {"setup", "max-log", "states", "images", "runtime"}


def output(*argv):
    done = subprocess.run([PROGRAM, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=30)
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode()


def verbs():
    """{verb: description} of all verbs."""
    rows = re.findall(r"^  ([a-z]+) +(.+)$", output("help").split("light-runner image import")[0], re.MULTILINE)
    return {name: text for name, text in rows if "not in this version" not in text}


def man_page(name):
    with open(os.path.join(ROOT, "man", name + ".1"), encoding="utf-8") as page:
        return page.read()


def test_every_verb_has_help_and_a_man_page():
    assert {"run", "image", "doctor", "reap", "version"} <= set(verbs())
    for verb in verbs():
        assert "light-runner" in output("help", verb)
        if verb != "help":
            assert output(verb, "--help") == output("help", verb)
            assert f".Nm light-runner-{verb}" in man_page(f"light-runner-{verb}")


@pytest.mark.parametrize("verb, least", [("run", 15), ("attach", 1), ("logs", 6), ("stop", 3), ("cancel", 1), ("pause", 1),
                                         ("resume", 1), ("ls", 1), ("clean", 4), ("completion", 0), ("rpc", 0)])
def test_the_man_page_names_the_flags_that_the_help_names(verb, least):
    flags = set(re.findall(r"^  --([a-z-]+)", output(verb, "--help"), re.MULTILINE)) - {"help"}
    synopsis, _, text = man_page(f"light-runner-{verb}").partition(".Sh DESCRIPTION")
    named = set(re.findall(r"Fl Fl ([a-z-]+)(?: \\| ([a-z-]+))?", text if verb == "run" else synopsis + text))
    named = {word for pair in named for word in pair if word}
    assert len(flags) >= least and flags <= named and named <= flags | FLAGS_OF_RUN


@pytest.mark.parametrize("argv", [(), ("nonsense",), ("run", "--nonsense"), ("image", "nonsense"), ("doctor", "x"),
                                  ("version", "x"), ("reap", "x"), ("help", "nonsense")])
def test_wrong_usage_is_125_and_says_where_to_look(argv):
    done = subprocess.run([PROGRAM, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=30)
    assert done.returncode == 125 and done.stdout == b""
    assert b"light-runner" in done.stderr and (b"help" in done.stderr)


@pytest.mark.parametrize("words", [["version"], ["help"], ["doctor"], ["doctor", "--json"], ["image", "ls"], ["ls"], ["reap"]])
def test_output_that_cannot_be_written_is_a_failure(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125 and b"cannot write to the standard output" in done.stderr, done
