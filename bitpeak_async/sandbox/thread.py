"""An event loop in a thread, for callers without one."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any


@contextmanager
def entered_in_thread(manager: AbstractAsyncContextManager[object]) -> Iterator[None]:
    """Enter an asynchronous context manager in a thread of its own, and leave it there."""
    entered = Future[Callable[[], object]]()

    async def hold() -> None:
        loop, leaving = asyncio.get_running_loop(), asyncio.Event()
        async with manager:
            entered.set_result(lambda: loop.call_soon_threadsafe(leaving.set))
            await leaving.wait()

    with ThreadPoolExecutor(1, "bitpeak_sandbox") as executor:
        held = executor.submit(lambda: asyncio.run(hold()))
        either: list[Future[Any]] = [entered, held]
        wait(either, return_when=FIRST_COMPLETED)
        if held.done():
            held.result()
        leave = entered.result()
        try:
            yield
        finally:
            leave()
            held.result()
