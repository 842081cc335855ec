# SPDX-License-Identifier: MIT
"""Addresses of this machine, for test servers that a sandbox may or may not reach. They are added to the loopback interface, so
no packet to them leaves the machine."""
import contextlib
import fcntl
import json
import os
import socket
import subprocess
import threading

METADATA = "169.254.169.254"  # the metadata service of most clouds
OWN = "203.0.113.77"  # from a range reserved for documentation
OWN_V6 = "2001:db8::77"
LATER = "203.0.113.78"  # added to the host while a sandbox runs


def _ip(*words):
    return subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=20).stdout.decode()


def _alone(address):
    return address + ("/128" if ":" in address else "/32")


def present(address):
    return f" {address}/" in _ip("-oneline", "address")


def usual():
    """The addresses that test servers listen on. If the host has no default IPv6 route, a sandbox has no IPv6 either."""
    return [METADATA, OWN, *([OWN_V6] if _ip("-6", "route", "show", "default") else [])]


@contextlib.contextmanager
def _users():
    """Counts, for each address that tests have added, the tests that use it. Several test processes run at the same time."""
    fd = os.open(f"/tmp/lr-test-addresses-{os.stat('/proc/self/ns/net').st_ino}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        # Tests that were killed may have left a stale file.
        users = {address: count for address, count in json.loads(text or "{}").items() if present(address)}
        yield users
        file.seek(0)
        file.truncate()
        json.dump(users, file)


@contextlib.contextmanager
def of_the_host(*wanted):
    """Gives the host these addresses, by default the usual ones. Yields False if they cannot be added, which takes root."""
    wanted = wanted or usual()
    if os.geteuid() != 0:
        yield all(present(address) for address in wanted)
        return
    with _users() as users:
        for address in wanted:
            if address in users or not present(address):
                users[address] = users.get(address, 0) + 1
            if not present(address):
                _ip("address", "add", _alone(address), "dev", "lo")
        counted = [address for address in wanted if address in users]
    try:
        yield True
    finally:
        with _users() as users:
            for address in counted:
                users[address] = users.get(address, 1) - 1
                if users[address] == 0:
                    del users[address]
                    _ip("address", "del", _alone(address), "dev", "lo")


@contextlib.contextmanager
def server(address, text):
    """Sends the text to every client that connects. Yields the server's port."""
    listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)

    def serve():
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.sendall(text.encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
