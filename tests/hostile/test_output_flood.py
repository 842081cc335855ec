# SPDX-License-Identifier: MIT
"""Endless output on both streams must cost the host neither memory nor time."""
import json
import re
import threading

import pytest

from harness import host

# This concerns the agent and its stream, so the engine and the tier matter separately, but not the two together.
pytestmark = pytest.mark.apart

FLOOD = "dd if=/dev/zero bs=64k count=500 & dd if=/dev/zero bs=64k count=500 >&2; wait; exit 3"  # 64 MiB
LIMIT = 24 << 10  # KiB


def peak_memory(pid):
    """In KiB; 0 if the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return int(re.search(r"^VmHWM:\s+(\d+)", status.read(), re.MULTILINE).group(1))
    except (OSError, AttributeError):
        return 0


@pytest.mark.slow
def test_memory_on_the_host_does_not_grow(runner):
    """The memory of the processes that carry the output. The sandbox's own memory has its limit."""
    # They are looked at once more when all of it has passed.
    process = runner.start(FLOOD.replace("wait;", "wait; sleep 0.5;"), options={"maxLogBytes": 1 << 20}, timeout=60000)
    read, peaks = [], {}
    reader = threading.Thread(target=lambda: read.extend(process.communicate(timeout=90)))
    reader.start()
    while reader.is_alive():
        for pid in [process.pid, *host.descendants(process.pid)]:
            if (host.name_of(pid) or "").startswith(("light-runner", "docker-relay")):
                peaks[pid] = max(peaks.get(pid, 0), peak_memory(pid))
        reader.join(0.05)
    assert process.returncode == 3 and json.loads(read[0])["logTruncated"] is True
    assert len(peaks) >= 2 and max(peaks.values()) < LIMIT, f"KiB: {peaks}"


def test_terminal_escapes_stay_in_the_output(runner):
    """With --json the result is one line of JSON, whatever the program prints."""
    outcome = runner.ok("printf '\\033[2J\\033]0;x\\007\\r\\n'; exit 0")
    assert b"\x1b" not in outcome.stdout
