"""Listen on a socket and serve HTTP connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bitpeak_async.sandbox.endpoint import Endpoint

#: Connections waiting to be accepted; a bulk client opens all of its own at once.
BACKLOG = 1024
#: Seconds; never waited out, because all connections are aborted before.
_SHUTDOWN_TIMEOUT = 1.0


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 picks a free one."""
    return socket.create_server((host, port), backlog=BACKLOG)


@asynccontextmanager
async def serving(
    endpoint: Endpoint, listening: socket.socket, *, keep_alive: float
) -> AsyncIterator[None]:
    """Serve HTTP on a socket; on exit, abort every connection without waiting for its peer.

    Args:
        endpoint: Answers the requests.
        listening: A socket from `bind`.
        keep_alive: Close idle connections after so many seconds.
    """
    server = web.Server(endpoint, access_log=None, keepalive_timeout=keep_alive)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, sock=listening, backlog=BACKLOG)
    try:
        yield
    finally:
        listener.close()
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()  # close() would wait for a peer that does not read
        await endpoint.close()
        await server.shutdown(_SHUTDOWN_TIMEOUT)
        await listener.wait_closed()
