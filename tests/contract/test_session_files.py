# SPDX-License-Identifier: MIT
"""The files of a session: read, write, ls, stat and rm, and folders that are copied in."""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from harness.sessions import opened, session, states  # noqa: F401

pytestmark = pytest.mark.any_tier
FILE_MAX = 64 << 20


def write(session, path, data, *flags):
    done = session.runner.cli("session", "write", *flags, session.id, path, stdin=data)
    assert (done.code, done.stderr) == (0, b""), done


def read(session, path, *flags):
    done = session.runner.cli("session", "read", *flags, session.id, path)
    assert done.code == 0, done
    return done.stdout


def listed(session, *path):
    done = session.runner.cli("session", "ls", "--json", session.id, *path, expects_json=False)
    assert done.code == 0, done
    return json.loads(done.stdout)


def stat(session, path):
    done = session.runner.cli("session", "stat", "--json", session.id, path)
    assert done.code == 0, done
    return done.json


def error_of(session, verb, *words, **call):
    """The error of an operation, after which the session goes on."""
    done = session.runner.cli("session", verb, *words, **call)
    assert done.code == 125, done
    assert session.text("echo fine") == "fine\n"
    code, _, message = done.stderr.decode().removeprefix("light-runner: ").partition(": ")
    return code, message


# ---------------------------------------------------------------- read and write


@pytest.mark.every_cell
def test_write_and_read(session):
    data = os.urandom(300_000) + b"\0end"
    write(session, "deep/er/file", data)
    assert session.text("pwd; stat -c '%a %u' deep/er/file") == "/app\n644 0\n"
    assert session.text("sha256sum < deep/er/file").split()[0] == hashlib.sha256(data).hexdigest()
    assert read(session, "/app/deep/er/file") == data
    assert read(session, "deep/er/file", "--offset", "299990", "--size", "12") == data[299990:300002]
    assert read(session, "deep/er/file", "--offset", "999999") == b""
    session.text("echo from inside > deep/er/file")
    assert read(session, "deep/er/file") == b"from inside\n"


@pytest.mark.every_cell
def test_list_stat_and_remove(session):
    session.text("mkdir d; printf 12345 > d/file; chmod 640 d/file; ln -s ../gone d/link; mkfifo d/fifo; touch -d '2020-01-02 03:04:05' d/file")
    items = {item["name"]: item for item in listed(session, "d")}
    assert set(items) == {"file", "link", "fifo"}
    assert items["file"] == {"name": "file", "kind": "file", "size": 5, "mode": "640", "modifiedAt": "2020-01-02T03:04:05.000Z",
                             "uid": 0, "gid": 0}
    assert items["link"]["kind"] == "link" and items["link"]["target"] == "../gone" and items["fifo"]["kind"] == "fifo"
    assert stat(session, "d/file") == items["file"] and stat(session, "d/link")["kind"] == "link"
    assert stat(session, "d")["kind"] == "dir" and stat(session, "/")["kind"] == "dir"
    assert [item["name"] for item in listed(session)] == ["d"], "the working directory"
    for path in ("d/link", "d/fifo", "d/file"):
        assert session.runner.cli("session", "rm", session.id, path).code == 0
    assert listed(session, "d") == []
    assert session.runner.cli("session", "rm", "--json", session.id, "d").json == {}
    assert session.text("ls") == ""


@pytest.mark.any_cell
def test_the_list_for_people_is_sorted(session):
    session.text("mkdir b; echo 1234 > a; ln -s a c")
    said = session.runner.cli("session", "ls", session.id).stdout.decode().splitlines()
    shape = [re.sub(r"\s+", " ", re.sub(r"\d{4}-\S+Z", "TIME", line)) for line in said]
    assert shape[0] == "file 644 0:0 5 TIME a" and shape[1].startswith("dir 755 0:0 ") and shape[1].endswith(" TIME b"), said
    assert shape[2].endswith("TIME c -> a") and len(shape) == 3, said
    assert session.runner.cli("session", "stat", session.id, "a").stdout.decode() == said[0] + "\n"


@pytest.mark.every_cell
def test_what_cannot_be_done_is_an_error_and_the_session_goes_on(session):
    session.text("mkdir -p full/of; mkfifo fifo; ln -s /proc/self/root/etc away")
    i = session.id
    assert error_of(session, "read", i, "none")[0] == "FILE_NOT_FOUND"
    assert error_of(session, "stat", i, "full/none")[0] == "FILE_NOT_FOUND"
    assert error_of(session, "ls", i, "none")[0] == "FILE_NOT_FOUND"
    assert error_of(session, "rm", i, "none")[0] == "FILE_NOT_FOUND"
    for verb, path, reason in [("read", "full", "directory"), ("read", "fifo", "not a regular file"), ("ls", "fifo", "directory"),
                               ("rm", "full", "not empty"), ("read", "/proc/version", "not a regular file"),
                               ("read", "/proc/self/root/etc/passwd", "one of the kernel's own links"),
                               ("read", "../x", "Invalid argument"), ("rm", "/", "busy")]:
        code, message = error_of(session, verb, i, path)
        assert code in ("FILE_FAILED", "FILE_NOT_FOUND") and reason in message and path.strip("/") in message, (verb, path, message)
    assert error_of(session, "write", i, "full", stdin=b"x")[0] == "FILE_FAILED"
    assert error_of(session, "write", i, "fifo/x", stdin=b"x")[0] in ("FILE_FAILED", "FILE_NOT_FOUND")
    assert session.runner.cli("session", "rm", "--recursive", i, "full").code == 0
    assert session.text("ls") == "away\nfifo\n"


@pytest.mark.any_cell
def test_bad_words_are_refused_before_anything_is_asked(session):
    i = session.id
    for words in (["read", "--size", "65m", i, "x"], ["read", "--offset", "-1", i, "x"], ["write", "--mode", "1777", i, "x"],
                  ["write", "--mode", "9", i, "x"], ["stat", i], ["ls", i, "a", "b"], ["rm", i, ""], ["stat", i, "a" * 4096]):
        assert error_of(session, *words)[0] == "INVALID_ARGUMENT", words
    assert error_of(session, "stat", i, b"\xff".decode(errors="surrogateescape"))[0] == "INVALID_ARGUMENT"
    assert session.runner.cli("session", "stat", "light-runner-000000000000", "x").code == 125


@pytest.mark.any_cell
def test_modes_and_owners(session):
    write(session, "program", b"#!/bin/sh\necho ran\n", "--mode", "755")
    assert session.text("./program") == "ran\n"
    session.text("chmod 600 program; chown 1000:1001 program")
    write(session, "program", b"#!/bin/sh\necho again\n")
    assert session.text("stat -c '%a %u %g' program") == "600 1000 1001\n", "the file keeps what it has"


@pytest.mark.every_cell
@pytest.mark.slow
def test_the_largest_file(runner, opened):
    # Not each daemon's storage has a limit; without one, this has room anyhow.
    session = opened("--memory", "512m", *(["--disk", "512m"] if runner.engine == "local" else []))
    data = os.urandom(1 << 20) * 64
    assert len(data) == FILE_MAX
    write(session, "big", data)
    assert session.text("sha256sum < big").split()[0] == hashlib.sha256(data).hexdigest()
    assert read(session, "big") == data
    assert error_of(session, "write", session.id, "big", stdin=data + b"x")[0] == "INVALID_ARGUMENT"
    assert session.text("wc -c < big") == f"{FILE_MAX}\n"
    session.text("cat big big > bigger")
    assert read(session, "bigger") == data, "the rest is to be had with --offset"


@pytest.mark.any_cell
@pytest.mark.slow
def test_a_full_disk_changes_nothing(opened):
    session = opened("--disk", "64m")
    write(session, "kept", b"old")
    code, message = error_of(session, "write", session.id, "kept", stdin=bytes(FILE_MAX))
    assert code == "FILE_FAILED" and "No space left" in message and "--disk" in message
    assert read(session, "kept") == b"old" and session.text("ls -A") == "kept\n"


def test_a_program_reads_the_old_file_or_the_new_one(session):
    """Replaced 30 times while a program reads it all the time."""
    write(session, "f", b"a" * 200_000)
    reader = session.start("until [ -e stop ]; do tr -s abc < f; echo; done | sort -u")
    for letter in b"bcabcabcabcabcabcabcabcabcabca":
        write(session, "f", bytes([letter]) * 200_000)
    session.text("touch stop")
    out = reader.communicate(timeout=60)[1].decode().split()
    assert out and set(out) <= {"a", "b", "c"}, out


@pytest.mark.any_cell
def test_odd_names(session):
    session.text("mkdir odd; cd odd; touch 'a b' \"$(printf 'n\\nl')\" \"$(printf 'e\\033[31m')\" \"$(printf 'x\\377')\" -- -f '*' é")
    names = {item["name"] for item in listed(session, "odd")}
    assert names == {"a b", "n\nl", "e\x1b[31m", "x\ufffd", "-f", "*", "é"}
    printed = session.runner.cli("session", "ls", session.id, "odd").stdout
    assert len(printed.splitlines()) == 7 and b"\x1b" not in printed
    for name in sorted(names - {"x\ufffd"}):
        assert session.runner.cli("session", "rm", session.id, "odd/" + name).code == 0, name
    assert [item["name"] for item in listed(session, "odd")] == ["x\ufffd"]


def test_many_items_come_in_parts(session):
    """More than one answer has room for: 10000 items, or names of which each byte takes six."""
    session.text("mkdir many odd; cd many; seq 1 12000 | xargs touch", "--timeout", "120s")
    session.text("cd odd; n=$(printf '%0240d' 0 | tr 0 '\\001'); seq 1 4000 | sed s/^/$n/ | xargs touch", "--timeout", "120s")
    for folder, count in (("many", 12000), ("odd", 4000)):
        items = listed(session, folder)
        assert len(items) == count and len({item["name"] for item in items}) == count


@pytest.mark.every_cell
def test_a_deep_tree_is_removed(session):
    session.text("d=deep; for i in $(seq 1 100); do d=$d/x; done; mkdir -p $d; touch $d/f; mkdir beside; ln -s ../beside deep/link; touch beside/kept")
    assert session.runner.cli("session", "rm", "--recursive", session.id, "deep").code == 0
    assert session.text("find . | sort") == ".\n./beside\n./beside/kept\n", "no link is followed"


@pytest.mark.every_cell
def test_beside_commands_and_one_another(session):
    """More at once than the agent takes, while a command runs."""
    busy = session.start("until [ -e stop ]; do :; done; echo stopped")

    def one(number):
        data = bytes([number]) * (number * 1000 + 2_000_000)
        write(session, f"d/{number}", data)
        return read(session, f"d/{number}") == data and stat(session, f"d/{number}")["size"] == len(data)

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        assert all(pool.map(one, range(30)))
    assert len(listed(session, "d")) == 30
    write(session, "stop", b"")
    assert busy.communicate(timeout=30)[1] == b"stopped\n"


@pytest.mark.any_cell
def test_links_of_others_are_not_followed_when_files_change(runner, opened):
    """The agent is root; what it does for a command's user must not go where that user may not."""
    session = opened()
    session.text("mkdir -m 700 /private; mkdir -m 777 shared; chown 1000 shared")
    session.text("ln -s /private shared/link", "--user", "1000")
    assert read(session, "/etc/passwd")
    session.text("echo secret > /private/f")
    # The image's user is root here, who may follow.
    write(session, "shared/link/new", b"by root")
    assert session.text("cat /private/new") == "by root"


@pytest.mark.any_cell
def test_not_while_it_is_paused(session):
    assert session.runner.cli("pause", session.id).code == 0
    done = session.runner.cli("session", "stat", session.id, "/")
    assert done.code == 125 and b"paused" in done.stderr
    assert session.runner.cli("resume", session.id).code == 0
    assert stat(session, "/")["kind"] == "dir"


# ---------------------------------------------------------------- put


@pytest.mark.every_cell
def test_a_folder_goes_where_it_is_told(session, tmp_path):
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "x").write_text("x")
    assert session.cli("put", str(source), "--to", "/srv/made").code == 0
    assert session.cli("put", str(source), "--to", "here").code == 0
    assert session.text("cat /srv/made/sub/x here/sub/x") == "xx"


@pytest.mark.any_cell
@pytest.mark.slow
def test_a_put_that_fails_does_not_end_the_session(opened, tmp_path):
    session = opened("--disk", "64m")
    source = tmp_path / "in"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(1 << 20) * 100)
    done = session.runner.cli("session", "put", session.id, str(source))
    assert done.code == 125 and b"SEED_FAILED" in done.stderr and b"No space left" in done.stderr and b"--disk" in done.stderr, done
    assert session.text("rm -rf big; echo fine") == "fine\n"
    (source / "big").write_text("small")
    assert session.runner.cli("session", "put", session.id, str(source)).code == 0
    assert session.text("cat big") == "small"


@pytest.mark.every_cell
def test_a_put_onto_what_is_no_folder(session, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("x")
    session.text("touch file")
    done = session.runner.cli("session", "put", "--to", "file", session.id, str(tmp_path / "in"))
    assert done.code == 125 and b"SEED_FAILED" in done.stderr and b"file" in done.stderr, done
    assert session.text("echo fine") == "fine\n"


# ---------------------------------------------------------------- its end


@pytest.mark.any_cell
def test_an_operation_of_a_closed_session(session):
    session.close()
    done = session.runner.cli("session", "stat", session.id, "/")
    assert done.code == 125 and b"has ended" in done.stderr


@pytest.mark.any_cell
def test_an_operation_ends_with_its_caller(session):
    session.text("mkdir many; cd many; seq 1 60000 | xargs touch", "--timeout", "120s")
    process = subprocess.Popen([session.runner.executable, "session", "rm", "--recursive", session.id, "many"])
    time.sleep(0.1)
    process.kill()
    process.wait()
    time.sleep(1)
    left = int(session.text("ls many | wc -l"))
    time.sleep(0.2)
    assert left > 0 and int(session.text("ls many | wc -l")) == left
