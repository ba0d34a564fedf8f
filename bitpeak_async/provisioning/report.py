"""Outcomes of a plan: one for each change."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TypeVar

from attrs import frozen

from bitpeak_async._display import table
from bitpeak_async.errors import BitPeakError, ProvisionError
from bitpeak_async.provisioning.changes import Change

__all__ = ["Outcome", "Report", "Result", "partial_report"]

T = TypeVar("T")


class Result(StrEnum):
    """The result of a change."""

    CREATED = "created"
    ADOPTED = "adopted"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    UNRESOLVED = "unresolved"


@frozen
class Outcome:
    """The outcome of one change.

    Attributes:
        change: the change of the plan.
        result: the result. ``ADOPTED`` is a handler that another program created during the run;
            ``UNRESOLVED`` is one that may exist or not, or exist twice.
        handler_id: the handler's id, if known.
        error: the reason why it failed or is unresolved, or None.
    """

    change: Change
    result: Result
    handler_id: int | None = None
    error: BitPeakError | None = None


@frozen(repr=False)
class Report:
    """The outcomes of a plan, one for each change and in its order.

    Attributes:
        outcomes: the outcomes, as a listing after the last write showed them.
        is_verified: whether there was such a listing; otherwise outcomes rely on replies alone.
        warnings: names that the server changed, and why the report is not verified if its listing
            failed; one sentence each.
    """

    outcomes: tuple[Outcome, ...]
    is_verified: bool = True
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Report({self.summary})"  # short, because asyncio calls it for each task's result

    def __str__(self) -> str:
        lines = [f"! {name!r}: {error}" for _, name, _, error in self._failures()]
        return "\n".join([*lines, *(f"? {each}" for each in self.warnings), self.summary])

    def _repr_html_(self) -> str:
        """Return a table of failures and warnings for notebooks."""
        warnings = (("warning", "", "", each) for each in self.warnings)
        header = ("result", "handler", "id", "error")
        return table(self.summary, header, [*self._failures(), *warnings])

    def _failures(self) -> Iterator[tuple[object, ...]]:
        for outcome in self.outcomes:
            if outcome.error:
                yield outcome.result, outcome.change.name, outcome.handler_id or "", outcome.error

    def _with(self, result: Result) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.result is result)

    @property
    def created(self) -> tuple[Outcome, ...]:
        """Handlers that did not exist before."""
        return self._with(Result.CREATED)

    @property
    def adopted(self) -> tuple[Outcome, ...]:
        """Handlers that another program created during the run, updated to their specs."""
        return self._with(Result.ADOPTED)

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
        """Handlers that already matched, or that another program deleted."""
        return self._with(Result.UNCHANGED)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Changes that were not made, or only in part."""
        return self._with(Result.FAILED)

    @property
    def unresolved(self) -> tuple[Outcome, ...]:
        """Handlers that may exist or not, or exist twice."""
        return self._with(Result.UNRESOLVED)

    @property
    def ok(self) -> bool:
        """Whether no change failed and none is unresolved.

        ``is_verified`` says whether a listing confirmed it.
        """
        return not any(outcome.error for outcome in self.outcomes)

    @property
    def summary(self) -> str:
        """One line of counts, such as ``"40 created, 0 updated, 3 unchanged, 0 failed"``."""
        counts = {result: len(self._with(result)) for result in Result}
        for result in (Result.ADOPTED, Result.DELETED, Result.UNRESOLVED):
            if not counts[result]:
                del counts[result]
        return ", ".join(f"{count} {result}" for result, count in counts.items())

    def raise_for_failures(self) -> None:
        """Raise ProvisionError if anything failed or is unresolved; ``errors`` holds each error."""
        errors = tuple(outcome.error for outcome in self.outcomes if outcome.error)
        if errors:
            raise ProvisionError(
                f"{len(errors)} of {len(self.outcomes)} changes failed; the first: {errors[0]}",
                errors=errors,
            )


def partial_report(error: BaseException | None) -> Report | None:
    """Return the report of a run that an exception ended, or None if there is none.

    Works with a ``CancelledError``, the ``TimeoutError`` of ``asyncio.timeout()``, the
    ``RequestTimeoutError`` of a deadline, and the ``KeyboardInterrupt`` that ended a call of the
    synchronous client. The report holds only changes that had started.
    """
    return carried_report(error, Report)


def carried_report(error: BaseException | None, kind: type[T]) -> T | None:
    """Return the report of a kind that an exception or one of its causes carries."""
    while error is not None:
        if isinstance(report := vars(error).get("report"), kind):
            return report
        error = error.__cause__ or error.__context__
    return None
