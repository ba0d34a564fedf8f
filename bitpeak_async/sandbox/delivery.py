"""Send a response, or fail to send it, as a fault says."""

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import web

from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.rendering import RawResponse

#: With a linger time of 0 seconds, closing a socket sends RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def deliver(request: web.BaseRequest, raw: RawResponse, fault: Fault) -> web.StreamResponse:
    """Send a response according to `fault.delivery`.

    Returns:
        The response that aiohttp has to send or finish; it sends nothing on a closed connection.
    """
    response: web.StreamResponse
    match fault.delivery:
        case "whole":
            response = web.Response(status=raw.status, body=raw.body, headers=raw.headers)
            if fault.afterwards:
                await response.prepare(request)
                await response.write_eof()
                loop = asyncio.get_running_loop()
                loop.call_later(fault.interval, _write, request, fault.afterwards)
        case "raw":
            response = _SentResponse()
            _write(request, raw.body)
        case "truncated":
            response = await _start(request, raw)
            await response.write(raw.body[: len(raw.body) // 2])
            _close(request)
        case "dripping":
            response = await _start(request, raw)
            with suppress(ConnectionError):  # the client may hang up
                for start in range(len(raw.body)):
                    await asyncio.sleep(fault.interval)
                    await response.write(raw.body[start : start + 1])
        case "disconnect":
            response = web.Response()
            _close(request)
        case "reset":
            response = web.Response()
            _close(request, reset=True)
        case "stall":
            response = web.Response()
            await asyncio.Event().wait()
    return response


class _SentResponse(web.StreamResponse):
    """A response that has been written to the connection without aiohttp."""

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send no head."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send no body."""


def _write(request: web.BaseRequest, message: bytes) -> None:
    if request.transport is not None and not request.transport.is_closing():
        request.transport.write(message)


async def _start(request: web.BaseRequest, raw: RawResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=raw.status, headers=raw.headers)
    response.content_length = len(raw.body)
    await response.prepare(request)
    return response


def _close(request: web.BaseRequest, *, reset: bool = False) -> None:
    transport = request.transport
    if transport is None:  # the client closed first
        return
    if reset:
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
        )
    transport.close()
