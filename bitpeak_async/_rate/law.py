"""The law of the rate: learn a server's limit from its replies, and grant permits.

It is one pure function over one small record. The record can live in memory for one process, or in
a store for many.

1. The rate is unlimited until the server refuses a request (429).
2. A refusal pauses all tasks. The pause lasts as long as the server asks, or a quarter of a second
   by default, and doubles after each refused probe. Then one request goes first as a probe. When
   the server accepts it, the others follow.
3. The new rate is the number of requests accepted per second since the last pause. This is the
   limit, because a token bucket and a fixed window both admit exactly their limit from the end of
   one pause to the end of the next. A single refusal is weak evidence and lowers the rate by at
   most 15 %. It is ignored if the server accepted most of the requests in flight at that time.
4. The rate climbs with time, slowly at first and then ever faster (like CUBIC, RFC 9438). So it
   soon leaves a rate that was measured too low, and rarely exceeds one that was measured well.
   Each refusal makes the climb slower, until it takes a minute, or 700 requests, to double the
   rate.

Requests are spaced evenly, because a server may admit no bursts.

Over 300 lines, because the rules only make sense together.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, TypeVar

from attrs import evolve, frozen

T = TypeVar("T", bound=Any)

LEASE: Final = 0.1  # seconds of permits in one grant
PROBE: Final = 5.0  # seconds until a probe without a reply is followed by another
REENTRY: Final = 16  # requests that are spread out after a pause
_CATCH_UP: Final = 0.02  # seconds of a timer's delay that requests may catch up
_IDLE: Final = 1.0  # seconds; a longer gap between replies counts as idle

_FIRST_PAUSE: Final = 0.25  # seconds
_LONGEST_REENTRY: Final = 1.0  # seconds

_FEW: Final = 16  # accepted requests that prove no limit, because a burst may be as large
_SAFE: Final = 0.98  # the new rate, as a fraction of the measured limit
_CUT: Final = 0.85  # the lowest rate after a single refusal, as a fraction of the previous one
_USED: Final = 0.7  # fraction of the rate; below it, requests are too few to measure the limit
_OVERLOAD: Final = 0.7  # the rate after a 503, as a fraction of the previous one
_MANY: Final = 7  # requests in flight at a refusal, needed to decide whether it is a limit
_STRAY: Final = 80  # accepted requests; after more, a single refusal may be a stray one

_SLOWEST: Final = 60.0  # the longest doubling time in seconds,
_SLOWEST_REQUESTS: Final = 700  # unless this many requests take longer
_SLOWER: Final = 3  # factor of the doubling time after each refusal
_TRUSTED: Final = 8  # the first doubling time, as a multiple of the measurement's duration


@frozen(kw_only=True)
class Bounds:
    """The limits that the caller sets.

    Attributes:
        ceiling: the most requests per second.
        max_pause: the longest pause in seconds.
        give_up_after: seconds without an accepted request, after which waiting calls fail.
    """

    ceiling: float = math.inf
    max_pause: float = 60.0
    give_up_after: float = math.inf


@frozen(kw_only=True)
class Pause:
    """A pause, from the first refusal until the server accepts a probe.

    Attributes:
        until: the time at which a probe may start; no request starts before.
        wait: its length in seconds if the server does not say; doubles after a refused probe.
        refused: the number of refused requests, including probes.
        accepted: the number of accepted requests that were in flight when it began.
        last_refusal: the time of the refusal that began it, or of the last refused probe.
        is_told: whether the server said how long to wait.
        is_limit: whether it is a rate limit (429). An overload (503) measures no limit.
        probe_until: the time after which a probe in flight counts as lost.
    """

    until: float
    wait: float
    refused: int = 0
    accepted: int = 0
    last_refusal: float = -math.inf
    is_told: bool = False
    is_limit: bool = True
    probe_until: float = -math.inf


@frozen(kw_only=True)
class RateState:
    """The state of a limit. All times are seconds of one clock.

    Attributes:
        base: requests per second at the start of the climb; infinite if no limit is known.
        climbed: seconds of activity since the start of the climb.
        doubling: seconds of climbing until the rate is twice the base.
        met: requests per second at the last refusal that lowered the rate.
        began: the end of the last pause or idle time.
        accepted: the number of accepted requests since ``began``.
        latest: the arrival of the last accepted reply.
        next_at: the earliest start of the next request.
        reentry: seconds between requests just after a pause.
        reentry_until: the time until which ``reentry`` applies.
        paused_at: the start of the last pause.
        resumed_at: the end of the last pause.
        pause: the current pause, or None.
        block: seconds for which the server recently kept refusing; decays with each pause.
    """

    base: float = math.inf
    climbed: float = 0.0
    doubling: float = math.inf
    met: float = 0.0
    began: float = -math.inf
    accepted: int = 0
    latest: float = -math.inf
    next_at: float = -math.inf
    reentry: float = 0.0
    reentry_until: float = -math.inf
    paused_at: float = -math.inf
    resumed_at: float = -math.inf
    pause: Pause | None = None
    block: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second."""
        if self.base == math.inf:
            return math.inf
        return self.base * (1 + (self.climbed / self.doubling) ** 2)

    def by_clock(self, ahead: float) -> RateState:
        """Return the same record in the time of a clock that is ``ahead`` seconds ahead."""
        pause = self.pause and _later(self.pause, ahead, "until", "last_refusal", "probe_until")
        times = ("began", "latest", "next_at", "reentry_until", "paused_at", "resumed_at")
        return evolve(_later(self, ahead, *times), pause=pause)


@frozen(kw_only=True)
class Report:
    """The results of permits since the last report.

    Attributes:
        accepted: replies outside a pause that are not refusals, except the probe's.
        accepted_in_pause: the same during a pause, for requests that were in flight when it began.
        latest: the arrival of the last of these replies.
        refused_at: the start of the refused request, or None.
        retry_after: seconds that the server asks to wait, or None.
        is_limit: as in ``Pause``.
        probe: the result of the probe; "lost" if it had no reply.
        unused: the number of permits returned unused.
        is_idle: whether nothing was in flight.
    """

    accepted: int = 0
    accepted_in_pause: int = 0
    latest: float = -math.inf
    refused_at: float | None = None
    retry_after: float | None = None
    is_limit: bool = True
    probe: Literal["through", "refused", "lost"] | None = None
    unused: float = 0
    is_idle: bool = False

    def by_clock(self, ahead: float) -> Report:
        """Return the same record in the time of a clock that is ``ahead`` seconds ahead."""
        refused = () if self.refused_at is None else ("refused_at",)
        return _later(self, ahead, "latest", *refused)


@frozen(kw_only=True)
class Grant:
    """Permission to send requests.

    Attributes:
        count: the number of requests; may be infinite.
        start: the earliest start of the first request.
        interval: seconds between two requests.
        until: the time at which it expires and another one may be requested.
        given: the time of the grant; a later pause makes it invalid.
        is_probe: whether it is for the probe that ends a pause.
        gave_up: whether the pause has lasted longer than ``Bounds.give_up_after``.
    """

    count: float = 0
    start: float = -math.inf
    interval: float = 0.0
    until: float = -math.inf
    given: float = -math.inf
    is_probe: bool = False
    gave_up: bool = False

    def left(self, now: float) -> float:
        """Return the number of requests that may still start, if the rate is bounded."""
        if not self.interval:
            return 0
        return max(0.0, min(self.count, (self.start - now) / self.interval + self.count))

    def by_clock(self, ahead: float) -> Grant:
        """Return the same record in the time of a clock that is ``ahead`` seconds ahead."""
        return _later(self, ahead, "start", "until", "given")

    def is_valid(self, state: RateState, now: float) -> bool:
        """Return whether another request may start with it, now or later."""
        is_after_pause = self.is_probe or self.given > state.paused_at
        return self.count >= 1 and now < self.until and is_after_pause


def _later(record: T, seconds: float, *times: str) -> T:
    return evolve(record, **{name: getattr(record, name) + seconds for name in times})


def advance(  # noqa: PLR0917 - in the order of the sentence
    state: RateState,
    now: float,
    report: Report,
    bounds: Bounds,
    wish: int = 0,
    lease: float = LEASE,
) -> tuple[RateState, Grant]:
    """Return the state after a report, and a grant of up to ``wish`` permits.

    A grant covers about ``lease`` seconds, and expires ``lease`` seconds after its end.
    """
    state = _count(state, now, report, bounds)
    if report.refused_at is not None:
        state = _refuse(state, now, report, report.refused_at, bounds)
    if state.pause is not None and report.probe == "lost":
        state = evolve(state, pause=evolve(state.pause, probe_until=-math.inf))
    if state.pause is not None and report.probe == "through":
        state = _resume(state, state.pause, now, bounds)
    return _grant(state, now, bounds, wish, lease)


def _count(state: RateState, now: float, report: Report, bounds: Bounds) -> RateState:
    """Count the accepted requests, and climb."""
    if (pause := state.pause) is not None:
        pause = evolve(pause, accepted=pause.accepted + report.accepted_in_pause)
        # Other processes may start requests until they learn of the pause.
        return evolve(state, accepted=state.accepted + report.accepted, pause=pause)
    rate = min(state.rate, bounds.ceiling)
    if report.unused:
        next_at = max(state.next_at - report.unused / rate, min(state.next_at, now))
        state = evolve(state, next_at=next_at)
    if count := report.accepted + report.accepted_in_pause:
        climbed, latest = state.climbed, max(state.latest, report.latest)
        if state.rate < bounds.ceiling:
            climbed += min(latest - state.latest, _IDLE + 2 / rate)
        accepted = state.accepted + count
        state = evolve(state, climbed=climbed, accepted=accepted, latest=latest)
    if report.is_idle and now - state.latest > max(_IDLE, 2 / rate):
        state = evolve(state, began=now, accepted=0)
    return state


def _refuse(
    state: RateState, now: float, report: Report, started: float, bounds: Bounds
) -> RateState:
    """Begin or prolong the pause. It covers the requests that were in flight when it began."""
    pause, asked = state.pause, report.retry_after
    if pause is None and started < state.resumed_at:
        return state  # the request belongs to a pause that is over
    if pause is not None and report.probe is None:
        until = pause.until
        if asked is not None:
            until = max(until, now + min(asked, bounds.max_pause))
        return evolve(state, pause=evolve(pause, until=until, refused=pause.refused + 1))
    if pause is None:
        # A server that recently refused for long probably has a long window again.
        block = state.block if now - state.began < 10 * state.block else 0.0
        wait = max(_FIRST_PAUSE, 1 / min(state.rate, bounds.ceiling), block / 2)
        state = evolve(state, paused_at=now, block=block)
        pause, seconds = Pause(until=now, wait=wait), wait if asked is None else asked
    else:  # a refused probe: the wait was too short, even if the server had asked for it
        wait = 2 * pause.wait
        seconds = wait if asked is None else max(wait, asked)
    pause = evolve(
        pause,
        until=now + min(seconds, bounds.max_pause),
        wait=wait,
        refused=pause.refused + 1,
        last_refusal=now,
        is_told=pause.is_told or asked is not None,
        is_limit=pause.is_limit and report.is_limit,
        probe_until=-math.inf,
    )
    return evolve(state, pause=pause)


def _resume(state: RateState, pause: Pause, now: float, bounds: Bounds) -> RateState:
    """End the pause and measure the limit."""
    before = min(state.rate, bounds.ceiling)
    blocked = now - state.paused_at
    block = pause.last_refusal - state.paused_at
    is_outweighed = pause.refused + pause.accepted >= _MANY and pause.accepted >= 4 * pause.refused
    state = _measured(state, pause, now, before) if not is_outweighed else state
    base = max(state.base, 1 / max(bounds.max_pause, 1.0))
    # A known rate spreads requests anyway. After an announced end, the server may open late.
    is_spread = pause.is_told or (base == math.inf and not is_outweighed)
    reentry = min(_LONGEST_REENTRY, blocked / 2) if is_spread else 0.0
    return evolve(
        state,
        base=base,
        began=now,
        resumed_at=now,
        accepted=1,
        latest=now,
        next_at=now + max(1 / min(base, bounds.ceiling), reentry / REENTRY),
        reentry=reentry / REENTRY,
        reentry_until=now + reentry,
        pause=None,
        block=max(0.8 * state.block, block),
    )


def _measured(state: RateState, pause: Pause, now: float, before: float) -> RateState:
    """Return the state with the rate that a pause proves; ``before`` is the previous rate."""
    if not pause.is_limit:
        return _slower(state, _OVERLOAD * before, before, seconds=_SLOWEST)
    accepted = state.accepted + pause.accepted
    is_lone = pause.refused == 1
    if is_lone and accepted > _STRAY and before < _SAFE * state.met:
        return evolve(state, met=(state.met + before) / 2)  # a stray refusal
    if not accepted or (before == math.inf and is_lone and accepted <= _FEW):
        return state
    seconds = max(_opened(pause, now) - state.began, 1e-3)
    measured = _SAFE * accepted / seconds
    used = state.accepted / max(state.paused_at - state.began, 1e-3)
    if before < math.inf or is_lone:
        was = before if before < math.inf else used
        weight = pause.refused**3 / (pause.refused + pause.accepted)
        measured = max(measured, was * _CUT**weight)
    if used < _USED * before < math.inf:  # the measured rate is the demand, not the limit
        measured = max(measured, _CUT * before)
    seconds = math.inf if pause.is_told and not is_lone else _TRUSTED * seconds
    return _slower(state, measured, before, seconds=seconds)


def _opened(pause: Pause, now: float) -> float:
    """Return when the server began to accept requests again."""
    return pause.until if pause.is_told else (pause.last_refusal + now) / 2


def _slower(state: RateState, base: float, before: float, *, seconds: float) -> RateState:
    """Start a new, slower climb.

    Args:
        state: the previous state.
        base: the new rate.
        before: the rate at the refusal.
        seconds: the doubling time of a first measurement. Infinite if the server announced the end
            of the pause, because the measurement is then exact.
    """
    slowest = max(_SLOWEST, _SLOWEST_REQUESTS / base)
    if seconds == math.inf:
        doubling = slowest = 2 * slowest
    else:
        doubling = seconds if state.doubling == math.inf else _SLOWER * state.doubling
    met = before if before < math.inf else base
    return evolve(state, base=base, climbed=0.0, doubling=min(doubling, slowest), met=met)


def _grant(
    state: RateState, now: float, bounds: Bounds, wish: int, lease: float
) -> tuple[RateState, Grant]:
    if (pause := state.pause) is not None:
        if now < pause.until:
            gave_up = now - state.paused_at >= bounds.give_up_after
            return state, Grant(until=pause.until, gave_up=gave_up)
        if now < pause.probe_until or not wish:
            return state, Grant(until=pause.probe_until)
        if now > max(pause.until, pause.probe_until) + bounds.max_pause:
            state = evolve(state, paused_at=now)  # no process has needed a permit for this long
        probe_until = now + PROBE
        state = evolve(state, pause=evolve(pause, probe_until=probe_until))
        return state, Grant(count=1, start=now, until=probe_until, given=now, is_probe=True)
    if not wish:
        return state, Grant(until=now)
    start = max(now - _CATCH_UP, state.next_at)
    interval = 1 / min(state.rate, bounds.ceiling)
    if start < state.reentry_until:
        interval = max(interval, state.reentry)
    if not interval:
        return state, Grant(count=math.inf, start=start, until=now + lease, given=now)
    # Half of the rest, so that the shares of all processes converge.
    left = 2 * lease - (max(start, now) - now)
    count = min(wish, max(1, round(left / 2 / interval)))
    end = start + count * interval
    until = max(now, end) + lease
    grant = Grant(count=count, start=start, interval=interval, until=until, given=now)
    return evolve(state, next_at=end), grant
