"""Clients of a fleet, one a key, on one session."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from attrs import asdict, evolve

from bitpeak_async._rate.link import KeptLink
from bitpeak_async.client import BitPeak, client_over
from bitpeak_async.errors import ClosedError
from bitpeak_async.fleet._cap import CappedConnections
from bitpeak_async.fleet._desired import Credentials, ResolvedAccount
from bitpeak_async.keywords import ClientConfig
from bitpeak_async.options import Pace


class Clients:
    """Makes clients as they are needed.

    Args:
        in_flight: requests under way at once, of all clients together.
        config: of all clients, but for the base URL and pace that an account sets itself.
    """

    def __init__(self, in_flight: int, config: ClientConfig) -> None:
        link = None if config.pace_store is None else KeptLink(config.pace_store)
        self._connections = CappedConnections(in_flight, link)
        self._config = evolve(config, pace_store=None)  # the connections have the link to it
        self._clients = dict[Credentials, BitPeak]()
        self._users = Counter[Credentials]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def room(self) -> None:
        """Wait until one more account may begin."""
        await self._connections.room()

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

    async def reach_store(self) -> None:
        """Make sure that the pace store answers, before anything is sent.

        Raises:
            NotSentError: it does not.
        """
        await self._connections.reach()

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        self._closed = True
        await self._connections.close()

    def check(self, key: Credentials, pace: Pace | None = None) -> None:
        """Raise ConfigurationError unless a key and its options can be used."""
        self._new(key, pace)

    @asynccontextmanager
    async def of(self, one: ResolvedAccount) -> AsyncGenerator[BitPeak, None]:
        """Yield the client of an account: one for all that share its key.

        It is closed as soon as none of its accounts is worked on: memory stays flat.
        """
        key = one.key
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._new(key, one.account.pace)
        self._users[key] += 1
        try:
            yield client
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._clients[key]
                await client.close()

    def _new(self, key: Credentials, pace: Pace | None) -> BitPeak:
        pace = self._config.pace if pace is None else pace
        config = evolve(self._config, base_url=key.base_url, pace=pace)
        options = asdict(config, recurse=False)
        return client_over(self._connections, key.api_key.value, **options)
