# SPDX-License-Identifier: MIT
"""Images for the tests, built without a network."""
import glob
import io
import os
import subprocess
import tarfile

BUSYBOX = "/bin/busybox"
MTIME = 1700000000


def _add(tar, name, kind, mode, data=b"", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.linkname = kind, mode, MTIME, link
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def make_busybox_tar(path):
    """A root file system that contains only busybox and a link for each of its applets."""
    with open(BUSYBOX, "rb") as file:
        busybox = file.read()
    applets = subprocess.run(
        [BUSYBOX, "--list"], stdout=subprocess.PIPE, check=True, timeout=30
    ).stdout.decode().split()
    with tarfile.open(path, "w") as tar:
        for folder in ("bin", "etc", "root", "proc", "sys", "dev", "home", "usr", "usr/bin", "var"):
            _add(tar, folder, tarfile.DIRTYPE, 0o755)
        _add(tar, "tmp", tarfile.DIRTYPE, 0o1777)
        _add(tar, "etc/passwd", tarfile.REGTYPE, 0o644,
             b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        _add(tar, "etc/group", tarfile.REGTYPE, 0o644, b"root:x:0:\nnogroup:x:65534:\n")
        _add(tar, "bin/busybox", tarfile.REGTYPE, 0o755, busybox)
        for applet in applets:
            if applet != "busybox":
                _add(tar, f"bin/{applet}", tarfile.SYMTYPE, 0o777, link="busybox")
    return path


def cached_tar(kind):
    """The tar that scripts/make-image KIND leaves in the cache, or None."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    found = glob.glob(os.path.join(glob.escape(cache), "light-runner", f"{kind}-*.tar"))
    return max(found, key=os.path.getmtime) if found else None
