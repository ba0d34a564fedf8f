"""What the SDK tells hooks and the log: no body, no key, no header but those on a list.

Each event is also logged under ``bitpeak_async``: the loss of a pace store as WARNING, its return,
pauses and rates as INFO, all others as DEBUG.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeAlias, TypeVar

from attrs import frozen

from bitpeak_async.errors import BitPeakError, ConfigurationError

__all__ = [
    "Event",
    "Hook",
    "OutcomeKnown",
    "PaceStoreLost",
    "PaceStoreRestored",
    "Paused",
    "RateChanged",
    "ReplyReceived",
    "RequestAbandoned",
    "RequestFailed",
    "RequestSent",
    "Retrying",
]

T = TypeVar("T")


@frozen
class RequestSent:
    """An attempt begins.

    Exactly one ``ReplyReceived``, ``RequestFailed`` or ``RequestAbandoned`` of the same
    ``exchange`` follows, in the same task.

    Attributes:
        operation: what it does, such as ``"get notification handler 7"``.
        method: the HTTP verb.
        path: below the base URL, with its query.
        attempt: counted from 1.
        base_url: of the client, without a trailing slash.
        exchange: a number of this attempt that no other of the process has.
    """

    operation: str
    method: str
    path: str
    attempt: int
    base_url: str
    exchange: int


@frozen
class ReplyReceived:
    """An attempt was answered, whatever the status.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: as in ``RequestSent``.
        status: the HTTP status.
        seconds: from the request to the last byte of the reply.
        headers: of the reply, those that may be logged.
        exchange: as in ``RequestSent``.
    """

    operation: str
    attempt: int
    status: int
    seconds: float
    headers: Mapping[str, str]
    exchange: int


@frozen
class RequestFailed:
    """An attempt got no whole reply.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: as in ``RequestSent``.
        seconds: from the request to the failure.
        error: what went wrong.
        exchange: as in ``RequestSent``.
    """

    operation: str
    attempt: int
    seconds: float
    error: BitPeakError
    exchange: int


@frozen
class RequestAbandoned:
    """An attempt was broken off from this side: cancelled, by a deadline too.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: as in ``RequestSent``.
        seconds: from the request to its end.
        reason: class name of the exception that ended it, mostly ``"CancelledError"``.
        exchange: as in ``RequestSent``.
    """

    operation: str
    attempt: int
    seconds: float
    reason: str
    exchange: int


@frozen
class Retrying:
    """A failed attempt will be followed by another.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: the one that failed.
        seconds: the wait before the next, to which a pause may add.
        error: why.
    """

    operation: str
    attempt: int
    seconds: float
    error: BitPeakError


@frozen
class Paused:
    """The server asked for less; no request of this key starts for so many seconds."""

    operation: str
    seconds: float


@frozen
class RateChanged:
    """A pause ended; from now on at most so many requests a second start."""

    requests_per_second: float


@frozen
class PaceStoreLost:
    """The pace store cannot be reached: this process goes on alone, at a third of its last rate.

    Attributes:
        problem: why, in one sentence.
        requests_per_second: that start at most from now on; infinite if none was ever limited.
    """

    problem: str
    requests_per_second: float


@frozen
class PaceStoreRestored:
    """The pace store is back: the rate is shared again, at so many requests a second here."""

    requests_per_second: float


@frozen
class OutcomeKnown:
    """What became of one handler of a bulk operation.

    Attributes:
        name: of the handler.
        handler_id: None if it is not known to exist.
        error: None where all went well.
    """

    name: str
    handler_id: int | None
    error: BitPeakError | None


Event: TypeAlias = (
    RequestSent
    | ReplyReceived
    | RequestFailed
    | RequestAbandoned
    | Retrying
    | Paused
    | RateChanged
    | PaceStoreLost
    | PaceStoreRestored
    | OutcomeKnown
)


class Hook(Protocol):
    """Called with each event, in the event loop: it must not block.

    An ``Exception`` it raises is logged and changes nothing.
    """

    def __call__(self, event: Event, /) -> object:  # noqa: D102 - the class says it
        ...


_LOG: Final = logging.getLogger("bitpeak_async")
_LEVELS: Final = {
    PaceStoreLost: logging.WARNING,
    PaceStoreRestored: logging.INFO,
    Paused: logging.INFO,
    RateChanged: logging.INFO,
}
_LOGGABLE: Final = frozenset(
    {
        "cf-ray",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "retry-after",
        "retry-after-ms",
        "server",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
    }
)


def loggable_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that may be logged, by lower-case name."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in _LOGGABLE}


def notify(listener: Callable[[T], object], subject: T) -> None:
    """Call a listener. What it raises is logged only: it must not fail a request half-way."""
    try:
        listener(subject)
    except Exception:  # noqa: BLE001 - whatever it raises, it is not the request's
        name = getattr(listener, "__qualname__", type(listener).__qualname__)
        _LOG.exception("%s failed on %s", name, type(subject).__name__)


def checked_hooks(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """Return hooks that can be called.

    Raises:
        ConfigurationError: something else was given.
    """
    try:
        checked = tuple(hooks)
    except TypeError:
        raise ConfigurationError("hooks must be an iterable of callables") from None
    if not all(map(callable, checked)):
        raise ConfigurationError("hooks must be callables that take one event")
    return checked


class Emitter:
    """Hands each event to the log and to every hook."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = tuple(hooks)

    @property
    def wanted(self) -> bool:
        """Whether anybody listens to the events of each request; making them costs time."""
        return bool(self._hooks) or _LOG.isEnabledFor(logging.DEBUG)

    def __call__(self, event: Event) -> None:
        """Tell everybody."""
        _LOG.log(_LEVELS.get(type(event), logging.DEBUG), "%s", event)
        for hook in self._hooks:
            notify(hook, event)
