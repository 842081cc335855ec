# SPDX-License-Identifier: MIT
"""A program sees the same in a sandbox of our launcher (src/box) as in a container of crun or runc.

One probe runs in all of them. harness/same_bundle.py writes a bundle that asks for what the launcher's tables ask for. EXPLAINED has
what may differ, and why.
"""
import fnmatch
import os
import re
import shutil
import struct
import subprocess

import pytest

from harness.fixtures import ROOT
from harness.same_bundle import SameBundle, may_limit_others
from test_lying_agent import frame

pytestmark = [pytest.mark.cells("local-runc"), pytest.mark.once,
              pytest.mark.skipif(os.geteuid() != 0, reason="joining a run's namespaces takes root")]

HOSTILE = os.path.join(ROOT, "tests", "hostile")
PREPARE, START, FILTER, STDOUT, EXIT = 32, 33, 38, 68, 71

# Every line is a key, a tab and a value. PID 1 is the agent, whose state is as the launcher has set it up.
SCRIPT = r"""
tell() { sed "s|^|$1\t|" "$2" 2>&1; echo; }
for process in self 1; do
    for file in status mountinfo limits uid_map gid_map cgroup attr/current comm loginuid oom_score_adj sessionid setgroups timens_offsets; do
        tell "$file $process" /proc/$process/$file
    done
done
for space in cgroup ipc mnt net pid pid_for_children time time_for_children user uts; do
    printf 'namespace %s\t%s\n' $space "$(readlink /proc/self/ns/$space)"
done
for file in keys cmdline 1/cmdline 1/environ; do tell "text $file" /proc/$file; done
for file in domainname hostname msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced; do
    tell "kernel.$file" /proc/sys/kernel/$file
done
ip addr 2>&1 | sed 's|^|addresses\t|'
./look
for call in CALLS; do ./probe $call 2>&1 | sed 's|^|call |; s| |\t|2'; done
"""

# Fields of /proc/PID/status that change all the time, or that depend on the processes that the script has started before.
EVENTS = r"State|SigQ|Vm|Rss|\w*ctxt_switches"
OF_ONE_PROCESS = r"Name|Pid|Tgid|PPid|NS"

# Values that differ in every run are replaced by one name.
NAMES = [(r"\.light-runner-[0-9a-f]+", ".light-runner-AGENT"), (r"\b([ug]id)=\d+", r"\1=ID"), (r"\b(master|shared):\d+", r"\1:N"),
         (r"link/ether \S+|\bfe80::\S+| tentative", ""), (r"-> \d+(/task/\d+)?$", r"-> PID")]


# Pattern of keys, runtime, pattern of what ours has, of what theirs has (None: there is no such key), why.
EXPLAINED = [
    ("comm 1", "*", "agent", ".light-runner-*", "the launcher executes the agent's file by its descriptor, a runtime by a path in the root"),
    ("status 1 Name", "*", "agent", ".light-runner-*", "the same"),
    ("mount /.light-runner-AGENT *", "*", None, "*", "so a runtime has to mount it there"),
    # Ours is stricter.
    ("mount * flags", "crun*", "ro,nosuid,nodev,noexec,relatime", "ro,relatime", "crun makes hidden folders and read-only paths without these flags"),
    ("mount * flags", "runc*", "ro,nosuid,nodev,noexec,relatime", "ro,relatime", "runc makes hidden folders without these flags"),
    ("mount /proc/* flags", "runc*", "ro,nosuid,noexec,relatime", "rw,nosuid,noexec,relatime", "runc hides files with a writable /dev/null"),
    ("statfs /proc/sys", "crun*", "0x9fa0 flags 0x102f *", "0x9fa0 flags 0x1021 *", "the flags of /proc/sys, once more"),
    ("mount * parameters", "crun*", "rw,size=0k,mode=755,*", "rw,size=0k,uid=*", "crun gives the file systems that hide folders no mode: it is 1777, though they are read-only"),
    ("mount * parameters", "runc*", "rw,size=0k,mode=755,*", "ro,uid=*", "runc gives them no mode either"),
    ("file *", "*", "040755 0:0 read yes", "041777 0:0 read yes", "the same folders"),
    # Neither stricter nor weaker. (With a network, both containers share its namespace, and so the sysfs that the launcher has made.)
    ("mount /sys * parameters", "runc", "rw", "ro", "runc makes the whole sysfs read-only, the launcher and crun its mount, which is the only one"),
    ("file /sys/*", "runc", "* write EACCES", "* write EROFS", "so the kernel refuses with another errno"),
    ("file /dev/mqueue", "runc*", "041777 0:0 read yes", "041777 65534:65534 read yes", "runc makes the IPC namespace as a user that the sandbox does not have"),
]
if not os.path.exists("/proc/kcore"):
    EXPLAINED.append(("file /dev/core", "runc*", "-> /proc/kcore", None, "runc makes the link only where it leads to a file"))
if not may_limit_others():
    EXPLAINED.append(("limits * Max open files", "runc*", "1024 * files", "1024 1024 files", "runc needs CAP_SYS_RESOURCE to set limits"))
if os.path.isdir("/sys/fs/cgroup/memory"):
    EXPLAINED.append(("mount /sys/fs/cgroup/* flags", "runc*", "ro,nosuid,nodev,relatime", "ro,nodev,relatime",
                      "runc sets nosuid on the folder of cgroups, but not on the hierarchies of cgroup v1 in it"))


@pytest.fixture(scope="module")
def programs(probe_dir):
    """The folder with `look` and `probe`, and the words that `probe` accepts."""
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(probe_dir / "look"), os.path.join(HOSTILE, "look.c")],
                   check=True, timeout=60)
    with open(os.path.join(HOSTILE, "probe.c"), encoding="ascii") as file:
        calls = re.findall(r"^    PROBE(?:_FOR)?\((\w+)", file.read(), re.MULTILINE)
    return probe_dir, calls


def parse_mount(process, text):
    """The parts of a line of mountinfo(5), without ids and device numbers."""
    mount, _, filesystem = text.partition(" - ")
    _, _, _, root, place, flags, *propagation = mount.split(" ")
    kind, source, parameters = filesystem.split(" ")
    return {f"mount {place} {process} {name}": value for name, value in (
        ("file system", f"{root} of {kind} {source}"), ("flags", flags), ("propagation", " ".join(propagation)), ("parameters", parameters))}


def parse_line(key, value):
    kind, _, name = key.partition(" ")
    if kind == "mountinfo":
        return parse_mount(name, value)
    if kind == "status":
        word, _, value = value.partition(":")
        if re.match(EVENTS, word) or (name == "self" and re.match(OF_ONE_PROCESS, word)):
            return {}
        return {f"{key} {word}": value.strip()}
    if kind == "limits":
        return {f"{key} {value[:26].strip()}": " ".join(value[26:].split())}
    if kind in ("uid_map", "gid_map"):  # every run has its own ids
        inside, outside, count = value.split()
        return {f"{key} {inside}": f"{count} ids, {'those of the host' if outside == inside else 'of its own'}"}
    if kind == "namespace" and value:
        return {key: "the host's" if value == os.readlink(f"/proc/self/ns/{name}") else "of its own"}
    return {key: value.strip()}


def parse(text):
    """{key: value} from the script's output. A key that occurs several times, like two mounts at one place, has all values."""
    run_id = re.search(r"^kernel\.hostname\t(.*)$", text, re.MULTILINE).group(1)
    text = text.replace(run_id, "RUN")
    for pattern, name in NAMES:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    seen = {}
    for line in text.splitlines():
        key, tab, value = line.partition("\t")
        for name, part in parse_line(key, value).items() if tab else [(line, "")]:
            if not name.startswith("file ") or name not in seen:  # two walks of `look` may find each other's files
                seen.setdefault(name, []).append(part)
    return {key: " | ".join(values) for key, values in seen.items()}


def frames(data):
    """The frames that have arrived as a whole."""
    while len(data) >= 8:
        kind, _, _, length = struct.unpack("<BBHI", data[:8])
        if len(data) < 8 + length:
            return
        yield kind, data[8:8 + length]
        data = data[8 + length:]


class Probe:
    def __init__(self, runner, programs):
        self.runner, (self.dir, calls) = runner, programs
        self.script = SCRIPT.replace("CALLS", " ".join(calls))

    def see(self, **fields):
        """What a program sees in a sandbox of our launcher."""
        outcome = self.runner.run(self.script, dir=self.dir, **fields)
        assert outcome.code == 0, outcome
        return parse(outcome.text)

    def frames(self, suid, outbound):
        """What a supervisor sends to the agent."""
        data = b"" if suid else frame(FILTER, self.filter(), 0)
        names = {"nameserver": outbound} if outbound else {}
        data += frame(PREPARE, number=0, workdir="/app", user="", own=1, **names)
        return data + frame(START, f"arg=sh\0arg=-c\0arg={self.script}\0".encode(), 1, shell=1)

    @staticmethod
    def filter():
        folder = os.path.join(os.environ["LIGHT_RUNNER_DATA_DIR"], "scratch")
        with open(next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".bpf")), "rb") as file:
            return file.read()

    def see_in(self, runtime, **request):
        """What it sees in the same sandbox if an OCI runtime has built it."""
        with SameBundle(self.runner.executable, self.runner.request(dir=self.dir, **request)) as bundle:
            process = bundle.start(runtime, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdin.write(self.frames(bundle.suid, "192.0.2.1" if request.get("networks") == [] else None))
            process.stdin.flush()
            data = b""
            while EXIT not in [kind for kind, _ in frames(data)]:
                more = os.read(process.stdout.fileno(), 1 << 20)
                if not more:
                    break
                data += more
            _, error = process.communicate(timeout=60)
        output = b"".join(payload for kind, payload in frames(data) if kind == STDOUT)
        assert output, (data[-500:], error)
        return parse(output.decode())


@pytest.fixture
def probe(runner, programs):
    return Probe(runner, programs)


def is_like(value, pattern):
    return value == pattern if None in (value, pattern) else fnmatch.fnmatchcase(value, pattern)


def compare(ours, theirs, runtime):
    """Returns the differences without an explanation, and the explanations that match nothing."""
    rows = [row for row in EXPLAINED if fnmatch.fnmatchcase(runtime, row[1])]
    unexplained, used = {}, set()
    for key in sorted({*ours, *theirs}):
        own, other = ours.get(key), theirs.get(key)
        if own != other:
            fitting = {row for row in rows if is_like(key, row[0]) and is_like(own, row[2]) and is_like(other, row[3])}
            used |= fitting
            if not fitting:
                unexplained[key] = own, other
    return unexplained, [row for row in rows if row not in used]


@pytest.mark.parametrize("runtime", ["crun", "runc"])
@pytest.mark.parametrize("fields", [
    pytest.param({}, id="alone"),
    # The launcher or the runtime installs the seccomp filter, not the agent.
    pytest.param({"options": {"noNewPrivileges": False}}, id="suid"),
    pytest.param({"networks": []}, id="outbound"),
])
def test_a_program_sees_the_same(probe, runtime, fields):
    if not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    ours, theirs = probe.see(**fields), probe.see_in(runtime, **fields)
    # The control: the probe has seen something of each kind, and the other run had the other runtime.
    kinds = {key.split(" ")[0] for key in ours}
    assert {"status", "mount", "limits", "cgroup", "namespace", "process", "descriptor", "statfs", "file", "value", "call"} <= kinds, kinds
    assert len(ours) > 1000 and ours["comm 1"] != theirs["comm 1"]
    unexplained, unused = compare(ours, theirs, runtime + (" with a network" if fields.get("networks") == [] else ""))
    assert not unexplained, "\n".join(f"{key}: ours {own!r}, {runtime} {other!r}" for key, (own, other) in unexplained.items())
    assert not unused, f"explanations of differences that {runtime} does not have: {unused}"
