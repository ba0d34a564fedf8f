"""Share the record of a rate with other processes through a store.

While there are requests, a task exchanges the record: it applies local results, takes permits, and
writes the record back if no other process has changed it. Otherwise it repeats this with the new
record. Local results also change a local copy immediately, so a pause takes effect without delay.

Over 300 lines, because losing and recovering the store are part of each exchange.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Final

import msgspec
from attrs import define, evolve, field

from bitpeak_async._rate.law import LEASE, Bounds, Grant, RateState, Report, advance
from bitpeak_async._rate.lease import SharedState
from bitpeak_async._rate.store import RateStore
from bitpeak_async.errors import BitPeakError, NotSentError
from bitpeak_async.events import Emitter, PaceStoreLost, PaceStoreRestored, RateChanged

_LONGEST_LEASE: Final = 1.0  # seconds; leases get longer when writes conflict
_LONGER: Final = 1.3  # factor of the lease after an exchange with several conflicts
_SHORTER: Final = 0.9  # factor of the lease after any other exchange
_PER_SECOND: Final = 100  # exchanges of all keys; with Redis they take a quarter of a processor
_AT_ONCE: Final = 16  # concurrent exchanges, and so connections
_NAP: Final = 0.005  # seconds between checks for new permits
_PATIENCE: Final = 1.0  # seconds for one exchange
_TRIES: Final = 50  # writes in one exchange, if other processes write first
_LINGER: Final = 5.0  # seconds without a request until the connection is closed
_FIRST_RETRY: Final = 0.25  # seconds until a lost store is tried again; doubles
_LAST_RETRY: Final = 2.0  # seconds; the longest such delay
_MEASURED: Final = 0.5  # seconds over which the use of permits is measured
_ALONE: Final = 1 / 3  # fraction of the last rate, because the rates of the others are unknown
_FEWEST: Final = 10.0  # requests per second assumed as the last rate if no limit is known
_DOUBLING: Final = 6.0  # seconds until the rate without the store doubles

_encode: Final = msgspec.msgpack.encode
_decode: Final = msgspec.msgpack.Decoder(RateState).decode


@define(eq=False)
class Link:
    """State that the keys of one event loop share if they share a store.

    Attributes:
        store: the shared store.
        was_reached: whether it ever answered; from then on, losing it fails no request.
        is_lost: whether it no longer answers.
        active: the number of keys that exchange their record.
        turns: limits concurrent exchanges.
    """

    store: RateStore
    was_reached: bool = False
    is_lost: bool = False
    active: int = 0
    turns: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def check(self) -> None:
        """Raise NotSentError unless the store answers."""
        try:
            async with self.store.connect(), asyncio.timeout(_PATIENCE):
                await self.store.read("check")
        except Exception as error:  # noqa: BLE001 - whatever a store raises
            raise self.unreachable(_told(error)) from None
        self.was_reached = True

    def unreachable(self, problem: str) -> NotSentError:
        """Return the error of a request that cannot start."""
        return NotSentError(
            f"{self.store!r} cannot be reached: {problem}; no request was sent", temporary=False
        )


class StoredState(SharedState):
    """The state of a limit that a client shares with other processes.

    Args:
        link: the link to the store.
        place: the name of the record.
        bounds: the limits of this client.
        clock: returns monotonic seconds.
        emit: receives an event when a pause ends, or the store is lost or reachable again.
    """

    def __init__(
        self,
        link: Link,
        place: str,
        bounds: Bounds,
        clock: Callable[[], float],
        emit: Emitter,
    ) -> None:
        super().__init__()
        self._link = link
        self._place = place
        self._bounds = bounds
        self._clock = clock
        self._emit = emit
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_closed = False
        self._is_alone = False
        self._is_joined = False
        self._problem: str | None = None
        self._busy_at = -math.inf
        self._known: RateState | None = None  # the last record before the store was lost
        self._seen = b""
        self._offset: float | None = None  # seconds by which the store's clock is ahead
        self._reports: list[Report] = []  # not yet sent to the store
        self._wish = 0
        self._is_idle = False
        self._asked_at = math.inf
        self._leased = deque[Grant]()
        self._lease = LEASE
        self._lasts_until = -math.inf
        self._told_at = clock()
        self._used = 0.0  # recently accepted requests per second

    def advance(self, now: float, report: Report, bounds: Bounds, wish: int = 0) -> Grant:
        """Apply a report to the copy now and to the store soon; return permits leased earlier.

        Raises:
            NotSentError: the store has never been reachable.
        """
        if now - self._busy_at > _LINGER:
            self._problem = None
        self._busy_at = now
        if wish and self._problem is not None:
            problem, self._problem = self._problem, None
            raise self._link.unreachable(problem)
        self._begin()
        if self._is_joined and now - self._asked_at > LEASE:
            self._go_alone()
        if self._is_alone:
            return super().advance(now, report, bounds, wish)
        if evolve(report, is_idle=False) != Report():
            self._reports.append(evolve(report, is_idle=False))
        self.value, held = advance(self.value, now, report, bounds)
        pause = self.value.pause
        if report.refused_at is not None or report.probe is not None:
            self._news.set()
        while self._leased:
            grant = self._leased.popleft()
            if grant.is_valid(self.value, now):
                return grant
        if not wish or (pause is not None and now < pause.until):
            return held
        self._wish, self._is_idle = wish, report.is_idle
        self._asked_at = min(self._asked_at, now)
        self._news.set()
        return held if pause is not None and now < held.until else Grant(until=now + _NAP)

    def _begin(self) -> None:
        if self._is_closed or not (self._task is None or self._task.done()):
            return
        if self._link.is_lost:
            self._go_alone()
        # In an empty context, not in that of the first request.
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._exchange_while_wanted(), context=Context())

    async def _exchange_while_wanted(self) -> None:
        link, retry = self._link, 0.0
        link.active += 1
        try:
            while self._is_wanted():
                try:
                    async with link.store.connect():
                        await self._exchange_until_lost()
                except Exception as error:  # noqa: BLE001 - whatever a store raises
                    if not link.was_reached:
                        self._problem = _told(error)
                        return
                    self._lose(_told(error))
                    retry = min(_LAST_RETRY, 2 * retry or _FIRST_RETRY)
                    await asyncio.sleep(_jittered(retry))
        finally:
            link.active -= 1

    def _is_wanted(self) -> bool:
        last = max(self._busy_at, self.latest)
        return not self._is_closed and self._clock() - last < _LINGER

    async def _exchange_until_lost(self) -> None:
        link, is_first = self._link, self._is_alone or not self._is_joined
        while True:
            self._news.clear()
            if is_first or self._has_news():
                async with link.turns, asyncio.timeout(_PATIENCE):
                    if is_first:
                        self._note(self._clock(), *await link.store.read(self._place))
                    await self._exchange(is_first=is_first)
            is_first = False
            if not self._is_wanted():
                return
            with suppress(TimeoutError):
                # At a low rate, the process learns of a pause early enough.
                interval = max(self._lease, min(1 / self.value.rate, _LONGEST_LEASE))
                async with asyncio.timeout(_jittered(interval / 2)):
                    await self._news.wait()

    def _has_news(self) -> bool:
        holds_permits = self._clock() < self._lasts_until
        has_counted = self.accepted or self.accepted_in_pause or self._reports
        return bool(holds_permits or has_counted or self._wish)

    async def _exchange(self, *, is_first: bool) -> None:
        """Write local results to the record, and take permits."""
        lease, now = self._lease, self._clock()
        self._collect(now)
        reports, self._reports = self._reports, []
        is_idle = is_first or (self._is_idle and self._wish > 0)
        wish, self._wish = self._wish, 0
        if not wish and self.value.pause is None and now + lease / 2 > self._lasts_until:
            wish = math.ceil(self._used * lease)
        for number in range(_TRIES):
            offset = self._offset or 0.0
            now = self._clock() + offset
            state = self._record(now)
            for report in reports:
                state, _ = advance(state, now, report.by_clock(offset), self._bounds)
            idle = Report(is_idle=is_idle)
            state, grant = advance(state, now, idle, self._bounds, wish, lease)
            record, sent = _encode(state), self._clock()
            at, other = await self._link.store.swap(self._place, self._seen, record)
            self._note(sent, at, record if other is None else other)
            if other is None:
                self._take(state.by_clock(-offset), grant.by_clock(-offset), lease)
                lease = min(_LONGEST_LEASE, lease * (_LONGER if number > 1 else _SHORTER))
                self._lease = max(LEASE, lease, 2 * self._link.active / _PER_SECOND)
                return
        raise TimeoutError(f"other processes changed the record before each of {_TRIES} writes")

    def _collect(self, now: float) -> None:
        """Report the accepted requests, and measure their rate."""
        if self.accepted or self.accepted_in_pause:
            self._reports.append(self.counted())
            self.value, _ = advance(self.value, now, self._reports[-1], self._bounds)
        if self.value.pause is None:
            seconds = max(now - self._told_at, 1e-3)
            used = sum(report.accepted for report in self._reports) / seconds
            self._used += (used - self._used) * min(1.0, seconds / _MEASURED)
        self._told_at = now

    def _note(self, sent: float, at: float, seen: bytes) -> None:
        """Keep the store's record; correct the clock's offset if it is certainly wrong."""
        now, self._seen = self._clock(), seen
        offset = at - (sent + now) / 2
        if self._offset is None or abs(offset - self._offset) > (now - sent) / 2:
            self._offset = offset

    def _record(self, now: float) -> RateState:
        """Return the store's record, or else the last one known to this process."""
        with suppress(msgspec.DecodeError):
            state = _decode(self._seen)
            ahead = max(state.began, state.latest, state.paused_at) - now
            return state.by_clock(-ahead) if ahead > 1.0 else state  # the clock was set back
        return (self._known or self.value).by_clock(self._offset or 0.0)

    def _take(self, state: RateState, grant: Grant, lease: float) -> None:
        was_paused, self.value = self.value.pause is not None, state
        for report in self._reports:  # they arrived during the exchange
            self.value, _ = advance(self.value, self._clock(), report, self._bounds)
        self._is_alone, self._is_joined, self._known = False, True, None
        self._asked_at = math.inf
        if was_paused and self.value.pause is None:
            self._emit(RateChanged(self.value.rate))
        if grant.count >= 1:
            self._leased.append(grant)
            self._lasts_until = grant.until - lease
        link, link.was_reached = self._link, True
        if link.is_lost:
            link.is_lost = False
            self._emit(PaceStoreRestored(self.value.rate))

    def _lose(self, problem: str) -> None:
        self._go_alone()
        if not self._link.is_lost:
            self._link.is_lost = True
            self._emit(PaceStoreLost(problem, min(self.value.rate, self._bounds.ceiling)))

    def _go_alone(self) -> None:
        """Continue without the store, at a third of the last rate."""
        if self._is_alone:
            return
        self._is_alone, self._is_joined, self._known = True, True, self.value
        self._asked_at = math.inf
        self._leased.clear()
        self._reports.clear()
        rate = min(self.value.rate, self._bounds.ceiling)
        if rate < math.inf or self._used:
            last = max(self._used, _FEWEST if rate == math.inf else _ALONE * rate)
            self.value = evolve(self.value, base=_ALONE * last, climbed=0.0, doubling=_DOUBLING)

    async def close(self) -> None:
        """Report to the store one last time, then disconnect."""
        self._is_closed = True
        task = self._task
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            return
        self._news.set()
        if not self._is_alone:
            await asyncio.wait([task], timeout=_PATIENCE)
        task.cancel()
        await asyncio.wait([task])


def _jittered(seconds: float) -> float:
    """Return a random delay of up to ``seconds``, so that processes do not act in step."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _told(error: Exception) -> str:
    """Describe a store's exception in one sentence."""
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {_PATIENCE:g} s"
    return str(error) if isinstance(error, BitPeakError) else f"{type(error).__name__}: {error}"
