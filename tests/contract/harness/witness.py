# SPDX-License-Identifier: MIT
"""Records what a test has seen, for the report of a failure: calls of the executable, their answers, and its runs' states and output."""
import os
import subprocess

CALLS_MAX = 30
TEXT_MAX = 2000

_calls = []  # [call, answer, times in a row]
_folders = []  # the state folders of this test


def forget():
    """Starts a new record at the beginning of a test."""
    _calls.clear()
    _folders.clear()


def _shorten(value):
    text = value if isinstance(value, str) else repr(value)
    half = TEXT_MAX // 2
    return text if len(text) <= TEXT_MAX else f"{text[:half]} [... {len(text) - TEXT_MAX} characters ...] {text[-half:]}"


def saw(argv, answer, env=None):
    """Records a call and its answer. The answer can be anything that repr() takes, or a Popen."""
    folder = (os.environ if env is None else env).get("LIGHT_RUNNER_STATE_DIR")
    if folder and folder not in _folders:
        _folders.append(folder)
    what = " ".join(map(str, argv))
    if "--request" in argv:
        what += " < " + _read(argv[argv.index("--request") + 1])
    # A test that polls makes the same call again and again.
    if _calls and _calls[-1][0] == what and repr(_calls[-1][1]) == repr(answer):
        _calls[-1][2] += 1
    else:
        _calls.append([what, answer, 1])
    del _calls[:-CALLS_MAX]


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read(TEXT_MAX).decode(errors="replace")
    except OSError as error:
        return str(error)


def _logs(executable, folder, run_id):
    try:
        done = subprocess.run([executable, "logs", run_id], env={**os.environ, "LIGHT_RUNNER_STATE_DIR": folder}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10, check=False)
        return f"{len(done.stdout.splitlines())} lines: {_shorten(done.stdout)}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def _runs(executable, folder):
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield f"states: {error}"
        return
    yield f"states in {folder}: {' '.join(names[:50])}"
    for name in [name for name in names if name.endswith(".json")][:8]:
        yield f"state {name[:-5]}: {_shorten(_read(os.path.join(folder, name)))}"
        yield f"logs {name[:-5]}: {_logs(executable, folder, name[:-5])}"


def _answer(value):
    """Of a process that a test has started, only the exit code is known."""
    return f"exit code {value.poll()}" if isinstance(value, subprocess.Popen) else repr(value)


def tell(executable):
    """The whole record as text; "" if it is empty."""
    lines = [f"{_shorten(what)}{f' ({times} times)' if times > 1 else ''}\n    -> {_shorten(_answer(answer))}" for what, answer, times in _calls]
    folders = _folders or [f for f in [os.environ.get("LIGHT_RUNNER_STATE_DIR")] if f]
    for folder in folders:
        lines += _runs(executable, folder)
    return "\n".join(lines)
