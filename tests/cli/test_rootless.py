# SPDX-License-Identifier: MIT
"""Runs of a user who is not root: what works, what is rejected, and what makes it work.

`tests/run --only rootless` runs the whole contract suite as such a user. This file has the tests for users alone.
"""
import contextlib
import fcntl
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile

import pytest

from harness import host, image_maker, images, ordinary, registry

pytestmark = pytest.mark.account
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))
ALL = ["--allow-unenforced", "memory,cpus,pids"]
# A sanitizer's own threads, memory and descriptors would change the results.
PASSED_ON = {name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}

if os.geteuid() != 0:
    pytest.skip("makes a user, which takes root", allow_module_level=True)
if not shutil.which("newuidmap"):
    pytest.skip("newuidmap is not installed (uidmap)", allow_module_level=True)


class User:
    def __init__(self, folder, uid):
        self.folder, self.uid = folder, uid
        self.data = os.path.join(folder, ".local/share/light-runner")

    def command(self, *argv, **variables):
        return ordinary.command([PROGRAM, *argv], self.folder, self.uid, **{**PASSED_ON, **variables})

    def call(self, *argv, **variables):
        return subprocess.run(self.command(*argv, **variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120, cwd=self.folder)

    def run(self, script, *flags, network="none", **variables):
        networks = ["--network", network] if network else []
        return self.call("run", *networks, *flags, "busybox", "--", script, **variables)

    def result(self, script, *flags, **more):
        done = self.run(script, "--json", *flags, **more)
        return json.loads(done.stdout), done.stderr.decode()

    def make(self, *names):
        """Makes a folder that belongs to the user."""
        path = os.path.join(self.folder, *names)
        os.makedirs(path, exist_ok=True)
        os.chown(path, self.uid, self.uid)
        return path


@pytest.fixture(scope="module", autouse=True)
def alone():
    with ordinary.exclusive():
        yield


@contextlib.contextmanager
def a_user(uid, *others):
    with contextlib.ExitStack() as stack:
        for other in (ordinary.account(uid), *others):
            stack.enter_context(other)
        user = User(stack.enter_context(ordinary.home(uid)), uid)
        tar = images.make_busybox_tar(os.path.join(user.folder, "busybox.tar"))
        os.chmod(tar, 0o644)
        done = user.call("image", "import", tar, "busybox")
        assert done.returncode == 0, done.stderr
        yield user


@pytest.fixture(scope="module")
def user(alone):
    """A user with subordinate ids, and nothing else from root."""
    with a_user(ordinary.UID, ordinary.subordinate_ids()) as user:
        yield user


@pytest.fixture
def lone_user(alone):
    """A user without subordinate ids."""
    with a_user(ordinary.LONE) as user:
        yield user


@pytest.fixture
def delegated(alone):
    if not ordinary.can_delegate():
        pytest.skip("the controllers are not on cgroup v1, where a folder can be handed over")
    with ordinary.delegated_cgroups():
        yield


# ------------------------------------------------------------- limits

def test_a_run_whose_limits_cannot_be_enforced_is_refused(user):
    done = user.run("echo never")
    text = done.stderr.decode()
    assert done.returncode == 125 and done.stdout == b""
    assert "CONTAINER_START_FAILED" in text and "memory,cpus,pids" in text
    # The command that fixes it, and the flag that works without it.
    assert ("sudo install -d -o 64242 " in text or "systemd-run --user" in text) and "--allow-unenforced" in text


@pytest.mark.parametrize("allowed, named", [("memory", "cpus,pids"), ("cpus,pids", "memory"), ("pids,memory", "cpus")])
def test_each_limit_is_allowed_by_its_own_name(user, allowed, named):
    done = user.run("echo never", "--json", "--allow-unenforced", allowed)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 125 and error["message"].endswith(": " + named), error
    # Everything that is needed.
    assert error["hint"].endswith("--allow-unenforced memory,cpus,pids")


def test_allowed_by_name_it_runs_and_says_so(user):
    done = user.run("id -u; echo out; echo err >&2; exit 3", *ALL)
    assert (done.returncode, done.stdout) == (3, b"0\nout\n")
    assert done.stderr == b"err\nlight-runner: warning: these limits were not enforced: memory,cpus,pids\n"
    result, _ = user.result("true", *ALL)
    assert result["isolation"]["unenforced"] == ["memory", "cpus", "pids"]


def test_only_what_is_not_handed_over_has_to_be_allowed(user):
    if not ordinary.can_delegate():
        pytest.skip("the controllers are not on cgroup v1, where a folder can be handed over")
    with ordinary.delegated_cgroups(["memory", "pids"]):
        assert b"cannot be enforced here: cpus " in user.run("true").stderr
        result, _ = user.result("exec dd if=/dev/zero of=/dev/null bs=300M count=1", "--memory", "64m",
                                "--allow-unenforced", "cpus")
        assert result["oomKilled"] is True and result["isolation"]["unenforced"] == ["cpus"]


def test_the_command_of_the_hint_hands_the_limits_over(user):
    if not ordinary.can_delegate():
        pytest.skip("the controllers are not on cgroup v1, where a folder can be handed over")
    # The test undoes the command's changes at the end.
    with ordinary.delegated_cgroups(uid=0):
        hint = json.loads(user.run("true", "--json").stdout)["error"]["hint"]
        command = re.search(r"sudo (install -d -o \d+ \S+)", hint).group(1)
        subprocess.run(["bash", "-c", command], check=True, timeout=10)
        done = user.run("echo up")
        assert (done.returncode, done.stdout) == (0, b"up\n"), done


def test_as_root_nothing_is_left_out(tmp_path):
    environment = {**os.environ, "LIGHT_RUNNER_DATA_DIR": str(tmp_path)}
    tar = images.make_busybox_tar(str(tmp_path / "busybox.tar"))
    subprocess.run([PROGRAM, "image", "import", tar, "busybox"], env=environment, check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([PROGRAM, "run", "--json", "--network", "none", "--memory", "64m", *ALL, "busybox", "--",
                           "exec dd if=/dev/zero of=/dev/null bs=300M count=1"],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    result = json.loads(done.stdout)
    assert result["oomKilled"] is True and "unenforced" not in result["isolation"]


def test_handed_over_limits_hold(user, delegated):
    result, _ = user.result("exec dd if=/dev/zero of=/dev/null bs=300M count=1", "--memory", "64m")
    assert result["oomKilled"] is True and result["exitCode"] == 137 and "unenforced" not in result["isolation"]
    count = "n=0; for p in /proc/[0-9]*; do n=$((n+1)); done; echo $n"
    done = user.run(f"(i=0; while [ $i -lt 300 ]; do sleep 20 & i=$((i+1)); done) 2>/dev/null; {count}")
    assert 50 <= int(done.stdout) <= 101
    result, _ = user.result("for i in 1 2; do timeout 1 sh -c 'while :; do :; done' & done; wait; exit 0", "--cpus", "0.3")
    assert 100 < result["usage"]["cpuMs"] < 600


def test_without_a_cgroup_processes_are_limited_all_the_same(user):
    """Also if they change to another user, for whom the kernel counts separately."""
    loop = "i=0; while [ $i -lt 100 ]; do sleep 20 & i=$((i+1)); done"
    script = (f"(su nobody -s /bin/sh -c '{loop}'; {loop}; su daemon -s /bin/sh -c '{loop}') 2>/dev/null; "
              "n=0; for p in /proc/[0-9]*; do n=$((n+1)); done; echo $n")
    done = user.run(script, *ALL)
    assert 50 <= int(done.stdout) <= 115, done


# ------------------------------------------------------------- isolation

def test_without_a_cgroup_nothing_counts_cpu_time(user):
    done = user.run("echo never", "--json", *ALL, "--cpu-timeout", "5s")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 125 and error["code"] == "NOT_SUPPORTED" and error["message"].startswith("cpuTimeout: "), done
    assert "--cpu-timeout" in error["hint"] and b"never" not in done.stderr, done


def test_root_inside_is_a_subordinate_id(user):
    run = subprocess.Popen(user.command("run", "--network", "none", *ALL, "busybox", "--", "echo up; sleep 600"),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=user.folder)
    try:
        assert run.stdout.readline() == b"up\n"
        # The shell has printed that it runs. It starts its child after that.
        inside = host.wait_until(lambda: [pid for pid, argv in host.descendants(run.pid).items()
                                          if argv.startswith("sleep 600")], 10)
        with open(f"/proc/{inside[0]}/status") as file:
            ids = [line.split()[1:] for line in file if line.startswith(("Uid:", "Gid:"))]
        assert ids == [[str(ordinary.SUBORDINATE)] * 4] * 2
    finally:
        run.terminate()
        run.wait(timeout=30)


def test_without_subordinate_ids_there_is_only_root(lone_user):
    done = lone_user.run("id -u; cat /proc/self/uid_map; chown 1 /tmp 2>/dev/null || echo no", *ALL)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and lines[0] == "0" and lines[1].split() == ["0", "0", "1"] and lines[2] == "no"


def test_another_user_of_an_image_needs_them(lone_user):
    """The error says what is missing."""
    image = image_maker.Image(image_maker.busybox_layer(), config={"User": "1000"})
    layout = image_maker.image_layout(pathlib.Path(lone_user.folder, "layout"), image)
    assert lone_user.call("image", "import", str(layout), "other").returncode == 0
    done = lone_user.call("run", "--network", "none", *ALL, "other", "--", "id -u")
    assert done.returncode == 125 and b"there is no id 1000:0 in this sandbox" in done.stderr
    assert b"subordinate ids" in done.stderr


def test_broken_subordinate_ids_are_an_error(lone_user):
    """light-runner does not continue without them."""
    with ordinary.subordinate_ids(ordinary.LONE):
        # This newuidmap is first in PATH, and fails.
        folder = lone_user.make("bin")
        program = os.path.join(folder, "newuidmap")
        with open(program, "w") as file:
            file.write("#!/bin/sh\necho not today >&2\nexit 1\n")
        os.chmod(program, 0o755)
        done = lone_user.run("echo never", *ALL, PATH=f"{folder}:/usr/bin:/bin:/usr/sbin")
    assert done.returncode == 125 and done.stdout == b""
    assert b"cannot be mapped" in done.stderr and b"not today" in done.stderr and b"uidmap" in done.stderr


def test_forbidden_user_namespaces_are_an_error_with_the_command(user):
    """In a namespace whose limit is 0, as on some machines."""
    inner = user.command("run", "--network", "none", *ALL, "busybox", "--", "true")
    at = inner.index("env")
    # unshare() as root of a new namespace, which may lower its own limit but not raise ours.
    script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""
    done = subprocess.run([*inner[:at], "unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", script, "sh",
                           *inner[at:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, cwd=user.folder)
    assert done.returncode == 125, done
    assert b"sudo sysctl -w user.max_user_namespaces=" in done.stderr


# ------------------------------------------------------------- runs

def test_files_in_and_out(user):
    source, out = user.make("source"), os.path.join(user.folder, "out")
    with open(os.path.join(source, "a"), "w") as file:
        file.write("in\n")
    done = user.run("cat a; mkdir r; echo out > r/f; chmod 4755 r/f; chown 33 r/f", *ALL, "--dir", source,
                    "--extract", f"r:{out}", "--env", "X=1")
    assert (done.returncode, done.stdout) == (0, b"in\n"), done
    st = os.stat(os.path.join(out, "f"))
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (ordinary.UID, ordinary.UID, 0o755)


def test_the_disk_is_capped(user):
    done = user.run("dd if=/dev/zero of=/app/f bs=1M count=200; stat -c %s f", *ALL, "--disk", "64m")
    assert int(done.stdout) <= 64 << 20 and b"No space left on device" in done.stderr


def test_a_folder_of_the_image_can_be_replaced(user):
    """The overlay must be able to store its notes about the folder."""
    done = user.run("rm -r /usr /home && mkdir /usr /home && ls -A /usr /home && mv /etc /usr/ && ls /usr", *ALL)
    assert (done.returncode, done.stdout) == (0, b"/home:\n\n/usr:\netc\n"), done


def test_the_image_is_not_changed(user):
    user.run("echo changed > /etc/passwd; rm -r /bin", *ALL)
    assert user.run("grep -c changed /etc/passwd", *ALL).stdout == b"0\n"


def test_the_default_network(user):
    with ordinary.network_device():
        done = user.run("ip addr show dev eth0 | grep -c inet || ls /sys/class/net; cat /etc/resolv.conf", *ALL,
                        network=None)
    assert done.returncode == 0 and b"nameserver " in done.stdout, done


def test_a_network_device_that_is_closed_is_an_error_with_the_command(user):
    before = os.stat("/dev/net/tun").st_mode & 0o777
    os.chmod("/dev/net/tun", 0o600)
    try:
        done = user.run("true", *ALL, network=None)
    finally:
        os.chmod("/dev/net/tun", before)
    assert done.returncode == 125 and b"sudo chmod 666 /dev/net/tun" in done.stderr


def test_a_timeout(user):
    result, _ = user.result("sleep 60", *ALL, "--timeout", "300ms")
    assert result["timedOut"] is True and result["duration"] < 5000


def test_setup_steps(user):
    with ordinary.network_device():
        done = user.run("cat /made; stat -c %u:%g /made", *ALL, "--setup", "echo made > /made", "--setup", "chown 7:8 /made")
    assert (done.returncode, done.stdout) == (0, b"made\n7:8\n"), done


@pytest.mark.parametrize("who", ["caller", "supervisor"])
def test_nothing_is_left_of_a_run_that_is_killed(user, delegated, who):
    before = host.leftovers(user.data)
    run = subprocess.Popen(user.command("run", "--network", "none", "busybox", "--", "echo up; sleep 600"),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=user.folder)
    assert run.stdout.readline() == b"up\n"
    below = host.descendants(run.pid)
    # run.pid is light-runner by now: setpriv and env have executed it.
    victims = {"caller": run.pid, "supervisor": next(p for p, a in below.items() if "light-runner-supervisor" in a)}
    os.kill(victims[who], signal.SIGKILL)
    run.wait(timeout=30)
    assert host.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below)), below

    def reaped():
        done = user.call("reap", "--json", LIGHT_RUNNER_REAP_AGE_MS="0")
        return done.returncode == 0 and not host.new_leftovers(before, user.data, seconds=0)

    assert host.wait_until(reaped), host.new_leftovers(before, user.data, seconds=0)


# ------------------------------------------------------------- images

def unpacked(user):
    folder = os.path.join(user.data, "unpacked")
    return sorted(name for name in os.listdir(folder) if name != "lock") if os.path.isdir(folder) else []


def test_an_image_is_unpacked_once_and_goes_with_its_name(user):
    user.run("true", *ALL)
    names = unpacked(user)
    inode = os.stat(os.path.join(user.data, "unpacked", names[0])).st_ino
    user.run("true", *ALL)
    assert unpacked(user) == names and os.stat(os.path.join(user.data, "unpacked", names[0])).st_ino == inode
    tar = os.path.join(user.folder, "busybox.tar")
    extra = os.path.join(user.folder, "extra.tar")
    make_extra(tar, extra)
    assert user.call("image", "import", extra, "extra").returncode == 0
    assert user.call("run", "--network", "none", *ALL, "extra", "--", "stat -c %u:%g:%a /extra").stdout == b"12:34:750\n"
    assert len(unpacked(user)) == len(names) + 1
    assert user.call("image", "rm", "extra").returncode == 0
    assert unpacked(user) == names


def odd_image():
    """An image with several owners, a read-only folder that a later layer changes, and entries that only root can make."""
    m = image_maker
    return m.Image(
        m.busybox_layer(),
        m.layer(m.folder("fixed", mode=0o555, uid=12), m.entry("fixed/gone"), m.entry("fixed/kept", data=b"old\n", uid=12, gid=34),
                m.entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3), m.hardlink("dev/zero", "dev/null"),
                m.entry("dev/sda", tarfile.BLKTYPE, devmajor=8)),
        m.layer(m.symlink("link", "fixed/later"), m.entry("link/x", data=b"below\n"), m.whiteout("fixed/gone"),
                m.entry("fixed/kept", data=b"new\n", uid=12, mode=0o400), m.opaque("nowhere")),
        config={"Cmd": ["/bin/sh", "-c", "ls /fixed; cat /fixed/kept /fixed/later/x; busybox stat -c %a /fixed"]})


def check_odd_image(user, name):
    done = user.call("run", "--network", "none", *ALL, name)
    assert done.stdout.decode().split() == ["kept", "later", "new", "below", "555"], done.stderr


def test_layers_with_what_only_root_can_write(user, lone_user):
    for one in (user, lone_user):
        layout = image_maker.image_layout(pathlib.Path(one.make("odd"), "layout"), odd_image())
        done = one.call("image", "import", str(layout), "odd")
        assert done.returncode == 0 and b"left out 3 " in done.stderr, done.stderr
        check_odd_image(one, "odd")


@pytest.mark.skipif(bool(registry.MISSING), reason=f"not installed: {', '.join(registry.MISSING)}")
def test_an_index_in_an_index_is_pulled(user, tmp_path):
    place, one = registry.Registry(tmp_path / "r"), odd_image()
    try:
        place.push("odd", "part", one)
        inner = image_maker.platform_index(one)
        place.push_manifest("odd", "inner", inner, image_maker.OCI + "index.v1+json")
        outer = image_maker.as_json({"schemaVersion": 2, "manifests": [
            image_maker.describe(inner, image_maker.OCI + "index.v1+json", platform=one.platform)]})
        place.push_manifest("odd", "1", outer, image_maker.OCI + "index.v1+json")
        done = user.call("image", "pull", f"{place.host}/odd:1")
        assert done.returncode == 0, done.stderr
        check_odd_image(user, f"{place.host}/odd:1")
    finally:
        place.stop()


def test_an_image_in_use_is_not_removed_under_the_run(user):
    tar, extra = os.path.join(user.folder, "busybox.tar"), os.path.join(user.folder, "used.tar")
    make_extra(tar, extra, size=5)
    user.call("image", "import", extra, "used")
    script = "echo up; read x; stat -c %s /extra"
    run = subprocess.Popen(user.command("run", "--network", "none", "--input", "-", *ALL, "used", "--", script),
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=user.folder)
    assert run.stdout.readline() == b"up\n"
    count = len(unpacked(user))
    assert user.call("image", "rm", "used").returncode == 0
    assert len(unpacked(user)) == count
    out, _ = run.communicate(b"\n", timeout=30)
    assert (run.returncode, out) == (0, b"5\n")
    # The next call that finds it removes it.
    assert user.call("reap").returncode == 0
    assert len(unpacked(user)) == count - 1


def test_what_a_killed_unpacking_has_left_is_replaced(user):
    """The files have ids that are not the user's, so they can be removed only in the namespace."""
    left = os.path.join(user.data, "unpacked", ".new")
    os.makedirs(os.path.join(left, "deep", "er"), exist_ok=True)
    subprocess.run(["chown", "-R", f"{ordinary.SUBORDINATE + 5}:{ordinary.SUBORDINATE + 5}", left], check=True, timeout=30)
    assert user.call("reap").returncode == 0
    assert not os.path.exists(left)


# ------------------------------------------------------------- doctor

def rows(user):
    done = user.call("doctor", "--json")
    document = json.loads(done.stdout)
    return done.returncode, {row["name"]: row for row in document["checks"]}, document["cells"][0]


def test_doctor_says_what_is_missing(user):
    code, checks, cell = rows(user)
    assert checks["root"]["ok"] is True and "loop devices" not in checks
    assert checks["delegation"]["ok"] is False and checks["delegation"]["fix"]
    assert "memory,cpus,pids" in checks["delegation"]["detail"]
    assert code == 1 and cell["works"] is False and cell["reason"].startswith("delegation: ")
    assert checks["subordinate ids"]["ok"] is True and str(ordinary.SUBORDINATE) in checks["subordinate ids"]["detail"]


def test_doctor_says_what_works(user, delegated):
    code, checks, cell = rows(user)
    assert code == 0 and cell["works"] is True and cell["tried"] and checks["delegation"]["ok"] is True
    others = json.loads(user.call("doctor", "--json").stdout)["cells"][1:3]
    assert all(not other["works"] and "takes root" in other["reason"] and "root" in other["hint"] for other in others), others


def test_doctor_tells_of_missing_ids(lone_user, delegated):
    with ordinary.delegated_cgroups(uid=ordinary.LONE):
        code, checks, _ = rows(lone_user)
    # A run does not need them.
    assert code == 0 and checks["subordinate ids"]["ok"] is False and "usermod" in checks["subordinate ids"]["fix"]


# ------------------------------------------------------------- helpers

def make_extra(tar, target, size=1):
    """Makes the image with one more file, of another owner."""
    shutil.copy(tar, target)
    with tarfile.open(target, "a") as file:
        info = tarfile.TarInfo("extra")
        info.uid, info.gid, info.mode, info.size = 12, 34, 0o750, size
        file.addfile(info, io.BytesIO(b"x" * size))
    os.chmod(target, 0o644)


def test_a_run_that_waits_for_anothers_unpacking_can_be_cancelled(user):
    """Another run is unpacking the image, and makes no progress."""
    folder = user.make(".local", "share", "light-runner", "unpacked")
    for name in os.listdir(folder):
        if name != "lock":
            subprocess.run(["rm", "-rf", "--", os.path.join(folder, name)], check=True, timeout=60)
    lock = os.path.join(folder, "lock")
    with open(lock, "a") as held:
        os.chown(lock, user.uid, user.uid)
        os.chmod(lock, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        process = subprocess.Popen(user.command("run", "--json", *ALL, "--network", "none", "busybox", "--", "echo ran"),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=user.folder)
        try:
            assert host.wait_until(lambda: waits_for(lock), 30), "control: it came as far as the lock"
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
        assert json.loads(stdout).get("cancelled") is True, (stdout, stderr)


def waits_for(path):
    """Whether a process besides this one has the file open."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) != os.getpid():
            with contextlib.suppress(OSError):
                fds = f"/proc/{pid}/fd"
                if any(os.readlink(os.path.join(fds, fd)) == path for fd in os.listdir(fds)):
                    return True
    return False
