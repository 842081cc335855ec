# SPDX-License-Identifier: MIT
"""Addresses of this machine, for servers that a sandbox may reach or not. They are on its loopback interface, so that nothing
that is sent to them leaves it."""
import contextlib
import os
import socket
import subprocess
import threading

METADATA = "169.254.169.254"  # of most clouds
OWN = "203.0.113.77"  # of a network for documentation
OWN_V6 = "2001:db8::77"
LATER = "203.0.113.78"  # which the host gets while a sandbox runs


def _ip(*words):
    return subprocess.run(["ip", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=20).stdout.decode()


def _alone(address):
    return address + ("/128" if ":" in address else "/32")


def present(address):
    return f" {address}/" in _ip("-oneline", "address")


def usual():
    """Those that a server is at. Without a default route for IPv6 a sandbox has no IPv6 either."""
    return [METADATA, OWN, *([OWN_V6] if _ip("-6", "route", "show", "default") else [])]


@contextlib.contextmanager
def of_the_host(*wanted):
    """The host has these addresses, the usual ones if none are named. False: it cannot get them, which takes root."""
    added = []
    try:
        for address in wanted or usual():
            if present(address):
                continue
            if os.geteuid() != 0:
                yield False
                return
            _ip("address", "add", _alone(address), "dev", "lo")
            added.append(address)
        yield True
    finally:
        for address in added:
            _ip("address", "del", _alone(address), "dev", "lo")


@contextlib.contextmanager
def server(address, text):
    """Sends the text to whoever connects, as the port that it returns."""
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
