"""Rate limits: decide which requests get a 429."""

from abc import abstractmethod
from collections.abc import Mapping
from math import ceil
from typing import Literal, Protocol

from attrs import define, field, frozen

Announce = Literal["nothing", "retry_after", "x_ratelimit", "both"]


@frozen(kw_only=True)
class Verdict:
    """Whether a request is admitted, and the headers that say so."""

    admitted: bool
    headers: Mapping[str, str]


class Limit(Protocol):
    """Decides whether a request exceeds the limit."""

    @abstractmethod
    def admit(self, now: float) -> Verdict:
        """Count one request at `now` (seconds of any monotonic clock) and judge it."""


@define
class FixedWindow:
    """Admit `requests` per window of `seconds`; the first request opens a window.

    Attributes:
        requests: Requests admitted per window.
        seconds: The length of a window.
        announce: Headers to send: `Retry-After` with a 429, `X-RateLimit-*` with every response.
    """

    requests: int
    seconds: float
    announce: Announce = field(default="nothing", kw_only=True)
    _ends: float = field(default=float("-inf"), init=False)
    _used: int = field(default=0, init=False)

    def admit(self, now: float) -> Verdict:
        """Count one request and judge it."""
        if now >= self._ends:
            self._ends = now + self.seconds
            self._used = 0
        self._used += 1
        return _verdict(
            self.announce,
            limit=self.requests,
            remaining=self.requests - self._used,
            wait=self._ends - now,
        )


@define
class TokenBucket:
    """Admit `rate` requests per second on average, and up to `burst` at once.

    Attributes:
        rate: Tokens added per second.
        burst: Capacity of the bucket, which starts full.
        announce: Headers to send: `Retry-After` with a 429, `X-RateLimit-*` with every response.
    """

    rate: float
    burst: int = field(kw_only=True)
    announce: Announce = field(default="nothing", kw_only=True)
    _tokens: float = field(default=0.0, init=False)
    _filled: float = field(default=float("-inf"), init=False)

    def admit(self, now: float) -> Verdict:
        """Take a token if there is one."""
        arrived = (now - self._filled) * self.rate
        self._filled = now
        self._tokens = min(float(self.burst), self._tokens + arrived)
        remaining = int(self._tokens) - 1
        wait = max(0.0, (1 - self._tokens) / self.rate)
        if remaining >= 0:
            self._tokens -= 1
        return _verdict(self.announce, limit=self.burst, remaining=remaining, wait=wait)


def _verdict(announce: Announce, *, limit: int, remaining: int, wait: float) -> Verdict:
    """Return the verdict and headers; `remaining` is negative if the request is refused."""
    headers = {}
    if announce in ("x_ratelimit", "both"):
        headers["X-RateLimit-Limit"] = str(limit)
        headers["X-RateLimit-Remaining"] = str(max(0, remaining))
        headers["X-RateLimit-Reset"] = str(ceil(wait))
    if announce in ("retry_after", "both") and remaining < 0:
        headers["Retry-After"] = str(ceil(wait))
    return Verdict(admitted=remaining >= 0, headers=headers)
