"""The slots of a client, and the queue of tasks that wait for the rate."""

from __future__ import annotations

import asyncio
import copy
from collections import deque

from bitpeak_async._rate.lease import Lease, Permit
from bitpeak_async.errors import BitPeakError
from bitpeak_async.events import RateSnapshot


class Limiter:
    """Admits requests in order at the rate of its lease, and at most ``slots`` at once."""

    def __init__(self, lease: Lease, slots: int) -> None:
        self.lease = lease
        self._free = self._most = slots
        self._waiting: deque[asyncio.Future[Permit]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def try_enter(self) -> Permit | None:
        """Return a permit if one is available now; ``leave()`` must follow.

        Raises:
            RateLimitError: the server has admitted no request for too long.
            NotSentError: the store of the rate has never been reachable.
        """
        if self._waiting or not self._free or self.lease.wait() > 0:
            return None
        self._free -= 1
        return self.lease.admit()

    async def enter(self) -> Permit:
        """Wait for a slot and for the pace; ``leave()`` must follow.

        Raises:
            RateLimitError: the server has admitted no request for too long.
            NotSentError: the store of the rate has never been reachable.
        """
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit_waiting()
        try:
            return await turn
        except BaseException:
            if not turn.cancel() and not turn.cancelled() and turn.exception() is None:
                self.leave(turn.result())
            raise

    @property
    def snapshot(self) -> RateSnapshot:
        """The current state of the rate."""
        lease = self.lease
        return RateSnapshot(
            rate=lease.rate,
            paused_for=max(0.0, lease.paused_until - lease.clock()),
            in_flight=lease.under_way,
            waiting=self.waiting,
        )

    @property
    def waiting(self) -> int:
        """The number of tasks that wait to be admitted."""
        return sum(not turn.done() for turn in self._waiting)

    def leave(self, permit: Permit) -> None:
        """Free the slot."""
        self.lease.released(permit)
        self._free += 1
        if self._waiting:
            self._admit_waiting()

    async def close(self) -> None:
        """Return the unused permits to the shared state."""
        await self.lease.close()

    def _admit_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._free:
            turn = self._waiting[0]
            if not turn.done():
                try:
                    delay = self.lease.wait(min(len(self._waiting), self._most))
                except BitPeakError as error:
                    self._fail_waiting(error)
                    return
                if delay > 0:
                    self._timer = self._look_later(turn.get_loop(), delay)
                    return
            self._waiting.popleft()
            if not turn.done():
                self._free -= 1
                turn.set_result(self.lease.admit())

    def _look_later(self, loop: asyncio.AbstractEventLoop, delay: float) -> asyncio.TimerHandle:
        return loop.call_later(delay, self._admit_waiting)

    def _fail_waiting(self, error: BitPeakError) -> None:
        """Fail each task with its own error, because they are raised in different frames."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(copy.copy(error))
