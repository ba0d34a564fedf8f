"""The network that all clients of a fleet share: one session, one fair limit on requests."""

from __future__ import annotations

import asyncio
from functools import partial

from bitpeak_async._http.lifecycle import NewLimiter
from bitpeak_async._http.network import SharedSession
from bitpeak_async._http.protocol import Fence
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.lease import Lease, Permit
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.store import RateStore
from bitpeak_async._rate.stored import Link
from bitpeak_async.fleet._fair_limiter import FairLimiter, KeyQuota


class QuotaLimiter(Limiter):
    """A key's limiter whose requests also need a slot of the fleet.

    It acquires the fleet's slot last: a key that waits for its own rate must not hold a slot that
    others could use.
    """

    def __init__(self, lease: Lease, slots: int, shared: FairLimiter) -> None:
        super().__init__(lease, slots)
        self._slots = asyncio.Semaphore(slots)
        self._turn = asyncio.Lock()
        self._shared = shared
        self._quota = KeyQuota()
        self._entering = 0

    @property
    def waiting(self) -> int:
        """The number of tasks that wait to be admitted."""
        return self._entering

    def try_enter(self) -> None:
        """Return None: only ``enter()`` acquires a slot of the fleet."""

    async def enter(self) -> Permit:
        """Wait for the key's slot and rate, then for a slot of the fleet; call ``leave()`` later.

        Raises:
            RateLimitError: the server has admitted no request for too long.
        """
        self._entering += 1
        try:
            return await self._enter()
        finally:
            self._entering -= 1

    async def _enter(self) -> Permit:
        await self._slots.acquire()
        try:
            async with self._turn:
                while True:
                    while (delay := self.lease.wait(self._entering)) > 0:  # noqa: ASYNC110 - by time
                        await asyncio.sleep(delay)
                    await self._shared.acquire(self._quota)
                    try:
                        if self.lease.wait() <= 0:
                            return self.lease.admit()
                    except BaseException:
                        self._shared.release(self._quota)
                        raise
                    self._shared.release(self._quota)  # a pause began while waiting
        except BaseException:
            self._slots.release()
            raise

    def leave(self, permit: Permit) -> None:
        """Free both slots."""
        self.lease.released(permit)
        self._slots.release()
        self._shared.release(self._quota, self.lease.clock() - permit.at)


class FleetNetwork(SharedSession):
    """One session for all keys of a fleet.

    Args:
        limit: the most requests in flight at once, and so the most connections.
        store: shares each key's rate with other processes, or None.
        fence: awaited right before each write, or None.
    """

    def __init__(
        self, limit: int, store: RateStore | None = None, fence: Fence | None = None
    ) -> None:
        super().__init__(limit, fence)
        self._link = None if store is None else Link(store)
        self.fair_limiter = FairLimiter(limit)

    def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
        """Return the factory of a key's limiter."""
        limiter = partial(QuotaLimiter, shared=self.fair_limiter)
        return partial(limiters.make, link=self._link, limiter=limiter)

    async def check_store(self) -> None:
        """Raise NotSentError if there is a store and it has never answered."""
        if self._link is not None and not self._link.was_reached:
            await self._link.check()
