# SPDX-License-Identifier: MIT
"""Properties of the tier runsc only."""
import contextlib
import json
import os
import subprocess

import pytest

from harness import host

pytestmark = pytest.mark.cells("*-runsc")


@pytest.fixture
def gvisor(runner):
    if runner.tier != "runsc":
        pytest.skip("of gVisor alone")
    return runner


def capabilities(runner, **call):
    lines = runner.ok("cat /proc/self/status", **call).lines
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_the_kernels_log_says_whose_it_is(gvisor):
    """The check that everybody makes by hand."""
    assert "Starting gVisor" in gvisor.ok("dmesg | head -1").text


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_the_agents_capabilities_are_gone(gvisor, no_new_privileges):
    """The agent needs two capabilities to set up gVisor's kernel. The program must not have them, not even in its bounding set."""
    seen = capabilities(gvisor, options={"noNewPrivileges": no_new_privileges})
    for which in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(seen[which], 16) & (1 << 21 | 1 << 8) == 0, (which, seen)
    assert seen["Seccomp"] == "2" and seen["NoNewPrivs"] == str(int(no_new_privileges))


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_capabilities_that_a_program_is_given_by_its_file_have_no_effect(gvisor, probe_dir, no_new_privileges):
    outcome = gvisor.ok("cp probe /tmp/caps; ./probe setcap_xattr; /tmp/caps mount 2>/dev/null || echo refused; exit 0", dir=probe_dir,
                        options={"noNewPrivileges": no_new_privileges})
    assert "refused" in outcome.lines[-1], outcome


def test_the_process_limit_is_exact(gvisor):
    """It counts every process in the sandbox, including the agent, so 99 are left."""
    script = """(i=0; while [ $i -lt 300 ]; do sleep 20 & i=$((i+1)); done) 2>/dev/null
    set -- /proc/[0-9]*; echo $#; exit 3"""
    for _ in range(3):
        assert int(gvisor.run(script).lines[-1]) in (99, 100)


def test_another_user_does_not_raise_the_process_limit(gvisor):
    """A limit per user would allow that many processes to each user."""
    script = """i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done
    (i=0; while [ $i -lt 60 ]; do su -s /bin/sh nobody -c "exec sleep 20" & i=$((i+1)); done) 2>/dev/null
    sleep 1; set -- /proc/[0-9]*; echo $#; exit 3"""
    outcome = gvisor.run(script)
    assert 90 <= int(outcome.lines[-1]) <= 100, outcome


def test_its_own_cgroups_cannot_be_reached(gvisor):
    """They are shown read-only (test_limits_inside.py)."""
    assert gvisor.ok("mount -o remount,rw /sys/fs/cgroup; grep -c 'cgroup2 ro,' /proc/mounts; grep -c cgroup /proc/mounts").lines[-2:] == ["1", "1"]
    outcome = gvisor.run("mkdir /tmp/c && mount -t cgroup2 none /tmp/c 2>/dev/null && echo mounted; ls /tmp/c; exit 0")
    assert outcome.lines == []


def test_tmp_is_the_images_own_and_on_the_disk(gvisor):
    """By default, gVisor would mount a tmpfs there."""
    assert gvisor.ok("[ $(stat -c %d /) = $(stat -c %d /tmp) ] && stat -c %a /tmp").lines == ["1777"]


def test_too_little_memory_is_told_beforehand(gvisor):
    outcome = gvisor.run("true", options={"memory": "16m"})
    assert outcome.error["code"] == "INVALID_ARGUMENT" and "32 MiB" in outcome.error["message"]


def test_the_smallest_memory_is_enough(gvisor):
    gvisor.ok("true", options={"memory": "32m"})


def test_the_share_of_the_processors_begins_with_the_command(gvisor, tmp_path, monkeypatch):
    """With a tenth of a processor gVisor's own start would be stopped some twenty times."""
    if gvisor.engine != "local":
        pytest.skip("a daemon sets the limit, before it starts gVisor")
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    run_id = gvisor.submit(gvisor.request("sleep 60", detached=True, options={"cpus": 0.1}, networks=["none"])).json["id"]
    found = {}
    for folder in host.traces(run_id):
        for name in ("cpu.max", "cpu.cfs_quota_us", "cpu.stat"):
            with contextlib.suppress(FileNotFoundError), open(os.path.join(folder, name), encoding="ascii") as file:
                found[name] = file.read().split()
    gvisor.cli("cancel", run_id)
    assert (found.get("cpu.max") or found["cpu.cfs_quota_us"])[0] == "10000", found
    stopped = int(found["cpu.stat"][found["cpu.stat"].index("nr_throttled") + 1])
    assert stopped < 12, found


def test_no_file_is_left_in_tmp(gvisor):
    before = set(os.listdir("/tmp"))
    gvisor.ok("true")
    assert not [name for name in set(os.listdir("/tmp")) - before if "runsc" in name or "gvisor" in name]


def test_the_doctor_refuses_a_runsc_of_years_ago(gvisor, tmp_path):
    old = tmp_path / "runsc"
    old.write_text("#!/bin/sh\necho runsc version 0.0~20221219.0-2+b3\n")
    old.chmod(0o755)
    done = subprocess.run([gvisor.executable, "doctor", "--json"], stdout=subprocess.PIPE, timeout=60,
                          env={**os.environ, "LIGHT_RUNNER_RUNSC": str(old)})
    cell = [c for c in json.loads(done.stdout)["cells"] if (c["engine"], c["runtime"]) == ("local", "runsc")][0]
    assert cell["works"] is False and "too old" in cell["reason"]


def test_the_doctor_tells_the_age_of_one(gvisor, tmp_path):
    program = tmp_path / "runsc"
    program.write_text("#!/bin/sh\necho runsc version release-20260905.0\n")
    program.chmod(0o755)

    def the_row():
        done = subprocess.run([gvisor.executable, "doctor"], stdout=subprocess.PIPE, timeout=60,
                              env={**os.environ, "LIGHT_RUNNER_RUNSC": str(program)})
        return [line for line in done.stdout.decode().splitlines() if " gVisor " in line][0]

    row = the_row()
    # A release consists of several programs, and is useless without the others.
    assert row.startswith("missing") and "gvisor-bin" in row and "20260905" in row
    (tmp_path / "gvisor-bin").mkdir()
    row = the_row()
    assert row.startswith("ok") and "20260905" in row and " days old" in row
