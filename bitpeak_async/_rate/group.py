"""Where processes that share a key meet: a pace for them all, kept in counters that expire.

No member's clock and no member's word is needed by the others: a counter tells how many requests
of a cycle were let through by all, a claim that expires tells who is to end a pause, and how many
members there are is counted anew each second. All times are durations, kept by the store.
"""

from __future__ import annotations

import math
from random import randrange
from typing import ClassVar, Final

from attrs import define, field

from bitpeak_async._rate.shared_controller import SharedRateController
from bitpeak_async._rate.store import PaceCounters

_KEPT: Final = 86_400  # seconds; what expires earlier than it should is only measured anew
_CLAIM: Final = 5  # seconds until another member may end the pause of one that is gone
_RENEWAL: Final = 2.0  # seconds between renewals of a claim
_ROUND: Final = 1  # seconds between two counts of the members
_COUNTED: Final = 5  # seconds that a count is kept
_CENSUS: Final = 0.25  # seconds between looks at the count
_MICRO: Final = 1_000_000  # counters are whole numbers
LAST_RETRY: Final = 2.0  # seconds at most between tries to reach a lost store
_RETURN: Final = LAST_RETRY + 1.0  # seconds after which all that will come back are back


@define(eq=False)
class Group:
    """A member's view of its group.

    The pace of a group is a row of epochs, each from the end of one pause to the end of the next.
    ``state`` holds twice the epoch's number, and one more while there is a pause. Only the member
    that holds the claim of an epoch's pause ends it, and so begins the next epoch.

    Attributes:
        counters: shared with the other members.
        place: names the group.
        pacer: this member's.
    """

    counters: PaceCounters
    place: str
    pacer: SharedRateController
    used: float = field(init=False, default=0.0)
    _epoch: int | None = field(init=False, default=None)
    _total: int = field(init=False, default=0)
    _leads: bool = field(init=False, default=False)
    _renewed_at: float = field(init=False, default=-math.inf)
    _round: int = field(init=False, default=-1)
    _round_began: float = field(init=False)
    _in_round: int = field(init=False, default=0)
    _entry: _Count = field(init=False)
    _seen: _Count = field(init=False)
    _expected: _Count = field(init=False)
    _expected_until: float = field(init=False, default=-math.inf)
    _next_census: float = field(init=False, default=-math.inf)

    def __attrs_post_init__(self) -> None:
        self._round_began = self.pacer.clock()
        self._entry = self._seen = self._expected = _Count()

    async def exchange(self, *, is_waiting: bool) -> bool:
        """Tell the others, and the pacer, what happened since the last time.

        Args:
            is_waiting: whether requests wait for the pace.

        Returns:
            Whether another member began a new epoch.
        """
        state = await self.counters.get(self._key("state"))
        if not state:  # numbers are drawn, so that none comes back when they have expired
            state = await self._add("state", 2 * randrange(1, 2**40))  # noqa: S311 - no secret
        epoch, is_blocked = divmod(state, 2)
        is_new = self._epoch is not None and epoch != self._epoch
        if epoch != self._epoch:
            await self._enter(epoch)
        else:
            await self._add_up()
        await self._settle_pause(epoch, is_blocked=bool(is_blocked))
        if self.pacer.clock() >= self._next_census:
            await self._count(is_waiting=is_waiting)
        return is_new

    async def _enter(self, epoch: int) -> None:
        if self._epoch is None:
            self._expected_until = min(self._expected_until, self.pacer.clock() + _RETURN)
            await self._count(is_waiting=True)  # a newcomer's demand is not known yet
        self._epoch, self._leads = epoch, False
        self._total = await self._add(f"{epoch}:let-through", self._report())
        rate = await self.counters.get(self._key(f"{epoch}:rate")) / _MICRO
        if not rate and (rate := self.pacer.group_rate) < math.inf:  # the store forgot it
            await self._set_rate(epoch, rate)
        self.pacer.follow(rate or math.inf, self._total)

    async def _add_up(self) -> None:
        count = self._report()
        total = await self._add(f"{self._epoch}:let-through", count)
        more = total - self._total if total >= self._total else total
        self._total = total
        self.pacer.absorb(more - count, total)

    def _report(self) -> int:
        count = self.pacer.report()
        self._in_round += count
        return count

    async def _settle_pause(self, epoch: int, *, is_blocked: bool) -> None:
        pacer = self.pacer
        if not self._leads:
            if not (is_blocked or pacer.is_paused or pacer.resumed or pacer.is_held):
                return
            if await self._add(self._claim, 1, expiry=_CLAIM) > 1:
                pacer.hold()
                return
            self._leads, self._renewed_at = True, pacer.clock()
            if not is_blocked:
                await self._add("state", 1)
            pacer.take_over()
        if pacer.resumed:
            await self._end_pause(epoch)
        elif pacer.clock() - self._renewed_at > _RENEWAL:
            self._renewed_at = pacer.clock()
            await self._clear(self._claim)
            await self._add(self._claim, 1, expiry=_CLAIM)

    async def _end_pause(self, epoch: int) -> None:
        ended, self._epoch = epoch, epoch + 1
        self._leads = self.pacer.resumed = False
        self._total = 0
        if self.pacer.group_rate < math.inf:
            await self._set_rate(self._epoch, self.pacer.group_rate)
        await self._add("state", 1)
        for name in ("let-through", "rate", "rated"):
            await self._clear(f"{ended}:{name}")

    async def _set_rate(self, epoch: int, rate: float) -> None:
        if await self._add(f"{epoch}:rated", 1) == 1:
            await self._add(f"{epoch}:rate", max(1, round(rate * _MICRO)))

    async def _count(self, *, is_waiting: bool) -> None:
        """Count the members, and take this one's part of the rate.

        Members that wait share what those that do not leave over; nobody's part is less than an
        equal one.
        """
        now = self.pacer.clock()
        self._next_census = now + _CENSUS
        if await self._add("tick", 1, expiry=_ROUND) == 1:
            number = await self._add("round", 1)
        else:
            number = await self.counters.get(self._key("round"))
        amount = 0
        if number != self._round:
            self.used = self._in_round / max(now - self._round_began, 1e-3)
            self._entry = self._declared(is_waiting=is_waiting)
            self._round, self._round_began, self._in_round = number, now, 0
            amount = self._entry.packed
        here = await self._add(f"round:{number}", amount, expiry=_COUNTED)
        before = await self.counters.get(self._key(f"round:{number - 1}"))
        self._seen = count = _Count.unpacked(here).at_least(_Count.unpacked(before))
        if now < self._expected_until:
            count = count.at_least(self._expected)
        self.pacer.divide(count.parts(self._entry, self.pacer.rate * self.pacer.parts))

    def _declared(self, *, is_waiting: bool) -> _Count:
        """Return what this member is in this round.

        All wait in a pause, and now and then everybody does: what waits for more is a member that
        has used at least half of an equal part.
        """
        pacer = self.pacer
        if self._epoch is not None and self._entry.members and (pacer.is_paused or pacer.is_held):
            return self._entry
        equal = pacer.rate * pacer.parts / max(self._seen.members, 1)
        is_here = is_waiting or self.used > 0
        is_waiting &= self._epoch is None or equal == math.inf or self.used >= equal / 2
        return _Count.of(self.used, is_waiting=is_waiting, is_here=is_here)

    async def leave(self) -> None:
        """Make room for the others."""
        if self._leads:
            await self._clear(self._claim)
        if self._entry.packed:
            await self._add(f"round:{self._round}", -self._entry.packed, expiry=_COUNTED)

    def lose(self) -> None:
        """Come as a newcomer the next time, and wait for the others to come back too."""
        if self._epoch is not None:
            self._expected, self._expected_until = self._seen, math.inf
            self._epoch, self._leads, self._round = None, False, -1

    @property
    def _claim(self) -> str:
        return f"{self._epoch}:claim"

    def _key(self, name: str) -> str:
        return f"{self.place}:{name}"

    async def _add(self, name: str, amount: int, *, expiry: int = _KEPT) -> int:
        return await self.counters.incr(self._key(name), expiry, amount)

    async def _clear(self, name: str) -> None:
        await self.counters.clear(self._key(name))


@define(frozen=True)
class _Count:
    """How many members there are, in one number that members can add to.

    Attributes:
        members: that let requests through, or wait to.
        waiting: those of them that the pace holds back.
        used: tenths of a request a second that the others let through.
    """

    # Redis adds by Lua's numbers: one that is added must be less than 2**53.
    _MOST_USED: ClassVar[int] = 2**20

    members: int = 0
    waiting: int = 0
    used: int = 0

    @classmethod
    def of(cls, used: float, *, is_waiting: bool, is_here: bool) -> _Count:
        if is_waiting:
            return cls(1, 1)
        return cls(1, 0, min(round(used * 10), cls._MOST_USED)) if is_here else cls()

    @classmethod
    def unpacked(cls, number: int) -> _Count:
        return cls(number & 0xFFFF, number >> 16 & 0xFFFF, number >> 32)

    @property
    def packed(self) -> int:
        return self.used << 32 | self.waiting << 16 | self.members

    def at_least(self, other: _Count) -> _Count:
        return _Count(
            max(self.members, other.members, 1),
            max(self.waiting, other.waiting),
            max(self.used, other.used),
        )

    def parts(self, own: _Count, group_rate: float) -> float:
        """Return how many times one member's part is the rate of all."""
        if not own.waiting or group_rate == math.inf:
            return self.members
        left_over = 1 - self.used / 10 / group_rate
        if left_over <= 0:
            return self.members
        return min(self.members, max(self.waiting, 1) / left_over)
