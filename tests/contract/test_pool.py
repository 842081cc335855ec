# SPDX-License-Identifier: MIT
"""Pools: sandboxes that are ready for one run each. By the C API, with requests as JSON, and by `light-runner pool`."""
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time

import pytest

from harness import host, schemas

pytestmark = pytest.mark.any_tier
COLD, WAIT, REFUSE = 0, 1, 2


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("entries", ctypes.c_size_t), ("min_ready", ctypes.c_size_t), ("max_age_ms", ctypes.c_uint64),
                ("refill", ctypes.c_uint), ("when_empty", ctypes.c_int), ("wait_ms", ctypes.c_uint64)]


class Stats(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [(name, ctypes.c_uint64) for name in
                                              ("hits", "misses", "refills", "failures", "lost", "ready", "starting", "oldest_ms")]


class Failure(Exception):
    pass


class Pool:
    def __init__(self, library, runner, entries=2, when_empty=WAIT, max_age_ms=600000, refill=0, **fields):
        self.library, self.spec = library, {"image": "busybox", "networks": ["none"], **fields}
        self.spec["options"] = {"engine": runner.engine, "runtime": runner.tier, **fields.get("options", {})}
        self.error, self.runner, self.pool = ctypes.create_string_buffer(4096), ctypes.c_void_p(), ctypes.c_void_p()
        self.check(library.lrun_runner_new(ctypes.byref(self.runner), None, self.error))
        options = Options(ctypes.sizeof(Options), entries, 0, max_age_ms, refill, when_empty, 60000)
        text = json.dumps(self.spec).encode()
        try:
            self.check(library.lrun_pool_new_json(self.runner, text, len(text), ctypes.byref(options), ctypes.byref(self.pool), self.error))
        except Failure:
            self.close()
            raise

    def check(self, code):
        if code != 0:
            number = ctypes.c_int.from_buffer(self.error).value
            raise Failure(self.library.lrun_code_name(number).decode(), self.error.raw)

    def wait(self, ready, timeout_ms=60000):
        self.check(self.library.lrun_pool_wait(self.pool, ready, timeout_ms, self.error))

    def start(self, script, **fields):
        execution = ctypes.c_void_p()
        options = {**self.spec["options"], **fields.pop("options", {})}
        text = json.dumps({**self.spec, "entrypoint": script, **fields, "options": options}).encode()
        self.check(self.library.lrun_pool_run_json(self.pool, text, len(text), None, ctypes.byref(execution), self.error))
        return execution

    def end(self, execution):
        result = ctypes.c_void_p()
        try:
            self.check(self.library.lrun_execution_wait(execution, ctypes.byref(result), self.error))
            document = json.loads(self.library.lrun_result_json(result))
        finally:
            self.library.lrun_result_free(result)
            self.library.lrun_execution_free(execution)
        schemas.result(document)
        return document

    def run(self, script, **fields):
        return self.end(self.start(script, **fields))

    def stats(self):
        stats = Stats(ctypes.sizeof(Stats))
        self.check(self.library.lrun_pool_tend(self.pool, ctypes.byref(stats), self.error))
        return stats

    def close(self):
        self.library.lrun_pool_free(self.pool)
        self.library.lrun_runner_free(self.runner)
        self.pool = self.runner = None


@pytest.fixture(scope="module")
def library(executable):
    path = os.path.join(os.path.dirname(executable), "lib", "liblightrunner.so")
    supervisor = os.path.join(os.path.dirname(executable), "src", "run", "light-runner-supervisor")
    if not os.path.exists(path) or not os.path.exists(supervisor):
        pytest.skip("takes the library in a build folder")
    if b"__asan_init" in open(path, "rb").read():
        pytest.skip("Python cannot load a library with AddressSanitizer")
    os.environ["LIGHT_RUNNER_SUPERVISOR"] = supervisor
    library = ctypes.CDLL(path)
    library.lrun_result_json.restype = library.lrun_code_name.restype = ctypes.c_char_p
    for name in ("lrun_result_free", "lrun_execution_free", "lrun_pool_free", "lrun_runner_free"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.lrun_pool_wait.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_char_p]
    yield library
    del os.environ["LIGHT_RUNNER_SUPERVISOR"]


@pytest.fixture
def pool(library, runner, store):
    """Makes pools. At the end, nothing of them is left."""
    before, made = host.leftovers(store), []

    def make(**how):
        made.append(Pool(library, runner, **how))
        return made[-1]
    yield make
    for each in made:
        each.close()
    assert host.new_leftovers(before, store, 10) == {}


# ---------------------------------------------------------------- one run, one sandbox


@pytest.mark.every_cell
def test_each_run_has_a_sandbox_of_its_own(pool):
    p = pool()
    p.wait(2)
    ids = set()
    for _ in range(4):
        result = p.run("[ $(ls -A | wc -l) = 0 ] && [ -z \"$(find / -xdev -name trace 2>/dev/null)\" ] && [ ! -e /dev/shm/trace ] || exit 1; "
                       "touch trace /tmp/trace /dev/shm/trace; (trap '' HUP; sleep 1000) & exit 7")
        assert result["exitCode"] == 7 and result["timings"]["warm"] is True, result
        assert result["isolation"]["verified"] is True
        ids.add(result["id"])
    assert len(ids) == 4
    stats = p.stats()
    assert (stats.hits, stats.misses, stats.failures, stats.lost) == (4, 0, 0, 0) and stats.refills >= 4


@pytest.mark.every_cell
def test_what_a_run_decides(pool, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("of the folder")
    p = pool()
    p.wait(1)
    result = p.run("[ $A = late ] && [ \"$(cat)\" = '{\"b\": 1}' ] && [ \"$(cat f)\" = 'of the folder' ] && echo out > made", env=["A=late"],
                   input={"b": 1}, dir=str(tmp_path / "in"), extract=[{"from": "made", "to": str(tmp_path / "out")}])
    assert result["success"] and result["timings"]["warm"] and (tmp_path / "out" / "made").read_text() == "out\n", result
    p.wait(1)
    result = p.run("sleep 100", timeout=300)
    assert result["timedOut"] and result["timings"]["warm"] and result["timeout"] == 300


@pytest.mark.any_cell
def test_a_cancel(pool, library):
    p = pool()
    p.wait(1)
    execution = p.start("sleep 100")
    library.lrun_execution_cancel.argtypes = [ctypes.c_void_p]
    assert library.lrun_execution_cancel(execution) == 0
    assert p.end(execution)["cancelled"] is True


def test_a_run_that_does_not_agree_starts_without_the_pool(pool):
    p = pool(entries=1)
    p.wait(1)
    for fields in ({"options": {"memory": "64m"}}, {"networks": []}, {"workdir": "/other"}, {"options": {"pids": 50}}):
        result = p.run("exit 0", **fields)
        assert result["success"] and result["timings"]["warm"] is False, fields
    assert (p.stats().hits, p.stats().misses) == (0, 4)
    assert p.run("exit 0", options={"maxLogBytes": 5}, cpuTimeout=60000)["timings"]["warm"] is True


# ---------------------------------------------------------------- policy


@pytest.mark.any_cell
def test_when_none_is_ready(pool):
    p = pool(entries=1, when_empty=REFUSE, refill=1)
    p.wait(1)
    first = p.start("sleep 0.1")
    with pytest.raises(Failure) as failure:
        p.run("true")
    assert failure.value.args[0] == "POOL_EMPTY" and b"no sandbox is ready" in failure.value.args[1]
    assert p.end(first)["success"]
    p = pool(entries=1, when_empty=COLD, refill=1)
    p.wait(1)
    assert [p.run("true")["timings"]["warm"] for _ in range(2)] == [True, False]
    p = pool(entries=1, when_empty=WAIT)
    assert [p.run("true")["timings"]["warm"] for _ in range(3)] == [True] * 3


@pytest.mark.any_cell
def test_an_old_sandbox_is_replaced(pool):
    p = pool(entries=1, max_age_ms=300)
    p.wait(1)
    time.sleep(0.4)
    refills = p.stats().refills
    p.wait(1)
    assert refills == 2 and p.stats().oldest_ms < 300


@pytest.mark.any_cell
def test_the_death_of_an_entry(pool):
    """By a supervisor that is killed, and by a sandbox that is."""
    p = pool(entries=2)
    p.wait(2)
    found = [pid for pid, argv in host.descendants(os.getpid()).items() if "light-runner-supervisor" in argv and host.parent_of(pid) == os.getpid()]
    assert len(found) == 2
    agents = [pid for pid in host.descendants(found[0]) if "agent" in host.name_of(pid) or host.children(pid) == []]
    os.kill(agents[-1], signal.SIGKILL)
    assert host.wait_until(lambda: p.stats().lost == 1, 10), p.stats().lost
    p.wait(2)
    assert p.run("exit 0")["timings"]["warm"] is True


@pytest.mark.any_cell
def test_a_pool_that_cannot_be_filled_says_why(pool, library, runner):
    with pytest.raises(Failure) as failure:
        pool(image="no-such-image-anywhere").wait(1)
    assert failure.value.args[0] in ("CONTAINER_START_FAILED", "IMAGE_NOT_FOUND", "IO_FAILED"), failure.value
    for field in ({"entrypoint": "x"}, {"dir": "/tmp"}, {"input": 1}, {"extract": []}, {"detached": True}, {"tty": True}, {"unknown": 1}):
        with pytest.raises(Failure) as failure:
            pool(**field)
        assert failure.value.args[0] == "INVALID_ARGUMENT" and next(iter(field)).encode() in failure.value.args[1], field
    for option in ({"entries": 0}, {"entries": 1001}, {"refill": 1001}, {"when_empty": 3}):
        with pytest.raises(Failure):
            pool(**option)


@pytest.mark.every_cell
def test_an_unused_sandbox_uses_no_processor_time(pool):
    p = pool(entries=2)
    p.wait(2)
    time.sleep(1)

    def switches():
        total = 0
        for pid in host.descendants(os.getpid()):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return total
    before = switches()
    time.sleep(1)
    # gVisor's and QEMU's own timers go on.
    assert switches() - before <= (0 if p.spec["options"]["runtime"] == "runc" else 600), switches() - before


# ---------------------------------------------------------------- by hand


@pytest.mark.every_cell
def test_the_verb(runner):
    done = runner.cli("pool", *runner.cell_flags(), "--network", "none", "--size", "2", "busybox", stdin=b"echo one\n\necho two >&2\nexit 4\npwd; ls -A\n")
    assert (done.code, done.stdout) == (1, b"one\n/app\n") and b"two\n" in done.stderr, done
    assert b"light-runner: 4 runs found a sandbox ready, 0 did not" in done.stderr
    done = runner.cli("pool", *runner.cell_flags(), "--json", "--network", "none", "busybox", stdin=b"true\ntrue", expects_json=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == 0 and [line["timings"]["warm"] for line in lines[:2]] == [True, True] and lines[2]["pool"]["hits"] == 2


@pytest.mark.any_cell
def test_the_verbs_bad_words(runner):
    for words in (["--size", "0", "busybox"], ["--when-empty", "never", "busybox"], ["--max-age", "0", "busybox"], ["busybox", "echo"], []):
        done = runner.cli("pool", *words, stdin=b"")
        assert done.code == 125 and b"INVALID_ARGUMENT" in done.stderr, done


def test_the_death_of_the_process_that_has_the_pool(runner, store):
    before = host.leftovers(store)
    process = subprocess.Popen([runner.executable, "pool", *runner.cell_flags(), "--network", "none", "busybox"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    process.stdin.write(b"echo up\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.communicate()
    assert host.new_leftovers(before, store, 20) == {}
