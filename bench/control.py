# SPDX-License-Identifier: MIT
"""Measures orders to a detached run as whole calls, and the same orders of the runtime's own command line if it has them."""
import statistics
import subprocess
import time

from scale import call

ROUNDS = 10
SCRIPT = "trap 'exit 0' TERM; sleep 600 & wait"
# The verbs of light-runner, and Docker's names for them. `stop` and `cancel` return after the run has ended; SCRIPT ends when asked to stop.
ORDERS = {"pause": "pause", "resume": "unpause", "stop": "stop", "cancel": "kill"}


def started(argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode().split()[-1]


def ended(executable, run_id):
    subprocess.run([executable, "attach", run_id], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def orders(executable, *flags, docker=None):
    """Returns {order: (light-runner's, Docker's or None)}, medians in ms. docker: the arguments after `docker run -d`."""
    times = {name: ([], []) for name in ORDERS}
    for _ in range(ROUNDS):
        for last in ("stop", "cancel"):
            run_id = started([executable, "run", "--detach", "--network", "none", *flags, "busybox", "--", SCRIPT])
            other = started(["docker", "run", "-d", "--rm", "--network", "none", *docker, "busybox", "sh", "-c", SCRIPT]) if docker is not None else None
            time.sleep(0.2)
            for name in ("pause", "resume", last):
                times[name][0].append(call([executable, name, run_id]))
                if other:
                    times[name][1].append(call(["docker", ORDERS[name], other]))
            ended(executable, run_id)
    return {name: tuple(statistics.median(values) if values else None for values in pair) for name, pair in times.items()}


def show(title, found):
    print(f"{title}: " + ", ".join(
        f"{name} {ours:.1f} ms" + (f" (docker {ORDERS[name]} {theirs:.1f})" if theirs else "") for name, (ours, theirs) in found.items()))
