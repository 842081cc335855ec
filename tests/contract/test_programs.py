# SPDX-License-Identifier: MIT
"""Real programs, with the default limits: a package manager, compilers, databases, servers, virtual machines.

The programs are in programs/. In each cell one run executes all of them, one after the other: a VM that is emulated takes long
to come up. For C and Java the compiler runs in the sandbox too; the compilers for Go and Rust are large, so what they make
comes from this machine, if it has them.
"""
import os
import pathlib
import shutil
import subprocess
import zipfile

import pytest

from harness import cells, dockerd, images
from harness.runner import Runner

pytestmark = [pytest.mark.once, pytest.mark.seconds(1800)]
SOURCES = pathlib.Path(__file__).parent / "programs"
PROGRAMS = ["c", "java", "node", "numpy", "pip", "pytest", "sqlite", "web"]
COMPILED = {"go": ["go", "build", "-o", "go", "go.go"],
            "rust": ["rustc", "-C", "target-feature=+crt-static", "-o", "rust", "rust.rs"]}


@pytest.fixture(scope="session")
def programs_image(executable, store):
    """Puts the image where an engine finds it. It is large: no engine gets it that does not need it."""
    tar = images.cached_tar("programs")
    if tar is None:
        pytest.skip("no image with these programs in the cache: run scripts/make-image programs")
    there = set()

    def load(engine):
        if engine not in there and engine == "docker":
            dockerd.current().load_rootfs(tar, "programs")
        elif engine not in there:
            subprocess.run([executable, "image", "import", tar, "programs"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           check=True, timeout=300)
        there.add(engine)
        return "programs"
    return load


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The sources, an index with one package, and what was compiled."""
    path = tmp_path_factory.mktemp("programs") / "in"
    shutil.copytree(SOURCES, path)
    write_index(path / "index")
    for argv in COMPILED.values():
        if shutil.which(argv[0]):
            subprocess.run(argv, cwd=path, env={**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off"}, check=True, timeout=300)
    return path


def write_index(path):
    """What pip asks for: an index in HTML, and a wheel."""
    project = path / "simple" / "greeting"
    project.mkdir(parents=True)
    name = "greeting-1.0-py3-none-any.whl"
    (project / "index.html").write_text(f'<!DOCTYPE html><html><body><a href="{name}">{name}</a></body></html>')
    info = "greeting-1.0.dist-info"
    files = {"greeting.py": "def hello(name):\n    return 'hello ' + name\n",
             f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(project / name, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


@pytest.fixture(scope="session")
def printed(executable, programs_image, folder, tmp_path_factory):
    """{program: its output} for one cell; also of a run that failed, which is not repeated."""
    made = {}

    def run(cell):
        if cell not in made:
            runner = Runner(executable, cell, tmp_path_factory.mktemp("requests"))
            out = tmp_path_factory.mktemp("out")
            names = PROGRAMS + [name for name in COMPILED if (folder / name).exists()]
            made[cell] = dict.fromkeys(names, "the run of all programs failed, see the first one")
            # A VM may be emulated, and then takes ten times as long.
            seconds = 400 if cell[1] == "kata" else 120
            runner.ok(f"SECONDS_EACH={seconds} sh all.sh {' '.join(names)}", programs_image(cell[0]), dir=folder,
                      extract=[("out", out)], timeout=1700000, deadline=1700)
            made[cell] = {name: (out / f"{name}.txt").read_text(errors="replace") for name in names}
        return made[cell]
    return run


@pytest.mark.parametrize("program", [*PROGRAMS, *COMPILED])
def test_program(printed, cell, program, record_property):
    record_property("cell", cells.name(cell))
    if cell == ("docker", "runsc"):
        pytest.skip("gVisor's kernel is that of the local engine, whose cell runs them")
    if program in COMPILED and not shutil.which(COMPILED[program][0]):
        pytest.skip(f"{COMPILED[program][0]} is not on this machine")
    text = printed(cell)[program]
    assert text.splitlines()[-2:] == [f"hello {program}", "exit code 0"], text
