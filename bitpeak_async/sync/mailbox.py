"""Messages to a blocked caller's thread, which runs the caller's own callbacks and iterators."""

from __future__ import annotations

import asyncio
import queue
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

from attrs import frozen

from bitpeak_async._checks import check_listener
from bitpeak_async.events import notify

T = TypeVar("T")

_POLL: Final = 0.1 if sys.platform == "win32" else None  # on Windows only a timed wait sees Ctrl-C


class End(Enum):
    """The last message of a call."""

    END = "the call has ended"


END: Final = End.END


@frozen
class Callback:
    """User code to run in the caller's thread."""

    run: Callable[[], object]


class CallerMailbox:
    """Messages from the loop thread to the thread that waits for it.

    Iterators and callbacks of users may make blocking calls, or belong to their thread, like
    database connections. So they run in the caller's thread, never on the loop thread.
    """

    def __init__(self) -> None:
        # Looked up in the module, because gevent may replace the class after this import.
        self._inbox = queue.SimpleQueue[Any]()
        self._has_ended = False
        self._items: Iterable[Any] = ()
        self._iterator: Iterator[Any] | None = None

    def send(self, message: object) -> None:
        """Put a message, from any thread."""
        self._inbox.put(message)

    def end(self) -> None:
        """Put the last message."""
        self._has_ended = True
        self.send(END)

    def receive(self) -> Any:
        """Wait for the next message and return it; after the end, always return ``END``.

        The end is also kept as state, because Ctrl-C may lose the message that was just taken.
        """
        while True:
            try:
                message = self._inbox.get(not self._has_ended, _POLL)
            except queue.Empty:
                message = END if self._has_ended else None
            if message is END:
                self._inbox.put(END)  # for a waiter in another thread
            if message is not None:
                return message

    def calling(self, listener: Callable[[T], object] | None) -> Callable[[T], None] | None:
        """Return a function that calls ``listener`` in the caller's thread."""
        check_listener("on_outcome", listener)
        if listener is None:
            return None
        return lambda subject: self.send(Callback(partial(notify, listener, subject)))

    def pulling(self, items: Iterable[T]) -> AsyncGenerator[T, None]:
        """Return an iterator for the loop thread; the caller's thread takes each of ``items``."""
        self._items = items
        return self._pull()

    async def _pull(self) -> AsyncGenerator[Any, None]:
        loop = asyncio.get_running_loop()
        while True:
            taken = loop.create_future()
            self.send(Callback(partial(self._take, taken)))
            if (item := await taken) is END:
                return
            yield item

    def _take(self, taken: asyncio.Future[Any]) -> None:
        if taken.cancelled():
            return
        try:
            if self._iterator is None:
                self._iterator = iter(self._items)
            resolve = partial(_resolve, taken, next(self._iterator, END))
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            resolve = partial(_resolve, taken, error=error)
        with suppress(RuntimeError):  # the loop was closed
            taken.get_loop().call_soon_threadsafe(resolve)

    def release(self) -> None:
        """Drop the caller's iterator, so that a generator is closed in the caller's thread."""
        self._items, self._iterator = (), None


def _resolve(
    taken: asyncio.Future[Any], item: object = END, error: Exception | None = None
) -> None:
    if taken.cancelled():
        return
    if error is None:
        taken.set_result(item)
    else:
        taken.set_exception(error)
