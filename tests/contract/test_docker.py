# SPDX-License-Identifier: MIT
"""Features of the engine docker only: how it finds the daemon, which calls it makes, what it shows."""
import base64
import contextlib
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import tarfile
import tempfile
import time
import urllib.parse

import pytest

from harness import dockerd, host, images
from harness.docker_proxy import Proxy, answer
from harness.image_maker import Image, busybox_layer, entry, layer
from harness.registry import HTPASSWD, MISSING, PASSWORD, USER, Registry

pytestmark = [pytest.mark.cells("docker-runc"), pytest.mark.engine]


@pytest.fixture
def daemon(runner):
    if runner.engine != "docker":
        pytest.skip("of the engine docker alone")
    return dockerd.current()


@pytest.fixture
def proxy(daemon, tmp_path):
    with Proxy(daemon, tmp_path / "proxy.sock") as p:
        yield p


@pytest.fixture
def scripted(daemon, tmp_path):
    """Returns a function that makes a server, which answers every call by a function, and a run that uses this server."""
    servers = contextlib.ExitStack()

    def make(spoil):
        return servers.enter_context(Proxy(daemon, tmp_path / f"server{len(os.listdir(tmp_path))}.sock", spoil))

    yield make
    servers.close()


def version(**fields):
    return {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux",
            "Arch": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "KernelVersion": os.uname().release, **fields}


# ---------------------------------------------------------------- what it is asked

@pytest.mark.cells("docker-*")
def test_no_call_is_made_twice(runner, proxy, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("x")
    document = runner.request("cat f > g", dir=tmp_path / "in", extract=[("g", tmp_path / "out")])
    del document["networks"]
    assert runner.submit(document).code == 0, "the first run makes the network"
    outcome = runner.submit(document, env=proxy.environment())
    assert outcome.code == 0 and outcome.json["extracted"][0]["status"] == "ok", outcome
    assert len(set(proxy.names)) == len(proxy.names), proxy.names
    assert len(proxy.names) <= 12, proxy.names
    # The first call asks for the version. All later calls use a version that both sides support.
    assert proxy.names[0] == "GET /version"
    newest = proxy.daemon.call("GET", "/version")[1]["ApiVersion"]
    minor = min(int(newest.split(".")[1]), 52)
    assert {call.path.split("/")[1] for call in proxy.calls[1:]} == {f"v1.{minor}"}


@pytest.mark.cells("docker-*")
def test_what_is_standing(runner, proxy):
    """The isolation defaults that no option weakens, as light-runner sends them to the daemon."""
    assert runner.submit(runner.request("true"), env=proxy.environment()).code == 0
    body = next(call.json for call in proxy.calls if call.name == "POST /containers/create")
    config = body["HostConfig"]
    assert config["CapDrop"] == ["ALL"]
    assert not set(config["CapAdd"]) & {"NET_RAW", "MKNOD", "SYS_CHROOT", "SETFCAP", "AUDIT_WRITE"}
    assert "no-new-privileges" in config["SecurityOpt"]
    assert config["Memory"] == config["MemorySwap"] == 512 << 20 and config["NanoCpus"] == 10**9
    assert 100 <= config["PidsLimit"] and config["NetworkMode"] == "none"
    assert "Privileged" not in config and "Devices" not in config and "PidMode" not in config
    assert config.get("Runtime") == {"runc": None, "runsc": dockerd.NO_NETWORK}.get(runner.tier, runner.tier)
    assert body["Labels"]["light-runner.run-id"] == body["Hostname"]


@pytest.mark.cells("docker-*")
@pytest.mark.parametrize("runtimes, used", [
    ({dockerd.NO_NETWORK: {"path": "/x", "runtimeArgs": ["--debug", "--network=none"]}}, dockerd.NO_NETWORK),
    ({dockerd.NO_NETWORK: {"path": "/x", "runtimeArgs": ["--network=sandbox"]}}, "runsc"),
    ({dockerd.NO_NETWORK: {"path": "/x"}}, "runsc"), ({dockerd.NO_NETWORK: 1}, "runsc"), ({}, "runsc"), (1, "runsc")])
def test_gvisor_without_a_network_is_started_by_a_runtime_that_makes_none(runner, daemon, tmp_path, runtimes, used):
    """The runtime is used if it is registered. Otherwise the daemon creates the loopback interface. Both ways, the run has one."""
    if runner.tier != "runsc":
        pytest.skip("of gVisor alone")
    with Proxy(daemon, tmp_path / "p.sock", lambda call, c: call.name == "GET /info" and answer(c, 200, {"Runtimes": runtimes})) as proxy:
        outcome = runner.submit(runner.request("cut -d: -f1 /proc/net/dev | tail -n +3"), env=proxy.environment())
    assert [line.strip() for line in outcome.lines] == ["lo"], outcome
    body = next(call.json for call in proxy.calls if call.name == "POST /containers/create")
    assert body["HostConfig"]["Runtime"] == used and body["NetworkDisabled"] == (used != "runsc")


@pytest.mark.parametrize("gpus, wanted", [
    ("all", {"Count": -1, "Capabilities": [["gpu"]]}),
    ("2", {"Count": 2, "Capabilities": [["gpu"]]}),
    ("0,1", {"DeviceIDs": ["0", "1"], "Capabilities": [["gpu"]]}),
    ("device=GPU-1a2b", {"DeviceIDs": ["GPU-1a2b"], "Capabilities": [["gpu"]]}),
    ('"device=0,2"', {"DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]}),
])
def test_gpus_are_device_requests(runner, proxy, gpus, wanted):
    outcome = runner.submit(runner.request("true", options={"gpus": gpus}), env=proxy.environment())
    body = next(call.json for call in proxy.calls if call.name == "POST /containers/create")
    assert body["HostConfig"]["DeviceRequests"] == [wanted]
    # This machine has no GPUs, and the daemon reports that.
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome


@pytest.mark.cells("docker-*")
def test_the_id_is_the_containers_and_the_volumes_name(runner, daemon):
    process = runner.start("echo up; sleep 20")
    try:
        assert host.wait_until(daemon.leftovers, 10)
        assert process.stderr.readline() == b"up\n"
        names = daemon.leftovers()
        run_id = next(n for n in names if n.startswith("/"))[1:]
        assert names == {f"/{run_id}", f"volume {run_id}"}
        _, container = daemon.call("GET", f"/containers/{run_id}/json")
        assert [m["Destination"] for m in container["Mounts"] if m["Type"] == "volume"] == ["/app"]
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert daemon.leftovers() == set()


# ---------------------------------------------------------------- where it is

def test_a_daemon_is_what_auto_takes(runner, daemon):
    # Under another name, because an image of the local store would run locally.
    assert daemon.call("POST", "/images/busybox:latest/tag?repo=docker-alone&tag=latest")[0] == 201
    document = runner.request("true", image="docker-alone", options={"engine": "auto"})
    # Only Docker leaves the disk uncapped.
    assert runner.submit(document).json["isolation"]["unenforced"] == ["disk"]


def test_without_a_daemon_auto_is_local(runner, daemon):
    if os.path.exists("/var/run/docker.sock"):
        pytest.skip("there is a daemon at the usual socket")
    environment = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST"}
    document = runner.request("true", options={"engine": "auto", "runtime": "runc"})
    assert "unenforced" not in runner.submit(document, env=environment).json["isolation"]


@pytest.mark.parametrize("where, code", [
    ("unix:///nonexistent/docker.sock", "DOCKER_UNREACHABLE"),
    ("tcp://127.0.0.1:1", "DOCKER_UNREACHABLE"),
    ("unix://relative", "INVALID_ARGUMENT"),
    ("unix:///" + "x" * 200, "INVALID_ARGUMENT"),
    ("tcp://", "INVALID_ARGUMENT"),
    ("tcp://host/path", "INVALID_ARGUMENT"),
    ("npipe:////./pipe/docker", "INVALID_ARGUMENT"),
    ("rubbish", "INVALID_ARGUMENT"),
    ("ssh://somebody@somewhere", "NOT_SUPPORTED"),
])
def test_a_docker_host_that_is_none(runner, daemon, where, code):
    outcome = runner.submit(runner.request("true"), env=dict(os.environ, DOCKER_HOST=where))
    assert outcome.code == 125 and outcome.error["code"] == code and outcome.error["hint"], outcome


def write_context(folder, name, docker_host, **more):
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / digest
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": docker_host, **more}}}))
    return folder / "contexts" / "tls" / digest / "docker"


@pytest.mark.parametrize("how", ["variable", "file"])
def test_a_context(runner, daemon, tmp_path, how):
    write_context(tmp_path, "there", daemon.host)
    environment = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST"}
    environment["DOCKER_CONFIG"] = str(tmp_path)
    if how == "variable":
        environment["DOCKER_CONTEXT"] = "there"
    else:
        (tmp_path / "config.json").write_text(json.dumps({"currentContext": "there"}))
    assert runner.submit(runner.request("echo hello"), env=environment).lines == ["hello"]


def test_a_context_that_is_not_there(runner, daemon, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST"}
    outcome = runner.submit(runner.request("true"), env=dict(environment, DOCKER_CONFIG=str(tmp_path), DOCKER_CONTEXT="nowhere"))
    assert outcome.error["code"] == "INVALID_ARGUMENT" and "nowhere" in outcome.error["message"]


def agent_of(runner):
    return next(path for path in pathlib.Path(runner.executable).resolve().parent.parent.rglob("light-runner-agent") if path.is_file())


@pytest.mark.cells("docker-*")
def test_the_archive_with_the_agent(runner, daemon):
    """The archive has one regular file, named like the container's command, so that every tar reads it in the same way."""
    with Proxy(daemon, None) as proxy:
        assert runner.submit(runner.request("true"), env=proxy.environment()).code == 0
    sent = next(call for call in proxy.calls if call.method == "PUT")
    command = next(call.json for call in proxy.calls if call.name == "POST /containers/create")["Entrypoint"]
    with tarfile.open(fileobj=io.BytesIO(sent.body), errorlevel=2) as tar:
        member, = tar.getmembers()
        assert member.isreg() and "/" + member.name == command[0], (member, command)
        assert (member.mode, member.uid, member.gid) == (0o755, 0, 0)
        assert tar.extractfile(member).read() == agent_of(runner).read_bytes()
    listed = subprocess.run(["tar", "--list", "--file", "-"], input=sent.body, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert listed.stdout.decode() == member.name + "\n" and not listed.stderr, listed


def export(daemon, image):
    """The names of all files in an image."""
    status, made = daemon.call("POST", "/containers/create", {"Image": image, "Cmd": ["x"]})
    assert status == 201, made
    try:
        _, tar = daemon.call("GET", f"/containers/{made['Id']}/export")
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            return set(archive.getnames())
    finally:
        daemon.call("DELETE", f"/containers/{made['Id']}?force=1")


def test_what_setup_steps_leave_has_nothing_of_the_agent(runner, proxy):
    """Neither the program, nor the empty file that a mount of it would leave."""
    outcome = runner.submit(runner.request("ls -a /", run=["touch /made-by-a-step"]), env=proxy.environment())
    assert outcome.code == 0 and "made-by-a-step" in outcome.lines, outcome
    filters = urllib.parse.quote(json.dumps({"reference": ["light-runner/setup"]}))
    images = [image["Id"] for image in proxy.daemon.call("GET", f"/images/json?filters={filters}")[1]]
    names = [export(proxy.daemon, image) for image in images]
    assert any("made-by-a-step" in of_one for of_one in names), names
    assert not [name for of_one in names for name in of_one if name.startswith(".light-runner")], names


@pytest.mark.cells("docker-*")
def test_over_tcp(runner, daemon, tmp_path):
    """The daemon may be on another machine, so it gets no file of this one."""
    with Proxy(daemon, None) as proxy:
        outcome = runner.submit(runner.request("echo hello; exit 3"), env=proxy.environment())
        assert outcome.code == 3 and outcome.lines == ["hello"]
        body = next(call.json for call in proxy.calls if call.name == "POST /containers/create")
        assert all(mount["Type"] != "bind" for mount in body["HostConfig"]["Mounts"])
        assert proxy.names.count("PUT /containers/ID/archive") == proxy.names.count("POST /containers/create") == 1, proxy.names
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "f").write_text("there and back")
        outcome = runner.submit(runner.request("cat f > /tmp/g", dir=tmp_path / "in", extract=[("/tmp/g", tmp_path / "out")]),
                                env=proxy.environment())
        assert (tmp_path / "out" / "g").read_text() == "there and back", outcome
        # Over TCP, the cgroup is not visible. The daemon still reports this much.
        outcome = runner.submit(runner.request("x=a; while :; do x=$x$x; done", options={"memory": "64m"}),
                                env=proxy.environment())
        assert outcome.json["oomKilled"] is True, outcome
    assert daemon.leftovers() == set()


def test_a_daemon_that_does_not_see_our_files(runner, daemon, tmp_path):
    """A daemon in its own container, whose socket is on this machine."""
    if runner.tier != "runc" or dockerd.missing():
        pytest.skip(dockerd.missing() or "the same in every tier")
    agent = agent_of(runner)
    process = dockerd.Process(tempfile.mkdtemp(prefix="lr-dockerd-"), blind_to=str(agent.parent))
    try:
        own = dockerd.Daemon(process.host)
        own.load_rootfs(images.make_busybox_tar(str(tmp_path / "b.tar")), "busybox")
        with Proxy(own, tmp_path / "proxy.sock") as proxy:
            outcome = runner.submit(runner.request("echo hello; ls -a /", image="busybox"), env=proxy.environment())
            # The agent was written into the root, and has removed itself.
            assert outcome.code == 0 and outcome.lines[0] == "hello" and "bin" in outcome.lines, outcome
            assert not any(line.startswith(".light-runner") for line in outcome.lines), outcome
            assert proxy.names.count("POST /containers/create") == 2, proxy.names
            outcome = runner.submit(runner.request("cat /made", image="busybox", run=["echo step > /made"]), env=proxy.environment())
            assert outcome.lines == ["step"], outcome
        assert own.leftovers() == set()
    finally:
        process.remove()


def test_an_agent_that_cannot_be_put_in(runner, scripted):
    def refuse(call, connection):
        if call.name == "PUT /containers/ID/archive":
            return answer(connection, 500, {"message": "no room"})
        return call.name == "POST /containers/create" and any(m["Type"] == "bind" for m in call.json["HostConfig"]["Mounts"]) and answer(
            connection, 400, {"message": 'invalid mount config for type "bind": bind source path does not exist: /x'})

    server = scripted(refuse)
    outcome = runner.submit(runner.request("true"), env=server.environment())
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED" and "no room" in outcome.error["message"], outcome
    assert server.daemon.leftovers() == set()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA with the certificates that it has signed for the server and the client, and another CA."""
    if not shutil.which("openssl"):
        pytest.skip("not installed: openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-key.pem", "-out", f"{name}.pem",
                "-subj", f"/CN={name}", "-days", "2")
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    (folder / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2",
                "-out", f"{name}.pem", "-extfile", f"{name}.ext")
    return folder


def client_folder(path, certificates, ca="ca", client=True):
    path.mkdir(parents=True)
    shutil.copy(certificates / f"{ca}.pem", path / "ca.pem")
    if client:
        shutil.copy(certificates / "client.pem", path / "cert.pem")
        shutil.copy(certificates / "client-key.pem", path / "key.pem")
    return path


@pytest.fixture
def tls(daemon, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with Proxy(daemon, None, tls=context) as proxy:
        yield proxy


def test_over_tls(runner, tls, certificates, tmp_path):
    folder = client_folder(tmp_path / "c", certificates)
    environment = tls.environment(DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(folder))
    document = runner.request("head -c 3000000 /dev/zero | tr '\\0' x; cat", input=7)
    outcome = runner.submit(document, env=environment)
    assert outcome.code == 0 and len(outcome.text) == 3000001 and outcome.text.endswith("x7")


@pytest.mark.parametrize("folder", [{"ca": "other"}, {"client": False}])
def test_tls_with_somebody_else(runner, tls, certificates, tmp_path, folder):
    path = client_folder(tmp_path / "c", certificates, **folder)
    outcome = runner.submit(runner.request("true"), env=tls.environment(DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(path)))
    assert outcome.code == 125 and outcome.error["code"] == "DOCKER_UNREACHABLE"


@pytest.fixture
def impostor(daemon, certificates):
    """A TLS server that accepts any client, and whose CA is not a public one. It records the requests that it receives."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server-key.pem")
    with Proxy(daemon, None, tls=context) as proxy:
        yield proxy


@pytest.mark.parametrize("scheme, variables, heard", [
    ("https", {}, False), ("https", {"DOCKER_TLS_VERIFY": "1"}, False), ("https", {"DOCKER_TLS_VERIFY": ""}, False),
    ("https", {"DOCKER_CERT_PATH": "other"}, False), ("https", {"DOCKER_CERT_PATH": "empty"}, False),
    ("tcp", {"DOCKER_CERT_PATH": "other"}, False), ("tcp", {"DOCKER_CERT_PATH": "empty"}, False),
    # The controls: a CA that the user trusts, and a user who has turned the check off.
    ("https", {"DOCKER_CERT_PATH": "right"}, True), ("tcp", {"DOCKER_CERT_PATH": "right"}, True),
    ("https", {"DOCKER_CERT_PATH": "other", "DOCKER_TLS_VERIFY": ""}, True), ("tcp", {"DOCKER_CERT_PATH": "empty", "DOCKER_TLS_VERIFY": ""}, True),
])
def test_whose_certificate_is_taken(runner, impostor, certificates, tmp_path, scheme, variables, heard):
    client_folder(tmp_path / "right", certificates, client=False)
    client_folder(tmp_path / "other", certificates, ca="other", client=False)
    (tmp_path / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
    environment.update({k: str(tmp_path / v) if k == "DOCKER_CERT_PATH" else v for k, v in variables.items()})
    environment.update(DOCKER_HOST=impostor.host.replace("tcp", scheme), DOCKER_CONFIG=str(tmp_path / "empty"))
    outcome = runner.submit(runner.request("echo through", env={"SECRET": "hunter2"}), env=environment)
    assert (impostor.calls != []) == heard, (outcome, impostor.names)
    if heard:
        assert outcome.lines == ["through"], outcome
    else:
        assert outcome.code == 125 and outcome.error["code"] == "DOCKER_UNREACHABLE", outcome


def test_an_address_without_tls_where_tls_is_asked_for(runner, daemon):
    with Proxy(daemon, None) as proxy:
        for variables in ({"DOCKER_TLS_VERIFY": "1"}, {"DOCKER_CERT_PATH": "/nowhere"}):
            outcome = runner.submit(runner.request("true"), env={**os.environ, "DOCKER_HOST": proxy.host.replace("tcp", "http"), **variables})
            assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "https" in outcome.error["hint"], outcome
        assert proxy.calls == []
        outcome = runner.submit(runner.request("echo through"), env={**os.environ, "DOCKER_HOST": proxy.host.replace("tcp", "http")})
        assert outcome.lines == ["through"], outcome


def test_a_context_with_tls(runner, tls, certificates, tmp_path):
    target = write_context(tmp_path, "far", tls.host)
    client_folder(target, certificates)
    environment = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST"}
    outcome = runner.submit(runner.request("echo hello"), env=dict(environment, DOCKER_CONFIG=str(tmp_path), DOCKER_CONTEXT="far"))
    assert outcome.lines == ["hello"], outcome


# ---------------------------------------------------------------- versions

@pytest.mark.parametrize("fields, prefix", [
    ({"ApiVersion": "1.30", "MinAPIVersion": "1.12"}, "v1.30"),
    ({"ApiVersion": "1.56", "MinAPIVersion": "1.44"}, "v1.52"),
    ({"ApiVersion": "1.44", "MinAPIVersion": "1.24"}, "v1.44"),
])
def test_the_newest_version_that_both_know(runner, scripted, fields, prefix):
    server = scripted(lambda call, c: answer(c, 200, version(**fields)) if call.name == "GET /version" else answer(c, 404, {"message": "no"}))
    assert runner.submit(runner.request("true", image="none-such"), env=server.environment()).code == 125
    assert {call.path.split("/")[1] for call in server.calls[1:]} == {prefix}


@pytest.mark.parametrize("fields, word", [
    ({"ApiVersion": "1.24", "MinAPIVersion": "1.12"}, "update Docker"),
    ({"ApiVersion": "1.99", "MinAPIVersion": "1.90"}, "update light-runner"),
    ({"Os": "windows"}, "another daemon"),
    ({"Arch": "s390x"}, "another daemon"),
])
def test_a_daemon_that_will_not_do(runner, scripted, fields, word):
    server = scripted(lambda call, c: answer(c, 200, version(**fields)))
    outcome = runner.submit(runner.request("true"), env=server.environment())
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED" and word in outcome.error["hint"], outcome
    assert server.names == ["GET /version"]


# ---------------------------------------------------------------- the disk

@pytest.mark.parametrize("info", [{"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]},
                                  {"Driver": "vfs"}, {"Driver": 1}, {}, []])
def test_a_storage_that_takes_the_cap_and_forgets_it(runner, daemon, tmp_path, info):
    """containerd's storage ignores the cap and reports no error."""
    with Proxy(daemon, tmp_path / "p.sock", lambda call, c: call.name == "GET /info" and answer(c, 200, info)) as proxy:
        outcome = runner.submit(runner.request("echo started", options={"disk": "64m"}), env=proxy.environment())
        assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED", outcome
        assert "leave out --disk" in outcome.error["hint"] and "POST /containers/create" not in proxy.names, outcome
        assert runner.submit(runner.request("echo started"), env=proxy.environment()).lines == ["started"]


# ---------------------------------------------------------------- runtimes and networks

@pytest.mark.cells("docker-*")
def test_a_runtime_that_is_not_registered(runner, daemon):
    _, info = daemon.call("GET", "/info")
    if "kata" in info["Runtimes"]:
        pytest.skip("kata is registered here")
    outcome = runner.run("echo started", options={"runtime": "kata"})
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    assert "kata" in outcome.error["message"] and outcome.error["hint"] and "started" not in outcome.text


@pytest.fixture
def networks(daemon):
    names = ["lr-test-one", "lr-test-two"]
    for name in names:
        status, text = daemon.call("POST", "/networks/create", {"Name": name, "CheckDuplicate": True})
        assert status == 201, text
    yield names
    for name in names:
        daemon.call("DELETE", f"/networks/{name}")


@pytest.mark.cells("docker-*")
def test_several_networks(runner, networks):
    lines = runner.ok("cat /proc/net/dev", networks=networks).lines
    assert {"lo", "eth0", "eth1"} <= {line.split(":")[0].strip() for line in lines}


@pytest.mark.parametrize("names", [["lr-no-such"], ["light-runner-isolated", "lr-no-such"]])
def test_a_network_that_is_not_there(runner, daemon, names):
    outcome = runner.run("echo started", networks=names)
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    assert "lr-no-such" in outcome.error["message"] and "started" not in outcome.text
    assert daemon.leftovers() == set()


@pytest.mark.parametrize("name", ["host", "container:abc", "../x", "-x", "a b", ""])
def test_a_network_that_is_no_wall(runner, daemon, name):
    outcome = runner.run("echo started", networks=[name])
    assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "started" not in outcome.text, outcome


@pytest.mark.cells("docker-*")
def test_a_default_network_of_somebody_elses_making(runner, daemon):
    """If such a network connects its containers, light-runner rejects it despite its name."""
    daemon.call("DELETE", "/networks/light-runner-isolated")
    status, text = daemon.call("POST", "/networks/create", {"Name": "light-runner-isolated", "CheckDuplicate": True})
    assert status == 201, text
    document = runner.request("echo started")
    del document["networks"]
    outcome = runner.submit(document)
    daemon.call("DELETE", "/networks/light-runner-isolated")
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED" and "started" not in outcome.text
    assert "docker network rm" in outcome.error["hint"]
    assert runner.submit(document).lines == ["started"], "it is made when it is not there"


def test_a_daemon_that_cannot_keep_containers_apart(runner, daemon, tmp_path):
    """The daemon creates the network, and warns that it has left out the option that isolates containers."""
    def forgetful(call, connection):
        if call.name != "POST /networks/create":
            return False
        status, made = daemon.call("POST", "/networks/create", {"Name": "light-runner-isolated", "CheckDuplicate": True})
        return answer(connection, status, {**made, "Warning": "not a recognized option"})
    daemon.call("DELETE", "/networks/light-runner-isolated")
    document = runner.request("echo started")
    del document["networks"]
    with Proxy(daemon, tmp_path / "p.sock", forgetful) as proxy:
        outcome = runner.submit(document, env=proxy.environment())
    assert outcome.code == 125 and outcome.error["code"] == "NOT_SUPPORTED" and "--network" in outcome.error["hint"], outcome
    assert "POST /containers/create" not in proxy.names
    assert daemon.call("GET", "/networks/light-runner-isolated")[0] == 404, "what is no wall is not left to be taken for one"
    assert runner.submit(document).lines == ["started"]


def test_one_run_of_many_makes_the_default_network(runner, daemon, tmp_path):
    """A daemon keeps two networks with the same name. Removing one of them may disconnect a run."""
    def slowly(call, _connection):
        if call.name == "POST /networks/create":
            time.sleep(1)
        return False
    document = runner.request("echo started")
    del document["networks"]
    request = runner.write_request(document)
    daemon.call("DELETE", "/networks/light-runner-isolated")
    with Proxy(daemon, tmp_path / "p.sock", slowly) as proxy:
        runs = [subprocess.Popen([runner.executable, "run", "--request", request], env=proxy.environment(), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE) for _ in range(4)]
        outcomes = [(run.communicate(timeout=60)[0], run.returncode) for run in runs]
    assert outcomes == [(b"started\n", 0)] * 4, outcomes
    assert proxy.names.count("POST /networks/create") == 1, proxy.names


# ---------------------------------------------------------------- credentials

@pytest.fixture(scope="module")
def private(tmp_path_factory):
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")
    registry = Registry(tmp_path_factory.mktemp("private") / "r", users=HTPASSWD)
    yield registry
    registry.stop()


def secret_image(private, name):
    return private.push(name, "1", Image(busybox_layer(), layer(entry("t", data=b"secret\n")), config={"Cmd": ["/bin/cat", "/t"]}))


def test_credentials_of_dockers_client(runner, daemon, private, tmp_path):
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {private.host: {"auth": auth}}}))
    name = secret_image(private, f"one-{runner.tier}")
    outcome = runner.submit(runner.request(None, name), env=dict(os.environ, DOCKER_CONFIG=str(tmp_path)))
    assert outcome.lines == ["secret"], outcome


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_credentials_of_a_helper(runner, daemon, private, tmp_path, key):
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {private.host} ] || exit 1\n"
                      + f"echo '{json.dumps({'Username': USER, 'Secret': PASSWORD})}'\n")
    helper.chmod(0o755)
    value = "test" if key == "credsStore" else {private.host: "test"}
    (tmp_path / "config.json").write_text(json.dumps({key: value}))
    name = secret_image(private, f"two-{runner.tier}-{key.lower()}")
    environment = dict(os.environ, DOCKER_CONFIG=str(tmp_path), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert runner.submit(runner.request(None, name), env=environment).lines == ["secret"]


@pytest.mark.parametrize("config", ["{", "[]", '{"auths": 1}', '{"auths": {"%s": {"auth": "!!!"}}}', '{"credsStore": "../x"}',
                                    '{"credsStore": "no-such-helper"}'])
def test_a_configuration_that_is_broken(runner, daemon, private, tmp_path, config):
    """A broken configuration counts as none: the registry rejects the pull, and that is the error."""
    (tmp_path / "config.json").write_text(config.replace("%s", private.host))
    outcome = runner.submit(runner.request(None, secret_image(private, "never")), env=dict(os.environ, DOCKER_CONFIG=str(tmp_path)))
    assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
    assert "docker login" in outcome.error["hint"]


@pytest.mark.cells("docker-*")
def test_an_image_with_a_health_check_and_a_volume(runner, daemon):
    """Docker does not run the health check, and the volume is removed with the run."""
    runner.load(Image(busybox_layer(), config={"Healthcheck": {"Test": ["CMD-SHELL", "touch /checked"], "Interval": 1000000000},
                                               "Volumes": {"/data": {}}}), "healthy")
    before = {v["Name"] for v in daemon.call("GET", "/volumes")[1]["Volumes"] or []}
    assert runner.ok("sleep 2; ls /checked 2>/dev/null; echo data > /data/f; echo end", "healthy").lines == ["end"]
    assert {v["Name"] for v in daemon.call("GET", "/volumes")[1]["Volumes"] or []} == before
    filters = urllib.parse.quote(json.dumps({"reference": ["healthy"]}))
    assert daemon.call("GET", f"/images/json?filters={filters}")[1]


@pytest.mark.cells("docker-*")
def test_out_of_memory_in_a_container_that_is_gone_at_once(runner, daemon):
    """gVisor's kernel dies with everything in it, and Docker removes its cgroup before the end is reported, because the
    relay is stopped until then. The result still has the memory that was used."""
    if runner.tier != "runsc":
        pytest.skip("in other tiers the agent outlives the command, and the container with it")
    run = runner.start("echo up; sleep 2; x=a; while :; do x=$x$x; done", options={"memory": "64m"})
    assert run.stderr.readline() == b"up\n"
    supervisor = next(pid for pid, argv in host.descendants(run.pid).items() if "light-runner-supervisor" in argv)
    relay, = host.descendants(supervisor)
    os.kill(relay, signal.SIGSTOP)
    name, = [n for n in daemon.leftovers() if n.startswith("/")]
    assert host.wait_until(lambda: not daemon.call("GET", f"/containers{name}/json")[1]["State"]["Running"], 20)
    os.kill(relay, signal.SIGCONT)
    document = json.loads(run.communicate(timeout=30)[0])
    assert document["oomKilled"] is True and document["exitCode"] == 137, document
    assert document["usage"]["peakMemoryBytes"] > 32 << 20, document
