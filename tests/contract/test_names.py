# SPDX-License-Identifier: MIT
"""Names are resolved in every cell, over UDP and TCP, by the host's servers or by the servers of the request."""
import contextlib
import os

import pytest

from harness import addresses, beyond, dockerd, names
from harness.image_maker import Image, busybox_layer, entry, folder, layer, symlink

pytestmark = [pytest.mark.engine, pytest.mark.podman, pytest.mark.vm]

RESOLV_CONF = "/etc/resolv.conf"
UPSTREAM = "/run/systemd/resolve/resolv.conf"


@pytest.fixture
def server():
    """The address of a name server that is another machine's, and of a web server that it knows."""
    with beyond.host() as there:
        if not there:
            pytest.skip("makes a host beyond this one, which takes root")
        yield there


def script(server):
    """What is found by UDP answers with its text; then the answer by TCP."""
    return (f"mkfifo nothing; i=0; while [ $i -lt 20 ]; do timeout 10 nc -w 5 {names.NAME} {beyond.PORT} <>nothing && break; "
            "i=$((i+1)); sleep 0.2; done; "
            + names.ask_by_tcp(server))


FIRST = "$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)"


def check(outcome, server):
    assert outcome.code == 0 and outcome.lines and outcome.lines[0] == beyond.TEXT, outcome
    assert names.is_answer(outcome.lines[-1], server), outcome


def submit(runner, words, env=None, before=(), **fields):
    document = runner.request(words, **fields)
    if "networks" not in fields:
        del document["networks"]
    return runner.submit(document, env=env, before=before)


def on_a_host_with(content, tmp_path, upstream=None):
    """Words of a command that runs another with that resolv.conf."""
    if os.geteuid() != 0:
        pytest.skip("changing the host's resolv.conf for one process takes root")
    (tmp_path / "resolv.conf").write_text(content)
    steps = f'mount --bind "{tmp_path}/resolv.conf" {RESOLV_CONF}'
    if upstream:
        # The folder may not be there: it is made in a tmpfs.
        (tmp_path / "upstream").write_text(upstream)
        steps += f' && mount -t tmpfs none /run && mkdir -p {os.path.dirname(UPSTREAM)} && cp "{tmp_path}/upstream" {UPSTREAM}'
    return ["unshare", "--mount", "sh", "-c", steps + ' && exec "$@"', "sh"]


def test_a_server_that_the_request_names(runner, server):
    check(submit(runner, script(server), dns=[server]), server)


def test_the_hosts_server(runner, server, tmp_path):
    before = on_a_host_with(f"# the host's\nsearch example\nnameserver {server}\n", tmp_path)
    if runner.engine == "docker" and dockerd.current().is_podman():
        pytest.skip("Podman reads the file of its own namespace")
    check(submit(runner, script(FIRST), before=before), server)


def test_a_host_with_a_server_on_loopback_and_others_behind(runner, server, tmp_path):
    """As with systemd-resolved."""
    if runner.engine == "docker":
        pytest.skip("the daemon's socket may be below the folder that this test hides")
    if runner.tier == "kata":
        pytest.skip("seen in the other tiers: it is the same file")
    check(submit(runner, script(FIRST), before=on_a_host_with("nameserver 127.0.0.53\n", tmp_path, f"nameserver {server}\n")), server)


@pytest.mark.machine
def test_a_server_of_the_hosts_own(runner, tmp_path):
    """Its port 53 is reached, and nothing else of it."""
    if runner.engine != "local":
        pytest.skip("addresses of the host are closed on the local engine alone")
    if os.geteuid() != 0:
        pytest.skip("a name server's port takes root")
    with addresses.of_the_host(), names.running(addresses.OWN, "192.0.2.7"), addresses.server(addresses.OWN, "OWN") as port:
        outcome = submit(runner, f"mkfifo nothing; timeout 8 nc -w 2 {addresses.OWN} {port} <>nothing; nslookup {names.NAME}; " + names.ask_by_tcp(FIRST),
                         dns=[addresses.OWN])
        assert names.is_answer(outcome.lines[-1], "192.0.2.7") and "OWN" not in outcome.lines, outcome
        assert any(line.split()[-1:] == ["192.0.2.7"] for line in outcome.lines), outcome


@pytest.mark.parametrize("loopback", ["127.0.0.1", "127.0.0.53"])
def test_a_host_with_nothing_but_a_server_on_loopback(runner, server, tmp_path, loopback):
    if runner.engine != "local":
        pytest.skip("Docker has a server of its own, which asks the host's")
    if runner.tier == "kata" and loopback != "127.0.0.1":
        pytest.skip("seen in the other tiers")
    before = on_a_host_with(f"nameserver {loopback}\n", tmp_path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(names.running(loopback, server))
        except AssertionError:
            pytest.skip(f"there is a server at {loopback} already")
        check(submit(runner, script(FIRST), before=before), server)


def test_a_named_network(runner, server):
    """Of Docker: a server that the request names is asked, directly or through Docker's own."""
    if runner.engine != "docker":
        pytest.skip("the local engine has no named networks")
    name = f"lr-test-{os.getpid()}"
    assert runner.cli("network", "create", "--engine", "docker", name).code == 0
    try:
        check(submit(runner, script(FIRST if runner.tier != "runc" else server), dns=[server], networks=[name]), server)
    finally:
        assert runner.cli("network", "rm", "--engine", "docker", name).code == 0


def test_a_server_that_cannot_be_asked(runner):
    for wrong in (["127.0.0.53"], ["example"], ["::1"], [""]):
        outcome = submit(runner, "true", dns=wrong)
        assert outcome.code == 125 and outcome.error["code"] == "INVALID_ARGUMENT" and "dns" in outcome.error["message"], outcome
    outcome = submit(runner, "true", dns=["192.0.2.53"], networks=["none"])
    assert outcome.code == 125 and "dns" in outcome.error["message"], outcome


PASSWD = entry("etc/passwd", data=b"root:x:0:0:root:/:/bin/sh\n")
FILES = ("hosts", "hostname", "resolv.conf", "nsswitch.conf")
OWN_NAME = {
    "absent": [],
    "no-folder": [symlink("etc", "private/etc")],
    "nowhere": [folder("etc"), *(symlink("etc/" + name, "../run/systemd/" + name) for name in FILES)],
    "elsewhere": [folder("etc"), PASSWD, *(symlink("etc/" + name, "passwd") for name in FILES)],
    "folders": [folder("etc"), *(folder("etc/" + name) for name in FILES)],
    "read-only": [folder("etc", mode=0o555), *(entry("etc/" + name, mode=0o444) for name in FILES)],
    "content": [folder("etc"), entry("etc/hosts", data=b"192.0.2.1 there\n127.0.0.1 here localhost # mine"), entry("etc/hostname", data=b"builder\n")],
}


@pytest.mark.parametrize("image", list(OWN_NAME))
def test_the_files_by_which_names_are_found(runner, image):
    """Whatever an image has in their places, a run starts, and finds its own name, localhost, and a server."""
    if runner.tier == "kata" and image not in ("nowhere", "content"):
        pytest.skip("the agent writes them as in gVisor")
    if runner.engine == "docker" and image != "absent" and (image != "content" or runner.tier != "runc"):
        pytest.skip("Docker puts files of its own in their places")
    runner.load(Image(busybox_layer(), layer(*OWN_NAME[image])), f"names-{image}")
    outcome = submit(runner, "busybox hostname; cat /etc/hostname; busybox grep -c nameserver /etc/resolv.conf; cat /etc/hosts; cat /etc/passwd",
                     image=f"names-{image}", dns=["192.0.2.53"])
    own, hostname, servers, *lines = outcome.lines
    known = {(words[0], name) for words in (line.partition("#")[0].split() for line in lines) for name in words[1:]}
    assert outcome.json["id"] == own == hostname and servers == "1", outcome
    assert {("127.0.0.1", "localhost"), ("::1", "localhost")} <= known and any(name == own for _, name in known), outcome
    if image == "elsewhere":  # what a link leads to is not written to
        assert lines[-1] == PASSWD[1].decode().strip() and own not in lines[-1], outcome
    if image == "content" and runner.engine == "local":
        assert ("192.0.2.1", "there") in known and sum("localhost" in line for line in lines) == 2, outcome
