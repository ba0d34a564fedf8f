"""Many accounts on many processes: each worker of a Dask cluster has a ``Fleet`` of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, Unpack

from distributed import CancelledError as FutureCancelledError
from distributed import Client

from bitpeak_async._checks import check_listener, check_number
from bitpeak_async.errors import ClosedError, ConfigurationError, TransportError
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.dask._check import checked_jobs
from bitpeak_async.fleet.dask._cluster import connected
from bitpeak_async.fleet.dask._submission import Submission
from bitpeak_async.fleet.dask._tally import Tally
from bitpeak_async.fleet.dask._worker import WorkerConfig, WorkerFleet
from bitpeak_async.fleet.fleet import Fleet, OnAccount
from bitpeak_async.fleet.keys import LiteralKey
from bitpeak_async.fleet.report import FleetReport
from bitpeak_async.keywords import (
    ClientConfig,
    PortableOptions,
    ProvisionConfig,
    ProvisionOptions,
    refuse_unknown,
    takes,
)

__all__ = ["DaskFleet"]


@takes(PortableOptions, ClientConfig)
class DaskFleet:
    """Many accounts, provisioned at once by the workers of a Dask cluster.

    Use it as ``async with DaskFleet(accounts) as fleet:``. Without ``scheduler`` it starts worker
    processes on this machine, which end with it.

    A task is one account, or with ``shard_size`` a part of one. A worker does as many tasks at
    once as it has threads: 64 here; of your own workers, what ``dask worker --nthreads`` says.
    Keys and spec files are read on the workers. A ``pace_store`` has to pickle.

    Args:
        accounts: with unique names.
        scheduler: the address of one, such as ``"tcp://10.0.0.1:8786"``.
        workers: how many processes to start without one; by default what Dask chooses.
        shard_size: how many handlers of one account a task does at most; by default all. The
            tasks of one account run on several workers, each of which paces its requests alone.
        send_keys: let keys that stand in the accounts themselves travel to the workers.
        connect_timeout: seconds to wait for the scheduler, and for its first worker.
        in_flight: how many requests of all keys run at once on one worker.
        **options: see ``PortableOptions``.

    Attributes:
        dashboard: the address of Dask's dashboard, once it is entered.

    Raises:
        ConfigurationError: an argument is unusable, accounts share a name, a key stands in an
            account; or, when entered, the scheduler cannot be reached or the versions of its
            workers are others.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        *,
        scheduler: str | None = None,
        workers: int | None = None,
        shard_size: int | None = None,
        send_keys: bool = False,
        connect_timeout: float = 10.0,
        in_flight: int = 100,
        **options: Unpack[PortableOptions],
    ) -> None:
        refuse_unknown("DaskFleet", options, PortableOptions)
        here = Fleet(accounts, in_flight=in_flight, **options)  # it checks all of them
        self.accounts: tuple[Account, ...] = here.accounts
        self._options: dict[str, Any] = {
            **options,
            "in_flight": in_flight,
            "base_url": here._base_url,  # noqa: SLF001 - the environment's is this one's
        }
        if scheduler is not None and workers is not None:
            raise ConfigurationError("a scheduler has workers of its own; leave out workers")
        for option, number in {"workers": workers, "shard_size": shard_size}.items():
            if number is not None:
                check_number(f"DaskFleet({option}=)", number, 1, integer=True)
        check_number("DaskFleet(connect_timeout=)", connect_timeout, 0, above=True)
        if not send_keys:
            _refuse_keys(self.accounts)
        self._cluster = connected(scheduler, workers, connect_timeout)
        self._shard_size = shard_size
        self._settle = ClientConfig(**options).retry.unknown_outcome_delay
        self._exit = AsyncExitStack()
        self._entered: Client | None = None
        self.dashboard: str | None = None

    @takes(ProvisionOptions, ProvisionConfig)
    async def provision(
        self,
        *,
        on_account: OnAccount | None = None,
        keep_outcomes: bool = False,
        **options: Unpack[ProvisionOptions],
    ) -> FleetReport:
        """Bring all accounts to their desired states; see ``Fleet.provision``.

        The options apply to each account. With ``prune``, no account is split.
        If a worker dies, another does its tasks again, ``Retry.unknown_outcome_delay`` seconds
        later: by then the requests in flight have ended. Running all again writes nothing.

        Args:
            on_account: called with each account's report, as it ends.
            keep_outcomes: send all outcomes here; else only those that failed, and the counts.
            **options: see ``PlanOptions`` and ``ApplyOptions``.

        Raises:
            PlanError: accounts, keys or spec files are unusable on some worker; its ``problems``
                are all there are. Nothing was sent.
            TransportError: the scheduler was lost; the message tells how many accounts ended.
            FleetCancelledError: the task was cancelled; its report has all that had ended or
                begun to write.
        """
        refuse_unknown("DaskFleet.provision", options, ProvisionOptions)
        prunes = ProvisionConfig(**options).prune is not None
        check_listener("on_account", on_account)
        tally = Tally(on_account)
        try:
            async with self._ready_workers(options, keep_outcomes=keep_outcomes) as run:
                window = 2 * sum((await self._client.nthreads()).values())
                jobs = await checked_jobs(
                    self._client,
                    run,
                    self.accounts,
                    prunes=prunes,
                    shard_size=self._shard_size,
                    window=window,
                )
                await Submission(self._client, run, tally).all_of(jobs, window)
        except (FutureCancelledError, OSError) as error:
            raise self._lost(tally, error) from None
        return tally.report()

    @asynccontextmanager
    async def _ready_workers(
        self, options: ProvisionOptions, *, keep_outcomes: bool
    ) -> AsyncGenerator[str, None]:
        """Yield the id of a run that all workers know."""
        run = secrets.token_hex(8)
        orders = WorkerConfig(
            run, self._options, options, keep_outcomes, self._settle, secrets.token_bytes(32)
        )
        client = self._client
        await client.register_plugin(WorkerFleet(orders), name=run)
        try:
            yield run
        finally:
            with suppress(OSError, ValueError):  # the scheduler is lost, or it is gone already
                await client.unregister_worker_plugin(run)

    @property
    def _client(self) -> Client:
        if self._entered is None:
            raise ClosedError("use it as 'async with DaskFleet(…) as fleet:'")
        return self._entered

    def _lost(self, tally: Tally, error: Exception) -> TransportError:
        ended = len(tally.report().accounts)
        reason = f": {error}" if isinstance(error, OSError) else ""
        return TransportError(
            f"the Dask scheduler was lost when {ended} of {len(self.accounts)} accounts had "
            f"ended{reason}; run again, what is done is not done twice"
        )

    async def __aenter__(self) -> Self:
        self._entered = await self._exit.enter_async_context(self._cluster)
        self.dashboard = self._entered.dashboard_link
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered = None
        await self._exit.aclose()

    def __repr__(self) -> str:
        return f"DaskFleet({len(getattr(self, 'accounts', ()))} accounts)"


def _refuse_keys(accounts: Iterable[Account]) -> None:
    literal = [account.title for account in accounts if isinstance(account.key, LiteralKey)]
    if literal:
        more = f" and {len(literal) - 1:,} more" if len(literal) > 1 else ""
        raise ConfigurationError(
            f"{literal[0]}{more}: the key itself would travel to the workers; name a variable "
            f"or a file there (EnvironmentKey, FileKey), or allow it with send_keys=True"
        )
