# SPDX-License-Identifier: MIT
"""What can be seen of sandboxes from the host: processes, mounts, cgroups, files."""
import os
import re
import select
import signal
import subprocess
import time

from . import dockerd


def wait_until(condition, seconds=5.0, step=0.02):
    """Whether the condition comes true (a true value is returned) before the deadline."""
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
    """Processes, ourselves apart, with the marker in their command line: {pid: argv}."""
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
    """{pid: argv} of everything that descends from a process, by parent pids."""
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


def name_of(pid):
    return _read(f"/proc/{pid}/comm").decode(errors="replace").strip()


def parent_of(pid):
    """0: it is gone."""
    stat = _read(f"/proc/{pid}/stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def state_letter(pid):
    """R, S, T...; None: it is gone."""
    stat = _read(f"/proc/{pid}/stat")
    return stat.rpartition(b")")[2].split()[0].decode() if stat else None


def held_supervisor(marker):
    """The supervisor, with the marker in its environment, that has stopped itself for LIGHT_RUNNER_TEST_HOLD."""
    for pid in processes_with("light-runner-supervisor"):
        if marker.encode() in _read(f"/proc/{pid}/environ") and state_letter(pid) == "T":
            return pid
    return None


def kill_supervisor(run_id):
    """Of a detached run, by SIGKILL. It has ended when this returns: a process that is ending has no command line any
    more, but its sockets may still be open."""
    found = [pid for pid, argv in processes_with(run_id).items() if "light-runner-supervisor" in argv]
    assert found, processes_with(run_id)
    for pid in found:
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            assert select.select([process], [], [], 30)[0], f"process {pid} does not end"
        finally:
            os.close(process)


def supervisors(data_dir):
    """Supervisors of runs from this data folder, and of all others: two of {pid: argv}."""
    ours, others = {}, {}
    for pid, argv in processes_with("light-runner-supervisor").items():
        environment = _read(f"/proc/{pid}/environ").split(b"\0")
        mine = b"LIGHT_RUNNER_DATA_DIR=" + os.fsencode(data_dir) in environment
        (ours if mine else others)[pid] = argv
    return ours, others


def mounts():
    """Mounts of the host's namespace, as a set of lines without the volatile mount ids."""
    lines = _read("/proc/self/mountinfo").decode(errors="replace").splitlines()
    # Those of a daemon's containers, and of tests themselves, may be another engine's tests' at this moment.
    return {" ".join(line.split()[3:]) for line in lines if "/lr-dockerd-" not in line and "/lr-test-" not in line}


def cgroups():
    """Cgroups that belong to runs."""
    found = set()
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        found.update(os.path.join(directory, n) for n in names if n.startswith("light-runner-"))
    return found


def tree(root):
    """Every path below a folder, relative to it."""
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
    """What a run may have left: compare a picture from before with one from after.

    Another suite may be running at the same time: what belongs to a living run of another data folder
    is not looked at.
    """
    daemon = dockerd.current()
    ours, others = supervisors(data_dir)
    foreign = {word for argv in others.values() for word in argv.split() if word.startswith("light-runner-")}
    return {
        "mounts": mounts(),
        # The engine docker makes none; those of another engine's tests may be there at this moment.
        "cgroups": set() if os.environ.get(dockerd.ENGINE) == "docker" else
                   {path for path in cgroups() if os.path.basename(path) not in foreign},
        "supervisors": set(ours),
        # One empty file system per size is kept in scratch/, for every later run; so is the file of locks,
        # and without root, in unpacked/, what an image holds.
        "data": {name for name in tree(data_dir)
                 if not name.startswith(("scratch", "unpacked")) and name != "images/setup.lock"},
        "tmp": {n for n in os.listdir("/tmp") if re.match(r"light-runner-[0-9a-f]{12}|crun\.|runc\.", n)} - foreign,
        "loops": _loops(data_dir),
        "docker": daemon.leftovers() if daemon else set(),
    }


def traces(run_id):
    """What there is of one run besides its processes: cgroups, a container, a volume."""
    daemon = dockerd.current()
    return sorted(name for name in cgroups() | (daemon.leftovers() if daemon else set()) if run_id in name)


def new_leftovers(before, data_dir, seconds=5.0, kinds=None):
    """What is there now and was not before, once it has had its time to go; {} if nothing."""
    def compare():
        now = leftovers(data_dir)
        return {kind: sorted(now[kind] - before[kind]) for kind in kinds or now if now[kind] - before[kind]}

    wait_until(lambda: not compare(), seconds)
    return compare()


def remove(path):
    """rm -rf: Python's own walker recurses, and gives up on deep trees."""
    subprocess.run(["rm", "-rf", "--", str(path)], check=True, timeout=120)
