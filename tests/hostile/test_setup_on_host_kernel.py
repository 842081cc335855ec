# SPDX-License-Identifier: MIT
"""An image whose shell waits to be executed on the host's kernel by the setup steps of a run in a stronger tier."""
import platform

import pytest

from harness.image_maker import Image, busybox_layer, entry, layer

# Replaces sh: prints the kernel that it runs on, then works as sh.
HOSTILE_SHELL = b"#!/bin/busybox ash\necho \"pwned on $(uname -r)\" >> /pwned\nexec /bin/busybox ash \"$@\"\n"


def test_the_images_shell_is_not_run_on_the_hosts_kernel(runner):
    runner.load(Image(busybox_layer(), layer(entry("bin/sh", data=HOSTILE_SHELL, mode=0o755))), "hostile-shell")
    document = runner.request("cat /pwned", image="hostile-shell", run=["true"])
    # The control: if the request names the tier runc for the steps, the shell runs on the host's kernel.
    allowed = runner.submit(document)
    on_host = f"pwned on {platform.release()}"
    assert allowed.code == 0 and on_host in allowed.lines, allowed
    if runner.tier == "runc":
        pytest.skip("the run itself is on the host's kernel")
    del document["options"]["setupRuntime"]
    outcome = runner.submit(document)
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED", outcome
    assert on_host not in outcome.text, outcome
    # The run itself has its own kernel, too.
    assert on_host not in runner.run("cat /pwned", image="hostile-shell").text
