# SPDX-License-Identifier: MIT
"""The default network: outbound works, and neither the host's own services nor other runs are reached."""
import http.server
import os
import subprocess
import threading

import pytest

from harness import beyond, host

pytestmark = [pytest.mark.engine, pytest.mark.podman, pytest.mark.vm]


def default_network(runner, script, **fields):
    document = runner.request(script, **fields)
    del document["networks"]
    outcome = runner.submit(document)
    if outcome.error and outcome.error["code"] == "NOT_SUPPORTED":
        pytest.skip("default network: " + outcome.error["message"])
    return outcome


def test_outbound_works(runner):
    with beyond.host() as there:
        if not there:
            pytest.skip("makes a host beyond this one, which takes root")
        outcome = default_network(runner, f"i=0; while [ $i -lt 20 ]; do sleep 1 | timeout 10 nc -w 5 {there} {beyond.PORT} && break; "
                                          "i=$((i+1)); sleep 0.1; done")
        assert outcome.lines == [beyond.TEXT], outcome


def test_services_on_the_hosts_loopback_are_not_reached(runner):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"HOST-SERVICE")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        port = server.server_address[1]
        script = f"""gateway=$(route -n 2>/dev/null | awk '$1 == "0.0.0.0" {{ print $2; exit }}')
        for a in 127.0.0.1 $gateway; do wget -T 2 -q -O- http://$a:{port}/ 2>/dev/null; done; exit 0"""
        assert "HOST-SERVICE" not in default_network(runner, script).text
    finally:
        server.shutdown()
        server.server_close()


def test_a_sandbox_that_is_killed_with_its_network_up_ends_at_once(runner):
    """The process that provides the network outlives the sandbox briefly. The run does not wait for it."""
    document = runner.request("a=x; while true; do a=$a$a; done", options={"memory": "32m"})
    del document["networks"]
    outcome = runner.submit(document)
    assert outcome.code == 137 and outcome.json["oomKilled"] is True
    assert outcome.json["duration"] < 20000


def test_a_network_that_does_not_come_up_starts_nothing(runner, tmp_path):
    """The process that provides the network fails at once, or after it has opened the file that reports that it is up."""
    if runner.engine != "local":
        pytest.skip("the local engine's network is made by a program that a test can take the place of")
    fake = tmp_path / "pasta"
    for words in ("", 'exec 9>"$fifo"'):
        fake.write_text('#!/bin/sh\nwhile [ "$1" != --pid ]; do shift; done\nfifo=$2\n' + words + "\nexit 1\n")
        fake.chmod(0o755)
        document = runner.request("echo started")
        del document["networks"]
        outcome = runner.submit(document, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert outcome.code == 125 and outcome.error["code"] == "CONTAINER_START_FAILED", outcome
        assert "network" in outcome.error["message"] and "started" not in outcome.text


def test_nothing_of_the_network_is_left(runner):
    before = set(host.processes_with("--netns\0/dev/pts/"))
    assert default_network(runner, "exit 0").code == 0
    assert host.wait_until(lambda: not set(host.processes_with("--netns\0/dev/pts/")) - before)


def test_runs_do_not_reach_one_another(runner, tmp_path):
    probe = default_network(runner, "ifconfig -a | grep 'inet addr' | grep -v 127.0.0.1; exit 0")
    assert probe.code == 0
    document = runner.request("ip -4 addr 2>/dev/null | awk '/inet / && !/127/ { print $2 }'; "
                              "echo serving; nc -l -p 7777 -e echo PEER")
    del document["networks"]
    with open(tmp_path / "result", "w+b") as result:
        server = subprocess.Popen([runner.executable, "run", "--json", "--request", runner.write_request(document)],
                                  stdin=subprocess.DEVNULL, stdout=result, stderr=subprocess.PIPE)
        try:
            lines = []
            for line in server.stderr:
                lines.append(line.decode().strip())
                if lines[-1] == "serving":
                    break
            addresses = [line.split("/")[0] for line in lines[:-1]]
            result.seek(0)
            assert addresses and lines[-1] == "serving", (lines, result.read(), probe)
            for address in addresses:
                assert "PEER" not in default_network(runner, f"nc -w 2 {address} 7777 </dev/null; exit 0").text
        finally:
            server.terminate()
            server.wait(timeout=20)
            server.stderr.close()


@pytest.mark.no_podman
def test_without_a_network_there_is_loopback_and_nothing_else(runner):
    """In every tier it is the sandbox's own, and is what `localhost` means."""
    outcome = runner.ok("""sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' ' | grep -Ev '^(sit|tunl|gre|gretap|erspan|ip_vti|ip6).*0$'
        echo from-inside | nc -l -p 8080 -w 5 & i=0
        while [ $i -lt 50 ]; do sleep 1 | nc -w 5 127.0.0.1 8080 2>/dev/null && break; i=$((i+1)); sleep 0.1; done
        grep -w localhost /etc/hosts; stat -c %a /etc/hosts""")
    assert outcome.lines[:2] == ["lo", "from-inside"], outcome
    assert [line.split()[:2] for line in outcome.lines[2:4]] == [["127.0.0.1", "localhost"], ["::1", "localhost"]], outcome
    assert outcome.lines[-1] == "644"


def test_a_runs_network_namespace_is_its_own(runner):
    if runner.tier != "runc":
        pytest.skip("in other tiers the kernel is its own")
    namespace = runner.ok("readlink /proc/self/ns/net").lines
    assert namespace != [os.readlink("/proc/self/ns/net")] and namespace[0].startswith("net:["), namespace
