# SPDX-License-Identifier: MIT
"""Other sandbox programs that start `true` in the same root, and the isolation that each provides."""
import collections
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time

from harness import images, tools

# Each start executes the `commands` one after the other. {rootfs} is the folder of the root, {bundle} an OCI bundle with that root,
# {busybox} a program on the host. `filter`: the program reads light-runner's compiled seccomp filter from its stdin. No peer has
# light-runner's disk limit; each line says what else the peer lacks.
Peer = collections.namedtuple("Peer", "name walls commands filter", defaults=(False,))

PEERS = [
    Peer("fork + exec", "none", [["{busybox}", "true"]]),
    Peer("unshare", "namespaces and root; no limits, no filter, all capabilities in its user namespace",
         [["unshare", "-mpnuiC", "--map-root-user", "--fork", "--kill-child", "--mount-proc", "--root", "{rootfs}", "/bin/true"]]),
    Peer("bwrap", "namespaces, root, no capabilities, the same filter; no limits",
         [["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "{rootfs}", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
           "--cap-drop", "ALL", "--hostname", "bench", "--new-session", "--die-with-parent", "--clearenv", "--seccomp", "0",
           "/bin/true"]], True),
    Peer("nsjail", "namespaces, root, no capabilities, limits by cgroup; no filter",
         [["nsjail", "-Mo", "--really_quiet", "--chroot", "{rootfs}", "--user", "0:2013265920:1", "--group", "0:2013265920:1",
           "--cgroup_mem_max", "536870912", "--cgroup_pids_max", "101", "--cgroup_cpu_ms_per_sec", "1000", "--", "/bin/true"]]),
    Peer("isolate", "namespaces, root, an own user, limits by cgroup; no filter",
         [["isolate", "--cg", "--silent", "--init"],
          ["isolate", "--cg", "--silent", "--cg-mem=524288", "--processes=101", "--dir=bin={rootfs}/bin", "--run", "--", "/bin/true"],
          ["isolate", "--cg", "--silent", "--cleanup"]]),
    Peer("runc run, its default bundle", "namespaces without a user's, root, some capabilities, a cgroup without limits; no filter",
         [["runc", "run", "--bundle", "{bundle}", "light-runner-bench"]]),
]


def cpu_ms():
    """The CPU time of the whole machine or container, because no process accounts for a killed sandbox. None if no cgroup reports it."""
    for path in ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage", "cpu.stat"):
        with contextlib.suppress(OSError), open(f"/sys/fs/cgroup/{path}", encoding="ascii") as file:
            words = file.read().split()
            return int(words[0]) / 1e6 if len(words) == 1 else int(words[words.index("usage_usec") + 1]) / 1e3
    return None


def call(argv, stdin=os.devnull, **options):
    """Runs a program that must succeed. Returns its wall time and the CPU time meanwhile, in ms, and its output."""
    before, begun = cpu_ms(), time.perf_counter()
    with open(stdin, "rb") as file:
        done = subprocess.run(argv, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False, **options)
    wall, after = (time.perf_counter() - begun) * 1000, cpu_ms()
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return wall, 0 if after is None else after - before, done.stdout


def unpack(scratch, tar):
    """Unpacks the root into a folder that other users may enter."""
    rootfs = os.path.join(scratch, "rootfs")
    os.makedirs(rootfs)
    call(["tar", "-xf", tar, "-C", rootfs])
    return rootfs


def bundle(folder, rootfs):
    """Makes a bundle for runc alone: its default configuration, with `true` and without a terminal."""
    os.makedirs(folder)
    call(["runc", "spec"], cwd=folder)
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["process"].update(args=["true"], terminal=False)
    config["root"] = {"path": rootfs, "readonly": True}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return folder


def find(scratch, rootfs, program):
    """Returns ({name: function that starts it once and returns (wall ms, CPU ms)}, {name: why it is not measured})."""
    words = {"rootfs": rootfs, "busybox": images.BUSYBOX}
    found, missing = {}, {}
    if shutil.which("runc"):
        words["bundle"] = bundle(os.path.join(scratch, "bundle"), rootfs)
    for peer in PEERS:
        if not shutil.which(peer.commands[0][0].format(**words, **{} if "bundle" in words else {"bundle": ""})):
            missing[peer.name] = "not installed"
            continue
        commands = [[word.format(**words) for word in argv] for argv in peer.commands]

        def once(commands=commands, stdin=program if peer.filter else os.devnull):
            times = [call(argv, stdin)[:2] for argv in commands]
            return sum(wall for wall, _ in times), sum(cpu for _, cpu in times)
        try:
            once()
            found[peer.name] = once
        except RuntimeError as error:
            missing[peer.name] = str(error).strip().splitlines()[-1][-160:]
    return found, missing


# Parts of a run's sandbox that runsc alone lacks: its ids are not the host's, and the sentry opens no files by itself.
RUNSC_WALLS = ["--directfs=false", "--in-sandbox-cgroup=v2"]
IDS = [{"containerID": 0, "hostID": 0x78000000, "size": 65536}]


@contextlib.contextmanager
def bare_runsc(scratch, rootfs, walls=False):
    """Returns a function that runs `true` by runsc alone and returns (wall ms, CPU ms). With `walls`, it has the isolation of a run, and
    also writes to a file on the disk."""
    program, name = tools.runsc(), "runsc-walls" if walls else "runsc"
    folder, state, written = (os.path.join(scratch, f"{name}-{what}") for what in ("bundle", "state", "written"))
    os.makedirs(folder)
    os.makedirs(written)
    call([program, "spec", "--bundle", folder, "--", "true"])
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["root"] = {"path": rootfs, "readonly": not walls}
    flags = ["--root", state, "--network=none", "--platform=systrap", "--ignore-cgroups", "--host-settings=ignore"]
    if walls:
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"].update(uidMappings=IDS, gidMappings=IDS)
        flags += [*RUNSC_WALLS, f"--overlay2=root:dir={written}"]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    number = itertools.count()
    try:
        yield lambda: call([program, *flags, "run", "--bundle", folder, f"bare-{next(number)}"])[:2]
    finally:
        # runsc leaves a mount there.
        subprocess.run(["umount", f"{state}/null-netns"], check=False, stderr=subprocess.DEVNULL)
