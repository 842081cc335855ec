# SPDX-License-Identifier: MIT
"""The Python part of bench/tiers.py: does typical work of programs inside a sandbox, and prints the milliseconds that it took.

    python3 programs.py hash | unpack | database | http | start [ADDRESS PORT]

The input is made before the clock starts.
"""
import hashlib
import http.client
import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import time

MIB = 1 << 20


def hash_files():
    """Reads and hashes 256 MiB in 64 files."""
    os.mkdir("tree")
    block = os.urandom(MIB)
    for number in range(64):
        with open(f"tree/{number}", "wb") as file:
            file.write(block * 4)
    yield
    for entry in sorted(os.listdir("tree")):
        with open(f"tree/{entry}", "rb") as file:
            hashlib.file_digest(file, "sha256")


def unpack():
    """Unpacks an archive of 2000 files with 32 MiB."""
    archive = io.BytesIO()
    text = b"".join(b"%d: some text that packs as text does\n" % number for number in range(600))[:16384]
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for number in range(2000):
            info = tarfile.TarInfo(f"package/{number % 50}/{number}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    archive.seek(0)
    yield
    with tarfile.open(fileobj=archive) as tar:
        tar.extractall("unpacked")


def database():
    """Inserts 50 000 rows in 100 transactions, indexes them and queries them."""
    yield
    data = sqlite3.connect("data.sqlite")
    data.execute("create table entries (id integer primary key, name text, value real)")
    data.execute("create index names on entries (name)")
    for part in range(100):
        with data:
            data.executemany("insert into entries (name, value) values (?, ?)",
                             ((f"name {number * 7919 % 50000}", number / 3) for number in range(part * 500, part * 500 + 500)))
    for number in range(2000):
        data.execute("select sum(value) from entries where name between ? and ?", (f"name {number}", f"name {number}9")).fetchone()
    data.close()


def http_requests():
    """Sends 500 requests, one after the other, over one connection."""
    connection = http.client.HTTPConnection(sys.argv[2], int(sys.argv[3]), timeout=60)
    connection.connect()
    yield
    for _ in range(500):
        connection.request("GET", "/entry", headers={"Accept": "application/json"})
        connection.getresponse().read()


def start_programs():
    """Starts Python 20 times; each one loads part of its library."""
    yield
    for _ in range(20):
        subprocess.run([sys.executable, "-c", "import argparse, json, urllib.request"], check=True)


WORK = {"hash": hash_files, "unpack": unpack, "database": database, "http": http_requests, "start": start_programs}


def main():
    steps = WORK[sys.argv[1]]()
    next(steps)
    begun = time.perf_counter()
    next(steps, None)
    print(f"{(time.perf_counter() - begun) * 1000:.3f}")


main()
