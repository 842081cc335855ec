# SPDX-License-Identifier: MIT
"""`light-runner setup kata` makes the files that VMs start from once, and reports what is missing."""
import json
import os
import shutil
import subprocess

import pytest

from harness.fixtures import executable_path


def setup(data, *words, **environment):
    return subprocess.run([executable_path(), "setup", "kata", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=False,
                          env={**os.environ, "LIGHT_RUNNER_DATA_DIR": str(data), **environment})


@pytest.fixture
def machine():
    if os.geteuid() != 0 or os.uname().machine != "x86_64":
        pytest.skip("takes root, and x86-64")
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("QEMU is not installed")


def made(data):
    return sorted(name for name in os.listdir(data / "scratch") if name.startswith("guest-"))


def test_it_is_done_once(machine, tmp_path):
    first = setup(tmp_path, "--json")
    document = json.loads(first.stdout)
    assert first.returncode == 0 and document["accelerator"] in ("kvm", "tcg"), first
    assert os.path.exists(f"/boot/vmlinuz-{document['kernel']}") and document["qemu"].startswith("/")
    files = made(tmp_path)
    assert [name.rpartition(".")[2] for name in files] == ["initramfs", "kernel"]
    times = [os.stat(tmp_path / "scratch" / name).st_mtime_ns for name in files]
    again = setup(tmp_path)
    assert again.returncode == 0 and document["kernel"] in again.stdout.decode()
    assert made(tmp_path) == files and [os.stat(tmp_path / "scratch" / name).st_mtime_ns for name in files] == times


def test_what_others_have_left_is_replaced(machine, tmp_path):
    assert setup(tmp_path).returncode == 0
    (tmp_path / "scratch" / "guest-0.1-older.kernel").write_text("")
    for name in made(tmp_path):
        if not name.startswith("guest-0.1"):
            os.unlink(tmp_path / "scratch" / name)
    assert setup(tmp_path).returncode == 0
    assert len(made(tmp_path)) == 2 and not any(name.startswith("guest-0.1") for name in made(tmp_path))


@pytest.mark.parametrize("words, environment, code", [
    (["--no-such"], {}, "INVALID_ARGUMENT"),
    (["word"], {}, "INVALID_ARGUMENT"),
    ([], {"LIGHT_RUNNER_QEMU": "/nonexistent/qemu"}, "CONTAINER_START_FAILED"),
    ([], {"LIGHT_RUNNER_GUEST_KERNEL": "0.0-none"}, "CONTAINER_START_FAILED"),
    ([], {"LIGHT_RUNNER_GUEST_KERNEL": "../../tmp"}, "CONTAINER_START_FAILED"),
])
def test_what_cannot_be_done_is_said(machine, tmp_path, words, environment, code):
    done = setup(tmp_path, "--json", *words, **environment)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 125 and error["code"] == code, error
    assert error["hint"], error


def test_help():
    done = subprocess.run([executable_path(), "setup", "kata", "--help"], stdout=subprocess.PIPE, timeout=20, check=True)
    assert b"usage: light-runner setup kata" in done.stdout
