# SPDX-License-Identifier: MIT
"""When a process changes its user, the kernel sets its dumpable flag to fs.suid_dumpable. The agent shares its memory with a child
that becomes the image's user. Afterwards, no tracer may attach to the agent."""
import contextlib

import pytest

from harness.image_maker import Image, busybox_layer, entry, layer

pytestmark = pytest.mark.machine
SETTING = "/proc/sys/fs/suid_dumpable"


@contextlib.contextmanager
def suid_dumpable(value):
    with open(SETTING) as file:
        before = file.read()
    try:
        with open(SETTING, "w") as file:
            file.write(value)
    except OSError as error:
        pytest.skip(f"{SETTING}: {error.strerror}")
    try:
        yield
    finally:
        with open(SETTING, "w") as file:
            file.write(before)


def test_init_is_not_open_to_a_tracer(runner, probe_dir):
    """The tracer becomes root again by a setuid program, so noNewPrivileges is off."""
    if runner.tier != "runc":
        pytest.skip("the setting is that of the host's kernel")
    with open(probe_dir / "probe", "rb") as file:
        program = file.read()
    runner.load(Image(busybox_layer(), layer(entry("probe", data=program, mode=0o4755)), config={"User": "1000"}), "setuid")
    with suid_dumpable("1"):
        outcome = runner.ok("id -u; /probe setuid_root trace_child ptrace_init", "setuid", options={"noNewPrivileges": False})
    assert outcome.lines == ["1000", "setuid_root allowed", "trace_child allowed", "ptrace_init refused EPERM"], outcome
