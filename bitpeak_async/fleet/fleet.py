"""Many accounts in one process: each key has its own pace, and all share one connector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Self, TypeAlias, Unpack

from bitpeak_async._checks import check_number, check_type
from bitpeak_async._secret import hides
from bitpeak_async.client import BitPeak
from bitpeak_async.errors import BitPeakError
from bitpeak_async.fleet._client_pool import ClientPool
from bitpeak_async.fleet._resolve import ResolvedAccount, checked_accounts
from bitpeak_async.fleet._run import run_all, within
from bitpeak_async.fleet._tally import Tally
from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.report import AccountReport, FleetPlan, FleetReport
from bitpeak_async.keywords import (
    ApplyOptions,
    ClientConfig,
    ClientOptions,
    PlanOptions,
    ProvisionConfig,
    ProvisionOptions,
    refuse_unknown,
    takes,
)
from bitpeak_async.provisioning.plan import Plan
from bitpeak_async.provisioning.report import Outcome, Report, partial_report

__all__ = ["Fleet"]

OnOutcome: TypeAlias = Callable[[str, Outcome], object]
OnAccount: TypeAlias = Callable[[AccountReport], object]
OnAccountOutcome: TypeAlias = Callable[[Outcome], object]
Write: TypeAlias = Callable[
    [BitPeak, ResolvedAccount, OnAccountOutcome | None], Coroutine[Any, Any, Report]
]


@takes(ClientOptions, ClientConfig)
class Fleet:
    """Provisions many accounts concurrently, on one connector.

    Use it as ``async with Fleet(accounts) as fleet:``, or call ``close()`` when done. A fleet
    belongs to one event loop. Each key has its own pace. Accounts with the same key and base URL
    share a pace and run one after another.

    The options apply to each key; an account may override ``base_url`` and ``pace``. If you pass a
    ``pace_store`` and it does not answer at the start, calls raise NotSentError and send nothing.

    Args:
        accounts: accounts with unique names.
        in_flight: the most requests in flight at once, over all keys.
        **options: see ``ClientOptions``.

    Raises:
        ConfigurationError: an argument is unusable, or accounts share a name.
    """

    @hides("proxy", "headers")
    def __init__(
        self,
        accounts: Iterable[Account] = (),
        *,
        in_flight: int = 100,
        **options: Unpack[ClientOptions],
    ) -> None:
        refuse_unknown("Fleet", options, ClientOptions)
        check_number("Fleet(in_flight=)", in_flight, 1, integer=True)
        config = ClientConfig(**options)
        self.accounts: tuple[Account, ...] = checked_accounts(accounts)
        self._clients = ClientPool(in_flight, config)

    @takes(ProvisionOptions, ProvisionConfig)
    async def provision(
        self,
        *,
        on_outcome: OnOutcome | None = None,
        on_account: OnAccount | None = None,
        keep_outcomes: bool = True,
        deadline: float | None = None,
        **options: Unpack[ProvisionOptions],
    ) -> FleetReport:
        """Bring all accounts to their desired states; see ``BitPeak.provision``.

        The options apply to each account. A failed account does not stop the others. To resume an
        interrupted run, run it again: it writes only what is still missing.

        Args:
            on_outcome: called with the account's name and each outcome, as it ends. Exceptions it
                raises are only logged.
            on_account: called with each account's report, as it ends. Exceptions are only logged.
            keep_outcomes: keep all outcomes in the report. If False, it keeps the failed ones and
                the counts, so memory does not grow with the number of handlers.
            deadline: seconds for the whole run. Requests then in flight get ``grace`` seconds.
            **options: see ``PlanOptions`` and ``ApplyOptions``.

        Raises:
            PlanError: accounts, keys or spec files are unusable; ``problems`` lists everything.
                Nothing was sent.
            RequestTimeoutError: the deadline passed. ``partial_fleet_report(error)`` returns the
                report so far; it also works with the CancelledError of a cancelled run.
        """
        refuse_unknown("Fleet.provision", options, ProvisionOptions)
        prunes = ProvisionConfig(**options).prune is not None
        tally = Tally(on_outcome, on_account, keep_outcomes)

        def write(
            client: BitPeak, resolved: ResolvedAccount, on_outcome: OnAccountOutcome | None
        ) -> Coroutine[Any, Any, Report]:
            return client.provision(resolved.specs, on_outcome=on_outcome, **options)

        async with within(deadline):
            groups = await self._clients.resolve(self.accounts, prunes=prunes)
            return await self._write(groups, write, tally)

    @takes(PlanOptions, ProvisionConfig)
    async def plan(
        self, *, deadline: float | None = None, **options: Unpack[PlanOptions]
    ) -> FleetPlan:
        """Compare all accounts with their desired states; reads only.

        The options apply to each account.

        Args:
            deadline: seconds for the whole plan.
            **options: see ``PlanOptions``.

        Raises:
            PlanError: accounts, keys or spec files are unusable; ``problems`` lists everything.
                Nothing was sent.
            RequestTimeoutError: the deadline passed.
        """
        refuse_unknown("Fleet.plan", options, PlanOptions)
        prunes = ProvisionConfig(**options).prune is not None
        plans: dict[str, Plan] = {}
        errors: dict[str, BitPeakError] = {}

        async def read(resolved: ResolvedAccount) -> None:
            name = resolved.account.name
            try:
                async with self._clients.client(resolved) as client:
                    plans[name] = await client.plan(resolved.specs, **options)
            except BitPeakError as error:
                errors[name] = error

        async with within(deadline):
            groups = await self._clients.resolve(self.accounts, prunes=prunes)
            await run_all(groups, read, self._clients.wait_for_room)
        return FleetPlan(plans, errors)

    @takes(ApplyOptions, ProvisionConfig)
    async def apply(
        self,
        plan: FleetPlan,
        *,
        on_outcome: OnOutcome | None = None,
        on_account: OnAccount | None = None,
        keep_outcomes: bool = True,
        deadline: float | None = None,
        **options: Unpack[ApplyOptions],
    ) -> FleetReport:
        """Carry out a fleet's plan; see ``BitPeak.apply`` and ``provision``.

        The options apply to each account. The report holds the plan's error for each account that
        could not be planned, and a PlanError for each whose handlers have changed since.

        Args:
            plan: the result of ``plan()``.
            on_outcome: as for ``provision()``.
            on_account: as for ``provision()``.
            keep_outcomes: as for ``provision()``.
            deadline: as for ``provision()``.
            **options: see ``ApplyOptions``.
        """
        refuse_unknown("Fleet.apply", options, ApplyOptions)
        ProvisionConfig(**options)
        check_type("plan", plan, FleetPlan)
        tally = Tally(on_outcome, on_account, keep_outcomes)

        def write(
            client: BitPeak, resolved: ResolvedAccount, on_outcome: OnAccountOutcome | None
        ) -> Coroutine[Any, Any, Report]:
            return client.apply(plan.plans[resolved.account.name], on_outcome=on_outcome, **options)

        for name, error in plan.errors.items():
            tally.add_error(name, error)
        planned = [account for account in self.accounts if account.name in plan.plans]

        async with within(deadline):
            groups = await self._clients.resolve(planned, prunes=False)
            return await self._write(groups, write, tally)

    @takes(ProvisionOptions, ProvisionConfig)
    async def provision_account(
        self,
        account: Account,
        *,
        on_outcome: OnAccountOutcome | None = None,
        **options: Unpack[ProvisionOptions],
    ) -> Report:
        """Provision one account, which need not be one of the fleet's.

        It is for task queues that spread accounts over workers.

        To provision only some of its handlers, pass ``account.with_specs(part)`` without ``prune``.

        Args:
            account: the account.
            on_outcome: called with each outcome, as it ends. Exceptions it raises are only logged.
            **options: see ``PlanOptions`` and ``ApplyOptions``.

        Raises:
            PlanError: the account, its key or its spec files are unusable.
            BitPeakError: see ``BitPeak.provision``.
        """
        refuse_unknown("Fleet.provision_account", options, ProvisionOptions)
        return await self._clients.provision(account, on_outcome=on_outcome, **options)

    async def close(self) -> None:
        """Close all connections. Closing twice is fine."""
        await self._clients.close()

    async def __aenter__(self) -> Self:
        self._clients.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Fleet({len(getattr(self, 'accounts', ()))} accounts)"

    async def _write(
        self, groups: Iterable[Iterable[ResolvedAccount]], write: Write, tally: Tally
    ) -> FleetReport:
        async def work(resolved: ResolvedAccount) -> None:
            name = resolved.account.name
            try:
                async with self._clients.client(resolved) as client:
                    report = await write(client, resolved, tally.listener(name))
                    tally.add_report(name, report)
            except asyncio.CancelledError as cancelled:
                if (known := partial_report(cancelled)) is not None:
                    tally.add_report(name, known)
                raise
            except BitPeakError as error:
                tally.add_error(name, error)

        try:
            await run_all(groups, work, self._clients.wait_for_room)
        except asyncio.CancelledError as cancelled:
            vars(cancelled)["report"] = tally.report()
            raise
        return tally.report()
