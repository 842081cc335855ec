# SPDX-License-Identifier: MIT
"""Output without end on both streams must cost the host neither memory nor time."""
import resource

import pytest


@pytest.mark.slow
def test_memory_on_the_host_does_not_grow(runner):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    outcome = runner.run("yes & yes >&2 & sleep 4; exit 3", options={"maxLogBytes": 10 << 20}, timeout=30000,
                         deadline=60)
    assert outcome.code == 3 and outcome.json["logTruncated"] is True
    # The largest child so far, in KiB: our own processes stay far below what was printed.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before < 100 * 1024


def test_terminal_escapes_stay_in_the_output(runner):
    """With --json the result is one line of JSON, whatever the program prints."""
    outcome = runner.ok("printf '\\033[2J\\033]0;x\\007\\r\\n'; exit 0")
    assert b"\x1b" not in outcome.stdout
