# SPDX-License-Identifier: MIT
"""Calls outside of any run: availability, leftovers, networks, images. Through the C API and the command line."""
import ctypes
import glob
import hashlib
import json
import os

import pytest

from harness import dockerd, host


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 768), ("operation", ctypes.c_char * 48),
                ("id", ctypes.c_char * 48), ("hint", ctypes.c_char * 512), ("reserved", ctypes.c_char * 124)]


class Options(ctypes.Structure):
    """lrun_runner_options: the fields that are set here, and room for the rest."""
    _fields_ = [("size", ctypes.c_size_t), ("runtime", ctypes.c_char_p), ("engine", ctypes.c_char_p)]


class Reaped(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("containers", ctypes.c_uint), ("volumes", ctypes.c_uint), ("states", ctypes.c_uint)]


class DoctorOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("full", ctypes.c_bool), ("cancel_fd", ctypes.c_int)]


class Library:
    def __init__(self, path, engine, tier):
        self.lib = ctypes.CDLL(path)
        self.lib.lrun_code_name.restype = ctypes.c_char_p
        self.error = Error()
        options = Options(ctypes.sizeof(Options), tier.encode(), engine.encode())
        self.runner = ctypes.c_void_p()
        assert self.lib.lrun_runner_new(ctypes.byref(self.runner), ctypes.byref(options), ctypes.byref(self.error)) == 0

    def call(self, name, *arguments):
        return getattr(self.lib, name)(self.runner, *arguments, ctypes.byref(self.error))

    @property
    def code(self):
        return self.lib.lrun_code_name(self.error.code).decode()


@pytest.fixture
def library(runner, monkeypatch):
    build = os.path.dirname(os.path.dirname(os.path.realpath(runner.executable)))
    found = glob.glob(os.path.join(build, "lib", "liblightrunner.so.0.*[0-9]"))
    if "asan" in build:
        pytest.skip("a library with a sanitizer in it cannot be loaded by a program without")
    monkeypatch.setenv("LIGHT_RUNNER_SUPERVISOR", os.path.join(build, "src", "run", "light-runner-supervisor"))
    return lambda engine=runner.engine, tier=runner.tier: Library(found[0], engine, tier)


def test_available(library):
    assert library().call("lrun_available") == 0


def test_doctor(runner, library):
    lib, text = library(), ctypes.c_char_p()
    assert lib.call("lrun_doctor", None, ctypes.byref(text)) == 0, lib.error.message
    report = json.loads(text.value)
    lib.lib.lrun_string_free(text)
    works = {(cell["engine"], cell["runtime"]) for cell in report["cells"] if cell["works"]}
    assert runner.cell in works and {"name", "ok", "detail"} <= set(report["checks"][0]), report
    options = DoctorOptions()
    lib.lib.lrun_doctor_options_init(ctypes.byref(options), ctypes.c_size_t(ctypes.sizeof(options)))
    assert (options.full, options.cancel_fd) == (False, -1)
    options.cancel_fd = os.eventfd(1, os.EFD_CLOEXEC)
    assert lib.call("lrun_doctor", ctypes.byref(options), ctypes.byref(text)) == -1 and lib.code == "IO_FAILED"
    assert lib.error.message == b"cancelled" and text.value is None
    os.close(options.cancel_fd)
    assert lib.call("lrun_doctor", ctypes.byref(options), ctypes.byref(text)) == -1 and lib.code == "INVALID_ARGUMENT"


def test_not_available(runner, library, monkeypatch):
    if runner.engine == "docker":
        monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
        lib = library()
        assert lib.call("lrun_available") == -1 and lib.code == "DOCKER_UNREACHABLE"
        assert lib.error.hint
    else:
        if runner.tier == "runc":
            pytest.skip("needs nothing that a variable could take away")
        name = "QEMU" if runner.tier == "kata" else runner.tier.upper()
        monkeypatch.setenv("LIGHT_RUNNER_" + name, "/nonexistent/runtime")
        lib = library()
        assert lib.call("lrun_available") == -1 and lib.code == "CONTAINER_START_FAILED"


def test_an_engine_that_there_is_not(library):
    lib = library("docker", "kata")
    assert lib.call("lrun_available") == -1
    assert lib.code in ("DOCKER_UNREACHABLE", "CONTAINER_START_FAILED")


def reap_what_others_left(runner):
    environment = dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")
    assert host.wait_until(lambda: runner.cli("reap", "--json", env=environment).json["containers"] == 0, 10)


@pytest.mark.orphans
def test_reap(runner, library, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    reap_what_others_left(runner)
    done = runner.submit(runner.request("sleep 60", detached=True))
    run_id = done.json["id"]
    host.kill_supervisor(run_id)
    assert host.wait_until(lambda: not host.processes_with(run_id), 10)
    lib, total = library(), Reaped(ctypes.sizeof(Reaped))

    def reaped():
        once = Reaped(ctypes.sizeof(Reaped))
        assert lib.call("lrun_reap", ctypes.c_int64(0), ctypes.byref(once)) == 0, lib.error.message
        for name in ("containers", "volumes", "states"):
            setattr(total, name, getattr(total, name) + getattr(once, name))
        return not host.traces(run_id)

    # Until the kernel has taken down what was in it, a cgroup cannot be removed.
    assert host.wait_until(reaped, 10), host.traces(run_id)
    assert total.states == 1 and total.containers == 1
    assert total.volumes == (1 if runner.engine == "docker" else 0)
    assert json.loads((tmp_path / "state" / f"{run_id}.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("size", [16, 64], ids=["older", "newer"])
def test_reap_for_a_program_of_another_version(library, tmp_path, monkeypatch, size):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    room = ctypes.create_string_buffer(b"\xff" * 80, 80)
    ctypes.c_size_t.from_buffer(room).value = size
    lib = library()
    assert lib.call("lrun_reap", ctypes.c_int64(-1), room) == 0, lib.error.message
    known = ctypes.sizeof(Reaped)
    assert room.raw[size:] == b"\xff" * (80 - size), "behind the program's own struct"
    assert room.raw[8:12] != b"\xff" * 4 and room.raw[known:size] == b"\0" * max(0, size - known)


@pytest.mark.orphans
@pytest.mark.any_cell
def test_an_engine_that_does_not_answer_hides_nothing(runner, library, tmp_path, monkeypatch):
    """The local engine's leftovers are removed and counted even if the other engine fails."""
    if runner.engine != "local":
        pytest.skip("the engine docker is the one that does not answer here")
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LIGHT_RUNNER_REAP_AGE_MS", "0")
    reap_what_others_left(runner)
    lib, once = library("auto"), Reaped(ctypes.sizeof(Reaped))
    ids = [runner.submit(runner.request("sleep 60", detached=True)).json["id"] for _ in range(2)]
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")

    def kill(run_id):
        host.kill_supervisor(run_id)
        assert host.wait_until(lambda: not host.processes_with(run_id), 10)

    kill(ids[0])
    containers = states = 0
    while host.traces(ids[0]):
        assert lib.call("lrun_reap", ctypes.c_int64(-1), ctypes.byref(once)) == -1 and lib.code == "DOCKER_UNREACHABLE"
        containers, states = containers + once.containers, states + once.states
    assert (containers, states) == (1, 1)
    kill(ids[1])
    done = runner.cli("reap", "--json")
    assert done.code == 125 and done.json["states"] == 1 and done.json["error"]["code"] == "DOCKER_UNREACHABLE", done
    assert done.stderr.startswith(b"light-runner: DOCKER_UNREACHABLE: "), done.stderr
    assert host.wait_until(lambda: runner.cli("reap").code == 125 and not host.traces(ids[1]), 10)
    count = ctypes.c_uint(7)
    assert lib.call("lrun_clean_images", ctypes.byref(count)) == -1 and lib.code == "DOCKER_UNREACHABLE" and count.value < 7
    assert runner.cli("clean", "--states", "--json").json == {"states": 2, "images": 0}


class State(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("id", "status", "image", "command")] + [
        ("argv", ctypes.POINTER(ctypes.c_char_p)), ("started_at", ctypes.c_char_p), ("finished_at", ctypes.c_char_p),
        ("exit_code", ctypes.c_int)]


ON_STATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(State))


@pytest.mark.any_cell
@pytest.mark.any_user
def test_the_states_one_at_a_time(library, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("LIGHT_RUNNER_REAP_AGE_MS", "0")
    written = [{"id": "light-runner-0000000000%02x" % number, "status": "exited", "startedAt": "2026-01-31T12:00:%02d.000Z" % number,
                "image": "busybox", "argv": ["echo", "a b"], "finishedAt": "2026-02-01T00:00:00.000Z", "exitCode": number}
               for number in range(20)]
    written[3].update(image=7, startedAt=None, argv=["x", 1], exitCode="0")
    written[4].update(command="echo hello", argv="echo")
    for state in written:
        (tmp_path / (state["id"] + ".json")).write_text(json.dumps(state))
    (tmp_path / "light-runner-00000000ffff.json").write_text("no state")
    lib, seen = library(), {}

    def see(_user, pointer):
        state = pointer.contents
        words = []
        while state.argv[len(words)] is not None:
            words.append(state.argv[len(words)])
        seen[state.id] = (state.status, state.image, state.command, words, state.started_at, state.finished_at, state.exit_code)
        return len(seen) == limit

    def visit():
        seen.clear()
        return lib.lib.lrun_states_each(ON_STATE(see), None, ctypes.byref(lib.error))

    limit = None
    assert visit() == 0 and set(seen) == {state["id"].encode() for state in written}
    end = b"2026-02-01T00:00:00.000Z"
    assert seen[b"light-runner-000000000002"] == (b"exited", b"busybox", None, [b"echo", b"a b"], b"2026-01-31T12:00:02.000Z", end, 2)
    assert seen[b"light-runner-000000000003"] == (b"exited", b"", None, [b"x"], b"", end, -1)
    assert seen[b"light-runner-000000000004"][2:4] == (b"echo hello", [])
    limit = 5
    assert visit() == 0 and len(seen) == 5
    assert lib.lib.lrun_states_each(ctypes.cast(None, ON_STATE), None, ctypes.byref(lib.error)) == -1 and lib.code == "INVALID_ARGUMENT"
    text = ctypes.c_char_p()
    assert lib.lib.lrun_states(None, ctypes.byref(text), ctypes.byref(lib.error)) == 0
    assert json.loads(text.value) == [written[3]] + written[:3] + written[4:]
    lib.lib.lrun_string_free(text)


@pytest.mark.orphans
@pytest.mark.any_tier
def test_reap_leaves_what_is_young(runner, library, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    lib, once = library(), Reaped(ctypes.sizeof(Reaped))
    run_id = runner.submit(runner.request("sleep 60", detached=True)).json["id"]
    host.kill_supervisor(run_id)
    assert host.wait_until(lambda: not host.processes_with(run_id), 10)
    traces = host.traces(run_id)
    assert traces and lib.call("lrun_reap", ctypes.c_int64(-1), ctypes.byref(once)) == 0
    assert host.traces(run_id) == traces and once.containers == once.volumes == 0
    monkeypatch.setenv("LIGHT_RUNNER_REAP_AGE_MS", "0")
    assert host.wait_until(lambda: lib.call("lrun_reap", ctypes.c_int64(-1), ctypes.byref(once)) == 0 and not host.traces(run_id), 10)
    monkeypatch.setenv("LIGHT_RUNNER_REAP_AGE_MS", "soon")
    assert lib.call("lrun_reap", ctypes.c_int64(-1), ctypes.byref(once)) != 0 and b"soon" in lib.error.message


@pytest.mark.orphans
def test_reap_leaves_what_lives(runner, library, tmp_path, monkeypatch):
    """A living run is never reaped, however small the minimum age, even before any of its processes has started."""
    lib, once = library(), Reaped(ctypes.sizeof(Reaped))
    assert lib.call("lrun_reap", ctypes.c_int64(0), ctypes.byref(once)) == 0, "what others have left"
    processes = [runner.start("echo up; sleep 2; echo end") for _ in range(3)]
    for _ in range(20):
        assert lib.call("lrun_reap", ctypes.c_int64(0), ctypes.byref(once)) == 0
        assert once.containers == once.volumes == 0
    for process in processes:
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0 and b"end" in stderr, (stdout, stderr)


@pytest.mark.podman
@pytest.mark.any_tier
def test_networks(runner, library):
    lib, exists, count = library(), ctypes.c_bool(), ctypes.c_uint()
    if runner.engine != "docker":
        assert lib.call("lrun_network_create", b"x") == -1 and lib.code == "NOT_SUPPORTED"
        return
    names = [b"light-runner-test-a", b"lr-test-b"]
    for name in names:
        assert lib.call("lrun_network_create", name) == 0, lib.error.message
        assert lib.call("lrun_network_create", name) == -1 and lib.code == "INVALID_ARGUMENT"
        assert lib.call("lrun_network_exists", name, ctypes.byref(exists)) == 0 and exists.value
    assert "eth0:" in runner.ok("cat /proc/net/dev", networks=[names[1].decode()]).text
    # A network in use stays, and so does the default one.
    process = runner.start("echo up; sleep 5", networks=[names[0].decode()])
    assert process.stderr.readline() == b"up\n"
    assert lib.call("lrun_network_prune", ctypes.byref(count)) == 0 and count.value == 1
    assert lib.call("lrun_network_exists", names[0], ctypes.byref(exists)) == 0 and exists.value
    assert lib.call("lrun_network_exists", names[1], ctypes.byref(exists)) == 0 and not exists.value
    process.terminate()
    process.communicate(timeout=20)
    assert lib.call("lrun_network_remove", names[0]) == 0
    assert lib.call("lrun_network_remove", names[0]) == -1 and lib.code == "INVALID_ARGUMENT"


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "a b", "x" * 200])
def test_a_network_that_has_no_name(runner, name):
    if runner.engine != "docker":
        pytest.skip("the local engine has no networks of its own")
    done = runner.cli("network", "create", name, "--engine", "docker", "--json")
    assert done.code == 125 and done.error["code"] == "INVALID_ARGUMENT"


@pytest.mark.any_tier
def test_the_verb_network(runner):
    if runner.engine != "docker":
        pytest.skip("the local engine has no networks of its own")

    def network(*words):
        return runner.cli("network", *words, "--engine", "docker")

    assert network("exists", "lr-test-c").code == 1
    assert network("create", "lr-test-c").code == 0
    assert network("exists", "lr-test-c", "--json").json == {"exists": True}
    assert network("rm", "lr-test-c").code == 0
    assert network("prune", "--json").json == {"networks": 0}
    assert network("destroy", "x").code == 125 and network("create").code == 125 and network("prune", "x").code == 125


@pytest.mark.any_tier
def test_images_of_setup_steps(runner, library):
    lib, count = library(), ctypes.c_uint()
    assert lib.call("lrun_clean_images", ctypes.byref(count)) == 0
    steps = ["cat /proc/sys/kernel/random/uuid > /once"]
    first = runner.ok("cat /once", run=steps).lines
    assert runner.ok("cat /once", run=steps).lines == first
    assert lib.call("lrun_clean_images", ctypes.byref(count)) == 0 and count.value == 1
    assert runner.ok("cat /once", run=steps).lines != first
    assert runner.ok("echo there").lines == ["there"], "no other image is touched"
    assert runner.cli("clean", "--images", "--json").json["images"] == 1
    assert dockerd.current() is None or runner.engine != "docker" or dockerd.current().leftovers() == set()


@pytest.mark.any_tier
def test_a_detached_run_keeps_its_output_though_nobody_listens(runner, library, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    lib = library()
    text = json.dumps(runner.request("echo out; echo err >&2", detached=True)).encode()
    execution = ctypes.c_void_p()
    assert lib.call("lrun_run_json", text, ctypes.c_size_t(len(text)), None, ctypes.byref(execution)) == 0, lib.error.message
    lib.lib.lrun_execution_id.restype = ctypes.c_char_p
    run = lib.lib.lrun_execution_id(execution).decode()
    lib.lib.lrun_execution_free(execution)
    attached = runner.cli("attach", "--json", run)
    assert attached.code == 0, attached
    done = runner.cli("logs", run)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n"), (done, attached)


@pytest.mark.orphans
@pytest.mark.cells("docker-runc")
def test_reap_finds_docker_as_runs_do(runner, tmp_path, monkeypatch):
    """By a context, or where a daemon of the user's own listens; and --engine says of whom."""
    if (runner.engine, runner.tier) != ("docker", "runc"):
        pytest.skip("of the engine docker alone, and the same in every tier")
    host_name = os.environ["DOCKER_HOST"]
    context = "there"
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(context.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": context, "Endpoints": {"docker": {"Host": host_name}}}))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": context}))
    (tmp_path / "docker.sock").symlink_to(host_name.removeprefix("unix://"))
    plain = {name: value for name, value in os.environ.items() if name not in ("DOCKER_HOST", "LIGHT_RUNNER_ENGINE")}
    plain.update(LIGHT_RUNNER_REAP_AGE_MS="0", LIGHT_RUNNER_STATE_DIR=str(tmp_path / "state"), HOME=str(tmp_path / "nobody"))
    ways = {"configuration": ({"DOCKER_CONFIG": str(tmp_path)}, []),
            "variable": ({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": context}, []),
            "own socket": ({"XDG_RUNTIME_DIR": str(tmp_path)}, []),
            "flag": ({"DOCKER_CONFIG": str(tmp_path)}, ["--engine", "docker"])}
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    for way, (variables, words) in ways.items():
        if way == "own socket" and os.path.exists("/var/run/docker.sock"):
            continue
        run_id = runner.submit(runner.request("sleep 60", detached=True)).json["id"]
        host.kill_supervisor(run_id)
        assert host.wait_until(lambda: not host.processes_with(run_id), 20)
        assert runner.cli("reap", "--engine", "local", env={**plain, **variables}).code == 0 and host.traces(run_id), way
        assert host.wait_until(lambda: runner.cli("reap", *words, env={**plain, **variables}).code == 0 and not host.traces(run_id),
                               20), (way, host.traces(run_id))
