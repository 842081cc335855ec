# SPDX-License-Identifier: MIT
"""`light-runner rpc`: runs and their output, orders, other calls, limits, and mistakes of clients."""
import base64
import json
import os
import signal
import time

import pytest

from harness import host
from harness.rpc import Rpc

pytestmark = pytest.mark.any_tier


@pytest.fixture
def rpc(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "states"))
    with Rpc(runner.executable) as client:
        yield client


def start(rpc, runner, script, *, params=None, **fields):
    return rpc.send("run", request=runner.request(script, **fields), **(params or {}))


def memory_kib(rpc):
    with open(f"/proc/{rpc.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


@pytest.mark.any_cell
def test_hello_says_what_there_is(rpc):
    assert rpc.hello["event"] == "hello" and rpc.hello["protocol"] == 1
    again = rpc.call("hello", protocol=1)["result"]
    assert {key: rpc.hello[key] for key in again} == again
    assert rpc.call("version")["result"] == {"version": rpc.hello["version"], "protocol": 1}
    refused = rpc.call("hello", protocol=2)["error"]
    assert refused["code"] == "NOT_SUPPORTED" and refused["hint"]


def test_a_run_from_its_start_to_its_result(rpc, runner):
    run = start(rpc, runner, "cat; echo out; echo err >&2; printf rest; exit 3", input={"a": 1})
    result = rpc.answer(run)["result"]
    assert (result["exitCode"], result["success"]) == (3, False)
    assert rpc.events(run, "started")[0]["run"] == result["id"]
    assert [e["state"] for e in rpc.events(run, "state")] == ["running"]
    assert rpc.lines(run) == ['{"a": 1}out', "rest"] and rpc.lines(run, "stderr") == ["err"]
    assert not host.traces(result["id"])


@pytest.mark.any_cell
def test_input_passes_letter_by_letter(rpc, runner):
    document = json.dumps(runner.request("cat"))
    text = '{"n": 123456789012345678901234567890.10, "a":1,"a":2}'
    line = '{"id": "x", "method": "run", "params": {"request": ' + document[:-1] + ', "input": ' + text + "}}}"
    rpc.write(line.encode())
    assert rpc.answer("x")["result"]["success"] and rpc.lines("x") == [text]


@pytest.mark.any_cell
@pytest.mark.orphans
def test_what_was_reaped_before_a_failure_is_counted(runner, tmp_path):
    """The state of a run without a supervisor is marked first; then no Docker daemon answers."""
    environment = dict(os.environ, LIGHT_RUNNER_STATE_DIR=str(tmp_path / "states"), DOCKER_HOST=f"unix://{tmp_path}/nothing.sock")
    with Rpc(runner.executable, environment) as rpc:
        run = rpc.call("run", request=runner.request("sleep 100", detached=True))["result"]["run"]
        supervisor = next(pid for pid, argv in host.processes_with("light-runner-supervisor").items() if run in argv)
        os.kill(supervisor, signal.SIGKILL)
        assert host.wait_until(lambda: host.state_letter(supervisor) in (None, "Z"))
        error = rpc.call("reap", age=0, engine="docker")["error"]
        assert error["code"] == "DOCKER_UNREACHABLE"
        assert error["counts"] == {"containers": 0, "volumes": 0, "states": 1}
        assert rpc.call("states", run=run)["result"]["status"] == "failed"
        rpc.call("reap", age=0, engine="local")


@pytest.mark.any_cell
def test_binary_output(rpc, runner):
    script = r"printf '\000\377\n'; printf 'no end'"
    run = start(rpc, runner, script, params={"logs": "base64"})
    assert rpc.answer(run)["result"]["success"]
    assert b"".join(base64.b64decode(e["data"]) for e in rpc.events(run, "log")) == b"\0\xff\nno end"
    run = start(rpc, runner, r"printf '\377x\n'")
    rpc.answer(run)
    assert rpc.lines(run) == ["\ufffdx"]
    run = start(rpc, runner, "echo x", params={"logs": "none"})
    rpc.answer(run)
    assert rpc.events(run, "log") == []


@pytest.mark.any_cell
def test_a_long_line_comes_in_parts_of_whole_characters(rpc, runner):
    run = start(rpc, runner, r"i=0; while [ $i -lt 3000 ]; do printf '%s' 'ééééééééééééééééééééééééé'; i=$((i+1)); done; printf 'x\nlast\n'")
    assert rpc.answer(run)["result"]["success"]
    events = rpc.events(run, "log")
    assert [e.get("partial", False) for e in events] == [True, True, False, False]
    assert "".join(e["line"] for e in events[:3]) == "é" * 75000 + "x" and events[3]["line"] == "last"


def test_orders(rpc, runner):
    run = start(rpc, runner, "trap 'echo term; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
    rpc.event(run, "log")
    assert rpc.call("pause", call=run)["result"] == {}
    rpc.event(run, "state", state="paused")
    assert rpc.call("resume", call=run)["result"] == {}
    rpc.event(run, "state", state="running")
    started = rpc.event(run, "started")
    assert rpc.call("stop", run=started["run"], grace=20000)["result"] == {}
    result = rpc.answer(run)["result"]
    assert (result["exitCode"], result["cancelled"]) == (4, True) and "term" in rpc.lines(run)
    assert rpc.call("pause", call=run)["error"]["field"] == "params.call"
    assert rpc.call("cancel", run=started["run"])["error"]["code"] == "INVALID_ARGUMENT"


def test_a_run_is_cancelled_before_it_has_started(rpc, runner):
    run = start(rpc, runner, "sleep 100")
    assert rpc.call("cancel", call=run)["result"] == {}
    result = rpc.answer(run)["result"]
    assert result["cancelled"] and not host.traces(result["id"])


def test_a_detached_run(rpc, runner):
    run = rpc.call("run", request=runner.request("echo one; sleep 0.5; echo two; sleep 0.2", detached=True))["result"]["run"]
    attached = rpc.send("attach", run=run)
    follow = rpc.send("logs", run=run, follow=True)
    assert rpc.answer(attached)["result"]["success"]
    assert rpc.answer(follow)["result"] == {} and rpc.lines(follow) == ["one", "two"]
    assert all(e["time"] > 1e12 for e in rpc.events(follow, "log"))
    assert rpc.call("states", run=run)["result"]["status"] == "exited"
    assert [s["id"] for s in rpc.call("states")["result"]] == [run]
    assert rpc.call("attach", run="light-runner-000000000000")["result"] is None
    assert rpc.call("states", run="light-runner-000000000000")["result"] is None
    other = rpc.call("run", request=runner.request("sleep 100", detached=True))["result"]["run"]
    assert rpc.call("cancel", run=other)["result"] == {}
    assert host.wait_until(lambda: rpc.call("states", run=other)["result"]["status"] == "cancelled")
    assert rpc.call("clean.states")["result"] == {"states": 2}


def test_other_calls(rpc, runner):
    cell = {"engine": runner.engine, "runtime": runner.tier}
    assert rpc.call("available", **cell)["result"] == {}
    assert "busybox:latest" in [image["name"] for image in rpc.call("image.list", **cell)["result"]]
    assert rpc.call("image.remove", name="not-there", **cell)["error"]["code"] == "IMAGE_NOT_FOUND"
    assert rpc.call("image.import", path="/nonexistent", name="x", **cell)["error"]["field"] == "params.path"
    assert rpc.call("verify", **cell)["result"]["verified"] is True
    assert set(rpc.call("reap", age=3600000, **cell)["result"]) == {"containers", "volumes", "states"}
    assert rpc.call("reap.states")["result"] == {"states": 0}
    assert set(rpc.call("clean.images", **cell)["result"]) == {"images"}
    if runner.engine == "docker":
        name = "lr-test-rpc"
        assert rpc.call("network.create", name=name, **cell)["result"] == {}
        assert rpc.call("network.exists", name=name, **cell)["result"] == {"exists": True}
        assert rpc.call("network.remove", name=name, **cell)["result"] == {}
        assert "networks" in rpc.call("network.prune", **cell)["result"]
    else:
        assert rpc.call("network.create", name="x", **cell)["error"]["code"] == "NOT_SUPPORTED"


@pytest.mark.any_cell
@pytest.mark.long
def test_doctor_does_not_stop_a_run(rpc, runner):
    doctor = rpc.send("doctor")
    run = start(rpc, runner, "echo x")
    # The run's answer arrives before the doctor's, which takes seconds.
    assert rpc.answer(run)["result"]["success"] and not [m for m in rpc.pending if m.get("id") == doctor and "event" not in m]
    assert {"checks", "cells"} <= set(rpc.answer(doctor)["result"])


WRONG = [
    (b"nonsense", None, None),
    (b'[1]', None, None),
    (b'{"method": "version"}', None, "id"),
    (b'{"id": -1, "method": "version"}', None, "id"),
    (b'{"id": 1.5, "method": "version"}', None, "id"),
    (b'{"id": "", "method": "version"}', None, "id"),
    (b'{"id": "' + b"x" * 65 + b'", "method": "version"}', None, "id"),
    (b'{"id": 1, "id": 2, "method": "version"}', None, None),
    (b'{"id": 1}', 1, "method"),
    (b'{"id": 1, "method": 2}', 1, "method"),
    (b'{"id": 1, "method": "nothing"}', 1, "method"),
    (b'{"id": 1, "method": "version", "more": 1}', 1, "more"),
    (b'{"id": 1, "method": "version", "params": []}', 1, "params"),
    (b'{"id": 1, "method": "version", "params": {"run": "x"}}', 1, "params.run"),
    (b'{"id": 1, "method": "attach"}', 1, "params.run"),
    (b'{"id": 1, "method": "attach", "params": {"run": 5}}', 1, "params.run"),
    (b'{"id": 1, "method": "stop", "params": {"call": 7}}', 1, "params.call"),
    (b'{"id": 1, "method": "stop", "params": {"call": 7, "signal": "SIGNOTHING"}}', 1, "params.signal"),
    (b'{"id": 1, "method": "run", "params": {"request": {}}}', 1, "image"),
    (b'{"id": 1, "method": "run", "params": {"request": {"image": "x", "networks": 5}}}', 1, "networks"),
    (b'{"id": 1, "method": "run", "params": {"request": {"image": "x"}, "window": 0}}', 1, "params.window"),
    (b'{"id": 1, "method": "version", "params": ' + b"[" * 3000 + b"]" * 3000 + b"}", None, None),
    (b'{"id": 1, "method": "version", "x": "' + b"x" * 70000 + b'"}', None, None),
    (b'{"id": 1, "method": "attach", "params": {"run": "\xff"}}', None, None),
]


@pytest.mark.any_cell
@pytest.mark.parametrize("line, number, field", WRONG)
def test_a_wrong_line_is_answered_and_harms_nothing_else(rpc, line, number, field):
    rpc.write(line)
    answer = rpc.receive()
    assert answer["id"] == number and answer["error"]["code"] == "INVALID_ARGUMENT", answer
    assert answer["error"].get("field") == field, answer
    assert rpc.call("version")["result"]


@pytest.mark.any_cell
def test_a_line_over_the_limit(rpc):
    limit = rpc.hello["limits"]["line"]
    rpc.write(b"x" * (limit + 1))
    assert "limit" in rpc.receive()["error"]["message"]
    assert rpc.call("version")["result"]


@pytest.mark.any_cell
def test_ids_of_requests_in_progress_are_unique(rpc, runner):
    run = start(rpc, runner, "sleep 100")
    rpc.event(run, "started")
    rpc.write(json.dumps({"id": run, "method": "version"}).encode())
    assert rpc.answer(run)["error"]["field"] == "id"
    rpc.call("cancel", call=run)
    assert rpc.answer(run)["result"]["cancelled"]
    rpc.write(json.dumps({"id": run, "method": "version"}).encode())
    assert rpc.answer(run)["result"]["protocol"] == 1


@pytest.mark.any_cell
def test_a_run_whose_output_nobody_takes_does_not_stop_others(rpc, runner):
    """Its output waits, and neither the client nor the server keeps much of it."""
    flood = start(rpc, runner, "yes $(printf %01000d 0) | head -c 60000000",
                  params={"window": 100000})
    rpc.event(flood, "log")
    for _ in range(3):
        other = start(rpc, runner, "echo other")
        assert rpc.answer(other)["result"]["success"] and rpc.lines(other) == ["other"]
    time.sleep(1)
    rpc.call("version")
    taken = sum(e["size"] for e in rpc.events(flood, "log"))
    assert 90000 < taken < 200000
    assert not [m for m in rpc.pending if m["id"] == flood and "event" not in m]
    assert memory_kib(rpc) < 60000
    # The rest arrives as the client grants credit, and the result comes after it.
    rpc.call("credit", call=flood, bytes=1 << 32)
    assert rpc.answer(flood)["result"]["success"]
    # Without the first line, which was taken above. The last line has no line feed.
    assert sum(len(line) + 1 for line in rpc.lines(flood)) == 60000000 - 1001 + 1


@pytest.mark.any_cell
def test_the_window_holds_after_the_end_of_the_run(rpc, runner):
    run = start(rpc, runner, "yes $(printf %01000d 0) | head -c 100000", params={"window": 10000})
    name = rpc.event(run, "started")["run"]
    assert host.wait_until(lambda: not host.traces(name))
    time.sleep(0.5)
    rpc.call("version")
    assert sum(e["size"] for e in rpc.events(run, "log")) < 12000
    rpc.call("credit", call=run, bytes=1 << 20)
    assert rpc.answer(run)["result"]["success"] and len(rpc.lines(run)) == 100


@pytest.mark.any_cell
def test_an_order_reaches_a_run_whose_output_nobody_takes(rpc, runner):
    run = start(rpc, runner, "yes $(printf %01000d 0) | head -c 5000000; sleep 100", params={"window": 1000})
    rpc.event(run, "log")
    assert rpc.call("stop", call=run, grace=0)["result"] == {}
    rpc.call("credit", call=run, bytes=1 << 40)
    assert rpc.answer(run)["result"]["cancelled"]


def test_the_end_of_stdin_cancels_attached_runs_alone(rpc, runner):
    run = start(rpc, runner, "sleep 100")
    rpc.event(run, "state", state="running")
    name = rpc.event(run, "started")["run"]
    kept = rpc.call("run", request=runner.request("sleep 100", detached=True))["result"]["run"]
    rpc.process.stdin.close()
    assert rpc.answer(run)["result"]["cancelled"]
    assert rpc.receive() is None and rpc.process.wait(30) == 0 and not host.traces(name)
    with Rpc(runner.executable) as other:
        assert other.call("states", run=kept)["result"]["status"] == "running"
        assert other.call("cancel", run=kept)["result"] == {}
        assert other.answer(other.send("attach", run=kept))["result"]["cancelled"]


@pytest.mark.parametrize("how", ["kill", "close"])
def test_nothing_is_left_when_server_or_client_are_gone(rpc, runner, how):
    run = start(rpc, runner, "while :; do echo x; sleep 0.01; done")
    name = rpc.event(run, "started")["run"]
    rpc.event(run, "log")
    if how == "kill":
        os.kill(rpc.process.pid, signal.SIGKILL)
    else:
        rpc.process.stdout.close()
    rpc.process.wait(30)
    assert host.wait_until(lambda: not host.traces(name))
    rpc.process.stdout = open(os.devnull, "rb")


@pytest.mark.any_cell
def test_many_runs_at_once(rpc, runner):
    count = 60
    runs = [start(rpc, runner, f"echo {i}", options={"memory": "16m"}) for i in range(count)]
    for i, run in enumerate(runs):
        assert rpc.answer(run, 120)["result"]["success"] and rpc.lines(run) == [str(i)]
