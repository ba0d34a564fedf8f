"""Collects the result of each account of a run, and reports each account as it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from attrs import define, field

from bitpeak_async._checks import check_listener
from bitpeak_async.errors import BitPeakError
from bitpeak_async.events import notify
from bitpeak_async.fleet.report import AccountReport, FleetReport
from bitpeak_async.provisioning.report import Outcome, Report, Result


@define(eq=False)
class Tally:
    """The results of the accounts of a run.

    Attributes:
        on_outcome: called with an account's name and each of its outcomes, or None.
        on_account: called with each account's report as it ends, or None.
        keep_outcomes: whether to keep outcomes that have no error.

    Raises:
        ConfigurationError: a listener is not callable.
    """

    on_outcome: Callable[[str, Outcome], object] | None = None
    on_account: Callable[[AccountReport], object] | None = None
    keep_outcomes: bool = True
    _accounts: dict[str, AccountReport] = field(init=False, factory=dict)
    _parts: Counter[str] = field(init=False, factory=Counter)

    def __attrs_post_init__(self) -> None:
        check_listener("on_outcome", self.on_outcome, "two arguments")
        check_listener("on_account", self.on_account)

    def listener(self, account: str) -> Callable[[Outcome], object] | None:
        """Return the ``on_outcome`` of one account."""
        if (on_outcome := self.on_outcome) is None:
            return None
        return lambda outcome: on_outcome(account, outcome)

    def add_report(self, account: str, report: Report) -> None:
        """Add an account that was provisioned, completely or in part."""
        counts = Counter(outcome.result for outcome in report.outcomes)
        if not self.keep_outcomes:
            report = Report(tuple(outcome for outcome in report.outcomes if outcome.error))
        self.add(AccountReport(account, report, counts=counts))

    def add_error(self, account: str, error: BitPeakError, *, parts: int = 1) -> None:
        """Add an account, or one of its parts, that failed before anything was written."""
        self.add(AccountReport(account, error=error), parts=parts)

    def add(self, report: AccountReport, *, parts: int = 1) -> None:
        """Add the report of an account, or of one of its ``parts``.

        ``on_account`` is called once the last part has been added.
        """
        name = report.account
        if (earlier := self._accounts.get(name)) is not None:
            report = _joined(earlier, report)
        self._accounts[name] = report
        self._parts[name] += 1
        if self._parts[name] == parts and self.on_account is not None:
            notify(self.on_account, report)

    def report(self) -> FleetReport:
        """Return the report so far."""
        return FleetReport(self._accounts)


def _joined(one: AccountReport, other: AccountReport) -> AccountReport:
    reports = [part.report for part in (one, other) if part.report is not None]
    outcomes = tuple(outcome for report in reports for outcome in report.outcomes)
    counts = Counter[Result](one.counts)
    counts.update(other.counts)
    report = Report(outcomes) if reports else None
    return AccountReport(one.account, report, one.error or other.error, counts)
