#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what a run costs.

    bench/bench.py [--build build] [--runs 40] [--json FILE]

Latency of `true` in a busybox image without network, and where the time goes; runs per second; what
moves in and out per second. Peers that are installed (crun, runc, bubblewrap, unshare) do the same
`true` on the same machine, one after the other. Figures are medians and 95th percentiles of whole
processes, start to end, as a caller sees them.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
sys.dont_write_bytecode = True
from harness import images  # noqa: E402
import control  # noqa: E402
import scale  # noqa: E402

SIZE = 200 << 20
ROUNDS = 5


def call(argv, **options):
    """Runs a program that must succeed; its time in ms and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=300, **options)
    elapsed = (time.perf_counter() - begun) * 1000
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return elapsed, done.stdout


def summary(times):
    ordered = sorted(times)
    return {"p50": statistics.median(ordered), "p95": ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))],
            "runs": len(ordered)}


def repeat(argv, runs, **options):
    call(argv, **options)  # the first one warms the caches
    return [call(argv, **options)[0] for _ in range(runs)]


# Runs in the mount namespace of a supervisor: the bundle, the root and the runtime that light-runner
# uses, without light-runner. The first argument is a pid, the second the number of runs.
SAME_BUNDLE = """
import ctypes, json, os, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
NEWNS, DETACH = 0x20000, 2
if libc.setns(os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY), NEWNS) or libc.unshare(NEWNS):
    sys.exit(os.strerror(ctypes.get_errno()))
libc.umount2(b"/sys/fs/cgroup/unified", DETACH)
top = "/dev/pts"
config = json.load(open(f"{top}/bench/config.json"))
config["process"]["args"] = ["/bin/true"]
json.dump(config, open(f"{top}/bench/config.json", "w"))
times = []
for number in range(int(sys.argv[2]) + 1):
    begun = time.perf_counter()
    subprocess.run(["crun", "--root", f"{top}/bench-state", "--cgroup-manager=disabled", "run", "--bundle",
                    f"{top}/bench", f"bench-{number}"], stdin=subprocess.DEVNULL, check=True)
    times.append((time.perf_counter() - begun) * 1000)
print(json.dumps(times[1:]))
"""

# Stands in for crun in that run: the bundle's configuration is a pipe, of which this keeps a copy.
KEEP_CONFIG = """#!/bin/sh
mkdir /dev/pts/bench && cat /dev/pts/bundle/config.json >/dev/pts/bench/config.json || exit
for word; do
    shift
    [ "$word" = /dev/pts/bundle ] && word=/dev/pts/bench
    set -- "$@" "$word"
done
exec {crun} "$@"
"""


def oci_bundle(folder, rootfs):
    """A bundle for the bare OCI runtimes: their own default config, with `true` and no terminal."""
    os.makedirs(folder)
    call(["runc", "spec"], cwd=folder)
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"].update(args=["true"], terminal=False)
    config["root"] = {"path": rootfs, "readonly": True}
    with open(path, "w") as file:
        json.dump(config, file)
    return folder


def peers(scratch, tar):
    """{name: argv} of the peers that are installed and work here."""
    rootfs = os.path.join(scratch, "rootfs")
    os.makedirs(rootfs)
    call(["tar", "-xf", tar, "-C", rootfs])
    commands = {"fork + exec": [images.BUSYBOX, "true"],
                "unshare -mpnuif": ["unshare", "-mpnuif", images.BUSYBOX, "true"],
                "bwrap --unshare-all": ["bwrap", "--unshare-all", "--ro-bind", rootfs, "/", "--dev", "/dev",
                                        "--proc", "/proc", "/bin/true"]}
    if shutil.which("runc"):
        bundle = oci_bundle(os.path.join(scratch, "bundle"), rootfs)
        commands["runc run, its default bundle"] = ["runc", "run", "--bundle", bundle, "lr-bench-runc"]
    found = {}
    for name, argv in commands.items():
        if not shutil.which(argv[0]):
            continue
        try:
            call(argv)
            found[name] = argv
        except RuntimeError as error:
            print(f"  {name}: not measured: {str(error)[:160]}", file=sys.stderr)
    return found


class Bench:
    def __init__(self, executable, runs, scratch):
        self.executable, self.runs = executable, runs
        self.keep_config = os.path.join(scratch, "crun")
        if shutil.which("crun"):
            with open(self.keep_config, "w") as file:
                file.write(KEEP_CONFIG.format(crun=shutil.which("crun")))
            os.chmod(self.keep_config, 0o755)

    def command(self, script, *flags):
        return [self.executable, "run", "--network", "none", *flags, "busybox", "--", script]

    def latency(self, others):
        """{name: summary}, ours first. In rounds, so that a noisy minute meets all of them."""
        times = collections.defaultdict(list)
        for _ in range(ROUNDS):
            runs = max(1, self.runs // ROUNDS)
            times["light-runner run"] += repeat(self.command("true"), runs)
            if shutil.which("crun"):
                times["crun run, same bundle"] += self.bare_runtime(runs)
                # With no_new_privs off it is the runtime that compiles the seccomp profile, as elsewhere.
                times["the same with seccomp"] += self.bare_runtime(runs, noNewPrivileges=False)
            for name, argv in others.items():
                times[name] += repeat(argv, runs)
        return {name: summary(values) for name, values in times.items() if values}

    def bare_runtime(self, runs, **options):
        """Times of `crun run` of the bundle that a run with these options has; [] where that does not work."""
        request = json.dumps({"image": "busybox", "entrypoint": "sleep 600", "networks": ["none"], "options": options})
        run = subprocess.Popen([self.executable, "run", "--request", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, LIGHT_RUNNER_CRUN=self.keep_config))
        try:
            run.stdin.write(request.encode())
            run.stdin.close()
            time.sleep(1)
            children = open(f"/proc/{run.pid}/task/{run.pid}/children").read().split()
            done = call([sys.executable, "-c", SAME_BUNDLE, children[0], str(runs)])
            return json.loads(done[1])
        except (RuntimeError, OSError, IndexError) as error:
            print(f"  the bare runtime: not measured: {str(error)[-160:]}", file=sys.stderr)
            return []
        finally:
            run.terminate()
            run.wait(timeout=30)

    def phases(self):
        """The median of each phase, as the result tells it."""
        results = [json.loads(call(self.command("true", "--json"))[1]) for _ in range(self.runs)]
        return {phase: statistics.median(r["timings"][phase] for r in results) for phase in results[0]["timings"]}

    def rate(self, workers, seconds=5):
        """Fresh sandboxes per second."""
        end = time.perf_counter() + seconds

        def worker(_):
            done = 0
            while time.perf_counter() < end:
                call(self.command("true"))
                done += 1
            return done

        begun = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            done = sum(pool.map(worker, range(workers)))
        return done / (time.perf_counter() - begun)

    def movements(self, scratch):
        """MiB/s and files/s of what goes in and out, with the cost of an empty run taken off."""
        empty = statistics.median(call(self.command("true"))[0] for _ in range(5))
        big, small, out = (os.path.join(scratch, name) for name in ("big", "small", "out"))
        os.makedirs(big)
        os.makedirs(small)
        with open(os.path.join(big, "f"), "wb") as file:
            for _ in range(SIZE >> 20):
                file.write(os.urandom(1 << 20))
        for number in range(2000):
            with open(os.path.join(small, str(number)), "w") as file:
                file.write("x" * 100)

        def per_second(amount, script, *flags):
            times = []
            for _ in range(3):
                shutil.rmtree(out, ignore_errors=True)
                times.append(call(self.command(script, *flags))[0])
            return amount / max((statistics.median(times) - empty) / 1000, 1e-6)

        def copied(amount, *argv):
            times = []
            for _ in range(3):
                shutil.rmtree(out, ignore_errors=True)
                times.append(call(["cp", *argv, out])[0])
            return amount / (statistics.median(times) / 1000)

        mib = SIZE >> 20
        return {
            "cp -r of the big file, MiB/s": copied(mib, "-r", big),
            "cp -r of the small files, files/s": copied(2000, "-r", small),
            "dir, one big file, MiB/s": per_second(mib, "true", "--dir", big),
            "dir, 2000 small files, files/s": per_second(2000, "true", "--dir", small),
            "dir and extract, one big file, MiB/s": per_second(mib, "true", "--dir", big, "--extract", f"f:{out}"),
            "dir and extract, 2000 files, files/s": per_second(2000, "true", "--dir", small, "--extract", f".:{out}"),
            "stdin to stdout, MiB/s": per_second(mib, "cat", "--input", os.path.join(big, "f")),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="without the rows that take a minute (scale.py)")
    options = parser.parse_args()
    figures = {"kernel": os.uname().release, "cores": os.cpu_count()}

    with tempfile.TemporaryDirectory(prefix="lr-bench-") as scratch:
        os.environ["LIGHT_RUNNER_DATA_DIR"] = os.path.join(scratch, "data")
        os.environ["LIGHT_RUNNER_ENGINE"] = "local"  # whatever daemon is there
        executable = os.path.abspath(os.path.join(options.build, "light-runner"))
        tar = images.make_busybox_tar(os.path.join(scratch, "busybox.tar"))
        figures["import, ms"] = call([executable, "image", "import", tar, "busybox"])[0]
        bench = Bench(executable, options.runs, scratch)

        print(f"`true`, no network, {options.runs} runs                 p50 ms   p95 ms")
        latency = figures["latency, ms"] = bench.latency(peers(scratch, tar))
        ours = latency["light-runner run"]["p50"]
        for name, s in latency.items():
            print(f"  {name:40} {s['p50']:8.1f} {s['p95']:8.1f}   light-runner is {ours / s['p50']:.2f} x")

        figures["phases, ms"] = bench.phases()
        print("where it goes (p50): " + ", ".join(f"{k} {v:.1f}" for k, v in figures["phases, ms"].items()))

        figures["rate, runs/s"] = {str(n): bench.rate(n) for n in (1, 2, 4)}
        print("runs per second: " + ", ".join(f"{v:.0f} with {n}" for n, v in figures["rate, runs/s"].items()))

        os.environ["LIGHT_RUNNER_STATE_DIR"] = os.path.join(scratch, "states-of-runs")
        figures["orders, ms"] = control.orders(executable)
        control.show("orders to a detached run", figures["orders, ms"])

        figures["movements"] = bench.movements(scratch)
        for name, value in figures["movements"].items():
            print(f"  {name:40} {value:8.0f}")

        if not options.quick:
            print("much and many:")
            figures["scale"] = scale.measure(bench.command, scratch, os.environ["LIGHT_RUNNER_DATA_DIR"])

    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)
            file.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
