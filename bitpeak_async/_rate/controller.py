"""When the next request of a key may start: one pause for all tasks, an adaptive rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from attrs import define, field

from bitpeak_async._rate.lease import Permit
from bitpeak_async.options import Pace

_FIRST_PAUSE: Final = 0.25  # seconds at least, after a 429 that does not say how long; doubles
_LONGEST_REENTRY: Final = 1.0  # seconds over which waiting tasks come back after a pause
_PROBE_POLL: Final = 0.05  # seconds between looks whether the probe was answered
_CATCH_UP: Final = 0.02  # seconds a late timer may be made up for, so that the rate is kept
_CUT: Final = 0.7  # of a rate that met a stray 429
_MEASURED: Final = 0.95  # of a limit that was measured
_DOUBLING: Final = 1200  # requests let through until a rate has doubled: slowly, then faster
_IDLE: Final = 1.0  # seconds with nothing under way that say nothing of the server's limit


@define(eq=False)
class _Cycle:
    """From the end of one pause, or of idleness, to the end of the next pause."""

    began: float
    let_through: float = 0
    blocked_at: float = math.inf
    blocked_until: float = math.inf  # at least: the last refusal, or what it said
    refusals: int = 0
    is_limit: bool = True
    is_announced: bool = False


@define(eq=False)
class RateController:
    """Pause and rate as pure state over a clock.

    After a 429 nobody starts until the pause ends. Then one request goes first, as a probe; once
    it is let through, the others follow spread out, so that waiting tasks do not fire at once.

    The rate is unlimited until the first 429. Then each pause lowers it to what the server let
    through: over a whole cycle, a token bucket and a fixed window both admit exactly their limit.
    When the server opened again is known only to lie between the last refusal and the probe let
    through; halfway is taken. Where the pause was ours, long against the time before it, and no
    probe was refused (a stray 429), that would measure the pause, so the rate is only cut. Between
    pauses the rate climbs, the faster the longer none was needed (as CUBIC, RFC 9438): a limit
    measured too low is left behind soon, and one measured well is rarely met.

    Attributes:
        pace: its ``requests_per_minute`` is the ceiling of the rate.
        clock: seconds, monotonic.
        max_pause: seconds; longer ones asked for are cut to it.
        in_flight: requests that may be under way at once, and so come back after a pause.
        paused_until: on the clock.
        rate: requests per second, infinite while no limit was met.
    """

    pace: Pace
    clock: Callable[[], float]
    max_pause: float
    in_flight: int
    paused_until: float = field(init=False, default=-math.inf)
    rate: float = field(init=False)
    _base_rate: float = field(init=False, default=math.inf)
    _climbed: float = field(init=False, default=0)
    _next: float = field(init=False, default=-math.inf)
    _paused_at: float = field(init=False, default=-math.inf)
    _probing: bool = field(init=False, default=False)
    _probe: Permit | None = field(init=False, default=None)
    _reentries: int = field(init=False, default=0)
    _reentry_interval: float = field(init=False, default=0.0)
    _under_way: int = field(init=False, default=0)
    _idle_since: float = field(init=False)
    _cycle: _Cycle = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rate = self._ceiling
        self._idle_since = self.clock()
        self._cycle = _Cycle(self._idle_since)

    @property
    def _ceiling(self) -> float:
        per_minute = self.pace.requests_per_minute
        return math.inf if per_minute is None else per_minute / 60

    @property
    def under_way(self) -> int:
        """Requests admitted and not yet released."""
        return self._under_way

    def wait(self) -> float:
        """Return the seconds until the next request may start; 0 or less means now."""
        if self._probe is not None:
            return _PROBE_POLL
        return max(self.paused_until, self._next) - self.clock()

    def admit(self) -> Permit:
        """Give the permit that ``wait()`` allowed."""
        permit = Permit(self.clock())
        interval = 1 / self.rate
        if self._probing:
            self._probe = permit
        elif not self._under_way and permit.at - self._idle_since > max(_IDLE, 2 * interval):
            self._cycle = _Cycle(permit.at)
        self._under_way += 1
        if self._reentries:
            self._reentries -= 1
            interval = max(interval, self._reentry_interval)
        if interval:
            self._next = max(permit.at - _CATCH_UP, self._next) + interval
        return permit

    def let_through(self, permit: Permit) -> bool:
        """Count an answer that is not a 429; return whether it ended a pause."""
        if permit is self._probe:
            self._resume(permit)
            return True
        self._cycle.let_through += 1
        if self.rate < self._ceiling:
            self._climbed += 1
            climbed = self._base_rate * (1 + (self._climbed / _DOUBLING) ** 2)
            self.rate = min(self._ceiling, climbed)
        return False

    def refused(self, permit: Permit, retry_after: float | None, *, is_limit: bool = True) -> bool:
        """Begin or prolong the pause; return whether one begins.

        Answers to requests under way when a pause began belong to that pause. A probe refused
        after the wait that the server asked for waits longer than it asks.

        Args:
            permit: of the request that was refused.
            retry_after: seconds that the server asks to wait, or None.
            is_limit: whether requests were counted (429). How long an overload (503) lasts tells
                nothing of a limit.
        """
        now = self.clock()
        if permit.at <= self._paused_at and permit is not self._probe:
            if retry_after is not None:
                self.paused_until = max(self.paused_until, now + min(retry_after, self.max_pause))
            return False
        cycle = self._cycle
        pause = max(_FIRST_PAUSE, 1 / self.rate) * 2.0 ** min(cycle.refusals, 30)
        if retry_after is not None:
            pause = max(retry_after, pause) if cycle.refusals else retry_after
        cycle.blocked_at = min(cycle.blocked_at, now)
        cycle.blocked_until = now + (retry_after or 0.0)
        cycle.refusals += 1
        cycle.is_limit &= is_limit
        cycle.is_announced |= retry_after is not None
        self.paused_until = now + min(pause, self.max_pause)
        self._paused_at = now
        self._probing = True
        return True

    def released(self, permit: Permit) -> None:
        """Forget a permit, whatever became of its request."""
        if permit is self._probe:
            self._probe = None
        self._under_way -= 1
        if not self._under_way:
            self._idle_since = self.clock()

    def _resume(self, probe: Permit) -> None:
        now, cycle = self.clock(), self._cycle
        active = cycle.blocked_at - cycle.began
        blocked = now - cycle.blocked_at
        opened = (min(cycle.blocked_until, now) + now) / 2
        is_verified = cycle.refusals > 1 or cycle.is_announced or active >= blocked
        if cycle.is_limit and cycle.let_through and is_verified:
            rate = cycle.let_through / max(opened - cycle.began, 1e-3) * _MEASURED
        elif cycle.is_limit and cycle.let_through > self.in_flight:
            rate = min(self.rate, cycle.let_through / max(active, 1e-3)) * _CUT
        else:
            rate = self.rate * _CUT
        self.rate = min(self._ceiling, max(rate, 1 / max(self.max_pause, 1.0)))
        self._base_rate, self._climbed = self.rate, 0
        self._probing = False
        self._come_back(blocked)
        self._next = max(self._next, probe.at + 1 / self.rate)
        self._cycle = _Cycle(now, let_through=1)

    def _come_back(self, blocked: float) -> None:
        """Spread out what waited for so many seconds."""
        self._reentries = self.in_flight
        self._reentry_interval = min(_LONGEST_REENTRY, blocked / 2) / self.in_flight
        self._next = self.clock() + self._reentry_interval
