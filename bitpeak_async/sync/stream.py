"""Iterate over an asynchronous generator on the loop thread from blocking code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, suppress
from functools import partial
from typing import Generic, Self, TypeVar

from bitpeak_async.errors import ClosedError
from bitpeak_async.sync.mailbox import END, CallerMailbox
from bitpeak_async.sync.pending_call import PendingCall
from bitpeak_async.sync.portal import Portal

S = TypeVar("S")
T = TypeVar("T")


class Stream(Iterator[T], Generic[T]):
    """An iterator that is also a context manager.

    Nothing happens before the first ``next()``. It prefetches a few pages or outcomes.
    Leaving a ``for`` loop early ends the iteration once nothing refers to the iterator. ``with`` or
    ``close()`` ends it immediately and waits for the cleanup. Several threads may share it; each
    item goes to one of them.

    Raises:
        ClosedError: by ``next()``, if the process has forked since the first item, if the call is
            made on the SDK's own thread, or inside ``next()`` of the same iterator.
    """

    def __init__(
        self,
        portal: Callable[[], Portal],
        batches: AsyncGenerator[S, None],
        items: Callable[[S], Iterable[T]],
        *,
        ahead: int,
        caller: CallerMailbox | None = None,
    ) -> None:
        """Iterate over the items of batches; at most ``ahead`` batches wait to be taken."""
        self._portal = portal
        self._unpack = items
        self._caller = caller or CallerMailbox()
        self._channel = _Channel(batches, self._caller, ahead)
        self._items: Iterator[T] = iter(())
        self._turn = threading.Lock()
        self._taker: int | None = None
        self._call: PendingCall[None] | None = None
        self._is_over = False

    def __next__(self) -> T:
        for item in self._items:
            return item
        if self._taker == threading.get_ident():
            raise ClosedError("next() was called inside next() of the same iterator: a deadlock")
        with self._turn:
            self._taker = threading.get_ident()
            try:
                while True:
                    for item in self._items:  # from a batch that another thread received
                        return item
                    self._refill()
            finally:
                self._taker = None

    def _refill(self) -> None:
        if self._is_over:
            raise StopIteration
        portal = self._portal() if self._call is None else self._call.portal
        portal.check()
        try:
            if self._call is None:
                self._call = PendingCall(portal, self._channel.produce, self._caller)
                portal.start(self._call)
            batch = self._call.receive()
            if batch is not END:
                self._channel.take()
                self._items = iter(self._unpack(batch))
                return
        except BaseException as interruption:
            self._is_over = True
            if self._call is not None:
                self._call.interrupt(interruption)
            raise
        if not self._is_over:  # else another thread closed it
            self._is_over = True
            self._call.result()
        raise StopIteration

    def close(self) -> None:
        """End the iteration and wait for its cleanup."""
        call = self._call
        if not self._is_over and call is not None and not call.portal.is_lost:
            call.portal.check()
            self._is_over = True
            self._caller.release()
            call.cancel()
            call.wait()
            with suppress(Exception, asyncio.CancelledError):  # the result is no longer needed
                call.result()
        self._is_over = True
        self._items = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_over and self._call is not None:
            self._caller.release()
            self._call.cancel()


class _Channel(Generic[S]):
    """Passes batches from the loop thread to the caller, and waits for a slower caller."""

    def __init__(self, batches: AsyncGenerator[S, None], caller: CallerMailbox, ahead: int) -> None:
        self._batches = batches
        self._caller = caller
        self._ahead = ahead
        self._sent = 0
        self._taken = 0
        self._wake: Callable[[], object] | None = None

    async def produce(self) -> None:
        """Send all batches. Runs on the loop thread."""
        async with aclosing(self._batches) as batches:
            async for batch in batches:
                self._caller.send(batch)
                self._sent += 1
                if self._is_full():
                    await self._room()

    def _is_full(self) -> bool:
        return self._sent - self._taken >= self._ahead

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        self._wake = partial(loop.call_soon_threadsafe, room.set)
        if self._is_full():  # checked again, because the caller may have missed ``_wake``
            await room.wait()

    def take(self) -> None:
        """Count a received batch. Runs in the caller's thread."""
        self._taken += 1
        wake = self._wake
        if wake is not None and self._sent - self._taken <= self._ahead // 2:
            self._wake = None
            with suppress(RuntimeError):  # the loop was closed
                wake()
