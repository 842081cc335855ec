# SPDX-License-Identifier: MIT
"""Many runs leave nothing, many concurrent runs all succeed, and the memory of our own processes does not grow with the data."""
import concurrent.futures
import contextlib
import os
import subprocess

import pytest

from harness import host


@pytest.fixture
def local(runner):
    if runner.engine != "local":
        pytest.skip("a daemon has its own pace; what its runs leave is looked at after each of many tests")


@pytest.mark.cells("local-runc")
@pytest.mark.slow
def test_a_hundred_runs_leave_nothing(runner, local, store):
    runner.ok("true")
    before, fds = host.leftovers(store), len(os.listdir("/proc/self/fd"))
    # An emulated VM takes seconds to start.
    for number in range(25 if runner.tier == "kata" else 100):
        assert runner.plain(f"echo {number}").stdout == f"{number}\n".encode()
    assert host.new_leftovers(before, store) == {}
    assert len(os.listdir("/proc/self/fd")) == fds


@pytest.mark.apart
@pytest.mark.slow
def test_twenty_at_once(runner, store):
    before = host.leftovers(store)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda n: runner.plain(f"echo {n}; sleep 0.2"), range(20)))
    assert [o.stdout for o in outcomes] == [f"{n}\n".encode() for n in range(20)], outcomes
    assert host.new_leftovers(before, store) == {}


@pytest.mark.slow
def test_memory_of_runs_that_wait(runner, local, store):
    """Of ten concurrent runs, each supervisor has at most 2 MiB of private memory."""
    before = host.leftovers(store)
    argv = [runner.executable, "run", *runner.cell_flags(), "--network", "none", "--input", "-", "busybox", "--",
            "echo up; read line; exit 7"]
    processes = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                 for _ in range(2 if runner.tier == "kata" else 10)]
    try:
        for process in processes:
            assert process.stdout.readline() == b"up\n"
        found = [host.private_memory(pid) for process in processes for pid in host.children(process.pid)]
    finally:
        for process in processes:
            process.stdin.close()
        codes = [process.wait(timeout=60) for process in processes]
    assert codes == [7] * len(processes)
    assert len(found) == len(processes) and max(found) <= 2 << 20, found
    assert host.new_leftovers(before, store) == {}


@pytest.mark.slow
def test_memory_does_not_grow_with_what_moves(runner, tmp_path):
    """With 256 MiB in and out, the supervisor and each of its children stay below 32 MiB."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    with open(folder / "f", "wb") as file:
        for _ in range(256):
            file.write(os.urandom(1 << 20))
    path = runner.write_request(runner.request("true", dir=folder, extract=[("f", out)]))
    process = subprocess.Popen([runner.executable, "run", "--request", path], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peaks = {}
    while process.poll() is None:
        for pid, argv in host.descendants(process.pid).items():
            with contextlib.suppress(OSError, StopIteration, IndexError):
                with open(f"/proc/{pid}/status") as file:
                    peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
                if "light-runner-supervisor" in argv:
                    peaks[pid] = max(peaks.get(pid, 0), peak)
    assert process.returncode == 0, process.stderr.read()
    assert (out / "f").stat().st_size == 256 << 20
    assert peaks and max(peaks.values()) < 32 << 10, peaks
