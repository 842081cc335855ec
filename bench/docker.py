#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what a run on Docker costs, compared with Docker's own command line.

    bench/docker.py [--build build] [--runs 25] [--json FILE]

It uses the daemon that LIGHT_RUNNER_TEST_DOCKER names, or else starts one (the distribution's dockerd). First it times `true` in a
busybox image, calling light-runner and Docker in turns; the figures are medians of whole processes. Then it copies 1 GiB into a run
and out of it, compared with `cp` of the same file, and takes the peak memory of the supervisor and its relay.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
sys.dont_write_bytecode = True
from harness import dockerd, images  # noqa: E402
import control  # noqa: E402
from scale import Memory, call  # noqa: E402

SIZE = 1 << 30


def side_by_side(commands, runs):
    """Returns {name: median}. Every round calls each command once."""
    times = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, argv in commands.items():
            times[name].append(call(argv))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def starts(executable, daemon, runs):
    rows = []
    _, info = daemon.call("GET", "/info")
    for tier in [t for t in ("runc", "runsc") if t in info["Runtimes"]]:
        for network in ("none", None):
            ours = [executable, "run", "--engine", "docker", "--runtime", tier]
            theirs = ["docker", "run", "--rm", "--runtime", tier, "--network", network or "light-runner-isolated"]
            found = side_by_side({"light-runner": ours + (["--network", network] if network else []) + ["busybox", "--", "true"],
                                  "docker run --rm": theirs + ["busybox", "true"]}, runs)
            rows.append({"tier": tier, "network": network or "default", **found,
                         "ratio": found["light-runner"] / found["docker run --rm"]})
    return rows


def bulk(executable, scratch):
    folder, out = os.path.join(scratch, "in"), os.path.join(scratch, "out")
    os.mkdir(folder)
    with open(os.path.join(folder, "big"), "wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    copy = call(["cp", os.path.join(folder, "big"), os.path.join(scratch, "copy")])
    base = [executable, "run", "--engine", "docker", "--network", "none", "--dir", folder]
    with Memory() as memory:
        into = call([*base, "busybox", "--", "true"])
        both = call([*base, "--extract", f"big:{out}", "--max-extract", "2g", "busybox", "--", "true"])
    return {"cp": copy, "in": into, "out": both - into, "memory": memory.found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    executable = os.path.abspath(os.path.join(options.build, "light-runner"))
    if not shutil.which("docker"):
        sys.exit("bench/docker.py: Docker's command line is not installed: apt-get install docker.io")
    scratch = tempfile.mkdtemp(prefix="lr-bench-")
    os.environ["LIGHT_RUNNER_DATA_DIR"] = os.path.join(scratch, "data")
    os.environ["LIGHT_RUNNER_STATE_DIR"] = os.path.join(scratch, "states")
    try:
        with dockerd.shared():
            dockerd.use()
            daemon = dockerd.current()
            if daemon is None:
                sys.exit(f"bench/docker.py: {os.environ[dockerd.REASON]}")
            daemon.load_rootfs(images.make_busybox_tar(os.path.join(scratch, "busybox.tar")), "busybox")
            call([executable, "run", "--engine", "docker", "busybox", "--", "true"])  # creates the network
            result = {"starts": starts(executable, daemon, options.runs), "bulk": bulk(executable, scratch),
                      "orders": control.orders(executable, "--engine", "docker", docker=[])}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{'tier':6} {'network':8} {'light-runner':>13} {'docker run':>11} {'ratio':>6}   ms, medians of {options.runs}")
    for row in result["starts"]:
        print(f"{row['tier']:6} {row['network']:8} {row['light-runner']:13.0f} {row['docker run --rm']:11.0f} {row['ratio']:6.2f}")
    b = result["bulk"]
    print(f"1 GiB: cp {b['cp']:.0f} ms, in {b['in']:.0f} ms ({b['in'] / b['cp']:.1f} x cp), out {b['out']:.0f} ms "
          f"({b['out'] / b['cp']:.1f} x cp); memory at most: "
          + ", ".join(f"{name} {mib:.1f} MiB" for name, mib in sorted(b["memory"].items())))
    control.show("orders to a detached run", result["orders"])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
