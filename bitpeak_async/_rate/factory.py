"""Create the limiter of one client, with or without a store that shares its rate."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from bitpeak_async._rate.law import Bounds
from bitpeak_async._rate.lease import Lease, state_of
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.store import RateStore
from bitpeak_async._secret import Secret
from bitpeak_async.events import Emitter
from bitpeak_async.options import Pace, Retry

if TYPE_CHECKING:
    from bitpeak_async._rate.stored import Link


@frozen
class LimiterFactory:
    """Creates limiters for one base URL and key.

    Attributes:
        pace: the configured limits.
        retry: the source of the longest pause and of the time after which to give up.
        account: the base URL and the key; hashed, because the store must not see the key.
        emit: receives an event when the store is lost or reachable again.
        store: shares the rate with other processes, or None.
    """

    pace: Pace
    retry: Retry
    account: Secret[str]
    emit: Emitter
    store: RateStore | None = None

    def make(
        self,
        clock: Callable[[], float],
        slots: int,
        *,
        link: Link | None = None,
        limiter: Callable[[Lease, int], Limiter] = Limiter,
    ) -> Limiter:
        """Return a limiter for the running loop.

        Args:
            clock: the loop's time in seconds.
            slots: the most requests in flight at once.
            link: a link to a store, shared with other limiters; by default a new one to ``store``.
            limiter: creates the limiter from a lease and slots.
        """
        per_minute = self.pace.requests_per_minute
        bounds = Bounds(
            ceiling=math.inf if per_minute is None else per_minute / 60,
            max_pause=self.retry.max_delay,
            give_up_after=self.retry.give_up_after,
        )
        place = hashlib.sha256(self.account.reveal().encode()).hexdigest()
        store = link or self.store
        if store is None:
            state = state_of(place)
        else:
            # Imported here, because most clients have no store.
            from bitpeak_async._rate.stored import Link, StoredState  # noqa: PLC0415

            link = store if isinstance(store, Link) else Link(store)
            state = StoredState(link, place, bounds, clock, self.emit)
        return limiter(Lease(clock, bounds, state), slots)
