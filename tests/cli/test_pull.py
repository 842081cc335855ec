# SPDX-License-Identifier: MIT
"""`light-runner image pull`, from Debian's docker-registry on loopback."""
import base64
import contextlib
import json
import os
import pty
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.image_maker import (ARCHITECTURE, OCI, Image, busybox_layer, describe, entry, folder, hardlink, image_layout, layer,
                         opaque, platform_index, sha256, whiteout)
from harness.registry import HTPASSWD, MISSING, PASSWORD, USER, Registry, free_port
from test_image import RUNNER, assert_tidy, children_of, environment, image, imported, is_alive, listed, mounted
from test_image_layers import CONFIG, need_zstd, tree

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting the images needs root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    r = Registry(tmp_path_factory.mktemp("registry") / "r")
    yield r
    r.stop()


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    r = Registry(tmp_path_factory.mktemp("private") / "r", users=HTPASSWD)
    yield r
    r.stop()


class Proxy:
    """A proxy in front of a registry, which truncates or slows down the registry's responses."""

    def __init__(self, host, cut_after=None, bytes_per_second=None):
        self.target = host.split(":")
        self.cut_after, self.rate = cut_after, bytes_per_second
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection((self.target[0], int(self.target[1])))
                self.connections += [client, server]
                threading.Thread(target=self.copy, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self.copy, args=(server, client, True), daemon=True).start()

    def copy(self, source, target, limited):
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                if limited and self.cut_after is not None and passed + len(data) > self.cut_after:
                    target.sendall(data[: self.cut_after - passed])
                    break
                target.sendall(data)
                passed += len(data)
                if limited and self.rate and passed > 65536:
                    time.sleep(len(data) / self.rate)
        for s in (source, target):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def stop(self):
        for s in [self.listener, *self.connections]:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


@pytest.fixture
def proxied():
    proxies = []

    def start(registry, **options):
        proxies.append(Proxy(registry.host, **options))
        return proxies[-1]

    yield start
    for p in proxies:
        p.stop()


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Only the credentials that a test makes, and no proxy settings of the machine."""
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    for name in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "http_proxy", "https_proxy",
                 "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return path


def pulled(store, *words, **more):
    done = image(store, "pull", "--json", *words, **more)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"", "silent where there is no terminal"
    assert_no_leftovers(store)
    return json.loads(done.stdout)


def fails(store, *words, code, **more):
    """Checks that the pull fails with that code, and that the store is still empty. Returns the error."""
    done = image(store, "pull", "--json", *words, **more)
    assert done.returncode == 125, done.stdout
    error = json.loads(done.stdout)["error"]
    assert error["code"] == code, error
    assert done.stderr.decode().startswith(f"light-runner: {code}: ")
    assert done.stderr.count(b"\n") == 1
    assert listed(store) == []
    assert_tidy(store, files=0)
    return error


def assert_no_leftovers(store):
    assert os.listdir(store / "tmp") == []


def random_layer(megabytes, seed):
    return layer(entry("data", data=random.Random(seed).randbytes(megabytes << 20)))


SMALL = Image(layer(folder("bin"), entry("bin/tool", data=b"one", mode=0o755)), config=CONFIG)


# ---------------------------------------------------------------- successful pulls


def test_a_tag_is_pulled_and_is_what_an_import_would_give(registry, store, tmp_path):
    name = registry.push("team/tool", "1.2", SMALL)
    done = pulled(store, name)
    assert done["name"] == name
    assert done["config"] == {"entrypoint": CONFIG["Entrypoint"], "cmd": CONFIG["Cmd"], "env": CONFIG["Env"],
                              "user": "12:34", "workdir": "/tmp"}
    assert imported(store, image_layout(tmp_path / "layout", SMALL), "other")["digest"] == done["digest"]
    assert_tidy(store, files=1)


def test_without_a_tag_it_is_latest(registry, store):
    name = registry.push("plain", "latest", SMALL).rsplit(":", 1)[0]
    done = image(store, "pull", name)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(re.escape(name) + r":latest sha256:[0-9a-f]{64}\n", done.stdout.decode())
    assert [i["name"] for i in listed(store)] == [name + ":latest"]


def test_a_digest_is_pulled_also_with_a_tag_beside_it(registry, store):
    registry.push("by-digest", "1", SMALL)
    name = f"{registry.host}/by-digest@{sha256(SMALL.manifest)}"
    first = pulled(store, name)
    assert first["name"] == name
    second = pulled(store, name.replace("@", ":gone@"))
    assert second["digest"] == first["digest"]
    assert {i["name"] for i in listed(store)} == {name, name.replace("@", ":gone@")}


def test_the_image_of_this_platform_is_pulled(registry, store, tmp_path):
    mine = Image(layer(entry("mine", data=b"1")))
    other = Image(layer(entry("other", data=b"1")), architecture="s390x" if ARCHITECTURE != "s390x" else "amd64")
    for one in (mine, other):
        registry.push("multi", "part", one)
    index = platform_index(other, mine)
    registry.push_manifest("multi", "all", index, OCI + "index.v1+json")
    for name in (f"{registry.host}/multi:all", f"{registry.host}/multi@{sha256(index)}"):
        done = pulled(store, name)
    with mounted(store, done["digest"], tmp_path / "m") as root:
        assert os.listdir(root) == ["mine"]


def test_no_image_for_this_platform(registry, store):
    other = Image(layer(entry("other", data=b"1")), architecture="sparc64")
    registry.push("foreign", "part", other)
    registry.push_manifest("foreign", "all", platform_index(other), OCI + "index.v1+json")
    fails(store, f"{registry.host}/foreign:all", code="IMAGE_INVALID")


def test_indexes_in_which_skopeo_finds_nothing(registry, store):
    """An index in an index, and the variant that every processor supports."""
    mine, other = Image(layer(entry("mine", data=b"1")), config={"Cmd": ["mine"]}), Image(layer(entry("other", data=b"1")))
    for one in (mine, other):
        registry.push("indexes", "part", one)
    inner = platform_index(mine)
    registry.push_manifest("indexes", "inner", inner, OCI + "index.v1+json")
    variant = {"amd64": "v1"}.get(ARCHITECTURE)
    unknown = other.descriptor(platform={"os": "unknown", "architecture": "unknown"})
    for tag, descriptor in (("nested", describe(inner, OCI + "index.v1+json")),
                            ("nested-here", describe(inner, OCI + "index.v1+json", platform=mine.platform)),
                            ("variant", mine.descriptor(platform={**mine.platform, **({"variant": variant} if variant else {})}))):
        registry.push_manifest("indexes", tag, json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
            unknown, descriptor]}).encode(), OCI + "index.v1+json")
        assert pulled(store, f"{registry.host}/indexes:{tag}")["config"]["cmd"] == ["mine"], tag


def test_what_is_no_image_for_us(registry, store):
    """A signature, and layers that are encrypted or whose media type skopeo may not know."""
    one, docker = SMALL, "application/vnd.docker."

    def push(tag, layer_type, manifest_type=OCI + "manifest.v1+json", config=OCI + "config.v1+json", parts=one, **more):
        for data in parts.blobs.values():
            registry.push_blob("odd", data)
        registry.push_manifest("odd", tag, json.dumps({
            "schemaVersion": 2, "mediaType": manifest_type, "config": describe(parts.config, config),
            "layers": [describe(d, layer_type) for d in parts.layers], **more}).encode(), manifest_type)
        return f"{registry.host}/odd:{tag}"

    cosign = "application/vnd.dev.cosign.simplesigning.v1+json"
    assert cosign in fails(store, push("sha256-0.sig", cosign), code="IMAGE_INVALID")["message"]
    encrypted = push("encrypted", OCI + "layer.v1.tar+gzip+encrypted")
    assert "encrypted" in fails(store, encrypted, code="IMAGE_INVALID")["message"]
    need_zstd()
    packed = Image(layer(entry("x", data=b"1")), pack="zstd", config={"Cmd": ["x"]})
    name = push("docker-zstd", docker + "image.rootfs.diff.tar.zstd", docker + "distribution.manifest.v2+json",
                docker + "container.image.v1+json", packed)
    done = image(store, "pull", "--json", name)
    said = json.loads(done.stdout)
    if done.returncode:
        assert said["error"]["code"] == "NOT_SUPPORTED" and "docker save" in said["error"]["hint"]
    else:
        assert said["config"]["cmd"] == ["x"]


@pytest.mark.parametrize("pack", ["gzip", "zstd", None])
def test_layers_and_what_they_remove(registry, store, tmp_path, pack):
    if pack == "zstd":
        need_zstd()
    lower = layer(folder("d"), entry("d/old", data=b"1"), folder("o"), entry("o/old", data=b"1"), entry("a", data=b"1"))
    upper = layer(whiteout("d/old"), opaque("o"), entry("o/new", data=b"2"), hardlink("b", "a"))
    name = registry.push(f"layers-{pack}".lower(), "1", Image(lower, upper, pack=pack))
    with mounted(store, pulled(store, name)["digest"], tmp_path / "m") as root:
        assert tree(root) == {"d": None, "o": None, "o/new": b"2", "a": b"1", "b": b"1"}
        assert os.stat(root / "a").st_ino == os.stat(root / "b").st_ino


def test_an_image_of_docker_itself(registry, store):
    """Its manifests have other media types."""
    one = Image(layer(entry("x", data=b"1")))
    docker = "application/vnd.docker."
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": docker + "distribution.manifest.v2+json",
        "config": describe(one.config, docker + "container.image.v1+json"),
        "layers": [describe(d, docker + "image.rootfs.diff.tar.gzip") for d in one.layers]}).encode()
    registry.push("docker", "oci", one)
    registry.push_manifest("docker", "v2", manifest, docker + "distribution.manifest.v2+json")
    assert pulled(store, f"{registry.host}/docker:v2")["digest"] == pulled(store, f"{registry.host}/docker:oci")["digest"]


def test_what_was_pulled_runs(registry, store):
    name = registry.push("box", "1", Image(busybox_layer(), config={"Cmd": ["echo", "from the image"], "Env": ["PATH=/bin"]}))
    pulled(store, name)
    done = subprocess.run([RUNNER, "run", "--network", "none", name], env=environment(store), timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"from the image\n"), done.stderr


def test_a_tag_that_has_moved_is_pulled_anew(registry, store):
    first = pulled(store, registry.push("moving", "1", SMALL))
    second = pulled(store, registry.push("moving", "1", Image(layer(entry("y", data=b"2")))))
    assert first["digest"] != second["digest"]
    assert [i["digest"] for i in listed(store)] == [second["digest"]]
    assert_tidy(store, files=1)


def test_on_a_terminal_there_is_a_bar(registry, store, proxied):
    name = registry.push("bar", "1", Image(random_layer(4, 1), pack=None))
    host = proxied(registry, bytes_per_second=4 << 20).host
    main, child = pty.openpty()
    process = subprocess.Popen([RUNNER, "image", "pull", name.replace(registry.host, host)], env=environment(store),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=child)
    os.close(child)
    said = b""
    with contextlib.suppress(OSError):
        while data := os.read(main, 4096):
            said += data
    os.close(main)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert out.startswith(host.encode())
    steps = [int(n) for n in re.findall(rb"pulling \[[# ]+\] +(\d+) %", said)]
    assert len(steps) >= 3 and steps == sorted(steps) and steps[0] < 90, steps
    assert said.endswith(b"\r"), "the bar is taken away"


# ---------------------------------------------------------------- credentials


def login(path, host, password=PASSWORD):
    path.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_credentials_of_docker_login_are_used(private, store, home):
    name = private.push("secret", "1", SMALL)
    error = fails(store, name, code="IO_FAILED")
    assert "docker login" in error["hint"]
    login(home / ".docker/config.json", private.host, "wrong")
    error = fails(store, name, code="IO_FAILED")
    assert "docker login" in error["hint"] and "unauthorized" in error["message"]
    assert "wrong" not in json.dumps(error), "the password is not shown"
    login(home / ".docker/config.json", private.host)
    pulled(store, name)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("variable", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG"])
def test_credentials_from_another_place(private, store, tmp_path, monkeypatch, variable, relative):
    name = private.push("secret", "1", SMALL)
    login(tmp_path / "other/config.json", private.host)
    monkeypatch.chdir(tmp_path)
    place = "other" if relative else str(tmp_path / "other")
    pulled(store, name, **{variable: place if variable == "DOCKER_CONFIG" else place + "/config.json"})


def outer_address():
    """An address of this machine that is not a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return s.getsockname()[0]


def test_a_registry_elsewhere_needs_tls_or_the_flag(store, tmp_path):
    address = outer_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    registry = Registry(tmp_path / "outer", address)
    try:
        name = registry.push("x", "1", SMALL)
        assert "--insecure" in fails(store, name, code="IO_FAILED")["hint"]
        pulled(store, "--insecure", name)
    finally:
        registry.stop()


# ---------------------------------------------------------------- failures


def test_a_tag_or_a_repository_that_is_not_there(registry, store):
    registry.push("there", "1", SMALL)
    for name in ("there:2", "not-there:1", "there@sha256:" + "0" * 64):
        error = fails(store, f"{registry.host}/{name}", code="IMAGE_NOT_FOUND")
        assert name.split("@")[0].split(":")[0] in error["message"] and error["hint"]
        assert error["operation"] == "image.pull"


@pytest.mark.parametrize("name", ["Upper/Case", "docker://alpine", "a@sha256:12", "a//b", "-x", "a b", "localhost:5000/a:b:c"])
def test_what_is_no_reference_is_refused(store, name):
    done = image(store, "pull", "--", name)
    assert done.returncode == 125 and b"INVALID_ARGUMENT" in done.stderr, done.stderr


def test_nobody_listens(store):
    error = fails(store, f"127.0.0.1:{free_port()}/x:1", code="IO_FAILED")
    assert "refused" in error["message"] and error["hint"]


def test_a_connection_that_is_cut_midway(registry, store, proxied):
    name = registry.push("cut", "1", Image(random_layer(2, 2), pack=None))
    host = proxied(registry, cut_after=1 << 20).host
    error = fails(store, name.replace(registry.host, host), code="IO_FAILED")
    assert error["message"], error
    done = pulled(store, name)
    assert done["size"] > 2 << 20


def test_a_registry_that_hangs_up_at_once(registry, store, proxied):
    fails(store, proxied(registry, cut_after=0).host + "/x:1", code="IO_FAILED")


def test_a_blob_with_a_changed_byte(registry, store):
    one = Image(random_layer(1, 3), layer(entry("y", data=b"1")), pack=None)
    name = registry.push("rotten", "1", one)
    for data in (one.layers[0], one.config):
        path = registry.blob_file(data)
        good = path.read_bytes()
        path.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
        error = fails(store, name, code="IMAGE_INVALID")
        assert "igest" in error["message"]
        path.write_bytes(good)
    pulled(store, name)


def test_a_layer_that_is_not_what_the_configuration_says(registry, store):
    one = Image(layer(entry("x", data=b"1")), diff_ids=[sha256(b"other")])
    assert "layer 1 of 1" in fails(store, registry.push("liar", "1", one), code="IMAGE_INVALID")["message"]


def test_what_is_no_container_image(registry, store):
    config = b"{}"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                           "config": describe(config, "application/vnd.example.thing.v1+json"),
                           "layers": [describe(b"text", "text/plain")]}).encode()
    registry.push_blob("artifact", config)
    registry.push_blob("artifact", b"text")
    registry.push_manifest("artifact", "1", manifest)
    done = image(store, "pull", "--json", f"{registry.host}/artifact:1")
    assert done.returncode == 125
    assert json.loads(done.stdout)["error"]["code"] in ("IMAGE_INVALID", "IO_FAILED")


def test_an_image_that_is_too_large(registry, store):
    name = registry.push("large", "1", Image(random_layer(3, 4), pack=None))
    fails(store, name, code="IMAGE_INVALID", LIGHT_RUNNER_IMAGE_MAX_BYTES="2m")
    small = registry.push("bomb", "1", Image(layer(entry("zeros", data=bytes(20 << 20)))))
    assert "more than" in fails(store, small, code="IMAGE_INVALID", LIGHT_RUNNER_IMAGE_MAX_BYTES="16m")["message"]


def test_skopeo_that_is_missing_is_named(store, tmp_path):
    empty = tmp_path / "none"
    empty.write_text("")
    hide = " && ".join(f"mount --bind {empty} {os.path.realpath(p)}" for p in
                       {shutil.which("skopeo"), "/usr/bin/skopeo", "/usr/local/bin/skopeo"} if p and os.path.exists(p))
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{hide} && exec \"$@\"", "sh", RUNNER, "image", "pull", "localhost:1/x"],
        env=environment(store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 125
    assert b"NOT_SUPPORTED" in done.stderr and b"apt-get install skopeo" in done.stderr
    assert_tidy(store, files=0)


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--nonsense", "a")])
def test_wrong_usage(store, words):
    done = image(store, "pull", *words)
    assert done.returncode == 125 and b"INVALID_ARGUMENT" in done.stderr
    assert image(store, "ls", "--insecure").returncode == 125, "a flag of pull alone"


# ---------------------------------------------------------------- concurrent and killed pulls


def start_pull(store, name):
    return subprocess.Popen([RUNNER, "image", "pull", name], env=environment(store), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_pulls_of_one_image_at_once(registry, store, proxied):
    name = registry.push("twice", "1", Image(random_layer(2, 5), pack=None))
    slow = name.replace(registry.host, proxied(registry, bytes_per_second=2 << 20).host)
    both = [start_pull(store, slow) for _ in range(2)]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (os.path.isdir(store / "tmp") and len(os.listdir(store / "tmp")) == 2):
        time.sleep(0.02)
    assert len(os.listdir(store / "tmp")) == 2, "both are under way"
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert ends[0] == ends[1] and ends[0][0]
    assert_tidy(store, files=1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.05, 0.3, 0.8])
def test_a_pull_that_is_killed_leaves_a_store_that_works(registry, store, proxied, number, after):
    before = pulled(store, registry.push("before", "1", SMALL))
    name = registry.push("killed", "1", Image(random_layer(4, 6), pack=None))
    slow = name.replace(registry.host, proxied(registry, bytes_per_second=2 << 20).host)
    process = start_pull(store, slow)
    time.sleep(after)
    helpers = children_of(process.pid)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while any(map(is_alive, helpers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, helpers)), "the helpers die with it"
    if number == signal.SIGTERM and helpers:
        assert process.returncode == 125 and b"stopped" in said
        assert_tidy(store, files=1)
    assert listed(store) == [before]
    pulled(store, name)
    assert_tidy(store, files=2)
