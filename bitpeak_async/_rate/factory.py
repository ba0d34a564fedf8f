"""Makes the limiter of one client, alone or sharing its rate through a store."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from attrs import frozen

from bitpeak_async._rate.controller import RateController
from bitpeak_async._rate.law import Bounds
from bitpeak_async._rate.lease import Lease, state_of
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import Link
from bitpeak_async._rate.shared_limiter import SharedLimiter
from bitpeak_async._rate.store import PaceStore
from bitpeak_async._secret import Secret
from bitpeak_async.events import Emitter
from bitpeak_async.options import Pace, Retry


@frozen
class LimiterFactory:
    """Makes limiters for one base URL and key.

    Attributes:
        pace: the configured limits.
        retry: how long pauses may be, and after how long to give up.
        account: the base URL and the key. It is hashed: the store must not see the key.
        emit: told when the store is lost and found again.
        store: shares the rate with other processes, or None.
    """

    pace: Pace
    retry: Retry
    account: Secret[str]
    emit: Emitter
    store: PaceStore | None = None

    def make(
        self,
        clock: Callable[[], float],
        slots: int,
        *,
        link: Link | None = None,
        limiter: Callable[[Lease | RateController, int], Limiter] = Limiter,
    ) -> Limiter | SharedLimiter:
        """Return a limiter of the running loop.

        Args:
            clock: the loop's.
            slots: requests at once.
            link: to a store that other limiters use too; by default one to ``store``.
            limiter: makes what requests have to pass, from a lease and slots.
        """
        if link is None and self.store is not None:
            link = Link(self.store)
        place = hashlib.sha256(self.account.value.encode()).hexdigest()
        if link is None:
            return limiter(Lease(clock, self._bounds(), state_of(place)), slots)
        return SharedLimiter(
            self.pace,
            clock,
            self.retry.max_delay,
            slots,
            link=link,
            place=place,
            emit=self.emit,
            gate=limiter,
        )

    def _bounds(self) -> Bounds:
        per_minute = self.pace.requests_per_minute
        return Bounds(
            ceiling=math.inf if per_minute is None else per_minute / 60,
            max_pause=self.retry.max_delay,
            give_up_after=self.retry.give_up_after,
        )
