# SPDX-License-Identifier: MIT
"""A runtime or a daemon that silently installs no seccomp filter: nothing is run."""
import os
import sys

import pytest

from harness import dockerd, tools
from harness.docker_proxy import Proxy

# An OCI runtime that does not do everything that its configuration asks for.
FORGETFUL = """#!{python}
import json, os, sys
if "run" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(path) as file:
        config = json.load(file)
    {change}
    with open(path, "w") as file:
        json.dump(config, file)
os.execv("{runtime}", ["runsc", *sys.argv[1:]])
"""
# Not CAP_NET_RAW, which gVisor removes from every container, and no capability that our agent drops by itself.
NO_BOUNDS = 'config["process"]["capabilities"]["bounding"].append("CAP_SYS_CHROOT")'
NO_PRIVILEGES = 'config["process"]["noNewPrivileges"] = False'


def run_with(runner, tmp_path, change, **fields):
    runtime = tools.runsc()
    if runner.cell != ("local", "runsc") or not runtime:
        pytest.skip("only there is the sandbox started by an OCI runtime that a variable names")
    program = tmp_path / "runsc"
    program.write_text(FORGETFUL.format(python=sys.executable, runtime=runtime, change=change))
    program.chmod(0o755)
    return runner.submit(runner.request("echo ran", **fields), env={**os.environ, "LIGHT_RUNNER_RUNSC": str(program)})


@pytest.mark.parametrize("change,name", [(NO_BOUNDS, "capabilities"), (NO_PRIVILEGES, "noNewPrivileges")])
def test_a_runtime_that_forgets_a_wall(runner, tmp_path, change, name):
    outcome = run_with(runner, tmp_path, change)
    assert outcome.error["code"] == "ISOLATION_FAILED" and "ran" not in outcome.text, outcome
    assert f" {name}: " in outcome.error["message"], outcome


def test_the_same_runtime_that_forgets_nothing(runner, tmp_path):
    """The control."""
    outcome = run_with(runner, tmp_path, "pass")
    assert outcome.code == 0 and outcome.lines == ["ran"], outcome


def unconfined(call):
    if call.name != "POST /containers/create":
        return None
    document = call.json
    document["HostConfig"]["SecurityOpt"].append("seccomp=unconfined")
    return document


def test_a_daemon_without_a_profile(runner, tmp_path):
    """A daemon that is configured to have none (`seccomp-profile`). With noNewPrivileges, the agent's filter is active anyway."""
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
