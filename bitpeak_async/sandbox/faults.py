"""Ways in which a server, or what stands in front of it, fails; and which requests to fail."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Literal, Self

from attrs import Factory, define, field, frozen, validators

from bitpeak_async.sandbox.traffic import RequestRecord

Delivery = Literal["whole", "truncated", "dripping", "disconnect", "reset", "stall"]

_PROXY_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@frozen(kw_only=True)
class Fault:
    """How to misbehave on a request: whether to execute it, what to answer, how to send that.

    Attributes:
        delay: Seconds to wait before anything else is done.
        commits: Whether the request is executed at all. By default it is where the API's own
            reply is to be sent, and is not where `status` or `body` stand in for it or the
            connection is closed or left hanging.
        commit_delay: Seconds by which the execution follows the answer instead of preceding
            it; the answer then is `status` and `body`.
        status: The status to answer instead of the API's reply.
        body: The bytes to answer instead of the API's reply.
        headers: Headers to add to the answer, or to override in it.
        delivery: How the answer is sent: whole; truncated, with a Content-Length for all of it;
            dripping byte by byte; or not at all, with the connection closed (disconnect),
            reset by RST, or left open until the sandbox closes (stall).
        interval: Seconds between the bytes of a dripping body.

    Raises:
        ValueError: A delay is negative.
    """

    delay: float = field(default=0.0, validator=validators.ge(0.0))
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = Factory(dict)
    delivery: Delivery = "whole"
    commits: bool = Factory(lambda self: self.answers and not self.replaces_reply, takes_self=True)
    commit_delay: float = field(default=0.0, validator=validators.ge(0.0))
    interval: float = field(default=0.01, validator=validators.ge(0.0))

    @property
    def answers(self) -> bool:
        """Whether at least the head of an answer is sent."""
        return self.delivery in ("whole", "truncated", "dripping")

    @property
    def replaces_reply(self) -> bool:
        """Whether something else is answered than the API's own reply."""
        return self.status is not None or self.body is not None

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """Execute and answer as usual, `seconds` later."""
        return cls(delay=seconds)

    @classmethod
    def gateway_error(
        cls, status: int = 502, *, commits: bool = False, retry_after: str | None = None
    ) -> Self:
        """Answer with a proxy's HTML error page, with or without having executed the request."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        page = _PROXY_PAGE.format(f"{status} Gateway error").encode()
        return cls(status=status, body=page, headers=headers, commits=commits)

    @classmethod
    def late_commit(cls, seconds: float, *, status: int = 524) -> Self:
        """Answer a timeout at once, and execute the request `seconds` later."""
        return cls(status=status, commits=True, commit_delay=seconds)

    @classmethod
    def redirect(cls, location: str, *, status: int = 301) -> Self:
        """Send the client elsewhere without executing the request."""
        return cls(status=status, headers={"Location": location})

    @classmethod
    def disconnect_before_commit(cls) -> Self:
        """Close the connection without executing the request."""
        return cls(delivery="disconnect")

    @classmethod
    def disconnect_after_commit(cls) -> Self:
        """Execute the request, then close the connection without an answer."""
        return cls(delivery="disconnect", commits=True)

    @classmethod
    def truncated_body(cls) -> Self:
        """Execute the request, announce the whole reply, send half of it and close."""
        return cls(delivery="truncated")

    @classmethod
    def slow_body(cls, interval: float) -> Self:
        """Execute the request and send the reply a byte every `interval` seconds."""
        return cls(delivery="dripping", interval=interval)

    @classmethod
    def stall(cls, *, commits: bool = False) -> Self:
        """Never answer."""
        return cls(delivery="stall", commits=commits)


_optional: Any = validators.optional  # typed, it would give a field the type of its default


@define(kw_only=True, eq=False)
class Injection:
    """A fault waiting for its requests.

    Attributes:
        fault: What to do to them.
        method: The verb they have; None for any.
        path: A shell pattern for `RequestRecord.path`, such as `/notification-handlers/*`;
            None for any.
        api_key: The key they bear; None for any.
        when: A further condition; None for none.
        times: How many requests are to fail; None for no end.
        after: How many matching requests to spare first.
        probability: The share of the remaining ones to fail, from 0 to 1.
        matched: How many requests matched so far.
        fired: How many failed so far.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: A count is negative, or the probability none.
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

    def fires(self, record: RequestRecord, random: Random) -> bool:
        """Decide about one request, and count it."""
        if not self._matches(record):
            return False
        self.matched += 1
        exhausted = self.times is not None and self.fired >= self.times
        if exhausted or self.matched <= self.after or random.random() >= self.probability:
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
    """All injections; the first that fires decides what happens to a request.

    Args:
        random: Where probabilities are drawn from.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._injections: list[Injection] = []

    @property
    def injections(self) -> tuple[Injection, ...]:
        """All injections, also those that are used up."""
        return tuple(self._injections)

    def add(self, injection: Injection) -> None:
        """Queue an injection behind the others."""
        self._injections.append(injection)

    def clear(self) -> None:
        """Forget all injections."""
        self._injections.clear()

    def choose(self, record: RequestRecord) -> Fault | None:
        """Return the fault this request is to meet, if any."""
        for injection in self._injections:
            if injection.fires(record, self._random):
                return injection.fault
        return None
