# SPDX-License-Identifier: MIT
"""The files of `make install` are enough for programs that use the library, and for the executable."""
import glob
import json
import os
import shutil
import subprocess
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
from harness import images  # noqa: E402

BUILD = os.path.dirname(os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner"))))
SOURCE = os.path.join(ROOT, "examples", "minimal.c")


def run(argv, **options):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, **options)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The prefix of an installation in a separate folder."""
    meson = "/usr/bin/meson" if os.path.exists("/usr/bin/meson") else shutil.which("meson")
    destination = str(tmp_path_factory.mktemp("destination"))
    done = run([meson, "install", "-C", BUILD, "--no-rebuild", "--destdir", destination])
    assert done.returncode == 0, done.stderr.decode()
    found = glob.glob(destination + "/**/bin/light-runner", recursive=True)
    assert len(found) == 1
    return os.path.dirname(os.path.dirname(found[0]))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The environment for a store with the image `busybox`."""
    folder = tmp_path_factory.mktemp("store")
    variables = {"LIGHT_RUNNER_DATA_DIR": str(folder / "data")}
    os.mkdir(folder / "data", 0o700)
    tar = images.make_busybox_tar(str(folder / "busybox.tar"))
    done = run([os.path.join(BUILD, "light-runner"), "image", "import", tar, "busybox"], env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr.decode()
    return variables


@pytest.fixture(scope="module")
def environment(prefix):
    pkgconfig = os.path.dirname(glob.glob(prefix + "/**/lightrunner.pc", recursive=True)[0])
    destination = prefix[: -len(run(["pkg-config", "--variable=prefix", "lightrunner"],
                                    env={**os.environ, "PKG_CONFIG_PATH": pkgconfig}).stdout.decode().strip())]
    return {**os.environ, "PKG_CONFIG_PATH": pkgconfig, "PKG_CONFIG_SYSROOT_DIR": destination,
            "LD_LIBRARY_PATH": os.path.dirname(pkgconfig),
            "LIGHT_RUNNER_SUPERVISOR": os.path.join(prefix, "libexec", "light-runner", "light-runner-supervisor")}


def is_sanitized():
    with open(os.path.join(BUILD, "cli", "light-runner"), "rb") as program:
        return b"__asan_init" in program.read()


@pytest.mark.parametrize("compiler,language,standard", [("cc", "c", "c17"), ("c++", "c++", "c++17")])
def test_the_example_builds_against_the_installed_library_alone(environment, store, tmp_path, compiler, language,
                                                                standard):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} on this machine")
    if is_sanitized():
        pytest.skip("a library with a sanitizer in it cannot be linked into a program without")
    flags = run(["pkg-config", "--cflags", "--libs", "lightrunner"], env=environment).stdout.decode().split()
    program = tmp_path / "minimal"
    done = run([compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror", SOURCE, "-x", "none",
                *flags, "-o", str(program)], env=environment)
    assert done.returncode == 0, done.stderr.decode()
    done = run([str(program), "busybox", "echo from-inside; exit 7"], env={**environment, **store})
    assert (done.returncode, done.stdout.splitlines(True)[0]) == (7, b"| from-inside\n"), done


def test_the_executable_finds_its_helpers_where_they_were_installed(prefix, store):
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIGHT_RUNNER_LIBEXEC")}
    done = run([os.path.join(prefix, "bin", "light-runner"), "run", "--network", "none", "busybox", "--", "exit 5"],
               env={**env, **store})
    assert done.returncode == 5, done


def test_doctor_of_the_library_finds_the_installed_executable(prefix, environment, store):
    if is_sanitized():
        pytest.skip("a library with a sanitizer in it cannot be loaded by a program without")
    library = glob.glob(prefix + "/**/liblightrunner.so.0", recursive=True)[0]
    done = run([sys.executable, "-c", f"""
import ctypes
lib, error, runner, text = ctypes.CDLL({library!r}), ctypes.create_string_buffer(2048), ctypes.c_void_p(), ctypes.c_char_p()
assert lib.lrun_runner_new(ctypes.byref(runner), None, error) == 0
assert lib.lrun_doctor(runner, 0, ctypes.byref(text), error) == 0, error.raw[4:200]
print(text.value.decode())
"""], env={**environment, **store})
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["cells"], done.stdout


def test_there_is_a_man_page_for_each_that_the_first_one_names(prefix):
    folder = glob.glob(prefix + "/**/man1", recursive=True)[0]
    pages = set(os.listdir(folder))
    with open(os.path.join(folder, "light-runner.1")) as page:
        text = page.read()
    named = {line.split()[1] + ".1" for line in text.splitlines() if line.startswith(".Xr light-runner-")}
    assert named and named <= pages


@pytest.mark.parametrize("shell, path", [("bash", "share/bash-completion/completions/light-runner"),
                                         ("zsh", "share/zsh/site-functions/_light-runner"),
                                         ("fish", "share/fish/vendor_completions.d/light-runner.fish")])
def test_the_shells_find_their_completion(prefix, shell, path):
    printed = run([os.path.join(BUILD, "light-runner"), "completion", shell])
    with open(os.path.join(prefix, path), "rb") as file:
        assert file.read() == printed.stdout and printed.stdout


def test_the_timer_of_reap(prefix):
    """It starts the installed executable."""
    with open(os.path.join(prefix, "lib", "systemd", "system", "light-runner-reap.service"), encoding="ascii") as file:
        starts = [line.partition("=")[2].split() for line in file if line.startswith("ExecStart=")]
    assert len(starts) == 1 and starts[0][1:] == ["reap"]
    assert prefix.endswith(os.path.dirname(os.path.dirname(starts[0][0])))
    assert os.access(os.path.join(prefix, "bin", os.path.basename(starts[0][0])), os.X_OK)
    assert os.path.exists(os.path.join(prefix, "lib", "systemd", "system", "light-runner-reap.timer"))


def test_uninstall_removes_what_was_installed_and_no_more(tmp_path):
    meson = "/usr/bin/meson" if os.path.exists("/usr/bin/meson") else shutil.which("meson")
    destination = str(tmp_path / "destination")
    assert run([meson, "install", "-C", BUILD, "--no-rebuild", "--destdir", destination]).returncode == 0
    files = {os.path.join(folder, name) for folder, _, names in os.walk(destination) for name in names}
    for name in ("request.schema.json", "completions/light-runner", "_light-runner", "light-runner.fish"):
        assert any(path.endswith("/" + name) for path in files), files
    other = os.path.join(os.path.dirname(glob.glob(destination + "/**/bin/light-runner", recursive=True)[0]), "other")
    open(other, "w").close()
    done = run([os.path.join(ROOT, "scripts", "uninstall"), BUILD], env={**os.environ, "DESTDIR": destination})
    assert done.returncode == 0, done.stderr.decode()
    left = {os.path.join(folder, name) for folder, _, names in os.walk(destination) for name in names}
    assert left == {other}
    assert not glob.glob(destination + "/**/light-runner", recursive=True)
