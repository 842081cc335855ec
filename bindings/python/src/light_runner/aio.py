# SPDX-License-Identifier: MIT
"""The same for asyncio: `await`, `async for` and `async with`."""
from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Optional, Type

from . import _runner
from ._execution import Execution as _Execution
from ._types import Result

__all__ = ["Execution", "Runner", "attach"]


async def _in_thread(function: Callable[..., Any], *words: Any, **named: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, lambda: function(*words, **named))


class Execution:
    """A run that has been started. A task that waits for its result cancels the run when it is cancelled itself."""

    def __init__(self, inner: _Execution) -> None:
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        inner._on_change = self._notify
        self._changed.set()

    def _notify(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._changed.set)
        except RuntimeError:
            pass  # the loop is closed: nobody waits

    @property
    def id(self) -> str:
        return self._inner.id

    @property
    def cancelled(self) -> bool:
        return self._inner.cancelled

    @property
    def logs(self) -> AsyncIterator[str]:
        return self._read()

    async def _read(self) -> AsyncIterator[str]:
        try:
            while True:
                self._changed.clear()
                line, more = self._inner._next_line()
                if line is not None:
                    yield line
                elif not more:
                    return
                else:
                    await self._changed.wait()
        finally:
            self._inner._stop_reading()

    async def result(self) -> Result:
        try:
            while not self._inner.done:
                self._changed.clear()
                if not self._inner.done:
                    await self._changed.wait()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self._inner.result()

    def cancel(self) -> None:
        self._inner.cancel()

    async def stop(self, signal: str = "SIGTERM", grace: float = 10) -> None:
        await _in_thread(self._inner.stop, signal, grace)

    async def pause(self) -> None:
        await _in_thread(self._inner.pause)

    async def resume(self) -> None:
        await _in_thread(self._inner.resume)

    async def __aenter__(self) -> Execution:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        self.cancel()
        await _in_thread(self._inner._call.ended.wait)


class Runner:
    """The options are those of light_runner.Runner, and so are the parameters of run()."""

    def __init__(self, **options: Any) -> None:
        self._runner = _runner.Runner(**options)

    async def run(self, **request: Any) -> Execution:
        """Returns once the run is started; for a detached run, once its command runs."""
        return Execution(await _in_thread(self._runner.run, **request))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The other methods of light_runner.Runner, as coroutines."""
        method = getattr(self._runner, name)
        if name.startswith("_") or not callable(method):
            raise AttributeError(name)

        async def call(*words: Any, **named: Any) -> Any:
            return await _in_thread(method, *words, **named)

        return call


async def attach(id: str) -> Optional[Execution]:
    inner = await _in_thread(_runner.attach, id)
    return Execution(inner) if inner else None
