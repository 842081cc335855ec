# SPDX-License-Identifier: MIT
"""What a sandbox must not inherit from the caller: priorities, exemption from the OOM killer, limits, ignored signals."""
import os
import shutil
import subprocess

import pytest

from harness import host
from harness.runner import Runner

# Real-time I/O, a high priority, blocked and ignored signals, no address space randomization.
CALLER = ["setarch", "-R", "env", "--ignore-signal=CHLD", "--ignore-signal=HUP", "--ignore-signal=USR1", "--block-signal=USR2",
          "--block-signal=TERM"]
PRIVILEGED = ["nice", "-n", "-10", "ionice", "-c", "1", "-n", "0"]


@pytest.fixture
def as_such_a_caller(runner, tmp_path):
    argv = [*(PRIVILEGED if os.geteuid() == 0 else []), *CALLER, runner.executable]
    path = tmp_path / "caller"
    path.write_text("#!/bin/sh\nexec " + " ".join(argv) + ' "$@"\n')
    path.chmod(0o755)
    return Runner(str(path), runner.cell, tmp_path)


def state_of(pid):
    """The state of a process as the host sees it. None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/limits") as file:
            limits = {line[:26].strip(): line[26:].split()[:2] for line in file}
        with open(f"/proc/{pid}/oom_score_adj") as file:
            oom = int(file.read())
        with open(f"/proc/{pid}/personality") as file:
            personality = file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    io = subprocess.run(["ionice", "-p", str(pid)], stdout=subprocess.PIPE, check=False, timeout=10).stdout.decode()
    return {"name": host.name_of(pid), "nice": int(fields[16]), "policy": int(fields[38]), "io": io.split(":")[0].strip(), "oom": oom,
            "personality": personality, "realtime": limits["Max realtime priority"], "niceness": limits["Max nice priority"],
            "signals": limits["Max pending signals"], "queues": limits["Max msgqueue size"], "locked": limits["Max locked memory"],
            "stack": limits["Max stack size"][0]}


def wrong_with(state):
    return [key for key, good in {
        "nice": state["nice"] >= 0, "policy": state["policy"] == 0, "io": state["io"] in ("none", "unknown", "idle") or state["io"].startswith("best"),
        "oom": state["oom"] >= 0, "personality": state["personality"] == "00000000",
        "realtime": state["realtime"] == ["0", "0"], "niceness": state["niceness"] == ["0", "0"],
        "signals": int(state["signals"][1]) <= 4096, "queues": int(state["queues"][1]) <= 819200,
        "locked": state["locked"][1] != "unlimited" and int(state["locked"][1]) <= 8 << 20, "stack": state["stack"] == str(8 << 20),
    }.items() if not good]


def test_no_process_of_a_run_has_the_callers_privileges(as_such_a_caller):
    """The host looks at the supervisor, the runtime or QEMU, the agent, the command, and pasta."""
    runner = as_such_a_caller
    if runner.engine == "docker":
        pytest.skip("a container is the daemon's child, not the caller's")
    if os.geteuid() != 0 or not shutil.which("ionice"):
        pytest.skip("looks into processes of other users, with ionice")
    run = runner.start("echo up; exec sleep 60", networks=[])
    try:
        assert run.stderr.readline() == b"up\n"
        states = {pid: state_of(pid) for pid in host.descendants(run.pid)}
        # The control: the caller itself has the properties that it must not pass on.
        own = state_of(run.pid)
        assert own["nice"] == -10 and own["io"] == "realtime" and own["personality"] != "00000000", own
        assert len([s for s in states.values() if s]) >= 3, states
        found = {(pid, s["name"]): (wrong_with(s), s) for pid, s in states.items() if s and wrong_with(s)}
        assert found == {}, found
        # The OOM killer must choose a sandbox before the host's programs.
        inside = [s for s in states.values() if s and (s["name"].startswith((".light-runner-", "sleep", "qemu", "exe")))]
        assert inside and all(s["oom"] >= 500 for s in inside), states
    finally:
        run.kill()
        run.communicate()


def test_what_a_command_starts_with(as_such_a_caller):
    runner = as_such_a_caller
    if runner.engine == "docker":
        pytest.skip("a container is the daemon's child, not the caller's")
    outcome = runner.ok("umask; cat /proc/self/status; echo -900 > /proc/self/oom_score_adj; echo adj $(cat /proc/self/oom_score_adj)")
    status = dict(line.split(":", 1) for line in outcome.lines if ":\t" in line)
    assert outcome.lines[0] == "0022"
    assert all(int(status[key], 16) == 0 for key in ("SigBlk", "SigIgn") if key in status), outcome
    if runner.tier != "runc":
        return  # this number belongs to the sandbox's own kernel
    adj = [line for line in outcome.lines if line.startswith("adj ")]
    assert adj and int(adj[0].split()[1]) >= 0, outcome


def test_a_caller_with_less_priority_means_the_run(runner, tmp_path):
    if runner.cell != ("local", "runc"):
        pytest.skip("the same code in all tiers; a kernel of its own has priorities of its own")
    path = tmp_path / "nice"
    path.write_text(f'#!/bin/sh\nexec nice -n 7 {runner.executable} "$@"\n')
    path.chmod(0o755)
    outcome = Runner(str(path), runner.cell, tmp_path).ok("cat /proc/self/stat")
    assert outcome.text.rpartition(")")[2].split()[16] == "7", outcome
