"""One process's part in a pace that several processes share.

Pure, as ``RateController`` is: ``_pace_group.py`` brings the news of the other members.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from attrs import define, field

from bitpeak_async._rate.controller import RateController, _Cycle
from bitpeak_async._rate.lease import Permit

_NAP: Final = 0.05  # seconds
_NEWS: Final = 0.05  # seconds until all members know of a pause
_ALONE: Final = 1 / 3  # of the last rate: what the others do is not known any more
_OTHERS: Final = Permit(-math.inf)  # stands for a probe that another member sends


@define(eq=False)
class SharedRateController(RateController):
    """The law of ``RateController`` over the sum of all members.

    The rate of a member is the group's by ``parts``. What all let through in a cycle is measured;
    the member that is refused first ends the pause for all of them, and the others hold. The rate
    climbs the slower the more a pause costs: until all know of it, others are refused as well.

    Attributes:
        on_turn: called when a pause begins or ends here, for the others are to know at once.
        parts: the group's rate is so many times this member's.
        group_rate: requests per second of all members when the cycle began, or infinite.
        resumed: whether a pause ended here and the others do not know it.
        nap: seconds at most between looks at a pause that another member may end.
    """

    on_turn: Callable[[], object] = field(kw_only=True)
    parts: float = field(init=False, default=1.0)
    group_rate: float = field(init=False, default=math.inf)
    resumed: bool = field(init=False, default=False)
    nap: float = field(init=False, default=_NAP)
    _unreported: int = field(init=False, default=0)
    _is_alone: bool = field(init=False, default=True)

    @property
    def _ceiling(self) -> float:
        per_minute = self.pace.requests_per_minute
        return math.inf if per_minute is None else per_minute / 60 / self.parts

    @property
    def _cost(self) -> float:
        """Requests that a pause costs: one, and those that start until all know of it."""
        return min(1 + self.group_rate * _NEWS, max(self.parts, 1.0))

    @property
    def is_paused(self) -> bool:
        """Whether this member is to end a pause by a probe of its own."""
        return self._probing

    @property
    def is_held(self) -> bool:
        """Whether another member is to end the pause."""
        return self._probe is _OTHERS

    def wait(self) -> float:
        """Return the seconds until the next request may start, or until to ask again."""
        return min(super().wait(), self.nap)

    def let_through(self, permit: Permit) -> bool:
        """Count an answer that is not a 429; return whether it ended a pause."""
        self._unreported += 1
        return super().let_through(permit)

    def refused(self, permit: Permit, retry_after: float | None, *, is_limit: bool = True) -> bool:
        """Begin or prolong the pause; return whether one begins."""
        begins = super().refused(permit, retry_after, is_limit=is_limit)
        if begins:
            self.on_turn()
        return begins

    def _resume(self, probe: Permit) -> None:
        if self._is_alone:
            super()._resume(probe)
            return
        parts, self.parts = self.parts, 1.0
        self.rate *= parts
        super()._resume(probe)
        self.group_rate = self.rate
        self.divide(parts)
        self._next = max(self._next, probe.at + 1 / self.rate)
        self.resumed = True
        self.on_turn()

    def report(self) -> int:
        """Return how many requests were let through since the last report."""
        count, self._unreported = self._unreported, 0
        return count

    def absorb(self, others: int, total: int) -> None:
        """Count what the other members let through.

        Args:
            others: requests since the last time.
            total: of all members since the group's rate was set.
        """
        self._cycle.let_through += others
        if others:
            self._idle_since = self.clock()
        self._climbed = total / self._cost

    def divide(self, parts: float) -> None:
        """Take another part of the group's rate."""
        group_rate_now = self.rate * self.parts
        self.parts = parts
        self.rate = min(group_rate_now / parts, self._ceiling)
        self._base_rate = self.group_rate / parts

    def hold(self) -> None:
        """Let another member end the pause."""
        if not self.is_held:
            self._paused_at = self.clock()
            self._cycle.blocked_at = min(self._cycle.blocked_at, self._paused_at)
        self._probe, self._probing, self.resumed = _OTHERS, False, False

    def take_over(self) -> None:
        """End the pause by a probe, after whoever was to do so is gone."""
        if not (self.is_paused or self.resumed):
            self._stop_holding()

    def _stop_holding(self) -> None:
        now = self.clock()
        self._cycle.blocked_at = min(self._cycle.blocked_at, now)
        self._cycle.refusals += 1
        self.paused_until = max(self.paused_until, now)
        self._probe, self._probing = None, True

    def follow(self, group_rate: float, total: int) -> None:
        """Begin the cycle that the group has begun, or that it is in.

        A pause that began while this member was alone goes on.

        Args:
            group_rate: requests per second of all when it began, or infinite for unknown.
            total: requests let through by all since.
        """
        now, cycle = self.clock(), self._cycle
        if not (self._is_alone and self._probing):
            if cycle.blocked_at < now:
                self._come_back(now - cycle.blocked_at)
            self.paused_until: float = min(self.paused_until, now)
            self._probe, self._probing = None, False
            self._cycle = _Cycle(now)
        self.resumed = self._is_alone = False
        self.group_rate = group_rate
        self._base_rate, self._climbed = group_rate / self.parts, total / self._cost
        self.rate = min(self._ceiling, self._base_rate)

    def alone(self, used: float) -> None:
        """Go on without the others, at a third of the last rate.

        Args:
            used: requests per second lately; it is the last rate where no limit was met.
        """
        if self._is_alone:
            return
        self._is_alone = True
        self.group_rate = self.rate * self.parts
        last = self.rate if self.rate < math.inf else used
        if last:
            self._base_rate = last * _ALONE
            self.rate: float = self._base_rate
        self._climbed, self.resumed = 0, False
        if self.is_held:
            self._stop_holding()
        blocked_at = self.clock() if self._probing else math.inf
        self._cycle = _Cycle(self.clock(), blocked_at=blocked_at)
