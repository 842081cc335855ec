# SPDX-License-Identifier: MIT
"""Address families that a network namespace does not confine: AF_VSOCK reaches the hypervisor, the host and other runs, whatever
network a run has. Also rare families, each of which loads kernel code that few people review.

The probe's calls have a flag that no kernel knows. So a call that passes the filter fails with EINVAL, even if the kernel has
no such family, and a call that the filter rejects can be told from it.
"""
import os
import shlex
import subprocess

import pytest

from harness import image_maker
from harness.runner import Runner

UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
ALLOWED = {"family": {UNIX, INET, INET6, NETLINK}, "pair": {UNIX}, "netlink": {0, 4, 15, 16}, "long": set(), "longlink": set()}
REFUSAL = {"family": "EAFNOSUPPORT", "pair": "EAFNOSUPPORT", "long": "EAFNOSUPPORT",
           "netlink": "EPROTONOSUPPORT", "longlink": "EPROTONOSUPPORT"}
# In this case the runtime installs the filter, and on Docker it is the daemon's.
WITHOUT = [pytest.param(True, id="filter of the agent"), pytest.param(False, id="filter of the runtime")]


def verdicts(lines):
    """{word: {number: verdict}}"""
    seen = {word: {} for word in ALLOWED}
    for line in lines:
        word, number, verdict = line.split()
        seen[word][int(number)] = verdict
    return seen


def check(lines):
    seen = verdicts(lines)
    for word, allowed in ALLOWED.items():
        assert len(seen[word]) >= 32, lines
        expected = {number: "passed" if number in allowed else REFUSAL[word] for number in seen[word]}
        assert seen[word] == expected, word


def test_the_probe_sees_what_passes(probe_dir):
    """The control: without a filter, all of them pass. Docker rejects two, and the tests may run in a container."""
    lines = subprocess.run([probe_dir / "probe", "families"], check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode().splitlines()
    seen = verdicts(lines)
    assert set(range(46)) <= set(seen["family"]) == set(seen["pair"]) == set(seen["long"])
    for word in ALLOWED:
        assert {verdict for number, verdict in seen[word].items() if number not in (38, 40)} == {"passed"}, word


@pytest.mark.parametrize("no_new_privileges", WITHOUT)
def test_only_the_usual_families_are_there(runner, probe_dir, no_new_privileges):
    if runner.cell == ("docker", "runc") and not no_new_privileges:
        pytest.skip("the filter is the daemon's own then")
    check(runner.ok("./probe families", dir=probe_dir, options={"noNewPrivileges": no_new_privileges}).lines)


def test_nor_for_a_setup_step(runner, probe_dir):
    if runner.tier == "kata":
        pytest.skip("there are no setup steps in this tier")
    with open(probe_dir / "probe", "rb") as file:
        layer = image_maker.layer(image_maker.entry("probe", data=file.read(), mode=0o755))
    runner.load(image_maker.Image(image_maker.busybox_layer(), layer), "probed")
    check(runner.ok("cat /families", image="probed", run=["/probe families > /families"]).lines)


@pytest.fixture
def without_profile(runner, tmp_path):
    """Runs light-runner as on a machine without the distribution's profile."""
    if os.geteuid() != 0:
        pytest.skip("only root can hide the file")
    program = tmp_path / "light-runner"
    program.write_text("#!/bin/sh\nexec unshare -m sh -c 'mount -t tmpfs none /usr/share/containers && exec \"$0\" \"$@\"' "
                       f"{shlex.quote(runner.executable)} \"$@\"\n")
    program.chmod(0o755)
    return Runner(str(program), runner.cell, tmp_path)


def test_a_machine_without_the_distributions_profile(without_profile, probe_dir):
    """A daemon has its own profile, and our filter is active in addition. On the local engine, nothing is run."""
    if without_profile.engine == "docker":
        check(without_profile.ok("./probe families", dir=probe_dir).lines)
        return
    outcome = without_profile.run("echo never")
    assert outcome.error["code"] == "CONTAINER_START_FAILED" and "apt-get install" in outcome.error["hint"], outcome
    assert "never" not in outcome.text
