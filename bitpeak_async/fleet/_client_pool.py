"""The clients of a fleet: one per key in use, all on one network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Unpack

from attrs import asdict

from bitpeak_async._http.protocol import Fence
from bitpeak_async.client import BitPeak, client_over
from bitpeak_async.errors import ClosedError
from bitpeak_async.fleet._network import FleetNetwork
from bitpeak_async.fleet._resolve import Credentials, ResolvedAccount, Resolver
from bitpeak_async.fleet.account import Account
from bitpeak_async.keywords import ClientConfig, ProvisionConfig, ProvisionOptions
from bitpeak_async.provisioning.report import Outcome, Report


class ClientPool:
    """Opens a client when the first account with its key starts; closes it after the last one.

    Args:
        in_flight: the most requests in flight at once, over all clients.
        config: the options of all clients; an account may override base URL and pace.
        fence: awaited right before each write, or None.

    Attributes:
        resolver: resolves accounts.
    """

    def __init__(self, in_flight: int, config: ClientConfig, fence: Fence | None = None) -> None:
        self.resolver = Resolver(config)
        self._network = FleetNetwork(in_flight, config.pace_store, fence)
        self._options: dict[str, Any] = asdict(config, recurse=False)
        self._options["pace_store"] = None  # the network has it
        self._clients = dict[Credentials, BitPeak]()
        self._users = Counter[Credentials]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def open(self) -> None:
        """Bind the pool to the running event loop.

        Raises:
            ClosedError: the fleet is closed, or belongs to another event loop.
        """
        if self._closed:
            raise ClosedError("the fleet is closed; make a new one")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise ClosedError("the fleet belongs to another event loop; make one for each loop")

    async def resolve(
        self, accounts: Sequence[Account], *, prunes: bool
    ) -> list[list[ResolvedAccount]]:
        """Resolve accounts and check the pace store, before any request is sent.

        Raises:
            PlanError: see ``Resolver.resolve``.
            NotSentError: the pace store does not answer.
        """
        self.open()
        # Reading thousands of files would block the loop.
        groups = await asyncio.to_thread(self.resolver.resolve, accounts, prunes=prunes)
        await self._network.check_store()
        return groups

    async def wait_for_room(self) -> None:
        """Wait until one more account may start."""
        await self._network.fair_limiter.wait_for_room()

    @asynccontextmanager
    async def client(self, resolved: ResolvedAccount) -> AsyncGenerator[BitPeak, None]:
        """Yield the client of an account; all accounts with the same key share it."""
        key = resolved.credentials
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._new_client(resolved)
        self._users[key] += 1
        try:
            yield client
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._clients[key]
                await client.close()

    def _new_client(self, resolved: ResolvedAccount) -> BitPeak:
        base_url, api_key = resolved.credentials.base_url, resolved.credentials.api_key
        options = self._options | {"base_url": base_url, "proxy": self.resolver.proxy_for(base_url)}
        if resolved.account.pace is not None:
            options["pace"] = resolved.account.pace
        # Direct, because reading the environment's proxy takes longer than a request.
        return client_over(self._network, api_key.reveal(), is_direct=True, **options)

    async def provision(
        self,
        account: Account,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        **options: Unpack[ProvisionOptions],
    ) -> Report:
        """Provision one account; see ``Fleet.provision_account``."""
        prunes = ProvisionConfig(**options).prune is not None
        [[resolved]] = await self.resolve([account], prunes=prunes)
        async with self.client(resolved) as client:
            return await client.provision(resolved.specs, on_outcome=on_outcome, **options)

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        self._closed = True
        await self._network.close()
