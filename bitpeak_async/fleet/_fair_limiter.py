"""Limits a fleet's requests in flight and shares them fairly between its keys.

A free slot goes to the key with the fewest requests in flight. Slow keys together get at most a
quarter of the slots while others wait, so servers that hang cannot hold up the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from attrs import define

_SLOW: Final = 2.0  # seconds; a longer request probably met a server that hangs
_SLOW_FRACTION: Final = 4  # slow keys get one slot in four while other keys wait
# Seconds. A key waits for one slot at a time, so other keys may ask again within this time.
_SURPLUS_DELAY: Final = 0.01


@define(eq=False)
class KeyQuota:
    """The slots of one key.

    Attributes:
        in_flight: the number of slots it holds.
        is_slow: whether its latest request was slow.
    """

    in_flight: int = 0
    is_slow: bool = False


class FairLimiter:
    """A number of slots that all keys of a fleet share.

    Args:
        limit: the number of slots.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit
        self._waiting: dict[KeyQuota, asyncio.Future[None]] = {}
        self._newcomers: deque[asyncio.Future[None]] = deque()
        self._slow = 0
        self._surplus: asyncio.TimerHandle | None = None

    async def wait_for_room(self) -> None:
        """Wait until a slot is free and no key may take it.

        The slot is not reserved: the account that starts next competes for it.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._newcomers.append(waiter)
        self._assign()
        try:
            await waiter
        finally:
            self._newcomers.remove(waiter)
            self._assign()

    async def acquire(self, quota: KeyQuota) -> None:
        """Wait for a slot. A quota may wait for only one at a time."""
        if self._free and not self._waiting and not quota.is_slow:  # no other key wants it
            self._count(quota, 1)
            return
        waiter = self._waiting[quota] = asyncio.get_running_loop().create_future()
        self._assign()
        try:
            await waiter
        except asyncio.CancelledError:
            if self._waiting.pop(quota, None) is None:
                self.release(quota)
            raise

    def release(self, quota: KeyQuota, seconds: float | None = None) -> None:
        """Free a slot after a request that took ``seconds``, or None if none was sent."""
        self._count(quota, -1)
        is_slow = quota.is_slow if seconds is None else seconds > _SLOW
        if quota.is_slow != is_slow:
            self._slow += quota.in_flight if is_slow else -quota.in_flight
            quota.is_slow = is_slow
        self._assign()

    def _count(self, quota: KeyQuota, change: int) -> None:
        quota.in_flight += change
        self._free -= change
        self._slow += change * quota.is_slow

    def _assign(self) -> None:
        while self._free and (quota := self._next()) is not None:
            self._assign_to(quota)
        if not self._free:
            return
        if self._newcomers:
            if not self._newcomers[0].done():
                self._newcomers[0].set_result(None)
        elif self._waiting and self._surplus is None:
            loop = asyncio.get_running_loop()
            self._surplus = loop.call_later(_SURPLUS_DELAY, self._assign_surplus)

    def _next(self) -> KeyQuota | None:
        """Return which key gets the next slot; among equals, the one that has waited longest."""
        slow_may = self._slow < max(1, self.limit // _SLOW_FRACTION)
        candidates = (quota for quota in self._waiting if slow_may or not quota.is_slow)
        return min(candidates, key=_in_flight, default=None)

    def _assign_to(self, quota: KeyQuota) -> None:
        self._count(quota, 1)
        self._waiting.pop(quota).set_result(None)

    def _assign_surplus(self) -> None:
        """Give a slow key a slot that no other key wants."""
        self._surplus = None
        if self._free and self._waiting and not self._newcomers:
            self._assign_to(min(self._waiting, key=_in_flight))
        self._assign()


def _in_flight(quota: KeyQuota) -> int:
    return quota.in_flight
