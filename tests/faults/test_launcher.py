# SPDX-License-Identifier: MIT
"""Makes each system call of the launcher fail in turn: the error names the step, and nothing is left.

tests/faults/inject.c traces a run and makes one call fail with EIO. The launcher needs no code for this.
"""
import json
import os
import platform
import subprocess

import pytest

from harness import host

HERE = os.path.dirname(__file__)

# x86-64 numbers of calls whose failure changes nothing: close (execve closes the descriptor anyway), and umask, which cannot fail.
HARMLESS = {3: "close", 95: "umask"}
# The call that waits for the container. All descriptors are closed by then, so the run ends without an error that names the step.
SILENT = {61: "wait4"}


@pytest.fixture(scope="module")
def inject(tmp_path_factory):
    program = tmp_path_factory.mktemp("inject") / "inject"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(program), os.path.join(HERE, "inject.c")],
                   check=True, timeout=60)
    return str(program)


def wanted(calls, short):
    """The positions, from 1, of the calls to let fail. short: in a series of calls of the same kind, such as one per capability, only
    the first and the last one, because a loop handles all of them with the same lines."""
    def is_inside(i):
        return 0 < i < len(calls) - 1 and calls[i - 1] == calls[i] == calls[i + 1]
    return [i + 1 for i, call in enumerate(calls) if call not in HARMLESS and not (short and is_inside(i))]


def test_each_call_of_the_launcher(runner, store, inject, tmp_path, request):
    if runner.cell != ("local", "runc") or platform.machine() != "x86_64":
        pytest.skip("of our own launcher, by a tool for x86-64")
    path = runner.write_request(runner.request("echo up"))
    report = tmp_path / "report"
    before = host.leftovers(store)
    # A sanitizer's search for leaks uses ptrace itself, so it fails in a traced process. The other suites look for leaks.
    traced = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")

    def run(number):
        done = subprocess.run([inject, str(number), str(report), os.path.realpath(runner.executable), "run", "--json", "--request", path],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False, env=traced)
        failed, *calls = map(int, report.read_text().split())
        return calls, failed, json.loads(done.stdout), done.stderr.decode()

    calls, failed, document, _ = run(0)
    assert document.get("exitCode") == 0 and failed == -1 and len(calls) > 100, (calls, document)
    unnamed = []
    for number in wanted(calls, request.config.getoption("--short")):
        _, failed, document, stderr = run(number)
        if failed in HARMLESS or failed == -1:  # processes side by side do not always make their calls in the same order
            continue
        error = document.get("error") or {}
        if error.get("code") != "CONTAINER_START_FAILED" or (": cannot " not in error["message"] and failed not in SILENT) or "up\n" in stderr:
            unnamed.append((number, failed, document))
    assert unnamed == []
    assert host.new_leftovers(before, store) == {}
