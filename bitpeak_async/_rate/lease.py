"""Permits of one client, granted by the law from the state of its key's rate."""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import Callable
from typing import Any, Final

from attrs import define, evolve

from bitpeak_async._rate.law import Bounds, Grant, RateState, Report, advance
from bitpeak_async.errors import RateLimitError

_PROBE_POLL: Final = 0.05  # seconds between checks for the reply to another task's probe


@define(eq=False)
class Permit:
    """Permission to send one request.

    Attributes:
        at: the time of admission.
        is_probe: whether its reply may end a pause.
    """

    at: float
    is_probe: bool = False


class SharedState:
    """The state of a limit that all clients of one key in an event loop share.

    Attributes:
        value: the record.
        accepted: replies outside a pause that are not refusals, not yet reported.
        accepted_in_pause: the same during a pause, for requests that were in flight when it began.
        latest: the arrival of the last reply that was counted.
    """

    def __init__(self) -> None:
        self.value: RateState = RateState()
        self.accepted: int = 0
        self.accepted_in_pause: int = 0
        self.latest: float = -math.inf

    def count(self, now: float) -> None:
        """Count a reply that is not a refusal."""
        if self.value.pause is None:
            self.accepted += 1
        else:
            self.accepted_in_pause += 1
        self.latest = now

    def counted(self) -> Report:
        """Return a report of the replies counted since the last report."""
        latest = self.latest if self.accepted or self.accepted_in_pause else -math.inf
        report = Report(
            accepted=self.accepted, accepted_in_pause=self.accepted_in_pause, latest=latest
        )
        self.accepted = self.accepted_in_pause = 0
        return report

    def advance(self, now: float, report: Report, bounds: Bounds, wish: int = 0) -> Grant:
        """Apply a report; return the grant for ``wish`` requests."""
        self.value, grant = advance(self.value, now, report, bounds, wish)
        return grant

    async def close(self) -> None:
        """Disconnect from the record's store; this class has none."""


class Lease:
    """Permits of one client.

    Args:
        clock: returns monotonic seconds.
        bounds: the limits of this client.
        state: the state that all clients of the key share.
    """

    def __init__(
        self, clock: Callable[[], float], bounds: Bounds, state: SharedState | None = None
    ) -> None:
        self.clock = clock
        self._bounds = bounds
        self._state = SharedState() if state is None else state
        self._grant = Grant()
        self._under_way = 0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return min(self._state.value.rate, self._bounds.ceiling)

    @property
    def under_way(self) -> int:
        """The number of requests admitted and not yet released."""
        return self._under_way

    @property
    def paused_until(self) -> float:
        """The time at which the pause ends; minus infinity without a pause."""
        pause = self._state.value.pause
        return -math.inf if pause is None else pause.until

    def wait(self, wish: int = 1) -> float:
        """Return the seconds until the next request may start; 0 or less means now.

        Args:
            wish: the number of requests that are ready to start.

        Raises:
            RateLimitError: the server has admitted no request for too long.
            NotSentError: the store of the rate has never been reachable.
        """
        now, grant = self.clock(), self._grant
        if not grant.is_valid(self._state.value, now):
            grant = self._advance(now, wish=wish)
        if grant.gave_up:
            raise self._gave_up(now)
        if grant.count >= 1:
            return grant.start - now
        poll = _PROBE_POLL if now >= self.paused_until else math.inf
        return max(min(grant.until - now, poll), 1e-3)

    def admit(self) -> Permit:
        """Return the permit that ``wait()`` allowed."""
        permit, grant = Permit(self.clock(), self._grant.is_probe), self._grant
        self._under_way += 1
        if grant.interval or permit.is_probe:
            start = grant.start + grant.interval
            self._grant = evolve(grant, count=grant.count - 1, start=start)
        return permit

    def accepted(self, permit: Permit) -> bool:
        """Count a reply that is not a refusal; return whether it ended a pause."""
        if permit.is_probe and self._state.value.pause is not None:
            permit.is_probe = False
            self._advance(self.clock(), probe="through")
            return True
        self._state.count(self.clock())
        return False

    def refused(self, permit: Permit, retry_after: float | None, *, is_limit: bool = True) -> bool:
        """Begin or prolong the pause; return whether the refusal began it or met its probe.

        Args:
            permit: the permit of the refused request.
            retry_after: seconds that the server asks to wait, or None.
            is_limit: whether it is a rate limit (429) and not an overload (503).
        """
        before = self._state.value
        self._advance(
            self.clock(),
            refused_at=permit.at,
            retry_after=retry_after,
            is_limit=is_limit,
            probe="refused" if permit.is_probe else None,
        )
        was_probe, permit.is_probe = permit.is_probe, False
        return was_probe or (before.pause is None and self._state.value.pause is not None)

    def released(self, permit: Permit) -> None:
        """Return a permit after its request ended in any way."""
        self._under_way -= 1
        if permit.is_probe:
            self._advance(self.clock(), probe="lost")

    def _advance(self, now: float, *, wish: int = 0, **report: Any) -> Grant:
        counted = evolve(
            self._state.counted(),
            unused=self._grant.left(now),
            is_idle=not self._under_way,
            **report,
        )
        self._grant = self._state.advance(now, counted, self._bounds, wish)
        return self._grant

    async def close(self) -> None:
        """Return the unused permits."""
        self._advance(self.clock())
        await self._state.close()

    def _gave_up(self, now: float) -> RateLimitError:
        refused_for = now - self._state.value.paused_at
        return RateLimitError(
            f"the server has refused every request for {refused_for:.0f} s (429), longer than "
            f"Retry(give_up_after={self._bounds.give_up_after:g}); this attempt was not sent",
            status=429,
            title="Too Many Requests",
            retry_after=max(0.0, self.paused_until - now),
        )


_STATES: Final[
    weakref.WeakKeyDictionary[
        asyncio.AbstractEventLoop, weakref.WeakValueDictionary[str, SharedState]
    ]
] = weakref.WeakKeyDictionary()


def state_of(place: str) -> SharedState:
    """Return the state that all clients of a key share in the running loop.

    It lives as long as one of them does. A forked child has its own loop and its own states.
    """
    states = _STATES.setdefault(asyncio.get_running_loop(), weakref.WeakValueDictionary())
    state = states.get(place)
    if state is None:
        state = states[place] = SharedState()
    return state
