"""The thread that made a blocking call: it waits, and meanwhile runs what is its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from attrs import frozen

from bitpeak_async._emitter import notify

T = TypeVar("T")

_POLL: Final = 0.1 if sys.platform == "win32" else None  # there only a timed wait sees Ctrl-C


class End(Enum):
    """The last message of a call."""

    END = "the call has ended"


END: Final = End.END


@frozen
class _Job:
    """Something of the caller's for its thread to run."""

    run: Callable[[], object]


class Caller:
    """What the loop thread sends to a thread that waits for it.

    The caller's iterators and callbacks may make blocking calls themselves, or belong to their
    thread as database connections do. So they run in the caller's thread, never on the loop's.
    """

    def __init__(self) -> None:
        self._inbox = SimpleQueue[Any]()

    def send(self, message: object) -> None:
        """Put a message; from any thread."""
        self._inbox.put(message)

    def receive(self) -> Any:
        """Wait for the next message and return it; run the jobs that come before it."""
        while True:
            try:
                message = self._inbox.get(timeout=_POLL)
            except Empty:
                continue
            if not isinstance(message, _Job):
                return message
            message.run()

    def telling(self, listener: Callable[[T], object] | None) -> Callable[[T], None] | None:
        """Return what has ``listener`` called in the caller's thread."""
        if listener is None:
            return None
        return lambda subject: self.send(_Job(partial(notify, listener, subject)))

    async def pulling(self, items: Iterable[T]) -> AsyncGenerator[T, None]:
        """Iterate, on the loop thread, over what the caller's thread takes from ``items``."""
        loop = asyncio.get_running_loop()
        iterator = iter(items)
        while True:
            taken: asyncio.Future[T | End] = loop.create_future()
            self.send(_Job(partial(_take, iterator, taken, loop)))
            if (item := await taken) is END:
                return
            yield item


def _take(
    iterator: Iterator[T], taken: asyncio.Future[T | End], loop: asyncio.AbstractEventLoop
) -> None:
    if taken.cancelled():
        return
    try:
        item = next(iterator, END)
    except Exception as error:  # noqa: BLE001 - the caller's own, on its way back to it
        tell = partial(_tell, taken, error=error)
    else:
        tell = partial(_tell, taken, item)
    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(tell)


def _tell(
    taken: asyncio.Future[T | End], item: T | End = END, error: Exception | None = None
) -> None:
    if taken.cancelled():
        return
    if error is None:
        taken.set_result(item)
    else:
        taken.set_exception(error)
