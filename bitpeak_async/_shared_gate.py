"""A gate whose pace is shared: the other members are met in the background, never by a request."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Final

from bitpeak_async._emitter import Emitter
from bitpeak_async._pace import Gate, Permit
from bitpeak_async._pace_group import LAST_RETRY, Group
from bitpeak_async._pace_store import PaceStore
from bitpeak_async._shared_pace import SharedPacer
from bitpeak_async.errors import NotSentError
from bitpeak_async.events import PaceStoreLost, PaceStoreRestored, RateChanged
from bitpeak_async.options import Pace

_SOONEST: Final = 0.05  # seconds between two exchanges
_LATEST: Final = 0.25
_PATIENCE: Final = 1.0  # seconds for one exchange
_LINGER: Final = 5.0  # seconds without a request until the group is left
_FIRST_RETRY: Final = 0.25  # seconds until a lost store is tried again; doubles


class SharedGate(Gate):
    """Admits tasks as the pacer allows, which the group of all members of a place tells.

    A task of its own meets the group while there are requests, and for some seconds after. The
    first request waits for the first meeting; whenever the store is lost later, requests go on.
    """

    pacer: SharedPacer

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float],
        max_pause: float,
        slots: int,
        *,
        store: PaceStore,
        place: str,
        emit: Emitter,
    ) -> None:
        self._news = asyncio.Event()
        super().__init__(SharedPacer(pace, clock, max_pause, slots, on_turn=self._news.set), slots)
        self._store = store
        self._place = place
        self._emit = emit
        self._slots = slots
        self._joining = 0
        self._busy_at = clock()
        self._has_met = False
        self._is_closed = False
        self._meeting: asyncio.Future[str | None] | None = None
        self._tasks = set[asyncio.Task[None]]()

    def try_enter(self) -> Permit | None:
        """Return a permit if nothing stands in the way; ``leave()`` must follow."""
        if self._meeting is None or not self._meeting.done():
            return None
        return super().try_enter()

    async def enter(self) -> Permit:
        """Wait for the group, for a slot and for the pace; ``leave()`` must follow.

        Raises:
            NotSentError: the store cannot be reached, and never was.
        """
        self._joining += 1
        try:
            await self._met()
        finally:
            self._joining -= 1
        return await super().enter()

    async def _met(self) -> None:
        """Wait until the group is met, or known to be out of reach."""
        meeting = self._meeting or self._meet()
        if not meeting.done():
            await asyncio.shield(meeting)
        if problem := meeting.result():
            raise NotSentError(
                f"{self._store!r} cannot be reached: {problem}; no request was sent",
                temporary=False,
            )

    def leave(self, permit: Permit) -> None:
        """Give the slot back."""
        self._busy_at = self.pacer.clock()
        super().leave(permit)

    @property
    def _is_busy(self) -> bool:
        return bool(self._joining or self._waiting or self._free < self._slots)

    def _is_wanted(self) -> bool:
        now = self.pacer.clock()
        if self._is_busy:
            self._busy_at = now
        return now - self._busy_at < _LINGER

    def _meet(self) -> asyncio.Future[str | None]:
        """Begin to meet the group; the result is why that is not possible, or None."""
        self._meeting = meeting = asyncio.get_running_loop().create_future()
        if self._is_closed:
            meeting.set_result(None)
            return meeting
        # Not in the context of the request that happens to be the first.
        task = asyncio.get_running_loop().create_task(self._stay(meeting), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return meeting

    async def _stay(self, meeting: asyncio.Future[str | None]) -> None:
        problem = None
        try:
            async with self._store.connect() as counters:
                group = Group(counters, self._place, self.pacer)
                try:
                    await self._meet_until_idle(group, meeting)
                finally:
                    self._meeting = None
                    with suppress(Exception):
                        async with asyncio.timeout(_PATIENCE):
                            await group.leave()
        except Exception as error:  # noqa: BLE001 - as in _exchange
            problem = _told(error)
        finally:
            self._meeting = None
            if not meeting.done():
                meeting.set_result(problem)

    async def _meet_until_idle(self, group: Group, meeting: asyncio.Future[str | None]) -> None:
        retry = 0.0
        while self._is_wanted():
            self._news.clear()
            problem = await self._exchange(group)
            if problem and not self._has_met:
                meeting.set_result(problem)
                return
            if problem and not retry:
                self.pacer.alone(group.used)
                self._emit(PaceStoreLost(problem, self.pacer.rate))
            if not problem and retry:
                self._emit(PaceStoreRestored(self.pacer.rate))
            retry = min(LAST_RETRY, 2 * retry or _FIRST_RETRY) if problem else 0.0
            if not meeting.done():
                meeting.set_result(None)
            if problem:
                group.lose()
                await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            else:
                self._has_met = True
                await self._wait()

    async def _exchange(self, group: Group) -> str | None:
        """Return why it failed, or None."""
        try:
            async with asyncio.timeout(_PATIENCE):
                if await group.exchange(is_waiting=self._timer is not None):
                    self._emit(RateChanged(self.pacer.rate))
        except TimeoutError:
            return f"no answer within {_PATIENCE:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a store raises, no request fails of it
            return _told(error)
        return None

    async def _wait(self) -> None:
        """Wait for the next exchange: rarer where there is less to tell."""
        interval = min(_LATEST, max(_SOONEST, 2 / self.pacer.rate)) if self._is_busy else _LATEST
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


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
