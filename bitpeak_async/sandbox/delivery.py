"""Send a reply, or fail to, the way a fault says."""

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import web

from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.replies import Reply

#: Lingering for 0 seconds makes a close send RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


async def deliver(request: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    """Send a reply by the fault's `delivery`.

    Returns:
        What aiohttp is to send or to finish sending. Where the connection is closed already it
        sends nothing.
    """
    match fault.delivery:
        case "whole":
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        case "truncated":
            response = await _start(request, reply)
            await response.write(reply.body[: len(reply.body) // 2])
            _close(request)
        case "dripping":
            response = await _start(request, reply)
            with suppress(ConnectionError):  # the client may tire of it
                for start in range(len(reply.body)):
                    await asyncio.sleep(fault.interval)
                    await response.write(reply.body[start : start + 1])
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


async def _start(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
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
