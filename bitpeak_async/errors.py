"""Every error the SDK raises, as one tree.

BitPeakError
├── ConfigurationError            a bad key, URL or option; nothing was sent
├── InvalidRequestError           refused before sending: what, where, why
├── TransportError                no usable reply came back
│   ├── NotSentError              DNS, connect, TLS: the server did not execute it
│   ├── RequestTimeoutError       also a builtin TimeoutError
│   └── OutcomeUnknownError       a create that may or may not have happened
├── ReplyError                    a 2xx that is not what the API promises
├── APIError                      the server answered with an error status
│   ├── AuthenticationError       401
│   ├── PermissionDeniedError     403
│   ├── NotFoundError             404
│   ├── ValidationError           400, 422
│   ├── RateLimitError            429
│   ├── RedirectError             3xx: redirects are refused
│   └── ServerError               5xx
├── DuplicateError                a handler that this run created more than once; the ids
├── ProvisionError                some changes of a plan failed; their errors
├── PlanError                     duplicate names, unsafe amounts, a plan gone stale
└── ClosedError                   used after close

No error carries an aiohttp object, a header or a secret: they are safe to log, pickle and copy.
"""

from __future__ import annotations

__all__ = [
    "APIError",
    "AuthenticationError",
    "BitPeakError",
    "ClosedError",
    "ConfigurationError",
    "DuplicateError",
    "InvalidRequestError",
    "NotFoundError",
    "NotSentError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "PlanError",
    "ProvisionError",
    "RateLimitError",
    "RedirectError",
    "ReplyError",
    "RequestTimeoutError",
    "ServerError",
    "TransportError",
    "ValidationError",
]


class BitPeakError(Exception):
    """Root of the tree: ``except BitPeakError`` catches whatever the SDK raises.

    Subclasses keep every argument but the message optional: pickle and copy rebuild an error
    from its message and then restore its attributes.
    """


class ConfigurationError(BitPeakError):
    """A key, URL or option is unusable; nothing was sent."""


class InvalidRequestError(BitPeakError):
    """The SDK refused to send a request.

    Attributes:
        argument: the argument at fault, such as ``"results_per_page"`` or ``"settings.url"``.
    """

    def __init__(self, message: str, *, argument: str = "") -> None:
        super().__init__(message)
        self.argument = argument


class TransportError(BitPeakError):
    """The connection failed before a whole reply arrived."""


class NotSentError(TransportError):
    """No connection came about (DNS, connect, TLS): the server did not execute the request.

    Attributes:
        temporary: whether another try may succeed; false where a certificate is not trusted.
    """

    def __init__(self, message: str, *, temporary: bool = True) -> None:
        super().__init__(message)
        self.temporary = temporary


class RequestTimeoutError(TransportError, TimeoutError):
    """The reply did not arrive within the timeout or the deadline."""


class OutcomeUnknownError(TransportError):
    """A create that may or may not have happened; its reply was lost or unreadable.

    The API has no idempotency keys, so sending it again could make a second handler. Look for the
    name in ``iterate()`` first, or let ``create_many()``/``provision()`` settle it. The failure
    itself is ``__cause__``.

    Attributes:
        name: the name of the handler in question.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class ReplyError(BitPeakError):
    """A 2xx reply that is not what the API promises.

    Attributes:
        status: the HTTP status.
        path: where in the JSON, such as ``"$.data[3].id"``; ``"$"`` for the whole reply.
        excerpt: the start of the reply, its values masked.
    """

    def __init__(
        self, message: str, *, status: int = 0, path: str = "$", excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.path = path
        self.excerpt = excerpt


class APIError(BitPeakError):
    """The server answered with an error status.

    Attributes:
        status: the HTTP status.
        title: the server's own words, or the status' standard phrase.
        errors: every error the server listed, as its titles.
        request_id: the id the platform gave the request (``CF-Ray``, ``X-Request-Id``), or None.
        retry_after: seconds the server asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        title: str = "",
        errors: tuple[str, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.title = title
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationError(APIError):
    """401: the key is missing or wrong, or the plan has no API access."""


class PermissionDeniedError(APIError):
    """403: the key may not do this, or the plan has no API access."""


class NotFoundError(APIError):
    """404: no such handler."""


class ValidationError(APIError):
    """400 or 422: the server refused a field."""


class RateLimitError(APIError):
    """429: too many requests for this key."""


class RedirectError(APIError):
    """3xx: redirects are refused, for they would carry the key and turn a POST into a GET."""


class ServerError(APIError):
    """5xx: the server or what stands before it failed."""


class PlanError(BitPeakError):
    """The desired handlers cannot be planned or applied safely; nothing was written.

    Attributes:
        problems: each problem, one sentence.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class DuplicateError(BitPeakError):
    """A create thought lost was carried out late, after it had been sent again.

    Attributes:
        name: the handlers' name.
        handler_id: the one that counts as created.
        duplicates: ids of the others; delete them, or let ``remove_duplicates=True`` do so.
    """

    def __init__(
        self, message: str, *, name: str = "", handler_id: int = 0, duplicates: tuple[int, ...] = ()
    ) -> None:
        super().__init__(message)
        self.name = name
        self.handler_id = handler_id
        self.duplicates = duplicates


class ProvisionError(BitPeakError):
    """Some changes failed; the others were made.

    Attributes:
        errors: one for each change that failed.
    """

    def __init__(self, message: str, *, errors: tuple[BitPeakError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class ClosedError(BitPeakError):
    """The client was closed, or belongs to another event loop."""
