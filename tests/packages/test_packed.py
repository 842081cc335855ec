# SPDX-License-Identifier: MIT
"""The packages with the executables in them: the wheel and the platform package, installed into empty folders without a network."""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from test_node import call, installed, node  # noqa: F401

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
pytestmark = pytest.mark.any_cell

# Prints which supervisor serves a run, and how the run ends.
PYTHON = """
import glob, os, time
from light_runner import LightRunnerError, Runner
execution = Runner(engine='local', memory='64m').run(image='busybox', networks=['none'], entrypoint='echo up; sleep 0.5; exit 3')
next(execution.logs)
for folder in glob.glob('/proc/[0-9]*'):
    try:
        if execution.id in open(folder + '/cmdline').read():
            print('by', os.path.realpath(folder + '/exe'))
    except OSError:
        pass
print('exit code', execution.result().exit_code)
"""

NODE = """
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Runner } from 'light-runner';
const execution = new Runner({ engine: 'local', memory: '64m' })
  .run({ image: 'busybox', networks: ['none'], entrypoint: 'echo up; sleep 0.5; exit 3' });
await execution.logs.next();
for (const pid of readdirSync('/proc')) {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(execution.id)) console.log('by', readlinkSync(`/proc/${pid}/exe`));
  } catch {}
}
console.log('exit code', (await execution.result).exitCode);
"""


def build_packages(kind, executable, out):
    if not shutil.which("strip"):
        pytest.skip("strip is not installed: scripts/install-deps build")
    return call([os.path.join(ROOT, "scripts", "build-packages"), kind, "--build", os.path.dirname(executable), "--out", str(out)],
                ROOT).split()


@pytest.fixture(scope="session")
def wheel(executable, tmp_path_factory):
    return build_packages("wheel", executable, tmp_path_factory.mktemp("wheel"))[0]


@pytest.fixture(scope="session")
def virtual(wheel, tmp_path_factory):
    """An empty virtual environment with the wheel in it."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("pip is not installed")
    folder = tmp_path_factory.mktemp("virtual")
    call([sys.executable, "-m", "venv", "--without-pip", str(folder)], ROOT)
    call([sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--no-index", "--no-deps", wheel], ROOT,
         PIP_FIND_LINKS="", PIP_DISABLE_PIP_VERSION_CHECK="1")
    return folder


@pytest.fixture
def bare(store, tmp_path):
    """No light-runner on PATH, and nothing that says where one is."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "LIGHT_RUNNER_DATA_DIR": store,
            "LIGHT_RUNNER_STATE_DIR": str(tmp_path / "states")}


def output(argv, folder, env, code=0):
    done = subprocess.run(argv, cwd=str(folder), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=100)
    assert done.returncode == code, done.stdout.decode(errors="replace")
    return done.stdout.decode(errors="replace")


def test_the_wheel_is_the_same_byte_for_byte(wheel, executable, tmp_path, cell):
    del cell
    with open(wheel, "rb") as first, open(build_packages("wheel", executable, tmp_path)[0], "rb") as second:
        assert first.read() == second.read()


def test_the_wheels_tag_covers_every_executable(wheel, tmp_path, cell):
    """No program needs a symbol that is newer than the glibc of the tag, and none has a path of the machine that built it."""
    del cell
    major, minor, machine = re.search(r"-py3-none-manylinux_(\d+)_(\d+)_(\w+)[.]whl$", wheel).groups()
    assert machine == platform.machine()
    assert (int(major), int(minor)) <= tuple(map(int, platform.libc_ver()[1].split("."))), "newer than the glibc of this machine"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        names = [name for name in archive.namelist() if "/bin/" in name or "/libexec/" in name]
    assert len(names) >= 10
    for name in names:
        needs = subprocess.run(["objdump", "-T", "-p", str(tmp_path / name)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               check=False).stdout.decode()
        for version in re.findall(r"\bGLIBC_([\d.]+)", needs):
            assert tuple(map(int, version.split("."))) <= (int(major), int(minor), 99), (name, version)
        assert "RPATH" not in needs and "RUNPATH" not in needs, name


def test_the_wheel_runs(virtual, bare, cell):
    del cell
    said = output([str(virtual / "bin" / "python"), "-B", "-c", PYTHON], virtual, bare).splitlines()
    assert said[-1] == "exit code 3" and len(said) > 1
    assert all(re.match(rf"by {re.escape(str(virtual))}/lib/.*/light_runner/libexec/light-runner/", line) for line in said[:-1]), said


# What a helper needs, and what fails without it.
LIBRARIES = {
    "light-runner-filter": ("libseccomp", "run", "--engine", "local", "--network", "none", "busybox", "--", "true"),
    "light-runner-unpack": ("libarchive", "image", "import", "{tar}", "other"),
    "light-runner-engine-docker.so": ("libcurl", "run", "--engine", "docker", "busybox", "--", "true"),
    "light-runner-setup-gvisor": ("libcurl", "setup", "gvisor"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="hiding a library needs root")
@pytest.mark.parametrize("helper", list(LIBRARIES))
def test_a_missing_shared_library_is_named(wheel, bare, tmp_path, helper, cell):
    del cell
    name, *words = LIBRARIES[helper]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    own = tmp_path / "unpacked" / "light_runner"
    for folder, _, names in os.walk(own):
        for file in names:
            os.chmod(os.path.join(folder, file), 0o755)
    linked = subprocess.run(["ldd", str(own / "libexec" / "light-runner" / helper)], stdout=subprocess.PIPE, check=True).stdout.decode()
    library = re.search(rf"{name}\.so\S* => (\S+)", linked).group(1)
    (tmp_path / "nothing").touch()
    (tmp_path / "x.tar").write_bytes(bytes(10240))
    # With a data folder of its own nothing that the helper has made before is found.
    env = dict(bare, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "data"))
    if words[0] == "run" and "local" in words:
        shutil.copytree(bare["LIGHT_RUNNER_DATA_DIR"], tmp_path / "data", symlinks=True, ignore=shutil.ignore_patterns("*.bpf", "runs"))
    said = output(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2"; shift 2; "$@" || exit 125', "sh", str(tmp_path / "nothing"),
                   os.path.realpath(library), str(own / "bin" / "light-runner"), *[word.format(tar=tmp_path / "x.tar") for word in words]],
                  tmp_path, env, 125)
    assert f"{name}.so" in said and "Traceback" not in said, said
    if name == "libseccomp":
        assert "light-runner doctor" in said, said


@pytest.fixture(scope="session")
def with_platform(node, installed, executable, tmp_path_factory):  # noqa: F811
    """A folder with the two packages, as npm installs them from the packed files. (`installed` skips where npm is missing.)"""
    del installed
    work = tmp_path_factory.mktemp("npm")
    packed = build_packages("npm", executable, work)
    app = work / "app"
    app.mkdir()
    (app / "package.json").write_text('{"name": "app", "private": true, "type": "module"}')
    call(["npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", *packed], app)
    return app


def test_the_node_packages_run(with_platform, node, bare, cell):  # noqa: F811
    del cell
    said = output([node, "--input-type=module", "-e", NODE], with_platform, bare).splitlines()
    assert said[-1] == "exit code 3" and len(said) > 1
    own = re.escape(str(with_platform / "node_modules" / "@light-runner"))
    assert all(re.match(rf"by {own}/linux-\w+/libexec/light-runner/", line) for line in said[:-1]), said


def test_npm_installs_the_platform_package_only_where_it_works(with_platform, cell):
    del cell
    modules = with_platform / "node_modules"
    (name,) = os.listdir(modules / "@light-runner")
    own = json.loads((modules / "@light-runner" / name / "package.json").read_text())
    assert (own["os"], own["cpu"], own["libc"]) == (["linux"], [name.split("-")[1]], ["glibc"])
    main = json.loads((modules / "light-runner" / "package.json").read_text())
    assert main["optionalDependencies"] == {f"@light-runner/{name}": main["version"]} and own["version"] == main["version"]
    assert not main.get("dependencies") and not {"install", "preinstall", "postinstall"} & (set(main["scripts"]) | set(own.get("scripts", {})))
