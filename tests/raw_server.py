"""A server that answers byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bitpeak_async import BitPeak, Retry

HANDLER = (
    b'{"data":{"id":%d,"type":"email","name":"a","settings":{"email":"a@example.com"},'
    b'"is_enabled":true,"last_datetime":null,"datetime":"2025-12-05 14:25:37"}}'
)
ONCE = Retry(attempts=1)


def reply(handler_id: int, head: bytes = b"") -> bytes:
    body = HANDLER % handler_id
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


class Server:
    """Answers each request by what ``answer`` returns, and notes the requests."""

    def __init__(self, answer: Callable[[int], bytes], *, closes: bool = False) -> None:
        self.answer = answer
        self.closes = closes
        self.port: int | None = None
        self.requests: list[bytes] = []
        self.connections: list[asyncio.StreamWriter] = []
        self._arrived = asyncio.Condition()

    async def has_received(self, count: int) -> None:
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length or 0))
            self.requests.append(head + body)
            writer.write(self.answer(len(self.requests)))
            async with self._arrived:
                self._arrived.notify_all()
            if self.closes:
                break
        writer.close()


@asynccontextmanager
async def serving(
    answer: Callable[[int], bytes], *, closes: bool = False, **options: Any
) -> AsyncIterator[tuple[Server, BitPeak]]:
    """Yield a server and a client of it; the server may close after each reply, unannounced."""
    raw = Server(answer, closes=closes)
    server = await asyncio.start_server(raw.serve, "127.0.0.1")
    raw.port = server.sockets[0].getsockname()[1]
    base_url = f"http://127.0.0.1:{raw.port}/api"
    async with server, BitPeak("key", base_url=base_url, retry=ONCE, **options) as own:
        yield raw, own
