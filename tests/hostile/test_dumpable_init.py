# SPDX-License-Identifier: MIT
"""A process that becomes another user gets the flag that fs.suid_dumpable says. The agent shares its memory with a child that
becomes the image's user, and must not be open to a tracer after that."""
import contextlib

import pytest

from harness.image_maker import Image, busybox_layer, entry, layer

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
    """Root again, by a setuid program, which takes noNewPrivileges off."""
    if runner.tier != "runc":
        pytest.skip("the setting is that of the host's kernel")
    with open(probe_dir / "probe", "rb") as file:
        program = file.read()
    runner.load(Image(busybox_layer(), layer(entry("probe", data=program, mode=0o4755)), config={"User": "1000"}), "setuid")
    with suid_dumpable("1"):
        outcome = runner.ok("id -u; /probe setuid_root trace_child ptrace_init", "setuid", options={"noNewPrivileges": False})
    assert outcome.lines == ["1000", "setuid_root allowed", "trace_child allowed", "ptrace_init refused EPERM"], outcome
