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


async def work_through(
    work: Callable[[T], Awaitable[None]],
    items: Iterable[T] | AsyncIterable[T],
    workers: int,
    *,
    grace: float = 0.0,
) -> None:
    """Await ``work(item)`` for each item, at most ``workers`` at once.

    An exception of ``items`` or ``work`` is raised when all that was begun has ended. When
    cancelled, no more items are taken, what is under way has ``grace`` seconds to end, and then
    is cancelled too; a second cancellation ends the grace.
    """
    source: AsyncIterator[T] = aiter(items if isinstance(items, AsyncIterable) else _iterate(items))
    turn = asyncio.Lock()
    stopping = False

    async def work_on() -> None:
        while True:
            async with turn:
                item = _END if stopping else await anext(source, _END)
            if item is _END:
                return
            await work(item)

    tasks = [asyncio.create_task(work_on()) for _ in range(workers)]
    try:
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()
    except asyncio.CancelledError:
        stopping = True
        if grace:
            await asyncio.wait(tasks, timeout=grace)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def as_finished(
    work: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T], workers: int
) -> AsyncGenerator[R, None]:
    """Yield ``await work(item)`` for each item, in the order they finish.

    As many results as workers wait to be taken: a slow consumer slows the workers, not the
    memory. Leaving the iterator early cancels what is under way.
    """
    results: asyncio.Queue[R | _End] = asyncio.Queue(workers)

    async def hand_over(item: T) -> None:
        await results.put(await work(item))

    async def produce() -> None:
        try:
            await work_through(hand_over, items, workers)
        except Exception:
            await results.put(_END)
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # raised by ``items``: nobody left yet
                await results.put(_END)
            raise
        await results.put(_END)

    producer = asyncio.create_task(produce())
    try:
        while (result := await results.get()) is not _END:
            yield result
        await producer
    finally:
        producer.cancel()
        await asyncio.gather(producer, return_exceptions=True)
