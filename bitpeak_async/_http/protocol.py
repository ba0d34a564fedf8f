"""Calls, requests and replies as data, and the protocols of a network."""

from __future__ import annotations

import ssl as tls
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from attrs import define, field, frozen

from bitpeak_async._http.multipart import encode_multipart
from bitpeak_async._secret import Secret
from bitpeak_async.options import Timeout

T = TypeVar("T")


class RetrySafety(Enum):
    """The effect of sending a call again if the server may have processed it."""

    READ = "changes nothing"
    IDEMPOTENT = "leads to the same state"
    CREATE = "creates another handler"


@define(eq=False)
class Call(Generic[T]):
    """One request of the API and what it returns.

    Attributes:
        operation: its description in messages, such as ``"get notification handler 7"``.
        method: the HTTP verb.
        path: the path below the base URL, with a leading slash and an encoded query.
        safety: how safe it is to repeat.
        returns: the type of the result; ``Decoder.decode`` lists the types.
        form: the fields to send as multipart/form-data.
        name: the name of the handler to create, for errors.
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
    """A request, without the headers that all requests share.

    Attributes:
        method: the HTTP verb.
        url: absolute.
        headers: sent in addition to the shared ones, or None.
        body: the encoded form, or None.
        is_repeatable: whether it may be sent again if no reply comes.
    """

    method: str
    url: str
    headers: Mapping[str, str] | None = field(repr=False)
    body: Secret[bytes] | None
    is_repeatable: bool


def _hidden(body: bytes) -> Secret[bytes]:
    return Secret(body)


@define(eq=False)
class Reply:
    """A reply.

    Attributes:
        status: the HTTP status.
        headers: a case-insensitive mapping.
        body: the body after decompression.
        was_resent: whether the network sent the request a second time.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Secret[bytes] = field(converter=_hidden)  # it may echo secrets
    was_resent: bool = False


@frozen
class SessionOptions:
    """Options that all requests share.

    Attributes:
        base_url: the API's base URL, without a trailing slash.
        max_reply_bytes: the largest allowed reply, after decompression.
        proxy: the URL of an HTTP proxy, or None; it may contain a password.
        ssl: a TLS context, or True for aiohttp's default.
    """

    base_url: str
    max_reply_bytes: int
    proxy: Secret[str | None] = Secret(None)  # noqa: RUF009 - frozen
    ssl: tls.SSLContext | bool = True


# Raises ExchangeError if nothing may be written.
Fence: TypeAlias = Callable[[], Awaitable[None]]


class Exchange(Protocol):
    """Sends one request and returns its reply: the seam between the SDK and a network."""

    async def exchange(self, request: Request, timeout: Timeout) -> Reply:
        """Return the reply, whatever its status.

        Raises:
            ExchangeError: no complete reply arrived; see ``failures``.
        """
        ...


class Connections(Protocol):
    """Opens the exchange of one client in the event loop that uses it.

    Attributes:
        can_rebind: whether another loop may use them once the first is closed.
        limit: the most requests that they can carry at once, or None for any number.
    """

    can_rebind: bool

    @property
    def limit(self) -> int | None: ...

    def open(self, slots: int) -> Exchange:
        """Return an exchange for the running loop and at most ``slots`` requests at once."""
        ...

    def check(self) -> None:
        """Raise ClosedError if the exchange that ``open()`` returned is unusable."""
        ...

    async def close(self) -> None:
        """Close what ``open()`` opened. Closing twice is fine."""
        ...

    def abandon(self) -> None:
        """Forget what ``open()`` opened in a loop that will not run again."""
        ...


@frozen
class Wire:
    """Encodes calls for one base URL and key.

    Attributes:
        base_url: the API's base URL, without a trailing slash.
        api_key: sent as a Bearer token.
        user_agent: sent as User-Agent.
    """

    base_url: str
    api_key: Secret[str]
    user_agent: str

    @property
    def account(self) -> Secret[str]:
        """The identity of one rate limit."""
        return Secret(f"{self.base_url}\0{self.api_key.reveal()}")

    @property
    def headers(self) -> Secret[Mapping[str, str]]:
        """The headers of every request."""
        return Secret(
            {
                "Authorization": f"Bearer {self.api_key.reveal()}",
                "Accept": "application/json",
                "Cache-Control": "no-cache",  # with a stale list, handlers would be created again
                "User-Agent": self.user_agent,
            }
        )

    def request(self, call: Call[Any], headers: Secret[Mapping[str, str]] | None = None) -> Request:
        """Return the request of a call. Each form gets a new boundary.

        Args:
            call: the call.
            headers: sent in addition to those of every request.
        """
        url = self.base_url + call.path
        is_repeatable = call.safety is not RetrySafety.CREATE
        if call.form is None:
            return Request(
                call.method, url, None if headers is None else headers.reveal(), None, is_repeatable
            )
        content_type, body = encode_multipart(call.form.reveal())
        own = {"Content-Type": content_type}
        every = own if headers is None else {**headers.reveal(), **own}
        return Request(call.method, url, every, Secret(body), is_repeatable)
