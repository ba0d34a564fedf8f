"""Run a fixed set of workers over an iterator, so memory does not grow with its length."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from enum import Enum
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _End(Enum):
    END = "no more items"


_END: Final = _End.END


class _Source(Generic[T]):
    """Hands out items one by one: by ``next()``, or by ``take()`` if they have to be awaited.

    An asynchronous iterator may be awaited by one task only.

    Attributes:
        stopped: whether to hand out no more.
    """

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        self.stopped = False
        self._turn = asyncio.Lock()
        if isinstance(items, AsyncIterable):
            self._awaited: AsyncIterator[T] = aiter(items)
        else:
            self._items: Iterator[T] = iter(items)

    def next(self) -> T | _End:
        return _END if self.stopped else next(self._items, _END)

    async def take(self) -> T | _End:
        async with self._turn:
            return _END if self.stopped else await anext(self._awaited, _END)


async def work_through(
    work: Callable[[T], Awaitable[None]],
    items: Iterable[T] | AsyncIterable[T],
    workers: int,
    *,
    grace: float = 0.0,
) -> None:
    """Await ``work(item)`` for each item, at most ``workers`` at once.

    An exception of ``items`` or ``work`` is raised after all started work has ended. When
    cancelled, no more items are taken, and work in progress has ``grace`` seconds to finish before
    it is cancelled too. A second cancellation ends the grace period.
    """
    source = _Source(items)
    is_ready = not isinstance(items, AsyncIterable)

    async def work_on() -> None:
        while (item := source.next() if is_ready else await source.take()) is not _END:
            await work(item)

    tasks = [asyncio.create_task(work_on()) for _ in range(workers)]
    try:
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()
    except asyncio.CancelledError:
        source.stopped = True
        if grace:
            await asyncio.wait(tasks, timeout=grace)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def one_by_one(
    work: Callable[[T], Awaitable[R]], items: Iterable[T]
) -> AsyncGenerator[R, None]:
    """Yield ``await work(item)`` for each item in order, without a task of its own."""
    for item in items:
        yield await work(item)


async def as_finished(
    work: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T], workers: int
) -> AsyncGenerator[R, None]:
    """Yield ``await work(item)`` for each item, in the order in which they finish.

    At most as many results as workers are buffered, so a slow consumer slows the workers and
    memory does not grow. Leaving the iterator early cancels work in progress.
    """
    results: asyncio.Queue[R | _End] = asyncio.Queue(workers)

    async def hand_over(item: T) -> None:
        result = await work(item)
        if results.full():
            await results.put(result)
        else:
            results.put_nowait(result)

    async def produce() -> None:
        try:
            await work_through(hand_over, items, workers)
        except Exception:
            await results.put(_END)
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # ``items`` raised it
                await results.put(_END)
            raise
        await results.put(_END)

    producer = asyncio.create_task(produce())
    try:
        while True:
            result = await results.get() if results.empty() else results.get_nowait()
            if result is _END:
                break
            yield result
        await producer
    finally:
        producer.cancel()
        await asyncio.gather(producer, return_exceptions=True)
