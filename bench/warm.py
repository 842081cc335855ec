# SPDX-License-Identifier: MIT
"""What a command costs where the sandbox is there already: in a session, and in a sandbox of a pool.

All go through the C library, in one process. fork+exec+wait of the same program is the reference.
"""
import subprocess
import time

from bench_library import Library

PAUSE = 0.05  # s. After a pooled run, its successor comes up; a busy machine would be measured otherwise


def percentiles(times):
    ordered = sorted(times)
    return {f"p{n}": ordered[min(len(ordered) - 1, len(ordered) * n // 100)] * 1000 for n in (50, 90, 99)} | {"runs": len(ordered)}


def timed(function, runs, pause=0.0):
    times = []
    for number in range(runs + 1):
        begun = time.perf_counter()
        function()
        if number:  # the first one warms the caches
            times.append(time.perf_counter() - begun)
        time.sleep(pause)
    return percentiles(times)


def measure(build, tiers, runs):
    library = Library(build)
    figures = {}
    for tier in tiers:
        spec = {"image": "busybox", "networks": ["none"], "options": {"engine": "local", "runtime": tier}}
        command = {"argv": ["true"]}
        rows = figures[tier] = {"fork+exec+wait on the host": timed(lambda: subprocess.run(["/bin/true"], check=True), runs)}
        rows["a run, cold"] = timed(lambda: library.end(library.run({**spec, **command})), max(5, runs // 4), PAUSE)
        session = library.open_session(spec)
        rows["a command in a session"] = timed(lambda: library.end(library.session_run(session, command)), runs)
        library.close_session(session)
        pool = library.open_pool(spec, entries=2)

        def pooled():
            result = library.end(library.pool_run(pool, {**spec, **command}))
            assert result["timings"]["warm"]
        library.pool_wait(pool, 2)
        times = []
        for number in range(runs + 1):
            begun = time.perf_counter()
            pooled()
            times.append(time.perf_counter() - begun)
            library.pool_wait(pool, 2)
            time.sleep(PAUSE)
        rows["a pooled run"] = percentiles(times[1:])
        library.close_pool(pool)
    return figures


def show(figures):
    for tier, rows in figures.items():
        print(f"a command where the sandbox is there, tier {tier}, through the library:  p50, p90, p99 in ms")
        reference = rows["fork+exec+wait on the host"]["p50"]
        for name, row in rows.items():
            print(f"  {name:40} {row['p50']:8.2f} {row['p90']:8.2f} {row['p99']:8.2f}   {row['p50'] / reference:5.1f} x fork+exec+wait")
