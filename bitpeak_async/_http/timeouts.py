"""Timeouts of many tasks on one timer, because a timer per request would cost a tenth of it."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType

from attrs import define, field


@define(eq=False)
class _Timeout:
    """Like ``asyncio.timeout()``, with the timer of ``Timeouts``."""

    _timeouts: Timeouts
    _task: asyncio.Task[object]
    _cancelling: int
    ends: float

    def __enter__(self) -> None:
        self._timeouts.begin(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timeouts.end(self):
            return
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from None

    def expire(self) -> None:
        """Cancel the task."""
        self._task.cancel()


@define(eq=False)
class Timeouts:
    """All running timeouts of a loop, few enough to check each when the timer fires."""

    _loop: asyncio.AbstractEventLoop
    _running: set[_Timeout] = field(init=False, factory=set)
    _timer: asyncio.TimerHandle | None = field(init=False, default=None)
    _rings: float = field(init=False, default=math.inf)

    def within(self, seconds: float) -> _Timeout:
        """Return a context manager that raises TimeoutError after this many seconds.

        Like ``asyncio.timeout()`` it cancels the task, and does not touch other cancellations.
        """
        if (task := asyncio.current_task()) is None:
            raise RuntimeError("a timeout needs a task")
        return _Timeout(self, task, task.cancelling(), self._loop.time() + seconds)

    def begin(self, timeout: _Timeout) -> None:
        """Watch a timeout."""
        self._running.add(timeout)
        if timeout.ends < self._rings:
            self._ring_at(timeout.ends)

    def end(self, timeout: _Timeout) -> bool:
        """Forget a timeout; return whether it was still running."""
        if timeout in self._running:
            self._running.remove(timeout)
            return True
        return False

    def close(self) -> None:
        """Stop the timer, unless a timeout still runs, as it may on the caller's session."""
        if not self._running:
            self._ring_at(math.inf)

    def _ring_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = when
        self._timer = None if when == math.inf else self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        for timeout in [each for each in self._running if each.ends <= now]:
            self._running.remove(timeout)
            timeout.expire()
        self._ring_at(min((each.ends for each in self._running), default=math.inf))
