# SPDX-License-Identifier: MIT
"""The host's own disk is full or read-only: the error says so, and nothing is left."""
import json
import os
import subprocess

import pytest

from harness import host, images

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


@pytest.fixture
def small(tmp_path):
    """Returns a function that makes a file system of this many bytes. All of them are unmounted at the end."""
    made = []

    def make(size):
        folder = tmp_path / f"small{len(made)}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small", str(folder)], check=True)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    with open(folder / "filler", "wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            pass


@pytest.fixture
def small_store(runner, small):
    """A store on a file system of 32 MiB with the image `busybox` in it."""
    if runner.engine != "local":
        pytest.skip("the store is the local engine's")
    folder = small(32 << 20)
    tar = images.make_busybox_tar(str(folder / "busybox.tar"))
    environment = dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(folder / "data"))
    done = runner.cli("image", "import", tar, "busybox", env=environment)
    assert done.code == 0, done
    os.unlink(tar)
    return folder, environment


def test_no_room_for_the_runs_storage(runner, small_store):
    folder, environment = small_store
    fill(folder)
    outcome = runner.submit(runner.request("echo started"), env=environment)
    assert outcome.code == 125 and "started" not in outcome.text
    assert "No space left" in outcome.error["message"], outcome
    os.unlink(folder / "filler")
    assert runner.submit(runner.request("echo started"), env=environment).code == 0, "nothing is broken for later"


def test_it_fills_up_while_a_run_writes(runner, small_store):
    """The data is lost, but the run ends with a result."""
    folder, environment = small_store
    assert runner.submit(runner.request("true"), env=environment).code == 0
    outcome = runner.submit(runner.request("dd if=/dev/zero of=f bs=1M count=200; sync; echo end"), env=environment)
    assert outcome.code in (0, 125, 137), outcome
    assert runner.submit(runner.request("echo again"), env=environment).lines == ["again"]


@pytest.mark.cells("local-runc")
def test_no_room_for_an_import(runner, small_store):
    folder, environment = small_store
    big = small_store[0].parent / "big.tar"
    with open(big.parent / "big", "wb") as file:
        file.write(os.urandom(40 << 20))
    subprocess.run(["tar", "-cf", str(big), "-C", str(big.parent), "big"], check=True)
    done = runner.cli("image", "import", "--json", str(big), "big", env=environment)
    error = json.loads(done.stdout)["error"]
    assert done.code == 125 and "No space left" in error["message"], error
    listed = runner.cli("image", "ls", "--json", env=environment, expects_json=False)
    assert [i["name"] for i in json.loads(listed.stdout)] == ["busybox:latest"]
    assert os.listdir(folder / "data" / "tmp") == []


@pytest.mark.any_tier
def test_no_room_for_setup_steps(runner, small_store):
    folder, environment = small_store
    outcome = runner.submit(runner.request("echo started", run=["cat /dev/urandom | head -c 40000000 > /big"]), env=environment)
    assert outcome.code == 125 and "started" not in outcome.text
    assert runner.submit(runner.request("echo again"), env=environment).lines == ["again"]


@pytest.mark.any_tier
def test_no_room_for_what_comes_out(runner, small):
    folder = small(1 << 20)
    outcome = runner.run("dd if=/dev/zero of=f bs=1M count=8 2>/dev/null", extract=[("f", folder / "out")])
    assert outcome.code == 0 and outcome.json["success"]
    entry = outcome.json["extracted"][0]
    assert entry["status"] == "error" and "No space left" in entry["error"]
    assert os.listdir(folder / "out") == [], "half a file looks like a whole one"


@pytest.mark.any_tier
def test_no_room_for_output_that_waits(runner, small, tmp_path):
    """The caller does not read, and there is no space to keep its output. With space, as the hint says, nothing is lost."""
    def unread(folder):
        process = subprocess.Popen([runner.executable, "run", "--request", path], env=dict(os.environ, TMPDIR=str(folder)),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert host.wait_until(lambda: _sandbox(process.pid), 20)
        assert host.wait_until(lambda: not _sandbox(process.pid), 20), "it ends although nobody reads"
        stdout, stderr = process.communicate(timeout=30)
        return process.returncode, len(stdout), stderr

    path = runner.write_request(runner.request("sleep 1; dd if=/dev/zero bs=1M count=16 2>/dev/null", options={"maxLogBytes": 64 << 20}))
    code, _, stderr = unread(small(1 << 20))
    assert code == 125 and b"No space left" in stderr and b"set TMPDIR" in stderr, stderr[-300:]
    assert unread(tmp_path) == (0, 16 << 20, b"")


@pytest.mark.any_tier
def test_no_folder_for_temporary_files(runner):
    """With a read-only root or a missing TMPDIR, waiting output is kept in memory."""
    outcome = runner.submit(runner.request("i=0; while [ $i -lt 300 ]; do cat /bin/busybox; i=$((i+1)); done | head -c 3000000"),
                            env=dict(os.environ, TMPDIR="/nonexistent"))
    assert outcome.code == 0 and outcome.json["success"] and len(outcome.stderr) == 3000000, outcome.code


def _sandbox(pid):
    """The processes of a run besides its supervisor."""
    return list(host.descendants(pid))[1:]


@pytest.mark.cells("local-runc")
@pytest.mark.parametrize("mode", ["foreign", "open"])
def test_a_store_that_others_may_change_is_refused(runner, tmp_path, mode):
    """A user who can change an image decides what runs."""
    if runner.engine != "local":
        pytest.skip("the store is the local engine's")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["cp", "-a", os.path.join(os.environ["LIGHT_RUNNER_DATA_DIR"], "images"), data], check=True, timeout=60)
    os.chmod(data, 0o777 if mode == "open" else 0o700)
    if mode == "foreign":
        os.chown(data, 12345, 12345)
    outcome = runner.submit(runner.request("echo started"), env=dict(os.environ, LIGHT_RUNNER_DATA_DIR=str(data)))
    assert outcome.code == 125 and "started" not in outcome.text and outcome.error["hint"], outcome
