# SPDX-License-Identifier: MIT
"""Which executable the packages take, and what they say of one that does not fit. Both languages, with scripts for executables."""
import json
import os
import shutil
import subprocess
import sys

import pytest

from test_node import installed, node  # noqa: F401

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PYTHON = os.path.join(ROOT, "bindings", "python", "src", "light_runner")
PLATFORM = "@light-runner/linux-" + {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
pytestmark = pytest.mark.any_cell

# Says which version it is, and no more.
OTHER = """#!/bin/sh
case $1 in
rpc) echo '{"event":"hello","version":"%s","protocol":1,"methods":[],"limits":{}}'; cat >/dev/null ;;
version) echo '{"version":"%s"}' ;;
esac
"""

PROGRAMS = {
    "python": """
from light_runner import LightRunnerError, Runner
try:
    Runner().run(image="x").result()
except LightRunnerError as error:
    print(error.code, error.message, error.hint, sep="|")
""",
    "node": """
import { Runner } from 'light-runner';
await new Runner().run({ image: 'x' }).result.catch((error) => console.log([error.code, error.message, error.hint].join('|')));
""",
    "node, at once": """
import { listStates } from 'light-runner';
try {
  listStates();
} catch (error) {
  console.log([error.code, error.message, error.hint].join('|'));
}
""",
}


class Package:
    """A copy of the package, beside which executables can be put."""

    def __init__(self, language, folder, request):
        self.language, self.folder = language, folder
        if language == "python":
            shutil.copytree(PYTHON, folder / "light_runner", ignore=shutil.ignore_patterns("__pycache__"))
            self.beside = folder / "light_runner" / "bin" / "light-runner"
            self.argv = [sys.executable, "-B", "-c", PROGRAMS[language]]
        else:
            program = request.getfixturevalue("node")
            shutil.copytree(request.getfixturevalue("installed"), folder, symlinks=True, dirs_exist_ok=True)
            own = folder / "node_modules" / PLATFORM
            shutil.rmtree(own, ignore_errors=True)
            own.mkdir(parents=True)
            (own / "package.json").write_text(json.dumps({"name": PLATFORM, "version": "0.1.0"}))
            self.beside = own / "bin" / "light-runner"
            self.argv = [program, "--input-type=module", "-e", PROGRAMS[language]]

    def says(self, path, chosen=None):
        """code, message, hint"""
        env = {"PATH": str(path), "HOME": str(self.folder)}
        if chosen:
            env["LIGHT_RUNNER_BIN"] = str(chosen)
        if self.language == "python":
            env["PYTHONPATH"] = str(self.folder)
        done = subprocess.run(self.argv, cwd=str(self.folder), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 0 and done.stdout.count(b"|") == 2, done
        return done.stdout.decode().strip().split("|")


@pytest.fixture(params=list(PROGRAMS))
def package(request, tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    return Package(request.param, folder, request)


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def other(path, version):
    return script(path, OTHER % (version, version))


def test_the_order(package, cell, tmp_path):
    """LIGHT_RUNNER_BIN, then beside the package, then PATH; a version that does not fit shows which one was taken."""
    del cell
    chosen, on_path = other(tmp_path / "chosen", "0.0.1"), other(tmp_path / "path" / "light-runner", "0.0.3")
    os.symlink("/bin/cat", tmp_path / "path" / "cat")
    other(package.beside, "0.0.2")
    assert f"'{chosen}' is version 0.0.1" in package.says(on_path.parent, chosen)[1]
    assert f"'{package.beside}' is version 0.0.2" in package.says(on_path.parent)[1]
    package.beside.unlink()
    assert f"'{on_path}' is version 0.0.3" in package.says(on_path.parent)[1]


@pytest.mark.parametrize("version", ["0.0.9", "0.2.0", "1.0.0"])
def test_another_version_says_what_to_do(package, cell, tmp_path, version):
    del cell
    code, message, hint = package.says("/usr/bin:/bin", other(tmp_path / "other", version))
    assert code == "NOT_SUPPORTED" and f"version {version}" in message and "made for 0.1.0" in message
    assert "install light-runner 0.1.0" in hint and "LIGHT_RUNNER_BIN" in hint and f"the package for version {version}" in hint


def test_no_executable_says_what_to_do(package, cell):
    del cell
    for path, chosen in (("/nonexistent", None), ("/usr/bin", "/nonexistent/light-runner")):
        code, message, hint = package.says(path, chosen)
        assert code == "IO_FAILED" and "light-runner" in message and "make install" in hint and "LIGHT_RUNNER_BIN" in hint


@pytest.mark.parametrize("text", ["exit 127", "echo no JSON"])
def test_one_that_does_not_work_points_to_doctor(package, cell, tmp_path, text):
    del cell
    path = script(tmp_path / "broken", f"#!/bin/sh\n{text}\n")
    code, message, hint = package.says("/usr/bin:/bin", path)
    assert code in ("IO_FAILED", "INTERNAL") and str(path) in message and "light-runner doctor" in hint
