# SPDX-License-Identifier: MIT
"""A runsc that is another program: a run that asked for its own kernel does not run on the host's."""
import os
import shutil
import sys

import pytest

from harness import host

# Makes another runtime accept the bundle for gVisor: it runs the same agent on the host's kernel.
IMPOSTOR = """#!{python}
import json, os, subprocess, sys
bundle = sys.argv[sys.argv.index("--bundle") + 1]
root = sys.argv[sys.argv.index("--root") + 1]
path = os.path.join(bundle, "config.json")
with open(path) as file:
    config = json.load(file)
linux = config["linux"]
linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] not in ("user", "cgroup")]
for key in ("uidMappings", "gidMappings", "cgroupsPath"):
    linux.pop(key, None)
with open(path, "w") as file:
    json.dump(config, file)
# crun does not start where an empty cgroup2 is mounted beside v1; this mount namespace is the run's own.
subprocess.run(["umount", "-l", "/sys/fs/cgroup/unified"], stderr=subprocess.DEVNULL)
{then}
os.execv("{crun}", ["crun", "--cgroup-manager=disabled", "--root", root, "run", "--bundle", bundle, sys.argv[-1]])
"""


@pytest.fixture
def impostor(runner, store, tmp_path):
    """Returns a function that runs a command with a runsc that is really crun."""
    if runner.cell != ("local", "runsc"):
        pytest.skip("the runtime is named by the local engine's variable")
    crun = shutil.which("crun", path="/usr/bin:/usr/local/bin:/bin")
    if not crun:
        pytest.skip("there is no crun to take gVisor's place")
    before = host.leftovers(store)

    def run(script, then="", **fields):
        program = tmp_path / "runsc"
        program.write_text(IMPOSTOR.format(python=sys.executable, crun=crun, then=then))
        program.chmod(0o755)
        return runner.submit(runner.request(script, **fields), env={**os.environ, "LIGHT_RUNNER_RUNSC": str(program)})

    yield run
    assert host.new_leftovers(before, store) == {}


def test_what_asked_for_gvisor_does_not_run_on_the_hosts_kernel(impostor, tmp_path):
    """Its files are not copied in either: the kernel is checked before anything is sent."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/secret").write_text("never")
    outcome = impostor("echo never", dir=tmp_path / "dir")
    assert outcome.code == 125 and outcome.error["code"] == "ISOLATION_FAILED", outcome
    assert os.uname().release in outcome.error["message"] and "doctor" in outcome.error["hint"]
    assert b"never" not in outcome.stderr


def test_the_right_words_in_the_wrong_place_do_not_help(impostor):
    """The runtime's output does not count as the kernel's log."""
    outcome = impostor("echo never", then='sys.stderr.write("[    0.000000] Starting gVisor...\\n"); sys.stderr.flush()')
    assert outcome.error["code"] == "ISOLATION_FAILED", outcome
    assert b"never" not in outcome.stderr


def test_a_runsc_of_years_ago_is_refused_by_name(runner, tmp_path):
    """The error names the flags that this version does not know."""
    if runner.cell != ("local", "runsc"):
        pytest.skip("the runtime is named by the local engine's variable")
    program = tmp_path / "runsc"
    program.write_text("#!/bin/sh\necho 'flag provided but not defined: -in-sandbox-cgroup' >&2\nexit 2\n")
    program.chmod(0o755)
    outcome = runner.submit(runner.request("echo never"), env={**os.environ, "LIGHT_RUNNER_RUNSC": str(program)})
    assert outcome.error["code"] == "CONTAINER_START_FAILED" and "-in-sandbox-cgroup" in outcome.error["message"]
