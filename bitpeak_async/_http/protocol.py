"""A call, its request and its reply as data, and the seam that carries one to the other."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from attrs import define, field, frozen

from bitpeak_async._http.multipart import encode_multipart
from bitpeak_async._secret import Secret
from bitpeak_async.options import Timeout

T = TypeVar("T")


class RetrySafety(Enum):
    """How safe it is to send a call again when nobody knows whether it was executed."""

    READ = "changes nothing"
    IDEMPOTENT = "leads to the same state"
    CREATE = "makes another handler"


@define(eq=False)
class Call(Generic[T]):
    """One request of the API and what it returns.

    Attributes:
        operation: what it does, for messages: ``"get notification handler 7"``.
        method: the HTTP verb.
        path: below the base URL, with a leading slash and, if any, an encoded query.
        safety: how safe it is to repeat.
        returns: the type of the result; ``decode`` has the types it can read.
        form: fields to send as multipart/form-data.
        name: the name of the handler to be created, for errors.
    """

    operation: str
    method: str
    path: str
    safety: RetrySafety
    returns: type[T]
    form: Secret[Mapping[str, str]] | None = None
    name: str = ""


@define(eq=False)
class Request:
    """What goes on the wire, besides the headers of every request."""

    method: str
    url: str
    headers: Mapping[str, str] | None
    body: Secret[bytes] | None


@define(eq=False)
class Reply:
    """What came back.

    Attributes:
        status: the HTTP status.
        headers: names compare without regard to case.
        body: after decompression.
        was_resent: whether the request was sent a second time below this seam.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    was_resent: bool = False


@frozen
class SessionOptions:
    """What each request needs besides what it sends.

    Attributes:
        base_url: where every request goes, without a trailing slash.
        max_reply_bytes: larger replies, after decompression, are refused.
        proxy: URL of an HTTP proxy, or None; it may hold a password.
        ssl: a TLS context, or True for aiohttp's own.
    """

    base_url: str
    max_reply_bytes: int
    proxy: Secret[str | None] = Secret(None)  # noqa: RUF009 - frozen
    ssl: tls.SSLContext | bool = True


class Exchange(Protocol):
    """Sends one request and returns its reply: the seam between the SDK and a network."""

    async def exchange(self, request: Request, timeout: Timeout) -> Reply:
        """Return the reply, whatever its status.

        Raises:
            ExchangeError: no whole reply arrived; see ``failures``.
        """
        ...


class Connections(Protocol):
    """Opens the exchange of one client in the event loop that uses it.

    Attributes:
        can_rebind: whether another loop may use it once the first is closed.
        limit: requests it can carry at once, or None for as many as are asked for.
    """

    can_rebind: bool

    @property
    def limit(self) -> int | None: ...

    def open(self, slots: int) -> Exchange:
        """Return an exchange of the running loop, for at most ``slots`` requests at once."""
        ...

    def check(self) -> None:
        """Raise ClosedError if what ``open()`` returned cannot be used any more."""
        ...

    async def close(self) -> None:
        """Close what ``open()`` made. Closing twice is fine."""
        ...

    def abandon(self) -> None:
        """Forget what ``open()`` made, in a loop that will not run again."""
        ...


@frozen
class Wire:
    """Encodes calls for one base URL and key.

    Attributes:
        base_url: without a trailing slash.
        api_key: sent as a Bearer token.
        user_agent: sent as User-Agent.
    """

    base_url: str
    api_key: Secret[str]
    user_agent: str

    @property
    def account(self) -> Secret[str]:
        """What one rate limit is for."""
        return Secret(f"{self.base_url}\0{self.api_key.value}")

    @property
    def headers(self) -> Secret[Mapping[str, str]]:
        """The headers of every request."""
        return Secret(
            {
                "Authorization": f"Bearer {self.api_key.value}",
                "Accept": "application/json",
                "User-Agent": self.user_agent,
            }
        )

    def request(self, call: Call[Any]) -> Request:
        """Return the request of a call; a form gets a fresh boundary each time."""
        url = self.base_url + call.path
        if call.form is None:
            return Request(call.method, url, None, None)
        content_type, body = encode_multipart(call.form.value)
        return Request(call.method, url, {"Content-Type": content_type}, Secret(body))
