"""The data of Dask tasks, as sent to the workers."""

from __future__ import annotations

from attrs import evolve, field, frozen

from bitpeak_async.fleet.account import Account
from bitpeak_async.keywords import PortableOptions, ProvisionOptions


@frozen(repr=False)
class AccountTask:
    """One Dask task: accounts with one key, or a part of one account.

    Its ``repr`` appears in Dask's logs and pages, so it shows only the account's name.

    Attributes:
        run: the name of the run.
        accounts: the accounts to provision, one after another.
        shard: the number of the part, from 0.
        shards: the number of parts.
    """

    run: str
    accounts: tuple[Account, ...]
    shard: int = 0
    shards: int = 1

    @property
    def key(self) -> str:
        """The name of the task in Dask. Dask's pages group tasks by its first word."""
        return f"provision-{self.run}-{self.accounts[0].name}-{self.shard}"

    def __repr__(self) -> str:
        first, *others = self.accounts
        more = f" and {len(others)} more" if others else ""
        part = f", shard {self.shard + 1} of {self.shards}" if self.shards > 1 else ""
        return f"AccountTask({first.name!r}{more}{part})"


def split(task: AccountTask, size: int, count: int) -> list[AccountTask]:
    """Split the task of one account into parts of at most ``size`` of its ``count`` specs."""
    shards = max(1, -(-count // size))
    [account] = task.accounts
    if shards == 1:
        return [task]
    parts = [evolve(task, shard=number, shards=shards) for number in range(shards)]
    if account.spec_files:  # the workers read them
        return parts
    return [
        evolve(part, accounts=(account.with_specs(account.specs[part.shard :: shards]),))
        for part in parts
    ]


@frozen(repr=False)
class AccountBatch:
    """Accounts that are checked together; the ``repr`` names none of them."""

    accounts: tuple[Account, ...]

    def __repr__(self) -> str:
        return f"AccountBatch({len(self.accounts)} accounts)"


@frozen(repr=False)
class KeyFingerprints:
    """Hashes of the keys of a batch, as one worker resolved them.

    Attributes:
        fingerprints: one per account; equal if URL and key are, None if there is no key.
        problems: what is wrong, with the account's name.
    """

    fingerprints: tuple[bytes | None, ...]
    problems: tuple[str, ...]


@frozen(repr=False)
class WorkerConfig:
    """The configuration of every worker of a run.

    Attributes:
        run: the name of the run.
        in_flight: the most requests in flight at once on one worker.
        client_options: the options of each client.
        provision_options: the options for each account.
        keep_outcomes: whether to return outcomes that have no error.
        retry_delay: seconds to wait before a task of a dead worker runs again.
        salt: the hash key of the fingerprints.
    """

    run: str
    in_flight: int
    client_options: PortableOptions
    provision_options: ProvisionOptions
    keep_outcomes: bool
    retry_delay: float
    salt: bytes = field(repr=False)
