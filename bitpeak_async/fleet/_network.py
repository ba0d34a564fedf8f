"""The network that all clients of a fleet share: one session, one fair limit on requests."""

from __future__ import annotations

import asyncio
from functools import partial

from bitpeak_async._http.lifecycle import NewLimiter
from bitpeak_async._http.network import SharedSession
from bitpeak_async._rate.controller import RateController
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.lease import Lease, Permit
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import KeptLink
from bitpeak_async.fleet._fair_limiter import FairLimiter, KeyQuota


class QuotaLimiter(Limiter):
    """A key's limiter whose requests also need a slot of the fleet.

    The slot comes last, after the key's own slots, pause and rate, so that a key waiting for
    those holds no slot that others could use.
    """

    def __init__(self, controller: Lease | RateController, slots: int, quota: KeyQuota) -> None:
        super().__init__(controller, slots)
        self._slots = asyncio.Semaphore(slots)
        self._turn = asyncio.Lock()
        self._quota = quota
        self._is_paced = False
        self._entering = 0

    @property
    def is_paced(self) -> bool:
        """Whether a task waits for nothing but the rate."""
        return self._is_paced

    @property
    def waiting(self) -> int:
        """Tasks that wait to be admitted."""
        return self._entering

    def try_enter(self) -> None:
        """Return None: only ``enter()`` acquires a slot of the fleet."""

    async def enter(self) -> Permit:
        """Wait for a slot of the key, for the rate and for a slot of the fleet.

        ``leave()`` must follow.

        Raises:
            RateLimitError: the server has let nothing through for too long.
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
                    await self._wait_for_rate()
                    await self._quota.acquire()
                    try:
                        if self.pacer.wait() <= 0:
                            return self.pacer.admit()
                    except BaseException:
                        self._quota.release()
                        raise
                    self._quota.release()  # a pause began while waiting
        except BaseException:
            self._slots.release()
            raise

    async def _wait_for_rate(self) -> None:
        try:
            while (delay := self.pacer.wait()) > 0:
                self._is_paced = True
                await asyncio.sleep(delay)
        finally:
            self._is_paced = False

    def leave(self, permit: Permit) -> None:
        """Free both slots."""
        self.pacer.released(permit)
        self._slots.release()
        self._quota.release(self.pacer.clock() - permit.at)


class FleetNetwork(SharedSession):
    """One session for all keys of a fleet.

    Args:
        limit: requests in flight at once, and so connections.
        link: to the store that shares each key's rate with other processes, or None.
    """

    def __init__(self, limit: int, link: KeptLink | None = None) -> None:
        super().__init__(limit)
        self._link = link
        self.fair_limiter = FairLimiter(limit)

    def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
        """Return what makes a key's limiter."""
        return partial(limiters.make, link=self._link, limiter=self.limiter)

    def limiter(self, controller: Lease | RateController, slots: int) -> Limiter:
        """Return a key's limiter."""
        return QuotaLimiter(controller, slots, self.fair_limiter.quota())

    async def wait_for_room(self) -> None:
        """Wait until one more key may start.

        With a store, the keys that started before have joined their groups by then.
        """
        if self._link is not None and not self._link.is_lost:
            async with self._link.turns:
                pass
        await self.fair_limiter.wait_for_room()

    async def connect_store(self) -> None:
        """Connect to the pace store, if there is one.

        Raises:
            NotSentError: it does not answer.
        """
        if self._link is not None:
            await self._link.open()

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        try:
            await super().close()
        finally:
            if self._link is not None:
                await self._link.close()
