# SPDX-License-Identifier: MIT
"""Measures runs through the packages for Node and Python, beside the C API, each in one process that does one run after the other."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
ROUNDS, AT_ONCE = 5, 100

# Each prints the milliseconds of its runs, one per line. The first run, which starts light-runner rpc, does not count.
C = """
#include <lightrunner.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    const char *const none[] = {"none", NULL};
    lrun_runner *runner = NULL;
    if (argc != 2 || lrun_runner_new(&runner, NULL, NULL) != 0)
        return 1;
    for (int i = 0; i <= atoi(argv[1]); i++) {
        lrun_request request = LRUN_REQUEST_INIT;
        lrun_execution *execution = NULL;
        lrun_result *result = NULL;
        request.image = "busybox";
        request.entrypoint = "true";
        request.networks = none;
        double start = now();
        if (lrun_run(runner, &request, NULL, &execution, NULL) != 0 || lrun_execution_wait(execution, &result, NULL) != 0)
            return 1;
        if (i > 0)
            printf("%f\\n", now() - start);
        lrun_result_free(result);
        lrun_execution_free(execution);
    }
    lrun_runner_free(runner);
    return 0;
}
"""

PYTHON = """
import sys, time
from light_runner import Runner
runner = Runner()
for number in range(int(sys.argv[1]) + 1):
    start = time.monotonic()
    assert runner.run(image="busybox", entrypoint="true", networks=["none"]).result().success
    if number:
        print((time.monotonic() - start) * 1e3)
"""

NODE = """
import { Runner } from '%s';
const runner = new Runner();
const once = () => runner.run({ image: 'busybox', entrypoint: 'true', networks: ['none'] }).result;
for (let number = 0; number <= Number(process.argv[2]); number++) {
  const start = performance.now();
  if (!(await once()).success) process.exit(1);
  if (number > 0) console.log(performance.now() - start);
}
"""

NODE_AT_ONCE = """
import { Runner } from '%s';
const runner = new Runner();
const once = () => runner.run({ image: 'busybox', entrypoint: 'true', networks: ['none'] }).result;
await once();
const start = performance.now();
const results = await Promise.all(Array.from({ length: Number(process.argv[2]) }, once));
if (!results.every((result) => result.success)) process.exit(1);
console.log(performance.now() - start);
"""


def numbers(argv, env):
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=600)
    return [float(word) for word in done.stdout.split()]


def compiled_node_package(scratch):
    """(Node, the package's module), or (None, why not)."""
    node = subprocess.run([os.path.join(ROOT, "scripts", "install-node")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    if node.returncode != 0:
        return None, "no Node 20"
    source = os.path.join(ROOT, "bindings", "node")
    node, compiler = node.stdout.decode().split()[-1], os.path.join(source, "node_modules", "typescript", "bin", "tsc")
    if not os.path.exists(compiler):
        return None, "typescript is not installed: npm ci in bindings/node"
    # The module is one of a package of the type `module`.
    shutil.copy(os.path.join(source, "package.json"), scratch)
    subprocess.run([node, compiler, "-p", source, "--outDir", os.path.join(scratch, "dist"), "--declaration", "false"], check=True,
                   stdout=subprocess.DEVNULL)
    return node, os.path.join(scratch, "dist", "index.js")


def measure(build, runs):
    """Returns the median of each language, the time of many runs at once (None: not measured), and what was not measured and why."""
    build = os.path.abspath(build)
    libexec = os.path.join(build, "libexec", "light-runner")
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "LIGHT_RUNNER_BIN": os.path.join(build, "light-runner"), "LD_LIBRARY_PATH": os.path.join(build, "lib"),
               "LIGHT_RUNNER_SUPERVISOR": os.path.join(libexec, "light-runner-supervisor"), "PYTHONDONTWRITEBYTECODE": "1",
               "PYTHONPATH": os.path.join(ROOT, "bindings", "python", "src")}
        program = os.path.join(scratch, "api")
        with open(program + ".c", "w") as file:
            file.write(C)
        subprocess.run(["cc", "-O2", "-I", os.path.join(ROOT, "include"), program + ".c", "-o", program, "-L", os.path.join(build, "lib"),
                        "-llightrunner"], check=True)
        programs = {"the C API": [program], "Python": [sys.executable, "-c", PYTHON]}
        missing, at_once = {}, None
        node, module = compiled_node_package(scratch)
        if node:
            for name, text in (("one.mjs", NODE), ("many.mjs", NODE_AT_ONCE)):
                with open(os.path.join(scratch, name), "w") as file:
                    file.write(text % module)
            programs["Node"] = [node, os.path.join(scratch, "one.mjs")]
            at_once = numbers([node, os.path.join(scratch, "many.mjs"), str(AT_ONCE)], env)[0]
        else:
            missing["Node"] = module
        times = {name: [] for name in programs}
        for _ in range(ROUNDS):  # in turns, so that noise affects all alike
            for name, argv in programs.items():
                times[name] += numbers([*argv, str(max(1, runs // ROUNDS))], env)
        return {"one after the other, ms": {name: statistics.median(values) for name, values in times.items()},
                f"{AT_ONCE} at once from Node, ms": at_once, "not measured": missing}


def show(found):
    row = found["one after the other, ms"]
    print("runs in one process (p50 ms): " + ", ".join(f"{name} {value:.1f}" for name, value in row.items()))
    at_once = found[f"{AT_ONCE} at once from Node, ms"]
    if at_once is not None:
        print(f"  {f'{AT_ONCE} runs at once from one Node process':40} {at_once:8.0f} ms")
    for name, why in found["not measured"].items():
        print(f"  {name:40} {why}")
