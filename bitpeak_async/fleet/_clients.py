"""Clients of a fleet, one a key, on one session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from bitpeak_async.client import BitPeak
from bitpeak_async.errors import ClosedError
from bitpeak_async.fleet._cap import Cap, CappedConnections
from bitpeak_async.fleet._desired import Desired, KeyOf
from bitpeak_async.options import Pace


class Clients:
    """Makes clients as they are needed.

    Args:
        in_flight: requests under way at once, of all clients together.
        make: makes a client from an ``api_key`` and the keywords ``base_url`` and ``pace``.
        pace: of accounts that tell none.
    """

    def __init__(self, in_flight: int, make: Callable[..., BitPeak], pace: Pace) -> None:
        self._connections = CappedConnections(in_flight)
        self._make = make
        self._pace = pace
        # A client lives as long as one of its accounts is worked on: memory stays flat.
        self._clients = WeakValueDictionary[KeyOf, BitPeak]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def cap(self) -> Cap:
        """What all requests have to pass."""
        return self._connections.cap

    def open(self) -> None:
        """Belong to the running loop.

        Raises:
            ClosedError: the fleet was closed, or another loop uses it.
        """
        if self._closed:
            raise ClosedError("the fleet is closed; make a new one")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ClosedError("the fleet belongs to another event loop; make one for each loop")

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        self._closed = True
        await self._connections.close()

    def check(self, key: KeyOf, pace: Pace | None = None) -> None:
        """Raise ConfigurationError unless a key and its options can be used."""
        self._new(key, pace)

    def of(self, one: Desired) -> BitPeak:
        """Return the client of an account: one for all that share its key."""
        client = self._clients.get(one.key)
        if client is None:
            client = self._clients[one.key] = self._new(one.key, one.account.pace)
        return client

    def _new(self, key: KeyOf, pace: Pace | None) -> BitPeak:
        pace = self._pace if pace is None else pace
        client = self._make(key.api_key.value, base_url=key.base_url, pace=pace)
        client._transport.share(self._connections)  # noqa: SLF001 - not for users to do
        return client
