#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what each of gVisor's settings changes in the tier runsc on the local engine, with and without it in turns.

    bench/gvisor.py [--build build] [--rounds 6] [--only WORD] [--json FILE]

A ratio below 1 is a gain. src/tier/tier.c has the settings with which light-runner starts runsc.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

import tiers
from harness import tools

# Each flag replaces light-runner's flag of the same name. Flags that would weaken the isolation are measured to know what it costs.
SETTINGS = [
    ("--directfs=true", "the sentry opens files itself, with more rights"),
    ("--systrap-disable-fast-path=true", "sentry and program sleep instead of spinning while they wait for one another"),
    ("--systrap-disable-syscall-patching=true", "every system call traps"),
    ("--app-huge-pages=false", ""),
    ("--network=host", "the host's stack in the place of the sentry's"),
    ("--qdisc=none", "packets are sent by whoever makes them"),
    ("--tx-checksum-offload=true", ""),
    ("--gvisor-gro=true", ""),
    ("--network-processors-per-channel=1", ""),
    ("--cpu-num-from-quota=false", ""),
    ("--dcache=10000", ""),
]
WRAPPER = """#!/bin/sh
# runsc with one flag more, in the place of another of that name.
for word in "$@"; do
    shift
    case $word in {name}=*) ;; *) set -- "$@" "$word" ;; esac
done
exec {runsc} {flag} "$@"
"""


def wrapper(folder, number, flag, program):
    path = os.path.join(folder, f"runsc-{number}")
    with open(path, "w") as file:
        file.write(WRAPPER.format(name=flag.split("=")[0], flag=flag, runsc=program))
    os.chmod(path, 0o755)
    return path


def once(bench, name, runsc):
    os.environ["LIGHT_RUNNER_RUNSC"] = runsc
    return bench.start("local", "runsc") if name == "start" else bench.work("local", "runsc", name)


def compare(bench, programs, rounds):
    """Returns {work: (ms without, ms with)}, medians; or the reason if it does not start."""
    times = {name: ([], []) for name in (*tiers.WORK, "start")}
    for number in range(rounds + 1):
        for name, pair in times.items():
            # The first program leaves the machine in another state for the second, so the order alternates.
            for values, runsc in list(zip(pair, programs))[::-1 if number % 2 else 1]:
                try:
                    values.append(once(bench, name, runsc))
                except SystemExit as error:
                    return str(error)[-100:]
    return {name: tuple(statistics.median(values[1:]) for values in pair) for name, pair in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(tiers.ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--only", default="", metavar="WORD", help="settings with this in them")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    program = tools.runsc()
    if not program:
        sys.exit("bench/gvisor.py: there is no runsc: scripts/install-runsc")
    executable, scratch, found = os.path.join(os.path.abspath(options.build), "light-runner"), tempfile.mkdtemp(prefix="lr-bench-"), {}
    os.chmod(scratch, 0o755)
    os.environ["LIGHT_RUNNER_DATA_DIR"] = os.path.join(scratch, "data")
    try:
        bench = tiers.Bench(executable, scratch)
        print("| setting | " + " | ".join((*tiers.WORK, "start")) + " |\n|---|" + "---|" * (len(tiers.WORK) + 1), flush=True)
        for number, (flag, _) in enumerate(SETTINGS):
            if options.only not in flag:
                continue
            found[flag] = compare(bench, (program, wrapper(scratch, number, flag, program)), options.rounds)
            cells = (found[flag] if isinstance(found[flag], str) else
                     " | ".join(f"{before:.0f} → {after:.0f} ({after / before:.2f})" for before, after in found[flag].values()))
            print(f"| `{flag}` | {cells} |", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"rounds": options.rounds, "ms": found}, file, indent=2)


if __name__ == "__main__":
    main()
