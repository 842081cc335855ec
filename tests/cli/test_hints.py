# SPDX-License-Identifier: MIT
"""What the hints in the sources recommend is there: verbs, flags, packages. Whether it helps is tested where the errors are."""
import glob
import os
import re
import subprocess

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))

LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Flags of other programs that hints name.
OTHERS = {"--privileged", "--output", "--user", "--scope", "--add-subuids", "--add-subgids", "--format", "--decryption-key", "--help"}
# What hints of a file speak of when they name no verb.
VERBS = {"src/setup/": "setup gvisor", "cli/verb_verify.c": "verify"}
# Of the distribution, and installed by whoever wants the thing: none of them is needed by the tests.
ELSEWHERE = {"skopeo"}


def hints():
    """The texts of every hint, and of every message beside one: (file, text)."""
    for folder in ("src", "lib", "cli"):
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "**", "*.c"), recursive=True)):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for match in re.finditer(r"\b(?:error_hint|missing)\(", text):
                end = text.index(";", match.end())
                # Literals side by side are one; what is between others is another argument.
                joined = re.sub(r'"\s*"', "", re.sub(r"/\*.*?\*/", "", text[match.end():end], flags=re.DOTALL))
                for literal in LITERAL.findall(joined):
                    yield os.path.relpath(path, ROOT), literal


def help_of(*words):
    return subprocess.run([PROGRAM, *words, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=30).stdout.decode()


def test_verbs_and_flags_of_hints_are_there():
    helps, wrong, seen = {}, [], 0

    def knows(verb, flag):
        if verb not in helps:
            helps[verb] = help_of(*verb.split())
        return re.search(re.escape(flag) + r"\b", helps[verb]) is not None

    verbs = set(re.findall(r"^  ([a-z]+) ", help_of(), re.MULTILINE))
    assert "run" in verbs
    for path, hint in hints():
        for part in re.split(r"[;,()]| or ", hint):
            called = re.search(r"light-runner ((?:image|setup|network) [a-z]+|[a-z]+)", part)
            verb = called.group(1) if called and called.group(1).split()[0] in verbs else next(
                (verb for start, verb in VERBS.items() if path.startswith(start)), "run")
            if re.search(r"(?:^|: |; )light-runner [a-z]+", part) and called.group(1).split()[0] not in verbs:
                wrong.append((path, hint, called.group(1)))
            for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", part):
                seen += 1
                if flag not in OTHERS and not knows(verb, flag):
                    wrong.append((path, hint, flag))
    assert not wrong, "\n".join(map(str, wrong))
    assert seen > 20


def test_packages_of_hints_are_those_that_are_installed():
    with open(os.path.join(ROOT, "scripts", "packages.txt"), encoding="utf-8") as file:
        packages = set(re.findall(r"[a-z0-9][a-z0-9.+-]+", re.sub(r"#.*", "", file.read())))
    named = {word for _, hint in hints() for words in re.findall(r"apt-get install ([a-z0-9.+ -]+)", hint)
             for word in re.split(r" or | \(", words)[0].split()}
    assert len(named) >= 5 and named <= packages | ELSEWHERE, named - packages
