"""What the gates of one event loop have in common where they share a pace store."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Final

from bitpeak_async._rate.store import PaceCounters, PaceStore
from bitpeak_async.errors import ClosedError, NotSentError

PATIENCE: Final = 1.0  # seconds for one exchange
_AT_ONCE: Final = 16  # exchanges, and so connections
_MOST: Final = 100  # exchanges a second; with Redis, a quarter of a processor


class Link:
    """The way of some gates to their store: whether it is there, how often each may ask.

    Args:
        store: theirs.

    Attributes:
        was_reached: whether it ever answered; from then on, no request waits for it.
        is_lost: whether it does not answer any more.
        turns: taken for each exchange.
    """

    def __init__(self, store: PaceStore) -> None:
        self.store = store
        self.was_reached = False
        self.is_lost = False
        self.turns: asyncio.Semaphore = asyncio.Semaphore(_AT_ONCE)
        self._wishes: dict[object, float] = {}
        self._wished = 0.0

    def connect(self) -> AbstractAsyncContextManager[PaceCounters]:
        """Yield the counters to one gate."""
        return self.store.connect()

    def interval(self, gate: object, wish: float) -> float:
        """Return the seconds until a gate's next exchange: longer where all wish for too many."""
        rate = 1 / wish
        self._wished += rate - self._wishes.get(gate, 0.0)
        self._wishes[gate] = rate
        return wish * max(1.0, self._wished / _MOST)

    def forget(self, gate: object) -> None:
        """Keep nothing of a gate that left."""
        self._wished -= self._wishes.pop(gate, 0.0)

    def unreachable(self, problem: str) -> NotSentError:
        """Return what a request raises that cannot even begin."""
        return NotSentError(
            f"{self.store!r} cannot be reached: {problem}; no request was sent", temporary=False
        )


class KeptLink(Link):
    """A link whose gates come and go, on one connection to the store that stays."""

    def __init__(self, store: PaceStore) -> None:
        super().__init__(store)
        self._opening = asyncio.Lock()
        self._kept = AsyncExitStack()
        self._counters: PaceCounters | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Connect, unless that is done.

        Raises:
            ClosedError: the link was closed.
            NotSentError: the store does not answer.
        """
        async with self._opening:
            if self._is_closed or self._counters is not None:
                self.connect()
                return
            try:
                async with asyncio.timeout(PATIENCE), AsyncExitStack() as opened:
                    counters = await opened.enter_async_context(self.store.connect())
                    await counters.get("open")
                    self._kept = opened.pop_all()
            except Exception as error:  # noqa: BLE001 - whatever a store raises
                raise self.unreachable(told(error)) from None
            self._counters, self.was_reached = counters, True

    def connect(self) -> AbstractAsyncContextManager[PaceCounters]:
        """Yield the counters to one gate."""
        if self._counters is None:
            raise ClosedError("the connection to the pace store is closed")
        return nullcontext(self._counters)

    async def close(self) -> None:
        """Close the connection. Closing twice is fine."""
        self._is_closed, self._counters = True, None
        async with self._opening:
            await self._kept.aclose()


def told(error: Exception) -> str:
    """Return what a store raised, in one sentence."""
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {PATIENCE:g} s"
    return f"{type(error).__name__}: {error}"
