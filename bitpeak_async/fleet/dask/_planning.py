"""Checks all accounts on the workers and divides them into tasks; sends no API request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from distributed import Client

from bitpeak_async._bulk.workers import as_finished
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.dask._tasks import AccountBatch, AccountTask, KeyFingerprints, split
from bitpeak_async.fleet.dask._worker import count_specs, fingerprint_keys
from bitpeak_async.provisioning.spec_files.document import refuse

T = TypeVar("T")

_BATCH: Final = 200  # accounts; a few hundred KB with their specs


async def plan_tasks(
    client: Client,
    run: str,
    accounts: Sequence[Account],
    *,
    prunes: bool,
    shard_size: int | None,
    window: int,
) -> list[AccountTask]:
    """Return the tasks that provision all accounts. Accounts that share a key share a task.

    Args:
        client: a client of the cluster, whose workers have the run's ``FleetPlugin``.
        run: the name of the run.
        accounts: all accounts.
        prunes: whether handlers that are not desired are deleted; if so, no account is split.
        shard_size: the most handlers of an account per task.
        window: the number of batches to submit at once.

    Raises:
        PlanError: accounts, keys or spec files are unusable on some worker; ``problems`` lists
            everything.
    """
    groups = await _group_by_key(client, run, accounts)
    counts: dict[str, int] = {}
    problems: list[str] = []

    async def count(numbered: tuple[int, AccountBatch]) -> tuple[dict[str, int], tuple[str, ...]]:
        number, batch = numbered
        key = f"check-{run}-{number}"
        future = client.submit(count_specs, run, batch, prunes=prunes, key=key)
        return await future  # type: ignore[no-any-return]

    batches = (AccountBatch(tuple(batch)) for batch in _batches(groups))
    async for counted, wrong in as_finished(count, enumerate(batches), window):
        counts |= counted
        problems += wrong
    refuse(problems)
    tasks: list[AccountTask] = []
    for group in groups:
        task = AccountTask(run, tuple(group))
        if shard_size is None or prunes or len(group) > 1:
            tasks.append(task)
        else:
            tasks += split(task, shard_size, counts[group[0].name])
    return tasks


async def _group_by_key(
    client: Client, run: str, accounts: Sequence[Account]
) -> list[list[Account]]:
    """Group accounts by key; each key must be the same on all workers."""
    groups = defaultdict[bytes, list[Account]](list)
    problems: list[str] = []
    for start in range(0, len(accounts), _BATCH):
        some = accounts[start : start + _BATCH]
        batch = AccountBatch(tuple(account.with_specs(()) for account in some))
        answers = await client.run(fingerprint_keys, run, batch, on_error="return")
        seen = {
            worker: answer
            for worker, answer in answers.items()
            if isinstance(answer, KeyFingerprints)
        }
        for worker, answer in seen.items():
            problems += [f"{problem} (on worker {worker})" for problem in answer.problems]
        keys = [answer.fingerprints for answer in seen.values()]
        for account, *fingerprints in zip(some, *keys, strict=True):
            distinct = set(fingerprints) - {None}
            if len(distinct) > 1:
                problems.append(f"{account.title}: its key is not the same on all workers")
            for fingerprint in distinct:
                groups[fingerprint].append(account)
    refuse(problems)
    return list(groups.values())


def _batches(groups: Iterable[Sequence[T]]) -> Iterator[list[T]]:
    """Join groups into batches of about ``_BATCH``, without splitting a group."""
    batch: list[T] = []
    for group in groups:
        batch += group
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
