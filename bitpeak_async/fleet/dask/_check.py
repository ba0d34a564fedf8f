"""Accounts → jobs, when every worker has shown that it can use them; nothing is sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from distributed import Client

from bitpeak_async._bulk.workers import as_finished
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.dask._worker import Batch, Job, KeysSeen, count_specs, look_at_keys, shard
from bitpeak_async.provisioning.spec_files.document import refuse

T = TypeVar("T")

_BATCH: Final = 200  # accounts; a few hundred KB where specs travel too


async def checked_jobs(
    client: Client,
    run: str,
    accounts: Sequence[Account],
    *,
    prunes: bool,
    shard_size: int | None,
    window: int,
) -> list[Job]:
    """Return all that is to be done. Accounts that share a key are one job.

    Args:
        client: of the cluster, whose workers have a ``WorkerFleet``.
        run: its name.
        accounts: all of them.
        prunes: whether handlers that are not desired are deleted; then no account is split.
        shard_size: how many handlers of an account a job does at most.
        window: batches sent at once.

    Raises:
        PlanError: accounts, keys or spec files are unusable on some worker; its ``problems`` are
            all there are.
    """
    groups = await _groups(client, run, accounts)
    counts: dict[str, int] = {}
    problems: list[str] = []

    async def count(numbered: tuple[int, Batch]) -> tuple[dict[str, int], tuple[str, ...]]:
        number, batch = numbered
        key = f"check-{run}-{number}"
        future = client.submit(count_specs, run, batch, prunes=prunes, key=key)
        return await future  # type: ignore[no-any-return]

    batches = (Batch(tuple(batch)) for batch in _batches(groups))
    async for counted, wrong in as_finished(count, enumerate(batches), window):
        counts |= counted
        problems += wrong
    refuse(problems)
    jobs: list[Job] = []
    for group in groups:
        job = Job(run, tuple(group))
        if shard_size is None or prunes or len(group) > 1:
            jobs.append(job)
        else:
            jobs += shard(job, shard_size, counts[group[0].name])
    return jobs


async def _groups(client: Client, run: str, accounts: Sequence[Account]) -> list[list[Account]]:
    """Return accounts by their key, which has to be the same on all workers."""
    groups = defaultdict[bytes, list[Account]](list)
    problems: list[str] = []
    for start in range(0, len(accounts), _BATCH):
        some = accounts[start : start + _BATCH]
        batch = Batch(tuple(account.with_specs(()) for account in some))
        answers = await client.run(look_at_keys, run, batch, on_error="return")
        seen = {
            worker: answer for worker, answer in answers.items() if isinstance(answer, KeysSeen)
        }
        for worker, answer in seen.items():
            problems += [f"{problem} (on worker {worker})" for problem in answer.problems]
        keys = [answer.fingerprints for answer in seen.values()]
        for account, *fingerprints in zip(some, *keys, strict=True):
            found = set(fingerprints) - {None}
            if len(found) > 1:
                problems.append(f"{account.title}: its key is not the same on all workers")
            for fingerprint in found:
                groups[fingerprint].append(account)
    refuse(problems)
    return list(groups.values())


def _batches(groups: Iterable[Sequence[T]]) -> Iterator[list[T]]:
    """Yield groups together, none of them split."""
    batch: list[T] = []
    for group in groups:
        batch += group
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
