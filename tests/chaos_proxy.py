"""A TCP proxy that breaks connections at any byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from ssl import SSLContext
from typing import Literal

Fate = Literal["pass", "reset", "stall", "truncate"]


class Breaker:
    """Decides by a seeded chance what becomes of each connection, and after how many bytes."""

    def __init__(self, seed: int, *, probability: float, fates: tuple[Fate, ...]) -> None:
        self._random = Random(seed)
        self._probability = probability
        self._fates = fates
        self.broken = 0

    def __call__(self) -> tuple[Fate, int, bool]:
        """Return (fate, bytes until then, whether they are counted on the way back)."""
        if self._random.random() >= self._probability:
            return "pass", 0, False
        self.broken += 1
        fate = self._random.choice(self._fates)
        return fate, self._random.randrange(600), self._random.random() < 0.5


@asynccontextmanager
async def proxy(
    port: int, breaker: Callable[[], tuple[Fate, int, bool]], *, ssl: SSLContext | None = None
) -> AsyncIterator[int]:
    """Forward to a loopback port as the breaker allows; yield the port to connect to."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        fate, allowed, on_the_way_back = breaker()
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
        try:
            forth = asyncio.create_task(
                pump(reader, upstream, None if on_the_way_back or fate == "pass" else allowed)
            )
            back = asyncio.create_task(
                pump(upstream_reader, writer, allowed if on_the_way_back else None)
            )
            await asyncio.wait([forth, back], return_when=asyncio.FIRST_COMPLETED)
            if fate == "stall":
                await asyncio.sleep(3600)
            if fate == "reset":
                writer.transport.abort()
            for each in (forth, back):
                each.cancel()
            await asyncio.gather(forth, back, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            upstream.close()
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: int | None
) -> None:
    """Copy bytes until the end, or until so many have passed."""
    while chunk := await reader.read(65536):
        if allowed is not None:
            chunk, allowed = chunk[:allowed], allowed - len(chunk)
        writer.write(chunk)
        await writer.drain()
        if allowed is not None and allowed <= 0:
            return
