# SPDX-License-Identifier: MIT
from __future__ import annotations

import collections
import threading
from types import TracebackType
from typing import Any, Callable, Deque, Dict, Iterator, Optional, Tuple, Type

from ._errors import LightRunnerError
from ._rpc import Rpc
from ._types import Result

# What may be on its way from the server before somebody reads it: bytes.
WINDOW = 1 << 20


class Execution:
    """A run that has been started. As a context manager it cancels the run at the end of the block."""

    def __init__(self, rpc: Rpc, method: str, params: Dict[str, Any], on_log: Optional[Callable[[str], None]] = None,
                 on_change: Optional[Callable[[], None]] = None) -> None:
        self.id: str = params["run"]
        self._rpc = rpc
        self._on_log, self._on_change = on_log, on_change
        self._lock = threading.Condition()
        self._lines: Deque[Tuple[str, int]] = collections.deque()
        self._size = self._unsent = 0
        self._reading = self._cancelled = False
        self._running = method == "attach"
        self._partial = {"stdout": "", "stderr": ""}
        self._call = rpc.start(method, {**params, "window": WINDOW}, self._take, self._changed)

    def _changed(self) -> None:
        with self._lock:
            self._lock.notify_all()
        if self._on_change:
            self._on_change()

    def _take(self, event: Dict[str, Any]) -> None:
        if event["event"] == "state" and event["state"] == "running":
            self._running = True
        elif event["event"] == "log":
            text = self._partial[event["stream"]] + event["line"]
            self._partial[event["stream"]] = text if event.get("partial") else ""
            if event.get("partial"):
                self._grant(event["size"])
                return
            with self._lock:
                self._lines.append((text, event["size"]))
                self._size += event["size"]
                # Output that nobody reads: the last 512 KiB are kept.
                while not self._reading and self._size > WINDOW // 2:
                    self._drop()
            if self._on_log and text:
                self._on_log(text)
        self._changed()

    def _drop(self) -> str:
        line, size = self._lines.popleft()
        self._size -= size
        self._grant(size)
        return line

    def _grant(self, size: int) -> None:
        self._unsent += size
        if self._unsent >= WINDOW // 4 and not self._call_ended():
            self._rpc.start("credit", {"call": self._call.number, "bytes": self._unsent})
            self._unsent = 0

    def _call_ended(self) -> bool:
        call = getattr(self, "_call", None)
        return call is None or call.ended.is_set()

    def _next_line(self) -> Tuple[Optional[str], bool]:
        """A line if there is one, and whether there may be more."""
        with self._lock:
            self._reading = True
            if self._lines:
                return self._drop(), True
            return None, not self._call_ended()

    @property
    def logs(self) -> Iterator[str]:
        """The output, line by line, stdout and stderr in order of arrival. A reader that is slow slows the output down, and no
        other run. What was printed before the first read is there, up to 512 KiB."""
        try:
            while True:
                line, more = self._next_line()
                if line is not None:
                    yield line
                elif not more:
                    return
                else:
                    with self._lock:
                        self._lock.wait_for(lambda: bool(self._lines) or self._call_ended())
        finally:
            self._stop_reading()

    def _stop_reading(self) -> None:
        with self._lock:
            self._reading = False
            while self._size > WINDOW // 2:
                self._drop()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled or stopped from here."""
        return self._cancelled

    @property
    def done(self) -> bool:
        return self._call_ended()

    def result(self, timeout: Optional[float] = None) -> Result:
        """Waits for the end. Raises LightRunnerError if light-runner failed, TimeoutError after `timeout` seconds."""
        if not self._call.ended.wait(timeout):
            raise TimeoutError(f"{self.id} is still running")
        return self._outcome()

    def _outcome(self) -> Result:
        document = self._call.outcome()
        if document is None:
            raise LightRunnerError({"code": "INVALID_ARGUMENT", "message": f"there is no run '{self.id}'", "field": "run"})
        return Result.from_document(document)

    def cancel(self) -> None:
        """Kills the run and returns at once; the result says `cancelled`."""
        if not self._call_ended():
            self._cancelled = True
            self._rpc.start("cancel", {"call": self._call.number})

    def stop(self, signal: str = "SIGTERM", grace: float = 10) -> None:
        """Sends a signal, and SIGKILL after `grace` seconds. Returns when the run has ended."""
        if self._call_ended():
            return
        self._cancelled = True
        self._rpc.call("stop", {"call": self._call.number, "signal": signal, "grace": round(grace * 1000)})
        self._call.ended.wait()

    def pause(self) -> None:
        """Freezes the run, once its command runs."""
        self._order("pause")

    def resume(self) -> None:
        self._order("resume")

    def _order(self, method: str) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._running or self._call_ended())
        if self._call_ended():
            raise LightRunnerError({"code": "INVALID_ARGUMENT", "message": "the run has ended", "container": self.id})
        self._rpc.call(method, {"call": self._call.number})

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.cancel()
        self._call.ended.wait()
