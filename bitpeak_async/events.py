"""Events for hooks and the log. They hold no bodies, no keys, and only headers from a safe list.

Each event is also logged under ``bitpeak_async``: a lost pace store as WARNING; its return, pauses
and rates as INFO; all others as DEBUG.
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
    "RateSnapshot",
    "ReplyReceived",
    "RequestAbandoned",
    "RequestFailed",
    "RequestSent",
    "Retrying",
]

T = TypeVar("T")


@frozen
class RequestSent:
    """An attempt starts.

    Exactly one ``ReplyReceived``, ``RequestFailed`` or ``RequestAbandoned`` with the same
    ``attempt_id`` follows, in the same task.

    Attributes:
        operation: the call, such as ``"get notification handler 7"``.
        method: the HTTP method.
        path: the path below the base URL, with its query.
        attempt: the number of this attempt within the call, from 1.
        base_url: the client's base URL, without a trailing slash.
        attempt_id: unique to this attempt within the process.
    """

    operation: str
    method: str
    path: str
    attempt: int
    base_url: str
    attempt_id: int


@frozen
class ReplyReceived:
    """An attempt was answered, with any status.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: as in ``RequestSent``.
        status: the HTTP status.
        seconds: from the request to the last byte of the reply.
        headers: the reply's headers that are safe to log, by lower-case name.
        attempt_id: as in ``RequestSent``.
    """

    operation: str
    attempt: int
    status: int
    seconds: float
    headers: Mapping[str, str]
    attempt_id: int


@frozen
class RequestFailed:
    """An attempt got no complete reply.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: as in ``RequestSent``.
        seconds: from the request to the failure.
        error: the error of this attempt.
        attempt_id: as in ``RequestSent``.
    """

    operation: str
    attempt: int
    seconds: float
    error: BitPeakError
    attempt_id: int


@frozen
class RequestAbandoned:
    """The client gave an attempt up: its task was cancelled or a deadline passed.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: as in ``RequestSent``.
        seconds: from the request to the cancellation.
        reason: the class name of the exception, usually ``"CancelledError"``.
        attempt_id: as in ``RequestSent``.
    """

    operation: str
    attempt: int
    seconds: float
    reason: str
    attempt_id: int


@frozen
class Retrying:
    """An attempt failed and another one follows.

    Attributes:
        operation: as in ``RequestSent``.
        attempt: the number of the failed attempt.
        seconds: the wait before the next one; a pause may add to it.
        error: the error of the failed attempt.
    """

    operation: str
    attempt: int
    seconds: float
    error: BitPeakError


@frozen
class Paused:
    """The server asked to slow down.

    Attributes:
        operation: the call whose reply asked for it.
        seconds: how long no request of the key starts.
    """

    operation: str
    seconds: float


@frozen
class RateChanged:
    """A pause ended and the rate changed.

    Attributes:
        requests_per_second: the most that start from now on.
    """

    requests_per_second: float


@frozen(kw_only=True)
class RateSnapshot:
    """The state of a client's rate at one moment.

    Attributes:
        rate: requests per second of all clients that share the rate; infinite if no limit is known.
        paused_for: seconds until a pause ends; 0 without a pause, and while the request that tests
            whether it is over is in flight.
        in_flight: requests of this client in flight.
        waiting: requests of this client that wait for a slot, the rate or a pause.
    """

    rate: float
    paused_for: float = 0.0
    in_flight: int = 0
    waiting: int = 0


@frozen
class PaceStoreLost:
    """The pace store cannot be reached. This process continues alone at a third of its last rate.

    Attributes:
        problem: the reason, in one sentence.
        requests_per_second: the most that start from now on; infinite if no limit is known.
    """

    problem: str
    requests_per_second: float


@frozen
class PaceStoreRestored:
    """The pace store is reachable again and the rate is shared again.

    Attributes:
        requests_per_second: the most that all processes together start from now on.
    """

    requests_per_second: float


@frozen
class OutcomeKnown:
    """A bulk operation finished one handler.

    Attributes:
        name: the handler's name.
        handler_id: the handler's id, or None if it is not known to exist.
        error: what went wrong, or None.
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
    """A function that is called with each event, in the event loop. It must not block.

    An ``Exception`` that it raises is logged and otherwise ignored.
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
    """Return the headers that are safe to log, by lower-case name."""
    return {name.lower(): value for name, value in headers.items() if name.lower() in _LOGGABLE}


def notify(listener: Callable[[T], object], subject: T) -> None:
    """Call a listener and log what it raises: a broken listener must not fail a request."""
    try:
        listener(subject)
    except Exception:  # noqa: BLE001 - listeners may raise anything
        name = getattr(listener, "__qualname__", type(listener).__qualname__)
        _LOG.exception("%s failed on %s", name, type(subject).__name__)


def checked_hooks(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """Return hooks as a tuple.

    Raises:
        ConfigurationError: they are not an iterable of callables.
    """
    try:
        checked = tuple(hooks)
    except TypeError:
        raise ConfigurationError("hooks must be an iterable of callables") from None
    if not all(map(callable, checked)):
        raise ConfigurationError("hooks must be callables that take one event")
    return checked


class Emitter:
    """Sends each event to the log and to every hook."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = tuple(hooks)

    def extended_by(self, hook: Hook) -> Emitter:
        """Return an emitter that calls one more hook."""
        return Emitter((*self._hooks, hook))

    @property
    def has_listeners(self) -> bool:
        """Whether anything receives the events of each request; building them takes time."""
        return bool(self._hooks) or _LOG.isEnabledFor(logging.DEBUG)

    def __call__(self, event: Event) -> None:
        """Log an event and call each hook with it."""
        _LOG.log(_LEVELS.get(type(event), logging.DEBUG), "%s", event)
        for hook in self._hooks:
            notify(hook, event)
