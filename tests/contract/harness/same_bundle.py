# SPDX-License-Identifier: MIT
"""The container of tier runc, built by an OCI runtime instead of our launcher.

A run of light-runner makes everything but the container: root, user namespace, limits, agent. This file enters the mount namespace
of its supervisor, writes a bundle that asks for what the tables of src/box ask for, and starts `crun run` or `runc run` with it. The
comparison of both (hostile/test_same_as_runtimes.py) and `make bench` use it.
"""
import contextlib
import ctypes
import json
import os
import re
import resource
import subprocess
import sys

from . import host

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FOLDER = "/dev/pts"  # where a supervisor has the files of its run (src/engine/local/local_sandbox.h)
BUNDLE = FOLDER + "/same-bundle"
AGENT = "/.light-runner-0123456789abcdef0123456789abcdef"

SAFE = ["nosuid", "noexec", "nodev"]
MOUNTS = [
    ("/proc", "proc", "proc", SAFE),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", "shm", [*SAFE, "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", SAFE),
    ("/sys", "sysfs", "sysfs", [*SAFE, "ro"]),
]

# Both enter the run's cgroup, so neither may make one of its own.
FLAGS = {"crun": ["--cgroup-manager=disabled"], "runc": []}

NEWNS, NEWPID = 0x00020000, 0x20000000
DETACH, BIND, SLAVE_ALL = 2, 0x1000, 0x80000 | 0x4000


def _table(name):
    """The strings of a table of src/policy/confinement.c."""
    with open(os.path.join(ROOT, "src", "policy", "confinement.c"), encoding="ascii") as file:
        text = file.read()
    body = re.search(r"\b%s\[\] = \{(.*?)\};" % name, text, re.DOTALL).group(1)
    return re.findall(r"CAPABILITY\((\w+)\)", body) or re.findall(r'"([^"]+)"', body)


def _bind(source, target, how="bind"):
    return {"destination": target, "type": "bind", "source": source, "options": [how, "ro", "nosuid", "nodev"]}


def _limits(runtime):
    """The mounts that show the run's cgroup. crun leaves out some of the mounts in a folder, so it gets each of them."""
    folder = FOLDER + "/limits"
    names = os.listdir(folder)
    if not names:
        return []
    rows = [_bind(folder, "/sys/fs/cgroup", "rbind")]
    deep = [name for name in sorted(names) if os.path.ismount(f"{folder}/{name}")]
    return rows + ([_bind(f"{folder}/{name}", f"/sys/fs/cgroup/{name}") for name in deep] if runtime == "crun" else [])


def _config(order):
    """`order`: runtime, pid (of the sandbox), args, suid, seccomp (the profile, or None), hostname, files (the limit of open ones),
    limited (the runtime starts with the limits, and does not set them)."""
    ids = []
    with open(f"/proc/{order['pid']}/uid_map", encoding="ascii") as file:
        for line in file:
            inside, outside, count = map(int, line.split())
            ids.append({"containerID": inside, "hostID": outside, "size": count})
    limits = _limits(order["runtime"])
    mounts = [{"destination": place, "type": kind, "source": source, "options": options} for place, kind, source, options in MOUNTS]
    mounts.append(_bind(FOLDER + "/agent", AGENT))
    if os.path.exists(FOLDER + "/resolv.conf"):
        mounts.append(_bind(FOLDER + "/resolv.conf", "/etc/resolv.conf"))
    mounts += limits
    capabilities = _table("confinement_capabilities")
    masked = [path for path in [*_table("confinement_masked"), "/sys/fs/cgroup"] if not (limits and path == "/sys/fs/cgroup")]
    network = {"type": "network", "path": FOLDER + "/netns"} if os.path.exists(FOLDER + "/netns") else {"type": "network"}
    process = {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": order["args"] or [AGENT], "cwd": "/",
               "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"],
               "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")},
               "noNewPrivileges": not order["suid"]}
    if not order["limited"]:
        process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": order["files"]}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]
    linux = {"namespaces": [*({"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")),
                            {"type": "user", "path": FOLDER + "/userns"}, network],
             "uidMappings": ids, "gidMappings": ids, "maskedPaths": masked, "readonlyPaths": _table("confinement_read_only"),
             "sysctl": {"net.ipv4.ping_group_range": f"0 {ids[0]['size'] - 1}", "net.ipv4.ip_unprivileged_port_start": "0"}}
    if order["runtime"] == "runc":  # otherwise it makes a cgroup in the run's
        linux["cgroupsPath"] = "/light-runner/" + order["hostname"]
    if order["seccomp"]:
        linux["seccomp"] = order["seccomp"]
    return {"ociVersion": "1.0.2", "process": process, "root": {"path": FOLDER + "/root", "readonly": False},
            "hostname": order["hostname"], "mounts": mounts, "linux": linux}


# ---------------------------------------------------------------- in a process of its own

def _must(result):
    if result:
        sys.exit(os.strerror(ctypes.get_errno()))


def _enter_cgroups(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        for line in file:
            _, names, path = line.strip().split(":", 2)
            for top in (f"/sys/fs/cgroup/{names.removeprefix('name=')}", *([] if names else ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"])):
                with contextlib.suppress(OSError), open(f"{top}{path}/cgroup.procs", "w", encoding="ascii") as group:
                    group.write("0")


def main():
    """Becomes the runtime. The order is the only argument."""
    order = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    supervisor = os.open(f"/proc/{order['supervisor']}/ns/mnt", os.O_RDONLY)
    if not order["measure"]:
        _enter_cgroups(order["pid"])
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score, open(f"/proc/{order['pid']}/oom_score_adj", encoding="ascii") as as_in_runs:
        score.write(as_in_runs.read())
    for name in ("SIGPENDING", "NPROC", "MEMLOCK", "MSGQUEUE", "STACK", "DATA", "AS", "FSIZE", "CPU", "RSS", "NICE", "RTPRIO"):
        number = getattr(resource, "RLIMIT_" + name)
        resource.setrlimit(number, resource.prlimit(order["supervisor"], number))
    if order["limited"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    _must(libc.setns(supervisor, NEWNS))
    _must(libc.unshare(NEWNS))
    _must(libc.mount(None, b"/", None, SLAVE_ALL, None))
    # A runtime shows the host's nodes, so the run's own take their places.
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        _must(libc.mount(f"{FOLDER}/devices/{name}".encode(), f"/dev/{name}".encode(), None, BIND, None))
    os.makedirs(BUNDLE, exist_ok=True)
    with open(BUNDLE + "/config.json", "w", encoding="utf-8") as file:
        json.dump(_config(order), file)
    # crun does not start if an empty cgroup2 is mounted beside v1.
    libc.umount2(b"/sys/fs/cgroup/unified", DETACH)
    words = [order["runtime"], "--root", BUNDLE + "/state", *FLAGS[order["runtime"]], "run", "--bundle", BUNDLE]
    if order["measure"]:
        sys.exit(subprocess.run([*order["measure"], *words, "@"], stdin=subprocess.DEVNULL, check=False).returncode)
    _must(libc.unshare(NEWPID))
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    _must(libc.mount(b"proc", b"/proc", b"proc", 14, None))
    os.execvp(words[0], [*words, order["hostname"]])


# ---------------------------------------------------------------- in the tests

def may_limit_others():
    """Whether a process here has CAP_SYS_RESOURCE, which runc needs to set the limits of a sandbox."""
    with open("/proc/self/status", encoding="ascii") as file:
        effective = next(line for line in file if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & 1 << 24)


class SameBundle:
    """A run that waits, beside which an OCI runtime builds the same container."""

    def __init__(self, executable, request, environment=None):
        self.build = os.path.join(os.path.dirname(os.path.realpath(executable)), "..")
        self.suid = (request.get("options") or {}).get("noNewPrivileges") is False
        self.process = subprocess.Popen([executable, "run", "--request", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=environment)
        self.process.stdin.write(json.dumps(dict(request, entrypoint="echo up; sleep 600")).encode())
        self.process.stdin.close()
        line = self.process.stdout.readline()
        assert line == b"up\n", line + self.process.stdout.read()
        self.supervisor = host.children(self.process.pid)[0]
        self.pid = next(pid for pid in host.descendants(self.supervisor) if host.name_of(pid) == "agent")

    def profile(self):
        if not self.suid:
            return None
        return json.loads(subprocess.run([os.path.join(self.build, "tests", "print_profile")], stdout=subprocess.PIPE, check=True, timeout=30).stdout)

    def start(self, runtime, args=None, measure=(), **options):
        """Starts the runtime in the run's cgroup. args: the program; None: the agent. measure: a program that executes the runtime instead,
        several times: its arguments are the runtime's, and `@` for a name that is new each time."""
        with open(f"/proc/{self.pid}/limits", encoding="ascii") as file:
            files = int(re.search(r"^Max open files +\d+ +(\d+)", file.read(), re.MULTILINE).group(1))
        with open(f"/proc/{self.supervisor}/cmdline", "rb") as file:
            hostname = next(word.decode() for word in file.read().split(b"\0") if word.startswith(b"light-runner-") and b"supervisor" not in word)
        order = {"runtime": runtime, "pid": self.pid, "supervisor": self.supervisor, "args": args, "suid": self.suid,
                 "seccomp": self.profile(), "hostname": hostname, "files": files, "measure": list(measure),
                 "limited": runtime == "runc" and not may_limit_others()}
        program = f"import sys; sys.path.insert(0, {ROOT!r} + '/tests/contract'); from harness import same_bundle; same_bundle.main()"
        return subprocess.Popen([sys.executable, "-c", program, json.dumps(order)], **options)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.process.stdout.close()
