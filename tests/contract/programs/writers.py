# SPDX-License-Identifier: MIT
import multiprocessing
import sqlite3


def write(writer):
    database = sqlite3.connect("data.db", timeout=120)
    for first in range(0, 100, 10):
        with database:
            database.executemany("INSERT INTO rows VALUES (?, ?)", [(writer, n) for n in range(first, first + 10)])


if __name__ == "__main__":
    with multiprocessing.Pool(4) as pool:
        pool.map(write, range(4))
