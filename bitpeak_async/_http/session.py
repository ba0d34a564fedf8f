"""Exchange requests with ``ClientSession.request``, and translate aiohttp's failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from bitpeak_async._checks import check_type
from bitpeak_async._http.causes import exchange_error, is_foreign, reason_of
from bitpeak_async._http.failures import ConnectionFailedError, ExchangeError, ReplyTooLargeError
from bitpeak_async._http.idle import IdleConnections
from bitpeak_async._http.protocol import Fence, Reply, Request, SessionOptions
from bitpeak_async._http.timeouts import Timeouts
from bitpeak_async._secret import Secret
from bitpeak_async.options import Timeout

AIOHTTP_VERSION: Final = aiohttp.__version__

# Seconds. Common servers drop idle connections after 5 s or more. The client drops them earlier,
# because a create on a connection that was just dropped has an unknown outcome.
_KEEPALIVE: Final = 4.0
# Fraction of the total timeout, so that an attempt that times out while connecting was never sent.
_CONNECTING: Final = 0.95


_REQUEST: Final = aiohttp.ClientSession._request  # noqa: SLF001 - mocks replace this method


def is_patched() -> bool:
    """Whether a mock or recorder replaced ``ClientSession._request``."""
    return aiohttp.ClientSession._request is not _REQUEST  # noqa: SLF001 - the same


def check_session(session: object) -> None:
    """Raise ConfigurationError unless a session is aiohttp's."""
    check_type("session", session, aiohttp.ClientSession)


def open_session(
    limit: int, headers: Secret[Mapping[str, str]] | None = None
) -> aiohttp.ClientSession:
    """Return a session for the running loop that keeps no cookies.

    Args:
        limit: the most connections. At least the number of requests in flight, because the timeout
            of a request also runs while it waits for a connection.
        headers: the headers of every request; None if each request has its own.
    """
    return aiohttp.ClientSession(
        headers=None if headers is None else headers.reveal(),
        connector=aiohttp.TCPConnector(
            limit=limit,
            keepalive_timeout=_KEEPALIVE,
            # Never aiodns, because it keeps a thread for the life of the process.
            resolver=aiohttp.ThreadedResolver(),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def abandon_session(session: aiohttp.ClientSession) -> None:
    """Mark a session as closed if its loop will not run again, so that it does not warn.

    aiohttp sends nothing and closes no connections on a closed loop.
    """
    closing = session.close()
    with suppress(StopIteration):
        closing.send(None)
    closing.close()


class SessionExchange:
    """Exchanges requests and replies by ``ClientSession.request``.

    Args:
        session: a session of the running loop.
        options: the options of every request.
        headers: the headers of every request, or None if the session has them.
        runs_middlewares: whether the session's own middlewares must run.

    Attributes:
        fence: awaited right before each write, or None.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: SessionOptions,
        headers: Secret[Mapping[str, str]] | None,
        *,
        runs_middlewares: bool,
    ) -> None:
        self._session = session
        self._options = options
        self._headers = headers
        self._runs_middlewares = runs_middlewares
        self._idle = IdleConnections(session.connector)
        self._timeouts = Timeouts(asyncio.get_running_loop())
        self._timeout: Timeout | None = None
        self._client_timeout = aiohttp.ClientTimeout()
        self.fence: Fence | None = None

    async def exchange(self, request: Request, timeout: Timeout) -> Reply:
        """Return the reply; see ``Exchange``."""
        try:
            with self._timeouts.within(timeout.total):
                return await self._send(request, self._of_connecting(timeout))
        except ExchangeError:
            raise
        except Exception as cause:  # noqa: BLE001 - a connector or middleware may raise anything
            error = exchange_error(cause)
            self._idle.distrust()
        except asyncio.CancelledError as end:
            # aiohttp's frames hold the request's headers, and so the key.
            end.__context__ = None
            raise end.with_traceback(None)  # noqa: B904 - it is the same error
        raise error  # outside of the handler, so that no aiohttp error is chained

    async def _send(self, request: Request, timeout: aiohttp.ClientTimeout) -> Reply:
        options = self._options
        if self.fence is not None and request.method != "GET":
            await self.fence()
        own = getattr(self._session, "_middlewares", ())
        last_step = _LastStep(self._idle, is_repeatable=request.is_repeatable)
        body: Any = request.body and request.body.reveal()
        if body is not None and self._runs_middlewares and not is_patched():
            body = _Body(body)
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                data=body,
                headers=self._headers_of(request),
                timeout=timeout,
                allow_redirects=False,
                raise_for_status=False,
                proxy=options.proxy.reveal(),
                ssl=options.ssl,
                middlewares=(*own, last_step),
            )
        except Exception as cause:
            if getattr(body, "is_under_way", True) or not is_foreign(cause):
                raise
            if own:  # a middleware may have sent another body
                raise
            raise ConnectionFailedError(reason_of(cause)) from None
        try:
            content = await read_body(response.content, response.status, options.max_reply_bytes)
        except BaseException:
            response.release()
            raise
        was_resent = last_step.count > 1
        return Reply(response.status, response.headers, content, was_resent)

    def close(self) -> None:
        """Stop the timer."""
        self._timeouts.close()

    def _headers_of(self, request: Request) -> Mapping[str, str] | None:
        """Return the headers of a request. No frame may hold them when the request fails."""
        if self._headers is None:
            return request.headers
        return {**self._headers.reveal(), **(request.headers or {})}

    def _of_connecting(self, timeout: Timeout) -> aiohttp.ClientTimeout:
        """Return the timeouts of a new connection; ``Timeouts`` handles the total."""
        if timeout is not self._timeout:
            self._timeout = timeout
            self._client_timeout = aiohttp.ClientTimeout(
                connect=_CONNECTING * timeout.total,
                sock_connect=timeout.connect,
                ceil_threshold=math.inf,
            )
        return self._client_timeout


async def read_body(content: aiohttp.StreamReader, status: int, limit: int) -> bytes:
    """Return the decompressed body; stop at the limit, before a gzip bomb fills the memory."""
    chunks: list[bytes] = []
    room = limit
    while not content.at_eof():
        chunk = content.read_nowait() if content.is_eof() else await content.readany()
        chunks.append(chunk)
        room -= len(chunk)
        if room < 0:
            raise ReplyTooLargeError(limit, status)
    return b"".join(chunks)


class _LastStep:
    """The innermost middleware: keeps a request away from unreliable connections.

    The session's middlewares and traces may wait, so the choice must come after them. aiohttp then
    takes a connection at once.

    Attributes:
        count: how often the request was sent; aiohttp repeats a DELETE after a disconnect.
    """

    def __init__(self, idle: IdleConnections, *, is_repeatable: bool) -> None:
        self._idle = idle
        self._is_repeatable = is_repeatable
        self.count = 0

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self.count += 1
        self._idle.close_unasked()
        if not self._is_repeatable:
            self._idle.choose(request.connection_key)
        return await handler(request)

    def __deepcopy__(self, memo: object) -> Self:
        """Return this object; aioresponses copies the arguments of each request deeply."""
        return self


class _Body(aiohttp.BytesPayload):
    """A body that records whether aiohttp has begun to send it."""

    is_under_way = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        self.is_under_way = True
        await super().write_with_length(writer, content_length)
