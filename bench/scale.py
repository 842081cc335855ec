# SPDX-License-Identifier: MIT
"""Much and many: 1 GiB and 10 000 files in and out, 1000 runs in a row, 50 at once.

Beside the copies of `cp` on the same disk, and with what is left on the machine afterwards.
"""
import concurrent.futures
import contextlib
import json
import mmap
import os
import shutil
import statistics
import subprocess
import threading
import time

from harness import host

GIB = 1 << 30
FILES = 10000
IN_A_ROW = 1000
AT_ONCE = 50
ROUNDS = 3


class Memory:
    """The most memory that any process of ours has had meanwhile (VmHWM, MiB), by name."""

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
    """Touches as much memory as is about to be used: in a virtual machine the first who does so pays for it."""
    size = min(5 * GIB, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def call(argv):
    """Its time in ms."""
    begun = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    return (time.perf_counter() - begun) * 1000


def copies(command, folder, what, out):
    """ms of `cp -r`, of a run with the folder, and of what it takes more when that comes out again. Medians."""
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
        # More than its memory holds goes by way of its disk in between.
        over = copies(lambda *words: command(*words, "--disk", "4g"), big, "f", out)
    many = copies(command, small, ".", out)
    shutil.rmtree(big)
    shutil.rmtree(small)
    return {"1 GiB, ms": one, "1 GiB in 512 MiB, ms": over, "10 000 files, ms": many, "memory, MiB": memory.found}


def row(command, data_dir):
    """The first and the last hundred of a thousand, and what there is afterwards that was not before."""
    call(command("true"))
    before, fds = host.leftovers(data_dir), len(os.listdir("/proc/self/fd"))
    times = [call(command("true")) for _ in range(IN_A_ROW)]
    left = host.new_leftovers(before, data_dir)
    return {"first 100, ms": statistics.median(times[:100]), "last 100, ms": statistics.median(times[-100:]),
            "left": {kind: len(names) for kind, names in left.items()}, "fds": len(os.listdir("/proc/self/fd")) - fds}


def at_once(command):
    begun = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda n: subprocess.run(command(f"echo {n}; sleep 0.2"), stdin=subprocess.DEVNULL,
                                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300),
                                 range(AT_ONCE)))
    good = sum(done.returncode == 0 and done.stdout == f"{n}\n".encode() for n, done in enumerate(outcomes))
    return {"succeeded": good, "of": AT_ONCE, "ms": (time.perf_counter() - begun) * 1000}


def states(command, scratch):
    """ms of `ls` of as many states as there are files above."""
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
    figures = {"much": much(command, scratch), "in a row": row(command, data_dir), "at once": at_once(command),
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
    f = figures["at once"]
    print(f"  {f['succeeded']} of {f['of']} at once succeeded, in {f['ms']:.0f} ms")
    return figures
