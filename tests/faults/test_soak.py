# SPDX-License-Identifier: MIT
"""A short soak (soak.py): runs of every kind, two at a time, with SIGKILLs in between. `make soak` runs a long one."""
import os
import subprocess
import sys

import pytest


@pytest.mark.orphans
@pytest.mark.seconds(170)
def test_forty_runs(executable):
    build = os.path.dirname(executable)
    environment = dict(os.environ, LIGHT_RUNNER_TEST_DOCKER="")
    done = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "soak.py"), "--build", build, "--runs", "40",
                           "--seed", "40", "--cells", "local-runc,local-runsc", "--locked"],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=160)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
