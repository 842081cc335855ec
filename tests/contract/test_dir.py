# SPDX-License-Identifier: MIT
"""`dir`: the folder's contents are copied to the working directory, with their structure, but without links and heavy folders."""
import hashlib
import os
import socket

import pytest

pytestmark = pytest.mark.apart

SKIPPED = [".git", "node_modules", "dist", "build", ".next", ".cache", ".turbo", "coverage"]
LIST = "find . -mindepth 1 | sort"


def test_contents_land_in_the_workdir(runner, tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    assert runner.ok("cat /app/a.txt", dir=tmp_path).lines == ["hello"]


@pytest.mark.every_cell
def test_structure_is_kept(runner, tmp_path):
    (tmp_path / "x/y/z").mkdir(parents=True)
    (tmp_path / "x/y/z/deep").write_text("1")
    (tmp_path / "x/top").write_text("2")
    assert runner.ok(LIST, dir=tmp_path).lines == ["./x", "./x/top", "./x/y", "./x/y/z", "./x/y/z/deep"]


def test_empty_folders_are_kept(runner, tmp_path):
    (tmp_path / "empty/inner").mkdir(parents=True)
    assert runner.ok(LIST, dir=tmp_path).lines == ["./empty", "./empty/inner"]


def test_an_empty_dir_is_fine(runner, tmp_path):
    assert runner.ok(LIST + "; echo end", dir=tmp_path).lines == ["end"]


def test_dot_files_are_copied(runner, tmp_path):
    (tmp_path / ".env").write_text("A=1\n")
    assert runner.ok("cat .env", dir=tmp_path).lines == ["A=1"]


def test_modes_are_kept(runner, tmp_path):
    for mode in (0o755, 0o644, 0o600, 0o500):
        path = tmp_path / f"{mode:o}"
        path.write_text("#!/bin/sh\necho ran\n")
        path.chmod(mode)
    (tmp_path / "folder").mkdir(mode=0o700)
    outcome = runner.ok("stat -c '%n %a' * | sort; ./755", dir=tmp_path)
    assert outcome.lines == ["500 500", "600 600", "644 644", "755 755", "folder 700", "ran"]


def test_setuid_bits_do_not_go_in(runner, tmp_path):
    (tmp_path / "s").write_text("x")
    (tmp_path / "s").chmod(0o6755)
    assert runner.ok("stat -c %a s", dir=tmp_path).lines == ["755"]


@pytest.mark.any_tier
@pytest.mark.any_user
def test_skipped_names_at_any_depth(runner, tmp_path):
    for parent in (tmp_path, tmp_path / "sub", tmp_path / "sub/sub"):
        for name in SKIPPED:
            (parent / name).mkdir(parents=True)
            (parent / name / "file").write_text("x")
        (parent / "kept").write_text("x")
    assert runner.ok(LIST, dir=tmp_path).lines == [
        "./kept", "./sub", "./sub/kept", "./sub/sub", "./sub/sub/kept"]


@pytest.mark.any_tier
@pytest.mark.any_user
def test_names_that_only_resemble_skipped_ones_are_kept(runner, tmp_path):
    names = [".gitignore", "builds", "Build", "distance", "coverage.xml"]
    for name in names:
        (tmp_path / name).write_text("x")
    assert runner.ok(LIST, dir=tmp_path).lines == sorted("./" + n for n in names)


@pytest.mark.any_tier
@pytest.mark.any_user
def test_every_symlink_is_skipped(runner, tmp_path):
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "secret").write_text("secret")
    given = tmp_path / "dir"
    (given / "sub").mkdir(parents=True)
    (given / "real").write_text("x")
    (given / "abs").symlink_to("/etc/passwd")
    (given / "rel").symlink_to("real")
    (given / "folder").symlink_to(secret)
    (given / "dangling").symlink_to("nowhere")
    (given / "sub/up").symlink_to("../../outside/secret")
    assert runner.ok(LIST, dir=given).lines == ["./real", "./sub"]


def test_links_that_stay_inside_are_kept_when_asked_for(runner, tmp_path):
    """Package managers create relative links within the folder. These are kept; all others are left out."""
    given = tmp_path / "dir"
    (given / "node_modules/.bin").mkdir(parents=True)
    (given / "src").mkdir()
    (given / "src/tool").write_text("#!/bin/sh\necho ran $0\n")
    (given / "src/tool").chmod(0o755)
    (given / "node_modules/.bin/tool").symlink_to("../../src/tool")
    (given / "current").symlink_to("src")
    (given / "chain").symlink_to("current/tool")
    (given / "src/self").symlink_to("..")
    for name, target in {"abs": "/etc/passwd", "out": "../outside", "src/out": "../../outside", "dangling": "nothing",
                         "to-out": "out"}.items():
        (given / name).symlink_to(target)
    (tmp_path / "outside").write_text("secret")
    listing = "find . -type l | sort; readlink chain; "
    outcome = runner.ok(listing + "./chain; ./node_modules/.bin/tool; cat src/self/src/tool | wc -l", dir=given, links="inside",
                        ignore=[])
    assert outcome.lines == ["./chain", "./current", "./node_modules/.bin/tool", "./src/self", "current/tool", "ran ./chain",
                             "ran ./node_modules/.bin/tool", "2"]
    # A link through an ignored name would lead nowhere.
    (given / "modules").symlink_to("node_modules")
    outcome = runner.plain(listing, "--dir", str(given), "--links", "inside", "--ignore", "src")
    assert outcome.stdout.decode().split() == ["./modules"], outcome
    assert runner.plain("find . -type l", "--dir", str(given), "--links", "skip").stdout == b""


@pytest.mark.any_tier
@pytest.mark.any_user
def test_names_to_ignore_can_be_others(runner, tmp_path):
    for name in (".git", "sub/.git", "secret", "sub/secret", "sub/kept"):
        (tmp_path / name).mkdir(parents=True)
    everything = ["./.git", "./secret", "./sub", "./sub/.git", "./sub/kept", "./sub/secret"]
    assert runner.ok(LIST, dir=tmp_path, ignore=[]).lines == everything
    assert runner.plain(LIST, "--dir", str(tmp_path), "--no-ignore").stdout.decode().split() == everything
    assert runner.ok(LIST, dir=tmp_path, ignore=["secret", "kept"]).lines == ["./.git", "./sub", "./sub/.git"]
    outcome = runner.plain(LIST, "--dir", str(tmp_path), "--ignore", "secret", "--ignore", ".git")
    assert outcome.stdout.decode().split() == ["./sub", "./sub/kept"], outcome


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("fields,names", [
    ({"ignore": ["a/b"]}, "ignore[0]: 'a/b' is not the name"), ({"ignore": ["a", ""]}, "ignore[1]"), ({"ignore": [".."]}, "ignore"),
    ({"ignore": ["."]}, "ignore"), ({"ignore": "a"}, "ignore: must be a list"), ({"ignore": [1]}, "ignore[0]"),
    ({"ignore": ["a" * 256]}, "ignore[0]: is 256 bytes"), ({"ignore": ["a\0b"]}, "NUL"), ({"ignore": ["a"] * 1025}, "ignore"),
    ({"links": "all"}, "links: 'all' is not one of: skip, inside"), ({"links": True}, "links"), ({"links": None}, "links"),
], ids=lambda v: str(v)[:30])
def test_what_is_no_choice_is_refused(runner, tmp_path, fields, names):
    outcome = runner.run("echo started", dir=tmp_path, **fields)
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT", outcome
    assert names in outcome.error["message"] and "started" not in outcome.text, outcome


@pytest.mark.any_cell
@pytest.mark.any_user
def test_ignore_and_no_ignore_are_not_both_meant(runner, tmp_path):
    outcome = runner.plain("echo started", "--no-ignore", "--ignore", "a", "--dir", str(tmp_path))
    assert outcome.code == 125 and b"--ignore and --no-ignore" in outcome.stderr, outcome


@pytest.mark.any_tier
@pytest.mark.any_user
def test_a_dir_that_is_itself_a_link_is_followed_or_refused_before_the_start(runner, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/f").write_text("x")
    (tmp_path / "link").symlink_to("real")
    outcome = runner.run(LIST, dir=tmp_path / "link")
    if outcome.code == 125:
        assert outcome.error["code"] == "INVALID_ARGUMENT"
    else:
        assert outcome.lines == ["./f"]


def test_odd_file_names(runner, tmp_path):
    names = [b"with space", b"new\nline", "ünï-\u2603".encode(), b"\xff\xfe-not-utf8", b"-dash", b"quote'\"",
             b"back\\slash", b"tab\t", b"*", b"$(id)"]
    folder = os.fsencode(tmp_path)
    for index, name in enumerate(names):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"%d\n" % index)
    outcome = runner.plain("find . -type f -print0 | sort -z; cat ./* | sort -n | tr '\\n' ' ' >&2",
                           "--dir", str(tmp_path))
    assert outcome.stdout.split(b"\0")[:-1] == sorted(b"./" + n for n in names)
    assert outcome.stderr.split() == [b"%d" % i for i in range(len(names))]


def test_a_name_of_255_bytes(runner, tmp_path):
    (tmp_path / ("n" * 255)).write_text("long\n")
    assert runner.ok("cat n*", dir=tmp_path).lines == ["long"]


def test_2000_small_files(runner, tmp_path):
    for index in range(2000):
        folder = tmp_path / f"d{index % 40}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{index}").write_text(f"{index}\n")
    outcome = runner.ok("find . -type f | wc -l; cat */* | sort -n | uniq | wc -l", dir=tmp_path)
    assert [line.strip() for line in outcome.lines] == ["2000", "2000"]


def test_empty_files(runner, tmp_path):
    (tmp_path / "nothing").write_bytes(b"")
    assert runner.ok("stat -c %s nothing", dir=tmp_path).lines == ["0"]


@pytest.mark.slow
def test_a_big_file_is_intact(runner, tmp_path):
    data = os.urandom(1 << 20) * 200
    (tmp_path / "big").write_bytes(data)
    outcome = runner.ok("sha256sum big", dir=tmp_path, deadline=120)
    assert outcome.lines[0].split()[0] == hashlib.sha256(data).hexdigest()


def test_the_program_may_change_its_copy_and_not_the_hosts(runner, tmp_path):
    (tmp_path / "f").write_text("before")
    runner.ok("echo after > f; rm -f g; echo new > g", dir=tmp_path)
    assert (tmp_path / "f").read_text() == "before"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.any_tier
@pytest.mark.any_user
def test_special_files_neither_go_in_nor_hang(runner, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "sock"))
    (tmp_path / "f").write_text("x")
    with listener:
        assert runner.ok(LIST, dir=tmp_path, deadline=20).lines == ["./f"]


@pytest.mark.any_cell
@pytest.mark.any_user
def test_a_missing_dir_is_refused_before_anything_starts(runner, tmp_path):
    outcome = runner.run("echo started", dir=tmp_path / "missing")
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert "missing" in outcome.error["message"]
    assert "started" not in outcome.text


@pytest.mark.any_cell
@pytest.mark.any_user
def test_a_dir_that_is_a_file_is_refused(runner, tmp_path):
    (tmp_path / "file").write_text("x")
    outcome = runner.run("echo started", dir=tmp_path / "file")
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT"
    assert "started" not in outcome.text


def test_a_dir_over_the_disk_cap_is_an_error_of_ours(runner, tmp_path):
    runner.needs_disk_cap()
    with open(tmp_path / "big", "wb") as file:
        file.truncate(100 << 20)
    outcome = runner.run("echo started", dir=tmp_path, options={"disk": "16m"}, deadline=90)
    assert outcome.code == 125 and outcome.error["code"] == "SEED_FAILED"
    assert "started" not in outcome.text
