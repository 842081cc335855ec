# SPDX-License-Identifier: MIT
"""What the host can see of sandboxes: processes, mounts, cgroups, files."""
import os
import re
import select
import signal
import subprocess
import time

from . import dockerd, sharing


def wait_until(condition, seconds=5.0, step=0.02):
    """Waits until the condition returns a true value, and returns that value. At the deadline it returns the last, false value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def processes_with(marker):
    """All processes with the marker in their command line, except this one: {pid: argv}."""
    needle = marker.encode()
    found = {}
    for pid in _pids():
        if pid == os.getpid():
            continue
        argv = _read(f"/proc/{pid}/cmdline")
        if needle in argv:
            found[pid] = argv.replace(b"\0", b" ").decode(errors="replace")
    return found


def descendants(root):
    """All descendants of a process, found by parent pids: {pid: argv}."""
    parents = {}
    for pid in _pids():
        stat = _read(f"/proc/{pid}/stat")
        if stat:
            parents[pid] = int(stat.rpartition(b")")[2].split()[1])
    found, todo = {}, [root]
    while todo:
        parent = todo.pop()
        for pid, above in parents.items():
            if above == parent and pid not in found:
                found[pid] = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")
                todo.append(pid)
    return found


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def private_memory(pid):
    """The bytes of a process that are neither shared with another process nor backed by a file (Private_Dirty)."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(next(line for line in file if line.startswith("Private_Dirty:")).split()[1]) << 10


def name_of(pid):
    return _read(f"/proc/{pid}/comm").decode(errors="replace").strip()


def parent_of(pid):
    """The parent's pid; 0 if the process is gone."""
    stat = _read(f"/proc/{pid}/stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def state_letter(pid):
    """R, S, T and so on; None if the process is gone."""
    stat = _read(f"/proc/{pid}/stat")
    return stat.rpartition(b")")[2].split()[0].decode() if stat else None


def held_supervisor(marker):
    """The supervisor that has the marker in its environment and has stopped itself because of LIGHT_RUNNER_TEST_HOLD."""
    for pid in processes_with("light-runner-supervisor"):
        if marker.encode() in _read(f"/proc/{pid}/environ") and state_letter(pid) == "T":
            return pid
    return None


def kill_supervisor(run_id):
    """Kills the supervisor of a detached run and waits until it has ended: the command line of a process that is exiting is empty,
    but its sockets may still be open."""
    found = [pid for pid, argv in processes_with(run_id).items() if "light-runner-supervisor" in argv]
    assert found, processes_with(run_id)
    # Its children are forks with the same command line, which the kernel kills; in a frozen sandbox they cannot end yet.
    for pid in [pid for pid in found if parent_of(pid) not in found]:
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            assert select.select([process], [], [], 30)[0], f"process {pid} does not end"
        finally:
            os.close(process)


def supervisors(data_dir):
    """The supervisors of runs that use this data folder, and all others, as two {pid: argv}."""
    ours, others = {}, {}
    for pid, argv in processes_with("light-runner-supervisor").items():
        environment = _read(f"/proc/{pid}/environ").split(b"\0")
        mine = b"LIGHT_RUNNER_DATA_DIR=" + os.fsencode(data_dir) in environment
        (ours if mine else others)[pid] = argv
    return ours, others


def mounts():
    """The mounts of the host's namespace: a set of lines without the mount ids, which change."""
    lines = _read("/proc/self/mountinfo").decode(errors="replace").splitlines()
    # Mounts of a daemon's containers and of the tests may belong to tests that run at the same time. The first `ip netns add` on
    # a machine (beyond.py) mounts /run/netns for good.
    others = ("/lr-dockerd-", "/lr-test-", " /run/netns ")
    return {" ".join(line.split()[3:]) for line in lines if not any(other in line for other in others)}


def cgroups():
    """The cgroups that belong to runs."""
    found = set()
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        found.update(os.path.join(directory, n) for n in names if n.startswith("light-runner-"))
    return found


def tree(root):
    """All paths below a folder, relative to it."""
    found = set()
    for directory, folders, files in os.walk(root):
        for name in folders + files:
            found.add(os.path.relpath(os.path.join(directory, name), root))
    return found


def _loops(data_dir):
    found = set()
    for name in os.listdir("/sys/block"):
        backing = _read(f"/sys/block/{name}/loop/backing_file").decode(errors="replace")
        if backing.startswith(data_dir):
            found.add(name)
    return found


def leftovers(data_dir):
    """A snapshot of everything that a run may leave behind. Compare one from before the run with one from after it.

    Another suite may run at the same time, so whatever belongs to a living run of another data folder is ignored. Until this test
    has ended, no other test leaves orphans.
    """
    sharing.hold(*sharing.LOCKS["reaps"])
    daemon = dockerd.current()

    def foreign_runs():
        return {word for argv in supervisors(data_dir)[1].values() for word in argv.split() if word.startswith("light-runner-")}

    # A run of another suite may begin or end meanwhile. Its supervisor exists either before or after the cgroups are listed.
    foreign = foreign_runs()
    groups = cgroups()
    foreign |= foreign_runs()
    ours, _ = supervisors(data_dir)
    return {
        "mounts": mounts(),
        # The engine docker creates no cgroups. Any that exist belong to tests of the other engine.
        "cgroups": set() if os.environ.get(dockerd.ENGINE) == "docker" else
                   {path for path in groups if os.path.basename(path) not in foreign},
        "supervisors": set(ours),
        # light-runner keeps these for later runs: in scratch/ one empty file system per size, the lock file, and, for users
        # other than root, unpacked images in unpacked/.
        "data": {name for name in tree(data_dir)
                 if not name.startswith(("scratch", "unpacked")) and name != "images/setup.lock"},
        "tmp": {n for n in os.listdir("/tmp") if re.match(r"light-runner-[0-9a-f]{12}|crun\.|runc\.", n)} - foreign,
        "loops": _loops(data_dir),
        "docker": daemon.leftovers() if daemon else set(),
    }


def traces(run_id):
    """What exists of a run besides its processes: cgroups, a container, a volume."""
    daemon = dockerd.current()
    return sorted(name for name in cgroups() | (daemon.leftovers() if daemon else set()) if run_id in name)


def _who_is_in(group):
    """The processes in a cgroup, to explain a leftover."""
    found = []
    for pid in _read(os.path.join(group, "cgroup.procs")).decode().split():
        argv = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")[:200]
        found.append(f"{pid}, child of {parent_of(pid)}, {state_letter(pid)}, waits in {_read(f'/proc/{pid}/wchan').decode()}: {argv}")
    return found


def _explained(groups):
    """Why cgroups may be left: what is in them, who names their run, and processes that the kernel has killed or that have crashed."""
    ids = {os.path.basename(group) for group in groups}
    kernel = subprocess.run(["dmesg"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False).stdout
    ends = [line for line in kernel.decode(errors="replace").splitlines() if re.search(r"segfault|trap|Killed process|oom", line)]
    return [f"{group}: {_who_is_in(group)}" for group in groups] + \
           [f"names {name}: {processes_with(name)}" for name in sorted(ids)] + [f"kernel: {line}" for line in ends[-5:]]


def new_leftovers(before, data_dir, seconds=5.0, kinds=None):
    """Everything that exists now and did not before, after waiting for it to go away; {} if there is nothing."""
    def compare():
        now = leftovers(data_dir)
        return {kind: sorted(now[kind] - before[kind]) for kind in kinds or now if now[kind] - before[kind]}

    found = {}

    def gone():
        found.clear()
        found.update(compare())
        return not found

    if not wait_until(gone, seconds) and "cgroups" in found:
        found["cgroups"] = _explained(found["cgroups"])
    return found


def remove(path):
    """rm -rf. Python's shutil.rmtree() recurses and fails on deep trees."""
    subprocess.run(["rm", "-rf", "--", str(path)], check=True, timeout=120)
