# SPDX-License-Identifier: MIT
"""One run, one sandbox; nothing survives it."""
import concurrent.futures
import os
import subprocess

import pytest

from harness import host

pytestmark = [pytest.mark.engine, pytest.mark.podman]


def test_runs_leave_nothing(runner, store, tmp_path):
    (tmp_path / "f").write_text("x")
    before = host.leftovers(store)
    for number in range(6):
        outcome = runner.run(f"cat f > g; (sleep 100 &); exit {number % 3}", dir=tmp_path, input=number,
                             extract=[("g", tmp_path / "out")])
        assert outcome.code == number % 3
    assert host.new_leftovers(before, store) == {}


def test_runs_at_the_same_time_do_not_meet(runner, store):
    before = host.leftovers(store)

    def one(number):
        outcome = runner.ok(f"echo {number} > /tmp/f; sleep 0.3; cat /tmp/f; ls /tmp | wc -l; hostname")
        return [line.strip() for line in outcome.lines[:2]], outcome.json["id"]

    count = 16 if runner.cell == ("local", "runc") else 8  # on other engines and tiers, 8 take as long
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(count)))
    assert [lines for lines, _ in results] == [[str(n), "1"] for n in range(count)]
    assert len({run for _, run in results}) == count
    assert host.new_leftovers(before, store) == {}


def test_the_image_is_not_changed_by_a_run(runner):
    runner.ok("rm -rf /etc/passwd /bin/vi; echo evil > /bin/evil; chmod 755 /bin/evil")
    runner.ok("[ -e /etc/passwd ] && [ -L /bin/vi ] && [ ! -e /bin/evil ]")


def test_shared_memory_does_not_survive(runner):
    runner.ok("echo left > /dev/shm/left")
    assert runner.ok("ls /dev/shm | wc -l").lines[0].strip() == "0"


def test_a_fd_of_the_caller_does_not_stay_open(runner, tmp_path):
    """File descriptors that the caller passes by accident are closed everywhere once the run has ended."""
    read, write = os.pipe()
    process = subprocess.run(
        [runner.executable, "run", "--json", "--request", runner.write_request(runner.request("ls /proc/self/fd"))],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[write], timeout=30)
    os.close(write)
    assert process.returncode == 0, process
    assert str(write) not in process.stderr.decode().split()
    os.set_blocking(read, False)
    assert os.read(read, 1) == b""  # BlockingIOError would mean that a process still holds it
    os.close(read)
