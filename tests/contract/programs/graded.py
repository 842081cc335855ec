# SPDX-License-Identifier: MIT
import asyncio
import multiprocessing
import subprocess
import sys


def square(n):
    return n * n


def test_files_and_processes(tmp_path):
    (tmp_path / "one.py").write_text("print(6 * 7)")
    assert subprocess.check_output([sys.executable, str(tmp_path / "one.py")]) == b"42\n"


def test_pool_of_processes():
    with multiprocessing.Pool(4) as pool:
        assert pool.map(square, range(10)) == [n * n for n in range(10)]


def test_event_loop():
    async def main():
        process = await asyncio.create_subprocess_exec("echo", "42", stdout=subprocess.PIPE)
        return (await process.communicate())[0]

    assert asyncio.run(main()) == b"42\n"


def test_wrong():
    assert square(2) == 5
