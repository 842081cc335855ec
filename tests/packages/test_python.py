# SPDX-License-Identifier: MIT
"""The Python package against the real executable, in a process of its own with nothing else on its path."""
import functools
import glob
import os
import shutil
import subprocess
import sys

import pytest

from test_node import download

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SOURCE = os.path.join(ROOT, "bindings", "python", "src")


@functools.lru_cache(None)
def oldest():
    """The oldest Python that the package is for, as the system, or pyenv, has it; or None."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for path in [shutil.which("python3.9"), *glob.glob(os.path.join(pyenv, "versions", "3.9.*", "bin", "python3.9"))]:
        # What pyenv puts on PATH may be a script that fails.
        if path and subprocess.run([path, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return path
    return None


@pytest.fixture(params=["this Python", "Python 3.9"])
def python(request):
    if request.param == "this Python":
        return sys.executable
    return oldest() or pytest.skip("neither python3.9 on PATH nor pyenv's 3.9")


@pytest.fixture
def program(executable, store, tmp_path, python):
    def run(text, code=0, **env):
        given = {"LIGHT_RUNNER_BIN": executable, "LIGHT_RUNNER_DATA_DIR": store, "LIGHT_RUNNER_STATE_DIR": str(tmp_path / "states"),
                 "PYTHONPATH": SOURCE, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"], "HOME": str(tmp_path), **env}
        prelude = ("import asyncio, os, time\nfrom light_runner import *\nfrom light_runner import aio\n"
                   "runner = Runner(engine='local', memory='64m')\nbase = dict(image='busybox', networks=['none'])\n")
        done = subprocess.run([python, "-W", "error", "-c", prelude + text], env=given, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, cwd=str(tmp_path))
        assert done.returncode == code, done.stdout.decode()
        return done.stdout.decode()
    return run


pytestmark = pytest.mark.any_cell


def test_a_run(program, cell, tmp_path):
    del cell
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "name").write_text("world")
    program("""
seen = []
execution = runner.run(**base, entrypoint='cat; echo; echo hello $(cat name) $X; echo err >&2; echo 42 > answer; printf rest; exit 3',
                       dir='in', input={'a': [1]}, env={'X': 'x'}, extract=[('answer', 'out'), {'from': 'nothing', 'to': 'out'}],
                       extract_when='always', on_log=seen.append)
lines = list(execution.logs)
result = execution.result()
assert sorted(lines) == ['err', 'hello world x', 'rest', '{"a": [1]}'] == sorted(seen), (lines, seen)
assert (result.success, result.exit_code, result.id) == (False, 3, execution.id), result
assert [e.status for e in result.extracted] == ['ok', 'missing'] and open('out/answer').read() == '42\\n'
assert result.document['isolation']['verified']
""")


def test_output_that_nobody_reads(program, cell):
    del cell
    program("""
flood = "yes $(printf %01000d 0) | head -c 20000000"
assert runner.run(**base, entrypoint=flood).result(60).success
with runner.run(**base, entrypoint=flood) as execution:
    logs = execution.logs
    next(logs)
    assert runner.run(**base, entrypoint='echo other').result(60).success
    assert 1 + sum(1 for _ in logs) == -(-20000000 // 1001)
""")


def test_ends(program, cell):
    del cell
    program("""
with runner.run(**base, entrypoint='sleep 100') as execution:
    pass
assert execution.result().cancelled and execution.cancelled
execution = runner.run(**base, entrypoint='trap "exit 5" TERM; while :; do sleep 0.05; done')
execution.pause()
execution.resume()
time.sleep(0.3)
try:
    execution.result(0.01)
    raise AssertionError
except TimeoutError:
    pass
execution.stop(grace=20)
assert (execution.result().exit_code, execution.result().cancelled) == (5, True)
late = runner.run(**base, entrypoint='sleep 100', timeout=0.3).result()
assert late.timed_out and not late.success
""")


def test_detached_runs_and_other_calls(program, cell):
    del cell
    program("""
execution = runner.run(**base, entrypoint='sleep 0.3; exit 4', detached=True)
assert state(execution.id)['status'] == 'running' and [s['id'] for s in states()] == [execution.id]
assert attach(execution.id).result().exit_code == 4 == execution.result().exit_code
assert attach('light-runner-000000000000') is None
assert clean_states() == 1 and states() == []
runner.available()
assert 'busybox:latest' in [image['name'] for image in runner.list_images()]
assert runner.verify()['verified']
try:
    runner.remove_image('not-there')
    raise AssertionError
except LightRunnerError as error:
    assert error.code == 'IMAGE_NOT_FOUND'
try:
    Runner(memory='much').run(image='x').result()
    raise AssertionError
except LightRunnerError as error:
    assert error.code == 'INVALID_ARGUMENT' and error.hint and 'memory' in error.field, vars(error)
""")


def test_asyncio(program, cell):
    del cell
    program("""
async def main():
    runner = aio.Runner(engine='local', memory='64m')
    async with await runner.run(**base, entrypoint='echo a; echo b') as execution:
        assert [line async for line in execution.logs] == ['a', 'b']
        assert (await execution.result()).success
    codes = await asyncio.gather(*[one(runner, i) for i in range(10)])
    assert codes == list(range(10))
    execution = await runner.run(**base, entrypoint='sleep 100')
    task = asyncio.create_task(execution.result())
    await asyncio.sleep(0.2)
    task.cancel()
    try:
        await task
        raise AssertionError
    except asyncio.CancelledError:
        pass
    assert (await execution.result()).cancelled
    assert (await runner.list_images())

async def one(runner, code):
    return (await (await runner.run(**base, entrypoint=f'exit {code}')).result()).exit_code

asyncio.run(main())
""")


def test_a_callback_that_raises_harms_no_run(program, cell):
    del cell
    said = program("""
def fail(line):
    raise ValueError('the callback of line ' + line)
execution = runner.run(**base, entrypoint='echo 1; echo 2', on_log=fail)
assert execution.result(60).success and list(execution.logs) == ['1', '2']
assert runner.run(**base, entrypoint='true').result(60).success
""")
    assert said.count("the callback of line") >= 2


def test_setup_steps(program, cell):
    del cell
    program("""
try:
    runner.run(**base, run=['echo because; exit 3']).result()
    raise AssertionError
except LightRunnerError as error:
    assert error.code == 'BUILD_FAILED' and 'because' in error.message, vars(error)
""")


def test_the_oldest_python_is_the_one_that_the_package_names(cell):
    del cell
    with open(os.path.join(SOURCE, "..", "pyproject.toml"), encoding="utf-8") as file:
        assert 'requires-python = ">=3.9"' in file.read()


@pytest.fixture(scope="session")
def mypy():
    code, said = download([os.path.join(ROOT, "scripts", "install-mypy")], env=dict(os.environ, PYTHON=sys.executable))
    if code != 0:
        pytest.skip("mypy: " + (said.splitlines() or ["it says nothing"])[-1])
    modules = said.splitlines()[-1]

    def check(folder, *words):
        done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--python-version", "3.9", "--cache-dir", os.devnull, *words],
                              cwd=str(folder), env=dict(os.environ, PYTHONPATH=modules, MYPYPATH=SOURCE), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=170)
        return done.returncode, done.stdout.decode()
    return check


def test_types_of_the_package(mypy, cell):
    del cell
    code, said = mypy(SOURCE, "-p", "light_runner")
    assert code == 0, said


def test_types_of_a_program(mypy, cell, tmp_path):
    """A strict program passes, and a wrong one does not: the package brings its types."""
    del cell
    text = """
from light_runner import Execution, LightRunnerError, Result, Runner, aio
def one() -> int:
    execution: Execution = Runner(runtime="runsc", cpus=1.5).run(image="x", extract=[("a", "b")], on_log=print)
    result: Result = execution.result()
    return result.exit_code
async def two() -> str:
    async with await aio.Runner(engine="local").run(image="x") as execution:
        return (await execution.result()).id
"""
    (tmp_path / "good.py").write_text(text)
    (tmp_path / "bad.py").write_text(text.replace("result.exit_code", "result.nothing").replace("cpus=1.5", "cpus=[]"))
    assert mypy(tmp_path, "good.py")[0] == 0, mypy(tmp_path, "good.py")
    code, said = mypy(tmp_path, "bad.py")
    assert code == 1 and '"nothing"' in said and '"cpus"' in said, said
