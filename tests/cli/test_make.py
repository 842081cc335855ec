# SPDX-License-Identifier: MIT
"""What `make` does for an ordinary user: `make demo` works, and targets that need root ask for it."""
import contextlib
import os
import re
import subprocess

import pytest

from harness import ordinary
from test_documented_commands import PROGRAM, ROOT, stand_in

pytestmark = [pytest.mark.account, pytest.mark.once, pytest.mark.skipif(os.geteuid() != 0, reason="makes a user, which takes root")]


class User:
    def __init__(self, folder):
        self.folder, self.bin = folder, f"{folder}/bin"
        for name in ("bin", "build"):
            os.mkdir(f"{folder}/{name}")
            os.chown(f"{folder}/{name}", ordinary.UID, -1)
        os.symlink(PROGRAM, f"{folder}/build/light-runner")

    def stub(self, name, script):
        """A program that is found before the machine's own."""
        with open(f"{self.bin}/{name}", "w") as file:
            file.write(f"#!/bin/bash\n{script}\n")
        os.chmod(f"{self.bin}/{name}", 0o755)

    def call(self, *argv, **variables):
        command = ordinary.command(argv, self.folder, **{"PATH": f"{self.bin}:/usr/bin:/bin:/usr/sbin:/sbin", **variables})
        return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


@pytest.fixture
def user(tmp_path):
    with contextlib.ExitStack() as stack:
        for made in (ordinary.exclusive(), ordinary.account()):
            stack.enter_context(made)
        made = User(stack.enter_context(ordinary.home()))
        rootfs = stand_in(f"{made.folder}/rootfs.tar")
        os.chmod(rootfs, 0o644)
        made.stub("mmdebstrap", f'cp {rootfs} "${{@: -1}}"')
        made.stub("sudo", 'echo "sudo: $*" >&2; [ "$1" = rm ]')
        yield made


def test_demo_of_an_ordinary_user(user):
    done = user.call("scripts/demo", f"{user.folder}/build")
    assert done.returncode == 0 and done.stdout.endswith('result.json:\n{"n":30}\n'), done
    assert "this user cannot set limits (memory,cpus,pids)" in done.stderr and "sudo:" not in done.stderr, done


def test_demo_of_a_user_who_can_make_no_sandbox(user):
    done = user.call("scripts/demo", f"{user.folder}/build", LIGHT_RUNNER_DATA_DIR="/proc/nothing")
    assert done.returncode != 0 and "sudo runs the demo as root: light-runner: " in done.stderr, done
    assert f"sudo: {user.folder}/build/light-runner image" in done.stderr, done


def test_what_takes_root_asks_for_it(user):
    done = user.call("scripts/as-root", "tests/run", "--build", "build")
    assert done.returncode == 1 and "takes root" in done.stderr, done
    assert re.search(rf"^sudo: env PATH={user.bin}\S* XDG_CACHE_HOME={user.folder}/.cache tests/run --build build$", done.stderr,
                     re.MULTILINE), done
    os.unlink(f"{user.bin}/sudo")
    done = user.call("scripts/as-root", "tests/run", PATH=user.bin)
    assert done.returncode == 1 and "there is no sudo here. As root: tests/run" in done.stderr, done


def test_root_asks_nobody():
    done = subprocess.run(["scripts/as-root", "id", "-u"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"0\n", b""), done


def test_everything_that_takes_root_asks_for_it():
    with open(f"{ROOT}/Makefile") as file:
        recipes = [line.strip() for line in file if line.startswith("\t")]
    taking = [line for line in recipes if re.search(r"\b(tests/run|tests/faults/soak\.py|bench/\w+\.py|scripts/in-debian)\b", line)]
    assert len(taking) > 5 and all(line.startswith("@scripts/as-root ") for line in taking), taking


def test_help_names_every_target():
    done = subprocess.run(["make", "help"], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=30)
    assert {"demo", "check", "check-trixie"} <= {line.split()[0] for line in done.stdout.decode().splitlines()}
