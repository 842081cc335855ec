# SPDX-License-Identifier: MIT
"""Files that a sandbox sees besides its image: one that two runs share is a way between them, and tells when others run."""
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
    # Without root there are no device nodes but the host's (docs/threat-model.md). In a guest the agent is no file.
    devices = DEVICES if os.geteuid() == 0 else []
    return " ".join(devices if runner.tier == "kata" else [AGENT, *devices])


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
    first = runner.start(f"exec ./meddle hold {files}", dir=str(tool))
    try:
        held = [line.split() for line in told_until_tick(first)]
        # The control: in the same sandbox a lock is seen, and so is who opens the file.
        locked = {path for path, _, verdict in held if verdict == "locked"}
        watched = {path for path, _, verdict in held if verdict == "watched"}
        # gVisor locks no devices, and /dev/tty cannot be opened without a terminal.
        lockable = files.split() if runner.tier == "runc" else files.split()[:1]
        assert len(locked) >= len(set(lockable) - {"/dev/tty"}) and watched >= locked, held
        names = [path for path in watched if not path.startswith(AGENT[:-1])]
        told = [line.split() for line in runner.ok(f"./meddle try {AGENT if AGENT in files else ''} {' '.join(names)}", dir=str(tool)).lines]
        assert all(verdict != "busy" for _, _, verdict in told), (held, told)
        # Two ticks later everything that the other run has done has been told.
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
    """The agent's is a file of the run's own, without its place on the host."""
    if runner.engine == "docker":
        pytest.skip("a daemon mounts the host's file")
    outcome = runner.ok("cat /proc/self/mountinfo /proc/mounts")
    helpers = os.path.dirname(os.path.dirname(os.path.realpath(executable)))
    assert helpers not in outcome.text and "light-runner-agent" not in outcome.text, outcome
    if runner.cell == ("local", "runc"):
        assert " /agent /.light-runner-" in outcome.text, outcome
