# SPDX-License-Identifier: MIT
"""A runtime or a daemon that puts on no seccomp filter, and says nothing: nothing is run."""
import os
import shutil
import sys

import pytest

from harness import dockerd
from harness.docker_proxy import Proxy

# crun as it is built without libseccomp: it takes the profile, and does nothing with it. The configuration comes by a pipe.
WITHOUT_SECCOMP = """#!{python}
import json, os, sys
bundle = sys.argv[sys.argv.index("--bundle") + 1]
fd = int(os.path.basename(os.readlink(os.path.join(bundle, "config.json"))))
with open(fd, closefd=False) as file:
    config = json.load(file)
{change}
memory = os.memfd_create("config")
os.write(memory, json.dumps(config).encode())
os.lseek(memory, 0, os.SEEK_SET)
os.dup2(memory, fd)
os.execv("{crun}", ["crun", *sys.argv[1:]])
"""
NO_FILTER = 'config["linux"].pop("seccomp", None)'
NO_BOUNDS = 'config["process"]["capabilities"]["bounding"].append("CAP_NET_RAW")'
NO_PRIVILEGES = 'config["process"]["noNewPrivileges"] = False'


def run_with(runner, tmp_path, change, **fields):
    crun = shutil.which("crun", path="/usr/bin:/usr/local/bin:/bin")
    if runner.cell != ("local", "runc") or not crun:
        pytest.skip("the runtime is named by the local engine's variable, and is crun")
    program = tmp_path / "crun"
    program.write_text(WITHOUT_SECCOMP.format(python=sys.executable, crun=crun, change=change))
    program.chmod(0o755)
    return runner.submit(runner.request("echo ran", **fields), env={**os.environ, "LIGHT_RUNNER_CRUN": str(program)})


def test_a_runtime_without_seccomp(runner, tmp_path):
    outcome = run_with(runner, tmp_path, NO_FILTER, options={"noNewPrivileges": False})
    assert outcome.error["code"] == "ISOLATION_FAILED" and " seccomp: " in outcome.error["message"], outcome
    assert "noNewPrivileges" in outcome.error["hint"] and "ran" not in outcome.text


@pytest.mark.parametrize("change,name", [(NO_BOUNDS, "capabilities"), (NO_PRIVILEGES, "noNewPrivileges")])
def test_a_runtime_that_forgets_another_wall(runner, tmp_path, change, name):
    """Without no_new_privs the agent cannot put on its filter either, which is an error of its own."""
    outcome = run_with(runner, tmp_path, change)
    assert outcome.error["code"] in ("ISOLATION_FAILED", "CONTAINER_START_FAILED") and "ran" not in outcome.text, outcome
    assert f" {name}: " in outcome.error["message"] or "seccomp filter" in outcome.error["message"], outcome


def test_the_same_runtime_that_forgets_nothing(runner, tmp_path):
    """The control."""
    for on in (True, False):
        outcome = run_with(runner, tmp_path, "", options={"noNewPrivileges": on})
        assert outcome.code == 0 and outcome.lines == ["ran"], outcome


def unconfined(call):
    if call.name != "POST /containers/create":
        return None
    document = call.json
    document["HostConfig"]["SecurityOpt"].append("seccomp=unconfined")
    return document


def test_a_daemon_without_a_profile(runner, tmp_path):
    """One that is told to have none (`seccomp-profile`). With noNewPrivileges the agent's filter is on all the same."""
    if runner.cell != ("docker", "runc"):
        pytest.skip("gVisor's kernel has none of the daemon's")
    with Proxy(dockerd.current(), tmp_path / "proxy.sock", change=unconfined) as proxy:
        bare = runner.submit(runner.request("echo ran", options={"noNewPrivileges": False}), env=proxy.environment())
        ours = runner.submit(runner.request("grep Seccomp_filters /proc/self/status"), env=proxy.environment())
    assert bare.error["code"] == "ISOLATION_FAILED" and " seccomp: " in bare.error["message"] and "ran" not in bare.text, bare
    assert ours.code == 0 and ours.text.split() == ["Seccomp_filters:", "1"], ours


def test_the_daemons_own_profile_stays_on(runner):
    if runner.cell != ("docker", "runc"):
        pytest.skip("gVisor's kernel has none of the daemon's")
    assert runner.ok("grep Seccomp_filters /proc/self/status").text.split() == ["Seccomp_filters:", "2"]
