# SPDX-License-Identifier: MIT
"""`doctor` tries each cell: if the machine lacks something, the cell does not work, and the command that doctor names fixes it.
The test breaks the machine in its own mount namespace."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from harness import dockerd, images, tools

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes a mount namespace")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def place(store, tmp_path):
    """A separate store, and no Docker."""
    (tmp_path / "states").mkdir()
    environment = dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(store), LIGHT_RUNNER_STATE_DIR=str(tmp_path / "states"), LR=PROGRAM,
                       DOCKER_HOST=f"unix://{tmp_path}/none")
    environment.pop("LIGHT_RUNNER_ENGINE", None)
    return environment


def shell(place, script, *words, **more):
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *words], env=dict(place, **more), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def parts(text):
    document = json.loads(text)
    return ({row["name"]: row for row in document["checks"]},
            {(cell["engine"], cell["runtime"]): cell for cell in document["cells"]})


def doctor(place, script="", **more):
    """Runs doctor after the script. Returns (rows, cells)."""
    code, out, err = shell(place, script + '\n"$LR" doctor --json', **more)
    assert code in (0, 1), (out, err)
    rows, cells = parts(out)
    assert (code == 0) == cells["local", "runc"]["works"], "the exit code is the default cell's"
    return rows, cells


def test_it_tries_what_works_and_leaves_nothing(place):
    if not shutil.which("mkfs.erofs"):
        pytest.skip("no mkfs.erofs")
    _, cells = doctor(place)
    cell = cells["local", "runc"]
    assert cell["works"] and cell["tried"], cell
    kata = cells["local", "kata"]
    assert not kata["works"] or kata["tried"] or "--full" in kata["reason"], kata
    assert subprocess.run([PROGRAM, "image", "ls", "--engine", "local", "--json"], env=place, stdout=subprocess.PIPE, timeout=60,
                          check=True).stdout.strip() == b"[]"


def test_the_text_has_a_command_for_each_cell_that_does_not_work(place):
    _, out, _ = shell(place, '"$LR" doctor')
    lines = out.splitlines()
    broken = [i for i, line in enumerate(lines) if line.startswith("no ")]
    assert len(broken) >= 3 and all(lines[i + 1].strip().startswith("fix: ") for i in broken), out


# What is broken, and a part of doctor's message. The test then executes the row's `fix` or the cell's `hint`, and the cell works.
BROKEN = {
    "no tun": ("mount -t tmpfs none /dev/net", "/dev/net/tun"),
    "read-only cgroup": ("mount --bind $G $G; mount -o remount,ro,bind $G", "cgroup"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_fix_fixes(place, broken):
    script, named = BROKEN[broken]
    group = "/sys/fs/cgroup/memory" if os.path.isdir("/sys/fs/cgroup/memory") else "/sys/fs/cgroup"
    script += '\n"$LR" doctor --json; echo ---; eval "$(cat "$FIX")" >&2; "$LR" doctor --json'
    fix = os.path.join(place["LIGHT_RUNNER_STATE_DIR"], "fix")
    # Two passes: the second one executes the command that the first one printed.
    open(fix, "w").close()
    _, out, err = shell(place, script, G=group, FIX=fix)
    _, cells = parts(out.partition("---")[0])
    cell = cells["local", "runc"]
    assert not cell["works"] and named in cell["reason"], cell
    with open(fix, "w") as file:
        file.write(cell["hint"].partition("; or ")[0].replace("sudo ", ""))
    _, out, err = shell(place, script, G=group, FIX=fix)
    _, cells = parts(out.partition("---")[2])
    assert cells["local", "runc"]["works"], (cell, cells["local", "runc"], err)


def test_a_store_that_is_read_only(place, store, tmp_path):
    rows, cells = doctor(place, 'mount --bind "$S" "$S"; mount -o remount,ro,bind "$S"', S=str(store))
    cell = cells["local", "runc"]
    assert not cell["works"] and "LIGHT_RUNNER_DATA_DIR" in cell["hint"], cell
    _, cells = doctor(dict(place, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "other")),
                      'mount --bind "$S" "$S"; mount -o remount,ro,bind "$S"', S=str(store))
    assert cells["local", "runc"]["works"], cells


def test_a_folder_for_temporary_files_is_not_needed(place):
    _, cells = doctor(place, TMPDIR="/nonexistent")
    assert cells["local", "runc"]["works"], cells


def test_a_machine_without_a_name_server(place, tmp_path):
    (tmp_path / "none").write_text("")
    _, cells = doctor(place, 'mount --bind "$NONE" /etc/resolv.conf', NONE=str(tmp_path / "none"))
    assert cells["local", "runc"]["works"] and "--dns" in cells["local", "runc"]["reason"], cells
    (tmp_path / "none").write_text("nameserver 192.0.2.1\n")
    _, cells = doctor(place, 'mount --bind "$NONE" /etc/resolv.conf', NONE=str(tmp_path / "none"))
    assert cells["local", "runc"]["works"] and "reason" not in cells["local", "runc"], cells


def test_a_root_with_less_than_roots_rights(place):
    code, out, _ = shell(place, 'exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$LR" doctor --json')
    rows, cells = parts(out)
    assert code == 1 and not rows["root"]["ok"] and "CAP_SYS_ADMIN" in rows["root"]["detail"], rows["root"]
    assert not any(cell["works"] for cell in cells.values()) and cells["local", "runc"]["hint"], cells


def test_in_a_container_no_module_is_loaded(place):
    rows, cells = doctor(place, "mount -t tmpfs none /run; touch /run/.containerenv; mount --bind /dev/null /dev/loop-control; "
                                "mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3")
    assert "--privileged" in rows["loop devices"]["fix"] and "modprobe" not in rows["loop devices"]["fix"], rows
    assert not cells["local", "runc"]["works"]


def test_a_tier_in_which_no_network_interface_comes_up(place):
    """As with Kata Containers on some daemons. Here it is a gVisor that was registered without a network. It can be used
    anyway, as the hint says."""
    if dockerd.missing() or not tools.runsc():
        pytest.skip(dockerd.missing() or "no runsc in the cache: run scripts/install-runsc")
    blind = {"path": tools.runsc(), "runtimeArgs": [*dockerd.RUNSC_FLAGS, "--network=none"]}
    process = dockerd.Process(tempfile.mkdtemp(prefix="lr-dockerd-"), runtimes={"runsc": blind, dockerd.NO_NETWORK: blind})
    try:
        environment = dict(place, DOCKER_HOST=process.host)
        _, out, err = shell(environment, '"$LR" doctor --json')
        _, cells = parts(out)
        assert cells["docker", "runc"]["works"], (cells, err)
        cell = cells["docker", "runsc"]
        assert not cell["works"] and cell["tried"] and cell["withoutNetwork"], cell
        assert "no network interface" in cell["reason"] and "--network none" in cell["reason"], cell
        dockerd.Daemon(process.host).load_rootfs(images.make_busybox_tar(os.path.join(place["LIGHT_RUNNER_STATE_DIR"], "tar")), "busybox")
        flag, = re.findall(r"--network none", cell["hint"])
        code, out, err = shell(environment, f'"$LR" run --engine docker --runtime runsc {flag} busybox -- echo up')
        assert (code, out) == (0, "up\n"), (out, err)
    finally:
        process.remove()


# From uname() of WSL2 and of Docker Desktop's VM.
FAKE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
int uname(struct utsname *u)
{
    int (*real)(struct utsname *) = dlsym(RTLD_NEXT, "uname");
    int rc = real(u);
    if (getenv("FAKE_RELEASE"))
        strcpy(u->release, getenv("FAKE_RELEASE"));
    return rc;
}
"""


def test_advice_for_windows_and_macos(place, tmp_path):
    if "asan" in subprocess.run(["ldd", PROGRAM], stdout=subprocess.PIPE, timeout=30).stdout.decode():
        pytest.skip("a sanitizer wants to be the first library")
    (tmp_path / "fake.c").write_text(FAKE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "fake.so"), str(tmp_path / "fake.c"), "-ldl"], check=True, timeout=60)
    for release, words in (("6.6.87.2-microsoft-standard-WSL2", "WSL2"), ("6.10.14-linuxkit", "Docker Desktop")):
        rows, _ = doctor(place, LD_PRELOAD=str(tmp_path / "fake.so"), FAKE_RELEASE=release)
        assert words in rows["platform"]["detail"], rows
    rows, _ = doctor(place)
    assert "platform" not in rows


def test_verify_without_its_image_names_the_flag(place, tmp_path):
    code, _, err = shell(place, 'exec unshare -n "$LR" verify --engine local', LIGHT_RUNNER_DATA_DIR=str(tmp_path / "new"))
    assert code == 125 and "--image NAME" in err, err
