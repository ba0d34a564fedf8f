"""Binds one client to the event loop that uses it: its connections and its limiter."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from attrs import frozen

from bitpeak_async._http.protocol import Connections, Exchange, SessionOptions
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.shared_limiter import SharedLimiter
from bitpeak_async._secret import Secret
from bitpeak_async.errors import ClosedError
from bitpeak_async.events import RateSnapshot

NewLimiter: TypeAlias = Callable[[Callable[[], float], int], Limiter | SharedLimiter]


class Network(Protocol):
    """What the requests of a client go through."""

    def connections(
        self, headers: Secret[Mapping[str, str]], options: SessionOptions
    ) -> Connections:
        """Return the connections of one client, which sends ``headers`` with every request."""
        ...

    def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
        """Return what makes the limiter of one client."""
        ...


@frozen
class Binding:
    """What a client uses in one event loop.

    Attributes:
        exchange: carries its requests.
        limiter: admits them.
        clock: seconds of the loop.
    """

    exchange: Exchange
    limiter: Limiter | SharedLimiter
    clock: Callable[[], float]


class Lifecycle:
    """One client from its first call to ``close()``.

    Args:
        connections: opened on first use, in the loop that uses them.
        new_limiter: makes the limiter of a loop, from its clock and a number of slots.
        in_flight: requests under way at once, if the connections can carry them.
    """

    def __init__(self, connections: Connections, new_limiter: NewLimiter, in_flight: int) -> None:
        self._connections = connections
        self._new_limiter = new_limiter
        self._in_flight = in_flight
        self._loop: asyncio.AbstractEventLoop | None = None
        self._binding: Binding
        self._closed = False

    @property
    def slots(self) -> int:
        """Requests that may be under way at once.

        Never more than there are connections: the timeout of a request that waits for one would
        be running already.
        """
        limit = self._connections.limit
        return self._in_flight if limit is None else min(limit, self._in_flight)

    def open(self) -> Binding:
        """Return what the running loop uses, made on first use.

        Raises:
            ClosedError: the client or its session was closed, or another event loop uses it.
        """
        if self._closed:
            raise ClosedError("the client is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._bind(loop)
        self._connections.check()
        return self._binding

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to this loop, as to no other before, or to one that is closed."""
        if self._loop is not None and not (self._connections.can_rebind and self._loop.is_closed()):
            raise ClosedError("the client belongs to another event loop; make one for each loop")
        self._loop = loop
        slots = self.slots
        limiter = self._new_limiter(loop.time, slots)
        self._binding = Binding(self._connections.open(slots), limiter, loop.time)

    @property
    def rate(self) -> RateSnapshot:
        """What is known of the rate now; nothing before the first call."""
        if self._loop is None:
            return RateSnapshot(rate=math.inf)
        return self._binding.limiter.snapshot

    def abandon(self) -> None:
        """Forget the connections: a forked child has lost their loop."""
        self._connections.abandon()

    async def close(self) -> None:
        """Close the connections that are the client's own. Closing twice is fine."""
        self._closed = True
        try:
            if self._loop is not None:
                await self._binding.limiter.close()
        finally:
            await self._connections.close()
