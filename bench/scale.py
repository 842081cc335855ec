# SPDX-License-Identifier: MIT
"""Measures large amounts: 1 GiB and 10 000 files in and out, 1000 runs in a row, and 1, 10, 100 and 1000 runs at once.

It compares the copies with `cp` on the same disk, and lists what the runs leave on the machine.
"""
import contextlib
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from harness import host

GIB = 1 << 30
FILES = 10000
IN_A_ROW = 1000
# The number of runs at once, and the number of repetitions.
AT_ONCE = ((1, 20), (10, 5), (100, 2), (1000, 1))
ROUNDS = 3


class Memory:
    """Records the peak memory of light-runner's processes (VmHWM, MiB), by name."""

    def __init__(self):
        self.found, self.stop = {}, threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _watch(self):
        while not self.stop.wait(0.02):
            for pid in host.processes_with("light-runner-supervisor"):
                with contextlib.suppress(OSError, StopIteration, ValueError):
                    with open(f"/proc/{pid}/comm") as file:
                        name = file.read().strip()
                    with open(f"/proc/{pid}/status") as file:
                        peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1]) / 1024
                    self.found[name] = max(self.found.get(name, 0), peak)


def warm():
    """Touches as much memory as the next step needs: in a VM, the first use of memory is slow."""
    size = min(5 * GIB, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def call(argv):
    """Runs a command. Returns its time in ms."""
    begun = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    return (time.perf_counter() - begun) * 1000


def copies(command, folder, what, out):
    """Medians in ms of `cp -r`, of a run with the folder, and of the additional time if the folder also comes out."""
    times = {"cp": [], "in": [], "out": []}
    for _ in range(ROUNDS):
        shutil.rmtree(out, ignore_errors=True)
        warm()
        times["cp"].append(call(["cp", "-r", folder, out]))
        warm()
        times["in"].append(call(command("true", "--dir", folder)))
        shutil.rmtree(out, ignore_errors=True)
        warm()
        both = call(command("true", "--dir", folder, "--max-extract", "2g", "--disk", "4g", "--extract", f"{what}:{out}"))
        times["out"].append(max(both - times["in"][-1], 0))
    shutil.rmtree(out, ignore_errors=True)
    return {name: statistics.median(values) for name, values in times.items()}


def much(command, scratch):
    big, small, out = (os.path.join(scratch, name) for name in ("gib", "files", "out"))
    os.makedirs(big)
    os.makedirs(small)
    with open(os.path.join(big, "f"), "wb") as file:
        for _ in range(GIB >> 20):
            file.write(os.urandom(1 << 20))
    for number in range(FILES):
        folder = os.path.join(small, str(number % 100))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, str(number)), "w") as file:
            file.write("x" * 100)
    with Memory() as memory:
        one = copies(lambda *words: command(*words, "--disk", "4g", "--memory", "3g"), big, "f", out)
        # Data that exceeds the run's memory goes through its disk in between.
        over = copies(lambda *words: command(*words, "--disk", "4g"), big, "f", out)
    many = copies(command, small, ".", out)
    shutil.rmtree(big)
    shutil.rmtree(small)
    return {"1 GiB, ms": one, "1 GiB in 512 MiB, ms": over, "10 000 files, ms": many, "memory, MiB": memory.found}


def row(command, data_dir):
    """The times of the first and the last hundred of a thousand runs, and what is left on the machine."""
    call(command("true"))
    before, fds = host.leftovers(data_dir), len(os.listdir("/proc/self/fd"))
    times = [call(command("true")) for _ in range(IN_A_ROW)]
    left = host.new_leftovers(before, data_dir)
    return {"first 100, ms": statistics.median(times[:100]), "last 100, ms": statistics.median(times[-100:]),
            "left": {kind: len(names) for kind, names in left.items()}, "fds": len(os.listdir("/proc/self/fd")) - fds}


def end_all(processes):
    """Ends the processes that still run. Returns all exit codes."""
    for process in processes:
        process.stdin.close()
    return [process.wait(timeout=300) for process in processes]


def once(command, count):
    """Starts runs that all exist at the same moment. Returns the ms until each has printed that it is up, the ms until all have ended,
    and the peak memory of the supervisors in MiB."""
    script = "echo up; read line; exit 7"
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        processes = [subprocess.Popen(command(script, "--input", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=errors) for _ in range(count)]
        try:
            good = sum(process.stdout.readline() == b"up\n" for process in processes)
            up = time.perf_counter() - begun
            memory = [host.private_memory(pid) for process in processes for pid in host.children(process.pid)]
        finally:
            codes = end_all(processes)
        if good < count:
            errors.seek(0)
            print(f"  {count - good} of {count} did not come up: {errors.read(1000).decode(errors='replace')}", file=sys.stderr)
    return {"up": good, "ended": codes.count(7), "ms until up": up * 1000 / count,
            "ms": (time.perf_counter() - begun) * 1000 / count, "MiB": max(memory, default=0) / (1 << 20)}


def at_once(command, data_dir):
    """Returns {count: the medians of once(), and what is left}."""
    found = {}
    for count, rounds in AT_ONCE:
        before = host.leftovers(data_dir)
        all_of = [once(command, count) for _ in range(rounds)]
        left = host.new_leftovers(before, data_dir)
        found[str(count)] = {name: statistics.median(one[name] for one in all_of) for name in all_of[0]}
        found[str(count)]["left"] = {kind: len(names) for kind, names in left.items()}
    return found


def states(command, scratch):
    """The ms that `ls` takes with as many states as there are files above."""
    folder = os.path.join(scratch, "states")
    os.mkdir(folder, mode=0o700)
    for number in range(FILES):
        run_id = f"light-runner-{number:012x}"
        with open(os.path.join(folder, run_id + ".json"), "w") as file:
            json.dump({"id": run_id, "container": run_id, "volume": run_id, "image": "busybox", "workdir": "/app", "command": "true",
                       "timeout": 60000, "startedAt": f"2026-01-{number % 28 + 1:02}T12:00:00.000Z", "status": "exited", "exitCode": 0,
                       "finishedAt": "2026-01-31T12:00:00.000Z", "durationMs": 1, "cancelled": False,
                       "result": {"exitCode": 0, "usage": {"cpuMs": 1}, "isolation": {"runtime": "runc", "verified": True}}}, file, indent=2)
    argv = ["env", f"LIGHT_RUNNER_STATE_DIR={folder}", command("true")[0], "ls"]
    return statistics.median(call(argv) for _ in range(ROUNDS + 2))


def measure(command, scratch, data_dir):
    figures = {"much": much(command, scratch), "in a row": row(command, data_dir), "at once": at_once(command, data_dir),
               "ls, ms": states(command, scratch)}
    for name in ("1 GiB, ms", "1 GiB in 512 MiB, ms", "10 000 files, ms"):
        f = figures["much"][name]
        print(f"  {name[:-4]:16} cp -r {f['cp']:6.0f} ms   in {f['in']:6.0f} ms ({f['in'] / f['cp']:.2f} x)"
              f"   out {f['out']:6.0f} ms ({f['out'] / f['cp']:.2f} x)")
    print("  memory of our processes meanwhile: "
          + ", ".join(f"{name} {mib:.1f} MiB" for name, mib in sorted(figures["much"]["memory, MiB"].items())))
    f = figures["in a row"]
    print(f"  {IN_A_ROW} in a row: the first hundred {f['first 100, ms']:.1f} ms, the last {f['last 100, ms']:.1f} ms;"
          f" left behind: {json.dumps(f['left']) if f['left'] or f['fds'] else 'nothing'}")
    print(f"  ls of {FILES} states: {figures['ls, ms']:.0f} ms")
    for count, f in figures["at once"].items():
        print(f"  {count:>4} at once: {f['up']:.0f} came up, each in {f['ms until up']:.1f} ms; with their end {f['ms']:.1f} ms;"
              f" a supervisor has at most {f['MiB']:.2f} MiB of its own; left behind: {json.dumps(f['left']) if f['left'] else 'nothing'}")
    return figures
