# SPDX-License-Identifier: MIT
"""Runs that outlive the process that started them: states, attach, logs, ls, clean, reap."""
import concurrent.futures
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from harness import host

pytestmark = pytest.mark.any_tier


@pytest.fixture(autouse=True)
def states(tmp_path, monkeypatch):
    folder = tmp_path / "states"
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left(runner, store, states):
    before = host.leftovers(store)
    yield
    if states.is_dir():
        for name in os.listdir(states):
            if name.endswith(".json"):
                runner.cli("cancel", name[:-5])
    left = host.new_leftovers(before, store, 10)
    assert left == {}, sorted(os.listdir(states)) if states.is_dir() else None


def detach(runner, script, **fields):
    document = runner.request(script, **fields)
    document["detached"] = True
    done = runner.cli("run", "--request", runner.write_request(document))
    assert done.code == 0, done
    run_id = done.stdout.decode().strip()
    assert re.fullmatch("light-runner-[0-9a-f]{12}", run_id)
    return run_id


def state_of(states, run_id):
    return json.loads((states / f"{run_id}.json").read_text())


def wait_for_end(states, run_id, seconds=20):
    assert host.wait_until(lambda: state_of(states, run_id)["status"] != "running", seconds)
    return state_of(states, run_id)


# ---------------------------------------------------------------- states


def test_the_id_alone_is_printed(runner):
    done = runner.plain("sleep 0.1", "--detach")
    assert re.fullmatch(rb"light-runner-[0-9a-f]{12}\n", done.stdout) and done.stderr == b""


def test_the_state_is_there_when_run_returns(runner, states, tmp_path):
    run_id = detach(runner, "sleep 1", timeout=60000, workdir="/w", extract=[("f", tmp_path / "out")])
    state = state_of(states, run_id)
    assert state["id"] == state["container"] == state["volume"] == run_id
    assert state["status"] == "running" and state["image"] == "busybox" and state["workdir"] == "/w"
    assert state["command"] == "sleep 1" and state["timeout"] == 60000
    assert state["extract"] == [{"from": "f", "to": str(tmp_path / "out")}]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", state["startedAt"])
    assert "finishedAt" not in state and "exitCode" not in state


@pytest.mark.parametrize("script, code", [("exit 0", 0), ("exit 9", 9), ("kill -TERM $$", 143)])
def test_the_end_is_in_the_state(runner, states, script, code):
    state = wait_for_end(states, detach(runner, script))
    assert state["status"] == "exited" and state["exitCode"] == code and state["cancelled"] is False
    assert state["durationMs"] >= 0 and state["finishedAt"] >= state["startedAt"]


def test_a_run_that_ends_at_once_and_says_something(runner):
    """Its supervisor may end before the caller has heard that it started. The caller does not print the output."""
    for _ in range(20):
        done = runner.plain("echo x", "--detach")
        assert done.code == 0 and re.fullmatch(rb"light-runner-[0-9a-f]{12}\n", done.stdout), done


def test_the_folder_and_the_files_are_for_the_user_alone(runner, states):
    run_id = detach(runner, "sleep 0.2")
    assert states.stat().st_mode & 0o777 == 0o700
    for name in (f"{run_id}.json", f"{run_id}.log"):
        assert (states / name).stat().st_mode & 0o077 == 0


@pytest.mark.any_cell
def test_a_state_folder_of_others_is_refused(runner, states):
    states.mkdir()
    states.chmod(0o777)
    done = runner.plain("true", "--detach")
    assert done.code == 125 and b"others" in done.stderr
    states.chmod(0o700)


@pytest.mark.any_cell
def test_the_default_folder_is_in_the_home(runner, tmp_path, monkeypatch):
    monkeypatch.delenv("LIGHT_RUNNER_STATE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    run_id = detach(runner, "true")
    assert (tmp_path / ".light-runner" / "state" / f"{run_id}.json").is_file()
    assert runner.cli("attach", run_id).code == 0


def test_what_cannot_start_is_an_error_and_leaves_no_state(runner, states):
    done = runner.cli("run", *runner.cell_flags(), "--detach", "127.0.0.1:1/none", "--", "true")
    assert done.code == 125 and b"CONTAINER_START_FAILED" in done.stderr and done.stdout == b""
    assert not states.exists() or os.listdir(states) == []


@pytest.mark.any_cell
@pytest.mark.any_user
def test_input_is_refused(runner, states):
    for fields in ({"input": 1}, ):
        outcome = runner.submit(dict(runner.request("cat", **fields), detached=True))
        assert outcome.code == 125 and "input" in outcome.error["message"]
    done = runner.plain("cat", "--detach", "--input", "-", stdin=b"x")
    assert done.code == 125 and b"input" in done.stderr
    assert not states.exists()


@pytest.mark.every_cell
def test_it_outlives_its_caller(runner, states):
    run_id = detach(runner, "sleep 0.5; echo done")
    assert state_of(states, run_id)["status"] == "running"
    assert wait_for_end(states, run_id)["exitCode"] == 0


@pytest.mark.every_cell
def test_timeout_is_enforced(runner, states):
    state = wait_for_end(states, detach(runner, "sleep 60", timeout=400))
    assert state["status"] == "exited" and state["exitCode"] == 137 and state["result"]["timedOut"] is True


@pytest.mark.every_cell
def test_files_come_out_with_nobody_attached(runner, states, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("x\n")
    run_id = detach(runner, "tr x y < f > g", dir=tmp_path / "in", extract=[("g", tmp_path / "out")])
    state = wait_for_end(states, run_id)
    assert state["result"]["extracted"][0]["status"] == "ok"
    assert (tmp_path / "out" / "g").read_text() == "y\n"


# ---------------------------------------------------------------- attach


def test_attach_before_the_end_and_after_it(runner, states):
    run_id = detach(runner, "sleep 0.5; echo late; exit 4")
    during = runner.cli("attach", run_id)
    assert during.code == 4 and during.stdout == b"late\n"
    after = runner.cli("attach", "--json", run_id)
    assert after.code == 4 and after.json["exitCode"] == 4 and after.json["id"] == run_id
    assert after.json == state_of(states, run_id)["result"]


def test_several_attach_at_once(runner):
    run_id = detach(runner, "sleep 0.7; echo x; echo e >&2; exit 3")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: runner.cli("attach", run_id), range(8)))
    assert {(o.code, o.stdout, o.stderr) for o in outcomes} == {(3, b"x\n", b"e\n")}


def test_an_interrupted_attach_leaves_the_run_alone(runner, states):
    run_id = detach(runner, "sleep 1; exit 5")
    process = subprocess.Popen([runner.executable, "attach", run_id], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    assert state_of(states, run_id)["status"] == "running"
    assert runner.cli("attach", run_id).code == 5


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("verb", ["attach", "logs", "stop", "cancel", "pause", "resume"])
@pytest.mark.parametrize("run_id", ["light-runner-000000000000", "x", "../../etc/passwd", "light-runner-00000000000/", "", "a" * 5000])
def test_an_unknown_id(runner, states, verb, run_id):
    states.mkdir(exist_ok=True)
    (states.parent / "secret.json").write_text('{"id": "../secret", "status": "exited"}')
    outcome = runner.cli(verb, "--json", run_id)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert len(outcome.stderr) < 1000


@pytest.mark.every_cell
def test_cancel_says_cancelled(runner, states):
    run_id = detach(runner, "sleep 60")
    assert runner.cli("cancel", run_id).code == 0
    outcome = runner.cli("attach", "--json", run_id)
    assert outcome.code == 137 and outcome.json["cancelled"] is True
    assert state_of(states, run_id)["status"] == "cancelled"
    assert runner.cli("cancel", run_id).code == 0, "again is no error"


def test_another_user_is_refused(runner, states):
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    run_id = detach(runner, "sleep 1")
    path = states / f"{run_id}.sock"
    # Simulate a folder and a socket whose modes were opened up.
    folder = states
    while str(folder) != "/":
        os.chmod(folder, os.stat(folder).st_mode | 0o011)
        folder = folder.parent
    path.chmod(0o777)
    script = ("import os, socket, sys; os.setgid(4242); os.setuid(4242); s = socket.socket(socket.AF_UNIX); "
              "s.connect(sys.argv[1]); s.sendall(b'\\2\\0\\0\\0\\23\\0\\0\\0{\"action\":\"cancel\"}'); s.settimeout(5); print(s.recv(100))")
    done = subprocess.run(["/usr/bin/python3", "-c", script, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert done.stdout in (b"b''\n", b"") and b"PermissionError" not in done.stderr, done
    os.chmod(states, 0o700)
    assert runner.cli("attach", "--json", run_id).json["cancelled"] is False


@pytest.mark.any_user
@pytest.mark.parametrize("said", [
    b"rubbish", b"\x02\0\0\0\xff\xff\xff\xff", b"\x02\0\0\0\x02\0\0\0{}", b"\x02\0\0\0\x01\0\0\0{", b"\x01\0\0\0\x02\0\0\0{}",
    b'\x02\0\0\0\x15\0\0\0{"action":"stop","a":', b'\x02\0\0\0\x1f\0\0\0{"action":"stop","signal":1000}', b"\x02\0\0"],
    ids=["text", "long", "no-action", "half-json", "request", "bad-json", "bad-signal", "cut"])
def test_rubbish_on_the_socket_disturbs_nobody(runner, states, said):
    run_id = detach(runner, "sleep 0.6; exit 6")
    path = states / f"{run_id}.sock"
    with socket.socket(socket.AF_UNIX) as s:
        folder = os.open(states, os.O_RDONLY)
        s.connect(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        s.sendall(said)
        assert runner.cli("attach", run_id).code == 6


@pytest.mark.any_user
def test_a_hundred_connections_disturb_nobody(runner, states):
    run_id = detach(runner, "sleep 1; exit 6")
    sockets = []
    folder = os.open(states, os.O_RDONLY)
    for _ in range(100):
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"/proc/self/fd/{folder}/{run_id}.sock")
        sockets.append(s)
    os.close(folder)
    assert wait_for_end(states, run_id)["exitCode"] == 6
    for s in sockets:
        s.close()


# ---------------------------------------------------------------- logs


@pytest.mark.any_user
def test_logs_keep_streams_and_times(runner, states):
    run_id = detach(runner, "echo one; sleep 0.3; echo two >&2; printf three")
    wait_for_end(states, run_id)
    done = runner.cli("logs", run_id)
    assert done.stdout == b"one\nthree\n" and done.stderr == b"two\n"
    lines = [json.loads(line) for line in runner.cli("logs", "--json", run_id, expects_json=False).stdout.splitlines()]
    assert [(line["stream"], line["text"]) for line in lines] == [("stdout", "one"), ("stderr", "two"), ("stdout", "three")]
    assert lines[0]["time"] < lines[1]["time"]
    assert runner.cli("logs", "--stderr", run_id).stdout == b""
    stamped = runner.cli("logs", "--timestamps", "--stdout", run_id).stdout.splitlines()[0]
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z one", stamped)


@pytest.mark.any_user
def test_logs_since(runner, states):
    run_id = detach(runner, "echo old; sleep 1; echo new")
    state = wait_for_end(states, run_id)
    middle = json.loads(runner.cli("logs", "--json", run_id, expects_json=False).stdout.splitlines()[1])["time"]
    assert runner.cli("logs", "--since", middle, run_id).stdout == b"new\n"
    assert runner.cli("logs", "--since", state["startedAt"], run_id).stdout == b"old\nnew\n"
    assert runner.cli("logs", "--since", "1h", run_id).stdout == b"old\nnew\n"
    assert runner.cli("logs", "--since", "yesterday", run_id).code == 125


def waits_of(pid):
    """How often the process has waited for something so far."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.M).group(1))


@pytest.mark.parametrize("verb", [["attach"], ["logs", "--follow"]])
def test_whoever_follows_a_silent_run_is_not_woken(runner, verb):
    run_id = detach(runner, "trap 'echo two; sleep 0.2; echo three; exit' TERM; echo one; while :; do sleep 100 & wait $!; done")
    process = subprocess.Popen([runner.executable, *verb, run_id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    waits = []

    def is_at_rest():
        """Whether the process has not woken up for a second."""
        waits.append(waits_of(process.pid))
        time.sleep(1)
        return waits_of(process.pid) == waits[-1]

    assert host.wait_until(is_at_rest, 20), waits
    assert runner.cli("stop", run_id).code == 0
    assert process.communicate(timeout=60)[0].endswith(b"two\nthree\n")


def test_logs_follow(runner):
    run_id = detach(runner, "for i in 1 2 3; do echo $i; sleep 0.3; done")
    begun = time.monotonic()
    done = runner.cli("logs", "--follow", run_id)
    assert done.stdout == b"1\n2\n3\n" and time.monotonic() - begun > 0.4
    assert runner.cli("logs", "--follow", run_id).stdout == b"1\n2\n3\n"


@pytest.mark.any_user
def test_logs_of_bytes_and_long_lines(runner, states):
    run_id = detach(runner, "printf 'a\\377\\000b\\n'; head -c 3000000 /dev/zero | tr '\\0' x; echo")
    wait_for_end(states, run_id)
    lines = runner.cli("logs", run_id).stdout.split(b"\n")
    assert lines[0] == b"a\xff\x00b" and lines[1] == b"x" * 3000000
    first = json.loads(runner.cli("logs", "--json", run_id, expects_json=False).stdout.splitlines()[0])
    assert first["text"].startswith("a\ufffd")


@pytest.mark.any_user
def test_the_log_is_capped(runner, states):
    run_id = detach(runner, "head -c 3000000 /dev/zero; echo ran on > f", options={"maxLogBytes": 1000000})
    assert wait_for_end(states, run_id)["result"]["logTruncated"] is True
    assert (states / f"{run_id}.log").stat().st_size < 1100000
    assert b"cut" in runner.cli("logs", run_id).stderr


@pytest.mark.any_user
def test_the_log_of_single_bytes_is_capped_with_its_headers(runner, states):
    """Each byte that is written alone takes 17 bytes of the log."""
    cap, slack, notice = 32 << 10, 256 << 10, 256
    run_id = detach(runner, "dd if=/dev/zero bs=1 count=40000 2>/dev/null", options={"maxLogBytes": cap})
    result = wait_for_end(states, run_id)["result"]
    size = (states / f"{run_id}.log").stat().st_size
    assert result["logTruncated"] is True and result["exitCode"] == 0, (size, result)
    assert cap <= size <= cap + slack + notice, (size, result)


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("damage", [b"", b"\0" * 100, b"\x10\0\0\0\xff\xff\xff\x7f", b"\x10\0\0\0\x02\0\0\0ab", os.urandom(64)],
                         ids=["empty", "zeros", "too-long", "too-short", "random"])
def test_a_log_that_is_none(runner, states, damage):
    run_id = detach(runner, "echo x")
    wait_for_end(states, run_id)
    (states / f"{run_id}.log").write_bytes(damage)
    done = runner.cli("logs", run_id)
    assert done.code in (0, 125) and done.stdout == b""


def test_attach_to_one_that_has_ended_reads_one_file_once(runner, states):
    run_id = detach(runner, "echo x")
    wait_for_end(states, run_id)
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(states), 0x20) >= 0  # IN_OPEN
    assert runner.cli("attach", run_id).code == 0
    events, names = os.read(watch, 65536), []
    os.close(watch)
    while events:
        length = int.from_bytes(events[12:16], "little")
        names.append(events[16:16 + length].rstrip(b"\0").decode())
        events = events[16 + length:]
    assert [name for name in names if name] == [f"{run_id}.json"], names


# ---------------------------------------------------------------- ls, clean, reap, foreign files


@pytest.mark.any_cell
@pytest.mark.any_user
def test_ls_and_files_that_are_no_states(runner, states):
    ids = [detach(runner, f"exit {i}") for i in range(3)]
    for run_id in ids:
        wait_for_end(states, run_id)
    (states / "light-runner-0123456789ab.json").write_text("{not json")
    (states / "light-runner-1123456789ab.json").write_text('{"id": "light-runner-ffffffffffff", "status": "exited"}')
    (states / "light-runner-2123456789ab.json").write_text('[]')
    (states / "light-runner-3123456789ab.json").write_text('{"id": "light-runner-3123456789ab", "status": "dancing"}')
    (states / "notes.json").write_text('{"id": "notes", "status": "exited"}')
    (states / "folder.json").mkdir()
    os.mkfifo(states / "light-runner-4123456789ab.json")
    listed = json.loads(runner.cli("ls", "--json", expects_json=False).stdout)
    assert [state["id"] for state in listed] == ids and [state["exitCode"] for state in listed] == [0, 1, 2]
    table = runner.cli("ls").stdout.decode()
    assert all(run_id in table for run_id in ids) and "EXIT" in table


@pytest.mark.any_cell
@pytest.mark.any_user
def test_a_state_of_another_program_is_read_and_kept(runner, states):
    run_id = detach(runner, "true")
    wait_for_end(states, run_id)
    other = "light-runner-aaaaaaaaaaaa"
    (states / f"{other}.json").write_text(json.dumps({
        "id": other, "container": other, "volume": other, "image": "alpine", "workdir": "/app", "startedAt": "2020-01-01T00:00:00.000Z",
        "finishedAt": "2020-01-01T00:00:01.000Z", "status": "exited", "exitCode": 12, "durationMs": 1000, "cancelled": False}))
    outcome = runner.cli("attach", "--json", other)
    assert outcome.code == 12 and outcome.json["exitCode"] == 12 and outcome.json["duration"] == 1000
    assert runner.cli("logs", other).stdout == b""


def ghost(states, run_id="light-runner-bbbbbbbbbbbb", **more):
    states.mkdir(exist_ok=True, mode=0o700)
    (states / f"{run_id}.json").write_text(json.dumps({
        "id": run_id, "container": run_id, "volume": run_id, "image": "alpine", "workdir": "/app", "startedAt": "2020-01-01T00:00:00.000Z",
        "status": "running", "future": {"field": [1]}, **more}))
    return run_id


@pytest.mark.parametrize("how", ["attach", "reap", "stop", "cancel", "ls"])
def test_a_ghost_becomes_failed(runner, states, how):
    run_id = ghost(states)
    words = ["--json"] if how == "reap" else [] if how == "ls" else [run_id]
    done = runner.cli(how, *words)
    if how == "attach":
        assert done.code == 125 and b"SUPERVISOR_LOST" in done.stderr
    if how in ("stop", "cancel"):
        assert done.code == 0 and b"marked as failed" in done.stderr, done
    if how == "ls":
        assert b" failed " in done.stdout, done
    if how == "reap":
        assert done.json["states"] == 1
    state = state_of(states, run_id)
    assert state["status"] == "failed" and state["future"] == {"field": [1]} and state["finishedAt"]
    assert runner.cli("reap", "--json").json["states"] == 0


@pytest.mark.orphans
@pytest.mark.every_cell
def test_killed_supervisors_become_failed(runner, store, states):
    run_id = detach(runner, "sleep 60")
    host.kill_supervisor(run_id)
    assert host.wait_until(lambda: not host.processes_with(run_id), 10)
    assert runner.cli("attach", run_id).code == 125
    assert state_of(states, run_id)["status"] == "failed"
    # A cgroup cannot be removed before the kernel has finished with its processes.
    environment = dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")
    assert host.wait_until(lambda: runner.cli("reap", env=environment).code == 0
                           and not host.traces(run_id), 10), host.traces(run_id)


def test_a_running_run_is_no_ghost(runner, states):
    run_id = detach(runner, "sleep 0.7")
    assert runner.cli("reap", "--json").json["states"] == 0
    assert runner.cli("clean", "--states", "--json").json["states"] == 0
    assert state_of(states, run_id)["status"] == "running"
    assert wait_for_end(states, run_id)["exitCode"] == 0


def test_clean(runner, states):
    run_id = detach(runner, "echo x")
    wait_for_end(states, run_id)
    old = ghost(states, status="exited", finishedAt="2020-01-01T00:00:00.000Z")
    assert runner.cli("clean", "--states", "--older-than", "1h", "--json").json == {"states": 1, "images": 0}
    assert not (states / f"{old}.json").exists() and (states / f"{run_id}.json").exists()
    assert runner.cli("clean", "--json").json["states"] == 1
    assert os.listdir(states) == []
    assert runner.cli("attach", run_id).code == 125


@pytest.mark.any_cell
@pytest.mark.any_user
def test_ls_without_any(runner, states):
    assert json.loads(runner.cli("ls", "--json", expects_json=False).stdout) == []
    assert not states.exists()


@pytest.mark.every_cell
def test_ten_at_once(runner, states):
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        ids = list(pool.map(lambda i: detach(runner, f"sleep 0.3; exit {i}"), range(10)))
        codes = list(pool.map(lambda run_id: runner.cli("attach", run_id).code, ids))
    assert codes == list(range(10))


def test_what_is_left_without_a_state_is_reaped(runner, states):
    run_id = detach(runner, "sleep 1")
    for name in ("light-runner-cccccccccccc.log", "light-runner-cccccccccccc.sock", ".light-runner-cccccccccccc.json.1.tmp",
                 "light-runner-notours.log", "notes.log"):
        (states / name).write_text("x")
        os.utime(states / name, (1, 1))
    # Young leftovers may be about to get their state.
    (states / "light-runner-dddddddddddd.log").write_text("x")
    # Such a run is just starting: its socket is in use, and there is no state yet.
    (states / f"{run_id}.json").rename(states / "kept")
    assert runner.cli("reap").code == 0
    (states / "kept").rename(states / f"{run_id}.json")
    assert sorted(os.listdir(states)) == sorted([f"{run_id}.json", f"{run_id}.log", f"{run_id}.sock", "light-runner-notours.log",
                                                 "light-runner-dddddddddddd.log", "notes.log"])
    assert wait_for_end(states, run_id)["exitCode"] == 0
