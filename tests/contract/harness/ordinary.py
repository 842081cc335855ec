# SPDX-License-Identifier: MIT
"""An ordinary user, created for as long as a test needs one, and the resources that root hands over to such a user.

Every change to the machine is undone: lines in /etc/passwd, subuid and subgid, the owners of the cgroup folders, the mode of
/dev/net/tun.
"""
import contextlib
import fcntl
import os
import subprocess
import tempfile

UID = 64242  # no account has this uid
LONE = 64243  # the uid of a user who never gets subordinate ids
SUBORDINATE = 1684340736  # first of 65536 ids that nobody else uses
CGROUPS = "/sys/fs/cgroup"
CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "freezer")


def command(argv, folder, uid=UID, **variables):
    """The command that runs argv as the user, with a nearly empty environment."""
    # Helpers such as mkfs.erofs may be in sbin. XDG_RUNTIME_DIR is not set, as in a cron job.
    given = {"HOME": folder, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": folder, **variables}
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "env", "-i",
            *(f"{name}={value}" for name, value in given.items()), *argv]


@contextlib.contextmanager
def exclusive():
    """Locks the resources that are handed over: the machine has them once, so only one suite can use them at a time."""
    with open(os.path.join(tempfile.gettempdir(), "lr-test-ordinary.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def home(uid=UID):
    """A home folder that no other user can enter."""
    # It is not below pytest's temporary folder, which other users cannot enter.
    path = tempfile.mkdtemp(prefix="lr-home-")
    os.chown(path, uid, uid)
    try:
        yield path
    finally:
        # Not shutil.rmtree(): unpacked images belong to other ids, and may be deep.
        subprocess.run(["rm", "-rf", "--", path], check=True, timeout=120)


@contextlib.contextmanager
def lines(**wanted):
    """Appends a line to each of these files in /etc."""
    for name, line in wanted.items():
        with open(f"/etc/{name}", "a") as file:
            file.write(line)
    try:
        yield
    finally:
        # Remove only this line: others may have changed the file meanwhile.
        for name, line in wanted.items():
            with open(f"/etc/{name}") as file:
                kept = [other for other in file if other != line]
            with open(f"/etc/{name}", "w") as file:
                file.writelines(kept)


def account(uid=UID):
    """An entry in /etc/passwd, because newuidmap needs a user name."""
    return lines(passwd=f"lr-test-{uid}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n")


def subordinate_ids(uid=UID):
    line = f"{uid}:{SUBORDINATE}:65536\n"
    return lines(subuid=line, subgid=line)


def can_delegate():
    """Whether this machine has cgroup v1, which delegates controllers by the owner of a folder. v2 needs a systemd that delegates them."""
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
    """Opens the device to everybody, as distributions do."""
    before = os.stat(path).st_mode & 0o777
    os.chmod(path, 0o666)
    try:
        yield
    finally:
        os.chmod(path, before)
