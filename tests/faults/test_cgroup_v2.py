# SPDX-License-Identifier: MIT
"""Limits by cgroup v2 on a kernel without v1. All of light-runner runs in a VM, because most machines have v1 as well.

The VM is QEMU's emulator with an installed kernel, and an initramfs that contains the build, mkfs.ext4, the libraries that they
need, and a store with one image.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from harness import images

HELPERS = ["src/run/light-runner-supervisor", "src/doctor/light-runner-doctor", "src/host/light-runner-filter", "agent/light-runner-agent"]
PROGRAMS = ["mkfs.ext4"]
MODULES = ["loop", "erofs", "overlay"]
SECCOMP = "/usr/share/containers/seccomp.json"

# The launcher uses pivot_root(), which does not work in the root of an initramfs. So a second root is mounted.
INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /new
$b mount -t tmpfs -o size=80% tmpfs /new
for i in bin etc lib lib64 modules opt usr var second; do [ -e /$i ] && $b cp -a /$i /new/; done
$b mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run
exec $b switch_root /new /second
"""

SECOND = """#!/bin/busybox sh
export PATH=/bin:/usr/bin:/usr/sbin:/sbin:/opt HOME=/ LIGHT_RUNNER_LIBEXEC=/opt LIGHT_RUNNER_DATA_DIR=/var/store
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue; mount -t devpts devpts /dev/pts
for m in /modules/*; do insmod $m; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
run="light-runner run --network none --json"
say() { echo "RESULT $1 $2"; }
say doctor "$(light-runner doctor --json | tr -d '\\n')"
say plain "$($run busybox -- 'exit 3' 2>/dev/null)"
say memory "$($run --memory 32m busybox -- 'exec tail /dev/zero' 2>/dev/null)"
say time "$($run --cpu-timeout 1s busybox -- 'while :; do (:); done' 2>/dev/null)"
say pids "$($run --pids 20 busybox -- 'i=0; while [ $i -lt 150 ]; do sleep 60 & i=$((i+1)); done; wait' 2>/dev/null)"
say cpus "$($run --cpus 0.5 busybox -- 'timeout 3 sh -c "while :; do :; done"; exit 0' 2>/dev/null)"
say seen "\\"$(light-runner run --network none --memory 48m --cpus 1.5 busybox -- '
    cd /sys/fs/cgroup; cat memory.max cpu.max /proc/self/cgroup; grep -c "/ /sys/fs/cgroup ro,.* - cgroup2" /proc/self/mountinfo
    for f in memory.max cgroup.procs new; do (echo 1 >$f) 2>/dev/null && echo written; done' | tr '\\n' ' ')\\""
id=$(light-runner run --network none --detach busybox -- 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done')
light-runner pause $id >/dev/null
say huge "\\"$(cat /sys/fs/cgroup/light-runner/$id/hugetlb.*.max | sort -u | tr -d '\\n')\\""
say frozen "\\"$(cat /sys/fs/cgroup/light-runner/$id/cgroup.freeze)\\""
light-runner resume $id >/dev/null
say thawed "\\"$(cat /sys/fs/cgroup/light-runner/$id/cgroup.freeze)\\""
light-runner cancel $id >/dev/null
sleep 1
say left "\\"$(ls -d /sys/fs/cgroup/light-runner/*/ 2>/dev/null)\\""
say end 1
reboot -f
"""


def kernel():
    """Returns the release of an installed kernel that has its modules, and the module files that the test needs, in load order."""
    for path in sorted(glob.glob("/boot/vmlinuz-*"), key=lambda p: "cloud" not in p):
        release = os.path.basename(path)[len("vmlinuz-"):]
        folder = f"/lib/modules/{release}"
        if not os.path.exists(f"{folder}/modules.dep"):
            continue
        with open(f"{folder}/modules.dep") as file:
            needs = dict(line.strip().split(":", 1) for line in file)
        order = []
        for name in MODULES:
            for module, others in needs.items():
                if re.search(rf"/{name}\.ko$", module):
                    order += [m for m in [*reversed(others.split()), module] if m not in order]
        return path, [f"{folder}/{m}" for m in order]
    return None, []


def libraries(program):
    done = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return re.findall(r"(/[^ ]+) \(0x", done.stdout.decode())


def put(root, source, target=None):
    target = os.path.join(root, (target or source).lstrip("/"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(os.path.realpath(source), target)


def make_root(root, executable, store, modules):
    build = os.path.dirname(os.path.realpath(executable))
    build = os.path.dirname(build) if os.path.basename(build) == "cli" else build
    needed = [(f"{build}/cli/light-runner", "/opt/light-runner"), *((f"{build}/{h}", f"/opt/{os.path.basename(h)}") for h in HELPERS),
              *((shutil.which(p), f"/usr/bin/{p}") for p in PROGRAMS)]
    for source, target in needed:
        put(root, source, target)
        for library in libraries(source):
            put(root, library)
    put(root, images.BUSYBOX, "/bin/busybox")
    put(root, SECCOMP)
    for number, module in enumerate(modules):
        put(root, module, f"/modules/{number:02}-{os.path.basename(module)}")
    shutil.copytree(f"{store}/images", f"{root}/var/store/images")
    for folder in (f"{root}/var/store", f"{root}/var/store/images"):
        os.chmod(folder, 0o700)
    for name, text in (("init", INIT), ("second", SECOND)):
        with open(f"{root}/{name}", "w") as file:
            file.write(text)
        os.chmod(f"{root}/{name}", 0o755)


def pack(root, path):
    """Writes an archive in the format `newc`, which kernels read. Python does it because cpio is not installed everywhere."""
    def entry(out, name, mode, data=b""):
        head = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out.write(b"070701" + b"".join(b"%08X" % field for field in head) + name.encode() + b"\0")
        out.write(bytes(-(110 + len(name) + 1) % 4) + data + bytes(-len(data) % 4))

    with open(path, "wb") as out:
        for folder, folders, files in os.walk(root):
            for name in folders + files:
                full = os.path.join(folder, name)
                data = b""
                if name in files:
                    with open(full, "rb") as file:
                        data = file.read()
                entry(out, os.path.relpath(full, root), os.stat(full).st_mode, data)
        entry(out, "TRAILER!!!", 0)


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.seconds(300)
def test_limits_by_cgroup_v2(executable, store, tmp_path):
    image, modules = kernel()
    missing = [p for p in ("qemu-system-x86_64", *PROGRAMS) if not shutil.which(p)]
    if not image or missing:
        pytest.skip(f"needs a kernel in /boot with its modules, and: {', '.join(missing)}")
    if os.uname().machine != "x86_64":
        pytest.skip("x86-64 alone")
    make_root(str(tmp_path / "root"), executable, store, modules)
    pack(str(tmp_path / "root"), tmp_path / "initramfs")
    with open("/proc/cpuinfo") as file:
        khz = int(float(next(line for line in file if line.startswith("cpu MHz")).split(":")[1]) * 1000)
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "microvm,acpi=on,rtc=on",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024", "-smp", "2", "-serial", "stdio", "-kernel", image,
            "-initrd", str(tmp_path / "initramfs"), "-append",
            f"console=ttyS0 loglevel=1 panic=-1 reboot=t edd=off cryptomgr.notests cgroup_no_v1=all tsc_early_khz={khz}"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=280, check=False)
    text = done.stdout.decode(errors="replace")
    print(text, file=sys.stderr)
    results = {}
    for name, value in re.findall(r"RESULT (\w+) ([^\r\n]*)", text):
        results[name] = json.loads(value) if value else None
    assert results.get("end") == 1, text[-3000:]
    cgroups = next(c for c in results["doctor"]["checks"] if c["name"] == "cgroups")
    assert cgroups["detail"].startswith("v2"), cgroups
    assert results["plain"]["exitCode"] == 3
    assert results["seen"].split() == [str(48 << 20), "150000", "100000", "0::/", "1"], results["seen"]
    assert results["memory"]["oomKilled"] is True and results["memory"]["exitCode"] == 137
    assert results["memory"]["usage"]["peakMemoryBytes"] <= 32 << 20
    assert results["pids"]["exitCode"] != 0 and 15 < results["pids"]["usage"]["processes"] <= 30, results["pids"]
    assert results["time"]["cpuTimedOut"] is True and results["time"]["usage"]["cpuMs"] >= 1000, results["time"]
    cpus = results["cpus"]
    assert cpus["usage"]["cpuMs"] < 0.8 * cpus["duration"], cpus
    # The value is empty if the kernel has no controller for huge pages.
    assert results["huge"] in ("0", ""), results["huge"]
    assert (results["frozen"], results["thawed"], results["left"]) == ("1", "0", "")
