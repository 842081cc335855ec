# SPDX-License-Identifier: MIT
"""The programs of docs/quickstart.md print what they promise."""
import os
import re
import subprocess
import sys

import pytest

from test_node import environment, installed, node  # noqa: F401

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
pytestmark = pytest.mark.any_cell


def block(language, document="docs/quickstart.md"):
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        return re.search(rf"^```{language}\n(.*?)^```", file.read(), re.MULTILINE | re.DOTALL).group(1)


def output(argv, folder, env, **more):
    done = subprocess.run(argv, cwd=str(folder), env={**os.environ, **env, **more}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done
    return done.stdout.decode()


@pytest.mark.parametrize("language", ["js", "python"])
def test_readme_has_the_same_programs(language, cell):
    del cell
    assert block(language, "README.md") == block(language)


def test_shell(environment, executable, tmp_path, cell):  # noqa: F811
    del cell
    path = os.path.dirname(executable) + ":" + os.environ["PATH"]
    assert output(["sh", "-c", block("sh")], tmp_path, environment, PATH=path) == "hello\n"


def test_c(environment, executable, tmp_path, cell):  # noqa: F811
    del cell
    (tmp_path / "hello.c").write_text(block("c"))
    build = os.path.dirname(executable)
    subprocess.run(["cc", "-Wall", "-Werror", "-I", os.path.join(ROOT, "include"), "hello.c", "-o", "hello", "-L", os.path.join(build, "lib"),
                    "-llightrunner"], cwd=str(tmp_path), check=True, timeout=60)
    supervisor = os.path.join(build, "libexec", "light-runner", "light-runner-supervisor")
    said = output(["./hello"], tmp_path, environment, LD_LIBRARY_PATH=os.path.join(build, "lib"), LIGHT_RUNNER_SUPERVISOR=supervisor)
    assert said == "hello\nexit code 0\n"


def test_node(environment, installed, node, cell):  # noqa: F811
    del cell
    (installed / "hello.js").write_text(block("js"))
    assert output([node, "hello.js"], installed, environment) == "hello\nexit code 0\n"


def test_python(environment, tmp_path, cell):  # noqa: F811
    del cell
    (tmp_path / "hello.py").write_text(block("python"))
    said = output([sys.executable, "hello.py"], tmp_path, environment, PYTHONPATH=os.path.join(ROOT, "bindings", "python", "src"))
    assert said == "hello\nexit code 0\n"
