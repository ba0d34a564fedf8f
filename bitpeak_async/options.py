"""What a caller may configure: timeouts, retries, pace. All times are seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Attribute, field, frozen

from bitpeak_async._checks import as_int, check_number
from bitpeak_async.errors import ConfigurationError

__all__ = ["Pace", "Retry", "Timeout"]


def _number(low: float, *, above: bool = False, integer: bool = False) -> Callable[..., None]:
    """Return a validator: a finite number ≥ ``low`` (> ``low`` if ``above``)."""

    def validate(instance: object, attribute: Attribute[Any], value: Any) -> None:
        option = f"{type(instance).__name__}({attribute.name}=)"
        check_number(option, value, low, above=above, integer=integer)

    return validate


def _optional(validate: Callable[..., None]) -> Callable[..., None]:
    def validate_unless_none(instance: object, attribute: Attribute[Any], value: Any) -> None:
        if value is not None:
            validate(instance, attribute, value)

    return validate_unless_none


@frozen(kw_only=True)
class Timeout:
    """How long one attempt may take.

    Attributes:
        total: from the moment it holds a slot to the last byte of the reply.
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
    """When to try again, and when to stop.

    Attributes:
        attempts: tries of one call that failed, the first included; 1 means no retry.
        throttled_attempts: tries of one call that were answered 429, which only means "later".
        base_delay: the mean of the first wait is half of this; it doubles with each try.
        max_delay: the longest wait, also where the server asks for more.
        give_up_after: seconds in which the server refused everything (429), after which all calls
            that wait fail with one ``RateLimitError``. Without it, 429s for ever would keep a
            bulk run busy for days.
        budget: retries all calls of a client may make in a row without a success between; each
            success gives a tenth of a retry back, so an outage does not multiply the traffic.
        unknown_outcome_delay: how long a bulk operation waits before it lists what became of
            creates whose reply was lost. It should exceed ``Timeout.total`` by the seconds that
            the server's replicas lag: then what still arrives is found. It doubles with each
            listing that resolves nothing, up to ``max_delay``.
        duplicate_check_delay: how long it waits, after creates thought lost were sent again,
            before it lists once more to find duplicates that the server created late.
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
    """How fast to go.

    Attributes:
        in_flight: requests under way at once.
        requests_per_minute: a fixed ceiling, or None to find the server's own limit by itself.
    """

    in_flight: int = field(default=16, validator=_number(1, integer=True))
    requests_per_minute: float | None = field(
        default=None, validator=_optional(_number(0, above=True))
    )
