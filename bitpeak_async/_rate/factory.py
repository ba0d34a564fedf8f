"""Makes the limiter of one client, alone or sharing its rate through a store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from attrs import frozen

from bitpeak_async._rate.controller import RateController
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import Link
from bitpeak_async._rate.shared_limiter import SharedLimiter
from bitpeak_async._rate.store import PaceStore
from bitpeak_async._secret import Secret
from bitpeak_async.events import Emitter
from bitpeak_async.options import Pace


@frozen
class LimiterFactory:
    """Makes limiters for one base URL and key.

    Attributes:
        pace: the configured limits.
        max_pause: seconds; longer pauses asked for are cut to it.
        account: the base URL and the key. It is hashed: the store must not see the key.
        emit: told when the store is lost and found again.
        store: shares the rate with other processes, or None.
    """

    pace: Pace
    max_pause: float
    account: Secret[str]
    emit: Emitter
    store: PaceStore | None = None

    def make(
        self,
        clock: Callable[[], float],
        slots: int,
        *,
        link: Link | None = None,
        limiter: Callable[[RateController, int], Limiter] = Limiter,
    ) -> Limiter | SharedLimiter:
        """Return a limiter of the running loop.

        Args:
            clock: the loop's.
            slots: requests at once.
            link: to a store that other limiters use too; by default one to ``store``.
            limiter: makes what requests have to pass, from a controller and slots.
        """
        if link is None and self.store is not None:
            link = Link(self.store)
        if link is None:
            return limiter(RateController(self.pace, clock, self.max_pause, slots), slots)
        return SharedLimiter(
            self.pace,
            clock,
            self.max_pause,
            slots,
            link=link,
            place=hashlib.sha256(self.account.value.encode()).hexdigest(),
            emit=self.emit,
            gate=limiter,
        )
