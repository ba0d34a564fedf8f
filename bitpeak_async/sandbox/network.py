"""Listen on a socket and serve HTTP connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from bitpeak_async.sandbox.endpoint import Endpoint

#: Connections waiting to be accepted; a bulk client opens all of its own at once.
BACKLOG = 1024
#: Seconds; never waited out, because all connections are aborted before.
_SHUTDOWN_TIMEOUT = 1.0


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 picks a free one."""
    return socket.create_server((host, port), backlog=BACKLOG)


class _Server(web.Server):
    """Serves connections until it closes; it aborts those that were accepted just before."""

    is_closing = False

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if self.is_closing:
            transport.abort()


@asynccontextmanager
async def serving(
    endpoint: Endpoint, listening: socket.socket, *, keep_alive: float
) -> AsyncIterator[None]:
    """Serve HTTP on a socket; on exit, abort every connection without waiting for its peer.

    Args:
        endpoint: Answers the requests.
        listening: A socket from `bind`.
        keep_alive: Seconds until idle connections are closed.
    """
    server = _Server(endpoint, access_log=None, keepalive_timeout=keep_alive)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, sock=listening, backlog=BACKLOG)
    try:
        yield
    finally:
        server.is_closing = True
        # asyncio loses the socket of a connection that it accepts right before close().
        with suppress(NotImplementedError):  # Windows
            loop.remove_reader(listening)
        await asyncio.sleep(0)
        listener.close()
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()  # close() would wait for a peer that does not read
        await endpoint.close()
        await server.shutdown(_SHUTDOWN_TIMEOUT)
        await listener.wait_closed()
