# SPDX-License-Identifier: MIT
"""A user other than root, made for as long as a test needs it, and what root would hand over to it.

Everything that is changed on the machine is put back: lines of /etc/passwd, subuid and subgid, owners of the
cgroup folders, the mode of /dev/net/tun.
"""
import contextlib
import fcntl
import os
import subprocess
import tempfile

UID = 64242  # of nobody's
LONE = 64243  # and who is never given subordinate ids
SUBORDINATE = 1684340736  # 65536 ids that are nobody's either
CGROUPS = "/sys/fs/cgroup"
CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "freezer")


def command(argv, folder, uid=UID, **variables):
    """What runs argv as the user, with next to nothing in its environment."""
    # Helpers such as mkfs.erofs may be in sbin; there is no XDG_RUNTIME_DIR, as in a cron job.
    given = {"HOME": folder, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": folder, **variables}
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "env", "-i",
            *(f"{name}={value}" for name, value in given.items()), *argv]


@contextlib.contextmanager
def exclusive():
    """What is handed over is the machine's: only one suite at a time."""
    with open(os.path.join(tempfile.gettempdir(), "lr-test-ordinary.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def home(uid=UID):
    """A folder of the user's own, which nobody else can pass through."""
    # Not below pytest's: those are closed to others.
    path = tempfile.mkdtemp(prefix="lr-home-")
    os.chown(path, uid, uid)
    try:
        yield path
    finally:
        # Not shutil: what is unpacked belongs to other ids, and may be deep.
        subprocess.run(["rm", "-rf", "--", path], check=True, timeout=120)


@contextlib.contextmanager
def lines(**wanted):
    """One line more in a file of /etc."""
    for name, line in wanted.items():
        with open(f"/etc/{name}", "a") as file:
            file.write(line)
    try:
        yield
    finally:
        # Line by line: others may have changed the file meanwhile.
        for name, line in wanted.items():
            with open(f"/etc/{name}") as file:
                kept = [other for other in file if other != line]
            with open(f"/etc/{name}", "w") as file:
                file.writelines(kept)


def account(uid=UID):
    """newuidmap wants a name."""
    return lines(passwd=f"lr-test-{uid}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n")


def subordinate_ids(uid=UID):
    line = f"{uid}:{SUBORDINATE}:65536\n"
    return lines(subuid=line, subgid=line)


def can_delegate():
    """Only v1 hands controllers over by owner; v2 takes a systemd that does it."""
    return all(os.path.isdir(f"{CGROUPS}/{name}") for name in CONTROLLERS)


@contextlib.contextmanager
def delegated_cgroups(controllers=CONTROLLERS, uid=UID):
    folders = [f"{CGROUPS}/{name}/light-runner" for name in controllers]
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    before = {folder: os.stat(folder).st_uid for folder in folders}
    for folder in folders:
        os.chown(folder, uid, -1)
    try:
        yield
    finally:
        for folder, owner in before.items():
            os.chown(folder, owner, -1)


@contextlib.contextmanager
def network_device(path="/dev/net/tun"):
    """Open to everybody, as distributions have it."""
    before = os.stat(path).st_mode & 0o777
    os.chmod(path, 0o666)
    try:
        yield
    finally:
        os.chmod(path, before)
