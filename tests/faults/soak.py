#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Starts many runs of every kind, two at a time, and kills processes of some: every run has an outcome, and nothing is left.

    tests/faults/soak.py [--build build] [--runs 2000] [--seed N] [--cells local-runc,local-runsc,docker-runc]

The seed decides what is done, not when it happens. The exit code is 0 if every run has a plausible outcome and nothing is left.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
sys.dont_write_bytecode = True
from harness import cells, dockerd, host, images, sharing, tools  # noqa: E402

DEADLINE = 120
REAP = {"LIGHT_RUNNER_REAP_AGE_MS": "0"}


class Unaccounted(Exception):
    """A run without an outcome, or with an impossible one."""


class Soak:
    def __init__(self, executable, scratch):
        self.executable, self.scratch = executable, scratch
        self.killed = set()  # ids of runs that had a process killed
        self.lock = threading.Lock()

    def request(self, cell, script, **fields):
        engine, tier = cell
        return {"image": "busybox", "entrypoint": script, "networks": ["none"], "options": {"engine": engine, "runtime": tier}, **fields}

    def start(self, document):
        fd, path = tempfile.mkstemp(suffix=".json", dir=self.scratch)
        with os.fdopen(fd, "w") as file:
            json.dump(document, file)
        return subprocess.Popen([self.executable, "run", "--json", "--request", path], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def end(self, process):
        """Returns (exit code, document)."""
        try:
            out, err = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Unaccounted("it hangs") from None
        try:
            return process.returncode, json.loads(out), err
        except ValueError:
            raise Unaccounted(f"no outcome: {process.returncode}, {out[-200:]}, {err[-300:]}") from None

    def cli(self, *words, **more):
        return subprocess.run([self.executable, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=DEADLINE, env=dict(os.environ, **more))

    def expect(self, condition, *seen):
        if not condition:
            raise Unaccounted(repr(seen)[:600])

    # ------------------------------------------------------------ kinds of runs

    def exits(self, cell, dice):
        code = dice.choice([0, 1, 3, 77, 255])
        got, document, err = self.end(self.start(self.request(cell, f"echo out; exit {code}")))
        self.expect(got == code and document.get("exitCode") == code and b"out" in err, got, document, err)

    def output(self, cell, dice):
        count = dice.randrange(1, 20000)
        got, document, err = self.end(self.start(self.request(cell, f"i=0; while [ $i -lt {count} ]; do echo $i; i=$((i+1)); done")))
        self.expect(got == 0 and err.count(b"\n") == count, got, document, len(err))

    def times_out(self, cell, dice):
        got, document, _ = self.end(self.start(self.request(cell, "sleep 60", timeout=dice.randrange(1, 400))))
        self.expect(got == 137 and document.get("timedOut") is True, got, document)

    def cancelled(self, cell, dice):
        process = self.start(self.request(cell, "sleep 60"))
        time.sleep(dice.random() * 0.4)
        process.send_signal(dice.choice([signal.SIGINT, signal.SIGTERM]))
        try:
            got, document, _ = self.end(process)
            self.expect(got == 137 and document.get("cancelled") is True, got, document)
        except Unaccounted:
            # Until the program has installed its handlers, the signals end it as they end any program.
            self.expect(process.returncode in (-signal.SIGINT, -signal.SIGTERM), process.returncode)

    def extracts(self, cell, dice):
        out = tempfile.mkdtemp(dir=self.scratch)
        size = dice.randrange(1, 4 << 20)
        document = self.request(cell, f"head -c {size} /dev/urandom > f; mkdir d; echo x > d/y", extract=[
            {"from": "f", "to": out}, {"from": "d", "to": out}, {"from": "none", "to": out}])
        got, document, _ = self.end(self.start(document))
        states = [e["status"] for e in document.get("extracted", [])]
        self.expect(got == 0 and states == ["ok", "ok", "missing"] and os.path.getsize(f"{out}/f") == size, got, document)
        shutil.rmtree(out)

    def out_of_memory(self, cell, dice):
        document = self.request(cell, "x=a; while :; do x=$x$x; done")
        document["options"]["memory"] = "64m"
        got, document, _ = self.end(self.start(document))
        self.expect(got == 137 and document.get("oomKilled") is True, got, document)

    def caller_killed(self, cell, dice):
        process = self.start(self.request(cell, "sleep 60"))
        time.sleep(dice.random() * 0.3)
        process.kill()
        process.communicate(timeout=DEADLINE)

    def something_killed(self, cell, dice):
        """Kills the supervisor or one of its descendants."""
        process = self.start(self.request(cell, "sleep 1; exit 5"))
        time.sleep(dice.random() * 0.3)
        below = sorted(host.descendants(process.pid))
        if below:
            try:
                os.kill(dice.choice(below), signal.SIGKILL)
            except ProcessLookupError:
                pass
        got, document, _ = self.end(process)
        # gVisor runs programs in processes of its own. If one of these is killed, the program may end by any signal.
        self.expect("error" in document or document["exitCode"] in (5, 137) or (cell[1] == "runsc" and document["exitCode"] > 128),
                    got, document)

    def detached(self, cell, dice):
        process = self.start(self.request(cell, "echo one; sleep 0.3; echo two; exit 4", detached=True))
        _, document, err = self.end(process)
        run_id = document.get("id")
        self.expect(run_id, document, err)
        what = dice.choice(["attach", "stop", "cancel", "pause", "kill", "logs"])
        if what == "pause":
            self.cli("pause", run_id)
            self.cli("resume", run_id)
        elif what == "kill":
            for pid, argv in host.processes_with(run_id).items():
                if "light-runner-supervisor" in argv:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        elif what == "logs":
            done = self.cli("logs", "--follow", run_id)
            self.expect(done.stdout == b"one\ntwo\n", done)
        elif what != "attach":
            self.cli(what, run_id)
        done = self.cli("attach", "--json", run_id)
        wanted = {"attach": (4,), "logs": (4,), "pause": (4,), "kill": (4, 125)}.get(what, (4, 137, 143))
        self.expect(done.returncode in wanted, what, done)
        state = json.loads(self.cli("ls", "--json").stdout or "[]")
        state = [s for s in state if s["id"] == run_id]
        self.expect(state and state[0]["status"] in ("exited", "cancelled", "failed"), what, state)

    KINDS = ["exits"] * 3 + ["output", "times_out", "cancelled", "extracts", "out_of_memory", "caller_killed", "something_killed",
                             "something_killed", "detached", "detached"]


def settle(soak, before, data_dir):
    """Returns what is left after reap; {} is the wanted result."""
    def clean():
        soak.cli("reap", **REAP)
        return host.new_leftovers(before, data_dir, 0) == {}
    host.wait_until(clean, 60, 0.5)
    left = host.new_leftovers(before, data_dir, 0)
    running = [s["id"] for s in json.loads(soak.cli("ls", "--json").stdout or "[]") if s["status"] == "running"]
    return {**left, **({"running": running} if running else {})}


def run(executable, runs, seed, wanted, report=print):
    """Returns the number of runs that are not accounted for, and what is left."""
    scratch = tempfile.mkdtemp(prefix="lr-soak-")
    data_dir = os.environ["LIGHT_RUNNER_DATA_DIR"] = os.path.join(scratch, "data")
    os.environ["LIGHT_RUNNER_STATE_DIR"] = os.path.join(scratch, "states")
    tools.use_cached_runsc()
    works = [cell for cell, reason in cells.survey(executable).items() if reason is None and cells.name(cell) in wanted]
    tar = images.make_busybox_tar(os.path.join(scratch, "busybox.tar"))
    subprocess.run([executable, "image", "import", tar, "busybox"], check=True, stdout=subprocess.DEVNULL)
    if dockerd.current():
        dockerd.current().load_rootfs(tar, "busybox")
    soak = Soak(executable, scratch)
    for cell in works:  # the first run creates things that stay, such as the network
        soak.exits(cell, random.Random(0))
    before, counts, bad = host.leftovers(data_dir), collections.Counter(), []
    report(f"{runs} runs, seed {seed}, cells: {', '.join(map(cells.name, works))}")

    def one(number):
        dice = random.Random(f"{seed}-{number}")
        cell, kind = dice.choice(works), dice.choice(Soak.KINDS)
        try:
            getattr(soak, kind)(cell, dice)
        except Exception as error:  # the other runs go on
            return cell, kind, f"{number}: {cells.name(cell)} {kind}: {type(error).__name__}: {error}"
        return cell, kind, None

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done, (cell, kind, problem) in enumerate(pool.map(one, range(runs)), 1):
            counts[cells.name(cell), kind] += 1
            if problem:
                bad.append(problem)
                report(problem)
            if done % 200 == 0:
                report(f"{done} done, {len(bad)} not accounted for")
    left = settle(soak, before, data_dir)
    report("kinds: " + ", ".join(f"{kind} {sum(n for (_, k), n in counts.items() if k == kind)}" for kind in sorted(set(Soak.KINDS))))
    report(f"{len(bad)} of {runs} not accounted for; left behind: {left or 'nothing'}")
    if not bad and not left:
        host.remove(scratch)
    return len(bad), left


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cells", default="local-runc,local-runsc,local-kata,docker-runc,docker-runsc")
    parser.add_argument("--locked", action="store_true", help="the calling test keeps other tests away from orphans")
    options = parser.parse_args()
    if options.locked:
        sharing.held_by_parent("orphans")
    with dockerd.shared():
        dockerd.use()
        bad, left = run(os.path.abspath(os.path.join(options.build, "light-runner")), options.runs, options.seed,
                        options.cells.split(","), lambda text: print(text, flush=True))
    return 1 if bad or left else 0


if __name__ == "__main__":
    sys.exit(main())
