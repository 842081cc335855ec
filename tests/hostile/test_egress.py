# SPDX-License-Identifier: MIT
"""Addresses that a network with outbound access must not reach: the host's own, and cloud metadata services, which give away the
machine's credentials. As a control, every attack works when its address is allowed explicitly."""
import contextlib
import subprocess

import pytest

from harness import addresses

pytestmark = [pytest.mark.vm, pytest.mark.machine]


@pytest.fixture
def local(runner):
    if runner.engine != "local":
        pytest.skip("Docker's networks are the daemon's, and reach the host; the result says so")
    return runner


@pytest.fixture(name="servers")
def make_servers():
    with addresses.of_the_host() as there:
        if not there:
            pytest.skip("gives the host addresses, which takes root")
        with contextlib.ExitStack() as stack:
            yield {address: stack.enter_context(addresses.server(address, address)) for address in addresses.usual()}


def of_tier(runner, servers):
    """The servers that the tier can reach: QEMU's network has no IPv6."""
    return {address: port for address, port in servers.items() if runner.tier != "kata" or ":" not in address}


def reached(runner, servers, *allowed):
    servers = of_tier(runner, servers)
    calls = "".join(f"timeout 8 nc -w 2 {address} {port} <>nothing & " for address, port in servers.items())
    script = f"mkfifo nothing; {calls} wait; true"
    document = runner.request(script, options={"allowEgress": list(allowed)})
    del document["networks"]
    outcome = runner.submit(document)
    assert outcome.code == 0, outcome
    return {line for line in outcome.lines if not line.startswith("nc: ")}, outcome


def test_metadata_and_the_hosts_own_addresses_are_closed(local, servers):
    got, outcome = reached(local, servers)
    assert got == set(), outcome
    got, outcome = reached(local, servers, "host", "metadata")
    assert got == set(of_tier(local, servers)), outcome
    assert "unenforced" not in outcome.json["isolation"], outcome


@pytest.mark.parametrize("allowed, wanted", [("host", True), ("metadata", False)])
def test_each_is_opened_alone(local, servers, allowed, wanted):
    """In this test, the metadata address is also one of the host's own, so both must be allowed."""
    if local.tier == "kata":
        pytest.skip("seen in the other tiers: it is the same program, on the same device")
    got, outcome = reached(local, servers, allowed)
    assert got == (set(servers) - {addresses.METADATA} if wanted else set()), outcome


@pytest.mark.parametrize("allowed", [[], ["host"]])
def test_an_address_that_the_host_gets_while_the_sandbox_runs(local, allowed):
    if local.tier == "kata":
        pytest.skip("seen in the other tiers: it is the same program, on the same device")
    if addresses.present(addresses.LATER):
        pytest.skip(f"{addresses.LATER} is the host's already")
    script = ("mkfifo nothing; echo up; read port; "
              f"for i in 1 2; do timeout 8 nc -w 1 {addresses.LATER} $port <>nothing; done; echo end")
    command = ["run", *local.cell_flags(), "--input", "-"]
    for name in allowed:
        command += ["--allow-egress", name]
    process = subprocess.Popen([local.executable, *command, "busybox", "--", script], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n", process.stderr.read()
        with addresses.of_the_host(addresses.LATER) as there:
            if not there:
                pytest.skip("gives the host an address, which takes root")
            with addresses.server(addresses.LATER, "LATER") as port:
                said, errors = process.communicate(f"{port}\n".encode(), timeout=60)
        assert process.returncode == 0 and said.endswith(b"end\n"), (said, errors)
        assert (b"LATER" in said) == bool(allowed), (said, errors)
    finally:
        process.kill()
        process.wait()


def test_what_is_not_closed_is_said(runner):
    """light-runner cannot block these addresses on Docker."""
    if runner.engine != "docker":
        pytest.skip("the local engine closes them")
    document = runner.request("true")
    assert "egress" not in runner.submit(document).json["isolation"].get("unenforced", [])
    document["options"]["allowEgress"] = ["metadata"]
    del document["networks"]
    outcome = runner.submit(document)
    assert "egress" in outcome.json["isolation"]["unenforced"], outcome
    document["options"]["allowEgress"] = ["metadata", "host"]
    outcome = runner.submit(document)
    assert "egress" not in outcome.json["isolation"].get("unenforced", []), outcome
