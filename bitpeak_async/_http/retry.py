"""Pure decisions about failures: was it executed, may it be sent again, how long to wait first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from bitpeak_async._http.protocol import RetrySafety
from bitpeak_async.errors import (
    APIError,
    BitPeakError,
    NotSentError,
    RateLimitError,
    ServerError,
    TransportError,
)
from bitpeak_async.options import Retry

# Cloudflare answers these itself: the origin was down, unreachable or failed the TLS handshake.
# https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
_NEVER_REACHED_ORIGIN: Final = frozenset({521, 523, 525, 526})
_NEVER_DIFFERENT: Final = frozenset({501, 505, 511})
_LATER: Final = frozenset({408, 425})


def throttles(error: BaseException) -> bool:
    """Whether the server asks everyone to slow down: a 429, or a 503 that says for how long."""
    if isinstance(error, RateLimitError):
        return True
    return isinstance(error, APIError) and error.status == 503 and error.retry_after is not None


def was_not_executed(error: BaseException) -> bool:
    """Whether the server surely did not carry the request out."""
    if isinstance(error, APIError):
        if error.status in _LATER:  # a proxy may say so after the server committed
            return False
        return error.status < 500 or error.status in _NEVER_REACHED_ORIGIN
    return isinstance(error, NotSentError)


def is_temporary(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, NotSentError):
        return error.temporary
    if isinstance(error, ServerError):
        return error.status not in _NEVER_DIFFERENT
    if isinstance(error, APIError):
        return error.status in _LATER or throttles(error)
    return isinstance(error, TransportError)


def may_repeat(error: BaseException, safety: RetrySafety) -> bool:
    """Whether a call that failed so may be sent again: a create only if it was not executed."""
    return is_temporary(error) and (safety is not RetrySafety.CREATE or was_not_executed(error))


@define
class Budget:
    """A token bucket over the retries of all calls of a client.

    Each retry takes one, each success gives a tenth back, up to the capacity. During an outage
    nothing gives back, so the extra traffic ends at the capacity however many calls fail.
    """

    capacity: int
    _tenths: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tenths = 10 * self.capacity

    def take(self) -> bool:
        """Take one retry; False when none is left."""
        if self._tenths < 10:
            return False
        self._tenths -= 10
        return True

    def give_back(self) -> None:
        """Count a success."""
        if self._tenths < 10 * self.capacity:
            self._tenths += 1


@define
class Attempts:
    """The tries of one call so far.

    Attributes:
        failed: tries that failed.
        throttled: tries answered "later", which the shared pause waits for.
        maybe_executed: whether one of them may have been carried out.
        under_way: whether a request is out right now.
    """

    failed: int = 0
    throttled: int = 0
    maybe_executed: bool = False
    under_way: bool = False

    @property
    def total(self) -> int:
        """Tries that came to an end."""
        return self.failed + self.throttled

    def next_delay(
        self,
        error: BitPeakError,
        safety: RetrySafety,
        retry: Retry,
        budget: Budget,
        random: Callable[[], float],
    ) -> float | None:
        """Count a failure; return the seconds to wait before the next try, or None to stop.

        A throttled call waits nothing of its own (the pause all tasks share does that) and takes
        nothing from the budget. Others wait a random part of an exponential step ("full jitter").
        """
        self.under_way = False
        self.maybe_executed |= not was_not_executed(error)
        if not may_repeat(error, safety):
            return None
        if throttles(error):
            self.throttled += 1
            return 0.0 if self.throttled < retry.throttled_attempts else None
        self.failed += 1
        if self.failed >= retry.attempts or not budget.take():
            return None
        step = retry.base_delay * 2.0 ** min(self.failed - 1, 30)
        return min(retry.max_delay, step) * random()
