"""Apply a plan, and check the outcomes against a listing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeAlias

from attrs import define, field

from bitpeak_async._bulk.driver import Driver
from bitpeak_async._bulk.entry import Entry, Task
from bitpeak_async._gc import gc_paused
from bitpeak_async.errors import (
    BitPeakError,
    DuplicateError,
    NotFoundError,
    OutcomeUnknownError,
    PlanError,
    RequestTimeoutError,
)
from bitpeak_async.events import OutcomeKnown, notify
from bitpeak_async.provisioning.changes import (
    Change,
    Conflict,
    Create,
    Delete,
    Unchanged,
    Update,
    conflict,
    digest,
    kept_as,
)
from bitpeak_async.provisioning.plan import Plan
from bitpeak_async.provisioning.report import Outcome, Report, Result

_Deletion: TypeAlias = tuple[int, Delete]  # its index in the plan, and the change


async def apply_plan(
    plan: Plan,
    driver: Driver,
    *,
    on_outcome: Callable[[Outcome], object] | None = None,
    grace: float = 0.0,
) -> Report:
    """Apply a plan; see ``BitPeak.apply``. The ledger of ``driver`` knows the existing handlers.

    Deletions come last, so a handler with a new name in the specs is created before the old one is
    deleted.
    """
    run = _Run(plan, driver, on_outcome)
    if not run.begin():
        return run.report()
    try:
        await driver.finish(run.carry_out(), grace)
    except (asyncio.CancelledError, RequestTimeoutError) as error:
        run.interrupt()
        vars(error)["report"] = run.report()
        raise
    return run.report()


@define(eq=False)
class _Run:
    """The outcomes of a plan as they become known."""

    plan: Plan
    driver: Driver
    on_outcome: Callable[[Outcome], object] | None
    is_verified: bool = field(init=False, default=True)
    _entries: list[Entry] = field(init=False, factory=list)
    _places: dict[int, int] = field(init=False, factory=dict)
    _outcomes: list[Outcome | None] = field(init=False, factory=list)

    async def carry_out(self) -> None:
        writes = [entry for entry in self._entries if entry.todo]
        if writes or any(entry.conflict for entry in self._entries):
            async with aclosing(self.driver.each(writes)) as done:
                async for entry in done:
                    self._note(entry)
            await self._settle()
        if deletes := self._deletes():
            await self._delete(deletes)

    async def _settle(self) -> None:
        async with aclosing(self.driver.settle()) as settled:
            async for entry in settled:
                self._note(entry)
        self.is_verified = self.driver.ledger.is_verified

    def begin(self) -> bool:
        """Record no-ops and index the other changes; return False if the plan is empty."""
        with gc_paused():
            self._outcomes = [_untouched(change) for change in self.plan.changes]
        if self.on_outcome is not None or self.driver.emit.has_listeners:
            for outcome in self._outcomes:
                if outcome is not None:
                    self._tell(outcome)
        if self.plan.is_empty:
            return False
        ledger = self.driver.ledger
        for place, change in enumerate(self.plan.changes):
            entry = _entry(change)
            if entry is None or not (entry.todo or ledger.verifies):
                continue
            if (known := self._outcomes[place]) is not None:
                entry.conflict = known.error
            self._places[id(ledger.add(entry))] = place
            self._entries.append(entry)
        return True

    def interrupt(self) -> None:
        self.driver.ledger.interrupt()
        for entry in self._entries:
            if entry.is_begun:
                self._note(entry)
        self.is_verified = False

    def _note(self, entry: Entry) -> None:
        """Record the outcome of an entry unless it is still in doubt."""
        if not entry.is_settled and (entry.lost or entry.next_action()):
            return
        place = self._places[id(entry)]
        outcome = _outcome_of(self.plan.changes[place], entry)
        self._record(place, outcome)

    def _record(self, place: int, outcome: Outcome) -> None:
        if outcome != self._outcomes[place]:
            self._outcomes[place] = outcome
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        if self.driver.emit.has_listeners:
            name = outcome.change.name
            self.driver.emit(OutcomeKnown(name, outcome.handler_id, outcome.error))
        if self.on_outcome is not None:
            notify(self.on_outcome, outcome)

    def report(self) -> Report:
        outcomes = tuple([outcome for outcome in self._outcomes if outcome is not None])
        warnings = [
            kept_as(entry.spec.name, entry.kept_name)
            for entry in self._entries
            if entry.kept_name not in ("", entry.spec.name)
        ]
        if self.driver.unseen is not None:
            warnings.append(f"the report is not verified: {self.driver.unseen}")
        return Report(outcomes, self.is_verified, tuple(warnings))

    # Deletions

    def _deletes(self) -> list[_Deletion]:
        """Return the deletions to make: none if a write failed."""
        has_failed = any(outcome and outcome.error for outcome in self._outcomes)
        left: list[_Deletion] = []
        for place, change in enumerate(self.plan.changes):
            if not isinstance(change, Delete):
                continue
            if has_failed:
                why = "was not deleted, because other changes failed; run again"
                self._record(place, _not_deleted(change, why))
            elif change.handler_id not in self.driver.ledger.existing:
                self._record(place, Outcome(change, Result.UNCHANGED, change.handler_id))
            else:
                left.append((place, change))
        return left

    async def _delete(self, deletes: list[_Deletion]) -> None:
        async with aclosing(self.driver.work(self._delete_one, deletes)) as done:
            async for _ in done:
                pass
        ledger = self.driver.ledger
        self.is_verified = False
        if not ledger.verifies:
            return
        deleted = {
            change.handler_id: (place, change)
            for place, change in deletes
            if (outcome := self._outcomes[place]) and outcome.result is Result.DELETED
        }
        ledger.expect_gone(deleted)
        await self._settle()
        if self.is_verified:
            for handler_id in ledger.undead:
                place, change = deleted[handler_id]
                self._record(place, _not_deleted(change, "is still listed after it was deleted"))

    async def _delete_one(self, deletion: _Deletion) -> None:
        """Delete a handler if it has not changed since the plan saw it."""
        place, change = deletion
        error: BitPeakError | None = None
        try:
            seen = await self.driver.handlers.get(change.handler_id)
            if digest(seen, self.plan.salt) != change.seen:
                why = "changed during the run and was not deleted; plan again"
                return self._record(place, _not_deleted(change, why))
            await self.driver.handlers.delete(change.handler_id)
        except NotFoundError:
            pass
        except BitPeakError as failure:
            error = failure
        return self._record(place, _outcome(change, Result.DELETED, change.handler_id, error))


def _not_deleted(change: Delete, why: str) -> Outcome:
    problem = f"{change.name!r} {why}"
    error = PlanError(problem, problems=(problem,))
    return Outcome(change, Result.FAILED, change.handler_id, error)


def _untouched(change: Change) -> Outcome | None:
    """Return the outcome of a change that writes nothing, or None."""
    if isinstance(change, Unchanged):
        return Outcome(change, Result.UNCHANGED, change.handler_id)
    if not isinstance(change, Conflict):
        return None
    advice = "keep one of them" if len(change.handler_ids) > 1 else "keep one of these specs"
    problem = f"{conflict(change)}; {advice}"
    return Outcome(change, Result.FAILED, error=PlanError(problem, problems=(problem,)))


def _entry(change: Change) -> Entry | None:
    match change:
        case Create(spec):
            return Entry(spec, todo=Task.CREATE)
        case Update(spec):
            return Entry(spec, change.handler_id, todo=Task.WRITE)
        case Unchanged(spec):
            return Entry(spec, change.handler_id, sent_to=change.handler_id)
        case Conflict(spec) if len(change.handler_ids) > 1 and spec.renamed_from is None:
            # Perhaps overlapping runs have not cleaned up yet.
            return Entry(spec)
    return None


def _outcome_of(change: Change, entry: Entry) -> Outcome:
    results = {Create: Result.CREATED, Update: Result.UPDATED}
    result = results.get(type(change), Result.UNCHANGED)
    if entry.is_adopted:
        result = Result.ADOPTED
    error = entry.error if entry.is_settled else entry.failure
    if error is not None and error is entry.conflict:
        return Outcome(change, Result.FAILED, error=error)
    return _outcome(change, result, entry.target, error)


def _outcome(
    change: Change, result: Result, handler_id: int | None, error: BitPeakError | None
) -> Outcome:
    if isinstance(error, OutcomeUnknownError | DuplicateError):
        result = Result.UNRESOLVED
    elif error is not None:
        result = Result.FAILED
    return Outcome(change, result, handler_id, error)
