# SPDX-License-Identifier: MIT
"""`light-runner setup gvisor`, against a mirror on loopback."""
import contextlib
import fcntl
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import tempfile
import threading
import time

import pytest

from harness import dockerd, image_maker, images, tools
from harness.host import wait_until

PROGRAM = os.environ.get("LIGHT_RUNNER") or os.path.abspath(os.path.join(os.path.dirname(__file__), "../../build/light-runner"))
SHIM = "containerd-shim-runsc-v1"
RUNSC = b"#!/bin/sh\necho runsc version release-20260901.0\necho spec: 1.1.0\n"
FILES = {"runsc": RUNSC, SHIM: b"#!/bin/sh\nexit 0\n"}
SIDECARS = {"gvisor-bin/gvisor_sentry": b"sentry", "gvisor-bin/runsc-metric-server": b"metrics"}
ARCHIVE = "gvisor.tar.zstd"
need_zstd = pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not installed")


class Mirror:
    """Serves files from memory. `broken` maps the end of a path to a function that answers instead."""

    def __init__(self):
        self.files, self.broken, self.asked = {}, {}, []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.asked.append(self.path)
                for end, act in mirror.broken.items():
                    if self.path.endswith(end):
                        with contextlib.suppress(OSError):
                            act(self)
                        return
                data = mirror.files.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/r"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def add(self, release, files):
        for name, data in files.items():
            path = f"/r/{release}/{os.uname().machine}/{name}"
            self.files[path] = data
            self.files[path + ".sha512"] = f"{hashlib.sha512(data).hexdigest()}  {name}\n".encode()


@pytest.fixture
def mirror():
    m = Mirror()
    m.add("latest", FILES)
    m.add("20260901.0", FILES)
    yield m
    m.server.shutdown()
    m.server.server_close()


@pytest.fixture
def place(tmp_path):
    """The target of the installation: a folder for programs, and a path for daemon.json."""
    (tmp_path / "bin").mkdir()
    return tmp_path


def open_way(place):
    """Lets other users reach the programs."""
    os.chmod(place / "bin", 0o755)
    for folder in [place, *place.parents]:
        if str(folder).startswith(tempfile.gettempdir() + "/"):
            os.chmod(folder, 0o755)


def command(mirror, place, *flags):
    return [PROGRAM, "setup", "gvisor", "--mirror", mirror.url, "--prefix", str(place / "bin"), "--daemon-json",
            str(place / "daemon.json"), "--docker-pid", str(place / "docker.pid"), *flags]


def install(mirror, place, *flags, env=None):
    return subprocess.run(command(mirror, place, *flags), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, env=env)


def error(done):
    assert done.returncode == 125, done
    return json.loads(done.stdout)["error"]


def untouched(place):
    return os.listdir(place / "bin") == [] and not (place / "daemon.json").exists()


def test_it_installs_and_registers(mirror, place):
    done = install(mirror, place, "--json")
    assert done.returncode == 0, done
    document = json.loads(done.stdout)
    assert document["version"] == "runsc version release-20260901.0" and document["release"] == "latest"
    assert document["docker"] == {"asked": True, "changed": True, "reloaded": False, "accepted": False}
    for name, data in FILES.items():
        path = place / "bin" / name
        assert path.read_bytes() == data and stat.S_IMODE(path.stat().st_mode) == 0o755
    entry = json.loads((place / "daemon.json").read_text())["runtimes"]["runsc"]
    assert entry["path"] == str(place / "bin" / "runsc") and "--in-sandbox-cgroup=v2" in entry["runtimeArgs"]
    # For runs without a network, which start in two thirds of the time with it.
    other = json.loads((place / "daemon.json").read_text())["runtimes"]["runsc-network-none"]
    assert other == {"path": entry["path"], "runtimeArgs": [*entry["runtimeArgs"], "--network=none"]}
    assert sorted(os.listdir(place / "bin")) == sorted(FILES)


def test_again_it_changes_nothing_more(mirror, place):
    assert install(mirror, place).returncode == 0
    before = (place / "daemon.json").stat()
    document = json.loads(install(mirror, place, "--json").stdout)
    assert document["docker"]["changed"] is False
    assert (place / "daemon.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize("release", ["20260901.0", "release-20260901.0"])
def test_a_release(mirror, place, release):
    assert install(mirror, place, "--release", release).returncode == 0
    assert all("/20260901.0/" in path for path in mirror.asked)


@pytest.mark.parametrize("words", [["--release", "../x"], ["--release", "2026"], ["--release", "20260901.x"], ["--mirror", "ftp://x"],
                                   ["--mirror", "file:///etc"], ["--prefix", "bin"], ["--daemon-json", "x"], ["--name", "a b"],
                                   ["--name", "runc"], ["--no-such"], ["word"], ["--release"]])
def test_wrong_usage(mirror, place, words):
    done = install(mirror, place, "--json", *words)
    assert error(done)["code"] == "INVALID_ARGUMENT" and untouched(place) and mirror.asked == []


def test_a_dry_run_does_nothing(mirror, place):
    done = install(mirror, place, "--dry-run")
    assert done.returncode == 0 and untouched(place) and mirror.asked == []
    text = done.stdout.decode()
    assert all(word in text for word in (f"{mirror.url}/latest/{os.uname().machine}/runsc", "sha512", "daemon.json", "SIGHUP"))


def test_a_dry_run_as_json(mirror, place):
    done = install(mirror, place, "--dry-run", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["dryRun"] is True and untouched(place) and mirror.asked == []
    assert any("sha512" in step for step in document["steps"]) and any("SIGHUP" in step for step in document["steps"])


@pytest.mark.parametrize("words", [["gvisor", "--dry-run"], ["gvisor", "--dry-run", "--json"], ["gvisor", "--help"], ["kata", "--help"]])
def test_a_full_disk_for_what_is_printed(words, tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "setup", *words, *(["--no-docker"] if "gvisor" in words else [])], stdout=full,
                              stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125 and b"IO_FAILED" in done.stderr, done


def flip(handler):
    data = bytearray(RUNSC)
    data[-2] ^= 1
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(bytes(data))


def cut_short(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(RUNSC)))
    handler.end_headers()
    handler.wfile.write(RUNSC[:10])
    handler.close_connection = True


def shorter(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "10")
    handler.end_headers()
    handler.wfile.write(RUNSC[:10])


def missing(handler):
    handler.send_error(404)


def refusing(handler):
    handler.send_error(503)


def hang_up(handler):
    handler.close_connection = True


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(bytes(1 << 20))


def to_a_file(handler):
    handler.send_response(302)
    handler.send_header("Location", "file:///etc/passwd")
    handler.end_headers()


@pytest.mark.parametrize("how", [flip, cut_short, shorter, missing, refusing, hang_up, endless, to_a_file], ids=lambda h: h.__name__)
@pytest.mark.parametrize("end", ["/runsc", f"/{SHIM}"])
def test_a_program_that_is_not_right(mirror, place, end, how):
    mirror.broken[end] = how
    e = error(install(mirror, place, "--json"))
    assert e["code"] == "IO_FAILED" and e["message"] and untouched(place), e


@pytest.mark.parametrize("text", [b"", b"rubbish", b"0" * 127, b"0" * 128, b"A" * 128, b"x" * 100000],
                         ids=["empty", "rubbish", "short", "another", "capitals", "long"])
def test_a_digest_that_is_not_right(mirror, place, text):
    mirror.files[f"/r/latest/{os.uname().machine}/runsc.sha512"] = text
    assert error(install(mirror, place, "--json"))["code"] == "IO_FAILED" and untouched(place)


def test_a_program_that_does_not_start(mirror, place):
    mirror.add("latest", {"runsc": b"#!/bin/sh\nexit 1\n"})
    assert error(install(mirror, place, "--json"))["code"] == "IO_FAILED"
    assert not (place / "daemon.json").exists(), "Docker hears of nothing that does not work"


def test_what_was_there_stays_when_it_fails(mirror, place):
    (place / "bin" / "runsc").write_bytes(b"old")
    (place / "daemon.json").write_text('{"debug": true}')
    mirror.broken["/runsc"] = flip
    assert install(mirror, place).returncode == 125
    assert (place / "bin" / "runsc").read_bytes() == b"old" and (place / "daemon.json").read_text() == '{"debug": true}'
    assert os.listdir(place / "bin") == ["runsc"]


@pytest.mark.parametrize("end", ["/runsc", f"/{SHIM}", ".sha512"])
def test_killed_halfway_it_has_changed_nothing(mirror, place, end):
    reached = threading.Event()

    def stall(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"0" * 100)
        handler.wfile.flush()
        reached.set()
        time.sleep(5)

    mirror.broken[end] = stall
    process = subprocess.Popen(command(mirror, place), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert reached.wait(20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert untouched(place)


# ---------------------------------------------------------------- releases that are an archive

def member(name, data=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mode = len(data), kind, link, 0o600
    return info, data


def pack(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return image_maker.zstd(out.getvalue())


def release(**changed):
    """An archive like gVisor's. A member that is None is left out."""
    files = {**FILES, **SIDECARS, **changed}
    return pack(member("./gvisor-bin", kind=tarfile.DIRTYPE),
                *(member("./" + name, data) for name, data in files.items() if data is not None))


def folders(place):
    return sorted(name for name in os.listdir(place / "bin") if name not in FILES)


@need_zstd
def test_a_release_that_is_an_archive(mirror, place):
    data = release()
    mirror.add("latest", {ARCHIVE: data})
    done = install(mirror, place, "--json")
    assert done.returncode == 0, done
    document = json.loads(done.stdout)
    assert document["sidecars"] == [name.split("/")[1] for name in SIDECARS] and document["version"].endswith("20260901.0")
    assert folders(place) == ["gvisor-" + hashlib.sha512(data).hexdigest()[:16]]
    assert not any(path.endswith(("/runsc", SHIM)) for path in mirror.asked), "the programs are not downloaded twice"
    beside = (place / "bin" / "runsc").resolve().parent
    for name, content in {**FILES, **SIDECARS}.items():
        assert (beside / name).read_bytes() == content and stat.S_IMODE((beside / name).stat().st_mode) == 0o755
    assert (place / "bin" / SHIM).resolve() == beside / SHIM
    entry = json.loads((place / "daemon.json").read_text())["runtimes"]["runsc"]
    assert entry["path"] == str(place / "bin" / "runsc"), "the next release is found without Docker being told"


@need_zstd
def test_releases_one_after_the_other(mirror, place):
    """An update replaces everything at once. Sandboxes of the previous release may still need its folder; older folders are removed."""
    (place / "bin" / "runsc").write_bytes(b"of a release without an archive")
    seen = []
    for number in (1, 2, 3, 3):
        mirror.add("latest", {ARCHIVE: release(**{"gvisor-bin/gvisor_sentry": b"%d" % number})})
        assert install(mirror, place).returncode == 0
        name = os.readlink(place / "bin" / "runsc").split("/")[0]
        assert (place / "bin" / name / "gvisor-bin" / "gvisor_sentry").read_bytes() == b"%d" % number
        assert os.readlink(place / "bin" / SHIM).split("/")[0] == name
        seen = [name] if name in seen else [*seen, name]
        assert folders(place) == sorted(seen[-2:])
    mirror.files.pop(f"/r/latest/{os.uname().machine}/{ARCHIVE}.sha512")
    assert install(mirror, place).returncode == 0, "and back to one without"
    assert (place / "bin" / "runsc").read_bytes() == RUNSC and not (place / "bin" / "runsc").is_symlink()


@need_zstd
@pytest.mark.parametrize("data", [
    lambda: b"rubbish", lambda: release()[:200], lambda: pack(), lambda: release(runsc=None), lambda: release(**{SHIM: None}),
    lambda: pack(*(member(name, data) for name, data in FILES.items()), member("runsc", b"again")),
    lambda: pack(member("runsc", kind=tarfile.SYMTYPE, link="/bin/sh"), member(SHIM, b"x")),
    lambda: pack(member(SHIM, b"x"), member("runsc", kind=tarfile.LNKTYPE, link=SHIM)),
    lambda: pack(*(member(name, data) for name, data in FILES.items()), member("gvisor-bin/x", kind=tarfile.SYMTYPE, link="/bin/sh")),
    lambda: pack(*(member(name, data) for name, data in FILES.items()), *(member(f"gvisor-bin/{n}") for n in range(40))),
], ids=["rubbish", "cut", "empty", "no-runsc", "no-shim", "twice", "link", "hard-link", "linked-sidecar", "many"])
def test_an_archive_that_is_not_right(mirror, place, data):
    """Its digest is right."""
    mirror.add("latest", {ARCHIVE: data()})
    e = error(install(mirror, place, "--json"))
    assert e["code"] == "IO_FAILED" and "archive" in e["message"] and untouched(place), e


@need_zstd
@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "gvisor-bin/../../escaped", "gvisor-bin/a/b", "gvisor-bin/.hidden",
                                  "gvisor-bin/" + "x" * 64, "gvisor-bin/a b", "LICENSE", "runsc/x"])
def test_what_else_is_in_it_stays_there(mirror, place, name):
    mirror.add("latest", {ARCHIVE: pack(*(member(n, d) for n, d in {**FILES, **SIDECARS}.items()), member(name, b"other"))})
    assert install(mirror, place).returncode == 0
    found = {str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()}
    folder = folders(place)[0]
    assert found == {"daemon.json", *(f"bin/{n}" for n in FILES), *(f"bin/{folder}/{n}" for n in {**FILES, **SIDECARS})}
    assert not os.path.exists("/tmp/escaped")


@need_zstd
@pytest.mark.parametrize("how", [flip, cut_short, shorter, refusing, hang_up, endless, to_a_file], ids=lambda h: h.__name__)
@pytest.mark.parametrize("end", [ARCHIVE, ARCHIVE + ".sha512"])
def test_an_archive_that_does_not_come(mirror, place, end, how):
    """The single programs that the server also has are not used instead."""
    mirror.add("latest", {ARCHIVE: release()})
    mirror.broken[end] = how
    assert error(install(mirror, place, "--json"))["code"] == "IO_FAILED" and untouched(place)


@need_zstd
def test_killed_while_it_installs_an_archive(mirror, place):
    """The next setup removes the remains."""
    left = place / "bin" / ".gvisor-12345"
    (left / "gvisor-bin").mkdir(parents=True)
    (left / "gvisor-bin" / "x").write_bytes(b"x")
    (left / "runsc").write_bytes(b"x")
    mirror.add("latest", {ARCHIVE: release()})
    assert install(mirror, place).returncode == 0
    assert not left.exists() and len(folders(place)) == 1


def test_two_at_once(mirror, place):
    held = os.open(place / "bin", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another setup" in error(install(mirror, place, "--json"))["message"] and untouched(place)
    finally:
        os.close(held)


# ---------------------------------------------------------------- daemon.json

def test_everything_else_stays(mirror, place):
    settings = {"debug": True, "runtimes": {"other": {"path": "/opt/other", "runtimeArgs": ["--x"]}}, "log-opts": {"max-size": "1m"},
                "insecure-registries": ["a", "b"], "ümlaut": "ß"}
    (place / "daemon.json").write_text(json.dumps(settings))
    (place / "daemon.json").chmod(0o600)
    assert install(mirror, place).returncode == 0
    after = json.loads((place / "daemon.json").read_text())
    assert after["runtimes"].pop("runsc") and after["runtimes"].pop("runsc-network-none")
    assert after == settings and list(after) == list(settings)
    assert stat.S_IMODE((place / "daemon.json").stat().st_mode) == 0o600


def test_flags_of_the_users_own_stay(mirror, place):
    (place / "daemon.json").write_text(json.dumps({"runtimes": {"runsc": {"path": "/old", "runtimeArgs": ["--platform=kvm", "--debug", "--network=host"]}}}))
    assert install(mirror, place).returncode == 0
    entry = json.loads((place / "daemon.json").read_text())["runtimes"]["runsc"]
    assert entry["path"] == str(place / "bin" / "runsc")
    assert entry["runtimeArgs"][:2] == ["--platform=kvm", "--debug"] and "--platform=systrap" not in entry["runtimeArgs"]
    assert "--in-sandbox-cgroup=v2" in entry["runtimeArgs"] and "--network=host" in entry["runtimeArgs"]
    other = json.loads((place / "daemon.json").read_text())["runtimes"]["runsc-network-none"]["runtimeArgs"]
    assert other[:2] == ["--platform=kvm", "--debug"] and [flag for flag in other if "network" in flag] == ["--network=none"]


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"runtimes": []}', '{"runtimes": {"runsc": 1}}', '{"a": 1, "a": 2}',
                                  '{"runtimes": {"runsc": {"path": "/x", "runtimeArgs": "y"}}}'])
def test_one_that_is_broken_is_not_touched(mirror, place, text):
    """Nothing is downloaded either."""
    (place / "daemon.json").write_text(text)
    e = error(install(mirror, place, "--json"))
    assert e["code"] == "INVALID_ARGUMENT" and "--no-docker" in e["hint"]
    assert (place / "daemon.json").read_text() == text and mirror.asked == [] and os.listdir(place / "bin") == []


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_one_is_as_good_as_none(mirror, place, text):
    (place / "daemon.json").write_text(text)
    assert install(mirror, place).returncode == 0
    assert "runsc" in json.loads((place / "daemon.json").read_text())["runtimes"]


def test_a_link_stays_one(mirror, place):
    (place / "real.json").write_text('{"debug": true}')
    (place / "daemon.json").symlink_to("real.json")
    assert install(mirror, place).returncode == 0
    assert (place / "daemon.json").is_symlink() and json.loads((place / "real.json").read_text())["debug"] is True


def test_without_docker(mirror, place):
    (place / "daemon.json").write_text("{")
    assert install(mirror, place, "--no-docker").returncode == 0
    assert (place / "daemon.json").read_text() == "{" and (place / "bin" / "runsc").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's rights on")
def test_without_the_right_to_write(mirror, place):
    open_way(place)
    done = subprocess.run(["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", *command(mirror, place, "--json")],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert error(done)["code"] == "IO_FAILED" and "sudo" in error(done)["hint"] and os.listdir(place / "bin") == []


# ---------------------------------------------------------------- a daemon

@pytest.fixture
def daemon():
    if dockerd.missing():
        pytest.skip(dockerd.missing())
    process = dockerd.Process(tempfile.mkdtemp(prefix="lr-dockerd-"), runtimes={})
    yield process
    process.remove()


def docker_flags(process):
    return ["--daemon-json", f"{process.folder}/daemon.json", "--docker-pid", f"{process.folder}/pid"]


def test_a_daemon_accepts_it_and_runs_with_it(mirror, place, daemon, tmp_path):
    """From a mirror to a run on gVisor's kernel."""
    real = tools.runsc()
    if not real:
        pytest.skip("no runsc in the cache: run scripts/install-runsc")
    with open(real, "rb") as file:
        mirror.add("latest", {"runsc": file.read()})
    environment = dict(os.environ, DOCKER_HOST=daemon.host, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "data"))
    done = install(mirror, place, "--json", *docker_flags(daemon), env=environment)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["docker"] == {"asked": True, "changed": True, "reloaded": True, "accepted": True}
    dockerd.Daemon(daemon.host).load_rootfs(images.make_busybox_tar(str(tmp_path / "b.tar")), "busybox")
    done = subprocess.run([PROGRAM, "verify", "--engine", "docker", "--runtime", "runsc"], env=environment, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and b"Starting gVisor" in done.stdout, done


@need_zstd
def test_a_run_on_the_sentry_of_the_archive(mirror, place, tmp_path):
    """gVisor finds the sidecars of its release: its sentry is the sidecar, not runsc itself."""
    real = tools.runsc()
    if not real or os.geteuid() != 0:
        pytest.skip("no runsc in the cache: run scripts/install-runsc" if os.geteuid() == 0 else "the tier runsc takes root")
    with open(real, "rb") as file:
        program = file.read()
    open_way(place)
    # runsc is its own sentry if there is no other, so a copy of it works as one. The script in front of it starts it.
    prewarmer = b'#!/bin/sh\nprogram=$1\nshift 2\nexec "$program" "$@"\n'
    mirror.add("latest", {ARCHIVE: release(**{"runsc": program, "gvisor-bin/gvisor_sentry": program,
                                              "gvisor-bin/gvisor-sentry-prewarmer": prewarmer})})
    assert install(mirror, place, "--no-docker").returncode == 0
    environment = dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(tmp_path / "data"), LIGHT_RUNNER_RUNSC=str(place / "bin" / "runsc"))
    archive = images.make_busybox_tar(str(tmp_path / "b.tar"))
    subprocess.run([PROGRAM, "image", "import", archive, "busybox"], env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([PROGRAM, "run", "--engine", "local", "--runtime", "runsc", "busybox", "echo up; sleep 30"], env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n", process.stderr.read()
        started = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                started.add(os.readlink(f"/proc/{pid}/exe"))
        assert str(place / "bin" / folders(place)[0] / "gvisor-bin" / "gvisor_sentry") in started, sorted(started)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
        process.stderr.close()


def test_a_daemon_that_reads_another_file(mirror, place, daemon):
    environment = dict(os.environ, DOCKER_HOST=daemon.host)
    e = error(install(mirror, place, "--json", "--docker-pid", f"{daemon.folder}/pid", env=environment))
    assert e["code"] == "CONTAINER_START_FAILED" and "runsc" in e["message"] and e["hint"]


@pytest.mark.parametrize("text", ["", "x", "-1", "1", "0", "99999999999"])
def test_a_process_number_that_is_none(mirror, place, text):
    (place / "docker.pid").write_text(text)
    done = install(mirror, place, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["docker"]["reloaded"] is False


HEARS = "import signal, time\nsignal.signal(signal.SIGHUP, lambda *_: (print('heard', flush=True), exit(0)))\nprint('up', flush=True)\ntime.sleep(120)\n"


@pytest.mark.parametrize("program, heard", [("not-dockerd", False), ("dockerd-helper", False), ("dockerd", True)])
def test_a_process_of_somebody_elses(mirror, place, program, heard):
    """The file may be old, and the number may belong to another process by now. The control is a process with a daemon's name."""
    shutil.copy(os.path.realpath("/usr/bin/python3"), place / program)
    process = subprocess.Popen([str(place / program), "-S", "-c", HEARS], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout.readline() == b"up\n"
        (place / "docker.pid").write_text(str(process.pid))
        done = install(mirror, place, "--json")
        if heard:
            # It gets the signal, but it is not a daemon that could confirm that it knows the runtime.
            assert process.stdout.readline() == b"heard\n", done
        else:
            assert done.returncode == 0 and json.loads(done.stdout)["docker"]["reloaded"] is False, done
            assert process.poll() is None, "it has got a signal"
    finally:
        process.kill()
        process.communicate(timeout=20)


@pytest.mark.parametrize("url", ["http://mirror.example/x", "http://127.evil.example/", "http://127.1/", "http://127.0.0.1@evil.example/",
                                 "http://localhost.evil.example", "http://[::1]/", "http://2130706433/", "ftp://127.0.0.1/", "127.0.0.1"])
def test_a_mirror_without_tls(place, url):
    """Its programs run as root, and nothing else authenticates them. A mirror on loopback needs no TLS, as in the other tests."""
    done = subprocess.run([PROGRAM, "setup", "gvisor", "--mirror", url, "--json", "--prefix", str(place / "bin"), "--no-docker"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    e = json.loads(done.stdout)["error"]
    assert e["code"] == "INVALID_ARGUMENT" and "mirror" in e["message"] and "https" in e["hint"], e


def test_a_process_that_is_gone(mirror, place):
    process = subprocess.Popen(["true"])
    process.wait()
    (place / "docker.pid").write_text(str(process.pid))
    done = install(mirror, place, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["docker"]["reloaded"] is False, done
    assert wait_until(lambda: (place / "bin" / "runsc").exists())
