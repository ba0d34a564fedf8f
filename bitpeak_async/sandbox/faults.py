"""Describe failures of a server or a proxy, and choose the requests they hit."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Literal, Self, TypedDict

import orjson
from attrs import Factory, define, field, frozen, validators

from bitpeak_async.sandbox.traffic import RequestRecord

Delivery = Literal["whole", "truncated", "dripping", "disconnect", "reset", "stall"]

_HTML_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_JSON = {"Content-Type": "application/json"}


@frozen(kw_only=True)
class Fault:
    """One failure: whether to execute the request, what to respond and how to send it.

    Attributes:
        delay: Seconds to wait before anything else.
        commits: Execute the request. By default true if the API's own response is sent, and
            false if `status` or `body` replace it or the connection is closed or stalled.
        commit_delay: Respond with `status` and `body` first, and execute the request so many
            seconds later.
        status: The status to send instead of the API's.
        body: The body to send instead of the API's.
        headers: Headers to add or override.
        delivery: Send the response whole; truncated, with a Content-Length for all of it;
            dripping byte by byte; or not at all, and close the connection (disconnect), reset
            it (RST) or leave it open until the sandbox closes (stall).
        interval: Seconds between the bytes of a dripping body.

    Raises:
        ValueError: A duration is negative.
    """

    delay: float = field(default=0.0, validator=validators.ge(0.0))
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = Factory(dict)
    delivery: Delivery = "whole"
    commits: bool = Factory(
        lambda self: self.answers and not self.replaces_response, takes_self=True
    )
    commit_delay: float = field(default=0.0, validator=validators.ge(0.0))
    interval: float = field(default=0.01, validator=validators.ge(0.0))

    @property
    def answers(self) -> bool:
        """Whether at least the head of a response is sent."""
        return self.delivery in ("whole", "truncated", "dripping")

    @property
    def replaces_response(self) -> bool:
        """Whether `status` or `body` replace the API's own response."""
        return self.status is not None or self.body is not None

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """Execute and respond as usual, `seconds` later."""
        return cls(delay=seconds)

    @classmethod
    def api_error(cls, status: int, title: str, *, retry_after: int | None = None) -> Self:
        """Respond with a JSON error of the API without executing the request."""
        body = orjson.dumps({"errors": [{"title": title, "status": status}]})
        return cls(status=status, body=body, headers={**_JSON, **_retry_after(retry_after)})

    @classmethod
    def gateway_error(
        cls, status: int = 502, *, commits: bool = False, retry_after: str | None = None
    ) -> Self:
        """Respond with a proxy's HTML error page, with or without executing the request."""
        page = _HTML_PAGE.format(f"{status} Gateway error").encode()
        return cls(status=status, body=page, headers=_retry_after(retry_after), commits=commits)

    @classmethod
    def late_commit(cls, seconds: float, *, status: int = 524) -> Self:
        """Respond with a timeout immediately, and execute the request `seconds` later."""
        return cls(status=status, commits=True, commit_delay=seconds)

    @classmethod
    def redirect(cls, location: str, *, status: int = 301) -> Self:
        """Redirect the client without executing the request."""
        return cls(status=status, headers={"Location": location})

    @classmethod
    def disconnect_before_commit(cls) -> Self:
        """Close the connection without executing the request."""
        return cls(delivery="disconnect")

    @classmethod
    def disconnect_after_commit(cls) -> Self:
        """Execute the request, then close the connection without a response."""
        return cls(delivery="disconnect", commits=True)

    @classmethod
    def truncated_body(cls) -> Self:
        """Execute the request, announce the whole response, send half of it and close."""
        return cls(delivery="truncated")

    @classmethod
    def slow_body(cls, interval: float) -> Self:
        """Execute the request and send one byte of the response every `interval` seconds."""
        return cls(delivery="dripping", interval=interval)

    @classmethod
    def stall(cls, *, commits: bool = False) -> Self:
        """Never respond."""
        return cls(delivery="stall", commits=commits)


def _retry_after(value: object) -> dict[str, str]:
    return {} if value is None else {"Retry-After": str(value)}


_optional: Any = validators.optional  # typed, it would give a field the type of its default


class Conditions(TypedDict, total=False):
    """The keywords of `Sandbox.inject`; `Injection` explains them."""

    method: str | None
    path: str | None
    api_key: str | None
    when: Callable[[RequestRecord], bool] | None
    times: int | None
    after: int
    probability: float


@define(kw_only=True, eq=False)
class Injection:
    """A fault and the requests that it hits.

    Attributes:
        fault: The fault.
        method: The method of the requests; None for any.
        path: A shell pattern for `RequestRecord.path`, such as `/notification-handlers/*`;
            None for any.
        api_key: The key of the requests; None for any.
        when: An additional condition; None for none.
        times: How many requests fail; None for all.
        after: How many matching requests to spare first.
        probability: The share of the remaining requests that fail, from 0 to 1.
        matched: How many requests have matched so far.
        fired: How many requests have failed so far.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A count is negative, or the probability is not between 0 and 1.
    """

    fault: Fault = field(validator=validators.instance_of(Fault))
    method: str | None = field(default=None, validator=_optional(validators.instance_of(str)))
    path: str | None = field(default=None, validator=_optional(validators.instance_of(str)))
    api_key: str | None = field(
        default=None, repr=False, validator=_optional(validators.instance_of(str))
    )
    when: Callable[[RequestRecord], bool] | None = field(
        default=None, validator=_optional(validators.is_callable())
    )
    times: int | None = field(
        default=1, validator=_optional([validators.instance_of(int), validators.ge(0)])
    )
    after: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    probability: float = field(default=1.0, validator=[validators.ge(0), validators.le(1)])
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    @property
    def left(self) -> int | None:
        """How many requests are still going to fail; None for all."""
        return None if self.times is None else self.times - self.fired

    def fires(self, record: RequestRecord, random: Random) -> bool:
        """Decide about one request, and count it."""
        if not self._matches(record):
            return False
        self.matched += 1
        if self.left == 0 or self.matched <= self.after or random.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def _matches(self, record: RequestRecord) -> bool:
        return (
            (self.method is None or self.method == record.method)
            and (self.path is None or fnmatchcase(record.path, self.path))
            and (self.api_key is None or record.authorization == f"Bearer {self.api_key}")
            and (self.when is None or self.when(record))
        )


class FaultPlan:
    """All injections; the first one that fires decides.

    Args:
        random: The source of probabilities.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.injections: list[Injection] = []

    def choose(self, record: RequestRecord) -> Fault | None:
        """Return the fault for a request, if any."""
        for injection in self.injections:
            if injection.fires(record, self._random):
                return injection.fault
        return None
