# SPDX-License-Identifier: MIT
"""Images through the C API: importing, listing, pulling and removing them from a program that embeds the library."""
import ctypes
import json
import os
import threading

import pytest

from harness import host
from harness.image_maker import Image, busybox_layer, entry, image_layout, layer
from harness.registry import MISSING
from test_housekeeping import library  # noqa: F401
from test_pull_on_run import registry, stalled  # noqa: F401


pytestmark = pytest.mark.any_tier


class Progress(ctypes.Structure):
    _fields_ = [("what", ctypes.c_char_p), ("done", ctypes.c_uint64), ("total", ctypes.c_uint64)]


ON_PROGRESS = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Progress))


class Callbacks(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("user", ctypes.c_void_p), ("on_output", ctypes.c_void_p), ("on_line", ctypes.c_void_p),
                ("on_progress", ON_PROGRESS), ("input_fd", ctypes.c_int), ("cancel_fd", ctypes.c_int)]


class Images:
    """The image functions of one runner, and the progress that they have reported."""

    def __init__(self, lib):
        self.lib, self.seen, self.callbacks = lib, [], Callbacks()
        lib.lib.lrun_callbacks_init(ctypes.byref(self.callbacks), ctypes.c_size_t(ctypes.sizeof(Callbacks)))
        self.callbacks.on_progress = ON_PROGRESS(self.see)

    def see(self, _user, progress):
        self.seen.append((progress.contents.what, progress.contents.done, progress.contents.total))

    def ask(self, name, *arguments):
        """The answer, or the name of the error's code."""
        text = ctypes.c_char_p()
        rc = self.lib.call(name, *arguments, ctypes.byref(text))
        assert rc in (0, -1)
        if rc < 0:
            assert text.value is None and self.lib.error.message
            return self.lib.code
        answer = json.loads(text.value)
        self.lib.lib.lrun_string_free(text)
        return answer

    def pull(self, name, flags=0):
        return self.ask("lrun_image_pull", name.encode(), ctypes.c_uint(flags), ctypes.byref(self.callbacks))

    def import_(self, path, name):
        fd = os.open(path, os.O_RDONLY)
        try:
            return self.ask("lrun_image_import", ctypes.c_int(fd), name.encode(), ctypes.byref(self.callbacks))
        finally:
            os.close(fd)

    def names(self):
        return [image["name"] for image in self.ask("lrun_image_list")]

    def remove(self, name):
        return "OK" if self.lib.call("lrun_image_remove", name.encode()) == 0 else self.lib.code


@pytest.fixture
def images(library):
    return Images(library())


@pytest.fixture
def layout(tmp_path):
    image = Image(busybox_layer(), layer(entry("text", data=b"from a layout\n")), config={"Cmd": ["/bin/cat", "/text"]})
    return image_layout(tmp_path / "layout", image)


def test_an_image_comes_in_runs_and_goes(runner, images, layout):
    name = f"functions-{runner.engine}:1"
    image = images.import_(layout, name)
    assert image["name"].endswith(name) and image["engine"] == runner.engine and image["digest"].startswith("sha256:"), image
    assert image["config"]["cmd"] == ["/bin/cat", "/text"] and "skipped" not in image and "architecture" not in image, image
    assert image["name"] in images.names()
    assert runner.ok(None, name).lines == ["from a layout"]
    assert images.remove(name) == "OK" and image["name"] not in images.names()
    assert images.remove(name) == "IMAGE_NOT_FOUND"


def test_an_archive_is_told_of_while_it_is_read(images, tmp_path):
    (tmp_path / "x.tar").write_bytes(layer(entry("big", data=os.urandom(40 << 20))))
    image = images.import_(tmp_path / "x.tar", "functions-archive")
    assert images.seen and {what for what, _, _ in images.seen} == {b"import"}, images.seen
    assert image["size"] > 1 << 20 and images.remove("functions-archive") == "OK", image


def test_what_is_not_an_image(images, tmp_path):
    (tmp_path / "rubbish").write_bytes(b"no tar" * 1000)
    assert images.import_(tmp_path / "rubbish", "rubbish") == "IMAGE_INVALID"
    assert images.import_(tmp_path / "rubbish", "Not A Name") == "INVALID_ARGUMENT"
    assert not any("rubbish" in name for name in images.names())


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_pull(runner, images, registry):
    name = registry.push("function", "1", Image(busybox_layer(), config={"Cmd": ["/bin/true"]}))
    image = images.pull(name)
    assert image["name"] == name and image["engine"] == runner.engine, (image, images.lib.error.message)
    assert images.seen and {what for what, _, _ in images.seen} == {b"pull"}, images.seen
    assert images.remove(name) == "OK"
    assert images.pull(f"{registry.host}/none:1") == "IMAGE_NOT_FOUND"


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_pull_that_is_cancelled(images, stalled):
    name, called = stalled
    images.callbacks.cancel_fd = os.eventfd(0, os.EFD_CLOEXEC)

    def cancel():
        host.wait_until(called, 20)
        os.eventfd_write(images.callbacks.cancel_fd, 1)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert images.pull(name) == "IO_FAILED" and b"cancelled" in images.lib.error.message, images.lib.error.message
    thread.join()
    os.close(images.callbacks.cancel_fd)
    assert called(), "the registry was reached, and has not given up"


def test_what_is_not_taken(images):
    assert images.pull("x", flags=2) == "INVALID_ARGUMENT" and b"flags" in images.lib.error.message
    images.callbacks.input_fd = 1
    assert images.pull("x") == "INVALID_ARGUMENT" and b"input_fd" in images.lib.error.message
    images.callbacks.input_fd = -1
    assert images.ask("lrun_image_import", ctypes.c_int(-1), b"x", None) == "INVALID_ARGUMENT"


@pytest.mark.any_cell
def test_a_list_says_why_dockers_images_are_missing(runner, library, monkeypatch):
    if runner.engine != "local":
        pytest.skip("the engine docker is the one that does not answer here")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    images = Images(library("auto"))
    assert images.names() and images.lib.code == "DOCKER_UNREACHABLE" and images.lib.error.message, images.lib.code
    done = runner.cli("image", "ls")
    assert done.code == 0 and done.stderr.startswith(b"light-runner: Docker's images are not listed: "), done
    images = Images(library("local"))
    assert images.names() and images.lib.code != "DOCKER_UNREACHABLE"


@pytest.mark.any_cell
def test_an_image_for_another_machine(images, tmp_path):
    foreign = Image(busybox_layer(), architecture="s390x")
    image = images.import_(image_layout(tmp_path / "foreign", foreign), "foreign")
    assert image["architecture"] == "s390x" and image["hostArchitecture"] not in ("", "s390x"), image
    assert images.remove("foreign") == "OK"
