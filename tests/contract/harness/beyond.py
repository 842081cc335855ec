# SPDX-License-Identifier: MIT
"""A second machine: a network namespace behind a veth pair, with a name server and a server on PORT that sends TEXT."""
import contextlib
import os
import subprocess

from . import names

VARIABLE = "LR_TEST_BEYOND"  # the machine's address, set if root has created it for another user
PORT, TEXT = 8080, "from-outside"

# Unique names and addresses, so that two suites can run at the same time.
_MARK = os.urandom(3).hex()
_SPACE = f"lr-test-{_MARK}"
_NEAR, _FAR = f"lrn{_MARK}", f"lrf{_MARK}"
_SUBNET = f"198.18.{int(_MARK[:2], 16)}."


@contextlib.contextmanager
def host():
    """Yields the machine's address, or None if the machine cannot be created. Creating it takes root; an existing one is reused."""
    if os.environ.get(VARIABLE) or os.geteuid() != 0:
        yield os.environ.get(VARIABLE)
        return
    outside, inside = _SUBNET + "1", _SUBNET + "2"
    within = ["ip", "netns", "exec", _SPACE]
    commands = [
        ["ip", "netns", "add", _SPACE],
        ["ip", "link", "add", _NEAR, "type", "veth", "peer", "name", _FAR, "netns", _SPACE],
        ["ip", "addr", "add", outside + "/24", "dev", _NEAR],
        ["ip", "link", "set", _NEAR, "up"],
        [*within, "ip", "addr", "add", inside + "/24", "dev", _FAR],
        [*within, "ip", "link", "set", _FAR, "up"],
        [*within, "ip", "route", "add", "default", "via", outside],
    ]
    server = None
    try:
        for command in commands:
            subprocess.run(command, check=True, timeout=20, stdin=subprocess.DEVNULL)
        server = subprocess.Popen([*within, "/bin/busybox", "nc", "-ll", "-p", str(PORT), "-e", "/bin/echo", TEXT],
                                  stdin=subprocess.DEVNULL)
        with names.running(inside, inside, *within):
            yield inside
    finally:
        if server:
            server.kill()
            server.wait()
        subprocess.run(["ip", "netns", "del", _SPACE], stderr=subprocess.DEVNULL, timeout=20)
        subprocess.run(["ip", "link", "del", _NEAR], stderr=subprocess.DEVNULL, timeout=20)
