# SPDX-License-Identifier: MIT
"""A proxy between the executable and the daemon. It records every call, and can change a call or answer it itself."""
import contextlib
import json
import os
import re
import socket
import ssl
import threading
import time

RUN_ID = re.compile(r"light-runner-[0-9a-f]{12}")


class Call:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    @property
    def name(self):
        """The call without the API version and the run's id: "POST /containers/ID/start"."""
        path = re.sub(r"^/v1\.\d+", "", self.path.split("?")[0])
        return f"{self.method} {RUN_ID.sub('ID', path)}"

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return self.name


def read_head(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.read(1)
        if not byte or len(head) > 65536:
            return None
        head += byte
    return head


def read_whole(stream, length):
    """Reads exactly `length` bytes. One read of an unbuffered stream may return fewer."""
    data = b""
    while len(data) < length:
        some = stream.read(length - len(data))
        if not some:
            raise OSError("closed midway")
        data += some
    return data


def read_body(stream, head):
    length = re.search(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)", head)
    if length:
        return read_whole(stream, int(length.group(1)))
    if re.search(rb"\r\n[Tt]ransfer-[Ee]ncoding: *chunked", head):
        body = b""
        while True:
            size = stream.readline()
            chunk = read_whole(stream, int(size, 16) + 2)
            body += size + chunk
            if int(size, 16) == 0:
                return body
    return b""


def pump(source, target):
    """Copies one direction of a connection until its end."""
    with contextlib.suppress(OSError):
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Proxy:
    """spoil: a function of (Call, connection); it answers in the daemon's place and returns True, or returns False.
    change: a function of a Call; it returns the document to send to the daemon instead of the original one, or None."""

    def __init__(self, daemon, path, spoil=None, tls=None, change=None):
        """path: the socket to listen on, or None for a port on 127.0.0.1."""
        self.daemon, self.spoil, self.tls, self.change, self.calls = daemon, spoil, tls, change, []
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.host = f"unix://{path}"
        else:
            self.listener = socket.socket()
            self.listener.bind(("127.0.0.1", 0))
            self.host = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.listener.listen(64)
        self.closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while not self.closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError, ssl.SSLError):
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._exchange(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def _exchange(self, connection):
        stream = connection.makefile("rb", buffering=0 if not self.tls else -1)
        upstream = None
        while True:
            head = read_head(stream)
            if head is None:
                return
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            call = Call(method, path, head.decode(), read_body(stream, head))
            self.calls.append(call)
            if self.spoil and self.spoil(call, connection):
                return
            if upstream is None:
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(self.daemon.socket)
            document = self.change(call) if self.change else None
            if document is not None:
                call.body = json.dumps(document).encode()
                head = re.sub(rb"(?i)(\r\ncontent-length: *)\d+", rb"\g<1>%d" % len(call.body), head)
            upstream.sendall(head + call.body)
            if b"upgrade: tcp" in head.lower():
                threading.Thread(target=pump, args=(connection, upstream), daemon=True).start()
                pump(upstream, connection)
                upstream.close()
                return
            answers = upstream.makefile("rb", buffering=0)
            answer = read_head(answers)
            if answer is None:
                return
            connection.sendall(answer + read_body(answers, answer))

    @property
    def names(self):
        return [call.name for call in self.calls]

    def environment(self, **more):
        return dict(os.environ, DOCKER_HOST=self.host, **more)


def answer(connection, status, body, kind="application/json"):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return True


def hang(_call, _connection):
    time.sleep(40)
    return True
