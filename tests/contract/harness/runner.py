# SPDX-License-Identifier: MIT
"""Calls the executable: one object per cell, one method per kind of call."""
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from . import dockerd, image_maker, schemas, witness

DEADLINE = 60


class Outcome:
    """The exit code and the output of one call."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.json = None

    def checked(self, expects_json):
        # A sanitizer's report fails the test, even if the test expects an error.
        for words in (b": runtime error: ", b"Sanitizer: "):
            assert words not in self.stderr and words not in self.stdout[:100000], self
        if expects_json:
            # Exactly one JSON object: json.loads() rejects anything after it.
            try:
                self.json = json.loads(self.stdout)
            except ValueError as error:
                raise AssertionError(f"stdout is not one JSON document ({error}): {self}") from None
            assert isinstance(self.json, dict), self
        return self

    @property
    def error(self):
        return (self.json or {}).get("error")

    @property
    def text(self):
        """The program's own output with --json: stderr without light-runner's own lines."""
        lines = self.stderr.decode(errors="surrogateescape").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("light-runner: "))

    @property
    def lines(self):
        return self.text.splitlines()

    def __repr__(self):
        return f"code={self.code} stdout={self.stdout[-2000:]!r} stderr={self.stderr[-2000:]!r}"


class Runner:
    def __init__(self, executable, cell, scratch):
        self.executable, self.cell, self.scratch = executable, cell, str(scratch)
        self.engine, self.tier = cell

    def cli(self, *argv, stdin=None, deadline=DEADLINE, expects_json=None, env=None, before=()):
        """Calls the executable with these arguments. stdin: bytes, a file, or None for /dev/null. before: the words of a command that
        executes it."""
        given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
        try:
            done = subprocess.run(
                [*before, self.executable, *argv],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=deadline,
                env=env,
                **given,
            )
        except subprocess.TimeoutExpired as error:
            witness.saw(argv, f"{error}: stdout={error.stdout!r} stderr={error.stderr!r}", env)
            raise
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        witness.saw(argv, outcome, env)
        outcome.checked("--json" in argv if expects_json is None else expects_json)
        # A detached run prints only its id.
        if argv[0] == "run" and outcome.json is not None and set(outcome.json) != {"id"}:
            schemas.result(outcome.json)
        return outcome

    def load(self, image, name):
        """Puts an image (harness/image_maker.py) where the engine finds it."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            archive = image_maker.docker_archive(pathlib.Path(folder) / "image.tar", image)
            if self.engine == "docker":
                dockerd.current().load_archive(archive, name)
                return None
            done = self.cli("image", "import", "--json", str(archive), name)
        assert done.code == 0, done
        return done.json

    def cell_flags(self):
        return ["--engine", self.engine, "--runtime", self.tier]

    def request(self, script=None, image="busybox", *, options=None, **fields):
        """Builds the request document. Runs have no network unless the test sets one."""
        document = {"image": image, "networks": ["none"]}
        if script is not None:
            document["entrypoint"] = script
        if "extract" in fields:
            fields["extract"] = [
                e if isinstance(e, dict) else {"from": str(e[0]), "to": str(e[1])} for e in fields["extract"]
            ]
        if "dir" in fields:
            fields["dir"] = str(fields["dir"])
        document.update(fields)
        document["options"] = {"engine": self.engine, "runtime": self.tier, **(options or {})}
        if fields.get("run"):
            document["options"].setdefault("setupRuntime", "runc")  # the only tier for setup steps
        return document

    def needs_disk_cap(self):
        """Skips a test of `disk` if the Docker daemon cannot cap the disk on its file system."""
        if self.engine != "docker":
            return
        error = self.run("true", options={"disk": "1g"}).error
        if error:
            assert error["code"] == "NOT_SUPPORTED" and "--disk" in error["hint"], error
            pytest.skip(f"disk: {error['message']}")

    def write_request(self, document):
        """Writes the request to a file, so that its text is not in the test's own command lines."""
        fd, path = tempfile.mkstemp(suffix=".json", dir=self.scratch)
        with os.fdopen(fd, "wb") as file:
            file.write(document if isinstance(document, bytes) else json.dumps(document).encode())
        return path

    def submit(self, document, *flags, **call):
        """Runs a request document unchanged, with --json."""
        outcome = self.cli("run", "--json", *flags, "--request", self.write_request(document), **call)
        if isinstance(document, dict) and (outcome.error or {}).get("code") != "INVALID_ARGUMENT":
            schemas.request(document)
        return outcome

    def run(self, script=None, image="busybox", *, flags=(), stdin=None, deadline=DEADLINE, **fields):
        """Runs a script with --json. The program's output is in .text, the result in .json."""
        return self.submit(self.request(script, image, **fields), *flags, stdin=stdin, deadline=deadline)

    def ok(self, script=None, image="busybox", **call):
        """The same, and fails the test unless the run succeeds."""
        outcome = self.run(script, image, **call)
        assert outcome.code == 0 and outcome.json.get("success") is True, outcome
        return outcome

    def plain(self, script, *flags, image="busybox", stdin=None, deadline=DEADLINE, env=None):
        """Runs a script by flags, without --json: stdout and stderr are the program's own."""
        return self.cli("run", *self.cell_flags(), "--network", "none", *flags, image, "--", script,
                        stdin=stdin, deadline=deadline, env=env)

    def start(self, script, *flags, **fields):
        """Starts a run with --json and returns the process. The caller waits for it."""
        argv = ["run", "--json", *flags, "--request", self.write_request(self.request(script, **fields))]
        process = subprocess.Popen([self.executable, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        witness.saw(argv, process)
        return process
