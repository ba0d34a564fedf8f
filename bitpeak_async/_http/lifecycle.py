"""Bind one client to the event loop that uses it: its connections and its limiter."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from attrs import frozen

from bitpeak_async._http.protocol import Connections, Exchange, SessionOptions
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._secret import Secret
from bitpeak_async.errors import ClosedError, ConfigurationError
from bitpeak_async.events import RateSnapshot

NewLimiter: TypeAlias = Callable[[Callable[[], float], int], Limiter]


class Network(Protocol):
    """Carries the requests of a client."""

    def connections(
        self, headers: Secret[Mapping[str, str]], options: SessionOptions
    ) -> Connections:
        """Return the connections of one client, which sends ``headers`` with every request."""
        ...

    def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
        """Return the function that creates the limiter of one client."""
        ...


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop.

    Raises:
        ConfigurationError: no event loop of asyncio is running.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "no event loop of asyncio is running: BitPeak runs on asyncio, not on trio"
        ) from error


@frozen
class Binding:
    """The objects that a client uses in one event loop.

    Attributes:
        exchange: carries its requests.
        limiter: admits its requests.
        clock: the loop's time in seconds.
    """

    exchange: Exchange
    limiter: Limiter
    clock: Callable[[], float]


class Lifecycle:
    """One client from its first call to ``close()``.

    Args:
        connections: opened on first use, in the running loop.
        new_limiter: creates the limiter of a loop from its clock and a number of slots.
        in_flight: requests in flight at once, if the connections can carry them.
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
        """The most requests in flight at once.

        Never more than connections, because the timeout of a request also runs while it waits for a
        connection.
        """
        limit = self._connections.limit
        return self._in_flight if limit is None else min(limit, self._in_flight)

    def open(self) -> Binding:
        """Return the binding to the running loop, created on first use.

        Raises:
            ClosedError: the client or its session was closed, or another event loop uses it.
            ConfigurationError: no event loop of asyncio is running.
        """
        if self._closed:
            raise ClosedError("the client is closed; make a new one")
        loop = running_loop()
        if self._loop is not loop:
            self._bind(loop)
        self._connections.check()
        return self._binding

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind to this loop, unless another loop that is still open is bound."""
        if self._loop is not None and not (self._connections.can_rebind and self._loop.is_closed()):
            raise ClosedError("the client belongs to another event loop; make one for each loop")
        self._loop = loop
        slots = self.slots
        limiter = self._new_limiter(loop.time, slots)
        self._binding = Binding(self._connections.open(slots), limiter, loop.time)

    @property
    def rate(self) -> RateSnapshot:
        """The current state of the rate; empty before the first call."""
        if self._loop is None:
            return RateSnapshot(rate=math.inf)
        return self._binding.limiter.snapshot

    def abandon(self) -> None:
        """Forget the connections, because their loop does not run in a forked child."""
        self._connections.abandon()

    async def close(self) -> None:
        """Close the client's own connections. Closing twice is fine."""
        self._closed = True
        try:
            if self._loop is not None:
                await self._binding.limiter.close()
        finally:
            await self._connections.close()
