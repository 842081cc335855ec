# SPDX-License-Identifier: MIT
"""The VM of the tier kata and its kernel."""
import os
import re
import resource
import shutil
import subprocess

import pytest

from harness import host

pytestmark = [pytest.mark.cells("local-kata"), pytest.mark.vm]

LOCKED = "lockdown=confidentiality"


@pytest.fixture
def vm(runner):
    if runner.cell != ("local", "kata"):
        pytest.skip("there is no VM of ours in this tier")
    return runner


def test_its_kernel_is_locked_down(vm):
    assert LOCKED in vm.ok("cat /proc/cmdline").text.split()


def test_it_has_no_module_that_it_does_not_need(vm):
    """A machine without a network has none of its modules."""
    modules = [line.split()[0] for line in vm.ok("cat /proc/modules", networks=["none"]).lines]
    assert "virtio_blk" in modules and not [name for name in modules if "net" in name or "failover" in name], modules


def test_an_emulator_can_be_rejected(runner):
    """By QEMU's own policy, only KVM is a security boundary."""
    outcome = runner.run("true", options={"accelerator": "kvm"})
    works = runner.cell == ("local", "kata") and runner.ok("true").json["isolation"]["accelerator"] == "kvm"
    if works:
        assert outcome.json["success"] is True and outcome.json["isolation"]["accelerator"] == "kvm", outcome
    else:
        assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED" and "options.accelerator" in outcome.error["message"], outcome
    assert runner.run("true", options={"accelerator": "tcg"}).error["code"] == "INVALID_ARGUMENT"


def test_qemu_has_limits_of_its_own(vm):
    """They replace the limits that the caller happens to have."""
    process = vm.start("echo up; sleep 60", options={"disk": "64m"})
    try:
        assert process.stderr.readline() == b"up\n"
        machine = next(pid for pid, argv in host.descendants(process.pid).items() if argv.startswith("qemu "))
        with open(f"/proc/{machine}/limits", encoding="ascii") as file:
            limits = {line[:26].strip(): tuple(line[26:].split()[:2]) for line in file.readlines()[1:]}
    finally:
        process.terminate()
        process.communicate(timeout=30)
    wanted = {"Max open files": min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]), "Max file size": 64 << 20, "Max core file size": 1, "Max locked memory": 0, "Max processes": 65}
    assert {name: limits[name] for name in wanted} == {name: (str(most), str(most)) for name, most in wanted.items()}, limits


def guest_memory(pid, mib):
    """The MiB that the host has given to a VM with this much memory."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        found = re.search(rf"^Size: +{mib << 10} kB\n(?:\w+: .*\n)*?Rss: +(\d+) kB", file.read(), re.MULTILINE)
    return int(found[1]) >> 10 if found else 0


def test_memory_that_is_free_is_given_back(vm):
    """Of 224 MiB some 130 have been used while the kernel came up, and 77 are in use."""
    process = vm.start("echo up; sleep 60", options={"memory": "128m"}, networks=["none"])
    try:
        assert process.stderr.readline() == b"up\n"
        machine = next(pid for pid in host.descendants(process.pid) if guest_memory(pid, 224))
        assert host.wait_until(lambda: guest_memory(machine, 224) < 90, seconds=30), guest_memory(machine, 224)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_modules_that_are_not_signed(vm, data_dir, tmp_path):
    """A user's own kernel may have unsigned modules. It is not locked down then, but it works."""
    release = vm.ok("uname -r").lines[0]
    modules = tmp_path / "modules"
    modules.mkdir()
    for name in ("modules.dep", "modules.builtin"):
        shutil.copy(f"/lib/modules/{release}/{name}", modules)
    with open(modules / "modules.dep", encoding="ascii") as file:
        wanted = [line.split(":")[0] for line in file if re.search(r"/(virtio|overlay|erofs|libcrc32c|failover|net_failover)", line.split(":")[0])]
    for name in wanted:
        os.makedirs(os.path.dirname(modules / name), exist_ok=True)
        subprocess.run(["strip", "--strip-debug", "-o", modules / name, f"/lib/modules/{release}/{name}"], check=True, timeout=20)
    store = tmp_path / "data"
    store.mkdir()
    subprocess.run(["cp", "-a", os.path.join(data_dir, "images"), store], check=True)
    script = f"mount --bind {modules} /lib/modules/{release} && exec \"$@\""
    done = subprocess.run(["unshare", "--mount", "sh", "-ec", script, "sh", vm.executable, "run", *vm.cell_flags(), "busybox", "cat /proc/cmdline"],
                          env={**os.environ, "LIGHT_RUNNER_DATA_DIR": str(store)}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0, done
    assert b"lr.hostname" in done.stdout and LOCKED.encode() not in done.stdout, done
    assert [name for name in os.listdir(store / "scratch") if name.endswith(".unsigned.initramfs")]
