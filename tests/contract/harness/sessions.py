# SPDX-License-Identifier: MIT
"""Sessions for tests: a class for one, and the fixtures that open and close them."""
import subprocess

import pytest

from . import host, schemas

__all__ = ["opened", "session", "states"]
IMAGE = "busybox"


@pytest.fixture(autouse=True)
def states(tmp_path, monkeypatch):
    folder = tmp_path / "states"
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(folder))
    return folder


class Session:
    def __init__(self, runner, *flags):
        self.runner = runner
        done = runner.cli("session", "open", "--detach", *runner.cell_flags(), "--network", "none", *flags, IMAGE)
        assert (done.code, done.stderr) == (0, b""), done
        self.id = done.stdout.decode().strip()

    def cli(self, verb, *words, **call):
        return self.runner.cli("session", verb, *words[:-1] if verb == "run" else (), self.id,
                               *(["--", words[-1]] if verb == "run" else words), **call)

    def run(self, script, *flags, **call):
        """With --json: the output is in .text, the result in .json."""
        done = self.cli("run", "--json", *flags, script, **call)
        if "error" not in done.json:
            schemas.result(done.json)
        return done

    def text(self, script, *flags):
        done = self.run(script, *flags)
        assert done.code == 0, done
        return done.text

    def start(self, script, *flags):
        argv = [self.runner.executable, "session", "run", "--json", *flags, self.id, "--", script]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def close(self):
        return self.runner.cli("session", "close", "--json", self.id)


@pytest.fixture
def opened(runner, store, states):
    """Opens sessions. Each is closed at the end, and nothing of it is left."""
    before, all_of_them = host.leftovers(store), []

    def open_one(*flags):
        all_of_them.append(Session(runner, *flags))
        return all_of_them[-1]

    yield open_one
    for session in all_of_them:
        runner.cli("cancel", session.id)
    assert host.new_leftovers(before, store, 10) == {}


@pytest.fixture
def session(opened):
    return opened()
