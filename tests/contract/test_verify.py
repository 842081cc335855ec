# SPDX-License-Identifier: MIT
"""`light-runner verify`: evidence of the kernel that a tier runs on."""
import ctypes
import json
import os
import platform
import shutil
import tempfile

import pytest

from harness import dockerd, host, images
from test_housekeeping import library  # noqa: F401


class VerifyOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("image", ctypes.c_char_p), ("cancel_fd", ctypes.c_int)]


def verify(runner, *flags, **call):
    return runner.cli("verify", *runner.cell_flags(), "--json", *flags, **call)


def test_what_is_seen(runner, store):
    before = host.leftovers(store)
    done = verify(runner)
    assert done.code == 0 and done.json["verified"] is True and done.json["runtime"] == runner.tier
    assert {"kernel", "seccomp", "capabilities"} <= set(done.json["checked"])
    assert done.json["hostKernel"] == platform.release() and done.json["verdict"]
    evidence = done.json["evidence"]
    assert done.json["kernel"] in evidence["uname"][0] and len(evidence["maps"]) == 3 and evidence["version"]
    if runner.tier == "runsc":
        assert "Starting gVisor" in evidence["log"][0] and any("[usertrap]" in line for line in evidence["maps"])
        assert platform.release() not in json.dumps(evidence) and done.json["kernel"] != platform.release()
    else:
        assert "log" not in evidence and (done.json["kernel"] == platform.release()) == (runner.tier == "runc")
    if runner.cell == ("local", "kata"):
        assert sorted(evidence["network"]) == ["eth0", "lo"]
    assert host.new_leftovers(before, store) == {}


@pytest.mark.any_tier
@pytest.mark.any_user
def test_for_people(runner):
    done = runner.cli("verify", *runner.cell_flags())
    words = done.stdout.decode().splitlines()
    assert done.code == 0 and words[0].split() == ["tier", runner.tier]
    assert ("of its own, not on the host's" in words[-1]) == (runner.tier != "runc")


@pytest.mark.any_tier
@pytest.mark.any_user
def test_an_image_that_is_not_there(runner):
    done = verify(runner, "--image", "127.0.0.1:1/none")
    assert done.code == 125 and done.error["code"] == "CONTAINER_START_FAILED"


@pytest.mark.any_cell
@pytest.mark.any_user
@pytest.mark.parametrize("words", [["--runtime"], ["--no-such"], ["word"], ["--runtime", "vm"], ["--engine", "moon"]])
def test_wrong_usage(runner, words):
    done = runner.cli("verify", "--json", *words)
    assert done.code == 125 and done.error["code"] in ("INVALID_ARGUMENT", "NOT_SUPPORTED")


@pytest.mark.once
def test_another_kernel_than_was_asked_for(runner, tmp_path):
    """A daemon's runsc is really runc."""
    if runner.cell != ("docker", "runsc"):
        pytest.skip("needs somebody who starts another runtime than was asked for")
    process = dockerd.Process(tempfile.mkdtemp(prefix="lr-dockerd-"), runtimes={"runsc": {"path": shutil.which("runc")}})
    try:
        daemon = dockerd.Daemon(process.host)
        daemon.load_rootfs(images.make_busybox_tar(str(tmp_path / "b.tar")), "busybox")
        done = verify(runner, env=dict(os.environ, DOCKER_HOST=process.host))
        assert done.code == 1 and done.error["code"] == "ISOLATION_FAILED", done
        assert daemon.leftovers() == set()
    finally:
        process.remove()


def test_the_library_has_the_same_report(runner, library, store):
    lib, text = library(), ctypes.c_char_p()
    assert lib.call("lrun_verify", None, ctypes.byref(text)) == 0, lib.error.message
    report = json.loads(text.value)
    lib.lib.lrun_string_free(text)
    shown = verify(runner).json
    assert set(report) == {"runtime", "kernel", "hostKernel", "verified", "checked", "evidence", "verdict"} == set(shown)
    assert set(report["evidence"]) == set(shown["evidence"]), (report, shown)
    assert [report[k] for k in ("runtime", "kernel", "verified", "checked")] == [shown[k] for k in ("runtime", "kernel", "verified", "checked")]
    options = VerifyOptions()
    lib.lib.lrun_verify_options_init(ctypes.byref(options), ctypes.c_size_t(ctypes.sizeof(options)))
    assert (options.image, options.cancel_fd) == (None, -1)
    options.image = b"127.0.0.1:1/none"
    assert lib.call("lrun_verify", ctypes.byref(options), ctypes.byref(text)) == -1 and lib.code == "CONTAINER_START_FAILED"
    assert text.value is None
    options.image, options.cancel_fd = None, os.eventfd(1, os.EFD_CLOEXEC)
    assert lib.call("lrun_verify", ctypes.byref(options), ctypes.byref(text)) == -1 and lib.code == "IO_FAILED"
    assert lib.error.message == b"cancelled" and text.value is None
    os.close(options.cancel_fd)
    assert lib.call("lrun_verify", ctypes.byref(options), ctypes.byref(text)) == -1 and lib.code == "INVALID_ARGUMENT"
