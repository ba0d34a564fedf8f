"""Every error the SDK raises, in one tree.

BitPeakError
├── ConfigurationError            a bad key, URL or option; nothing was sent
├── InvalidRequestError           an argument cannot be sent; nothing was sent
├── TransportError                no usable reply came back
│   ├── NotSentError              DNS, connect, TLS: the server did not receive it
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
├── DuplicateError                a handler exists more than once; holds the ids
├── ProvisionError                some changes of a plan failed; holds their errors
├── PlanError                     duplicate names, too many deletes, a stale plan
└── ClosedError                   used after close or from another event loop

No error holds an aiohttp object, a header or a secret, so errors are safe to log, pickle and copy.
"""

from __future__ import annotations

from typing import Any, Final, Self

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


# A path in the repository and the sdist, because the pages are not published anywhere.
_PAGE: Final = "docs/errors.md"


class BitPeakError(Exception):
    """The root of the tree: ``except BitPeakError`` catches everything the SDK raises.

    In subclasses every argument except the message is optional, because pickle and copy rebuild
    an error from its message and then restore its attributes.

    Attributes:
        attempts: how often the request of this error was tried; 0 if there was none.
        created_id: the id of the handler, if ``create(…, is_enabled=False)`` created it and then
            could not disable it; else None.
    """

    attempts: int = 0
    created_id: int | None = None

    @property
    def docs_url(self) -> str:
        """The place in the documentation that explains this error: ``"docs/errors.md#replyerror"``.

        It is a path in the repository. A subclass of your own has the section of its base class.
        """
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == __name__)
        return f"{_PAGE}#{name.lower()}"

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...], dict[str, Any]]:
        # A partial report holds specs, and so secrets; see ``partial_report()``.
        state = {name: value for name, value in vars(self).items() if name != "report"}
        return type(self), self.args, state


class ConfigurationError(BitPeakError):
    """A key, URL or option is invalid; nothing was sent."""


class InvalidRequestError(BitPeakError):
    """The SDK refused to send a request.

    Attributes:
        argument: the invalid argument, such as ``"results_per_page"`` or ``"settings.url"``.
    """

    def __init__(self, message: str, *, argument: str = "") -> None:
        super().__init__(message)
        self.argument = argument


class TransportError(BitPeakError):
    """The connection failed before a complete reply arrived."""


class NotSentError(TransportError):
    """No connection was made (DNS, connect, TLS), so the server did not process the request.

    Attributes:
        temporary: whether a retry may succeed; false if, for example, a certificate is not
            trusted.
    """

    def __init__(self, message: str, *, temporary: bool = True) -> None:
        super().__init__(message)
        self.temporary = temporary


class RequestTimeoutError(TransportError, TimeoutError):
    """The reply did not arrive before the timeout or deadline."""


class OutcomeUnknownError(TransportError):
    """The reply to a create was lost or unreadable, so the handler may or may not exist.

    The API has no idempotency keys, so a second request could create a second handler. Look
    for it with ``find()``, or use ``ensure()``, ``create_many()`` or ``provision()``, which
    resolve such creates. ``__cause__`` is the error of the request.

    Attributes:
        name: the handler's name.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class ReplyError(BitPeakError):
    """A 2xx reply does not have the documented shape, or comes from the store of a cache.

    Attributes:
        status: the HTTP status.
        path: the JSON path, such as ``"$.data[3].id"``; ``"$"`` is the whole reply.
        excerpt: the start of the reply, with its values masked.
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
        title: the server's error title, or the standard phrase of the status.
        errors: the titles of all errors in the reply.
        request_id: the request's id on the server (``CF-Ray``, ``X-Request-Id``), or None.
        retry_after: seconds that the server asked to wait, or None.
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
    """403: the key lacks this permission, or the plan has no API access.

    Also a 401 with a reason in reply to a create, if the key has worked before: the plan allows no
    more handlers. ``status`` is 401 then.
    """


class NotFoundError(APIError):
    """404: there is no such handler."""


class ValidationError(APIError):
    """400 or 422: the server rejected a field."""


class RateLimitError(APIError):
    """429: too many requests for this key."""


class RedirectError(APIError):
    """3xx: not followed, because a redirect would forward the key and turn POST into GET."""


class ServerError(APIError):
    """5xx: the server or a proxy in front of it failed."""


class PlanError(BitPeakError):
    """The desired handlers cannot be planned or applied safely.

    If it is raised, nothing was written. In an ``Outcome``, this one change was not made.

    Attributes:
        problems: all problems, one sentence each.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class DuplicateError(BitPeakError):
    """A handler exists more than once: a create that seemed lost was late, or others made one.

    Attributes:
        name: the name of the handlers.
        handler_id: the lowest id, which represents the handler.
        duplicates: the other ids.
    """

    def __init__(
        self, message: str, *, name: str = "", handler_id: int = 0, duplicates: tuple[int, ...] = ()
    ) -> None:
        super().__init__(message)
        self.name = name
        self.handler_id = handler_id
        self.duplicates = duplicates


class ProvisionError(BitPeakError):
    """Some changes failed. Deletions were only made if all creates and updates succeeded.

    Attributes:
        errors: one per failed change.
    """

    def __init__(self, message: str, *, errors: tuple[BitPeakError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class ClosedError(BitPeakError):
    """The client is closed or belongs to another event loop."""
