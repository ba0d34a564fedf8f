"""Run tasks on a worker, with one client pool per worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from distributed import Worker, WorkerPlugin, get_worker

from bitpeak_async.errors import BitPeakError, ConfigurationError, PlanError
from bitpeak_async.fleet._client_pool import ClientPool
from bitpeak_async.fleet._resolve import read_account_specs
from bitpeak_async.fleet._tally import Tally
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.dask._lease import TaskLease
from bitpeak_async.fleet.dask._tasks import (
    AccountBatch,
    AccountTask,
    KeyFingerprints,
    WorkerConfig,
)
from bitpeak_async.fleet.report import AccountReport
from bitpeak_async.keywords import ClientConfig
from bitpeak_async.provisioning.report import partial_report
from bitpeak_async.provisioning.spec_files.document import refuse


class FleetPlugin(WorkerPlugin):
    """The clients of a run on one worker. They close when the run or the worker ends."""

    def __init__(self, config: WorkerConfig) -> None:
        self.name = config.run
        self.config = config
        self.is_stopped = False

    def setup(self, worker: Worker) -> None:
        """Start on the worker's event loop."""
        self.scheduler = worker.scheduler
        config = ClientConfig(**self.config.client_options)
        self.clients = ClientPool(self.config.in_flight, config, TaskLease(worker).check)
        self.running = set[asyncio.Task[Any]]()

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask passes it by name
        """Cancel running tasks, so that they return partial reports, and close all connections."""
        self.is_stopped = True
        for running in self.running:
            running.cancel()
        if self.running:
            await asyncio.wait(self.running)
        await self.clients.close()

    async def run(self, task: AccountTask) -> tuple[AccountReport, ...]:
        """Provision a task's accounts; if the run is stopped, return the reports so far."""
        tally = Tally(keep_outcomes=self.config.keep_outcomes)
        current = asyncio.current_task()
        assert current is not None  # noqa: S101 - coroutines run in tasks
        self.running.add(current)
        try:
            await self._start(task)
            for account in task.accounts:
                await self._provision(account, task, tally)
        except asyncio.CancelledError:
            # The worker itself ends: another one runs the task again.
            if not self.is_stopped:
                raise
            current.uncancel()
        finally:
            self.running.discard(current)
        await self.scheduler.event_clear(name=task.key)
        return tuple(tally.report())

    async def _start(self, task: AccountTask) -> None:
        """Record that the task starts. If it started before, on a worker that died, wait.

        Requests of the dead worker may still be in flight, and a listing would miss them.
        """
        if await self.scheduler.event_is_set(name=task.key):
            await asyncio.sleep(self.config.retry_delay)
        else:
            await self.scheduler.event_set(name=task.key)

    async def _provision(self, account: Account, task: AccountTask, tally: Tally) -> None:
        try:
            part = await asyncio.to_thread(_part, account, task)
            report = await self.clients.provision(part, **self.config.provision_options)
            tally.add_report(account.name, report)
        except asyncio.CancelledError as cancelled:
            if (known := partial_report(cancelled)) is not None:
                tally.add_report(account.name, known)
            raise
        except BitPeakError as error:
            tally.add_error(account.name, error)


async def run_task(task: AccountTask) -> tuple[AccountReport, ...] | None:
    """Run a task on this worker; return None if its run is over."""
    worker = get_worker()
    return await _plugin(task.run, worker).run(task) if task.run in worker.plugins else None


async def count_specs(
    run: str, batch: AccountBatch, *, prunes: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the number of desired handlers of each account, and all problems."""
    clients = _plugin(run, get_worker()).clients
    try:
        groups = await clients.resolve(batch.accounts, prunes=prunes)
    except PlanError as error:
        return {}, error.problems
    return {each.account.name: len(each.specs) for group in groups for each in group}, ()


async def fingerprint_keys(run: str, batch: AccountBatch, dask_worker: Worker) -> KeyFingerprints:
    """Resolve the keys of all accounts on this worker, and return only hashes."""
    plugin = _plugin(run, dask_worker)
    salt = plugin.config.salt
    return await asyncio.to_thread(_fingerprints, plugin.clients, batch.accounts, salt)


def _plugin(run: str, worker: Worker) -> FleetPlugin:
    return cast(FleetPlugin, worker.plugins[run])


def _fingerprints(clients: ClientPool, accounts: Sequence[Account], salt: bytes) -> KeyFingerprints:
    fingerprints: list[bytes | None] = []
    problems: list[str] = []
    for account in accounts:
        try:
            credentials = clients.resolver.credentials(account)
        except ConfigurationError as error:
            fingerprints.append(None)
            problems.append(f"{account.title}: {error}")
        else:
            fingerprints.append(credentials.fingerprint(salt))
    return KeyFingerprints(tuple(fingerprints), tuple(problems))


def _part(account: Account, task: AccountTask) -> Account:
    """Return the account with the specs of the task's shard only."""
    if task.shards == 1 or not account.spec_files:
        return account
    [specs], problems = read_account_specs([account])
    refuse(problems)
    return account.with_specs(specs[task.shard :: task.shards])
