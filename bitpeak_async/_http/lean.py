"""Exchange requests over aiohttp's connector, at half the cost of ``ClientSession.request``.

The connector resolves, connects, encrypts, pools and limits. The response protocol parses replies,
chunked and compressed. The SDK needs nothing else of ``ClientSession.request``: no cookies,
redirects, authentication, middlewares, form encoding or response object.

Most of the undocumented names of aiohttp that the SDK uses are in this file. ``idle``, ``causes``
and ``session`` have the others. ``tests/_http/test_aiohttp_names.py`` checks all of them, on the
lowest and the newest supported aiohttp.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from aiohttp.helpers import TimerNoop
from yarl import URL

from bitpeak_async._http.protocol import Reply, Request, SessionOptions
from bitpeak_async._http.session import SessionExchange, is_patched, read_body
from bitpeak_async._secret import Secret

_NO_TIMER: Final = TimerNoop()  # the exchange has its own timeout
_READ_BUFFER: Final = 2**16


class _Destination(aiohttp.ClientRequest):
    """The server to connect to: shared by all requests, so that its key is computed once."""

    @cached_property
    def connection_key(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The key of the connector's pool."""
        return super().connection_key


class LeanExchange(SessionExchange):
    """Exchanges requests and replies over the connections of the SDK's own session.

    If something replaced ``ClientSession._request``, as mocks and recorders do, requests go
    through that replacement.

    Args:
        session: a session of the running loop.
        options: the options of every request, without a proxy.
        headers: the headers of every request.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: SessionOptions,
        headers: Secret[Mapping[str, str]],
    ) -> None:
        super().__init__(session, options, headers, runs_middlewares=False)
        url = URL(options.base_url)
        # Without the session, because a forked child would leave it unclosed.
        loop: Any = asyncio.get_running_loop()
        self._connector: Any = session.connector
        self._destination: Any = _Destination("GET", url, loop=loop, ssl=options.ssl)
        self._origin = len(str(url.origin()))
        encodings = aiohttp.ClientRequest.DEFAULT_HEADERS[hdrs.ACCEPT_ENCODING]
        lines = {
            "Host": url.host_port_subcomponent,
            **headers.reveal(),
            "Accept-Encoding": encodings,
        }
        self._head = Secret("".join(f"{name}: {value}\r\n" for name, value in lines.items()))

    async def _send(self, request: Request, timeout: aiohttp.ClientTimeout) -> Reply:
        if is_patched():
            return await super()._send(request, timeout)
        limit = self._options.max_reply_bytes
        connection = await self._connect(request, timeout)
        try:
            protocol = connection.protocol
            protocol.set_response_params(
                timer=_NO_TIMER, read_until_eof=True, read_bufsize=_READ_BUFFER
            )
            if self.fence is not None and request.method != "GET":
                await self.fence()  # only now, because connecting takes time
            protocol.transport.write(self._encode(request))
            message, content = await protocol.read()
            while 100 <= message.code <= 199 and message.code != 101:  # such as 103 Early Hints
                message, content = await protocol.read()
            if (body := _whole_body(content, limit)) is None:
                body = await read_body(content, message.code, limit)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return Reply(message.code, message.headers, body)

    async def _connect(self, request: Request, timeout: aiohttp.ClientTimeout) -> Any:
        """Return a connection on which no unsolicited reply arrived."""
        while True:
            if not request.is_repeatable:
                self._idle.choose(self._destination.connection_key)
            try:
                connection = await self._connector.connect(self._destination, [], timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
            if not connection.protocol.should_close:
                return connection
            connection.close()

    def _encode(self, request: Request) -> bytes:
        target = request.url[self._origin :]
        head = f"{request.method} {target} HTTP/1.1\r\n{self._head.reveal()}"
        if request.headers is not None:
            head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        if request.body is None:
            return f"{head}\r\n".encode()
        return (
            f"{head}Content-Length: {len(request.body.reveal())}\r\n\r\n".encode()
            + request.body.reveal()
        )


def _whole_body(content: aiohttp.StreamReader, limit: int) -> bytes | None:
    """Return a body that has arrived completely, or None if it has not or is too large.

    ``read_nowait()`` would return it too, but calls the parser once more for each chunk.
    """
    chunks: deque[bytes] | None = getattr(content, "_buffer", None)
    if chunks is None or not content.is_eof() or content.total_bytes > limit:
        return None
    body = b"".join(chunks)
    chunks.clear()
    return body
