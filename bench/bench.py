#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what a run costs.

    bench/bench.py [--build build] [--runs 40] [--json FILE]

Measures the latency of `true` in a busybox image without network, and its phases; the fresh sandboxes per second; the data moved in
and out per second; and the same run through the C API and the packages for Python and Node. Other programs that are installed
(peers.py) run the same `true` on the same machine, in turns. The figures are medians and 95th percentiles of whole processes, from
start to end, and the median of the CPU time that the whole machine (or the container) used meanwhile.
"""
import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
sys.dont_write_bytecode = True
from harness import images, tools  # noqa: E402
from harness.same_bundle import SameBundle  # noqa: E402
import control  # noqa: E402
import packages  # noqa: E402
import peers  # noqa: E402
import scale  # noqa: E402
import warm  # noqa: E402

SIZE = 200 << 20
ROUNDS = 5
OURS = "light-runner run"
WORKERS, SECONDS = (1, 2, 4), 5  # for the measurement of parallel sandboxes


def call(argv, **options):
    """Runs a program that must succeed. Returns its time in ms and its output."""
    wall, _, output = peers.call(argv, **options)
    return wall, output


def summary(times):
    """Summarizes pairs of wall time and CPU time."""
    walls = sorted(wall for wall, _ in times)
    return {"p50": statistics.median(walls), "p95": walls[min(len(walls) - 1, int(len(walls) * 0.95))],
            "cpu": statistics.median(cpu for _, cpu in times), "runs": len(walls)}


def repeat(once, runs):
    once()  # warm the caches
    return [once() for _ in range(runs)]


# Executes a command, and prints the wall times and CPU times. The first argument is the number of times.
MEASURE = f"""
import json, sys
sys.path[:0] = [{os.path.join(ROOT, "bench")!r}, {os.path.join(ROOT, "tests", "contract")!r}]
import peers
times = [peers.call([*sys.argv[2:-1], f"bench-{{number}}"])[:2] for number in range(int(sys.argv[1]) + 1)]
print(json.dumps(times[1:]))
"""


class Bench:
    def __init__(self, executable, runs):
        self.executable, self.runs = executable, runs

    def command(self, script, *flags, network=False):
        return [self.executable, "run", *([] if network else ["--network", "none"]), *flags, "busybox", "--", script]

    @staticmethod
    def filter():
        """The compiled seccomp filter of light-runner's runs."""
        folder = os.path.join(os.environ["LIGHT_RUNNER_DATA_DIR"], "scratch")
        return next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".bpf"))

    def once(self, *flags, network=False):
        """Returns a function that does one run and returns its wall time and CPU time."""
        return lambda: peers.call(self.command("true", *flags, network=network))[:2]

    def latency(self, others):
        """Returns {name: summary}, light-runner first. It measures in rounds, so that noise affects all programs alike."""
        times = collections.defaultdict(list)
        for _ in range(ROUNDS):
            runs = max(1, self.runs // ROUNDS)
            times[OURS] += repeat(self.once(), runs)
            times[f"{OURS}, default network"] += repeat(self.once(network=True), runs)
            if shutil.which("crun"):
                times["crun run, same bundle"] += self.crun_times(runs)
                # If no_new_privileges is off, the runtime compiles the seccomp profile, as other programs do.
                times["the same with seccomp"] += self.crun_times(runs, noNewPrivileges=False)
            for name, once in others.items():
                times[name] += repeat(once, runs)
        return {name: summary(values) for name, values in times.items() if values}

    def gvisor(self, scratch, rootfs):
        """The same for the tier runsc and for runsc alone; {} if runsc is missing."""
        if not tools.runsc():
            return {}
        times = collections.defaultdict(list)
        with peers.bare_runsc(scratch, rootfs) as bare, peers.bare_runsc(scratch, rootfs, walls=True) as walled:
            for _ in range(ROUNDS):
                for name, once in ((f"{OURS} --runtime runsc", self.once("--runtime", "runsc")), ("runsc run", bare),
                                   ("runsc run, with a run's walls", walled)):
                    times[name] += repeat(once, max(1, self.runs // ROUNDS))
        return {name: summary(values) for name, values in times.items()}

    def with_crun(self, measure, **options):
        """Returns the output of a program that executes crun, with the bundle of a run with these options; None if that fails."""
        request = {"image": "busybox", "networks": ["none"], "options": {"engine": "local", **options}}
        try:
            with SameBundle(self.executable, request) as bundle:
                process = bundle.start("crun", ["/bin/true"], measure, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                output, said = process.communicate(timeout=300)
            if process.returncode:
                raise RuntimeError(said.decode(errors="replace"))
            return output
        except (RuntimeError, OSError, AssertionError) as error:
            print(f"  the bare runtime: not measured: {str(error)[-160:]}", file=sys.stderr)
            return None

    def crun_times(self, runs, **options):
        """The times of `crun run` with the bundle of a run with these options; [] if that fails."""
        return json.loads(self.with_crun([sys.executable, "-c", MEASURE, str(runs)], **options) or "[]")

    def phases(self):
        """The median of each phase, from the results of the runs."""
        results = [json.loads(call(self.command("true", "--json"))[1]) for _ in range(self.runs)]
        return {phase: statistics.median(r["timings"][phase] for r in results) for phase in results[0]["timings"] if phase != "warm"}

    def rates(self, scratch, build):
        """Returns {method: {workers: fresh sandboxes per second}}."""
        program = os.path.join(scratch, "parallel")
        library = os.path.join(os.path.abspath(build), "lib")
        call(["gcc", "-O2", f"-I{ROOT}/include", f"{ROOT}/bench/parallel.c", "-o", program, f"-L{library}", f"-Wl,-rpath,{library}",
              "-llightrunner", "-pthread"])
        environment = dict(os.environ, LIGHT_RUNNER_SUPERVISOR=os.path.join(os.path.abspath(build), "src/run/light-runner-supervisor"))
        found = collections.defaultdict(dict)
        for workers in WORKERS:
            words = [program, str(workers), str(SECONDS)]
            ways = {"the library": lambda: call([*words, "image", "busybox"], env=environment)[1],
                    "the command line": lambda: call([*words, "exec", *self.command("true")])[1],
                    "crun run, same bundle": lambda: self.with_crun([*words, "exec"]) if shutil.which("crun") else None}
            for how, way in ways.items():
                text = way()
                if text:
                    count, seconds = map(float, text.split())
                    found[how][workers] = count / seconds
        return found

    def movements(self, scratch):
        """MiB/s and files/s that go in and out. The time of an empty run is subtracted."""
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


def show(rows, ours):
    """Prints one line per program, with the ratios of light-runner's wall time and CPU time to the program's."""
    for name, s in rows.items():
        print(f"  {name:40} {s['p50']:8.1f} {s['p95']:8.1f} {s['cpu']:8.1f}   {ours} is {rows[ours]['p50'] / s['p50']:.2f} x,"
              f" in CPU {rows[ours]['cpu'] / max(s['cpu'], 0.01):.2f} x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="without the rows that take a minute (scale.py)")
    options = parser.parse_args()
    figures = {"kernel": os.uname().release, "cores": os.cpu_count()}

    with tempfile.TemporaryDirectory(prefix="lr-bench-") as scratch:
        os.chmod(scratch, 0o755)  # for programs that start in a user namespace
        tools.use_cached_runsc()
        os.environ["LIGHT_RUNNER_DATA_DIR"] = os.path.join(scratch, "data")
        os.environ["LIGHT_RUNNER_ENGINE"] = "local"  # even if a daemon is running
        executable = os.path.abspath(os.path.join(options.build, "light-runner"))
        tar = images.make_busybox_tar(os.path.join(scratch, "busybox.tar"))
        figures["import, ms"] = call([executable, "image", "import", tar, "busybox"])[0]
        bench = Bench(executable, options.runs)

        rootfs = peers.unpack(scratch, tar)
        call(bench.command("true"))  # compiles the filter, which happens only once
        found, missing = peers.find(scratch, rootfs, bench.filter())
        print(f"{f'`true`, no network, {options.runs} runs':42}   p50 ms   p95 ms   CPU ms")
        latency = figures["latency, ms"] = bench.latency(found)
        show(latency, OURS)
        for name, why in missing.items():
            print(f"  {name:40} {why}")
        figures["not measured"] = missing
        figures["gVisor, ms"] = bench.gvisor(scratch, rootfs)
        show(figures["gVisor, ms"], f"{OURS} --runtime runsc")

        figures["phases, ms"] = bench.phases()
        print("where it goes (p50): " + ", ".join(f"{k} {v:.1f}" for k, v in figures["phases, ms"].items()))

        figures["fresh sandboxes per second"] = bench.rates(scratch, options.build)
        print("fresh sandboxes per second, with so many workers:")
        for how, row in figures["fresh sandboxes per second"].items():
            print(f"  {how:40} " + "   ".join(f"{rate:6.1f} with {workers}" for workers, rate in row.items()))

        os.environ["LIGHT_RUNNER_STATE_DIR"] = os.path.join(scratch, "states-of-runs")
        figures["orders, ms"] = control.orders(executable)
        control.show("orders to a detached run", figures["orders, ms"])

        figures["movements"] = bench.movements(scratch)
        for name, value in figures["movements"].items():
            print(f"  {name:40} {value:8.0f}")

        figures["packages"] = packages.measure(options.build, options.runs)
        packages.show(figures["packages"])

        figures["warm, ms"] = warm.measure(options.build, ["runc", *(["runsc"] if tools.runsc() else [])], 5 * options.runs)
        warm.show(figures["warm, ms"])

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
