"""The Dask options of ``bitpeak apply --accounts``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from bitpeak_async.cli import _output
from bitpeak_async.cli._connection import Connection
from bitpeak_async.cli._exit import UsageError
from bitpeak_async.fleet import Account

if TYPE_CHECKING:
    from bitpeak_async.fleet.dask import DaskFleet


@frozen(kw_only=True)
class Dask:
    """The Dask cluster to use, if any.

    Attributes:
        is_wanted: whether to use Dask.
        scheduler: the address of a scheduler, or None to start local processes.
        workers: the number of local processes.
        send_keys: whether keys written in the accounts file may be sent to the workers.
    """

    is_wanted: bool = False
    scheduler: str | None = None
    workers: int | None = None
    send_keys: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.is_wanted and (self.scheduler or self.workers or self.send_keys):
            raise UsageError("--scheduler, --workers and --send-keys need --dask")

    @asynccontextmanager
    async def open(
        self, connection: Connection, accounts: list[Account]
    ) -> AsyncGenerator[DaskFleet, None]:
        """Yield a fleet and print the address of its dashboard."""
        from bitpeak_async.fleet.dask import DaskFleet  # noqa: PLC0415 - the extra may be missing

        async with DaskFleet(
            accounts,
            scheduler=self.scheduler,
            workers=self.workers,
            send_keys=self.send_keys or connection.sandbox,
            **connection.fleet_options(),
        ) as fleet:
            _output.note(f"Dask's dashboard at {fleet.dashboard}")
            yield fleet
