"""Changes → outcomes: a fixed set of workers carries a plan out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from enum import StrEnum

from attrs import define, field, frozen

from bitpeak_async._bulk.create_run import CreateOutcome, CreateRun
from bitpeak_async._bulk.workers import work_through
from bitpeak_async._gc import gc_paused
from bitpeak_async.errors import (
    BitPeakError,
    DuplicateError,
    NotFoundError,
    OutcomeUnknownError,
    PlanError,
    ProvisionError,
)
from bitpeak_async.events import OutcomeKnown, notify
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.provisioning.changes import (
    Change,
    Conflict,
    Create,
    Delete,
    Unchanged,
    Update,
)
from bitpeak_async.provisioning.plan import Plan

__all__ = ["Outcome", "ProvisionCancelledError", "Report", "Result"]


class Result(StrEnum):
    """What became of a change."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    UNRESOLVED = "unresolved"


@frozen
class Outcome:
    """What became of one change.

    Attributes:
        change: from the plan.
        result: in a word; ``UNRESOLVED`` is a create that may have happened or not, or twice.
        handler_id: the handler's id, where it is known.
        error: why it failed or is unresolved, else None.
    """

    change: Change
    result: Result
    handler_id: int | None = None
    error: BitPeakError | None = None


@frozen(repr=False)
class Report:
    """The outcomes of a plan, one for each change and in its order."""

    outcomes: tuple[Outcome, ...]

    def __repr__(self) -> str:
        return f"Report({self.summary})"  # asyncio itself calls it, for each result of a task

    def _with(self, result: Result) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.result is result)

    @property
    def created(self) -> tuple[Outcome, ...]:
        """Handlers that did not exist before."""
        return self._with(Result.CREATED)

    @property
    def updated(self) -> tuple[Outcome, ...]:
        """Handlers that differed."""
        return self._with(Result.UPDATED)

    @property
    def deleted(self) -> tuple[Outcome, ...]:
        """Handlers that pruning deleted."""
        return self._with(Result.DELETED)

    @property
    def unchanged(self) -> tuple[Outcome, ...]:
        """Handlers that were as they should be, or that somebody else deleted."""
        return self._with(Result.UNCHANGED)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Changes that were not made, or not wholly."""
        return self._with(Result.FAILED)

    @property
    def unresolved(self) -> tuple[Outcome, ...]:
        """Creates that may or may not have happened, or that happened twice."""
        return self._with(Result.UNRESOLVED)

    @property
    def ok(self) -> bool:
        """Whether every handler is now as it should be."""
        return not any(outcome.error for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        """One line of counts, such as ``"40 created, 0 updated, 3 unchanged, 0 failed"``."""
        counts = {result: len(self._with(result)) for result in Result}
        for result in (Result.DELETED, Result.UNRESOLVED):
            if not counts[result]:
                del counts[result]
        return ", ".join(f"{count} {result}" for result, count in counts.items())

    def raise_for_failures(self) -> None:
        """Raise ProvisionError if anything failed or is unresolved; it holds each error."""
        errors = tuple(outcome.error for outcome in self.outcomes if outcome.error)
        if errors:
            raise ProvisionError(
                f"{len(errors)} of {len(self.outcomes)} changes failed; the first: {errors[0]}",
                errors=errors,
            )


class ProvisionCancelledError(asyncio.CancelledError):
    """An ``apply`` was cancelled; what was begun has ended or was cancelled too.

    Attributes:
        report: the outcomes known until then; changes that were not begun are not in it.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(f"cancelled after {report.summary}")
        self.report = report

    def __reduce__(self) -> tuple[type[ProvisionCancelledError], tuple[Report]]:
        return type(self), (self.report,)


async def apply_plan(
    handlers: NotificationHandlers,
    plan: Plan,
    creation: CreateRun,
    *,
    on_outcome: Callable[[Outcome], object] | None = None,
    grace: float = 0.0,
) -> Report:
    """Carry a plan out; see ``BitPeak.apply``. ``creation`` knows what exists.

    Deletions come last: what is renamed in the specs is created before it is deleted.
    """
    run = _Run(handlers, plan, creation, on_outcome)
    run.leave()
    writes = [change for change in plan.changes if isinstance(change, Create | Update)]
    try:
        await work_through(run.carry_out, writes, creation.workers, grace=grace)
        async with aclosing(creation.settle()) as settled:
            async for created in settled:
                run.record_create(created)
        await work_through(run.delete, plan.deletes, creation.workers, grace=grace)
    except asyncio.CancelledError:
        for created in creation.unsettled():
            run.record_create(created)
        raise ProvisionCancelledError(run.report()) from None
    return run.report()


@define(eq=False)
class _Run:
    """The outcomes of a plan as they come in; but for deletions, a name is unique in it."""

    handlers: NotificationHandlers
    plan: Plan
    creation: CreateRun
    on_outcome: Callable[[Outcome], object] | None
    _places: dict[str | int, int] = field(init=False, factory=dict)
    _outcomes: list[Outcome | None] = field(init=False, factory=list)
    _has_failed: bool = field(init=False, default=False)

    def leave(self) -> None:
        """Record what writes nothing, and where the outcomes of the rest belong."""
        with gc_paused():
            self._outcomes = [_left(change) for change in self.plan.changes]
        for place, outcome in enumerate(self._outcomes):
            if outcome is None:
                self._places[_key(self.plan.changes[place])] = place
            else:
                self._tell(outcome)

    async def carry_out(self, change: Create | Update) -> None:
        """Create or update."""
        if isinstance(change, Update):
            error = await _update(self.handlers, change)
            self._record(_outcome(change, Result.UPDATED, change.handler_id, error))
        elif (created := await self.creation.create(change.spec)) is not None:
            self.record_create(created)

    async def delete(self, change: Delete) -> None:
        """Delete, but only where all that was to be written is there."""
        result = Result.DELETED
        error: BitPeakError | None = None
        if self._has_failed:
            problem = f"{change.name!r} was not deleted, because other changes failed; run again"
            error = PlanError(problem, problems=(problem,))
        elif change.handler_id not in self.creation.existing:
            result = Result.UNCHANGED
        else:
            error = await _delete(self.handlers, change)
        self._record(_outcome(change, result, change.handler_id, error))

    def record_create(self, created: CreateOutcome) -> None:
        change = self.plan.changes[self._places[created.spec.name]]
        self._record(_outcome(change, Result.CREATED, created.handler_id, created.error))

    def _record(self, outcome: Outcome) -> None:
        change = outcome.change
        self._outcomes[self._places[_key(change)]] = outcome
        self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        change = outcome.change
        if outcome.error is not None and not isinstance(change, Delete):
            self._has_failed = True
        if self.creation.emit.has_listeners:
            self.creation.emit(OutcomeKnown(change.name, outcome.handler_id, outcome.error))
        if self.on_outcome is not None:
            notify(self.on_outcome, outcome)

    def report(self) -> Report:
        return Report(tuple([outcome for outcome in self._outcomes if outcome is not None]))


def _left(change: Change) -> Outcome | None:
    """Return the outcome of a change that writes nothing."""
    if isinstance(change, Unchanged):
        return Outcome(change, Result.UNCHANGED, change.handler_id)
    if not isinstance(change, Conflict):
        return None
    listed = ", ".join(map(str, change.handler_ids))
    problem = f"several handlers are named {change.name!r} (ids {listed}); keep one of them"
    return Outcome(change, Result.FAILED, error=PlanError(problem, problems=(problem,)))


def _key(change: Change) -> str | int:
    return change.handler_id if isinstance(change, Delete) else change.name


async def _update(handlers: NotificationHandlers, change: Update) -> BitPeakError | None:
    """Send the whole desired state: what a server makes of omitted fields is not documented."""
    spec = change.spec
    try:
        await handlers.update(
            change.handler_id, name=spec.name, settings=spec.settings, is_enabled=spec.is_enabled
        )
    except BitPeakError as error:
        return error
    return None


async def _delete(handlers: NotificationHandlers, change: Delete) -> BitPeakError | None:
    try:
        await handlers.delete(change.handler_id)
    except NotFoundError:
        return None
    except BitPeakError as error:
        return error
    return None


def _outcome(
    change: Change, result: Result, handler_id: int | None, error: BitPeakError | None
) -> Outcome:
    if isinstance(error, OutcomeUnknownError | DuplicateError):
        result = Result.UNRESOLVED
    elif error is not None:
        result = Result.FAILED
    return Outcome(change, result, handler_id, error)
