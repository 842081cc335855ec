#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures what a tier costs compared with runc: both do the same work, one after the other, in rounds.

    bench/tiers.py [--build build] [--rounds 7] [--only WORD] [--json FILE] [--svg FILE]

It measures on every engine that is available. Load on the machine slows both tiers down, so the ratio is steadier than the times.
Each kind of work (work.c: bare system calls; programs.py: the work of real programs) is timed inside the sandbox by the sandbox's
clock. A start is a whole run of `true` as its caller sees it; runsc alone and Docker's own command line are measured beside it.
"""
import argparse
import atexit
import contextlib
import dataclasses
import http.server
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "contract"))
sys.dont_write_bytecode = True
from harness import dockerd, images, tools  # noqa: E402
import boot  # noqa: E402
import peers  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Work:
    image: str
    command: str
    # The overhead of gVisor in percent, according to the page "gVisor & Kata" of the TypeScript light-runner.
    claim: tuple
    network: bool = False


WORK = {
    # Work that is mostly system calls.
    "CPU-bound": Work("busybox", "./work cpu", (0, 0)),
    "read-heavy": Work("busybox", "./work read", (10, 15)),
    "write-heavy": Work("busybox", "./work write", (20, 30)),
    "small packets": Work("busybox", "./work net {address} {echo}", (25, 40), network=True),
    "many processes": Work("busybox", "./work fork", (30, 50)),
    # The same kinds of work, as programs do it.
    "hash files": Work("python", "python3 programs.py hash", (10, 15)),
    "unpack an archive": Work("python", "python3 programs.py unpack", (20, 30)),
    "fill a database": Work("python", "python3 programs.py database", (20, 30)),
    "HTTP requests": Work("python", "python3 programs.py http {address} {http}", (25, 40), network=True),
    "start programs": Work("python", "python3 programs.py start", (30, 50)),
}
TIERS = {"local": ("runc", "runsc", "kata"), "docker": ("runc", "runsc")}


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Send the head and the body in one packet.
    wbufsize = -1
    body = json.dumps({"entry": ["some", "small", "document"] * 40}).encode()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


class Servers:
    """Two servers outside of any sandbox: one echoes every byte, the other one serves a small document."""

    def __init__(self):
        # The servers get an address of their own from the range for documentation. The machine's own address would not do, because pasta
        # gives it to the sandbox, too; nor a loopback address, which no sandbox can reach.
        self.address = "198.51.100.77"
        subprocess.run(["ip", "address", "add", f"{self.address}/32", "dev", "lo"], check=True)
        atexit.register(subprocess.run, ["ip", "address", "del", f"{self.address}/32", "dev", "lo"], check=False)
        self.listener = socket.create_server((self.address, 0))
        self.echo = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        server = http.server.ThreadingHTTPServer((self.address, 0), Answer)
        self.http = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with contextlib.suppress(OSError):
            while data := connection.recv(64):
                connection.sendall(data)


class Bench:
    """Does the work with one executable. Imports its images, and loads those of a daemon with `load`."""

    def __init__(self, executable, scratch, load=None):
        self.executable, self.servers = executable, Servers()
        self.folder = os.path.join(scratch, "work")
        os.mkdir(self.folder)
        subprocess.run(["gcc", "-static", "-O2", "-o", f"{self.folder}/work", f"{ROOT}/bench/work.c"], check=True, timeout=60)
        shutil.copy(f"{ROOT}/bench/programs.py", self.folder)
        self.tar = images.make_busybox_tar(os.path.join(scratch, "busybox.tar"))
        python = subprocess.run([f"{ROOT}/scripts/make-image"], check=True, timeout=600, stdout=subprocess.PIPE).stdout.decode().strip()
        for name, tar in (("busybox", self.tar), ("python", python)):
            subprocess.run([executable, "image", "import", tar, name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if load:
                load(tar, name)

    def run(self, engine, tier, image, script, *flags):
        """Returns (output, ms of the whole call)."""
        begun = time.perf_counter()
        done = subprocess.run([self.executable, "run", "--engine", engine, "--runtime", tier, "--cpus", "2", "--memory", "1g", *flags,
                               image, "--", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=300)
        if done.returncode != 0:
            sys.exit(f"{engine} {tier}: {script}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(), (time.perf_counter() - begun) * 1000

    def work(self, engine, tier, name):
        work = WORK[name]
        command = work.command.format(**vars(self.servers))
        flags = [] if work.network else ["--network", "none"]
        return float(self.run(engine, tier, work.image, command, "--dir", self.folder, *flags)[0])

    def start(self, engine, tier):
        return self.run(engine, tier, "busybox", "true", "--network", "none")[1]


def timed(argv):
    begun = time.perf_counter()
    subprocess.run(argv, check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def docker_run():
    return timed(["docker", "run", "--rm", "--runtime", "runsc", "--network", "none", "busybox", "true"])


def measure(bench, engines, names, rounds, beside):
    """Returns ({engine: {name: {tier: median ms}}}, {name: median ms} of the programs measured beside a start)."""
    times = {engine: {name: {tier: [] for tier in TIERS[engine]} for name in names} for engine in engines}
    others = {name: [] for name in beside}
    for number in range(rounds + 1):
        for engine in engines:
            for tier in TIERS[engine]:
                for name in names:
                    once = bench.start(engine, tier) if name == "start" else bench.work(engine, tier, name)
                    times[engine][name][tier].append(once)
                # Directly after each other, because programs that ran before slow down the next ones.
                if (engine, tier) == ("local", "runsc"):
                    for name, other in beside.items():
                        others[name].append(other())
        print(f"round {number} of {rounds}", file=sys.stderr)
    medians = {engine: {name: {tier: statistics.median(values[1:]) for tier, values in row.items()} for name, row in rows.items()}
               for engine, rows in times.items()}
    return medians, {name: statistics.median(values[1:]) for name, values in others.items()}


def overhead(row, tier="runsc"):
    return row[tier] / row["runc"]


def head(engine, accelerator):
    kata = f" | kata ({accelerator}), ms | ratio" if "kata" in TIERS[engine] else ""
    return f"{engine}: runc, ms | runsc, ms | ratio{kata}"


def cell(engine, row):
    kata = f" | {row['kata']:.0f} | {overhead(row, 'kata'):.1f}" if "kata" in TIERS[engine] else ""
    return f"{row['runc']:.0f} | {row['runsc']:.0f} | {overhead(row):.2f}{kata}"


def table(figures, others, accelerator):
    engines = list(figures)
    heads = " | ".join(head(engine, accelerator) for engine in engines)
    lines = [f"| work | claimed | {heads} |", "|---|---|" + "---|" * (heads.count("|") + 1)]
    for name in figures["local"]:
        claim = WORK[name].claim if name in WORK else None
        said = "" if claim is None else "1.0" if claim == (0, 0) else f"{1 + claim[0] / 100:.2f} to {1 + claim[1] / 100:.2f}"
        cells = [cell(e, figures[e][name]) for e in engines]
        lines.append(f"| {name} | {said} | " + " | ".join(cells) + " |")
    lines += [f"\n{name}: {ms:.0f} ms; a run in runsc on the engine local takes {figures['local']['start']['runsc'] / ms:.2f} times that"
              for name, ms in others.items()]
    return "\n".join(lines)


def picture(figures):
    """Draws the ratios as bars in an SVG, with the documented values behind them. The axis is logarithmic."""
    import math
    engines, colours = list(figures), {"local": "#33628f", "docker": "#c07d2b"}
    left, width, top, height = 130, 520, 40, 26 * len(engines) + 14
    low, high = 0.5, 16.0

    def x(ratio):
        return left + width * (math.log2(min(max(ratio, low), high)) - math.log2(low)) / (math.log2(high) - math.log2(low))

    rows = list(figures["local"])
    bottom = top + height * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{bottom + 70}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{left + width + 70}" height="{bottom + 70}" fill="white"/>']
    for tick in (0.5, 1, 2, 4, 8, 16):
        stroke = "#333" if tick == 1 else "#ddd"
        out.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom}" stroke="{stroke}"/>')
        out.append(f'<text x="{x(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g} x</text>')
    for index, name in enumerate(rows):
        y = top + index * height
        out.append(f'<text x="{left - 8}" y="{y + height / 2 + 4:.0f}" text-anchor="end">{name}</text>')
        if name in WORK:
            a, b = (1 + c / 100 for c in WORK[name].claim)
            out.append(f'<rect x="{x(a) - 1:.1f}" y="{y + 3}" width="{x(b) - x(a) + 2:.1f}" height="{height - 6}" fill="#9bc99b"/>')
        for number, engine in enumerate(engines):
            ratio = overhead(figures[engine][name])
            at = y + 8 + number * 26
            begin, end = sorted((x(1), x(ratio)))
            out.append(f'<rect x="{begin:.1f}" y="{at}" width="{max(end - begin, 1):.1f}" height="18" fill="{colours[engine]}" '
                       'fill-opacity="0.85"/>')
            out.append(f'<text x="{max(end, x(1)) + 5:.1f}" y="{at + 13}">{ratio:.2f}</text>')
    out.append(f'<text x="{left + width / 2}" y="{bottom + 38}" text-anchor="middle">time in runsc (gVisor), as a multiple of '
               'runc on the same engine; logarithmic</text>')
    legend = [(colours[e], f"engine {e}") for e in engines] + [("#9bc99b", "claimed")]
    for number, (colour, text) in enumerate(legend):
        out.append(f'<rect x="{left + number * 130}" y="14" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{left + number * 130 + 18}" y="24">{text}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", metavar="WORD", help="work with this in its name; a start is always measured")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--svg", metavar="FILE")
    options = parser.parse_args()
    executable = os.path.join(os.path.abspath(options.build), "light-runner")
    if not tools.runsc():
        sys.exit("bench/tiers.py: there is no runsc: scripts/install-runsc")
    scratch = tempfile.mkdtemp(prefix="lr-bench-")
    os.environ["LIGHT_RUNNER_DATA_DIR"] = os.path.join(scratch, "data")
    try:
        with dockerd.shared():
            dockerd.use()
            daemon = dockerd.current()
            bench = Bench(executable, scratch, daemon and daemon.load_rootfs)
            engines = ["local", "docker"] if daemon else ["local"]
            vm = boot.measure(executable, os.environ["LIGHT_RUNNER_DATA_DIR"], options.rounds)
            names = [*(name for name in WORK if options.only in name), "start"]
            with peers.bare_runsc(scratch, peers.unpack(scratch, bench.tar)) as bare:
                beside = {"`runsc run` of the same root": lambda: bare()[0]}
                if daemon:
                    beside["`docker run --rm --runtime runsc`"] = docker_run
                figures, others = measure(bench, engines, names, options.rounds, beside)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(table(figures, others, vm["accelerator"]))
    print("\n" + boot.text(vm))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"rounds": options.rounds, "ms": figures, "beside a start in runsc, ms": others, "vm": vm}, file, indent=2)
    if options.svg:
        with open(options.svg, "w") as file:
            file.write(picture(figures))


if __name__ == "__main__":
    main()
