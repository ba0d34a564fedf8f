"""The sandbox's listening socket and its connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bitpeak_async.sandbox.endpoint import Endpoint

#: Connections waiting to be accepted: a bulk client opens all of its own at once.
BACKLOG = 1024
#: Seconds; never waited out, because the connections are gone before.
_SHUTDOWN_TIMEOUT = 1.0


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 is any free one."""
    return socket.create_server((host, port), backlog=BACKLOG)


@asynccontextmanager
async def serving(
    endpoint: Endpoint, listening: socket.socket, *, keep_alive: float
) -> AsyncIterator[None]:
    """Serve HTTP on a socket, and on leaving drop every connection, whatever it waits for.

    Args:
        endpoint: Answers the requests.
        listening: The socket, as of `bind`.
        keep_alive: Seconds after which an idle connection is closed.
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
                connection.transport.abort()  # closing would wait for a peer that does not read
        await endpoint.close()
        await server.shutdown(_SHUTDOWN_TIMEOUT)
        await listener.wait_closed()
