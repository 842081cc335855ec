# SPDX-License-Identifier: MIT
"""`extract`: the only way out of a sandbox. Only files and folders pass through it."""
import hashlib
import json
import os
import signal
import stat
import subprocess

import pytest

from harness import host

pytestmark = pytest.mark.apart


def tree(folder):
    """{relative path: contents, or None for a folder}. For a link, the value names its target."""
    found = {}
    for directory, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(directory, name)
            key = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[key] = "-> " + os.readlink(path)
            elif os.path.isdir(path):
                found[key] = None
            else:
                with open(path, "rb") as file:
                    found[key] = file.read()
    return found


def one(outcome):
    """The only extracted entry of a run that succeeded."""
    assert outcome.code == 0 and outcome.json["success"] is True, outcome
    assert len(outcome.json["extracted"]) == 1, outcome
    return outcome.json["extracted"][0]


@pytest.mark.every_cell
def test_a_file_lands_under_its_name(runner, tmp_path):
    out = tmp_path / "out"
    entry = one(runner.run("echo hello > result.txt", extract=[("result.txt", out)]))
    assert entry["status"] == "ok" and entry["from"] == "result.txt" and entry["to"] == str(out)
    assert tree(out) == {"result.txt": b"hello\n"}


def test_bytes_is_the_size_of_the_archive(runner, tmp_path):
    entry = one(runner.run("head -c 513 /dev/zero > f", extract=[("f", tmp_path / "out")]))
    assert entry["bytes"] >= 512 + 1024 and entry["bytes"] % 512 == 0


@pytest.mark.every_cell
def test_a_folders_contents_land_directly(runner, tmp_path):
    out = tmp_path / "out"
    script = "mkdir -p d/sub/empty; echo 1 > d/one; echo 2 > d/sub/two; touch d/nothing"
    assert one(runner.run(script, extract=[("d", out)]))["status"] == "ok"
    assert tree(out) == {"one": b"1\n", "nothing": b"", "sub": None, "sub/two": b"2\n", "sub/empty": None}


def test_an_empty_folder(runner, tmp_path):
    out = tmp_path / "out"
    assert one(runner.run("mkdir d", extract=[("d", out)]))["status"] == "ok"
    assert tree(out) == {}


@pytest.mark.every_cell
@pytest.mark.parametrize("path", ["/etc/lr-made", "/tmp/lr-made", "/root/lr-made", "/new/deep/lr-made"])
def test_absolute_paths_outside_of_the_workdir(runner, tmp_path, path):
    out = tmp_path / "out"
    script = f"mkdir -p $(dirname {path}); echo abs > {path}"
    assert one(runner.run(script, extract=[(path, out)]))["status"] == "ok"
    assert tree(out) == {"lr-made": b"abs\n"}


def test_a_file_of_the_image(runner, tmp_path):
    out = tmp_path / "out"
    assert one(runner.run("true", extract=[("/etc/group", out)]))["status"] == "ok"
    assert tree(out) == {"group": b"root:x:0:\nnogroup:x:65534:\n"}


def test_relative_to_the_workdir(runner, tmp_path):
    out = tmp_path / "out"
    outcome = runner.run("mkdir x; echo y > x/f", workdir="/srv", extract=[("x/f", out)])
    assert one(outcome)["status"] == "ok"
    assert tree(out) == {"f": b"y\n"}


@pytest.mark.parametrize("path", [".", "./", "/app", "/app/"])
def test_the_workdir_itself(runner, tmp_path, path):
    out = tmp_path / "out"
    assert one(runner.run("echo a > f", extract=[(path, out)]))["status"] == "ok"
    assert tree(out) == {"f": b"a\n"}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_the_flag_splits_at_the_last_colon(runner, tmp_path):
    out = tmp_path / "out"
    outcome = runner.plain("echo c > a:b", "--extract", f"a:b:{out}")
    assert outcome.code == 0 and tree(out) == {"a:b": b"c\n"}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_to_is_made_with_its_parents(runner, tmp_path):
    out = tmp_path / "a/b/c"
    assert one(runner.run("echo x > f", extract=[("f", out)]))["status"] == "ok"
    assert tree(out) == {"f": b"x\n"}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_a_relative_to_is_relative_to_the_caller(runner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert one(runner.run("echo x > f", extract=[("f", "rel/out")]))["status"] == "ok"
    assert tree(tmp_path / "rel/out") == {"f": b"x\n"}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_existing_files_are_replaced_and_others_left(runner, tmp_path):
    (tmp_path / "f").write_text("old, and longer than the new one")
    (tmp_path / "other").write_text("kept")
    assert one(runner.run("echo new > f", extract=[("f", tmp_path)]))["status"] == "ok"
    assert tree(tmp_path) == {"f": b"new\n", "other": b"kept"}


def test_several_entries_keep_their_order_and_fates(runner, tmp_path):
    outcome = runner.ok("echo 1 > a; echo 2 > b", extract=[
        ("a", tmp_path / "1"), ("nowhere", tmp_path / "2"), ("../x", tmp_path / "3"), ("b", tmp_path / "4")])
    assert [e["status"] for e in outcome.json["extracted"]] == ["ok", "missing", "error", "ok"]
    assert tree(tmp_path) == {"1": None, "1/a": b"1\n", "4": None, "4/b": b"2\n"}


def test_missing_fails_no_run(runner, tmp_path):
    entry = one(runner.run("true", extract=[("nowhere", tmp_path / "out")]))
    assert entry["status"] == "missing" and "bytes" not in entry
    assert tree(tmp_path) == {}


@pytest.mark.any_tier
@pytest.mark.any_user
@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/app/../etc/passwd", "a/..", "/.."])
def test_dotdot_is_refused(runner, tmp_path, path):
    entry = one(runner.run("true", extract=[(path, tmp_path / "out")]))
    assert entry["status"] == "error" and "path traversal rejected" in entry["error"]
    assert tree(tmp_path) == {}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_dots_in_names_are_no_traversal(runner, tmp_path):
    out = tmp_path / "out"
    assert one(runner.run("echo x > ..f; mkdir a..; echo y > a../g", extract=[("..f", out)]))["status"] == "ok"
    assert tree(out) == {"..f": b"x\n"}


@pytest.mark.any_tier
@pytest.mark.any_user
@pytest.mark.parametrize("source,target", [("", "out"), ("f", "")])
def test_empty_from_or_to_is_an_error_of_the_entry(runner, tmp_path, source, target):
    to = str(tmp_path / target) if target else ""
    entry = one(runner.run("echo x > f", extract=[(source, to)]))
    assert entry["status"] == "error" and entry["error"]
    assert tree(tmp_path) == {}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_to_that_is_a_file_is_an_error_of_the_entry(runner, tmp_path):
    (tmp_path / "file").write_text("mine")
    entry = one(runner.run("echo x > f", extract=[("f", tmp_path / "file")]))
    assert entry["status"] == "error" and entry["error"]
    assert tree(tmp_path) == {"file": b"mine"}


@pytest.mark.any_tier
@pytest.mark.any_user
@pytest.mark.parametrize("code", [1, 42])
def test_a_failed_run_extracts_nothing(runner, tmp_path, code):
    outcome = runner.run(f"echo x > f; exit {code}", extract=[("f", tmp_path / "out")])
    assert outcome.code == code and "extracted" not in outcome.json
    assert tree(tmp_path) == {}


@pytest.mark.every_cell
def test_files_of_a_failed_run_when_asked_for(runner, tmp_path):
    """After a non-zero exit code, a timeout or a CPU timeout, even if the command waits to be stopped."""
    out = tmp_path / "out"
    outcome = runner.run("echo x > f; exit 42", extract=[("f", out), ("nowhere", out)], extractWhen="always")
    assert outcome.code == 42 and outcome.json["success"] is False, outcome
    assert [e["status"] for e in outcome.json["extracted"]] == ["ok", "missing"] and tree(out) == {"f": b"x\n"}, outcome
    daemons = "trap '' TERM INT HUP; (setsid sh -c 'while :; do echo y >> g; sleep 0.1; done' &); "
    for name, script, limits, cause in (
            ("clock", "sleep 1000", {"timeout": 1000}, "timedOut"),
            ("cpu", "while :; do :; done", {"cpuTimeout": 500}, "cpuTimedOut"),
            ("stopped", "kill -STOP $$; sleep 1000", {"timeout": 1000}, "timedOut")):
        out = tmp_path / name
        outcome = runner.run(f"{daemons} echo {name} > f; {script}", extract=[("f", out)], extractWhen="always", deadline=150,
                             **limits)
        assert outcome.code == 137 and outcome.json[cause] is True and outcome.json["success"] is False, outcome
        assert outcome.json["signal"] == "SIGKILL" and outcome.json["cancelled"] is False, outcome
        assert [e["status"] for e in outcome.json["extracted"]] == ["ok"], outcome
        assert tree(out) == {"f": name.encode() + b"\n"}, outcome


@pytest.mark.every_cell
def test_files_of_a_run_that_ran_out_of_memory(runner, tmp_path):
    """Only the command is killed, and its files come out. If all of gVisor is killed, the entries say so."""
    out = tmp_path / "out"
    outcome = runner.run("echo x > f; tail /dev/zero", extract=[("f", out)], extractWhen="always", deadline=150,
                         options={"memory": "64m"})
    assert outcome.code == 137 and outcome.json["oomKilled"] is True, outcome
    entry, = outcome.json["extracted"]
    if runner.tier == "runsc":
        assert entry["status"] == "error" and "the sandbox ended" in entry["error"] and tree(tmp_path) == {}, outcome
    else:
        assert entry["status"] == "ok" and tree(out) == {"f": b"x\n"}, outcome


def test_a_cancelled_run_extracts_nothing_whatever_is_asked_for(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    document = runner.request("echo x > f; sleep 1000", extract=[("f", tmp_path / "out")], extractWhen="always", detached=True)
    for stop in (["cancel"], ["stop", "--grace", "5s"]):
        run_id = runner.submit(document).json["id"]
        runner.cli(*stop, run_id)
        outcome = runner.cli("attach", "--json", run_id)
        assert outcome.json["cancelled"] is True and "extracted" not in outcome.json, outcome
    assert not (tmp_path / "out").exists()


def test_a_cancel_during_the_extraction_leaves_no_entries(runner, tmp_path):
    marker = f"{os.getpid()}-{runner.engine}-{runner.tier}"
    environment = dict(os.environ, LIGHT_RUNNER_TEST_HOLD="collect", HELD=marker)
    process = subprocess.Popen(
        [runner.executable, "run", "--json", "--request",
         runner.write_request(runner.request("echo x > f", extract=[("f", tmp_path / "out")]))],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    supervisor = host.wait_until(lambda: host.held_supervisor(marker), 60)
    assert supervisor, process.communicate(timeout=60)
    process.send_signal(signal.SIGINT)
    assert host.wait_until(lambda: host.state_letter(process.pid) == "S", 10)
    os.kill(supervisor, signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=60)
    result = json.loads(stdout)
    # The run has ended before the supervisor looked, or it is cancelled: there is no other outcome.
    assert result["cancelled"] is ("extracted" not in result), (stdout, stderr)


@pytest.mark.every_cell
def test_a_paused_run_that_times_out_gives_its_files(runner, tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHT_RUNNER_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/f").write_bytes(b"x\n")  # exists even if the pause comes early
    document = runner.request("sleep 1000", dir=tmp_path / "in", extract=[("f", tmp_path / "out")], extractWhen="always",
                              detached=True, timeout=4000)
    run_id = runner.submit(document).json["id"]
    runner.cli("pause", run_id)
    outcome = runner.cli("attach", "--json", run_id)
    assert outcome.json["timedOut"] is True and outcome.json["extracted"][0]["status"] == "ok", outcome
    assert tree(tmp_path / "out") == {"f": b"x\n"}


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("value", ["failure", "", True, None])
def test_when_is_a_choice(runner, value):
    outcome = runner.run("echo started", extractWhen=value)
    assert outcome.code == 125 and "extractWhen" in outcome.error["message"] and "started" not in outcome.text, outcome


@pytest.mark.any_tier
@pytest.mark.any_user
def test_without_extract_there_is_no_extracted(runner):
    assert "extracted" not in runner.ok("true").json


@pytest.mark.any_tier
@pytest.mark.any_user
def test_an_empty_extract_gives_an_empty_list(runner):
    assert runner.ok("true", extract=[]).json.get("extracted", []) == []


def test_symlinks_do_not_come_out(runner, tmp_path):
    out = tmp_path / "out"
    script = """mkdir -p d/sub; echo x > d/real
    ln -s /etc/passwd d/abs; ln -s real d/rel; ln -s / d/root; ln -s ../.. d/sub/up; ln -s nowhere d/dangling"""
    assert one(runner.run(script, extract=[("d", out)]))["status"] == "ok"
    assert tree(out) == {"real": b"x\n", "sub": None}


def test_a_path_that_is_a_symlink_gives_nothing(runner, tmp_path):
    out = tmp_path / "out"
    entry = one(runner.run("ln -s /etc/passwd link", extract=[("link", out)]))
    assert entry["status"] in ("error", "missing")
    assert tree(tmp_path) in ({}, {"out": None})


def test_devices_fifos_and_sockets_do_not_come_out(runner, tmp_path):
    out = tmp_path / "out"
    script = """mkdir d; echo x > d/real; mkfifo d/fifo
    (nc -l -s 127.0.0.1 -p 1 >/dev/null 2>&1 &) ; cp -a /dev/null d/null 2>/dev/null; true"""
    assert one(runner.run(script, extract=[("d", out)], deadline=20))["status"] == "ok"
    assert tree(out) == {"real": b"x\n"}


def test_a_fifo_as_path_does_not_hang(runner, tmp_path):
    entry = one(runner.run("mkfifo p", extract=[("p", tmp_path / "out")], deadline=20))
    assert entry["status"] == "error"


@pytest.mark.every_cell
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/proc/self/mem", "/proc/kmsg"])
def test_kernel_files_do_not_flood_or_hang(runner, tmp_path, path):
    entry = one(runner.run("true", extract=[(path, tmp_path / "out")], deadline=30))
    assert entry["status"] in ("error", "missing", "ok")
    assert sum(len(v or b"") for v in tree(tmp_path).values()) < 65536


def test_setuid_bits_are_dropped(runner, tmp_path):
    out = tmp_path / "out"
    script = "mkdir d; cp /bin/busybox d/su; chmod 6755 d/su; mkdir d/sg; chmod 2755 d/sg; chmod 1777 d"
    assert one(runner.run(script, extract=[("d", out)]))["status"] == "ok"
    for name in ("su", "sg", "."):
        mode = stat.S_IMODE(os.lstat(out / name).st_mode)
        assert mode & 0o7000 == 0, (name, oct(mode))


def test_modes_are_kept(runner, tmp_path):
    out = tmp_path / "out"
    script = "mkdir d; for m in 755 644 600; do echo x > d/$m; chmod $m d/$m; done"
    assert one(runner.run(script, extract=[("d", out)]))["status"] == "ok"
    assert {n: oct(stat.S_IMODE(os.stat(out / n).st_mode)) for n in os.listdir(out)} == {
        "755": "0o755", "644": "0o644", "600": "0o600"}


@pytest.mark.any_tier
@pytest.mark.parametrize("mask, file, folder", [(0o077, 0o600, 0o700), (0o022, 0o644, 0o755), (0o002, 0o664, 0o775)])
def test_modes_are_cut_by_the_callers_umask(runner, tmp_path, mask, file, folder):
    out = tmp_path / "out"
    before = os.umask(mask)
    try:
        entry = one(runner.run("umask 0; mkdir -p d/e; echo x > d/f; chmod 666 d/f; chmod 777 d/e", extract=[("d", out)]))
    finally:
        os.umask(before)
    assert entry["status"] == "ok"
    assert stat.S_IMODE(os.stat(out / "f").st_mode) == file
    assert stat.S_IMODE(os.stat(out / "e").st_mode) == stat.S_IMODE(os.stat(out).st_mode) == folder


@pytest.mark.any_tier
@pytest.mark.any_user
def test_hooks_do_not_get_into_the_callers_repository(runner, tmp_path):
    """The control is a folder without a repository, where the whole repository comes out."""
    script = "mkdir -p d/.git/hooks; echo evil > d/.git/hooks/post-checkout; chmod +x d/.git/hooks/post-checkout"
    mine, fresh = tmp_path / "mine", tmp_path / "fresh"
    (mine / ".git" / "hooks").mkdir(parents=True)
    entries = runner.ok(script, extract=[("d", mine), ("d", fresh)]).json["extracted"]
    assert [entry["status"] for entry in entries] == ["error", "ok"], entries
    assert ".git" in entries[0]["error"]
    assert tree(mine) == {".git": None, ".git/hooks": None}
    assert tree(fresh)[".git/hooks/post-checkout"] == b"evil\n"


@pytest.mark.any_tier
def test_files_belong_to_the_caller(runner, tmp_path):
    out = tmp_path / "out"
    assert one(runner.run("mkdir d; echo x > d/f; chown -R 1234:1234 d", extract=[("d", out)]))["status"] == "ok"
    assert os.stat(out / "f").st_uid == os.getuid()


@pytest.mark.any_tier
def test_symlinks_within_to_are_never_followed(runner, tmp_path):
    """Links on the host in the folder `to`, planted or forgotten, lead to nothing outside of it."""
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (outside / "victim").write_text("untouched")
    (out / "folder").symlink_to(outside)
    (out / "file").symlink_to(outside / "victim")
    (out / "new").symlink_to(outside / "created")
    script = "mkdir -p d/folder; for f in d/folder/victim d/folder/planted d/file d/new; do echo evil > $f; done"
    one(runner.run(script, extract=[("d", out)]))
    assert tree(outside) == {"victim": b"untouched"}


@pytest.mark.any_tier
def test_a_single_file_over_a_symlink_in_to(runner, tmp_path):
    outside, out = tmp_path / "outside", tmp_path / "out"
    out.mkdir()
    outside.write_text("untouched")
    (out / "f").symlink_to(outside)
    one(runner.run("echo evil > f", extract=[("f", out)]))
    assert outside.read_text() == "untouched"


def test_odd_file_names(runner, tmp_path):
    out = tmp_path / "out"
    given = tmp_path / "given"
    given.mkdir()
    names = [b"with space", b"new\nline", "ünï-\u2603".encode(), b"\xff\xfe", b"-dash", b"back\\slash", b"n" * 255]
    for name in names:
        with open(os.path.join(os.fsencode(given), name), "wb") as file:
            file.write(name)
    outcome = runner.run("mkdir /out; cp -r . /out", dir=given, extract=[("/out", out)])
    assert one(outcome)["status"] == "ok"
    got = {name: open(os.path.join(os.fsencode(out), name), "rb").read() for name in os.listdir(os.fsencode(out))}
    assert got == {name: name for name in names}


@pytest.mark.any_tier
def test_over_the_cap_is_an_error_and_nothing_is_written(runner, tmp_path):
    out = tmp_path / "out"
    entry = one(runner.run("head -c 2000000 /dev/zero > f", extract=[("f", out)],
                           options={"maxExtractBytes": 1000000}))
    assert entry["status"] == "error" and "1000000" in entry["error"]
    assert sum(len(v or b"") for v in tree(tmp_path).values()) == 0


@pytest.mark.any_tier
@pytest.mark.any_user
def test_just_under_the_cap_is_fine(runner, tmp_path):
    entry = one(runner.run("head -c 900000 /dev/zero > f", extract=[("f", tmp_path / "out")],
                           options={"maxExtractBytes": 1000000}))
    assert entry["status"] == "ok"


@pytest.mark.any_tier
@pytest.mark.any_user
def test_the_cap_is_per_entry(runner, tmp_path):
    outcome = runner.ok("head -c 600000 /dev/zero > a; head -c 600000 /dev/zero > b",
                        extract=[("a", tmp_path / "1"), ("b", tmp_path / "2")],
                        options={"maxExtractBytes": 1000000})
    assert [e["status"] for e in outcome.json["extracted"]] == ["ok", "ok"]


def test_a_sparse_giant_is_over_the_cap(runner, tmp_path):
    entry = one(runner.run("dd if=/dev/zero of=f bs=1 count=1 seek=3221225472 2>/dev/null",
                           extract=[("f", tmp_path / "out")]))
    assert entry["status"] == "error"
    assert sum(len(v or b"") for v in tree(tmp_path).values()) == 0


@pytest.mark.slow
def test_300_mib_are_intact(runner, tmp_path):
    # Other kernels compute the checksums several times more slowly. The files still arrive in many pieces.
    out, size = tmp_path / "out", 300 << 20 if runner.tier == "runc" else 32 << 20
    outcome = runner.run(f"head -c {size} /dev/urandom > big; sha256sum big", extract=[("big", out)], deadline=150)
    assert one(outcome)["status"] == "ok"
    digest = hashlib.sha256()
    with open(out / "big", "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    assert digest.hexdigest() == outcome.lines[0].split()[0]


@pytest.mark.long
def test_3000_files(runner, tmp_path):
    out = tmp_path / "out"
    script = """mkdir d; cd d; i=0; while [ $i -lt 3000 ]; do
        [ $((i % 100)) = 0 ] && mkdir d$i && cd d$i; echo $i > f$i; i=$((i+1))
        [ $((i % 100)) = 0 ] && cd ..; done; true"""
    assert one(runner.run(script, extract=[("d", out)]))["status"] == "ok"
    files = {k: v for k, v in tree(out).items() if v is not None}
    assert len(files) == 3000
    assert all(v == os.path.basename(k)[1:].encode() + b"\n" for k, v in files.items())


def test_the_extraction_of_one_run_is_unknown_to_the_next(runner, tmp_path):
    runner.ok("echo one > /tmp/f; echo two > /app/g; echo three > /root/h")
    outcome = runner.ok("ls /tmp /app /root | grep -c '^[fgh]$'; true")
    assert outcome.lines == ["0"]


@pytest.mark.every_cell
def test_every_size_comes_whole(runner, tmp_path):
    """Small pieces are copied, large ones are spliced, and holes are read as zeros."""
    sizes = (1, 65535, 65536, 65537, 131071, 131072, 131073, 262144, 300001, 1048577)
    (tmp_path / "in").mkdir()
    for size in sizes:
        with open(tmp_path / "in" / str(size), "wb") as file:
            file.write(os.urandom(size))
    with open(tmp_path / "in" / "holes", "wb") as file:
        file.truncate(500000)
        file.seek(200001)
        file.write(b"x" * 7)
    outcome = runner.ok("true", dir=tmp_path / "in", extract=[(".", tmp_path / "out")])
    assert outcome.json["extracted"][0]["status"] == "ok"
    for name in os.listdir(tmp_path / "in"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes(), name


@pytest.mark.every_cell
def test_files_and_folders_keep_their_times(runner, tmp_path):
    """The times are exact to the nanosecond in both directions, even of folders that are written to meanwhile."""
    times = {"project": 1500000000123456789, "project/sub": 1500000001000000001, "project/sub/f": 1500000002500000000, "project/old": 0}
    (tmp_path / "in/project/sub").mkdir(parents=True)
    for name in ("sub/f", "old"):
        (tmp_path / "in/project" / name).write_text(name)
    for name, time in reversed(times.items()):
        os.utime(tmp_path / "in" / name, ns=(time, time))
    outcome = runner.ok("echo new > made; TZ=UTC touch -d '2020-09-13 12:26:40' made; stat -c '%Y' project project/sub made", dir=tmp_path / "in",
                        extract=[(".", tmp_path / "out")])
    assert outcome.lines == ["1500000000", "1500000001", "1600000000"], outcome
    assert {name: os.stat(tmp_path / "out" / name).st_mtime_ns for name in times} == times
    assert os.stat(tmp_path / "out/made").st_mtime_ns == 1600000000 * 10**9
