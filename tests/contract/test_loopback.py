# SPDX-License-Identifier: MIT
"""The sandbox's own loopback: names, ports and pings, for its root and for other users."""
import json
import os

import pytest

# As root, and then as a user of no privileges.
SCRIPT = r'''
import json, os, socket, struct
seen = {}

def check(name, function):
    try:
        seen[name] = function()
    except OSError as e:
        seen[name] = str(e)

def find(name, family):
    return sorted({row[4][0] for row in socket.getaddrinfo(name, 80, family)})

def connect(address, port):
    with socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        with socket.create_connection(server.getsockname()[:2], 5):
            return True

def ping(family, protocol, request, address):
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as s:
        s.settimeout(10)
        s.sendto(struct.pack("!BBHHH", request, 0, 0, 1, 1) + b"12345678", (address, 0))
        return s.recv(100)[-8:] == b"12345678"

check("own name", lambda: find(socket.gethostname(), socket.AF_INET))
check("localhost", lambda: find("localhost", socket.AF_INET))
check("localhost, IPv6", lambda: find("localhost", socket.AF_INET6))
for user in (0, 1234):
    if user:
        os.setgid(user)
        os.setuid(user)
    check(f"port 80 of 127.0.0.1, {user}", lambda: connect("127.0.0.1", 80))
    check(f"port 443 of ::1, {user}", lambda: connect("::1", 443))
    check(f"ping 127.0.0.1, {user}", lambda: ping(socket.AF_INET, socket.IPPROTO_ICMP, 8, "127.0.0.1"))
    check(f"ping ::1, {user}", lambda: ping(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, "::1"))
print(json.dumps(seen))
'''


@pytest.mark.parametrize("network", ["none", "default"])
def test_loopback(runner, python_image, tmp_path, network):
    if runner.tier == "kata" and network == "default":
        pytest.skip("it is the same kernel with an interface more")
    (tmp_path / "loopback.py").write_text(SCRIPT)
    outcome = runner.ok("python3 loopback.py", python_image, dir=tmp_path, networks=["none"] if network == "none" else [])
    seen = json.loads(outcome.lines[-1])
    own = seen.pop("own name")
    assert len(own) == 1 and (own == ["127.0.0.1"] or (runner.engine == "docker" and network == "default")), outcome
    assert seen.pop("localhost") == ["127.0.0.1"] and seen.pop("localhost, IPv6") == ["::1"], outcome
    # Docker's network takes ::1 away, and gVisor has what it finds there.
    if not os.path.exists("/proc/net/if_inet6") or (runner.cell == ("docker", "runsc") and network == "default"):
        seen = {name: answer for name, answer in seen.items() if "::1" not in name}
    assert set(map(str, seen.values())) == {"True"}, outcome
