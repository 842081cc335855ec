# SPDX-License-Identifier: MIT
"""Files that a sandbox sees besides its image. A file that two runs share connects them, and reveals when others run."""
import os
import subprocess

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
AGENT = "/.light-runner-*"
DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"]


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meddle")
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(folder / "meddle"),
                    os.path.join(ROOT, "tests", "hostile", "meddle.c")], check=True, timeout=60)
    return folder


def files_of(runner):
    # Without root, a sandbox can only have the host's device nodes (docs/threat-model.md). If our own launcher starts the agent,
    # the agent is not a file in the sandbox.
    devices = DEVICES if os.geteuid() == 0 else []
    return " ".join([AGENT, *devices] if runner.tier == "runsc" else devices)


def told_until_tick(process):
    lines = []
    for line in iter(process.stderr.readline, b""):
        line = line.decode().strip()
        if line == "tick":
            return lines
        lines.append(line)
    raise AssertionError(f"the run has ended: {lines} {process.stdout.read()}")


def test_no_file_is_shared_between_runs(runner, tool):
    if runner.engine == "docker":
        pytest.skip("a daemon shows the host's file as the agent, and devices as its runtime makes them")
    files = files_of(runner)
    if not files:
        pytest.skip("without root the devices are the host's")
    first = runner.start(f"exec ./meddle hold {files}", dir=str(tool))
    try:
        held = [line.split() for line in told_until_tick(first)]
        # The control: within one sandbox, a lock and the opening of the file are noticed.
        locked = {path for path, _, verdict in held if verdict == "locked"}
        watched = {path for path, _, verdict in held if verdict == "watched"}
        # gVisor locks no devices, and /dev/tty cannot be opened without a terminal.
        lockable = files.split() if runner.tier == "runc" else files.split()[:1]
        assert len(locked) >= len(set(lockable) - {"/dev/tty"}) and watched >= locked, held
        names = [path for path in watched if not path.startswith(AGENT[:-1])]
        told = [line.split() for line in runner.ok(f"./meddle try {AGENT if AGENT in files else ''} {' '.join(names)}", dir=str(tool)).lines]
        assert all(verdict != "busy" for _, _, verdict in told), (held, told)
        # After two ticks, every event of the other run has been reported.
        events = told_until_tick(first) + told_until_tick(first)
        assert events == [], (events, held, told)
        if runner.tier == "runc":
            mine, theirs = ({inode for _, inode, _ in lines} for lines in (held, told))
            host = {f"{st.st_dev}:{st.st_ino}" for st in map(os.stat, DEVICES)}
            assert not mine & theirs and not (mine | theirs) & host, (held, told, host)
    finally:
        first.kill()
        first.communicate()


def test_mounts_tell_nothing_of_the_host(runner, executable):
    """The agent's mount is a file of the run itself, and does not show its path on the host."""
    if runner.engine == "docker":
        pytest.skip("a daemon mounts the host's file")
    outcome = runner.ok("cat /proc/self/mountinfo /proc/mounts")
    helpers = os.path.dirname(os.path.dirname(os.path.realpath(executable)))
    assert helpers not in outcome.text and "light-runner-agent" not in outcome.text, outcome
    if runner.tier != "runsc":
        assert "agent" not in outcome.text, outcome
