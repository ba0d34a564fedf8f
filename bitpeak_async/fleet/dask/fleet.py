"""Many accounts on many processes: each worker of a Dask cluster has its own client pool."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self, Unpack

from distributed import CancelledError as FutureCancelledError
from distributed import Client

from bitpeak_async._checks import check_number
from bitpeak_async._secret import hides
from bitpeak_async.errors import ClosedError, ConfigurationError, TransportError
from bitpeak_async.fleet._resolve import Resolver, checked_accounts
from bitpeak_async.fleet._run import within
from bitpeak_async.fleet._tally import Tally
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.dask._cluster import connected
from bitpeak_async.fleet.dask._lease import LeasePlugin
from bitpeak_async.fleet.dask._planning import plan_tasks
from bitpeak_async.fleet.dask._submission import Submission, end_run
from bitpeak_async.fleet.dask._tasks import WorkerConfig
from bitpeak_async.fleet.dask._worker import FleetPlugin
from bitpeak_async.fleet.fleet import OnAccount
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
    """Provisions many accounts concurrently, on the workers of a Dask cluster.

    Use it as ``async with DaskFleet(accounts) as fleet:``. Without ``scheduler`` it starts worker
    processes on this machine and ends them on exit.

    A task provisions one account, or a part of one with ``shard_size``. A worker runs one task per
    thread: 64 in local clusters; set ``dask worker --nthreads`` for your own workers. The workers
    read the keys and spec files. A ``pace_store`` must pickle.

    Args:
        accounts: accounts with unique names.
        scheduler: its address, such as ``"tcp://10.0.0.1:8786"``.
        workers: the number of processes to start without a scheduler; by default Dask chooses.
        shard_size: the most handlers of one account per task; by default all. The tasks of one
            account may run on several workers, and each worker then has its own pace.
        send_keys: allow sending keys that the accounts hold themselves to the workers.
        connect_timeout: seconds to wait for the scheduler, and then for its first worker.
        in_flight: the most requests in flight at once on one worker, over all keys.
        **options: see ``PortableOptions``.

    Attributes:
        dashboard: the address of Dask's dashboard, or None outside the context.

    Raises:
        ConfigurationError: an argument is unusable, accounts share a name, or an account holds
            its key itself. On entering: the scheduler cannot be reached, or the versions of its
            workers differ.
    """

    @hides("proxy")
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
        config = ClientConfig(**options)
        if scheduler is not None and workers is not None:
            raise ConfigurationError(
                "pass scheduler or workers, not both: workers starts a local cluster"
            )
        check_number("DaskFleet(in_flight=)", in_flight, 1, integer=True)
        for option, number in {"workers": workers, "shard_size": shard_size}.items():
            if number is not None:
                check_number(f"DaskFleet({option}=)", number, 1, integer=True)
        check_number("DaskFleet(connect_timeout=)", connect_timeout, 0, above=True)
        self.accounts: tuple[Account, ...] = checked_accounts(accounts)
        if not send_keys:
            _refuse_literal_keys(self.accounts)
        self._cluster = connected(scheduler, workers, connect_timeout)
        self._shard_size = shard_size
        self._in_flight = in_flight
        self._options: PortableOptions = {
            **options,
            # Resolved here, so that the workers' environment cannot change it.
            "base_url": Resolver(config).base_url,
            "proxy": config.proxy.reveal(),  # a Secret does not pickle
        }
        self._retry_delay = config.retry.unknown_outcome_delay
        self._exit = AsyncExitStack()
        self._entered: Client | None = None
        self.dashboard: str | None = None

    @takes(ProvisionOptions, ProvisionConfig)
    async def provision(
        self,
        *,
        on_account: OnAccount | None = None,
        keep_outcomes: bool = False,
        deadline: float | None = None,
        **options: Unpack[ProvisionOptions],
    ) -> FleetReport:
        """Bring all accounts to their desired states; see ``Fleet.provision``.

        The options apply to each account. With ``prune``, no account is split.

        If a worker dies, another one runs its tasks again. It waits ``Retry.unknown_outcome_delay``
        seconds first, until the dead worker's requests have ended. To resume an interrupted run,
        run it again.

        Args:
            on_account: called with each account's report, as it ends.
            keep_outcomes: return all outcomes. If False, only the failed ones and the counts.
            deadline: as for ``Fleet.provision``.
            **options: see ``PlanOptions`` and ``ApplyOptions``.

        Raises:
            PlanError: accounts, keys or spec files are unusable on some worker; ``problems`` lists
                everything. Nothing was sent.
            TransportError: the scheduler was lost; the message says how many accounts had ended.
            RequestTimeoutError: the deadline passed. ``partial_fleet_report(error)`` returns the
                report so far; it also works with the CancelledError of a cancelled run.
        """
        refuse_unknown("DaskFleet.provision", options, ProvisionOptions)
        prunes = ProvisionConfig(**options).prune is not None
        tally = Tally(on_account=on_account)
        config = WorkerConfig(
            run=secrets.token_hex(8),
            in_flight=self._in_flight,
            client_options=self._options,
            provision_options=options,
            keep_outcomes=keep_outcomes,
            retry_delay=self._retry_delay,
            salt=secrets.token_bytes(32),
        )
        async with within(deadline):
            return await self._run(config, tally, prunes=prunes)

    async def _run(self, config: WorkerConfig, tally: Tally, *, prunes: bool) -> FleetReport:
        client = self._client
        try:
            async with _plugins(client, config):
                window = 2 * sum((await client.nthreads()).values())
                tasks = await plan_tasks(
                    client,
                    config.run,
                    self.accounts,
                    prunes=prunes,
                    shard_size=self._shard_size,
                    window=window,
                )
                await Submission(client, config.run, tally).run_all(tasks, window)
        except asyncio.CancelledError as cancelled:
            vars(cancelled)["report"] = tally.report()
            raise
        except (FutureCancelledError, OSError) as error:
            raise self._lost(tally, error) from None
        except (AttributeError, RuntimeError) as error:
            # A client that has since closed has no scheduler, or a closed pool of connections.
            if client.status == "running":
                raise
            raise self._lost(tally, error) from error
        return tally.report()

    @property
    def _client(self) -> Client:
        if self._entered is None:
            raise ClosedError("use it as 'async with DaskFleet(…) as fleet:'")
        return self._entered

    def _lost(self, tally: Tally, error: Exception) -> TransportError:
        ended = len(tally.report().accounts)
        reason = f": {error}" if isinstance(error, OSError) and str(error) else ""
        return TransportError(
            f"the Dask scheduler was lost after {ended} of {len(self.accounts)} accounts had "
            f"ended{reason}; run again: it writes only what is still missing"
        )

    async def __aenter__(self) -> Self:
        self._entered = await self._exit.enter_async_context(self._cluster)
        self.dashboard = self._entered.dashboard_link
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entered = None
        await self._exit.aclose()

    def __repr__(self) -> str:
        return f"DaskFleet({len(getattr(self, 'accounts', ()))} accounts)"


@asynccontextmanager
async def _plugins(client: Client, config: WorkerConfig) -> AsyncGenerator[None, None]:
    """Install the plugin of a run on every worker while the context is open."""
    await client.register_plugin(LeasePlugin())
    await client.register_plugin(FleetPlugin(config), name=config.run)
    try:
        yield
    finally:
        await end_run(client, config.run)


def _refuse_literal_keys(accounts: Iterable[Account]) -> None:
    literal = [account.title for account in accounts if isinstance(account.key, LiteralKey)]
    if literal:
        more = f" and {len(literal) - 1:,} more" if len(literal) > 1 else ""
        raise ConfigurationError(
            f"{literal[0]}{more}: the key itself would be sent to the workers; use "
            f"EnvironmentKey or FileKey, or allow it with send_keys=True"
        )
