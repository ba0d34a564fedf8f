"""Runs the work of all accounts concurrently, within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from bitpeak_async._checks import check_number
from bitpeak_async.errors import RequestTimeoutError

T = TypeVar("T")

MAX_OPEN: Final = 1000  # groups at once, even if all wait for their servers; about 30 MB


async def run_all(
    groups: Iterable[Iterable[T]],
    work: Callable[[T], Awaitable[None]],
    wait_for_room: Callable[[], Awaitable[None]],
) -> None:
    """Await ``work(item)`` for all items: groups concurrently, the items of a group in order.

    A group starts once ``wait_for_room()`` returns. So few groups are in memory at once, and a
    group that waits for its server does not stop others from starting.

    If ``work`` raises, no further group starts, and the exception is raised once all running ones
    have ended. Each cancellation cancels all running groups and waits for them.
    """
    open_groups = asyncio.Semaphore(MAX_OPEN)
    tasks = set[asyncio.Task[None]]()
    failures: list[BaseException] = []

    async def run_group(group: Iterable[T]) -> None:
        try:
            for item in group:
                await work(item)
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            open_groups.release()

    try:
        for group in groups:
            await open_groups.acquire()
            await wait_for_room()
            if failures:
                break
            task = asyncio.create_task(run_group(group))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(0)  # let its first request take the slot
        while tasks:
            await asyncio.wait(tasks)
    finally:
        await _cancel(tasks)
    if failures:
        raise failures[0]


@asynccontextmanager
async def within(deadline: float | None) -> AsyncGenerator[None, None]:
    """Cancel the block after ``deadline`` seconds, if given.

    Raises:
        ConfigurationError: the deadline is not a positive number.
        RequestTimeoutError: the deadline passed; its cause chain holds the run's CancelledError.
    """
    if deadline is not None:
        check_number("deadline", deadline, 0, above=True)
    limit = asyncio.timeout(deadline)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise RequestTimeoutError(f"not done within the deadline of {deadline:g} s") from error


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    cancelled = None
    while tasks:
        for task in tasks:
            task.cancel()
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
