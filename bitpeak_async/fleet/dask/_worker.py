"""What runs on the workers: one ``Fleet`` each, and the jobs it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, cast

from attrs import evolve, field, frozen
from distributed import Worker, WorkerPlugin, get_worker

from bitpeak_async.errors import BitPeakError, ConfigurationError, PlanError
from bitpeak_async.fleet._desired import read_specs_of
from bitpeak_async.fleet._run import Ledger
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.fleet import Fleet
from bitpeak_async.fleet.report import AccountReport
from bitpeak_async.keywords import ProvisionOptions
from bitpeak_async.provisioning.apply import ProvisionCancelledError
from bitpeak_async.provisioning.spec_files.document import refuse


@frozen(repr=False)
class Job:
    """What one task does: accounts of one key, or a part of one account.

    Its ``repr`` stands in Dask's logs and pages, and names the account only.

    Attributes:
        run: which run it belongs to.
        accounts: done one after the other.
        shard: which part of their specs, from 0.
        shards: of how many.
    """

    run: str
    accounts: tuple[Account, ...]
    shard: int = 0
    shards: int = 1

    @property
    def key(self) -> str:
        """What Dask calls the task; in its pages they are all of the kind ``provision``."""
        return f"provision-{self.run}-{self.accounts[0].name}-{self.shard}"

    def __repr__(self) -> str:
        first, *others = self.accounts
        more = f" and {len(others)} more" if others else ""
        part = f", shard {self.shard + 1} of {self.shards}" if self.shards > 1 else ""
        return f"Job({first.name!r}{more}{part})"


@frozen(repr=False)
class Batch:
    """Accounts that are looked at together; its ``repr`` shows none."""

    accounts: tuple[Account, ...]

    def __repr__(self) -> str:
        return f"Batch({len(self.accounts)} accounts)"


@frozen(repr=False)
class KeysSeen:
    """What one worker found when it resolved the keys of a batch.

    Attributes:
        fingerprints: one an account, None where it has no key; equal where URL and key are.
        problems: what is wrong, each with its account.
    """

    fingerprints: tuple[bytes | None, ...]
    problems: tuple[str, ...]


@frozen(repr=False)
class WorkerConfig:
    """What all workers of a run need to know.

    Attributes:
        run: its id.
        options: of ``Fleet``.
        arguments: of ``Fleet.provision_account``.
        keep_outcomes: whether outcomes without an error are returned.
        settle: seconds between the death of a worker and a second try of what it did.
        salt: of the fingerprints.
    """

    run: str
    options: dict[str, Any]
    arguments: ProvisionOptions
    keep_outcomes: bool
    settle: float
    salt: bytes = field(repr=False)


class WorkerFleet(WorkerPlugin):
    """One connector and one cap for all jobs of a run on one worker; it ends with the worker.

    Args:
        orders: of the run.
    """

    def __init__(self, orders: WorkerConfig) -> None:
        self.name = orders.run
        self.orders = orders
        self.is_stopped = False

    def setup(self, worker: Worker) -> None:
        """Begin, on the worker's loop."""
        self.scheduler = worker.scheduler
        self.fleet = Fleet(**self.orders.options)
        self.jobs = set[asyncio.Task[Any]]()

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask passes it by name
        """Cancel what is under way, which then tells how far it came, and close all connections."""
        self.is_stopped = True
        for job in self.jobs:
            job.cancel()
        if self.jobs:
            await asyncio.wait(self.jobs)
        await self.fleet.close()

    async def carry_out(self, job: Job) -> tuple[AccountReport, ...] | None:
        """Provision; None where the run was stopped before it began."""
        ledger = Ledger(None, None, self.orders.keep_outcomes)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self.jobs.add(task)
        try:
            await self._begin(job)
            for account in job.accounts:
                await self._provision(account, job, ledger)
        except asyncio.CancelledError:
            # If it is the worker that ends, the job runs again on another.
            if not self.is_stopped:
                raise
            task.uncancel()
        finally:
            self.jobs.discard(task)
        await self.scheduler.event_clear(name=job.key)
        return tuple(ledger.report())

    async def _begin(self, job: Job) -> None:
        """Note that the job begins; wait if it did before, on a worker that died.

        What that had sent may still be on its way, and would be missing in a listing.
        """
        if await self.scheduler.event_is_set(name=job.key):
            await asyncio.sleep(self.orders.settle)
        else:
            await self.scheduler.event_set(name=job.key)

    async def _provision(self, account: Account, job: Job, ledger: Ledger) -> None:
        try:
            part = await asyncio.to_thread(_part, account, job)
            report = await self.fleet.provision_account(part, **self.orders.arguments)
            ledger.done(account.name, report)
        except ProvisionCancelledError as cancelled:
            ledger.done(account.name, cancelled.report)
            raise
        except BitPeakError as error:
            ledger.failed(account.name, error)


async def carry_out(job: Job) -> tuple[AccountReport, ...] | None:
    """Do a job on the worker that this runs on; None where its run is over."""
    worker = get_worker()
    return await _fleet_of(job.run, worker).carry_out(job) if job.run in worker.plugins else None


async def count_specs(
    run: str, batch: Batch, *, prunes: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return how many handlers each account should have, and all that is wrong."""
    fleet = _fleet_of(run, get_worker()).fleet
    try:
        groups = await fleet._desired(batch.accounts, prunes=prunes)  # noqa: SLF001 - a fleet's own
    except PlanError as error:
        return {}, error.problems
    return {one.account.name: len(one.specs) for group in groups for one in group}, ()


async def look_at_keys(run: str, batch: Batch, dask_worker: Worker) -> KeysSeen:
    """Resolve the keys of all accounts on this worker; no key leaves it."""
    plugin = _fleet_of(run, dask_worker)
    return await asyncio.to_thread(_keys_seen, plugin.fleet, batch.accounts, plugin.orders.salt)


def _fleet_of(run: str, worker: Worker) -> WorkerFleet:
    return cast(WorkerFleet, worker.plugins[run])


def _keys_seen(fleet: Fleet, accounts: Sequence[Account], salt: bytes) -> KeysSeen:
    fingerprints: list[bytes | None] = []
    problems: list[str] = []
    for account in accounts:
        try:
            key = fleet._key_of(account)  # noqa: SLF001 - a fleet's own
        except ConfigurationError as error:
            fingerprints.append(None)
            problems.append(f"{account.title}: {error}")
        else:
            text = f"{key.base_url}\n{key.api_key.value}"
            fingerprints.append(blake2b(text.encode(), key=salt, digest_size=16).digest())
    return KeysSeen(tuple(fingerprints), tuple(problems))


def _part(account: Account, job: Job) -> Account:
    """Return the account with the specs of a shard, read here if they are in files."""
    if job.shards == 1 or not account.spec_files:
        return account
    [specs], problems = read_specs_of([account])
    refuse(problems)
    return account.with_specs(specs[job.shard :: job.shards])


def shard(job: Job, size: int, count: int) -> list[Job]:
    """Return the jobs of an account's parts, each of at most ``size`` of its ``count`` specs."""
    shards = max(1, -(-count // size))
    [account] = job.accounts
    if shards == 1:
        return [job]
    jobs = [evolve(job, shard=number, shards=shards) for number in range(shards)]
    if account.spec_files:  # they are read on the workers
        return jobs
    parts = (account.with_specs(account.specs[each.shard :: shards]) for each in jobs)
    return [evolve(each, accounts=(part,)) for each, part in zip(jobs, parts, strict=True)]
