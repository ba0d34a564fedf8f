"""Requests at once over all keys of a fleet, handed out so that no key can hold the others up.

A key takes its place under the cap last: after its own slots, its pause and its rate, so one that
waits for those holds nothing. When places are short, the next one goes to the key with the fewest
requests under way, and keys whose requests last long share a quarter of the cap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

from bitpeak_async._http.lifecycle import NewLimiter
from bitpeak_async._http.network import SharedSession
from bitpeak_async._rate.controller import Permit, RateController
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import KeptLink

_SLOW: Final = 2.0  # seconds; a request that took longer probably met a server that hangs
_SLOW_SHARE: Final = 4  # a quarter, while others want the rest
_PATIENCE: Final = 0.01  # seconds; a key asks for one place after the other


class FairLimiter:
    """A number of places, and who gets the next one.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit
        self._waiting: dict[KeyQuota, asyncio.Future[None]] = {}
        self._newcomers: deque[asyncio.Future[None]] = deque()
        self._slow = 0
        self._surplus: asyncio.TimerHandle | None = None

    async def room(self) -> None:
        """Wait until a place is free that no key wants; slow ones that have their share wait.

        It is not taken: what begins now asks for it by ``take``.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._newcomers.append(waiter)
        self._hand_out()
        try:
            await waiter
        finally:
            self._newcomers.remove(waiter)
            self._hand_out()

    def share(self) -> KeyQuota:
        """Return a key's share."""
        return KeyQuota(self)

    async def take(self, share: KeyQuota) -> None:
        """Wait for a place; a share may only wait once at a time."""
        waiter = self._waiting[share] = asyncio.get_running_loop().create_future()
        self._hand_out()
        try:
            await waiter
        except asyncio.CancelledError:
            if self._waiting.pop(share, None) is None:
                self.give_back(share, is_slow=share.is_slow)
            raise

    def give_back(self, share: KeyQuota, *, is_slow: bool) -> None:
        """Take a place back; tell whether the share's requests last long."""
        self._count(share, -1)
        if share.is_slow != is_slow:
            self._slow += share.in_flight if is_slow else -share.in_flight
            share.is_slow = is_slow
        self._hand_out()

    def _count(self, share: KeyQuota, change: int) -> None:
        share.in_flight += change
        self._free -= change
        self._slow += change * share.is_slow

    def _hand_out(self) -> None:
        while self._free and (share := self._next()) is not None:
            self._give(share)
        if not self._free:
            return
        if self._newcomers:
            if not self._newcomers[0].done():
                self._newcomers[0].set_result(None)
        elif self._waiting and self._surplus is None:
            loop = asyncio.get_running_loop()
            self._surplus = loop.call_later(_PATIENCE, self._give_surplus)

    def _next(self) -> KeyQuota | None:
        """Return who gets the next place at once; of equals, who came first."""
        may_all = self._slow < max(1, self.limit // _SLOW_SHARE)
        wanting = (share for share in self._waiting if may_all or not share.is_slow)
        return min(wanting, key=_in_flight, default=None)

    def _give(self, share: KeyQuota) -> None:
        self._count(share, 1)
        self._waiting.pop(share).set_result(None)

    def _give_surplus(self) -> None:
        """Give a place that nobody else wanted to a slow key."""
        self._surplus = None
        if self._free and self._waiting and not self._newcomers:
            self._give(min(self._waiting, key=_in_flight))
        self._hand_out()


class KeyQuota:
    """What one key has of a cap.

    Attributes:
        in_flight: places it holds.
        is_slow: whether its latest request took long.
    """

    def __init__(self, cap: FairLimiter) -> None:
        self.in_flight = 0
        self.is_slow = False
        self._cap = cap

    async def take(self) -> None:
        """Wait for a place."""
        await self._cap.take(self)

    def give_back(self, seconds: float | None = None) -> None:
        """Give a place back, after as many seconds of a request, or None after none."""
        is_slow = self.is_slow if seconds is None else seconds > _SLOW
        self._cap.give_back(self, is_slow=is_slow)


def _in_flight(share: KeyQuota) -> int:
    return share.in_flight


class CappedLimiter(Limiter):
    """A key's gate whose tasks also need a place under the cap; one of them waits for it."""

    def __init__(self, pacer: RateController, slots: int, share: KeyQuota) -> None:
        super().__init__(pacer, slots)
        self._slots = asyncio.Semaphore(slots)
        self._turn = asyncio.Lock()
        self._share = share
        self._is_paced = False

    @property
    def is_paced(self) -> bool:
        """Whether the pace alone holds a task up."""
        return self._is_paced

    def try_enter(self) -> None:
        """Return None: a place under the cap has to be asked for."""

    async def enter(self) -> Permit:
        """Wait for a slot, for the pace and for a place; ``leave()`` must follow."""
        await self._slots.acquire()
        try:
            async with self._turn:
                while True:
                    await self._wait_for_the_pace()
                    await self._share.take()
                    if self.pacer.wait() <= 0:
                        return self.pacer.admit()
                    self._share.give_back()  # a pause began meanwhile
        except BaseException:
            self._slots.release()
            raise

    async def _wait_for_the_pace(self) -> None:
        try:
            while (delay := self.pacer.wait()) > 0:
                self._is_paced = True
                await asyncio.sleep(delay)
        finally:
            self._is_paced = False

    def leave(self, permit: Permit) -> None:
        """Give slot and place back."""
        self.pacer.released(permit)
        self._slots.release()
        self._share.give_back(self.pacer.clock() - permit.at)


class CappedConnections(SharedSession):
    """One session for all keys of a fleet, as many connections as the cap has places.

    Args:
        limit: how many.
        link: to what shares the pace of each key with other processes, or None.
    """

    def __init__(self, limit: int, link: KeptLink | None = None) -> None:
        super().__init__(limit)
        self.link = self._kept = link
        self.cap = FairLimiter(limit)

    def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
        """Return what makes a key's limiter."""
        return partial(limiters.make, link=self.link, limiter=self.limiter)

    def limiter(self, pacer: RateController, slots: int) -> Limiter:
        """Return a key's limiter."""
        return CappedLimiter(pacer, slots, self.cap.share())

    async def room(self) -> None:
        """Wait until one more key may begin: those that did have met their groups, or may not."""
        if self.link is not None and not self.link.is_lost:
            async with self.link.turns:
                pass
        await self.cap.room()

    async def reach(self) -> None:
        """Make sure that the pace is shared.

        Raises:
            NotSentError: the pace store does not answer.
        """
        if self._kept is not None:
            await self._kept.open()

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        try:
            await super().close()
        finally:
            if self._kept is not None:
                await self._kept.close()
