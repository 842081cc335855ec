# SPDX-License-Identifier: MIT
"""The result: every field, and that the figures mean something."""
import platform
import re
import time

import pytest

from harness import schemas

pytestmark = pytest.mark.vm

FIELDS = {"id", "success", "exitCode", "duration", "timeout", "cancelled", "timedOut", "cpuTimedOut", "oomKilled",
          "logTruncated", "usage", "isolation", "timings"}


def test_fields_of_a_success(runner):
    result = runner.ok("true").json
    assert set(result) == FIELDS
    assert result["success"] is True and result["exitCode"] == 0
    assert (result["cancelled"], result["timedOut"], result["cpuTimedOut"], result["oomKilled"], result["logTruncated"]) == (False,) * 5


def test_the_timeout_that_the_command_had(runner):
    assert runner.ok("true").json["timeout"] == 20 * 60 * 1000
    assert runner.ok("true", timeout=4321).json["timeout"] == 4321


@pytest.mark.any_cell
def test_every_result_is_held_against_the_schema(runner):
    """Runner.cli() does it: a document that is not as the schema says fails the test that has got it."""
    if schemas.MISSING:
        pytest.skip(schemas.MISSING)
    document = runner.ok("true").json
    schemas.result(document)
    for change in ({"exitCode": "0"}, {"more": 1}, {"timings": {}}):
        with pytest.raises(AssertionError, match="result.schema.json"):
            schemas.result({**document, **change})
    with pytest.raises(AssertionError, match="request.schema.json"):
        schemas.request({"image": "busybox", "timeout": "soon"})


def test_the_id(runner):
    ids = {runner.ok("true").json["id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"light-runner-[0-9a-f]{12}", i) for i in ids)


def test_duration_is_of_the_whole_run(runner):
    begun = time.monotonic()
    result = runner.ok("sleep 0.5").json
    elapsed = (time.monotonic() - begun) * 1000
    assert isinstance(result["duration"], int) and 500 <= result["duration"] <= elapsed + 1


def test_timings_add_up(runner):
    result = runner.ok("sleep 0.5").json
    timings = result["timings"]
    assert set(timings) == {"prepareMs", "startMs", "runMs", "collectMs"}
    assert all(value >= 0 for value in timings.values())
    # The clock starts when the supervisor hears that the command runs, which may be a moment later.
    assert 450 <= timings["runMs"] < 1500
    assert sum(timings.values()) <= result["duration"] + 50


def test_usage_counts_cpu(runner):
    """How much of a second a busy machine gives to a loop is not known; that it is more than to sleep is."""
    usage = runner.ok("timeout 1 sh -c 'while :; do :; done'; exit 0").json["usage"]
    assert set(usage) == {"cpuMs", "userMs", "systemMs", "peakMemoryBytes", "processes"}
    idle = runner.ok("sleep 1").json["usage"]
    assert idle["cpuMs"] < 400 and idle["cpuMs"] + 100 < usage["cpuMs"] < 2500, (usage, idle)


def test_usage_tells_memory(runner):
    small = runner.ok("true").json["usage"]["peakMemoryBytes"]
    large = runner.ok("exec dd if=/dev/zero of=/dev/null bs=100M count=1").json["usage"]["peakMemoryBytes"]
    assert 0 < small < 100 << 20
    assert 100 << 20 <= large <= 512 << 20


def test_isolation_is_verified_before_the_program_runs(runner):
    isolation = runner.ok("true").json["isolation"]
    # A daemon caps what is written only if it is asked to: that it did not is told.
    assert isolation.pop("unenforced", None) == (["disk"] if runner.engine == "docker" else None)
    assert isolation.pop("accelerator", None) in (("kvm", "tcg") if runner.cell == ("local", "kata") else (None,))
    assert set(isolation) == {"runtime", "kernel", "hostKernel", "verified", "checked"}
    # Root inside is somebody else where the user namespace is ours.
    expected = ["kernel", "processes", "seccomp", "noNewPrivileges", "capabilities", *(["ids"] if runner.cell == ("local", "runc") else [])]
    assert isolation["checked"] == expected
    assert isolation["runtime"] == runner.tier and isolation["verified"] is True
    assert platform.release() in isolation["hostKernel"]


def test_what_was_turned_off_is_not_checked(runner):
    isolation = runner.ok("true", options={"noNewPrivileges": False}).json["isolation"]
    assert isolation["verified"] is True
    assert "noNewPrivileges" not in isolation["checked"] and {"seccomp", "capabilities"} <= set(isolation["checked"])


def test_the_kernel_is_the_one_the_tier_promises(runner):
    isolation = runner.ok("true").json["isolation"]
    if runner.tier == "runc":
        assert platform.release() in isolation["kernel"]
    else:
        assert platform.release() not in isolation["kernel"]


def test_the_kernel_that_the_program_sees(runner):
    release = runner.ok("uname -r").lines[0]
    assert (release == platform.release()) is (runner.tier == "runc")
