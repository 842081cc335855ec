# SPDX-License-Identifier: MIT
"""One `light-runner rpc` for this process (docs/rpc.md). A thread reads what it says, and calls the callbacks of each call."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, Optional

from . import _executable
from ._errors import LightRunnerError

PROTOCOL = 1

Message = Dict[str, Any]


class Call:
    """A request in progress. The callbacks are called by the reader's thread and must not block."""

    def __init__(self, number: int, on_event: Optional[Callable[[Message], None]], on_end: Optional[Callable[[], None]]) -> None:
        self.number = number
        self.on_event = on_event
        self.on_end = on_end
        self.ended = threading.Event()
        self.result: Any = None
        self.error: Optional[LightRunnerError] = None

    def end(self, result: Any, error: Optional[LightRunnerError]) -> None:
        self.result, self.error = result, error
        self.ended.set()
        if self.on_end:
            self.on_end()

    def outcome(self) -> Any:
        """Raises the error. Call this once `ended` is set."""
        if self.error:
            raise self.error
        return self.result


class Rpc:
    def __init__(self, executable: str) -> None:
        self.pid = os.getpid()
        self._executable = executable
        self._greeted = False
        self._lock = threading.Lock()
        self._calls: Dict[int, Call] = {}
        self._last = 0
        self._failure: Optional[LightRunnerError] = None
        try:
            self._process = subprocess.Popen([executable, "rpc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise LightRunnerError({"code": "IO_FAILED", "message": f"'{executable}' cannot be started: {error.strerror}",
                                    "operation": "rpc", "hint": _executable.HINT}) from error
        threading.Thread(target=self._read, name="light-runner-rpc", daemon=True).start()

    @property
    def ended(self) -> bool:
        return self._failure is not None

    def start(self, method: str, params: Message, on_event: Optional[Callable[[Message], None]] = None,
              on_end: Optional[Callable[[], None]] = None) -> Call:
        given = {name: value for name, value in params.items() if value is not None}
        with self._lock:
            self._last += 1
            call = Call(self._last, on_event, on_end)
            failure = self._failure
            if failure is None:
                self._calls[call.number] = call
                try:
                    assert self._process.stdin
                    self._process.stdin.write(json.dumps({"id": call.number, "method": method, "params": given}).encode() + b"\n")
                    self._process.stdin.flush()
                except OSError:
                    pass  # the reader reports the end
        if failure:
            call.end(None, failure)
        return call

    def call(self, method: str, params: Message) -> Any:
        call = self.start(method, params)
        call.ended.wait()
        return call.outcome()

    def _read(self) -> None:
        failure = None
        assert self._process.stdout
        try:
            for line in self._process.stdout:
                self._take(json.loads(line))
        except LightRunnerError as error:
            failure = error
        except ValueError:
            failure = self._does_not_work("it printed no JSON")
        if failure:
            self._process.kill()
        elif self._greeted:
            failure = LightRunnerError({"code": "SUPERVISOR_LOST", "message": "light-runner rpc has ended", "operation": "rpc"})
        else:
            failure = self._does_not_work(f"light-runner rpc has ended ({self._process.wait()})")
        with self._lock:
            self._failure = failure
            calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            call.end(None, failure)
        self._process.wait()

    def _does_not_work(self, reason: str) -> LightRunnerError:
        return LightRunnerError({"code": "IO_FAILED", "message": f"'{self._executable}' does not work: {reason}", "operation": "rpc",
                                 "hint": _executable.DOCTOR})

    def _take(self, message: Message) -> None:
        event = message.get("event")
        if event == "hello":
            self._greeted = True
            _executable.check_version(message["version"], self._executable)
            if message["protocol"] != PROTOCOL:
                _executable.check_version("protocol " + str(message["protocol"]), self._executable)
            return
        number = message.get("id")
        with self._lock:
            call = self._calls.get(number) if isinstance(number, int) else None
            if call and event is None:
                del self._calls[call.number]
        if call is None:
            return
        if event is not None:
            if call.on_event:
                try:
                    call.on_event(message)
                except Exception:  # the program's callback: this thread also serves other runs
                    sys.excepthook(*sys.exc_info())
        elif "error" in message:
            call.end(None, LightRunnerError(message["error"]))
        else:
            call.end(message["result"], None)


_shared: Optional[Rpc] = None
_shared_lock = threading.Lock()


def shared() -> Rpc:
    """Raises LightRunnerError if there is no executable. A process that was forked gets one of its own."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared.ended or _shared.pid != os.getpid():
            _shared = Rpc(_executable.find())
        return _shared
