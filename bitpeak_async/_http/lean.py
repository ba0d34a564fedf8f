"""The exchange by aiohttp's connector and response protocol: half the price of a session's request.

The connector resolves, connects, encrypts, pools and limits; the protocol parses replies, chunked
and compressed. The SDK needs nothing else of ``ClientSession.request``: no cookies, redirects,
authentication, middlewares, form encoding or response object.

Every name of aiohttp that its documentation does not describe stands in this file; the tests run
it on the lowest and on the newest supported aiohttp.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from aiohttp.helpers import TimerNoop
from yarl import URL

from bitpeak_async._http.protocol import Reply, Request, SessionOptions
from bitpeak_async._http.session import SessionExchange, read_body
from bitpeak_async._secret import Secret

_UNPATCHED: Final = aiohttp.ClientSession._request  # noqa: SLF001
_NO_TIMER: Final = TimerNoop()  # the timeout is ours
_READ_BUFFER: Final = 2**16


class _Destination(aiohttp.ClientRequest):
    """Where to connect: one for all requests, so that its key is computed once."""

    connection_key: Any = None


class LeanExchange(SessionExchange):
    """Exchanges requests and replies over the connections of a session of the SDK's own.

    Where something replaced ``ClientSession._request``, as mocks and recorders do, requests go that
    way.

    Args:
        session: of the running loop.
        options: of every request. Without a proxy.
        headers: of every request.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        options: SessionOptions,
        headers: Secret[Mapping[str, str]],
    ) -> None:
        super().__init__(session, options, headers, runs_middlewares=False)
        url = URL(options.base_url)
        # Without the session: it would be left unclosed in a forked child.
        parts: Any = {"loop": asyncio.get_running_loop(), "ssl": options.ssl}
        self._connector: Any = session.connector
        self._destination = _Destination("GET", url, **parts)
        self._destination.connection_key = aiohttp.ClientRequest("GET", url, **parts).connection_key
        self._origin = len(str(url.origin()))
        encodings = aiohttp.ClientRequest.DEFAULT_HEADERS[hdrs.ACCEPT_ENCODING]
        lines = {"Host": url.host_port_subcomponent, **headers.value, "Accept-Encoding": encodings}
        self._head = Secret("".join(f"{name}: {value}\r\n" for name, value in lines.items()))

    async def _send(self, request: Request, timeout: aiohttp.ClientTimeout) -> Reply:
        if aiohttp.ClientSession._request is not _UNPATCHED:  # noqa: SLF001
            return await super()._send(request, timeout)
        connection = await self._connect(timeout)
        try:
            protocol = connection.protocol
            protocol.set_response_params(
                timer=_NO_TIMER, read_until_eof=True, read_bufsize=_READ_BUFFER
            )
            protocol.transport.write(self._encode(request))
            message, content = await protocol.read()
            while 100 <= message.code <= 199 and message.code != 101:  # as 103 Early Hints
                message, content = await protocol.read()
            body = await read_body(content, message.code, self._options.max_reply_bytes)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return Reply(message.code, message.headers, body)

    async def _connect(self, timeout: aiohttp.ClientTimeout) -> Any:
        """Return a connection on which nothing came unasked since its last reply."""
        while True:
            try:
                connection = await self._connector.connect(self._destination, [], timeout)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
            if not connection.protocol.should_close:
                return connection
            connection.close()

    def _encode(self, request: Request) -> bytes:
        target = request.url[self._origin :]
        head = f"{request.method} {target} HTTP/1.1\r\n{self._head.value}"
        if request.body is None:
            return f"{head}\r\n".encode()
        for name, value in (request.headers or {}).items():
            head += f"{name}: {value}\r\n"
        return (
            f"{head}Content-Length: {len(request.body.value)}\r\n\r\n".encode() + request.body.value
        )
