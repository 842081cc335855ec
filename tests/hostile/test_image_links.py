# SPDX-License-Identifier: MIT
"""Images with links at the paths where something is mounted. Nobody may follow them out of the sandbox.

crun before 1.28 and runc before 1.3.6 write to a host folder through a link `dev`. runc before 1.2.8 resolves a link into /proc to
the path that it has at that moment, so it mounts the agent at one place and executes another program. The tests try the launcher as root and as
ordinary users, and gVisor and Docker.
"""
import contextlib
import os
import shutil
import subprocess
import tempfile

import pytest

from harness import ordinary
from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink
from harness.runner import Runner
from test_lying_agent import STARTED, STDOUT, exit_frame, frame

pytestmark = pytest.mark.account
FORGED = "forged"
UNENFORCED = {"allowUnenforced": ["memory", "cpus", "pids"]}

# Prints its seccomp mode if PID 1 is the agent, and the files that the links would have replaced.
CHECK = "cat /proc/1/status /proc/self/status | while read -r k v; do case $k in Seccomp:) echo $v;; esac; done; " \
        "[ -c /dev/null ] && [ -d /proc/self/fd ] && [ -d /sys/kernel ] && echo right"


class AsUser(Runner):
    """Calls the executable as a user who may read every file that the request names."""
    uid = None
    more = UNENFORCED

    def cli(self, *argv, **call):
        subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", self.scratch], check=True, timeout=60)
        return super().cli(*argv, **call)


class AsRoot(Runner):
    uid = 0
    more = {}


def wrapper(path, *argv):
    """A program that starts argv followed by its own arguments."""
    path.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in argv) + ' "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def users():
    """Yields {user: the user's folder}, for a user with subordinate ids and a user without."""
    with contextlib.ExitStack() as stack:
        if os.geteuid() != 0 or not shutil.which("newuidmap"):
            yield {}
            return
        stack.enter_context(ordinary.exclusive())
        found = {}
        for name, uid in (("user", ordinary.UID), ("lone", ordinary.LONE)):
            stack.enter_context(ordinary.account(uid))
            found[name] = (uid, stack.enter_context(ordinary.home(uid)))
        stack.enter_context(ordinary.subordinate_ids())
        yield found


@pytest.fixture
def sandboxes(runner, users, tmp_path):
    """[(name, runner)]: every way to run the same request in this cell: as root and as both users."""
    if runner.cell != ("local", "runc"):
        runner.uid, runner.more = os.geteuid(), {}
        return [("/".join(runner.cell), runner)]
    if os.geteuid() != 0:
        runner.uid, runner.more = os.geteuid(), {}
        return [("as we are", runner)]
    found = [("root", AsRoot(runner.executable, runner.cell, tmp_path))]
    for name, (uid, home) in users.items():
        passed = {n: os.environ[n] for n in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if n in os.environ}
        argv = ordinary.command([runner.executable], home, uid, **passed)
        made = AsUser(wrapper(tmp_path / name, *argv), runner.cell, tempfile.mkdtemp(dir=home))
        made.uid = uid
        found.append((name, made))
    return found


@pytest.fixture
def outside():
    """A folder of the host where every id may create files, like /tmp and /dev/shm."""
    path = tempfile.mkdtemp(prefix="lr-test-links-", dir="/var/tmp")
    os.chmod(path, 0o1777)
    # The control: a process with any id that can see the folder can create a file in it.
    if os.geteuid() == 0:
        subprocess.run(["setpriv", "--reuid", "1610612736", "--clear-groups", "touch", path + "/control"], check=True, timeout=10)
        assert os.listdir(path) == ["control"]
        os.unlink(path + "/control")
    yield path
    shutil.rmtree(path)


def folders_to(path):
    names = path.strip("/").split("/")
    return [folder("/".join(names[:n + 1])) for n in range(len(names))]


def all_of(sandboxes, image, name, check, users=True, **fields):
    """Runs the check in the image in every sandbox. `check` gets the outcome."""
    for who, runner in sandboxes:
        if not users and isinstance(runner, AsUser):
            continue
        runner.load(image, name)
        check(who, runner.run(CHECK, name, options=dict(runner.more), **fields))


def expect_right(runner):
    """With the host's kernel, the local engine must run such an image. A tier with its own kernel may refuse to start it."""
    def check(who, outcome):
        assert FORGED not in outcome.text, (who, outcome)
        if runner.cell == ("local", "runc") or outcome.code == 0:
            assert outcome.code == 0 and outcome.lines[-1:] == ["right"], (who, outcome)
        if runner.tier != "runsc" and outcome.code == 0:
            assert outcome.lines[:2] == ["2", "2"], (who, outcome)
    return check


# One image per path: if a runtime rejects one path, it does not try the next.
@pytest.mark.parametrize("paths", ["dev", "proc sys", "etc", "etc/resolv.conf dev/null dev/shm dev/pts dev/mqueue"])
@pytest.mark.parametrize("how", ["{0}", "/proc/1/root{0}"])
def test_a_link_to_a_folder_of_the_host(runner, sandboxes, outside, paths, how):
    links = [symlink(path, how.format(outside)) for path in paths.split()]
    if "/" in paths:
        links = [folder("dev"), folder("etc"), *links]
    image = Image(busybox_layer(), layer(*links, *folders_to(outside)))
    networks = [] if "etc" in paths else ["none"]

    def check(who, outcome):
        assert os.listdir(outside) == [], (who, os.listdir(outside), outcome)
        expect_right(runner)(who, outcome)

    all_of(sandboxes, image, "links", check, users=how == "{0}", networks=networks)


def test_a_link_to_a_folder_of_the_user(runner, sandboxes):
    """Without subordinate ids, root in the sandbox is the user, who may write to this folder."""
    for who, made in sandboxes:
        if who.startswith("user"):
            continue
        own = tempfile.mkdtemp(dir=made.scratch)
        image = Image(busybox_layer(), layer(symlink("dev", own), *folders_to(own)))
        made.load(image, "own-links")
        outcome = made.run(CHECK, "own-links", options=dict(made.more))
        assert os.listdir(own) == [], (who, os.listdir(own), outcome)
        expect_right(runner)(who, outcome)


def evil_init():
    """A script that replaces the agent, and identifies itself by frames of the agent's protocol."""
    text = FORGED.encode() + b"\n"
    escaped = ["".join(f"\\{byte:03o}" for byte in data) for data in (STARTED, frame(STDOUT, text), exit_frame())]
    return ("#!/bin/busybox sh\n" + "".join(f"printf '{data}'\nsleep 1\n" for data in escaped)).encode()


@pytest.mark.parametrize("target", [
    "/proc/self/cwd/../../evil", "/proc/thread-self/cwd/../../evil", "/proc/self/exe", "/evil"])
def test_a_link_in_the_agents_place(runner, sandboxes, target):
    """The links cover the agent's former names and all names with its prefix. The real name in a sandbox cannot be guessed."""
    image = Image(busybox_layer(), layer(folder("dev"), entry("evil", data=evil_init(), mode=0o755),
                                         entry("dev/evil", data=evil_init(), mode=0o755),
                                         symlink(".light-runner-init", target), symlink(".light-runner-", target)))
    all_of(sandboxes, image, "agent-links", expect_right(runner), users=target == "/evil")


def test_the_agent_is_at_another_path_in_each_run(runner):
    if runner.cell == ("local", "kata"):
        pytest.skip("the agent is no file in the sandbox: the guest executes it by a descriptor")
    seen = [runner.ok("cat /proc/1/cmdline").text.split("\0")[0] for _ in range(2)]
    assert seen[0] != seen[1] and all(name.startswith("/.light-runner-") and len(name) > 40 for name in seen), seen


@pytest.mark.parametrize("etc", ["folder", "link", "file", "absent"])
def test_the_images_etc_with_a_network(runner, etc):
    """light-runner shows its own file in /etc. Everything else there comes from the image."""
    made = {"folder": [folder("etc", mode=0o751, uid=7, gid=8), entry("etc/mine", data=b"m\n"), symlink("etc/resolv.conf", "/run/none")],
            "link": [folder("usr"), folder("usr/etc"), symlink("etc", "usr/etc")], "file": [entry("etc", data=b"x")], "absent": []}[etc]
    names = ["stat", "grep"]
    links = layer(*(symlink("bin/" + name, "busybox") for name in names))
    runner.load(Image(busybox_layer(), links, layer(*made)), "etc-" + etc)
    # stderr is discarded: it is a separate stream, whose lines may arrive after those of the next command.
    outcome = runner.run("stat -c '%a %u %g' /etc; cat /etc/mine 2> /dev/null; grep -c nameserver /etc/resolv.conf", "etc-" + etc,
                         networks=[])
    if etc == "file" and runner.cell != ("local", "runc"):
        return
    if etc == "folder":
        assert outcome.lines == ["751 7 8", "m", "1"], outcome
    else:
        assert outcome.lines[-1] == "1", outcome


@pytest.mark.parametrize("etc", ["link", "folder"])
def test_setup_steps_do_not_keep_the_mount_points(runner, data_dir, tmp_path, etc):
    """The image that setup steps leave has the original links again, which mount points hid during the run, and no mount points."""
    if runner.cell != ("local", "runc"):
        pytest.skip("a daemon commits by itself; in the other tiers of the local engine, steps run as in this one")
    if not shutil.which("fsck.erofs"):
        pytest.skip("fsck.erofs is not installed (erofs-utils)")
    links = {"dev": "/var/tmp", "sys": "../tmp", **({"etc": "usr/etc"} if etc == "link" else {"etc/resolv.conf": "../run/none"})}
    folders = [folder("usr"), folder("usr/etc"), *([folder("etc", mode=0o751)] if etc == "folder" else [])]
    runner.load(Image(busybox_layer(), layer(*folders, *(symlink(*link) for link in links.items()))), "kept-links")
    # The steps use the default network, and only with a network is a file shown in /etc.

    def stored():
        return {name for name in os.listdir(os.path.join(data_dir, "images")) if name.endswith(".erofs")}

    before = stored()
    runner.ok("true", "kept-links", run=[f"echo {etc} > /done; echo more > /etc/more"])
    made = stored() - before
    assert len(made) == 1, made
    target = tmp_path / "kept"
    subprocess.run(["fsck.erofs", f"--extract={target}", os.path.join(data_dir, "images", made.pop())],
                   check=True, stdout=subprocess.DEVNULL, timeout=60)
    found = {str(path.relative_to(target)) for path in target.rglob("*")}
    assert not any(".light-runner" in name for name in found), found
    kept = {name: os.readlink(target / name) if (target / name).is_symlink() else None for name in links}
    # If /etc/hosts is missing, the agent creates it in the sandbox.
    in_etc = set(os.listdir(target / "etc")) - {"hosts"}
    if etc == "link":  # the step has written to the folder that hides the link
        assert kept.pop("etc") is None and in_etc == {"more"}, found
        del links["etc"]
    else:
        assert (target / "etc").stat().st_mode & 0o777 == 0o751 and in_etc == {"more", "resolv.conf"}, found
    assert kept == links and "proc" not in found, (kept, found)
