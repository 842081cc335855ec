# SPDX-License-Identifier: MIT
"""Sessions: one sandbox, many commands."""
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from harness import host
from harness.sessions import IMAGE, opened, session, states  # noqa: F401

pytestmark = pytest.mark.any_tier


# ---------------------------------------------------------------- commands


@pytest.mark.every_cell
def test_files_stay_and_the_rest_does_not(session):
    done = session.run("echo one > file; cd /tmp; export A=b; echo out; echo err >&2; exit 7")
    assert done.code == 7 and sorted(done.lines) == ["err", "out"]
    result = done.json
    assert (result["exitCode"], result["success"], result["session"], result["sessionEnded"]) == (7, False, session.id, False)
    assert result["isolation"]["verified"] is True and result["isolation"]["checked"]
    assert session.text("cat file; pwd; echo $A") == "one\n/app\n\n"


@pytest.mark.every_cell
def test_environment_folder_user_and_input(session):
    said = session.cli("run", "--env", "A=b c", "--workdir", "/data/deep", "--user", "1000:1001", "--input", "-",
                       "echo $A; pwd; id -u; id -g; cat; touch mine", stdin=b"in\0put")
    assert (said.code, said.stdout) == (0, b"b c\n/data/deep\n1000\n1001\nin\0put"), said
    assert session.text("id -u; pwd; ls -ln /data/deep | grep -c ' 1000 '") == "0\n/app\n1\n"
    assert session.text("cat", "--input-json", '{"a": 1.50}') == '{"a": 1.50}'


def test_a_folder_that_exists_keeps_its_owner(session):
    session.text("mkdir -m 700 /root-only")
    assert session.run("true", "--workdir", "/root-only", "--user", "1000").code == 0
    assert session.text("stat -c '%u %a' /root-only") == "0 700\n"


@pytest.mark.any_user
def test_commands_without_a_shell(session):
    done = session.runner.cli("session", "run", "--argv", session.id, "--", "echo", "a  b", "$HOME")
    assert (done.code, done.stdout) == (0, b"a  b $HOME\n")
    done = session.runner.cli("session", "run", "--argv", session.id, "--", "no-such-program")
    assert done.code == 127 and b"not found" in done.stderr


def test_what_cannot_be_executed_is_an_error_of_its_own(session):
    done = session.run("true", "--user", "nobody-knows")
    assert done.code == 125 and done.error["code"] == "CONTAINER_START_FAILED" and "nobody-knows" in done.error["message"]
    assert done.error["container"] == session.id
    assert session.text("echo still here") == "still here\n"


@pytest.mark.every_cell
def test_several_commands_at_once(session):
    """Each waits for a file of the next one, so none can end before all of them run."""
    scripts = [f"touch {i}; until [ -e {(i + 1) % 8} ]; do sleep 0.05; done; echo {i}" for i in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(session.text, scripts)) == [f"{i}\n" for i in range(8)]


def test_the_limit_of_commands_at_once(opened):
    session = opened("--pids", "400")
    going = [session.start("touch $$.up; sleep 100") for _ in range(63)]
    # The question is the 64th.
    up = host.wait_until(lambda: session.text("ls | grep -c up") == "63\n", 60, 0.5)
    assert up, [process.communicate(timeout=30) for process in going if process.poll() is not None]
    # A command that begins before this one would take its place.
    going.append(session.start("echo up; sleep 100"))
    assert going[-1].stderr.readline() == b"up\n"
    error = session.run("true").error
    assert error["code"] == "NOT_SUPPORTED" and "64 commands" in error["message"], error
    for process in going:
        process.terminate()
    for process in going:
        process.communicate(timeout=30)
    assert session.text("echo room again") == "room again\n"


@pytest.mark.every_cell
def test_what_a_command_leaves_running_goes_on(session):
    done = session.run("(while sleep 0.1; do echo tick >> ticks; echo nobody hears; done) & echo $! > pid; echo started")
    assert done.text == "started\n" and done.code == 0
    assert session.text("until [ -s ticks ]; do sleep 0.1; done; n=$(wc -l < ticks); until [ $(wc -l < ticks) -gt $((n + 2)) ]; do sleep 0.1; done; echo more") == "more\n"


@pytest.mark.every_cell
def test_a_timeout_kills_what_came_from_the_command_and_nothing_else(session):
    session.text("(while sleep 0.1; do echo x >> other; done) & true")
    done = session.run("(setsid sh -c 'while sleep 0.1; do echo x >> mine; done' &) ; sleep 100", "--timeout", "1500ms")
    assert done.code == 137 and done.json["timedOut"] and not done.json["cancelled"] and not done.json["sessionEnded"]
    check = "wc -l < mine; sleep 1; wc -l < mine; a=$(wc -l < other); sleep 1; [ $(wc -l < other) -gt $a ] && echo alive"
    before, after, other = session.text(check).split()
    assert before == after and other == "alive"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_caller_that_ends_takes_its_command_along(session, number):
    process = session.start("(while sleep 0.1; do echo x >> mine; done) & until [ -s mine ]; do sleep 0.05; done; echo x > up; sleep 100")
    assert session.text("until [ -s up ]; do sleep 0.05; done; echo up") == "up\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert session.text("sleep 0.5; a=$(wc -l < mine); sleep 1; [ $(wc -l < mine) = $a ] && echo dead") == "dead\n"


def test_memory_that_is_used_up(runner, opened):
    if runner.tier != "runc":
        pytest.skip("in this tier the whole sandbox dies")
    session = opened("--memory", "64m")
    done = session.run("x=$(head -c 200000000 /dev/zero | tr '\\0' a); echo no")
    assert done.code != 0 and done.json["oomKilled"] and not done.json["sessionEnded"], done
    done = session.run("exit 3")
    assert done.code == 3 and not done.json["oomKilled"]


def test_output_is_cut_for_each_command(session):
    done = session.run("head -c 100000 /dev/zero | tr '\\0' a", "--max-log", "1000")
    assert done.json["logTruncated"] and done.text.count("a") < 2000
    assert not session.run("echo short", "--max-log", "1000").json["logTruncated"]


# ---------------------------------------------------------------- files


@pytest.mark.every_cell
def test_files_go_in_and_out(session, tmp_path):
    source, to = tmp_path / "source", tmp_path / "to"
    (source / "sub" / ".git").mkdir(parents=True)
    (source / "sub" / "two").write_text("two")
    (source / "sub" / ".git" / "no").write_text("no")
    (source / "big").write_bytes(os.urandom(3_000_000))
    assert session.cli("put", str(source)).code == 0
    assert session.text("find . -type f | sort") == "./big\n./sub/two\n"
    assert session.run("exit 1").code == 1  # get() does not ask how a command ended
    done = session.cli("get", f"big:{to}", f"sub:{to}/sub", f"nope:{to}", "--json")
    assert done.code == 1 and [e["status"] for e in done.json["extracted"]] == ["ok", "ok", "missing"], done
    assert (to / "big").read_bytes() == (source / "big").read_bytes() and (to / "sub" / "two").read_text() == "two"
    assert session.cli("put", str(tmp_path / "nowhere")).code == 125
    assert session.cli("get", f"../x:{to}").code == 1
    assert session.text("echo fine") == "fine\n"


@pytest.mark.any_user
def test_relative_paths_are_the_callers(session, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    monkeypatch.chdir(tmp_path)
    assert session.cli("put", "in").code == 0
    assert session.cli("get", "a:out").code == 0
    assert (tmp_path / "out" / "a").read_text() == "a"


def test_copies_and_commands_at_once(session, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(200):
        (tmp_path / "in" / f"f{i}").write_bytes(b"x" * 20000)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        puts = [pool.submit(session.cli, "put", str(tmp_path / "in")) for _ in range(3)]
        runs = [pool.submit(session.text, "echo one; sleep 0.1; echo two") for _ in range(6)]
        gets = [pool.submit(session.cli, "get", f".:{tmp_path}/out{i}") for i in range(3)]
        assert [done.result().text for done in puts + gets] and all(done.result().code == 0 for done in puts + gets)
        assert all(done.result() == "one\ntwo\n" for done in runs)
    assert session.text("ls | wc -l") == "200\n"


# ---------------------------------------------------------------- the session


@pytest.mark.every_cell
def test_close_ends_everything(session, states):
    session.text("sleep 1000 & true")
    process = session.start("echo up; sleep 100")
    time.sleep(0.5)
    done = session.close()
    assert done.code == 0 and done.json["success"] is True and done.json["id"] == session.id and "session" not in done.json
    result = json.loads(process.communicate(timeout=30)[0])
    assert result["sessionEnded"] and result["cancelled"] and result["exitCode"] == 137, result
    state = json.loads((states / f"{session.id}.json").read_text())
    assert state["status"] == "exited" and state["result"]["usage"]["cpuMs"] > 0
    for verb, words in (("run", ["true"]), ("put", ["/"]), ("close", [])):
        done = session.cli(verb, *words)
        assert done.code == 125 and b"has ended" in done.stderr


def test_states_and_verbs(runner, session, states):
    state = json.loads((states / f"{session.id}.json").read_text())
    assert state["status"] == "running" and state["session"]["idle"] == 600000 and state["image"] == IMAGE
    assert session.id in runner.cli("ls").stdout.decode() and session.id in runner.cli("session", "list").stdout.decode()
    assert runner.cli("reap", expects_json=False).code == 0
    assert runner.cli("pause", session.id).code == 0
    done = session.run("true")
    assert done.error["code"] == "INVALID_ARGUMENT" and "paused" in done.error["message"]
    assert runner.cli("resume", session.id).code == 0
    assert session.text("echo back") == "back\n"
    assert runner.cli("logs", session.id).code == 0
    attached = subprocess.Popen([runner.executable, "attach", "--json", session.id], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    assert runner.cli("stop", session.id).code == 0
    assert json.loads(attached.communicate(timeout=30)[0])["cancelled"] is True
    assert json.loads((states / f"{session.id}.json").read_text())["status"] == "cancelled"
    assert session.id not in runner.cli("session", "list").stdout.decode()


def test_a_pause_stops_a_command(runner, session):
    process = session.start("while sleep 0.1; do echo x >> ticks; done")
    assert session.text("until [ -s ticks ]; do sleep 0.05; done; echo up") == "up\n"
    assert runner.cli("pause", session.id).code == 0
    time.sleep(1.5)
    assert runner.cli("resume", session.id).code == 0
    process.terminate()
    result = json.loads(process.communicate(timeout=30)[0])
    assert result["cancelled"] and not result["sessionEnded"]


def test_stop_lets_commands_end(session, runner):
    process = session.start("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done")
    time.sleep(0.5)
    assert runner.cli("stop", session.id).code == 0
    out, err = process.communicate(timeout=30)
    result = json.loads(out)
    assert result["exitCode"] == 5 and result["cancelled"] and b"bye" in err


def test_idle_closes_it(opened, states):
    session = opened("--idle", "2s")
    assert session.run("sleep 3; echo not idle").code == 0
    started = time.monotonic()
    assert host.wait_until(lambda: json.loads((states / f"{session.id}.json").read_text())["status"] == "exited", 20)
    assert time.monotonic() - started > 1.5


def test_its_time_is_up(opened, states):
    session = opened("--timeout", "2s")
    result = session.run("sleep 100").json
    assert result["sessionEnded"] and result["exitCode"] == 137
    assert host.wait_until(lambda: json.loads((states / f"{session.id}.json").read_text())["status"] != "running", 20)
    assert json.loads((states / f"{session.id}.json").read_text())["result"]["timedOut"] is True


@pytest.mark.orphans
def test_a_killed_supervisor_leaves_nothing(session, states, store, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_REAP_AGE_MS", "0")
    process = session.start("sleep 100")
    time.sleep(0.5)
    supervisor = json.loads((states / f"{session.id}.json").read_text())["supervisor"]
    pids = [int(word) for word in supervisor.replace(":", " ").replace("/", " ").split() if word.isdigit()]
    found = [pid for pid in pids if os.path.exists(f"/proc/{pid}/cmdline")
             and b"light-runner-supervisor" in open(f"/proc/{pid}/cmdline", "rb").read()]
    assert len(found) == 1, supervisor
    os.kill(found[0], signal.SIGKILL)
    error = json.loads(process.communicate(timeout=30)[0])["error"]
    assert error["code"] == "SUPERVISOR_LOST"
    done = session.run("true")
    assert done.code == 125
    assert session.runner.cli("ls").stdout.decode().count("failed") == 1
    # What was killed may be a moment from its end.
    assert host.wait_until(lambda: session.runner.cli("reap", expects_json=False).code == 0
                           and session.id not in str(host.leftovers(store)), 20, 0.2)


@pytest.mark.any_cell
@pytest.mark.any_user
def test_hints(runner, states):
    for words in (["run", "light-runner-000000000000", "true"], ["put", "x", "/"], ["get", "../../etc/passwd", "a:b"], ["close", ""]):
        done = runner.cli("session", words[0], "--json", *words[1:])
        assert done.code == 125 and "no session with the id" in done.error["message"] and "session list" in done.error["hint"]
    done = runner.cli("session", "open", "--json", IMAGE)
    assert done.code == 125 and "--detach" in done.error["hint"]
    done = runner.cli("session", "open", "--detach", "--json", IMAGE, "echo", "x")
    assert done.code == 125 and "session run" in done.error["message"]
    document = {"image": IMAGE, "entrypoint": "true", "detached": True}
    done = runner.cli("session", "open", "--json", "--request", runner.write_request(document))
    assert done.code == 125 and done.error["message"].startswith("entrypoint: ")


@pytest.mark.any_cell
@pytest.mark.any_user
def test_a_run_is_no_session(runner, states):
    run_id = runner.cli("run", "--detach", *runner.cell_flags(), "--network", "none", IMAGE, "--", "sleep 100").stdout.decode().strip()
    done = runner.cli("session", "run", run_id, "--", "true")
    assert done.code == 125 and b"is a run, not a session" in done.stderr
    runner.cli("cancel", run_id)


# ---------------------------------------------------------------- the library


OPENER = r"""
import ctypes, os, sys, time
library = ctypes.CDLL(sys.argv[1])
error = ctypes.create_string_buffer(4096)
runner, session = ctypes.c_void_p(), ctypes.c_void_p()
assert library.lrun_runner_new(ctypes.byref(runner), None, error) == 0
document = sys.argv[2].encode()
rc = library.lrun_session_open_json(runner, document, ctypes.c_size_t(len(document)), None, ctypes.byref(session), error)
assert rc == 0, error.raw[4:700]
library.lrun_session_id.restype = library.lrun_result_json.restype = ctypes.c_char_p
def run(command):
    execution, result = ctypes.c_void_p(), ctypes.c_void_p()
    rc = library.lrun_session_run_json(session, command, ctypes.c_size_t(len(command)), None, ctypes.byref(execution), error)
    assert rc == 0, error.raw[4:700]
    rc = library.lrun_execution_wait(execution, ctypes.byref(result), error)
    assert rc == 0, error.raw[4:700]
    text = library.lrun_result_json(result)
    library.lrun_result_free(result)
    library.lrun_execution_free(execution)
    return text
"""


def library_of(runner):
    path = os.path.join(os.path.dirname(runner.executable), "lib", "liblightrunner.so")
    supervisor = os.path.join(os.path.dirname(runner.executable), "src", "run", "light-runner-supervisor")
    if not os.path.exists(path) or not os.path.exists(supervisor):
        pytest.skip("the library is not beside the executable")
    with open(path, "rb") as file:
        if b"__asan" in file.read():
            pytest.skip("a sanitized library cannot be loaded into Python")
    return path, supervisor


def program(runner, text, **options):
    path, supervisor = library_of(runner)
    document = runner.request(**options)
    return subprocess.Popen([sys.executable, "-c", OPENER + text, path, json.dumps(document)], stdout=subprocess.PIPE,
                            env={**os.environ, "LIGHT_RUNNER_SUPERVISOR": supervisor}, text=True)


@pytest.mark.every_cell
def test_an_attached_session_closes_when_its_caller_dies(runner, store):
    before = host.leftovers(store)
    process = program(runner, "run(b'{\"entrypoint\": \"sleep 1000 & true\"}')\nprint('up', flush=True)\ntime.sleep(1000)\n")
    assert process.stdout.readline() == "up\n"
    process.kill()
    process.communicate(timeout=30)
    assert host.new_leftovers(before, store, 10) == {}


def test_a_thousand_commands_take_no_more_memory(runner, store):
    """The supervisor's and the agent's, between the hundredth and the last."""
    script = r"""
def resident():
    pages = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = open(f"/proc/{pid}/cmdline").read().split("\0")[0]
            if "light-runner-supervisor" in name and str(os.getpid()) == open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]:
                return int(open(f"/proc/{pid}/statm").read().split()[1]), len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            pass
for i in range(1000):
    if i == 100:
        early = resident()
    run(b'{"argv": ["true"]}')
late = resident()
print(early, late)
assert late[0] <= early[0] + 64 and late[1] <= early[1] + 2
library.lrun_session_close(session, None, error)
library.lrun_session_free(session)
print("done")
"""
    process = program(runner, script)
    out, _ = process.communicate(timeout=110)
    assert process.returncode == 0 and out.endswith("done\n"), out
