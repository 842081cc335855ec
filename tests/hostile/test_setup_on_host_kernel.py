# SPDX-License-Identifier: MIT
"""An image whose shell waits to be executed on the host's kernel: by the setup steps of a run in a stronger tier."""
import platform

import pytest

from harness.image_maker import Image, busybox_layer, entry, layer

# In the place of sh: says on which kernel it is, and does its work.
HOSTILE_SHELL = b"#!/bin/busybox ash\necho \"pwned on $(uname -r)\" >> /pwned\nexec /bin/busybox ash \"$@\"\n"


def test_the_images_shell_is_not_run_on_the_hosts_kernel(runner):
    runner.load(Image(busybox_layer(), layer(entry("bin/sh", data=HOSTILE_SHELL, mode=0o755))), "hostile-shell")
    document = runner.request("cat /pwned", image="hostile-shell", run=["true"])
    # The control: by its name the way is open, and the shell tells of the host's kernel.
    allowed = runner.submit(document)
    on_host = f"pwned on {platform.release()}"
    assert allowed.code == 0 and on_host in allowed.lines, allowed
    if runner.tier == "runc":
        pytest.skip("the run itself is on the host's kernel")
    del document["options"]["setupRuntime"]
    outcome = runner.submit(document)
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED", outcome
    assert on_host not in outcome.text, outcome
    # Nor in the run, which has its own kernel.
    assert on_host not in runner.run("cat /pwned", image="hostile-shell").text
