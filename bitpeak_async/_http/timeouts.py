"""Timeouts of many tasks on one timer; a timer per request would take a tenth of its time."""

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
        timeouts = self._timeouts
        timeouts.running.add(self)
        if self.ends < timeouts.rings:
            timeouts.ring_at(self.ends)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        running = self._timeouts.running
        if self in running:
            running.remove(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from None

    def expire(self) -> None:
        """Cancel the task."""
        self._task.cancel()


@define(eq=False)
class Timeouts:
    """All running timeouts of a loop; they are few, so each is checked when the timer fires.

    Attributes:
        running: the timeouts; their context managers add and remove them.
        rings: when the timer fires.
    """

    _loop: asyncio.AbstractEventLoop
    running: set[_Timeout] = field(init=False, factory=set)
    rings: float = field(init=False, default=math.inf)
    _timer: asyncio.TimerHandle | None = field(init=False, default=None)

    def within(self, seconds: float) -> _Timeout:
        """Return a context manager that raises TimeoutError after this many seconds.

        Like ``asyncio.timeout()`` it cancels the task, and does not touch other cancellations.
        """
        if (task := asyncio.current_task()) is None:
            raise RuntimeError("a request needs an asyncio task, such as that of asyncio.run()")
        return _Timeout(self, task, task.cancelling(), self._loop.time() + seconds)

    def close(self) -> None:
        """Stop the timer, unless a timeout still runs, as is possible on the caller's session."""
        if not self.running:
            self.ring_at(math.inf)

    def ring_at(self, when: float) -> None:
        """Set the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self.rings = when
        self._timer = None if when == math.inf else self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        now = self._loop.time()
        for timeout in [each for each in self.running if each.ends <= now]:
            self.running.remove(timeout)
            timeout.expire()
        self.ring_at(min((each.ends for each in self.running), default=math.inf))
