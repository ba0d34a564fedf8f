"""What the SDK tells hooks and the log: no body, no key, no header but harmless ones.

Each event is also logged under ``bitpeak_async``: the loss of a pace store as WARNING, its return,
pauses and rates as INFO, all others as DEBUG.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from attrs import frozen

from bitpeak_async.errors import BitPeakError

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
        headers: of the reply, those on a list of harmless ones.
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
