# SPDX-License-Identifier: MIT
"""Images with symbolic links at the paths where the kernel's files are mounted. The mounts that protect these files must follow."""
import os
import subprocess

import pytest

from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink

pytestmark = pytest.mark.vm

# All places where a procfs may be mounted. Opening a setting for appending changes nothing.
LOOK = """for p in /proc /v/proc /v /root/v/proc /root/dev/l/proc /sys /dev /etc /tmp /; do
    [ -r $p/self/stat ] || continue
    busybox echo kernel files in $p
    for f in sys/kernel/hostname sys/kernel/modprobe sysrq-trigger; do
        (: >> $p/$f) 2>/dev/null && busybox echo open: $p/$f
    done
    [ "$(busybox head -c 1 $p/interrupts 2>/dev/null | busybox wc -c)" = 0 ] || busybox echo open: $p/interrupts
done
for s in /sys /v/sys /v /root/v/sys; do
    [ -d $s/kernel/mm ] || continue
    busybox echo devices in $s
    (: >> $s/kernel/uevent_seqnum) 2>/dev/null; (: >> $s/kernel/mm/lru_gen/enabled) 2>/dev/null && busybox echo open: $s/kernel/mm/lru_gen/enabled
    [ -z "$(busybox ls $s/firmware 2>/dev/null)" ] || busybox echo open: $s/firmware
done
for f in /image /scratch /agent /modules; do [ ! -e $f ] || busybox echo outside: $f; done
busybox echo looked"""

# A mount through the link, and a later mount over a part of the link's path.
NESTED = [symlink("proc", "/root/dev/l/proc"), folder("dev"), symlink("dev/l", "/root/v"), folder("v"), folder("v/proc"), folder("root"),
          folder("root/dev"), folder("root/dev/l"), folder("root/dev/l/proc"), folder("root/dev/l/proc/sys")]

IMAGES = {
    "nested": NESTED,
    "nested, relative": [symlink("proc", "dev/l/proc"), folder("dev"), symlink("dev/l", "../v"), folder("v"), folder("v/proc")],
    "nested, /sys": [symlink("sys", "/root/dev/l/sys"), folder("dev"), symlink("dev/l", "/root/v"), folder("v"), folder("v/sys")],
    "absolute": [symlink("proc", "/v/proc"), symlink("sys", "/v/sys"), symlink("dev", "/v/dev"), folder("v"), folder("v/proc"), folder("v/sys"),
                 folder("v/dev")],
    "relative": [symlink("proc", "v/proc"), symlink("sys", "v/sys"), symlink("dev", "v/dev"), folder("v"), folder("v/proc"), folder("v/sys"),
                 folder("v/dev")],
    "each other": [symlink("proc", "sys"), symlink("sys", "/dev"), folder("dev")],
    "the root": [symlink("proc", "."), symlink("sys", "/"), symlink("dev", "..")],
    "outside": [symlink("proc", "/image"), symlink("sys", "/scratch/upper"), symlink("dev", "../../modules")],
    "files": [entry("proc"), entry("sys"), entry("dev")],
}


def check(runner, name, entries, **fields):
    runner.load(Image(busybox_layer(), layer(*entries)), "links")
    outcome = runner.run(LOOK, image="links", workdir="/tmp", **fields)
    # A runtime may reject such an image. The VM's first program has no reason to.
    if outcome.error and runner.tier != "kata":
        assert outcome.error["code"] in ("CONTAINER_START_FAILED", "ISOLATION_FAILED"), (name, outcome)
        return
    assert outcome.code == 0 and outcome.lines[-1:] == ["looked"], (name, outcome)
    # gVisor's file of that name does nothing, and a daemon's gVisor does not mask it.
    harmless = ["open: /proc/sysrq-trigger"] if runner.tier == "runsc" else []
    assert not [line for line in outcome.lines if line.startswith(("open:", "outside:")) and line not in harmless], (name, outcome)
    if runner.tier == "kata":
        assert "kernel files in /proc" in outcome.lines and "devices in /sys" in outcome.lines, (name, outcome)


@pytest.mark.parametrize("name", IMAGES)
def test_links_in_the_place_of_the_kernels_files(runner, name):
    check(runner, name, IMAGES[name])


@pytest.mark.parametrize("entries", [[folder("etc"), symlink("etc/resolv.conf", "/proc/sys/kernel/modprobe")],
                                     [symlink("etc", "/v"), folder("v"), folder("v/proc"), symlink("v/resolv.conf", "/agent"), symlink("proc", "/etc/proc")]],
                         ids=["resolv.conf", "etc"])
def test_links_in_the_place_of_the_resolver(runner, entries):
    """With a network, a file is mounted at /etc/resolv.conf."""
    check(runner, "resolver", entries, networks=[])


def test_such_files_would_be_seen(tmp_path, cell):
    """The control: the same script as root on the host's kernel, where the files are neither masked nor read-only."""
    if cell != ("local", "kata") or os.geteuid() != 0:
        pytest.skip("once is enough, and it takes root")
    script = """mkdir -p $0/bin $0/dev $0/v/proc $0/image && mknod -m 666 $0/dev/null c 1 3 && cp /bin/busybox $0/bin && ln -s busybox $0/bin/sh && ln -s /v/proc $0/proc
    mount -t proc proc $0/v/proc && exec chroot $0 /bin/sh -c "$1" """
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, str(tmp_path / "root"), LOOK], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, env={"PATH": "/bin:/usr/bin:/usr/sbin:/sbin"})
    lines = done.stdout.decode().splitlines()
    for wanted in ("kernel files in /v/proc", "open: /v/proc/sys/kernel/hostname", "open: /proc/interrupts", "outside: /image", "looked"):
        assert wanted in lines, lines
