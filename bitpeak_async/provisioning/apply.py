"""Changes → outcomes: a fixed set of workers carries a plan out."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from attrs import frozen

from bitpeak_async._bulk import as_finished
from bitpeak_async._creation import create_one
from bitpeak_async.errors import BitPeakError, OutcomeUnknownError, PlanError, ProvisionError
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.provisioning.plan import Change, Conflict, Create, Plan, Unchanged, Update

__all__ = ["Outcome", "Report", "Result"]


class Result(StrEnum):
    """What became of a change."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    UNRESOLVED = "unresolved"


@frozen
class Outcome:
    """What became of one change.

    Attributes:
        change: from the plan.
        result: in a word; ``UNRESOLVED`` is a create that may or may not have happened.
        handler_id: the handler's id, where it is known.
        error: why it failed or is unresolved, else None.
    """

    change: Change
    result: Result
    handler_id: int | None = None
    error: BitPeakError | None = None


@frozen
class Report:
    """The outcomes of a plan, one for each change and in its order."""

    outcomes: tuple[Outcome, ...]

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
    def unchanged(self) -> tuple[Outcome, ...]:
        """Handlers that were as they should be."""
        return self._with(Result.UNCHANGED)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Changes that were not made, or not wholly."""
        return self._with(Result.FAILED)

    @property
    def unresolved(self) -> tuple[Outcome, ...]:
        """Creates that may or may not have happened; running again settles them."""
        return self._with(Result.UNRESOLVED)

    @property
    def ok(self) -> bool:
        """Whether every handler is now as it should be."""
        return not any(outcome.error for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        """One line of counts, such as ``"40 created, 0 updated, 3 unchanged, 0 failed"``."""
        counts = {result: len(self._with(result)) for result in Result}
        if not counts[Result.UNRESOLVED]:
            del counts[Result.UNRESOLVED]
        return ", ".join(f"{count} {result}" for result, count in counts.items())

    def raise_for_failures(self) -> None:
        """Raise ProvisionError if anything failed or is unresolved; it holds each error."""
        errors = tuple(outcome.error for outcome in self.outcomes if outcome.error)
        if errors:
            raise ProvisionError(
                f"{len(errors)} of {len(self.outcomes)} changes failed; the first: {errors[0]}",
                errors=errors,
            )


async def apply_plan(
    handlers: NotificationHandlers,
    plan: Plan,
    workers: int,
    on_outcome: Callable[[Outcome], object] | None = None,
) -> Report:
    """Carry a plan out with a number of workers; see ``BitPeak.apply``."""
    outcomes: list[Outcome | None] = [None] * len(plan.changes)

    async def work(numbered: tuple[int, Change]) -> tuple[int, Outcome]:
        number, change = numbered
        return number, await _carry_out(handlers, change)

    async for number, outcome in as_finished(work, enumerate(plan.changes), workers):
        outcomes[number] = outcome
        if on_outcome is not None:
            on_outcome(outcome)
    return Report(tuple(outcome for outcome in outcomes if outcome is not None))


async def _carry_out(handlers: NotificationHandlers, change: Change) -> Outcome:
    match change:
        case Unchanged(handler_id=handler_id):
            return Outcome(change, Result.UNCHANGED, handler_id)
        case Conflict(spec=spec, handler_ids=ids):
            listed = ", ".join(map(str, ids))
            problem = f"several handlers are named {spec.name!r} (ids {listed}); keep one of them"
            return Outcome(change, Result.FAILED, error=PlanError(problem, problems=(problem,)))
        case Create(spec=spec):
            created = await create_one(handlers, spec)
            return _outcome(change, Result.CREATED, created.handler_id, created.error)
        case Update():
            error = await _update(handlers, change)
            return _outcome(change, Result.UPDATED, change.handler.id, error)


async def _update(handlers: NotificationHandlers, change: Update) -> BitPeakError | None:
    """Send the whole desired state: what a server makes of omitted fields is not documented."""
    spec = change.spec
    try:
        await handlers.update(
            change.handler.id, name=spec.name, settings=spec.settings, is_enabled=spec.is_enabled
        )
    except BitPeakError as error:
        return error
    return None


def _outcome(
    change: Change, result: Result, handler_id: int | None, error: BitPeakError | None
) -> Outcome:
    if isinstance(error, OutcomeUnknownError):
        result = Result.UNRESOLVED
    elif error is not None:
        result = Result.FAILED
    return Outcome(change, result, handler_id, error)
