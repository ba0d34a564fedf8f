"""Many accounts in one process: each with its key and pace, all on one connector."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl as tls
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

from bitpeak_async._checks import check_type, checked_base_url, checked_hooks
from bitpeak_async._rate.store import PaceStore
from bitpeak_async.client import MAX_REPLY_BYTES, BitPeak, check_application, client_over
from bitpeak_async.errors import BitPeakError, ConfigurationError
from bitpeak_async.events import Hook
from bitpeak_async.fleet._clients import Clients
from bitpeak_async.fleet._desired import Credentials, ResolvedAccount, desired, key_of
from bitpeak_async.fleet._run import Ledger, run_all
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.report import AccountReport, FleetCancelledError, FleetPlan, FleetReport
from bitpeak_async.options import Pace, Retry, Timeout, check_number
from bitpeak_async.provisioning.apply import Outcome, ProvisionCancelledError, Report
from bitpeak_async.provisioning.plan import Plan
from bitpeak_async.settings import Hidden

__all__ = ["Fleet"]

OnOutcome: TypeAlias = Callable[[str, Outcome], object]
OnAccount: TypeAlias = Callable[[AccountReport], object]
Write: TypeAlias = Callable[
    [BitPeak, ResolvedAccount, Callable[[Outcome], object] | None], Coroutine[Any, Any, Report]
]


class Fleet:
    """Many accounts, provisioned at once on one connector.

    Use it as ``async with Fleet(accounts) as fleet:``, or call ``close()`` when done; it serves
    one event loop. Each key has a pace of its own. Accounts that share key and base URL share
    that pace, and run one after another.

    Args:
        accounts: with unique names.
        base_url: of accounts that tell none; by default as for ``BitPeak``.
        in_flight: requests under way at once, of all keys together.
        pace: of each key whose account tells none.
        timeout: of one attempt, in seconds. It begins when the request may leave.
        retry: when to try again.
        pace_store: where all processes meet that use one of the keys. Unless it answers, nothing
            is begun: NotSentError.
        proxy: and all others: as for ``BitPeak``.

    Raises:
        ConfigurationError: an argument is unusable, or accounts share a name; it names each.
    """

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        *,
        base_url: str | None = None,
        in_flight: int = 100,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        retry: Retry = Retry(),  # noqa: B008 - frozen
        proxy: str | None = None,
        ssl: tls.SSLContext | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        allow_insecure: bool = False,
        hooks: Iterable[Hook] = (),
        pace_store: PaceStore | None = None,
        timezone: dt.tzinfo = dt.UTC,
    ) -> None:
        check_number("Fleet(in_flight=)", in_flight, 1, integer=True)
        self.accounts: tuple[Account, ...] = _distinct(accounts)
        self._base_url = checked_base_url(base_url, allow_insecure=allow_insecure)
        self._clients = Clients(
            in_flight,
            partial(
                client_over,
                timeout=timeout,
                retry=retry,
                proxy=proxy,
                ssl=ssl,
                max_reply_bytes=max_reply_bytes,
                allow_insecure=allow_insecure,
                hooks=checked_hooks(hooks),
                timezone=timezone,
            ),
            pace,
            pace_store,
        )
        # All options are checked here, not by the first account.
        self._clients.check(Credentials(self._base_url, Hidden("key")))

    async def provision(
        self,
        *,
        prune: str | None = None,
        on_outcome: OnOutcome | None = None,
        on_account: OnAccount | None = None,
        keep_outcomes: bool = True,
        remove_duplicates: bool = False,
        max_deletes: int | None = None,
        force: bool = False,
        grace: float = 5.0,
    ) -> FleetReport:
        """Bring all accounts to their desired states; see ``BitPeak.provision``.

        An account that fails stops no other. Running it again writes nothing, so a run that
        broke off is resumed by running again.

        Args:
            prune: a pattern of names, in each account.
            on_outcome: called with the account's name and each outcome, as it ends. What it
                raises is logged only.
            on_account: called with each account's report, as it ends; likewise.
            keep_outcomes: keep all outcomes in the report; else only those that failed, and the
                counts, so that memory does not grow with the handlers.
            remove_duplicates: delete copies that creates of this very run made late.
            max_deletes: refuse an account whose plan deletes more.
            force: carry out even plans that delete more than 30 % of what ``prune`` matches.
            grace: seconds that changes under way have to end when the task is cancelled.

        Raises:
            PlanError: accounts, keys or spec files are unusable; its ``problems`` are all there
                are. Nothing was sent.
            FleetCancelledError: the task was cancelled; it is a CancelledError that holds the
                partial report.
        """
        check_application(on_outcome, max_deletes, grace)

        def write(
            client: BitPeak, one: ResolvedAccount, tell: Callable[[Outcome], object] | None
        ) -> Coroutine[Any, Any, Report]:
            return client.provision(
                one.specs,
                prune=prune,
                on_outcome=tell,
                remove_duplicates=remove_duplicates,
                max_deletes=max_deletes,
                force=force,
                grace=grace,
            )

        groups = await self._desired(self.accounts, prunes=prune is not None)
        return await self._write(groups, write, Ledger(on_outcome, on_account, keep_outcomes))

    async def plan(self, *, prune: str | None = None) -> FleetPlan:
        """Compare all accounts with their desired states; reads only.

        Args:
            prune: a pattern of names, in each account; see ``BitPeak.plan``.

        Raises:
            PlanError: accounts, keys or spec files are unusable; its ``problems`` are all there
                are. Nothing was sent.
        """
        groups = await self._desired(self.accounts, prunes=prune is not None)
        plans: dict[str, Plan] = {}
        errors: dict[str, BitPeakError] = {}

        async def read(one: ResolvedAccount) -> None:
            try:
                async with self._clients.of(one) as client:
                    plans[one.account.name] = await client.plan(one.specs, prune=prune)
            except BitPeakError as error:
                errors[one.account.name] = error

        await run_all(groups, read, self._clients.room)
        return FleetPlan(plans, errors)

    async def apply(
        self,
        plan: FleetPlan,
        *,
        on_outcome: OnOutcome | None = None,
        on_account: OnAccount | None = None,
        keep_outcomes: bool = True,
        remove_duplicates: bool = False,
        max_deletes: int | None = None,
        force: bool = False,
        grace: float = 5.0,
    ) -> FleetReport:
        """Carry out a fleet's plan; see ``BitPeak.apply`` and ``provision``.

        An account that could not be planned is reported with that error, and one whose handlers
        changed since with a PlanError.
        """
        check_type("plan", plan, FleetPlan)
        check_application(on_outcome, max_deletes, grace)

        def write(
            client: BitPeak, one: ResolvedAccount, tell: Callable[[Outcome], object] | None
        ) -> Coroutine[Any, Any, Report]:
            return client.apply(
                plan.plans[one.account.name],
                on_outcome=tell,
                remove_duplicates=remove_duplicates,
                max_deletes=max_deletes,
                force=force,
                grace=grace,
            )

        ledger = Ledger(on_outcome, on_account, keep_outcomes)
        for name, error in plan.errors.items():
            ledger.failed(name, error)
        planned = [account for account in self.accounts if account.name in plan.plans]
        return await self._write(await self._desired(planned), write, ledger)

    async def provision_account(
        self,
        account: Account,
        *,
        prune: str | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        remove_duplicates: bool = False,
        max_deletes: int | None = None,
        force: bool = False,
        grace: float = 5.0,
    ) -> Report:
        """Provision one account, which need not be one of the fleet's.

        This is what one of many workers does. To give it a part of an account's handlers only,
        pass ``account.with_specs(part)``, and no ``prune``.

        Raises:
            PlanError: account, key or spec files are unusable.
            BitPeakError: and all others: as ``BitPeak.provision``.
        """
        [[one]] = await self._desired([account], prunes=prune is not None)
        async with self._clients.of(one) as client:
            return await client.provision(
                one.specs,
                prune=prune,
                on_outcome=on_outcome,
                remove_duplicates=remove_duplicates,
                max_deletes=max_deletes,
                force=force,
                grace=grace,
            )

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        await self._clients.close()

    async def __aenter__(self) -> Self:
        self._clients.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Fleet({len(getattr(self, 'accounts', ()))} accounts)"

    def _key_of(self, account: Account) -> Credentials:
        return key_of(account, self._base_url, self._clients.check)

    async def _desired(
        self, accounts: Sequence[Account], *, prunes: bool = False
    ) -> list[list[ResolvedAccount]]:
        self._clients.open()
        # Thousands of files would hold up the loop.
        groups = await asyncio.to_thread(
            desired, accounts, self._base_url, self._clients.check, prunes=prunes
        )
        await self._clients.reach_store()
        return groups

    async def _write(
        self, groups: Iterable[Iterable[ResolvedAccount]], write: Write, ledger: Ledger
    ) -> FleetReport:
        async def work(one: ResolvedAccount) -> None:
            name = one.account.name
            try:
                async with self._clients.of(one) as client:
                    ledger.done(name, await write(client, one, ledger.telling(name)))
            except ProvisionCancelledError as cancelled:
                ledger.done(name, cancelled.report)
                raise
            except BitPeakError as error:
                ledger.failed(name, error)

        try:
            await run_all(groups, work, self._clients.room)
        except asyncio.CancelledError:
            raise FleetCancelledError(ledger.report()) from None
        return ledger.report()


def _distinct(accounts: Iterable[Account]) -> tuple[Account, ...]:
    given = tuple(accounts)
    for account in given:
        check_type("accounts", account, Account)
    counts = Counter(account.name for account in given)
    if several := [account.title for account in given if counts[account.name] > 1]:
        raise ConfigurationError(f"names of accounts must be unique: {'; '.join(several)}")
    return given
