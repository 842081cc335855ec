# SPDX-License-Identifier: MIT
"""Several commands of one agent, on Linux and on gVisor's kernel. The agent must tell their processes apart on both.

A second agent runs as the command of a run; the frames for it come from files.
"""
import os
import shutil
import struct

import pytest

pytestmark = pytest.mark.cells("local-runc", "local-runsc")

PREPARE, START, STDIN, STDIN_EOF, KILL, RESIZE, STDOUT, EXIT = 32, 33, 34, 35, 41, 42, 68, 71
LIST, STAT, READ, WRITE, REMOVE, PUT_TREE, EXTRACT = 48, 49, 50, 51, 52, 53, 37
EXTRACT_BEGIN, EXTRACT_END, ITEM, DONE, ENTRY, DATA, ENTRY_END, ENTRIES_END = 72, 73, 75, 76, 96, 97, 98, 99


def frame(kind, number, *fields):
    payload = b"".join(field.encode() + b"\0" for field in fields)
    return struct.pack("<BBHI", kind, 0, number, len(payload)) + payload


def raw(kind, number, payload):
    return struct.pack("<BBHI", kind, 0, number, len(payload)) + payload


def start(number, script, *fields):
    return frame(START, number, "among=others", "arg=sh", "arg=-c", f"arg={script}", *fields)


def keys(text):
    return struct.pack("<BBHI", STDIN, 0, 1, len(text)) + text


def copy_agent(executable, to):
    shutil.copy(os.path.join(os.path.dirname(os.path.realpath(executable)), "..", "agent", "light-runner-agent"), to / "agent")


def ends_of(said):
    return {number: dict(field.split(b"=") for field in payload[:-1].split(b"\0")) for kind, number, payload in said if kind == EXIT}


def frames(data):
    while data:
        kind, flags, number, length = struct.unpack("<BBHI", data[:8])
        assert flags == 0
        yield kind, number, data[8:8 + length]
        data = data[8 + length:]


def daemon(name):
    return f"(setsid sh -c 'echo $$ > {name}.new; mv {name}.new {name}; while sleep 0.05; do echo late; done' &)"


def test_a_kill_reaches_the_descendants_of_one_command_alone(runner, executable, tmp_path):
    copy_agent(executable, tmp_path)
    begin = frame(PREPARE, 0, "workdir=/app", "user=") + b"".join(start(n, f"{daemon(f'd{n}')}; sleep 300") for n in (1, 2))
    begin += start(3, f"{daemon('d3')}; until [ -e d3 ]; do sleep 0.05; done; exit 3")
    look = start(4, "while kill -0 $(cat d1) 2>/dev/null; do sleep 0.05; done; sleep 0.3;"
                    "for n in 2 3; do kill -0 $(cat d$n) && echo $n lives; done; touch looked")
    for name, data in (("begin", begin), ("kill", frame(KILL, 1)), ("look", look)):
        (tmp_path / name).write_bytes(data)
    outcome = runner.plain("(cat begin; until [ -e d1 ] && [ -e d2 ] && [ -e d3 ]; do sleep 0.05; done; cat kill look;"
                           "until [ -e looked ]; do sleep 0.05; done; sleep 0.5) | ./agent", "--dir", str(tmp_path), "--timeout", "60s")
    said = list(frames(outcome.stdout))
    ends = ends_of(said)
    assert {number: end[b"code"] for number, end in ends.items()} == {1: b"137", 3: b"3", 4: b"0"}, said
    assert b"".join(payload for kind, number, payload in said if (kind, number) == (STDOUT, 4)) == b"2 lives\n3 lives\n", said
    after = said[[(kind, number) for kind, number, _ in said].index((EXIT, 3)):]
    assert not [payload for kind, number, payload in after if (kind, number) == (STDOUT, 3)]


def test_a_command_has_a_terminal_a_user_and_a_workdir(runner, executable, tmp_path):
    copy_agent(executable, tmp_path)
    script = ("trap 'stty size; touch sized' WINCH; test -t 0 && test -t 1 && test -t 2 && : < /dev/tty && id -u && pwd && stty size; touch up;"
              "until [ -e sized ]; do sleep 0.05; done; cat; echo end; exit 3")
    begin = frame(PREPARE, 0, "workdir=/app", "user=") + start(1, script, "tty=1", "rows=24", "cols=80", "user=1234:1234", "workdir=/app/own")
    after = start(2, "sleep 300", "tty=1") + frame(KILL, 2)
    data = {"begin": begin, "resize": frame(RESIZE, 1, "rows=50", "cols=132"), "keys": keys(b"typed\n") + frame(STDIN_EOF, 1), "after": after}
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
    outcome = runner.plain("mkdir own; chmod 777 own; (cat begin; until [ -e own/up ]; do sleep 0.05; done; cat resize; until [ -e own/sized ]; do sleep 0.05; done;"
                           "sleep 0.2; cat keys; sleep 1; cat after; sleep 1) | ./agent", "--dir", str(tmp_path), "--timeout", "60s")
    said = list(frames(outcome.stdout))
    assert {number: end[b"code"] for number, end in ends_of(said).items()} == {1: b"3", 2: b"137"}, said
    out = b"".join(payload for kind, number, payload in said if (kind, number) == (STDOUT, 1))
    assert out.replace(b"\r", b"").split() == b"1234 /app/own 24 80 50 132 typed typed end".split(), said


def test_operations_on_files_beside_a_command(runner, executable, tmp_path):
    """What the agent does with paths, links and folders, on both kernels, while a command writes all the time."""
    copy_agent(executable, tmp_path)
    name = b"not \xff utf-8"
    begin = frame(PREPARE, 0, "workdir=/app/w", "user=") + start(
        1, "mkdir -p d/e; echo abc > d/e/f; ln -s d l; ln -s /proc/self/root k; touch made; while sleep 0.05; do echo busy; done")
    asked = [frame(STAT, 1, "path=l"), frame(READ, 2, "path=l/e/f", "offset=1"), frame(READ, 3, "path=k/app/w/d/e/f"),
             raw(WRITE, 4, b"path=n/" + name + b"\0") + raw(DATA, 4, b"new") + raw(ENTRY_END, 4, b""),
             frame(LIST, 5, "path=n"), frame(PUT_TREE, 6, "path=t"),
             frame(ENTRY, 6, "kind=link", "path=s", "mode=777", "mtime=1", "target=nowhere"),
             frame(ENTRY, 6, "kind=file", "path=f", "mode=600", "mtime=1") + raw(DATA, 6, b"in") + raw(ENTRY_END, 6, b"") + raw(ENTRIES_END, 6, b""),
             frame(EXTRACT, 7, "path=t", "max=1000000"), frame(REMOVE, 8, "path=d", "recursive=yes"), frame(STAT, 9, "path=d"),
             frame(WRITE, 10, "path=done") + raw(ENTRY_END, 10, b"")]
    # One after the other, because what is in flight at the same time has no order.
    for n, data in enumerate((begin, b"".join(asked[:4]), b"".join(asked[4:8]), b"".join(asked[8:9]), b"".join(asked[9:10]), b"".join(asked[10:]))):
        (tmp_path / f"part{n}").write_bytes(data)
    outcome = runner.plain("(cat part0; until [ -e w/made ]; do sleep 0.05; done; for n in 1 2 3 4; do cat part$n; sleep 0.5; done; cat part5;"
                           "until [ -e w/done ]; do sleep 0.05; done; sleep 0.5) | ./agent", "--dir", str(tmp_path), "--timeout", "60s")
    said = list(frames(outcome.stdout))
    of = {}
    for kind, number, payload in said:
        if kind in (ITEM, DONE, DATA, ENTRY, EXTRACT_BEGIN, EXTRACT_END):
            of.setdefault(number, []).append((kind, payload if kind == DATA else dict(field.split(b"=", 1) for field in payload[:-1].split(b"\0"))))
    assert of[1][0][1][b"kind"] == b"link" and of[1][0][1][b"target"] == b"d"
    assert of[2][0] == (DATA, b"bc\n") and of[2][1][1][b"status"] == b"ok"
    assert of[3][0][1][b"status"] == b"error" and b"links" in of[3][0][1][b"reason"]
    assert of[4] == [(DONE, {b"status": b"ok"})], of[4]
    assert [(kind, fields.get(b"name"), fields.get(b"size")) for kind, fields in of[5]] == [(ITEM, name, b"3"), (DONE, None, None)], of[5]
    assert of[6] == [(DONE, {b"status": b"ok"})], of[6]
    assert [(kind, fields.get(b"path")) for kind, fields in of[7] if kind == ENTRY] == [(ENTRY, b"f")] and (DATA, b"in") in of[7], of[7]
    assert of[7][-1] == (EXTRACT_END, {b"status": b"ok"})
    assert of[8] == [(DONE, {b"status": b"ok"})], of[8]
    assert of[9][0][1][b"status"] == b"missing"
    assert b"busy\n" in b"".join(payload for kind, number, payload in said if (kind, number) == (STDOUT, 1))
