"""Plans and reports of a fleet, by account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from attrs import field, frozen

from bitpeak_async.errors import BitPeakError, ProvisionError
from bitpeak_async.provisioning import plan_markdown
from bitpeak_async.provisioning.plan import Plan
from bitpeak_async.provisioning.report import Report, Result, carried_report

__all__ = ["AccountReport", "FleetPlan", "FleetReport", "partial_fleet_report"]

_ALWAYS: Final = (Result.CREATED, Result.UPDATED, Result.UNCHANGED, Result.FAILED)


@frozen(repr=False)
class AccountReport:
    """The result of one account.

    Attributes:
        account: the account's name.
        report: all outcomes, or only the failed ones with ``keep_outcomes=False``. None if the
            account failed before anything was written.
        error: why the whole account failed, or None.
        counts: result → number of outcomes.
    """

    account: str
    report: Report | None = None
    error: BitPeakError | None = None
    counts: Mapping[Result, int] = field(factory=Counter)

    def __repr__(self) -> str:
        return f"AccountReport({self.account!r}, {self.summary})"

    @property
    def ok(self) -> bool:
        """Whether every handler of the account now matches its spec."""
        return self.error is None and (self.report is None or self.report.ok)

    @property
    def errors(self) -> tuple[BitPeakError, ...]:
        """The error of the account, or those of its handlers."""
        if self.error is not None:
            return (self.error,)
        outcomes = self.report.outcomes if self.report is not None else ()
        return tuple(outcome.error for outcome in outcomes if outcome.error)

    @property
    def summary(self) -> str:
        """One line: the counts, or the error."""
        if self.error is not None:
            return str(self.error)
        return ", ".join(f"{self.counts.get(result, 0)} {result}" for result in _columns([self]))


@frozen(repr=False)
class FleetReport:
    """The result of each account; ``str(report)`` is a table of counts without secrets.

    Attributes:
        accounts: name → report, in the order in which the accounts ended.
    """

    accounts: Mapping[str, AccountReport]

    def __repr__(self) -> str:
        return f"FleetReport({self.summary})"

    def __iter__(self) -> Iterator[AccountReport]:
        return iter(self.accounts.values())

    @property
    def ok(self) -> bool:
        """Whether every handler of every account now matches its spec."""
        return all(account.ok for account in self)

    @property
    def failed(self) -> tuple[AccountReport, ...]:
        """The accounts where anything failed or is unresolved."""
        return tuple(account for account in self if not account.ok)

    @property
    def totals(self) -> Mapping[Result, int]:
        """Result → number of handlers, over all accounts."""
        totals = Counter[Result]()
        for account in self:
            totals.update(account.counts)
        return totals

    @property
    def summary(self) -> str:
        """One line, such as ``"2 of 3 accounts ok: 40 created, 0 updated, …"``."""
        failed = len(self.failed)
        totals = self.totals
        counts = ", ".join(f"{totals.get(result, 0)} {result}" for result in _columns(self))
        return f"{len(self.accounts) - failed} of {len(self.accounts)} accounts ok: {counts}"

    def __str__(self) -> str:
        columns = _columns(self)
        rows = [("account", *columns)]
        rows += [_row(account, columns) for account in self]
        totals = self.totals
        rows.append(("total", *(str(totals.get(result, 0)) for result in columns)))
        return "\n".join([*_table(rows), self.summary])

    def raise_for_failures(self) -> None:
        """Raise ProvisionError if anything failed or is unresolved; ``errors`` holds each error."""
        failed = self.failed
        if failed:
            errors = tuple(error for account in failed for error in account.errors)
            raise ProvisionError(
                f"{len(failed)} of {len(self.accounts)} accounts failed; the first: account "
                f"{failed[0].account!r}: {errors[0]}",
                errors=errors,
            )


@frozen(repr=False)
class FleetPlan:
    """The plan of each account; ``str(plan)`` shows each diff without secrets.

    Attributes:
        plans: name → plan.
        errors: name → why there is no plan.
    """

    plans: Mapping[str, Plan]
    errors: Mapping[str, BitPeakError] = field(factory=dict)

    def __repr__(self) -> str:
        return f"FleetPlan({self.summary})"

    @property
    def is_empty(self) -> bool:
        """Whether no account has changes, conflicts or errors."""
        return not self.errors and all(plan.is_empty for plan in self.plans.values())

    @property
    def summary(self) -> str:
        """One line, such as ``"2 of 3 accounts to change, 1 failed"``."""
        changing = sum(not plan.is_empty for plan in self.plans.values())
        total = len(self.plans) + len(self.errors)
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return f"{changing} of {total} accounts to change{failed}"

    def to_markdown(self, *, place: str | None = None) -> str:
        """Return all plans as one Markdown document; see ``Plan.to_markdown``.

        Args:
            place: the server's name in the document; by default each account's base URL.
        """
        tables = [
            plan.markdown_table(f"{name}: {place or plan.server or ''}")
            for name, plan in self.plans.items()
            if not plan.is_empty or plan.warnings
        ]
        errors = [f"account {name!r}: {error}" for name, error in self.errors.items()]
        return plan_markdown.render(self.summary, [*tables, ("", (), errors)])

    def __str__(self) -> str:
        lines: list[str] = []
        for name, plan in self.plans.items():
            if not plan.is_empty or plan.warnings:
                lines += [f"account {name!r}:", *str(plan).splitlines()]
        lines += [f"! account {name!r}: {error}" for name, error in self.errors.items()]
        return "\n".join([*lines, self.summary])


def partial_fleet_report(error: BaseException | None) -> FleetReport | None:
    """Return the report of a fleet's run that an exception ended, or None if there is none.

    Works with a ``CancelledError``, the ``TimeoutError`` of ``asyncio.timeout()`` and the
    ``RequestTimeoutError`` of a deadline. The report holds the accounts that had started to write.
    """
    return carried_report(error, FleetReport)


def _columns(accounts: Iterable[AccountReport]) -> tuple[Result, ...]:
    """Return the results to show: the usual ones, and any others that occurred."""
    found = {result for account in accounts for result, count in account.counts.items() if count}
    return tuple(result for result in Result if result in found or result in _ALWAYS)


def _row(account: AccountReport, columns: tuple[Result, ...]) -> tuple[str, ...]:
    name = account.account
    if account.error is not None:
        return name, f"{type(account.error).__name__}: {account.error}"
    return name, *(str(account.counts.get(result, 0)) for result in columns)


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    width = max(len(row[0]) for row in rows)
    for name, *cells in rows:
        if len(cells) == 1:  # an error
            yield f"{name:{width}}  {cells[0]}"
            continue
        shown = (f"{cell:>{len(head)}}" for cell, head in zip(cells, rows[0][1:], strict=True))
        yield "  ".join([f"{name:{width}}", *shown])
