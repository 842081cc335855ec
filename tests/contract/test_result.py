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


@pytest.fixture(scope="session")
def ordinary_by_cell():
    return {}


@pytest.fixture
def ordinary(runner, ordinary_by_cell):
    """(outcome, ms) of one run per cell that several tests look at: it prints its kernel's release, and sleeps."""
    if runner.cell not in ordinary_by_cell:
        begun = time.monotonic()
        outcome = runner.ok("uname -r; sleep 0.5")
        ordinary_by_cell[runner.cell] = outcome, (time.monotonic() - begun) * 1000
    return ordinary_by_cell[runner.cell]


@pytest.fixture
def result(ordinary):
    """The result of that run. Do not change it."""
    return ordinary[0].json


def test_fields_of_a_success(result):
    assert set(result) == FIELDS
    assert result["success"] is True and result["exitCode"] == 0
    assert (result["cancelled"], result["timedOut"], result["cpuTimedOut"], result["oomKilled"], result["logTruncated"]) == (False,) * 5


@pytest.mark.any_cell
def test_every_result_is_held_against_the_schema(runner):
    """Runner.cli() validates every document that it gets. A document that does not match the schema fails the test."""
    if schemas.MISSING:
        pytest.skip(schemas.MISSING)
    document = runner.ok("true").json
    schemas.result(document)
    for change in ({"exitCode": "0"}, {"more": 1}, {"timings": {}}):
        with pytest.raises(AssertionError, match="result.schema.json"):
            schemas.result({**document, **change})
    with pytest.raises(AssertionError, match="request.schema.json"):
        schemas.request({"image": "busybox", "timeout": "soon"})


def test_duration_is_of_the_whole_run(ordinary):
    outcome, elapsed = ordinary
    duration = outcome.json["duration"]
    assert isinstance(duration, int) and 500 <= duration <= elapsed + 1


def test_timings_add_up(result):
    timings = dict(result["timings"])
    assert timings.pop("warm") is False, "it is not from a pool"
    assert set(timings) == {"prepareMs", "startMs", "runMs", "collectMs"}
    assert all(value >= 0 for value in timings.values())
    # The clock starts when the supervisor hears that the command runs, which may be a moment later.
    assert 450 <= timings["runMs"] < 1500
    assert sum(timings.values()) <= result["duration"] + 50


def test_usage_counts_cpu(runner, result):
    """How much of a second a busy machine gives to a loop is unknown, but it is more than a command that sleeps gets."""
    usage = runner.ok("timeout 1 sh -c 'while :; do :; done'; exit 0").json["usage"]
    assert set(usage) == {"cpuMs", "userMs", "systemMs", "peakMemoryBytes", "processes"}
    idle = result["usage"]
    assert idle["cpuMs"] < 400 and idle["cpuMs"] + 100 < usage["cpuMs"] < 2500, (usage, idle)


def test_usage_tells_memory(runner, result):
    small = result["usage"]["peakMemoryBytes"]
    # An emulated VM on a busy machine takes up to half a minute to touch this much memory.
    large = runner.ok("exec dd if=/dev/zero of=/dev/null bs=100M count=1", deadline=150).json["usage"]["peakMemoryBytes"]
    assert 0 < small < 100 << 20
    assert 100 << 20 <= large <= 512 << 20


def test_isolation_is_verified_before_the_program_runs(runner, result):
    isolation = dict(result["isolation"])
    # A daemon caps what is written only if it is asked to. Otherwise the result says that it does not.
    assert isolation.pop("unenforced", None) == (["disk"] if runner.engine == "docker" else None)
    assert isolation.pop("accelerator", None) in (("kvm", "tcg") if runner.cell == ("local", "kata") else (None,))
    assert set(isolation) == {"runtime", "kernel", "hostKernel", "verified", "checked"}
    # In a user namespace of our own, root has another id outside.
    expected = ["kernel", "processes", "seccomp", "noNewPrivileges", "capabilities", *(["ids"] if runner.cell == ("local", "runc") else [])]
    assert isolation["checked"] == expected
    assert isolation["runtime"] == runner.tier and isolation["verified"] is True
    assert platform.release() in isolation["hostKernel"]


def test_the_kernel_is_the_one_the_tier_promises(runner, ordinary):
    """In the result, and as the program sees it."""
    outcome = ordinary[0]
    is_the_hosts = runner.tier == "runc"
    assert (platform.release() in outcome.json["isolation"]["kernel"]) is is_the_hosts
    assert (outcome.lines[0] == platform.release()) is is_the_hosts


def test_another_run(runner, result):
    """It has an id and a timeout of its own, and what the request turns off is not checked."""
    other = runner.ok("true", timeout=4321, options={"noNewPrivileges": False}).json
    assert result["timeout"] == 20 * 60 * 1000 and other["timeout"] == 4321
    assert other["id"] != result["id"]
    assert all(re.fullmatch(r"light-runner-[0-9a-f]{12}", document["id"]) for document in (result, other))
    isolation = other["isolation"]
    assert isolation["verified"] is True
    assert "noNewPrivileges" not in isolation["checked"] and {"seccomp", "capabilities"} <= set(isolation["checked"])
