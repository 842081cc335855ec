# SPDX-License-Identifier: MIT
"""`light-runner image`: it imports valid images, rejects hostile ones, and leaves nothing behind."""
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import re
import signal
import stat
import subprocess
import tarfile
import time

import pytest

from harness import dockerd, images

RUNNER = os.environ.get("LIGHT_RUNNER", "light-runner")
MTIME = 1600000000
MIB = 1024 * 1024

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting the images needs root")


def environment(store, **more):
    return {**os.environ, "LIGHT_RUNNER_DATA_DIR": str(store), "LIGHT_RUNNER_ENGINE": "local", **more}


def image(store, *words, stdin=None, **more):
    return subprocess.run(
        [RUNNER, "image", *map(str, words)],
        env=environment(store, **more), stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
    )


def imported(store, tar, name="x", **more):
    done = image(store, "import", "--json", tar, name, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(store, tar, code="IMAGE_INVALID", **more):
    """Checks that the import fails with that code, and that the store is still empty. Returns the message."""
    done = image(store, "import", "--json", tar, "x", **more)
    assert done.returncode == 125
    error = json.loads(done.stdout)["error"]
    assert error["code"] == code, error
    assert done.stderr.decode().startswith(f"light-runner: {code}: ")
    assert listed(store) == []
    assert_tidy(store, files=0)
    # Without /proc, as in the unpacker's root, a sanitizer prints a warning to stderr, where the unpacker's reason is, too.
    return re.sub(r"==\d+==WARNING: (reading executable name|ASan is ignoring).*?(symbolized|issues/189) ?", "", error["message"])


def listed(store):
    done = image(store, "ls", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_tidy(store, files):
    assert os.listdir(store / "tmp") == []
    found = [n for n in os.listdir(store / "images") if n not in ("index.json", "lock")]
    assert len(found) == files, found
    assert all(re.fullmatch(r"[0-9a-f]{64}\.erofs", n) for n in found)


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, link="", **more):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.linkname, info.size = kind, mode, MTIME, link, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def write_tar(path, *entries, **options):
    with tarfile.open(path, "w", **{"format": tarfile.PAX_FORMAT, **options}) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return path


def small_tar(path):
    return write_tar(
        path,
        entry("etc", tarfile.DIRTYPE, mode=0o755),
        entry("etc/hello", data=b"hello\n"),
    )


@contextlib.contextmanager
def mounted(store, digest, folder):
    file = store / "images" / (digest.split(":")[1] + ".erofs")
    folder.mkdir()
    for options in ("ro", "ro,loop"):
        done = subprocess.run(["mount", "-t", "erofs", "-o", options, str(file), str(folder)],
                              stderr=subprocess.PIPE, timeout=30)
        if done.returncode == 0:
            break
    else:
        pytest.skip(f"this kernel cannot mount EROFS: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=30)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


# ---------------------------------------------------------------- valid images


def test_an_image_keeps_contents_modes_owners_times_and_links(store, tmp_path):
    tar = write_tar(
        tmp_path / "a.tar",
        entry("./", tarfile.DIRTYPE, mode=0o750),
        entry("./bin", tarfile.DIRTYPE, mode=0o755),
        entry("./bin/tool", data=b"#!x\n", mode=0o755, uid=12, gid=34),
        entry("./bin/same", tarfile.LNKTYPE, link="./bin/tool"),
        entry("./bin/sh", tarfile.SYMTYPE, link="tool"),
        entry("/abs/olute", data=b"beneath\n"),
        entry("bin/su", data=b"s", mode=0o4755),
        entry("var/tmp", tarfile.DIRTYPE, mode=0o1777),
        entry("big", data=bytes(range(256)) * 5000),
        entry("secret", data=b"s", mode=0o000),
    )
    done = imported(store, tar, "some/name:1")
    assert done["name"] == "some/name:1"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", done["digest"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", done["created"])
    with mounted(store, done["digest"], tmp_path / "m") as root:
        tool = os.stat(root / "bin/tool")
        assert (tool.st_uid, tool.st_gid, stat.S_IMODE(tool.st_mode)) == (12, 34, 0o755)
        assert tool.st_mtime == MTIME and tool.st_nlink == 2
        assert os.stat(root / "bin/same").st_ino == tool.st_ino
        assert os.readlink(root / "bin/sh") == "tool"
        assert (root / "abs/olute").read_text() == "beneath\n"
        assert stat.S_IMODE(os.stat(root / "bin/su").st_mode) == 0o4755
        assert stat.S_IMODE(os.stat(root / "var/tmp").st_mode) == 0o1777
        assert stat.S_IMODE(os.stat(root / "secret").st_mode) == 0
        assert (root / "big").read_bytes() == bytes(range(256)) * 5000
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o750
        assert {os.stat(root / d).st_mtime for d in (".", "bin", "var/tmp")} == {MTIME}
        assert {os.stat(root / d).st_mtime for d in ("abs", "var")} == {0}, "folders without an entry"
    assert_tidy(store, files=1)


def test_names_may_hold_any_byte(store, tmp_path):
    names = [b"new\nline", b"b\xffad", "ä€😀".encode(), b" ", b"-rf", b"*", b"a" * 254]
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    for kind in ("gnu", "pax"):
        tar = tmp_path / f"{kind}.tar"
        subprocess.run(["tar", f"--format={kind}", "-C", folder, "-cf", tar, "."], check=True, timeout=30)
        done = imported(store, tar, kind)
        with mounted(store, done["digest"], tmp_path / f"m-{kind}") as root:
            assert sorted(os.listdir(os.fsencode(root))) == sorted(names)
            for name in names:
                with open(os.path.join(os.fsencode(root), name), "rb") as file:
                    assert file.read() == name


def test_the_longest_name_takes_a_newer_mkfs(store, tmp_path):
    tar = write_tar(tmp_path / "a.tar", entry("d/" + "n" * 255, data=b"x"))
    done = image(store, "import", "--json", tar, "x")
    if done.returncode:
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "NOT_SUPPORTED" and "255 bytes" in error["message"] and "erofs-utils" in error["hint"]
        version = subprocess.run(["mkfs.erofs", "-V"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        assert not re.search(rb" 1\.(8\.([6-9]|[1-9]\d)|9|[1-9]\d)", version.stdout), version.stdout
        assert_tidy(store, files=0)
    else:
        with mounted(store, json.loads(done.stdout)["digest"], tmp_path / "m") as root:
            assert os.listdir(root / "d") == ["n" * 255]


def test_the_same_archive_gives_the_same_digest_however_it_is_packed(store, tmp_path):
    # Folders without an entry, and folders whose entry comes after their contents.
    tar = write_tar(
        tmp_path / "a.tar",
        entry("a/b/c", data=b"x"),
        entry("z", data=b"z" * 5000),
        entry("a", tarfile.DIRTYPE, mode=0o700),
        entry("a/y", data=b"y"),
        entry("./", tarfile.DIRTYPE, mode=0o755),
        entry("last", data=b"l"),
    )
    plain = tar.read_bytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(plain))
    (tmp_path / "a.xz").write_bytes(lzma.compress(plain))
    packed = ["a.tar", "a.gz", "a.xz"]
    if subprocess.run(["sh", "-c", "command -v zstd"], stdout=subprocess.DEVNULL).returncode == 0:
        subprocess.run(["zstd", "-q", str(tar), "-o", str(tmp_path / "a.zst")], check=True, timeout=30)
        packed.append("a.zst")
    digests = set()
    for file in packed * 2:
        digests.add(imported(store, tmp_path / file)["digest"])
        time.sleep(0.02)
    assert len(digests) == 1
    assert_tidy(store, files=1)
    with mounted(store, digests.pop(), tmp_path / "m") as root:
        assert {os.stat(root / d).st_mtime for d in (".", "a")} == {MTIME}


def test_an_archive_comes_from_a_pipe(store, tmp_path):
    tar = small_tar(tmp_path / "a.tar")
    with subprocess.Popen(["cat", str(tar)], stdout=subprocess.PIPE) as cat:
        done = image(store, "import", "-", "piped", stdin=cat.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == ["piped:latest", imported(store, tar)["digest"]]
    assert image(store, "import", "-").returncode == 125, "a name is needed"


def test_the_variable_says_whose_images_are_listed(store, tmp_path):
    daemon = dockerd.current()
    if not daemon:
        pytest.skip(dockerd.missing() or "no daemon for the suites")
    tar = images.make_busybox_tar(str(tmp_path / "tar"))
    imported(store, tar)
    daemon.load_rootfs(tar, "of-the-daemon")
    everywhere = json.loads(image(store, "ls", "--json", LIGHT_RUNNER_ENGINE="auto").stdout)
    daemon.call("DELETE", "/images/of-the-daemon")
    assert [i["name"] for i in everywhere if i["engine"] == "local"] == ["x:latest"], everywhere
    assert "of-the-daemon:latest" in [i["name"] for i in everywhere if i["engine"] == "docker"], everywhere
    assert [i["name"] for i in listed(store)] == ["x:latest"]


def test_the_name_comes_from_the_file(store, tmp_path):
    for file, name in (("base.tar", "base"), ("b.tar.gz", "b"), ("v1.tgz", "v1"), ("plain", "plain")):
        small_tar(tmp_path / file)
        done = image(store, "import", tmp_path / file)
        assert done.returncode == 0, done.stderr
        assert done.stdout.decode().split()[0] == f"{name}:latest"


def test_devices_fifos_and_sockets_are_left_out(store, tmp_path):
    tar = write_tar(
        tmp_path / "a.tar",
        entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("dev/sda", tarfile.BLKTYPE, devmajor=8, devminor=0),
        entry("dev/fifo", tarfile.FIFOTYPE),
        entry("file", data=b"x"),
    )
    done = image(store, "import", "--json", tar, "x")
    assert done.returncode == 0, done.stderr
    assert b"left out 3 " in done.stderr
    with mounted(store, json.loads(done.stdout)["digest"], tmp_path / "m") as root:
        assert os.listdir(root) == ["file"]


def test_attributes_of_users_are_kept_and_those_with_power_are_not(store, tmp_path):
    probe = tmp_path / "probe"
    probe.write_bytes(b"")
    try:
        os.setxattr(probe, "user.x", b"1")
    except OSError:
        pytest.skip("this file system has no user attributes")
    pax = {
        "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00",
    }
    tar = write_tar(tmp_path / "a.tar", entry("f", data=b"x", pax_headers=pax))
    with mounted(store, imported(store, tar)["digest"], tmp_path / "m") as root:
        assert os.listxattr(root / "f") == ["user.note"]
        assert os.getxattr(root / "f", "user.note") == b"kept"


def test_ten_thousand_files_in_sixteen_megabytes(store, tmp_path):
    data = random.Random(1).randbytes(1100)
    tar = write_tar(tmp_path / "a.tar", *(entry(f"d{i % 97}/f{i}", data=data) for i in range(10000)))
    assert tar.stat().st_size > 16 * MIB
    with mounted(store, imported(store, tar)["digest"], tmp_path / "m") as root:
        assert sum(len(files) for _, _, files in os.walk(root)) == 10000


# ---------------------------------------------------------------- hostile images


def outside_is_untouched(tmp_path):
    return not (tmp_path / "etc").exists() and not os.path.exists("/etc/light-runner-escape")


@pytest.mark.parametrize("name", ["../../etc/light-runner-escape", "/../etc/light-runner-escape",
                                  "a/../../etc/light-runner-escape", ".."])
def test_a_path_with_dotdot_is_refused(store, tmp_path, name):
    tar = write_tar(tmp_path / "a.tar", entry("ok", data=b"x"), entry(name, data=b"x"))
    assert "leads out" in refused(store, tar)
    assert outside_is_untouched(tmp_path)


@pytest.mark.parametrize("target", ["/etc", "../../../../../../../../etc", "/", "."])
def test_a_file_through_a_symlink_stays_in_the_image(store, tmp_path, target):
    tar = write_tar(
        tmp_path / "a.tar",
        entry("link", tarfile.SYMTYPE, link=target),
        entry("link/light-runner-escape", data=b"x"),
    )
    with mounted(store, imported(store, tar)["digest"], tmp_path / "m") as root:
        place = root / ("etc" if "etc" in target else ".")
        assert (place / "light-runner-escape").read_bytes() == b"x"
    assert outside_is_untouched(tmp_path)


def test_a_file_in_place_of_a_symlink_does_not_follow_it(store, tmp_path):
    tar = write_tar(
        tmp_path / "a.tar",
        entry("target", data=b"old"),
        entry("link", tarfile.SYMTYPE, link="target"),
        entry("link", data=b"new"),
    )
    with mounted(store, imported(store, tar)["digest"], tmp_path / "m") as root:
        assert not (root / "link").is_symlink()
        assert (root / "target").read_bytes() == b"old"
        assert (root / "link").read_bytes() == b"new"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd", "link/passwd"])
def test_a_hard_link_to_the_outside_is_refused(store, tmp_path, target):
    tar = write_tar(
        tmp_path / "a.tar",
        entry("link", tarfile.SYMTYPE, link="/etc"),
        entry("mine", tarfile.LNKTYPE, link=target),
        entry("mine", data=b"overwritten"),
    )
    links = os.stat("/etc/passwd").st_nlink
    refused(store, tar)
    # Other tests may add users at the same time, so the file's time is not compared.
    with open("/etc/passwd", "rb") as passwd:
        assert b"overwritten" not in passwd.read()
    assert os.stat("/etc/passwd").st_nlink == links


def test_a_path_that_is_too_deep_or_too_long_is_refused(store, tmp_path):
    assert "deep" in refused(store, write_tar(tmp_path / "a.tar", entry("d/" * 300 + "f", data=b"x")))
    refused(store, write_tar(tmp_path / "b.tar", entry("/".join(["n" * 250] * 17), data=b"x")))
    refused(store, write_tar(tmp_path / "c.tar", entry("n" * 256, data=b"x")))


def test_an_archive_that_is_cut_off_is_refused(store, tmp_path):
    whole = small_tar(tmp_path / "a.tar").read_bytes()
    whole = write_tar(tmp_path / "a.tar", entry("a", data=b"a" * 700), entry("b", data=b"\0" * 512)).read_bytes()
    packed = gzip.compress(whole)
    end = 512 + 1024 + 512 + 512  # the length of the last file
    assert whole[:end].rstrip(b"\0") == whole.rstrip(b"\0")
    for length in (100, 513, 512 + 700, 512 + 1024, 512 + 1024 + 512, end):
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        refused(store, tmp_path / "cut.tar")
    for length in (5, len(packed) // 2, len(packed) - 9, len(packed) - 1):
        (tmp_path / "cut.gz").write_bytes(packed[:length])
        refused(store, tmp_path / "cut.gz")


def test_a_flipped_bit_in_a_packed_archive_is_refused(store, tmp_path):
    whole = write_tar(tmp_path / "a.tar", entry("a", data=random.Random(2).randbytes(100000))).read_bytes()
    packed = bytearray(gzip.compress(whole))
    packed[len(packed) // 2] ^= 1
    (tmp_path / "bad.gz").write_bytes(packed)
    refused(store, tmp_path / "bad.gz")


def test_what_is_no_archive_is_refused(store, tmp_path):
    noise = random.Random(3).randbytes(16 * MIB)
    for name, data in (("noise", noise), ("gz", gzip.compress(noise)), ("text", b"hello\n" * 1000),
                       ("zip", b"PK\3\4" + bytes(2000))):
        (tmp_path / name).write_bytes(data)
        assert refused(store, tmp_path / name).startswith("not a tar archive"), name
    (tmp_path / "empty").write_bytes(b"")
    assert "empty" in refused(store, tmp_path / "empty")
    (tmp_path / "zeros").write_bytes(bytes(10240))
    refused(store, tmp_path / "zeros")


def test_a_compression_bomb_is_bounded(store, tmp_path):
    bomb = tmp_path / "bomb.tar.gz"
    with tarfile.open(bomb, "w:gz", compresslevel=9) as tar:
        tar.addfile(*[entry("zeros", size=64 * MIB)[0], open("/dev/zero", "rb")])
    assert bomb.stat().st_size < MIB
    message = refused(store, bomb, LIGHT_RUNNER_IMAGE_MAX_BYTES="16m")
    assert "more than 16777216 bytes" in message
    assert imported(store, bomb)["size"] > 64 * MIB


def test_holes_count_against_the_limit(store, tmp_path):
    hole = tmp_path / "hole"
    with open(hole, "wb") as file:
        file.truncate(100 << 30)
    tar = tmp_path / "a.tar"
    subprocess.run(["tar", "-S", "-C", str(tmp_path), "-cf", str(tar), "hole"], check=True, timeout=30)
    assert tar.stat().st_size < MIB
    assert "more than" in refused(store, tar)


def test_the_limit_cannot_be_raised(store, tmp_path):
    tar = write_tar(tmp_path / "a.tar", entry("a", size=0))
    raw = bytearray(tar.read_bytes())
    header = tarfile.TarInfo("huge")
    header.size = 65 << 30
    raw[:512] = header.tobuf(tarfile.GNU_FORMAT)
    tar.write_bytes(raw)
    assert "more than" in refused(store, tar, LIGHT_RUNNER_IMAGE_MAX_BYTES="9000g")


def test_names_in_messages_cannot_drive_a_terminal(store, tmp_path):
    tar = write_tar(tmp_path / "a.tar", entry("../\x1b]0;owned\x07\n", data=b"x"))
    done = image(store, "import", tar, "x")
    assert done.returncode == 125
    assert b"\x1b" not in done.stderr and b"\x07" not in done.stderr
    assert done.stderr.count(b"\n") == 1


# ---------------------------------------------------------------- concurrent and killed imports


def start_import(store, name):
    return subprocess.Popen(
        [RUNNER, "image", "import", "-", name], env=environment(store),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_imports_of_one_name_at_once(store, tmp_path):
    tar = small_tar(tmp_path / "a.tar").read_bytes()
    both = [start_import(store, "same") for _ in range(2)]
    for process in both:
        process.stdin.write(tar[:600])
        process.stdin.flush()
    time.sleep(0.2)
    assert len(os.listdir(store / "tmp")) == 2, "both are under way"
    ends = [process.communicate(tar[600:], timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert ends[0][0] == ends[1][0]
    assert [i["name"] for i in listed(store)] == ["same:latest"]
    assert_tidy(store, files=1)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        found = [int(word) for word in file.read().split()]
    return found + [p for child in found for p in children_of(child)]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_import_that_is_killed_leaves_a_store_that_works(store, tmp_path, number):
    tar = small_tar(tmp_path / "a.tar")
    before = imported(store, tar, "before")
    half = write_tar(tmp_path / "b.tar", entry("d/a", data=b"a" * MIB), entry("b", data=b"b" * MIB))
    process = start_import(store, "killed")
    process.stdin.write(half.read_bytes()[: MIB + MIB // 2])
    process.stdin.flush()
    deadline = time.monotonic() + 10
    while len(helpers := children_of(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(helpers) == 2, "the supervisor and the unpacker"
    assert len(os.listdir(store / "tmp")) == 1
    process.send_signal(number)
    process.wait(timeout=20)
    while any(map(is_alive, helpers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, helpers)), "the helpers die with it"
    if number != signal.SIGKILL:
        assert process.returncode == 125
        assert_tidy(store, files=1)
    assert listed(store) == [before]
    imported(store, tar, "after")
    assert [i["name"] for i in listed(store)] == ["after:latest", "before:latest"]
    assert_tidy(store, files=1)
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()


# ---------------------------------------------------------------- ls, rm and the rest


def test_ls_shows_a_table(store, tmp_path):
    assert image(store, "ls").stdout.decode().split() == ["NAME", "DIGEST", "SIZE", "CREATED", "ENGINE"]
    assert listed(store) == []
    done = imported(store, small_tar(tmp_path / "a.tar"), "a/b")
    lines = image(store, "ls").stdout.decode().splitlines()
    assert len(lines) == 2
    words = lines[1].split()
    assert words[0] == "a/b:latest" and words[1] == done["digest"][7:19] and words[-2:] == [done["created"], "local"]


def test_rm_drops_names_and_at_last_the_file(store, tmp_path):
    tar = small_tar(tmp_path / "a.tar")
    for name in ("a", "b", "c:1"):
        digest = imported(store, tar, name)["digest"]
    assert image(store, "rm", "a").returncode == 0
    assert_tidy(store, files=1)
    done = image(store, "rm", "--json", "a", "b")
    assert done.returncode == 125
    assert json.loads(done.stdout)["error"]["code"] == "IMAGE_NOT_FOUND"
    assert [i["name"] for i in listed(store)] == ["c:1"], "the others are removed all the same"
    assert json.loads(image(store, "rm", "--json", digest).stdout) == {"removed": [digest]}
    assert_tidy(store, files=0)


def test_an_index_that_cannot_be_read_is_left_alone(store, tmp_path):
    tar = small_tar(tmp_path / "a.tar")
    imported(store, tar)
    index = store / "images" / "index.json"
    for text, code in (("{\"version\": 99}", "NOT_SUPPORTED"), ("not JSON", "IO_FAILED")):
        index.write_text(text)
        for words in (("ls",), ("rm", "x"), ("import", tar, "y")):
            done = image(store, *words)
            assert done.returncode == 125
            assert done.stderr.decode().startswith(f"light-runner: {code}: ")
            assert index.read_text() == text
    assert_tidy(store, files=1)


def test_wrong_usage_is_said_so(store, tmp_path):
    for words in ((), ("nope",), ("import",), ("import", "a", "b", "c"), ("rm",), ("ls", "x"),
                  ("import", "--nope"), ("import", small_tar(tmp_path / "a.tar"), "-x"),
                  ("import", tmp_path / "a.tar", "UP PER")):
        done = image(store, *words)
        assert done.returncode == 125, words
        assert b"INVALID_ARGUMENT" in done.stderr or b"unknown" in done.stderr, (words, done.stderr)
        assert done.stdout == b""


def test_an_archive_that_cannot_be_opened_is_named(store, tmp_path):
    """The hint names `pull`, for users who want an image from a registry."""
    for file, name in (("alpine", ()), (tmp_path / "missing", ("x",))):
        done = image(store, "import", "--json", file, *name)
        error = json.loads(done.stdout)["error"]
        assert done.returncode == 125 and error["code"] == "IO_FAILED" and error["operation"] == "image.import", error
        assert error["message"] == f"cannot open '{file}': No such file or directory", error
        assert "that exists" in error["hint"] and "light-runner image pull" in error["hint"], error
    small_tar(tmp_path / "missing")
    imported(store, tmp_path / "missing")


def test_every_command_has_help(store):
    for words in ((), ("import",), ("ls",), ("rm",), ("pull",)):
        done = image(store, *words, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(b"usage: light-runner image")
        assert done.stderr == b""
    assert not store.exists()


def test_mkfs_that_is_missing_is_named(store, tmp_path):
    tar = small_tar(tmp_path / "a.tar")
    # It is searched in the system's folders, too. The test hides them in its own mount namespace.
    empty = tmp_path / "none"
    empty.write_text("")
    found = [p for p in ("/usr/bin/mkfs.erofs", "/usr/sbin/mkfs.erofs", "/bin/mkfs.erofs",
                         "/sbin/mkfs.erofs", "/usr/local/bin/mkfs.erofs") if os.path.exists(p)]
    hide = " && ".join(f"mount --bind {empty} {os.path.realpath(p)}" for p in found)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{hide} && exec \"$@\"", "sh", RUNNER, "image", "import", str(tar), "x"],
        env=environment(store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125
    assert b"apt-get install erofs-utils" in done.stderr
    assert_tidy(store, files=0)


def test_mkfs_that_does_not_end_on_a_full_disk(store, tmp_path):
    """mkfs.erofs of erofs-utils 1.8 behaves like this. It is killed, and the error says why."""
    store.mkdir()
    tar = small_tar(tmp_path / "a.tar")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mkfs.erofs").write_text("#!/bin/sh\nyes > /image 2>/dev/null\nsleep 1000\n")
    (programs / "mkfs.erofs").chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "small", str(store)], check=True, timeout=30)
    try:
        assert "No space left" in refused(store, tar, code="IO_FAILED", PATH=f"{programs}:{os.environ['PATH']}")
    finally:
        subprocess.run(["umount", "-l", str(store)], check=True, timeout=30)
