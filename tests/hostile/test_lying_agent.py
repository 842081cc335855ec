# SPDX-License-Identifier: MIT
"""An agent that an attacker has taken over: the supervisor withstands every lie, in every phase of a run.

A shell script in the sandbox replaces the agent and sends frames that these tests make up.
"""
import os
import struct
import subprocess
import time

import pytest

HELLO, SEEDED, RUNNING, FAILED, STDOUT, CREDIT, EXIT, BEGIN, END, WALLS = 64, 65, 66, 67, 68, 70, 71, 72, 73, 74
ITEM, DONE = 75, 76
ENTRY, DATA, ENTRY_END = 96, 97, 98
OF_COMMAND = (RUNNING, STDOUT, CREDIT, EXIT)


def frame(type_, payload=b"", number=None, **fields):
    payload += b"".join(f"{key}={value}".encode() + b"\0" for key, value in fields.items())
    if number is None:
        number = int(type_ in OF_COMMAND)
    return struct.pack("<BBHI", type_, 0, number, len(payload)) + payload


def hello(**changes):
    host = os.uname()
    return frame(HELLO, **{"version": 2, "sysname": host.sysname, "release": host.release, "kernel": host.version,
                           "machine": host.machine, **changes})


def exit_frame(code=0, signal=0):
    return frame(EXIT, code=code, signal=signal, user_us=0, system_us=0, peak_rss_kb=0)


CAPABILITIES = "00000000000004fb"
ALL_CAPABILITIES = "000001ffffffffff"
# A placeholder for the kernel's text about the run's ids, of the same length. script() replaces it.
MAP = "@" * 33


def walls(uid_map=MAP, gid_map=MAP, **changes):
    """The report of the real agent."""
    fields = {"pid": 1, "NoNewPrivs": 1, "Seccomp": 2, "Seccomp_filters": 1, "CapInh": "0" * 16, "CapPrm": CAPABILITIES,
              "CapEff": CAPABILITIES, "CapBnd": CAPABILITIES, "CapAmb": "0" * 16, **changes, "uid_map": uid_map, "gid_map": gid_map}
    return frame(WALLS, **{key: value for key, value in fields.items() if value is not None})


STARTED = hello() + walls() + frame(RUNNING)


def script(data):
    """Shell commands that print these bytes."""
    pieces = ("".join(f"\\{byte:03o}" for byte in piece) for piece in data.split(MAP.encode()))
    return "; cat /proc/self/uid_map; ".join(f"printf '{piece}'" for piece in pieces)


@pytest.fixture(scope="session")
def agent_of_a_script(tmp_path_factory):
    """Returns a function that makes an agent of a shell script. The agent is a program, as bytes."""
    program = tmp_path_factory.mktemp("liar") / "liar"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(program),
                    os.path.join(os.path.dirname(__file__), "liar.c")], check=True, timeout=60)
    code = program.read_bytes()
    return lambda text: code + text.encode() + b"%08d" % len(text.encode())


@pytest.fixture
def liar(runner, executable, tmp_path, agent_of_a_script):
    """Returns a function that runs a command with an agent that sends these bytes and then executes `then`."""
    if runner.cell != ("local", "runc"):
        pytest.skip("the agent is replaced by its path on the host")
    build = os.path.dirname(os.path.realpath(executable))
    helpers = tmp_path / "helpers"
    helpers.mkdir()
    for folder, name in (("../src/run", "supervisor"), ("../src/host", "filter"), ("../src/image", "unpack")):
        os.symlink(os.path.join(build, folder, f"light-runner-{name}"), helpers / f"light-runner-{name}")

    def run(data, then="exec sleep 30", **fields):
        agent = helpers / "light-runner-agent"
        agent.write_bytes(agent_of_a_script(f"{script(data)}\n{then}\n"))
        agent.chmod(0o755)
        env = {**os.environ, "LIGHT_RUNNER_LIBEXEC": str(helpers)}
        begun = time.monotonic()
        outcome = runner.submit(runner.request("echo never", **fields), env=env)
        assert time.monotonic() - begun < 20
        assert b"never" not in outcome.stderr
        return outcome

    return run


@pytest.mark.parametrize("data", [
    b"hello, this is no frame", b"\x00" * 100, b"\xff" * 100, struct.pack("<BBHI", HELLO, 0, 0, 0xFFFFFFFF),
    struct.pack("<BBHI", HELLO, 1, 0, 0), frame(HELLO, number=1, version=2), frame(HELLO, b"no field"), frame(HELLO, release="1"), frame(RUNNING),
    frame(HELLO, version=2, release="r" * 500, kernel="k"), frame(255), exit_frame(), frame(STDOUT, b"x"),
], ids=lambda data: data[:12].hex())
def test_rubbish_before_the_start_is_an_error(liar, data):
    outcome = liar(data)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome


@pytest.mark.parametrize("version", [1, 3, 0, 1 << 63])
def test_another_version_of_the_protocol_starts_nothing(liar, version):
    outcome = liar(hello(version=version) + walls() + frame(RUNNING) + exit_frame())
    assert outcome.code == 125 and outcome.error["code"] == "INTERNAL", outcome
    assert f"version {version}" in outcome.error["message"] and "install light-runner again" in outcome.error["hint"], outcome


def test_another_kernel_than_was_asked_for_starts_nothing(liar):
    for lie in ({"release": "4.4.0"}, {"kernel": "#1 SMP another"}):
        outcome = liar(hello(**lie) + frame(RUNNING) + exit_frame())
        assert outcome.code == 125 and outcome.error["code"] == "ISOLATION_FAILED", outcome


WEAKER = {
    "seccomp": [{"Seccomp": 0}, {"Seccomp": 1}, {"Seccomp": None}, {"Seccomp": "two"}, {"Seccomp_filters": 0}, {"Seccomp_filters": -1}],
    "noNewPrivileges": [{"NoNewPrivs": 0}, {"NoNewPrivs": None}, {"NoNewPrivs": "yes"}],
    "capabilities": [{name: text} for name in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb")
                     for text in (ALL_CAPABILITIES, "00000000002004fb", None, "", "zz", "1" + "0" * 16)],
    "processes": [{"pid": 2}, {"pid": None}],
    "ids": [{"uid_map": "0 0 4294967295"}, {"gid_map": "0 0 4294967295"}, {"uid_map": None}, {"gid_map": ""}, {"uid_map": MAP + "0 0 1"},
            {"uid_map": "0 0"}, {"gid_map": "0 -1 65536"}],
}


@pytest.mark.parametrize("name", WEAKER)
def test_weaker_walls_than_were_promised_start_nothing(liar, name):
    for lie in WEAKER[name]:
        outcome = liar(hello() + walls(**lie) + frame(RUNNING) + exit_frame())
        assert outcome.code == 125 and outcome.error["code"] == "ISOLATION_FAILED", (lie, outcome)
        assert f" {name}: " in outcome.error["message"] and outcome.error["hint"], (lie, outcome)


def test_walls_as_promised_are_named(liar):
    """The control. Not every kernel tells the number of filters."""
    for truth in ({}, {"Seccomp_filters": None}, {"Seccomp_filters": 2}, {"CapEff": "0" * 16}):
        outcome = liar(hello() + walls(**truth) + frame(RUNNING) + exit_frame(code=7))
        assert outcome.code == 7 and outcome.json["isolation"]["verified"] is True, (truth, outcome)
        assert outcome.json["isolation"]["checked"] == ["kernel", "processes", "seccomp", "noNewPrivileges", "capabilities", "ids"]


def test_without_no_new_privileges_there_is_a_filter_all_the_same(liar):
    options = {"noNewPrivileges": False}
    outcome = liar(hello() + walls(NoNewPrivs=0) + frame(RUNNING) + exit_frame(code=7), options=options)
    assert outcome.code == 7 and "noNewPrivileges" not in outcome.json["isolation"]["checked"], outcome
    outcome = liar(hello() + walls(NoNewPrivs=0, Seccomp=0, Seccomp_filters=0) + frame(RUNNING) + exit_frame(), options=options)
    assert outcome.error["code"] == "ISOLATION_FAILED" and "noNewPrivileges" in outcome.error["hint"], outcome


def test_the_kernels_name_reaches_no_terminal_as_it_is(liar):
    outcome = liar(hello(release="a\x1b[31mb") + walls() + frame(RUNNING))
    assert outcome.error["code"] == "ISOLATION_FAILED" and "a?[31mb" in outcome.error["message"], outcome
    assert b"\x1b" not in outcome.stderr + outcome.stdout


def test_an_agent_that_ends_at_once_is_an_error(liar):
    for data in (b"", hello(), hello() + walls()):
        outcome = liar(data, "exit 3")
        assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome


@pytest.mark.parametrize("data", [
    hello() + hello(), hello() + exit_frame(), hello() + frame(STDOUT, b"early"), hello() + frame(BEGIN, status="ok"),
    hello() + frame(FAILED, operation="x"), walls() + frame(RUNNING), hello() + frame(RUNNING) + exit_frame(),
    hello() + walls() + walls(), hello() + frame(WALLS, b"no field"),
], ids=["hello twice", "exit", "output", "begin", "failed without words", "walls first", "no walls", "walls twice", "walls without fields"])
def test_frames_before_their_time_are_an_error(liar, data):
    outcome = liar(data)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome


@pytest.mark.parametrize("data", [
    exit_frame(code=999), exit_frame(signal=4096), frame(EXIT, code=0), frame(EXIT, code="-1", signal=0),
    frame(RUNNING), hello(), frame(CREDIT, bytes=1 << 60), frame(CREDIT, bytes=-5), frame(BEGIN, status="ok"), b"\0" * 9,
    frame(DATA, b"x"), walls(), frame(STDOUT, b"x", number=2), frame(EXIT, number=2, code=0, signal=0), frame(STDOUT, b"x", number=0),
    *(frame(FAILED, operation=name, message="x", errno=1) for name in ("seed", "exec", "protocol")),
], ids=lambda data: data[:40].hex())
def test_lies_while_the_command_runs_end_the_run(liar, data):
    outcome = liar(STARTED + data)
    assert outcome.code == 125 and outcome.error["code"] == "ISOLATION_FAILED", outcome


def test_an_agent_that_goes_away_while_the_command_runs_is_a_death(liar):
    outcome = liar(STARTED, "exit 0")
    assert outcome.code == 137 and outcome.json["success"] is False


def test_a_flood_of_output_is_cut_and_the_timeout_holds(liar):
    block = "".join(f"\\{byte:03o}" for byte in frame(STDOUT, b"z" * 1000))
    outcome = liar(STARTED, f"while :; do printf '{block}'; done", timeout=2000, options={"maxLogBytes": 100000})
    assert outcome.json["timedOut"] is True and outcome.json["logTruncated"] is True
    assert len(outcome.stderr) < 110000


def test_an_extraction_without_end_ends_soon_after_the_timeout(liar, tmp_path):
    """The attacker could use the processor for all that time."""
    piece = script(frame(DATA, b"x"))
    outcome = liar(STARTED + exit_frame() + frame(BEGIN, status="ok", kind="file", bytes=1024) + frame(ENTRY, kind="file", path="f", mode=644, mtime=0),
                   f"while :; do {piece}; sleep 0.2; done", timeout=1000, extract=[("f", tmp_path / "out")])
    assert outcome.code == 0, outcome
    assert [entry["status"] for entry in outcome.json["extracted"]] == ["error"] and "too long" in outcome.json["extracted"][0]["error"]


def test_silence_ends_with_the_timeout(liar):
    outcome = liar(STARTED, timeout=1000)
    assert outcome.code == 137 and outcome.json["timedOut"] is True


def test_an_end_that_comes_after_the_timeout_is_no_success(liar, tmp_path):
    """The run asks for its files after a timeout. The agent's report of the end changes nothing."""
    outcome = liar(STARTED, "sleep 3; " + script(exit_frame() + frame(BEGIN, status="missing")) + "; exec sleep 30", timeout=1000,
                   extract=[("f", tmp_path / "out")], extractWhen="always")
    assert outcome.code == 137 and outcome.json["timedOut"] is True and outcome.json["success"] is False, outcome
    assert outcome.json["signal"] == "SIGKILL" and outcome.json["extracted"][0]["status"] == "missing", outcome


def test_words_of_the_agent_reach_no_terminal_as_they_are(liar):
    outcome = liar(hello() + frame(FAILED, operation="exec", message="a\x1b[2Jb\rc", errno=2))
    assert outcome.code == 125 and outcome.error["message"] == "a?[2Jb?c"
    assert b"\x1b" not in outcome.stderr


@pytest.mark.parametrize("name,data", [
    ("another name", frame(ENTRY, kind="file", path=".profile", mode=644, mtime=0)),
    ("traversal", frame(ENTRY, kind="file", path="../f", mode=644, mtime=0)),
    ("a folder", frame(ENTRY, kind="dir", path="f", mode=755, mtime=0)),
    ("data first", frame(DATA, b"x")),
    ("no frame", b"\0" * 9),
    ("nothing more", b""),
])
def test_lies_during_the_extraction_fail_the_entry_alone(liar, tmp_path, name, data):
    out = tmp_path / "out"
    then = "exit 0" if name == "nothing more" else "exec sleep 30"
    outcome = liar(STARTED + exit_frame() + frame(BEGIN, status="ok", kind="file", bytes=1024) + data + frame(END, status="ok"),
                   then, extract=[("f", out), ("g", out)])
    assert outcome.code == 0 and outcome.json["success"] is True, outcome
    entries = outcome.json["extracted"]
    assert [entry["status"] for entry in entries] == ["error", "error"] or name == "nothing more"
    assert not (tmp_path / ".profile").exists() and not (tmp_path / "f").exists()
    assert not out.exists() or not any(out.iterdir())


# ---------------------------------------------------------------- sessions


@pytest.fixture
def lying_session(liar, runner, tmp_path, agent_of_a_script, monkeypatch):
    """Returns a function that opens a session whose agent sends these bytes once it has heard of a task, and has one: a command, or
    the file operation with these words."""
    helpers = tmp_path / "helpers"

    def run(data, *operation):
        text = f"{script(hello() + walls() + frame(SEEDED))}\nhead -c 400 > /dev/null; sleep 0.3\n{script(data)}\nexec sleep 30\n"
        agent = helpers / "light-runner-agent"
        agent.write_bytes(agent_of_a_script(text))
        agent.chmod(0o755)
        monkeypatch.setenv("LIGHT_RUNNER_LIBEXEC", str(helpers))
        monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "states"))
        opened = runner.cli("session", "open", "--detach", *runner.cell_flags(), "--network", "none", "busybox")
        assert opened.code == 0, opened
        session = opened.stdout.decode().strip()
        if operation:
            verb, *flags = operation
            path = "/".join(["x" * 99] * 5)
            outcome = runner.cli("session", verb, *flags, session, path, stdin=b"bytes", expects_json=False)
        else:
            outcome = runner.cli("session", "run", "--json", session, "--", "echo never " + "x" * 400)
        assert b"never" not in outcome.stderr
        runner.cli("cancel", session)
        return outcome

    return run


EXITED = frame(EXIT, number=1, code=0, signal=0, user_us=0, system_us=0, peak_rss_kb=0)


@pytest.mark.parametrize("data", [
    frame(RUNNING, number=2), frame(STDOUT, b"x", number=1), frame(RUNNING, number=1) * 2, EXITED, frame(RUNNING, number=65535),
    frame(RUNNING, number=1) + frame(STDOUT, b"x", number=7), frame(RUNNING, number=1) + EXITED + EXITED,
    frame(RUNNING, number=1) + EXITED + frame(STDOUT, b"x", number=1), frame(RUNNING, number=1) + frame(CREDIT, number=1, bytes=1),
    frame(RUNNING, number=1) + frame(EXIT, number=1, code=256, signal=0), frame(SEEDED), frame(BEGIN, status="ok", kind="file", bytes=1),
    frame(RUNNING, number=1) + frame(DATA, b"x"), frame(STDOUT, b"x", number=0), frame(HELLO, version=2), b"\xff" * 20,
], ids=lambda data: data.hex()[:40])
def test_a_session_ends_when_its_agent_lies(lying_session, data):
    outcome = lying_session(data)
    exited = outcome.json.get("exitCode") == 0 and outcome.json["session"]
    # What was said of the command before the lie may have been delivered.
    assert exited or outcome.error["code"] in ("ISOLATION_FAILED", "SUPERVISOR_LOST"), outcome


def test_a_session_of_an_agent_that_does_not_lie(lying_session):
    """The counterpart: the script is an agent that a session takes."""
    outcome = lying_session(frame(RUNNING, number=1) + frame(STDOUT, b"hello\n", number=1) + EXITED)
    assert outcome.code == 0 and outcome.text == "hello\n" and not outcome.json["sessionEnded"]


def test_usage_that_no_command_can_have(lying_session):
    most = 2 ** 64 - 1
    outcome = lying_session(frame(RUNNING, number=1) + frame(EXIT, number=1, code=0, signal=0, user_us=most, system_us=most, peak_rss_kb=most))
    assert outcome.code == 0 and outcome.json["usage"]["cpuMs"] > 0


def item(**changes):
    fields = {"name": "n", "kind": "file", "size": 1, "mode": "644", "mtime": 1, "uid": 0, "gid": 0, **changes}
    return frame(ITEM, number=1, **{key: value for key, value in fields.items() if value is not None})


def done(**fields):
    return frame(DONE, number=1, **{"status": "ok", **fields})


@pytest.mark.parametrize("operation, data, said", [
    (["read"], frame(DATA, b"abc", number=1) + done(bytes=3, size=9), b"abc"),
    (["stat", "--json"], item() + done(), b'"kind":"file"'),
    (["ls", "--json"], item() + item(name="\x1b[31m") + done(), b"\\u001B[31m"),
    (["write"], b"", None),  # see below: an answer before the end is a lie
    (["rm"], done(), b""),
])
def test_an_operation_of_an_agent_that_does_not_lie(lying_session, operation, data, said):
    if said is None:
        outcome = lying_session(done(status="error", reason="a reason\x1b[31m", errno=5), *operation)
        assert outcome.code == 125 and b"FILE_FAILED: a reason?[31m" in outcome.stderr, outcome
    else:
        outcome = lying_session(data, *operation)
        assert outcome.code == 0 and said in outcome.stdout, outcome


@pytest.mark.parametrize("operation, data", [
    (["read"], frame(DATA, b"x", number=2)), (["read"], done(bytes=1, size=1)), (["read"], done()), (["read"], item()),
    (["read", "--size", "2"], frame(DATA, b"abc", number=1)), (["read"], frame(DATA, b"", number=1)),
    (["read"], frame(ENTRY, number=1, kind="file", path="x", mode="644", mtime=0)), (["read"], frame(DONE, number=0, status="ok")),
    (["read"], done(status="perhaps", reason="x")), (["read"], done(status="error")), (["read"], frame(BEGIN, number=1, status="ok")),
    (["stat"], done()), (["stat"], item() * 2 + done()), (["stat"], frame(DATA, b"x", number=1)), (["stat"], item(name="a/b")),
    (["stat"], item(name="")), (["stat"], item(name="n" * 256)), (["stat"], item(kind="other")), (["stat"], item(size=-1)),
    (["stat"], item(size=2 ** 63)), (["stat"], item(mode="99")), (["stat"], item(mode="7" * 9)), (["stat"], item(mtime=None)),
    (["stat"], item(kind="link")), (["stat"], item(target="x")), (["stat"], item(kind="link", target="x" * 5000)),
    (["rm"], item()), (["rm"], done() * 2), (["rm"], frame(EXIT, number=1, code=0, signal=0)), (["write"], item()),
    (["write"], frame(DATA, b"x", number=1)),
], ids=lambda value: value[0] if isinstance(value, list) else value.hex()[:60])
def test_a_session_ends_when_its_agent_lies_about_files(lying_session, operation, data):
    outcome = lying_session(data, *operation)
    # The answer may have been delivered before the lie.
    assert (outcome.code == 125 and b"ISOLATION_FAILED" in outcome.stderr) or data == done() * 2, outcome


# ---------------------------------------------------------------- pools


@pytest.mark.parametrize("lie", [frame(RUNNING), frame(SEEDED), hello(), exit_frame(), b"\xff" * 20], ids=lambda lie: lie.hex()[:20])
def test_an_agent_that_speaks_while_it_waits_in_a_pool(liar, runner, tmp_path, agent_of_a_script, lie):
    """Nobody has told it of a run. Its sandbox is not used, and the pool says why."""
    agent = tmp_path / "helpers" / "light-runner-agent"
    agent.write_bytes(agent_of_a_script(f"{script(hello() + walls() + lie)}\nexec sleep 30\n"))
    agent.chmod(0o755)
    env = {**os.environ, "LIGHT_RUNNER_LIBEXEC": str(tmp_path / "helpers")}
    done = runner.cli("pool", *runner.cell_flags(), "--size", "1", "--network", "none", "busybox", stdin=b"sleep 1; echo never\n", env=env)
    assert done.code == 125 and b"never" not in done.stdout and b"the agent broke the protocol" in done.stderr, done
