# SPDX-License-Identifier: MIT
"""A client of `light-runner rpc`. It validates the messages in both directions against docs/rpc.schema.json."""
import json
import os
import select
import subprocess
import time

from . import schemas

DEADLINE = 60


class Rpc:
    def __init__(self, executable, env=None):
        self.process = subprocess.Popen([executable, "rpc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=env)
        self.logs, self.buffer, self.ended, self.pending, self.last_id = 0, b"", False, [], 0
        self.hello = self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        said = self.process.stderr.read()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        assert b"runtime error" not in said and b"Sanitizer" not in said, said.decode(errors="replace")

    def write(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, method, **params):
        """Sends a request that is valid by the schema. Returns its id."""
        self.last_id += 1
        message = {"id": self.last_id, "method": method, **({"params": params} if params else {})}
        schemas.rpc(message, "toServer")
        self.write(json.dumps(message).encode())
        return self.last_id

    def _line(self, deadline):
        while b"\n" not in self.buffer:
            assert select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0], "no message came"
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                self.ended = True
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def receive(self, seconds=DEADLINE):
        """Returns the next message, or None if the server has ended."""
        line = self._line(time.monotonic() + seconds)
        if line is None:
            return None
        message = json.loads(line)
        # Validate only the first log events: floods of output look all alike, and the validator is slow.
        self.logs += message.get("event") == "log"
        if message.get("event") != "log" or self.logs < 50:
            schemas.rpc(message, "toClient")
        return message

    def take(self, wanted, seconds=DEADLINE):
        """Returns the next message for which `wanted` is true. Other messages are kept for later."""
        for message in self.pending:
            if wanted(message):
                self.pending.remove(message)
                return message
        while True:
            message = self.receive(seconds)
            assert message is not None, "the server has ended"
            if wanted(message):
                return message
            self.pending.append(message)

    def answer(self, number, seconds=DEADLINE):
        return self.take(lambda m: "event" not in m and m["id"] == number, seconds)

    def event(self, number, name, **fields):
        return self.take(lambda m: m.get("event") == name and m["id"] == number
                         and all(m.get(key) == value for key, value in fields.items()))

    def call(self, method, **params):
        return self.answer(self.send(method, **params))

    def events(self, number, name):
        """The events of this name that were kept."""
        return [m for m in self.pending if m.get("event") == name and m["id"] == number]

    def lines(self, number, stream="stdout"):
        return [m["line"] for m in self.events(number, "log") if m["stream"] == stream]
