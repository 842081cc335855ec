# SPDX-License-Identifier: MIT
"""A daemon that is down, slow, killed, restarted, or sends invalid answers: an error, no hang, and nothing is left."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from harness import dockerd, host, images, tools
from harness.docker_proxy import Proxy, answer, hang

pytestmark = [pytest.mark.cells("docker-runc"), pytest.mark.reaps]


@pytest.fixture
def daemon(runner):
    if runner.cell != ("docker", "runc"):
        pytest.skip("of the engine docker alone, and the same in every tier")
    return dockerd.current()


def spoiled(daemon, tmp_path, runner, where, how, script="echo done", **fields):
    """One run through a proxy that spoils the calls whose name begins with `where`. Returns the outcome and the names of all calls."""
    def spoil(call, connection):
        return call.name.startswith(where) and how(call, connection)
    document = runner.request(script, **fields)
    if where != "GET /info":  # this call is made only for runs without a network
        del document["networks"]
    with Proxy(daemon, tmp_path / "proxy.sock", spoil) as proxy:
        outcome = runner.submit(document, env=proxy.environment(), deadline=50)
        return outcome, proxy.names


def refuse(_call, connection):
    return answer(connection, 500, {"message": "something is wrong\x1b[31m"})


def cut(_call, _connection):
    return True


def cut_midway(_call, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"Id\":")
    return True


def no_http(_call, connection):
    connection.sendall(b"\x00\x01\x02 not HTTP at all\r\n\r\n")
    return True


def a_list(_call, connection):
    return answer(connection, 200, [1, 2, 3])


def html(_call, connection):
    return answer(connection, 200, b"<html><body>Welcome</body></html>", "text/html")


def flood(_call, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    try:
        for _ in range(64):
            connection.sendall(b" " * (1 << 20))
    except OSError:
        pass
    return True


BEFORE = ["GET /version", "GET /images", "GET /info", "GET /networks", "POST /containers/create", "HEAD /containers/ID/archive", "POST /containers/ID/attach",
          "POST /containers/ID/start"]
# Calls that the run does not need, or whose failure it notices only after the command has ended.
SPARED = ["GET /containers/ID/json", "POST /containers/ID/wait", "DELETE /containers/ID", "DELETE /volumes/ID"]
HOWS = [refuse, cut, cut_midway, no_http, a_list, html, flood]
# Use every fault for the first call, whose answer decides about all others, and for one call whose answer is read. For the other
# calls, use only the faults that light-runner distinguishes.
EVERY = ("GET /version", "GET /images", "GET /containers/ID/json")


def cases(places):
    return [pytest.param(where, how, id=f"{where}-{how.__name__}") for where in places
            for how in (HOWS if where in EVERY else (refuse, cut, html))]


def nothing_is_left(runner, daemon):
    """Nothing is left after the run itself, or at least not after reap."""
    environment = dict(os.environ, LIGHT_RUNNER_REAP_AGE_MS="0")
    assert runner.cli("reap", env=environment).code == 0
    assert host.wait_until(lambda: daemon.leftovers() == set() or
                           (runner.cli("reap", env=environment) and False), 15), daemon.leftovers()


@pytest.mark.parametrize("where, how", cases(BEFORE))
def test_before_the_command(runner, daemon, tmp_path, where, how):
    outcome, names = spoiled(daemon, tmp_path, runner, where, how)
    assert any(name.startswith(where) for name in names), names
    # The daemon may have done what it was asked despite the error. Then the run continues, or its container is removed.
    assert outcome.code == 125 or (outcome.code == 0 and outcome.lines == ["done"]), outcome
    if outcome.code == 125:
        assert outcome.error["code"] in ("DOCKER_UNREACHABLE", "CONTAINER_START_FAILED", "IMAGE_INVALID"), outcome
        assert outcome.error["operation"] and outcome.error["message"]
        assert b"\x1b" not in outcome.stderr and "done" not in outcome.text
    if how is refuse and where.endswith("/attach"):
        assert "something is wrong" in outcome.error["message"], outcome
    nothing_is_left(runner, daemon)


@pytest.mark.parametrize("where, how", cases(SPARED))
def test_what_the_command_does_not_need(runner, daemon, tmp_path, where, how):
    """The command has run, and its output has arrived."""
    outcome, names = spoiled(daemon, tmp_path, runner, where, how)
    assert any(name.startswith(where) for name in names), names
    assert outcome.lines[:1] == ["done"] and outcome.code in (0, 125), outcome
    nothing_is_left(runner, daemon)


@pytest.mark.parametrize("where, left", [("DELETE /containers/ID", ["container", "volume"]), ("DELETE /volumes/ID", ["volume"]), ("DELETE /nothing", None)])
def test_what_cannot_be_removed_is_in_the_result(runner, daemon, tmp_path, where, left):
    outcome, names = spoiled(daemon, tmp_path, runner, where, refuse)
    assert outcome.code == 0 and outcome.json.get("leftBehind") == left, (outcome, names)
    assert (daemon.leftovers() != set()) == (left is not None), daemon.leftovers()
    nothing_is_left(runner, daemon)


def test_a_container_of_somebody_elses_is_not_removed(runner, daemon, tmp_path):
    """The name is in use: neither that container nor a volume of that name belongs to the run."""
    outcome, names = spoiled(daemon, tmp_path, runner, "POST /containers/create",
                             lambda call, c: answer(c, 409, {"message": "Conflict. The container name is already in use"}))
    assert outcome.code == 125 and "already in use" in outcome.error["message"], outcome
    assert not [name for name in names if name.startswith("DELETE")], names


@pytest.mark.parametrize("words", [b"\x00" * 8 + b"x" * 100, b"\x09\0\0\0\0\0\0\x01x", b"\x01\0\0\0\xff\xff\xff\xff" + b"y" * 5000,
                                   b"\x01\0\0\0\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff", b"\x02\0\0\0\0\0\0\x05hello"],
                         ids=["empty", "of-no-stream", "endless", "no-frame", "said"])
def test_a_stream_of_rubbish(runner, daemon, tmp_path, words):
    def how(_call, connection):
        connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + words)
        time.sleep(1)
        return True
    outcome, _ = spoiled(daemon, tmp_path, runner, "POST /containers/ID/attach", how)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    nothing_is_left(runner, daemon)


def test_a_daemon_that_does_not_answer_is_given_five_seconds(runner, daemon, tmp_path):
    begun = time.monotonic()
    outcome, _ = spoiled(daemon, tmp_path, runner, "GET /version", hang)
    assert outcome.code == 125 and outcome.error["code"] == "DOCKER_UNREACHABLE"
    # A busy machine may take longer than 5 s. The point is that the call does not take 40 s.
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("where", ["POST /containers/create", "POST /containers/ID/start", "POST /containers/ID/attach"])
def test_cancelling_while_the_daemon_hangs(runner, daemon, tmp_path, where):
    reached = threading.Event()

    def spoil(call, connection):
        if not call.name.startswith(where):
            return False
        reached.set()
        return hang(call, connection)

    with Proxy(daemon, tmp_path / "proxy.sock", spoil) as proxy:
        process = subprocess.Popen([runner.executable, "run", "--json", "--request", runner.write_request(runner.request("true"))],
                                   env=proxy.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert reached.wait(20)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=30)
        assert process.returncode in (137, 125), stdout
    nothing_is_left(runner, daemon)


def test_cancelling_many_that_wait_for_the_daemon(runner, daemon, tmp_path):
    """The daemon accepts connections and never reads."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "deaf.sock"))
        listener.listen(8)
        outcome = runner.submit(runner.request("true"), env=dict(os.environ, DOCKER_HOST=f"unix://{tmp_path}/deaf.sock"))
    assert outcome.code == 125 and outcome.error["code"] == "DOCKER_UNREACHABLE"


# ---------------------------------------------------------------- a daemon of the test's own

@pytest.fixture
def own(runner, daemon, tmp_path):
    """Returns a function that starts a dockerd that a test may kill, with the image loaded, and points runs to it."""
    made = []

    def make(*flags, **options):
        process = dockerd.Process(tempfile.mkdtemp(prefix="lr-dockerd-"), *flags, **options)
        made.append(process)
        tar = tmp_path / "busybox.tar"
        if not tar.exists():
            images.make_busybox_tar(str(tar))
        dockerd.Daemon(process.host).load_rootfs(tar, "busybox")
        return process

    if dockerd.missing():
        pytest.skip(dockerd.missing())
    yield make
    for process in made:
        process.remove()


@pytest.mark.once
@pytest.mark.parametrize("detached", [False, True])
def test_the_daemon_is_killed(runner, own, tmp_path, detached):
    process = own()
    environment = dict(os.environ, DOCKER_HOST=process.host, LIGHT_RUNNER_STATE_DIR=str(tmp_path / "state"))
    document = runner.request("echo up; sleep 60", detached=detached)
    path = runner.write_request(document)
    run = subprocess.Popen([runner.executable, "run", "--json", "--request", path], env=environment,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    daemon = dockerd.Daemon(process.host)
    assert host.wait_until(lambda: any(n.startswith("/") for n in daemon.leftovers()), 20)
    if detached:
        run_id = run.communicate(timeout=30)[0].decode()
        assert run.returncode == 0
    else:
        assert run.stderr.readline() == b"up\n"
    os.kill(process.process.pid, signal.SIGKILL)
    process.process.wait()
    if not detached:
        run.communicate(timeout=60)
        assert run.returncode in (125, 137)
    else:
        run_id = json.loads(run_id)["id"] if run_id.startswith("{") else run_id.strip()
        listed = lambda: [s for s in json.loads(runner.cli("ls", "--json", env=environment, expects_json=False).stdout) if s["id"] == run_id]
        assert host.wait_until(lambda: listed()[0]["status"] != "running", 60), listed()
    # Its containerd keeps running, and the next daemon finds it.
    process.start()
    environment["LIGHT_RUNNER_REAP_AGE_MS"] = "0"
    assert host.wait_until(lambda: runner.cli("reap", env=environment).code == 0 and daemon.leftovers() == set(), 30), daemon.leftovers()
    assert runner.submit(runner.request("echo again"), env=environment).lines == ["again"]


@pytest.mark.once
def test_the_daemon_is_restarted(runner, own):
    process = own()
    environment = dict(os.environ, DOCKER_HOST=process.host)
    run = subprocess.Popen([runner.executable, "run", "--json", "--request", runner.write_request(runner.request("echo up; sleep 60"))],
                           env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stderr.readline() == b"up\n"
    process.stop()
    run.communicate(timeout=60)
    assert run.returncode in (125, 137)
    process.start()
    daemon = dockerd.Daemon(process.host)
    environment["LIGHT_RUNNER_REAP_AGE_MS"] = "0"
    assert host.wait_until(lambda: runner.cli("reap", env=environment).code == 0 and daemon.leftovers() == set(), 30), daemon.leftovers()


@pytest.mark.once
@pytest.mark.parametrize("tier", ["runsc", "kata"])
def test_a_runtime_that_is_really_runc_starts_nothing(runner, daemon, own, tier):
    other = {"runsc": "kata", "kata": "runsc"}[tier]
    runtimes = {tier: shutil.which("runc"), other: "/nonexistent", dockerd.NO_NETWORK: shutil.which("runc")}
    process = own(runtimes={name: {"path": path} for name, path in runtimes.items()})
    outcome = runner.submit(runner.request("echo started", options={"runtime": tier}), env=dict(os.environ, DOCKER_HOST=process.host))
    assert outcome.code == 125 and "started" not in outcome.text
    assert outcome.error["code"] in ("ISOLATION_FAILED", "CONTAINER_START_FAILED"), outcome
    if tier == "kata":
        assert outcome.error["code"] == "ISOLATION_FAILED" and os.uname().release in outcome.error["message"]
    if tier == "runsc":
        # The daemon lists both runtimes. doctor has tried them, and its hint does not send the user back to doctor.
        for name in (tier, other):
            found = doctor(runner, process, name)
            assert found["works"] is False and found["tried"] and "doctor" not in found["hint"] and found["hint"], found
    assert dockerd.Daemon(process.host).leftovers() == set()


def doctor(runner, process, tier="kata"):
    done = subprocess.run([runner.executable, "doctor", "--json"], env=dict(os.environ, DOCKER_HOST=process.host),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=120, check=False)
    return next(c for c in json.loads(done.stdout)["cells"] if (c["engine"], c["runtime"]) == ("docker", tier))


@pytest.mark.once
def test_a_runtime_that_is_registered_as_kata_is_used(runner, own):
    """gVisor replaces Kata Containers here: the tier promises a kernel other than the host's."""
    if not tools.runsc():
        pytest.skip("no runsc in the cache: run scripts/install-runsc")
    process = own(runtimes={"kata": {"path": tools.runsc(), "runtimeArgs": dockerd.RUNSC_FLAGS}})
    environment = dict(os.environ, DOCKER_HOST=process.host)
    outcome = runner.submit(runner.request("echo started", options={"runtime": "kata"}), env=environment)
    assert outcome.lines == ["started"] and outcome.json["isolation"]["runtime"] == "kata", outcome
    assert outcome.json["isolation"]["verified"] and outcome.json["isolation"]["kernel"] != os.uname().release
    assert doctor(runner, process)["withoutNetwork"] is True
    done = runner.cli("verify", "--json", "--engine", "docker", "--runtime", "kata", env=environment)
    assert done.code == 0 and len(done.json["evidence"]["network"]) == 2, done


@pytest.mark.once
def test_a_default_runtime_of_another_kind_has_loopback_too(runner, own):
    """Without a network, runc creates the loopback interface itself, and gVisor uses the one that Docker has created."""
    if not tools.runsc():
        pytest.skip("no runsc in the cache: run scripts/install-runsc")
    process = own("--default-runtime=runsc")
    outcome = runner.submit(runner.request("cut -d: -f1 /proc/net/dev | tail -n +3"), env=dict(os.environ, DOCKER_HOST=process.host))
    assert [line.strip() for line in outcome.lines] == ["lo"], outcome
    assert outcome.json["isolation"]["kernel"] != os.uname().release


@pytest.mark.once
@pytest.mark.parametrize("tier", ["kata", "io.containerd.kata.v2"])
def test_a_runtime_that_is_missing_is_told_of(runner, own, tier):
    """The daemon accepts the name of a shim without a check, and may notice only at the start that it is missing."""
    for programs in {None, tools.current_dockerd()}:
        process = own(programs=programs)
        outcome = runner.submit(runner.request("echo started", options={"runtime": tier}),
                                env=dict(os.environ, DOCKER_HOST=process.host))
        assert outcome.code == 125 and "started" not in outcome.text, outcome
        assert outcome.error["code"] == "CONTAINER_START_FAILED" and outcome.error["hint"], outcome
        found = doctor(runner, process)
        assert found["works"] is False and "kata" in found["hint"], found
        assert dockerd.Daemon(process.host).leftovers() == set()


@pytest.mark.once
def test_the_daemons_disk_is_full(runner, daemon, own, tmp_path):
    folder = tempfile.mkdtemp(prefix="lr-dockerd-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "small", folder], check=True)
    process = None
    try:
        process = dockerd.Process(folder)
        small = dockerd.Daemon(process.host)
        small.load_rootfs(images.make_busybox_tar(str(tmp_path / "b.tar")), "busybox")
        environment = dict(os.environ, DOCKER_HOST=process.host)
        with open(f"{folder}/filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        outcome = runner.submit(runner.request("echo started"), env=environment)
        assert outcome.code == 125 and "started" not in outcome.text and "no space left" in outcome.error["message"].lower(), outcome
        os.unlink(f"{folder}/filler")
        assert runner.submit(runner.request("echo started"), env=environment).lines == ["started"]
        assert small.leftovers() == set()
    finally:
        if process:
            process.remove()
        subprocess.run(["umount", "-l", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)
