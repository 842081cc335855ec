# SPDX-License-Identifier: MIT
"""What programs do with files of the image and with their own: package managers, build tools, databases."""
import json
import os

import pytest

from harness.image_maker import Image, busybox_layer, entry, folder, hardlink, layer

# Prints the names of the checks that fail. The image's files are those that every Debian has.
SCRIPT = r'''
import ctypes, errno, fcntl, json, mmap, os, shutil, stat
libc = ctypes.CDLL(None, use_errno=True)
seen = {}

def check(name):
    def run(function):
        try:
            answer = function()
        except OSError as e:
            answer = errno.errorcode[e.errno]
        seen[name] = "ok" if answer in (None, True) else answer
    return run

@check("rename a folder of the image")
def _():
    before = sorted(os.listdir("/usr/share/perl5"))
    os.rename("/usr/share/perl5", "/usr/share/moved")
    os.mkdir("/usr/share/empty")
    os.rename("/usr/share/moved", "/usr/share/empty")
    return sorted(os.listdir("/usr/share/empty")) == before and not os.path.exists("/usr/share/perl5")

def named_twice():
    names = {}
    for folder, _, files in os.walk("/usr/bin"):
        for name in files:
            st = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(st.st_mode) and st.st_nlink > 1:
                names.setdefault(st.st_ino, []).append(os.path.join(folder, name))
    return next((n[:2] for n in names.values() if len(n) > 1), None)

@check("a file of the image with two names")
def _():
    pair = named_twice()
    if not pair:
        return "there is none"
    a, b = pair
    with open(a, "ab") as f:
        f.write(b"more")
    return os.path.samefile(a, b) and open(b, "rb").read()[-4:] == b"more" and os.stat(a).st_nlink == 2

@check("a second name for a file of the image")
def _():
    os.link("/etc/issue", "/etc/issue.dpkg-tmp")
    return os.path.samefile("/etc/issue", "/etc/issue.dpkg-tmp") and os.stat("/etc/issue").st_nlink == 2

@check("a file of the image keeps its number and its time")
def _():
    before = os.stat("/etc/debian_version")
    os.chmod("/etc/debian_version", 0o600)
    after = os.stat("/etc/debian_version")
    return (before.st_ino, before.st_dev, before.st_mtime_ns) == (after.st_ino, after.st_dev, after.st_mtime_ns)

@check("replace a file of the image")
def _():
    os.unlink("/etc/issue.net")
    with open("/etc/issue.new", "w") as f:
        f.write("new")
    os.rename("/etc/issue.new", "/etc/issue.net")
    return open("/etc/issue.net").read() == "new"

@check("remove deep trees")
def _():
    os.makedirs("/".join(["deep"] * 60))
    for n in range(1, 60, 7):
        open("/".join(["deep"] * n) + "/file", "w").close()
    shutil.rmtree("deep")
    shutil.rmtree("/usr/share/zoneinfo")
    os.mkdir("/usr/share/zoneinfo")
    return not os.path.exists("deep") and os.listdir("/usr/share/zoneinfo") == []

@check("exchange two files")
def _():
    for name in "ab":
        with open(name, "w") as f:
            f.write(name)
    return libc.renameat2(-100, b"a", -100, b"b", 2) == 0 and open("a").read() == "b"

@check("locks")
def _():
    for path in ("lock", "/etc/passwd"):
        fcntl.flock(os.open(path, os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)

@check("shared memory of a file")
def _():
    fd = os.open("mapped", os.O_CREAT | os.O_RDWR)
    os.ftruncate(fd, 4096)
    with mmap.mmap(fd, 4096) as m:
        m[0:2] = b"hi"
        m.flush()
    return open("mapped", "rb").read(2) == b"hi"

@check("attributes of the user's")
def _():
    for path in ("mapped", "/etc/host.conf"):
        os.setxattr(path, "user.x", b"1")
        if os.getxattr(path, "user.x") != b"1":
            return path

@check("a sparse file of more than 4 GiB")
def _():
    fd = os.open("sparse", os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"end", 5 << 30)
    return os.fstat(fd).st_size == (5 << 30) + 3 and os.pread(fd, 4, 5 << 30) == b"end"

@check("changes are told")
def _():
    fd = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(fd, b".", 0x100)
    open("told", "w").close()
    return b"told" in os.read(fd, 4096)

@check("times")
def _():
    os.utime("told", ns=(0, 1600000000123456789))
    return os.stat("told").st_mtime_ns == 1600000000123456789

print(json.dumps({name: answer for name, answer in seen.items() if answer != "ok"}))
'''

OF_GVISOR = {"a file of the image with two names": False, "a file of the image keeps its number and its time": False}
# The options of a Docker daemon and of a user namespace: without redirect_dir and index.
OF_DOCKER = {"rename a folder of the image": "EXDEV", "a file of the image with two names": False}
OF_A_USER = {"rename a folder of the image": "EXDEV", "a file of the image with two names": "there is none",
             "a second name for a file of the image": False}


def expected(runner):
    if runner.tier == "runsc":
        return OF_GVISOR
    if runner.engine == "docker":
        return OF_DOCKER
    return OF_A_USER if os.geteuid() != 0 else {}


@pytest.mark.once
def test_files(runner, python_image, tmp_path):
    (tmp_path / "files.py").write_text(SCRIPT)
    outcome = runner.ok("python3 files.py", python_image, dir=tmp_path)
    assert json.loads(outcome.lines[-1]) == expected(runner), outcome


def test_what_setup_steps_do_to_such_files_is_kept(runner):
    if runner.cell != ("local", "runc") or os.geteuid() != 0:
        pytest.skip("the image is made of the same files in every tier; a daemon makes it by itself")
    files = [folder("moved"), entry("moved/in", data=b"in\n"), entry("one", data=b"1\n"), hardlink("other", "one")]
    runner.load(Image(busybox_layer(), layer(*files)), "two-names")
    outcome = runner.ok("cat /to/in /other; ls -d /moved; [ /one -ef /other ] && echo the same; cat /etc/hosts", "two-names",
                        run=["busybox mv /moved /to && echo 2 >> /one"])
    assert outcome.lines[:3] == ["in", "1", "2"] and "the same" in outcome.lines, outcome
    # The steps' sandbox had another hostname.
    assert len([line for line in outcome.lines if "light-runner-" in line]) == 1, outcome
