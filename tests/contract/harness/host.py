# SPDX-License-Identifier: MIT
"""What can be seen of sandboxes from the host: processes, mounts, cgroups, files."""
import os
import time


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


def supervisors():
    return processes_with("light-runner-supervisor")


def mounts():
    """Mounts of the host's namespace, as a set of lines without the volatile mount ids."""
    lines = _read("/proc/self/mountinfo").decode(errors="replace").splitlines()
    return {" ".join(line.split()[3:]) for line in lines}


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


def leftovers(data_dir):
    """What a run may have left: compare a picture from before with one from after."""
    return {
        "mounts": mounts(),
        "cgroups": cgroups(),
        "supervisors": set(supervisors()),
        # One empty file system per size is kept in scratch/, for every later run.
        "data": {name for name in tree(data_dir) if not name.startswith("scratch")},
        "tmp": {n for n in os.listdir("/tmp") if n.startswith(("light-runner", "lr-run"))},
        "run": tree("/run/light-runner"),
        "loops": {n for n in os.listdir("/sys/block")
                  if n.startswith("loop") and os.path.exists(f"/sys/block/{n}/loop/backing_file")},
    }


def new_leftovers(before, data_dir, seconds=5.0):
    """What is there now and was not before, once it has had its time to go; {} if nothing."""
    def compare():
        now = leftovers(data_dir)
        return {kind: sorted(now[kind] - before[kind]) for kind in now if now[kind] - before[kind]}

    wait_until(lambda: not compare(), seconds)
    return compare()
