"""Run an async context manager in a thread with its own event loop."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def entered_in_thread(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter an async context manager in a new thread, and exit it there."""
    entered = Future[tuple[T, Callable[[], object]]]()

    async def hold() -> None:
        loop, leaving = asyncio.get_running_loop(), asyncio.Event()
        async with manager as value:
            entered.set_result((value, lambda: loop.call_soon_threadsafe(leaving.set)))
            await leaving.wait()

    with ThreadPoolExecutor(1, "bitpeak_sandbox") as executor:
        held = executor.submit(lambda: asyncio.run(hold()))
        either: list[Future[Any]] = [entered, held]
        wait(either, return_when=FIRST_COMPLETED)
        if held.done():
            held.result()
        value, leave = entered.result()
        try:
            yield value
        finally:
            leave()
            held.result()
