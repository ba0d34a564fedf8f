"""A gate whose pace is shared: the other members are met in the background, never by a request."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Final

from attrs import evolve

from bitpeak_async._rate.controller import RateController
from bitpeak_async._rate.group import LAST_RETRY, Group
from bitpeak_async._rate.lease import Lease, Permit
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import PATIENCE, Link, told
from bitpeak_async._rate.shared_controller import SharedRateController
from bitpeak_async.events import (
    Emitter,
    PaceStoreLost,
    PaceStoreRestored,
    RateChanged,
    RateSnapshot,
)
from bitpeak_async.options import Pace

_SOONEST: Final = 0.05  # seconds between two exchanges
_LATEST: Final = 0.25
_QUIET: Final = 0.5  # seconds without a reply, after which there is little to tell
_LINGER: Final = 5.0  # seconds without a request until the group is left
_FIRST_RETRY: Final = 0.25  # seconds until a lost store is tried again; doubles


class SharedLimiter:
    """A gate whose pacer is told by the group of all members of a place.

    A task of its own meets the group while there are requests, and for some seconds after. The
    first request waits for the first meeting; whenever the store is lost later, requests go on.

    Args:
        link: leads to the store.
        place: names the group.
        emit: is told when the store is lost and found again.
        gate: makes what requests have to pass besides, from pacer and slots.
    """

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float],
        max_pause: float,
        slots: int,
        *,
        link: Link,
        place: str,
        emit: Emitter,
        gate: Callable[[Lease | RateController, int], Limiter] = Limiter,
    ) -> None:
        self._news = asyncio.Event()
        self.pacer: SharedRateController = SharedRateController(
            pace, clock, max_pause, slots, on_turn=self._news.set
        )
        self._gate = gate(self.pacer, slots)
        self._link = link
        self._place = place
        self._emit = emit
        self._under_way = 0
        self._busy_at = self._told_at = clock()
        self._is_closed = False
        self._meeting: asyncio.Future[str | None] | None = None
        self._tasks = set[asyncio.Task[None]]()

    def try_enter(self) -> Permit | None:
        """Return a permit if nothing stands in the way; ``leave()`` must follow."""
        if self._meeting is None or not self._meeting.done():
            return None
        permit = self._gate.try_enter()
        if permit is not None:
            self._under_way += 1
        return permit

    async def enter(self) -> Permit:
        """Wait for the group, and as the gate does; ``leave()`` must follow.

        Raises:
            NotSentError: the store cannot be reached, and never was.
        """
        self._under_way += 1
        try:
            await self._met()
            return await self._gate.enter()
        except BaseException:
            self._under_way -= 1
            raise

    async def _met(self) -> None:
        """Wait until the group is met, or known to be out of reach."""
        meeting = self._meeting or self._meet()
        if not meeting.done():
            await asyncio.shield(meeting)
        if problem := meeting.result():
            raise self._link.unreachable(problem)

    @property
    def snapshot(self) -> RateSnapshot:
        """What is known of the rate now."""
        snapshot = self._gate.snapshot
        return evolve(snapshot, waiting=self._under_way - snapshot.in_flight)

    def leave(self, permit: Permit) -> None:
        """Give the slot back."""
        self._under_way -= 1
        now = self.pacer.clock()
        if now - self._told_at > _QUIET:
            self._news.set()
        self._busy_at = self._told_at = now
        self._gate.leave(permit)

    def _is_wanted(self) -> bool:
        now = self.pacer.clock()
        if self._under_way:
            self._busy_at = now
        return now - self._busy_at < _LINGER

    def _meet(self) -> asyncio.Future[str | None]:
        """Begin to meet the group; the result is why that is not possible, or None."""
        self._meeting = meeting = asyncio.get_running_loop().create_future()
        if self._is_closed or self._link.is_lost:
            meeting.set_result(None)
        if not self._is_closed:
            # Not in the context of the request that happens to be the first.
            task = asyncio.get_running_loop().create_task(self._stay(meeting), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return meeting

    async def _stay(self, meeting: asyncio.Future[str | None]) -> None:
        problem = None
        try:
            async with self._link.connect() as counters:
                group = Group(counters, self._place, self.pacer)
                try:
                    await self._meet_until_idle(group, meeting)
                finally:
                    self._meeting = None
                    with suppress(Exception):
                        await self._leave(group)
        except Exception as error:  # noqa: BLE001 - as in _exchange
            problem = told(error)
        finally:
            self._meeting = None
            self._link.forget(self)
            if not meeting.done():
                meeting.set_result(problem)

    async def _meet_until_idle(self, group: Group, meeting: asyncio.Future[str | None]) -> None:
        retry = 0.0
        while self._is_wanted():
            self._news.clear()
            problem = await self._exchange(group)
            if problem and not self._link.was_reached:
                meeting.set_result(problem)
                return
            self._note(problem, group)
            if not meeting.done():
                meeting.set_result(None)
            retry = min(LAST_RETRY, 2 * retry or _FIRST_RETRY) if problem else 0.0
            if problem:
                group.lose()
                await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            else:
                await self._wait()

    async def _leave(self, group: Group) -> None:
        if not self._link.is_lost:
            async with self._link.turns, asyncio.timeout(PATIENCE):
                await group.leave()

    def _note(self, problem: str | None, group: Group) -> None:
        """Go on alone without the store; tell once of all gates that it is lost, or back."""
        link = self._link
        if problem:
            self.pacer.alone(group.used)
            if not link.is_lost:
                self._emit(PaceStoreLost(problem, self.pacer.rate))
        elif link.is_lost:
            self._emit(PaceStoreRestored(self.pacer.rate))
        link.is_lost = problem is not None
        link.was_reached |= problem is None

    async def _exchange(self, group: Group) -> str | None:
        """Return why it failed, or None."""
        try:
            async with self._link.turns, asyncio.timeout(PATIENCE):
                if await group.exchange(is_waiting=self._gate.is_paced):
                    self._emit(RateChanged(self.pacer.rate))
        except Exception as error:  # noqa: BLE001 - whatever a store raises, no request fails of it
            return told(error)
        return None

    async def _wait(self) -> None:
        """Wait for the next exchange: rarer where there is less to tell."""
        wish, pacer = _LATEST, self.pacer
        if self._under_way and (pacer.is_held or pacer.clock() - self._told_at <= _QUIET):
            wish = min(_LATEST, max(_SOONEST, 2 / pacer.rate))
        interval = self._link.interval(self, wish)
        pacer.nap = max(_SOONEST, interval / 4)  # sooner, there is no news
        with suppress(TimeoutError):
            async with asyncio.timeout(interval):
                await self._news.wait()

    async def close(self) -> None:
        """Leave the group, and whatever belongs to the store."""
        self._is_closed = True
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
