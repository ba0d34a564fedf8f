"""Decide without I/O whether a failed call may be sent again, and after which delay."""

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
    """Whether the server asks all tasks to slow down: a 429, or a 503 with a duration."""
    if isinstance(error, RateLimitError):
        return True
    return isinstance(error, APIError) and error.status == 503 and error.retry_after is not None


def was_not_executed(error: BaseException) -> bool:
    """Whether the server certainly did not process the request."""
    if isinstance(error, APIError):
        if error.status in _LATER:  # a proxy may send it after the server committed
            return False
        return error.status < 500 or error.status in _NEVER_REACHED_ORIGIN
    return isinstance(error, NotSentError)


def is_temporary(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, NotSentError):
        return error.temporary
    if isinstance(error, ServerError):
        return error.status not in _NEVER_DIFFERENT
    if isinstance(error, APIError):
        return error.status in _LATER or throttles(error)
    return isinstance(error, TransportError)


def may_repeat(error: BaseException, safety: RetrySafety) -> bool:
    """Whether a failed call may be sent again: a create only if it was not processed."""
    return is_temporary(error) and (safety is not RetrySafety.CREATE or was_not_executed(error))


@define
class Budget:
    """A token bucket over the retries of all calls of a client.

    Each retry takes one token, and each success gives a tenth of a token back, up to the capacity.
    During an outage nothing is given back, so the extra traffic never exceeds the capacity.
    """

    capacity: int
    _tenths: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tenths = 10 * self.capacity

    def take(self) -> bool:
        """Take one retry; return False if none is left."""
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
    """The attempts of one call so far.

    Attributes:
        failed: attempts that failed.
        throttled: attempts that the server postponed; the shared pause waits for them.
        maybe_executed: whether the server may have processed one of them.
        in_flight: whether a request is in flight now.
    """

    failed: int = 0
    throttled: int = 0
    maybe_executed: bool = False
    in_flight: bool = False

    @property
    def total(self) -> int:
        """Attempts that ended."""
        return self.failed + self.throttled

    def next_delay(
        self,
        error: BitPeakError,
        safety: RetrySafety,
        retry: Retry,
        budget: Budget,
        random: Callable[[], float],
    ) -> float | None:
        """Count a failure; return the seconds to wait before the next attempt, or None to stop.

        A throttled call has no delay of its own, because all tasks share the pause, and takes
        nothing from the budget. Others wait a random part of an exponential step ("full jitter").
        """
        self.in_flight = False
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
