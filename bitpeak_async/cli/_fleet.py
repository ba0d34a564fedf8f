"""``plan``, ``apply`` and ``check`` with ``--accounts``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from attrs import evolve

from bitpeak_async import PlanOptions, RequestTimeoutError
from bitpeak_async._secret import Secret
from bitpeak_async.cli import _output
from bitpeak_async.cli._connection import Connection, confirmed, is_interactive
from bitpeak_async.cli._dask import Dask
from bitpeak_async.cli._exit import Exit, UsageError, code_of_plans, is_refused
from bitpeak_async.cli._progress import progress
from bitpeak_async.cli._shared import Variables, replaced
from bitpeak_async.fleet import (
    Account,
    Fleet,
    FleetPlan,
    FleetReport,
    partial_fleet_report,
    read_accounts,
)
from bitpeak_async.fleet._resolve import read_account_specs
from bitpeak_async.provisioning.spec_files.document import refuse


def read(files: Sequence[Path], accounts: Path, variables: Variables) -> list[Account]:
    """Return the accounts of a file; their spec files are in a folder.

    Raises:
        UsageError: ``files`` is not exactly one folder.
        PlanError: the file is invalid.
    """
    if len(files) != 1 or not files[0].is_dir():
        given = ", ".join(map(str, files))
        raise UsageError(f"--accounts needs one folder that holds the spec files, not {given}")
    found = read_accounts(accounts, files[0], environ=variables.environ().reveal())
    return [variables.given_to(account) for account in found]


def check(accounts: list[Account]) -> tuple[int, list[str]]:
    """Return the number of desired handlers, and a problem for each variable that is not set.

    Raises:
        PlanError: a spec file is invalid.
    """
    unset: dict[str, str] = {}
    specs, problems = read_account_specs(accounts, unset)
    refuse(problems)
    return sum(map(len, specs)), [*unset.values()]


async def plan(
    accounts: list[Account],
    connection: Connection,
    *,
    planning: PlanOptions,
    exit_code: bool,
    as_markdown: bool,
    as_json: bool,
) -> Exit:
    """Show what ``apply`` would change in each account."""
    async with _targets(connection, accounts) as targets, _fleet(*targets) as fleet:
        planned = await fleet.plan(deadline=connection.deadline, **planning)
    _show_plan(planned, connection, as_markdown=as_markdown, as_json=as_json)
    if planned.errors:
        return _code_of_errors(planned)
    return code_of_plans(planned.plans.values()) if exit_code else Exit.DONE


async def apply(
    accounts: list[Account],
    connection: Connection,
    *,
    planning: PlanOptions,
    max_deletes: int | None,
    force: bool,
    yes: bool,
    as_json: bool,
    dask: Dask,
) -> Exit:
    """Bring each account to its desired state."""
    prunes = planning.get("prune") is not None
    must_ask = (is_interactive() or prunes) and not (yes or connection.sandbox)
    if dask.is_wanted and must_ask:
        raise UsageError(
            "--dask cannot ask for confirmation: check 'bitpeak plan --accounts', then add --yes"
        )
    open_fleet = dask.open if dask.is_wanted else _fleet
    async with (
        _targets(connection, accounts) as targets,
        open_fleet(*targets) as fleet,
    ):
        planned = None
        if must_ask and isinstance(fleet, Fleet):
            planned = await fleet.plan(deadline=connection.deadline, **planning)
            if not as_json:
                _show_plan(planned, connection, as_json=False)
            deletes = any(plan.deletes for plan in planned.plans.values())
            if not planned.is_empty and not confirmed(
                f"Apply to {connection.place}?", is_required=deletes, as_json=as_json
            ):
                _output.print_error("nothing was changed")
                return Exit.ERROR
        write: Callable[..., Awaitable[FleetReport]] = partial(fleet.provision, **planning)
        if planned is not None and isinstance(fleet, Fleet):
            write = partial(fleet.apply, planned)
        try:
            with progress(len(fleet.accounts), "account") as on_account:
                report = await write(
                    on_account=on_account,
                    keep_outcomes=as_json,
                    deadline=connection.deadline,
                    max_deletes=max_deletes,
                    force=force,
                )
        except (asyncio.CancelledError, RequestTimeoutError) as ended:
            if (known := partial_fleet_report(ended)) is not None:
                _show_report(known, connection.place, as_json=as_json)
            raise
    _show_report(report, connection.place, as_json=as_json)
    return _code_of(report)


@asynccontextmanager
async def _targets(
    connection: Connection, accounts: list[Account]
) -> AsyncGenerator[tuple[Connection, list[Account]], None]:
    """Yield both arguments, changed to use a sandbox if ``--sandbox`` was given."""
    if not connection.sandbox:
        yield connection, accounts
        return
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - slow to import

    keys = [f"sandbox-key-{number}" for number in range(len(accounts))]
    sandboxed = [
        replaced(account, api_key=key, base_url=None)
        for account, key in zip(accounts, keys, strict=True)
    ]
    async with Sandbox(api_keys=keys) as server:
        _output.note(f"Sandbox at {server.base_url}")
        yield evolve(connection, base_url=server.base_url, redis=Secret(None)), sandboxed


def _fleet(connection: Connection, accounts: list[Account]) -> Fleet:
    return Fleet(accounts, **connection.fleet_options())


def _show_plan(
    planned: FleetPlan, connection: Connection, *, as_markdown: bool = False, as_json: bool
) -> None:
    if as_markdown:
        place = None if connection.profile is None else connection.place
        _output.write_document(planned.to_markdown(place=place))
        return
    if not as_json:
        _output.show_diff(str(planned), connection.place)
        return
    plans = {name: json.loads(plan.to_json()) for name, plan in planned.plans.items()}
    errors = {name: _output.error_json(error) for name, error in planned.errors.items()}
    _output.show_json({"summary": planned.summary, "accounts": plans, "errors": errors})


def _show_report(report: FleetReport, place: str, *, as_json: bool) -> None:
    if as_json:
        accounts = {
            account.account: {
                "ok": account.ok,
                "error": account.error and _output.error_json(account.error),
                "report": account.report and _output.report_json(account.report),
            }
            for account in report
        }
        _output.show_json(
            {"server": place, "summary": report.summary, "ok": report.ok, "accounts": accounts}
        )
        return
    for account in report:
        for outcome in account.report.outcomes if account.report else ():
            if outcome.error:
                problem = f"{outcome.change.name!r}: {outcome.error}"
                _output.show(f"! account {account.account!r}: {problem}", "red")
    *lines, summary = str(report).splitlines()
    for line in lines:
        _output.show(line)
    _output.show(f"{summary} on {place}", "bold")


def _code_of(report: FleetReport) -> Exit:
    if report.ok:
        return Exit.DONE
    if all(account.error and is_refused(account.error) for account in report):
        return Exit.KEY_REFUSED
    if all(account.error for account in report):
        return Exit.ERROR
    if any(account.error or (account.report and account.report.failed) for account in report):
        return Exit.CHANGES_FAILED
    return Exit.UNRESOLVED


def _code_of_errors(planned: FleetPlan) -> Exit:
    all_refused = not planned.plans and all(map(is_refused, planned.errors.values()))
    return Exit.KEY_REFUSED if all_refused else Exit.ERROR
