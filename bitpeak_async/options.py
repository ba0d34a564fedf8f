"""Options of a client: timeouts, retries and pace. All times are in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Attribute, field, frozen, validators

from bitpeak_async._checks import as_int, check_number
from bitpeak_async.errors import ConfigurationError

__all__ = ["Pace", "Retry", "Timeout"]


def _number(low: float, *, above: bool = False, integer: bool = False) -> Callable[..., None]:
    """Return a validator: a finite number ≥ ``low`` (> ``low`` if ``above``)."""

    def validate(instance: object, attribute: Attribute[Any], value: Any) -> None:
        option = f"{type(instance).__name__}({attribute.name}=)"
        check_number(option, value, low, above=above, integer=integer)

    return validate


@frozen(kw_only=True)
class Timeout:
    """The timeout of one attempt, in seconds.

    Attributes:
        total: from the moment the attempt may start, after any wait for the rate, to the last byte
            of the reply.
        connect: for a new connection, TCP and TLS; at most 95 % of the total.
    """

    total: float = field(default=30.0, validator=_number(0, above=True))
    connect: float = field(default=10.0, validator=_number(0, above=True))


def as_timeout(value: Timeout | float) -> Timeout:
    """Return a timeout; a number is its total in seconds."""
    if isinstance(value, Timeout):
        return value
    if isinstance(value, float) or as_int(value) is not None:
        return Timeout(total=value)
    kind = type(value).__name__
    raise ConfigurationError(
        f"timeout must be a bitpeak_async Timeout, or a number of seconds, not {kind}"
    )


@frozen(kw_only=True)
class Retry:
    """The retry policy of a client. All delays are in seconds.

    Attributes:
        attempts: the most failed attempts of one call, including the first; 1 means no retry.
        throttled_attempts: the most attempts of one call that are answered 429.
        base_delay: the first delay is a random part of this; it doubles with each attempt.
        max_delay: the longest delay, even if the server asks for more.
        give_up_after: if the server refuses everything (429) for this long, all waiting calls fail
            with one ``RateLimitError``. Otherwise endless 429s would keep a bulk run busy for
            days.
        budget: the most retries that all calls of a client make without a success; each success
            gives a tenth of a retry back. So an outage does not multiply the traffic.
        unknown_outcome_delay: the delay before a bulk operation lists the handlers to resolve
            creates whose reply was lost. It should exceed ``Timeout.total`` by the replication
            lag of the server, so that late creates are found. It doubles with each listing that
            resolves nothing, up to ``max_delay``.
        duplicate_check_delay: if creates that seemed lost were sent again, the delay before another
            listing looks for duplicates that the server created late.
    """

    attempts: int = field(default=5, validator=_number(1, integer=True))
    throttled_attempts: int = field(default=12, validator=_number(1, integer=True))
    base_delay: float = field(default=0.5, validator=_number(0))
    max_delay: float = field(default=60.0, validator=_number(0))
    give_up_after: float = field(default=600.0, validator=_number(0, above=True))
    budget: int = field(default=50, validator=_number(0, integer=True))
    unknown_outcome_delay: float = field(default=35.0, validator=_number(0))
    duplicate_check_delay: float = field(default=15.0, validator=_number(0))


@frozen(kw_only=True)
class Pace:
    """The pace of a client.

    Attributes:
        in_flight: the most requests in flight at once.
        requests_per_minute: a fixed ceiling, or None to find the server's limit automatically.
    """

    in_flight: int = field(default=16, validator=_number(1, integer=True))
    requests_per_minute: float | None = field(
        default=None, validator=validators.optional(_number(0, above=True))
    )
