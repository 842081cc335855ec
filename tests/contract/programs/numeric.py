# SPDX-License-Identifier: MIT
import concurrent.futures
import multiprocessing
import os

import numpy

SIZE = 200


def solve(seed):
    a = numpy.random.default_rng(seed).random((SIZE, SIZE)) + SIZE * numpy.eye(SIZE)
    assert numpy.allclose(a @ numpy.linalg.inv(a), numpy.eye(SIZE))
    return len(os.listdir("/proc/self/task"))


if __name__ == "__main__":
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(solve, range(16)))
    with multiprocessing.Pool(6) as pool:
        assert min(pool.map(solve, range(12), chunksize=2)) >= min(2, os.cpu_count()), "this library has no threads"
    print("hello numpy")
