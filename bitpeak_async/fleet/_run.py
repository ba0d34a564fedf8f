"""Groups of accounts → their work, begun as the cap has room and counted as it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from attrs import define, field

from bitpeak_async._checks import check_listener
from bitpeak_async.errors import BitPeakError
from bitpeak_async.events import notify
from bitpeak_async.fleet.report import AccountReport, FleetReport
from bitpeak_async.provisioning.apply import Outcome, Report

T = TypeVar("T")

_OPEN: Final = 1000  # accounts at once, also where all wait for their servers: some 30 MB


async def run_all(
    groups: Iterable[Iterable[T]],
    work: Callable[[T], Awaitable[None]],
    room: Callable[[], Awaitable[None]],
) -> None:
    """Await ``work(item)`` for all items: groups at once, the items of one in their order.

    A group begins when what has begun leaves room, as ``room()`` tells: so few are in memory at
    once, and one that waits for its server keeps no other from beginning.

    An exception of ``work`` is raised when all that was begun has ended. When cancelled, what is
    under way is cancelled too, once more for each further cancellation, and waited for.
    """
    places = asyncio.Semaphore(_OPEN)
    tasks = set[asyncio.Task[None]]()
    failures: list[BaseException] = []

    async def go(group: Iterable[T]) -> None:
        try:
            for item in group:
                await work(item)
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            places.release()

    try:
        for group in groups:
            await places.acquire()
            await room()
            if failures:
                break
            task = asyncio.create_task(go(group))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(0)  # so that its first request can take the room
        while tasks:
            await asyncio.wait(tasks)
    finally:
        await _cancel(tasks)
    if failures:
        raise failures[0]


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    cancelled = None
    while tasks:
        for task in tasks:
            task.cancel()
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled


@define(eq=False)
class Ledger:
    """Counts what became of accounts, and tells of it.

    Attributes:
        on_outcome: told each outcome with its account's name.
        on_account: told each account as it ends.
        keep_outcomes: whether outcomes without an error are kept.
    """

    on_outcome: Callable[[str, Outcome], object] | None
    on_account: Callable[[AccountReport], object] | None
    keep_outcomes: bool
    _accounts: dict[str, AccountReport] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        check_listener("on_outcome", self.on_outcome, "two arguments")
        check_listener("on_account", self.on_account)

    def telling(self, account: str) -> Callable[[Outcome], object] | None:
        """Return an ``on_outcome`` for one account."""
        if (on_outcome := self.on_outcome) is None:
            return None
        return lambda outcome: on_outcome(account, outcome)

    def done(self, account: str, report: Report) -> None:
        """Note an account that was provisioned, as far as its report says."""
        counts = Counter(outcome.result for outcome in report.outcomes)
        if not self.keep_outcomes:
            report = Report(tuple(outcome for outcome in report.outcomes if outcome.error))
        self._note(AccountReport(account, report, counts=counts))

    def failed(self, account: str, error: BitPeakError) -> None:
        """Note an account that failed before anything was written."""
        self._note(AccountReport(account, error=error))

    def _note(self, account: AccountReport) -> None:
        self._accounts[account.account] = account
        if self.on_account is not None:
            notify(self.on_account, account)

    def report(self) -> FleetReport:
        """Return what is known."""
        return FleetReport(self._accounts)
