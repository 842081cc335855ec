# SPDX-License-Identifier: MIT
"""What the programs that handle an image can reach: inspected from outside while they run, and tried from inside."""
import contextlib
import os
import re
import socket
import subprocess

import pytest

from harness import host, ordinary

RUNNER = os.environ.get("LIGHT_RUNNER", "light-runner")
NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
# A capability in the helper's own namespace applies only to the image's files. These are never needed.
FORBIDDEN = {"CAP_SETUID": 7, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27, "CAP_SETFCAP": 31}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="looks at other processes, which takes root")


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def descendant(pid, program):
    """The running process below pid that has executed the helper, as /helper in its own root."""
    for child in children(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{child}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            # When argv has been replaced by the helper's exec, the filter is active.
            if any(os.path.basename(word) == program.encode() for word in words[:2]) and status(child)["Seccomp"] != "0":
                return child
            found = descendant(child, program)
            if found:
                return found
    return None


def assert_walls(pid, importer, owner):
    """Checks the helper's isolation. `importer` is the control, which has none of it."""
    inside, outside = status(pid), status(importer)
    assert outside["Seccomp"] == "0" and inside["Seccomp"] == "2", (inside, outside)
    assert inside["NoNewPrivs"] == "1", inside
    assert inside["NSpid"].split()[-1] == "1", inside
    ours, theirs = namespaces(importer), namespaces(pid)
    assert not {name for name in NAMESPACES if ours[name] == theirs[name]}, (ours, theirs)
    assert {inside["Uid"].split()[0], inside["Gid"].split()[0]} == {str(owner)}, inside
    for name, number in FORBIDDEN.items():
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            assert not int(inside[kind], 16) >> number & 1, (name, kind, inside[kind])
    limits = open(f"/proc/{pid}/limits").read()
    assert re.search(r"Max processes +64 +64", limits) and re.search(r"Max core file size +0 +0", limits), limits
    root = f"/proc/{pid}/root"
    assert not {"proc", "sys", "home", "root", "var", "run", "tmp", "boot"} & set(os.listdir(root)), os.listdir(root)


@contextlib.contextmanager
def importing(argv, environment, **call):
    process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **call)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def wait_for(process, program):
    assert host.wait_until(lambda: descendant(process.pid, program) or process.poll() is not None, 30)
    assert process.poll() is None, process.communicate(timeout=30)
    return descendant(process.pid, program)


def small_tar(path):
    folder = path.parent / "tree"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "hello").write_text("hello\n")
    (folder / "etc" / "secret").write_text("secret\n")
    (folder / "etc" / "secret").chmod(0)
    # Owners of all kinds: the lowest, one above 65535, and nearly the highest.
    for name, uid in (("first", 1), ("many", 65535), ("more", 70000), ("last", 4294967294)):
        (folder / "etc" / name).write_text(name)
        os.chown(folder / "etc" / name, uid, uid)
    subprocess.run(["tar", "-C", folder, "-cf", path, "."], check=True, timeout=30)
    return path


def fake_mkfs(folder, script):
    """Makes a mkfs.erofs that is found first."""
    folder.mkdir()
    program = folder / "mkfs.erofs"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    return folder


@pytest.fixture
def environment(tmp_path):
    return dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "store"))


OWNER = 0x7fff0000  # the owner on the host of root's files in the image


def test_the_unpacker(environment):
    """It waits for an archive that never arrives."""
    with importing([RUNNER, "image", "import", "-", "x"], environment) as process:
        pid = wait_for(process, "light-runner-unpack")
        assert_walls(pid, process.pid, OWNER)


def test_the_unpacker_dies_with_the_importer(environment):
    with importing([RUNNER, "image", "import", "-", "x"], environment) as process:
        pid = wait_for(process, "light-runner-unpack")
        fd = os.pidfd_open(pid)
        process.kill()
        assert host.wait_until(lambda: not os.path.exists(f"/proc/{pid}") or status(pid)["State"].startswith("Z"), 10)
        os.close(fd)


def test_mkfs(environment, tmp_path):
    path = fake_mkfs(tmp_path / "bin", "sleep 100\n")
    environment["PATH"] = f"{path}:{environment['PATH']}"
    with importing([RUNNER, "image", "import", str(small_tar(tmp_path / "a.tar")), "x"], environment) as process:
        pid = wait_for(process, "helper")  # the kernel starts a script by its path
        assert_walls(pid, process.pid, OWNER)
        root = f"/proc/{pid}/root"
        assert os.listdir(f"{root}/source") == ["etc"]
        assert subprocess.run(["nsenter", "-t", str(pid), "-m", "touch", "/source/x"], stderr=subprocess.DEVNULL,
                              timeout=30).returncode != 0
        # Only root can enter the store, and the files in it.
        assert os.stat(f"{root}/source").st_uid == OWNER


ATTACKS = r"""
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "could $name" >&2; else echo "refused $name" >&2; fi; }
try read-shadow sh -c 'read x < /etc/shadow'
try read-victim sh -c "read x < $VICTIM"
try write-usr sh -c ': > /usr/lr-walls'
try write-source sh -c ': > /source/lr-walls'
try see-processes sh -c 'read x < /proc/1/status'
try kill-victim kill -0 $PID
try connect python3 -c 'import socket; socket.create_connection(("127.0.0.1", '$PORT'), 5)'
try unix-socket python3 -c 'import socket; socket.socket(socket.AF_UNIX)'
try namespaces unshare -U true
try keyring python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(250, 0, -4, 0) < 0)'
try write-image sh -c ': >> /image'
try read-source sh -c 'read x < /source/etc/secret'
exit 1
"""
EXPECTED = {"write-image": "could", "read-source": "could"}  # what it is there for


def test_what_a_hostile_mkfs_can_do(environment, tmp_path):
    """A program that an image has taken over tries everything, and reports its successes as the error."""
    victim = tmp_path / "victim"
    victim.write_text("secret\n")
    victim.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as server:
        values = f"VICTIM={victim}; PID={os.getpid()}; PORT={server.getsockname()[1]}\n"
        script = values + ATTACKS
        # The control: as root on the host, most of it works.
        control = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60).stderr.decode()
        for made in ("/usr/lr-walls", "/image"):
            with contextlib.suppress(OSError):
                os.unlink(made)
        for name in ("read-shadow", "read-victim", "write-usr", "see-processes", "kill-victim", "connect", "unix-socket", "namespaces"):
            assert f"could {name}" in control, control
        environment["PATH"] = f"{fake_mkfs(tmp_path / 'bin', script)}:{environment['PATH']}"
        done = subprocess.run([RUNNER, "image", "import", str(small_tar(tmp_path / "a.tar")), "x"], env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125, done
    said = done.stderr.decode()
    for name in re.findall(r"^try (\S+)", ATTACKS, re.M):
        assert f"{EXPECTED.get(name, 'refused')} {name}" in said, (name, said)
    assert not os.path.exists("/usr/lr-walls")


def test_owners_of_every_kind_survive(environment, tmp_path):
    done = subprocess.run([RUNNER, "image", "import", str(small_tar(tmp_path / "a.tar")), "x"], env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done
    files = tmp_path / "store" / "images"
    image, = [name for name in os.listdir(files) if name.endswith(".erofs")]
    extracted = tmp_path / "extracted"
    extracted.mkdir()
    subprocess.run(["fsck.erofs", f"--extract={extracted}", "--preserve-owner", "--force", files / image], check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    owners = {name: os.stat(extracted / "etc" / name).st_uid for name in ("first", "many", "more", "last", "hello")}
    assert owners == {"first": 1, "many": 65535, "more": 70000, "last": 4294967294, "hello": 0}


@pytest.mark.account
@pytest.mark.parametrize("uid, ids", [(ordinary.UID, True), (ordinary.LONE, False)], ids=["subordinate-ids", "one-id"])
def test_without_root(uid, ids, tmp_path):
    with contextlib.ExitStack() as stack:
        for other in (ordinary.exclusive(), ordinary.account(uid), *([ordinary.subordinate_ids(uid)] if ids else [])):
            stack.enter_context(other)
        home = stack.enter_context(ordinary.home(uid))
        argv = ordinary.command([RUNNER, "image", "import", "-", "x"], home, uid)
        process = stack.enter_context(importing(argv, None))
        pid = wait_for(process, "light-runner-unpack")
        assert_walls(pid, process.pid, ordinary.SUBORDINATE if ids else uid)


def test_the_reader_of_documents(environment, tmp_path):
    """JSON that needs 79 times its size in memory is not read in the importer, and within a limit."""
    text = b"[" + b"{}," * 1300000 + b"{}]"
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_bytes(text)
    # The reader runs only briefly, so repeat this until the test has seen it.
    for _ in range(50):
        with importing([RUNNER, "image", "import", str(layout), "x"], environment) as process:
            host.wait_until(lambda: process.poll() is not None or seen_reader(process.pid, environment), 30, step=0.001)
            if process.poll() is None:
                break
            error = process.communicate(timeout=30)[1].decode()
            assert process.returncode == 125 and "IMAGE_INVALID" in error, error
    else:
        pytest.fail("the reader was never seen")


def seen_reader(importer, environment):
    """Returns whether the reader was seen. If so, its isolation has been checked."""
    pid = descendant(importer, "light-runner-unpack")
    try:
        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        if words[1:2] != [b"document"]:
            return False
        assert_walls(pid, importer, OWNER)
        assert int(status(pid)["CapEff"], 16) == 0
        limits = open(f"/proc/{pid}/limits").read()
        memory = int(status(importer)["VmHWM"].split()[0])
    except (OSError, KeyError):  # it has ended in the meantime
        return False
    if "ASAN_OPTIONS" not in environment:
        if not re.search(r"Max address space +536870912 +536870912", limits):
            return False  # the reader sets this itself, before anything else
        assert memory < 100 * 1024, f"{memory} KiB in the importer"
    return True


def test_skopeo(environment):
    """It asks a registry that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        argv = [RUNNER, "image", "pull", f"127.0.0.1:{server.getsockname()[1]}/x"]
        with importing(argv, environment) as process:
            inside = status(wait_for(process, "skopeo"))
            assert status(process.pid)["Seccomp"] == "0"
    assert inside["Seccomp"] == "2" and inside["NoNewPrivs"] == "1", inside
    for name, number in FORBIDDEN.items():
        assert not int(inside["CapBnd"], 16) >> number & 1, (name, inside)
