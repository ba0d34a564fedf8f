"""A fixed set of workers over an iterator: memory does not grow with the number of items."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from enum import Enum
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _End(Enum):
    END = "no more items"


_END: Final = _End.END


async def _iterate(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item


async def as_finished(
    work: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T], workers: int
) -> AsyncGenerator[R, None]:
    """Yield ``await work(item)`` for each item, in the order they finish.

    At most ``workers`` items are under way and as many results wait to be taken: a slow consumer
    slows the workers, not the memory. An exception of ``items`` or ``work`` is raised when all
    that was begun has ended; leaving the iterator early cancels it.
    """
    source: AsyncIterator[T] = aiter(items if isinstance(items, AsyncIterable) else _iterate(items))
    turn = asyncio.Lock()
    results: asyncio.Queue[R | _End] = asyncio.Queue(workers)

    async def work_through() -> None:
        while True:
            async with turn:
                item = await anext(source, _END)
            if item is _END:
                return
            await results.put(await work(item))

    async def end(tasks: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(tasks)
        await results.put(_END)

    tasks = [asyncio.create_task(work_through()) for _ in range(workers)]
    ending = asyncio.create_task(end(tasks))
    try:
        while (result := await results.get()) is not _END:
            yield result
        await asyncio.gather(*tasks)
    finally:
        for task in (ending, *tasks):
            task.cancel()
        await asyncio.gather(ending, *tasks, return_exceptions=True)
