"""Reports of jobs → one report an account, told when its last part has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from bitpeak_async.errors import BitPeakError
from bitpeak_async.events import notify
from bitpeak_async.fleet.dask._worker import Job
from bitpeak_async.fleet.report import AccountReport, FleetReport
from bitpeak_async.provisioning.apply import Report, Result


class Tally:
    """What is known of the accounts of a run.

    Args:
        on_account: told each account as it ends.
    """

    def __init__(self, on_account: Callable[[AccountReport], object] | None) -> None:
        self._on_account = on_account
        self._accounts: dict[str, AccountReport] = {}
        self._parts = Counter[str]()

    def done(self, job: Job, reports: Iterable[AccountReport]) -> None:
        """Note what a job reports."""
        for report in reports:
            name = report.account
            before = self._accounts.get(name)
            self._accounts[name] = report if before is None else _joined(before, report)
            self._parts[name] += 1
            if self._parts[name] == job.shards and self._on_account is not None:
                notify(self._on_account, self._accounts[name])

    def failed(self, job: Job, error: BitPeakError) -> None:
        """Note a job that reports nothing."""
        self.done(job, [AccountReport(account.name, error=error) for account in job.accounts])

    def report(self) -> FleetReport:
        """Return what is known."""
        return FleetReport(self._accounts)


def _joined(one: AccountReport, other: AccountReport) -> AccountReport:
    outcomes = tuple(
        outcome for part in (one, other) if part.report for outcome in part.report.outcomes
    )
    has_report = one.report is not None or other.report is not None
    counts = Counter[Result](one.counts)
    counts.update(other.counts)
    report = Report(outcomes) if has_report else None
    return AccountReport(one.account, report, one.error or other.error, counts)
