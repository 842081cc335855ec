# SPDX-License-Identifier: MIT
"""The Node package, packed and installed into an empty folder, against the real executable."""
import json
import os
import shutil
import subprocess

import pytest

from harness import dockerd

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SOURCE = os.path.join(ROOT, "bindings", "node")

# As users of the TypeScript light-runner have them in their programs.
SNIPPETS = {
    "an option": "const runner = new DockerRunner({ runtime: 'runsc' });  // or 'kata'\n",
    "the kernel's map": """
const runner = new DockerRunner({ runtime: 'runsc' });
const result = await runner.run({
  image: 'alpine:3.19',
  entrypoint: 'cat /proc/self/maps | head -5',
  // a comment
}).result;
""",
    "the kernel's log": """
const runner = new DockerRunner({ runtime: 'runsc' });
const result = await runner.run({
  image: 'alpine:3.19',
  entrypoint: 'dmesg | grep -i gvisor || echo "not gvisor"',
}).result;
""",
}


def call(argv, folder, **env):
    done = subprocess.run(argv, cwd=folder, env=dict(os.environ, **env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=170)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-6000:]
    return done.stdout.decode()


def download(argv, **options):
    """(exit code, output). A registry that does not answer is a reason to skip, not a failure."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **options)
    except subprocess.TimeoutExpired:
        return 1, f"{argv[0]} did not end within 60 s"
    return done.returncode, done.stdout.decode(errors="replace").strip()


@pytest.fixture(scope="session")
def node():
    """The program; npm is beside it or on PATH."""
    code, said = download([os.path.join(ROOT, "scripts", "install-node")])
    if code != 0:
        pytest.skip((said.splitlines() or ["no Node 20"])[-1])
    return said.splitlines()[-1]


@pytest.fixture(scope="session")
def installed(node, tmp_path_factory):
    """A folder with nothing but the package, as npm installs it from the packed file."""
    work = tmp_path_factory.mktemp("node")
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    source = work / "source"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    modules = os.path.join(SOURCE, "node_modules")
    if os.path.isdir(modules):
        os.symlink(modules, source / "node_modules")
    else:
        code, said = download(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=source)
        if code != 0:
            pytest.skip("npm cannot install typescript: " + (said.splitlines() or ["it says nothing"])[-1])
    call(["npm", "pack", "--pack-destination", str(work)], source)
    app = work / "app"
    app.mkdir()
    (app / "package.json").write_text('{"name": "app", "private": true, "type": "module"}')
    call(["npm", "install", "--offline", "--no-audit", "--no-fund", str(work / "light-runner-0.1.0.tgz")], app)
    return app


@pytest.fixture
def environment(executable, store, tmp_path):
    return {"LIGHT_RUNNER_BIN": executable, "LIGHT_RUNNER_DATA_DIR": store, "LIGHT_RUNNER_STATE_DIR": str(tmp_path / "states")}


@pytest.mark.any_cell
def test_the_package_has_no_dependency_and_no_script(installed, cell):
    del cell
    assert os.listdir(installed / "node_modules" / "light-runner") and not [
        name for name in os.listdir(installed / "node_modules") if name not in ("light-runner", ".package-lock.json")]
    package = json.loads((installed / "node_modules" / "light-runner" / "package.json").read_text())
    assert not package.get("dependencies") and not {"install", "preinstall", "postinstall"} & set(package["scripts"])
    assert (installed / "node_modules" / "light-runner" / "dist" / "index.d.ts").exists()


@pytest.mark.any_cell
@pytest.mark.orphans  # one of its tests kills a supervisor
def test_on_the_engine_local(installed, node, environment, cell):
    del cell
    shutil.copy(os.path.join(SOURCE, "test", "package.test.js"), installed)
    call([node, "--test", "--test-reporter=spec", "package.test.js"], installed, **environment)


@pytest.mark.cells("docker-runc")
def test_on_docker(installed, node, environment, cell):
    del cell
    shutil.copy(os.path.join(SOURCE, "test", "docker.test.js"), installed)
    assert "skipped 0" in call([node, "--test", "--test-reporter=spec", "docker.test.js"], installed, **environment)


@pytest.mark.cells("docker-runsc")
@pytest.mark.parametrize("name", list(SNIPPETS))
def test_programs_for_the_typescript_light_runner(installed, node, environment, cell, name):
    del cell
    status, answer = dockerd.current().call("POST", "/images/busybox:latest/tag?repo=alpine&tag=3.19")
    assert status == 201, answer
    program = installed / "snippet.js"
    program.write_text("import { DockerRunner } from 'light-runner';\n" + SNIPPETS[name]
                       + "\nif (typeof result !== 'undefined') console.log(result.success, result.exitCode);\n")
    said = call([node, str(program)], installed, **environment)
    assert said == ("" if "result" not in SNIPPETS[name] else "true 0\n")


@pytest.mark.any_cell
def test_types(installed, node, cell):
    """A strict program compiles against the declarations."""
    del cell
    compiler = os.path.join(SOURCE, "node_modules", "typescript", "bin", "tsc")
    if not os.path.exists(compiler):
        pytest.skip("typescript is not installed: npm ci in bindings/node")
    (installed / "typed.ts").write_text("""
import { DockerRunner, Execution, LightRunnerError, Runner, type RunRequest, type RunResult } from 'light-runner';
const request: RunRequest = { image: 'x', extract: [{ from: 'a', to: 'b' }], onLog: (line) => line.length };
const execution: Execution = new DockerRunner({ runtime: 'runsc', gpus: 'all', cpus: '1' }).run(request);
const result: RunResult = await execution.result;
const states: string[] = Runner.list().map((state) => state.status);
console.log(result.extracted?.[0]?.status, states, new LightRunnerError({ code: 'INTERNAL', message: '' }).dockerOp);
// @ts-expect-error: there is no such tier
new Runner({ runtime: 'nothing' });
export {};
""")
    call([node, compiler, "--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,esnext.disposable,dom", "--module", "nodenext",
          "--moduleResolution", "nodenext", "typed.ts"], installed)


@pytest.mark.any_cell
def test_await_using(installed, node, environment, cell):
    """As TypeScript compiles it for Node 20."""
    del cell
    compiler = os.path.join(SOURCE, "node_modules", "typescript", "bin", "tsc")
    if not os.path.exists(compiler):
        pytest.skip("typescript is not installed: npm ci in bindings/node")
    (installed / "using.ts").write_text("""
import { Runner, type Execution } from 'light-runner';
let kept: Execution;
{
  await using execution = new Runner({ engine: 'local' }).run({ image: 'busybox', networks: ['none'], entrypoint: 'echo up; sleep 100' });
  kept = execution;
  for await (const line of execution.logs) {
    console.log(line);
    break;
  }
}
console.log((await kept.result).cancelled);
""")
    call([node, compiler, "--strict", "--target", "es2022", "--lib", "es2023,esnext.disposable,dom", "--module", "nodenext",
          "--moduleResolution", "nodenext", "using.ts"], installed)
    assert call([node, "using.js"], installed, **environment) == "up\ntrue\n"
