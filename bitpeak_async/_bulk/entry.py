"""One spec of a bulk run: the state of its handler, the next action and the outcome."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from attrs import define, frozen

from bitpeak_async._bulk.identity import Comparison, compare, switch_differs, text_key
from bitpeak_async.errors import BitPeakError, OutcomeUnknownError
from bitpeak_async.records import HandlerSpec, NotificationHandler


class Task(Enum):
    """The kinds of actions."""

    CREATE = auto()
    WRITE = auto()
    REMOVE = auto()


@frozen
class Action:
    """One request for the driver to send; ``handler_id`` is the handler to write or remove."""

    task: Task
    handler_id: int = 0


_CREATE: Final = Action(Task.CREATE)


@define(eq=False)
class Entry:
    """One spec and the state of its handler.

    Attributes:
        spec: the spec that the caller passed.
        target: the id of the handler that represents the spec, if known.
        todo: the next task, besides removing ``copies``.
        is_begun: whether a request was sent for it.
        made: handlers that this entry created, according to replies.
        lost: creates with an unknown outcome; each may still turn out to have happened.
        lost_at: the time at which the last of them failed.
        sent_to: the handler to which the whole spec was last sent, successfully or not.
        copies: handlers to remove: this run created them, and another represents the spec.
        left: copies that could not be removed, or changed since they were created.
        kept_name: the target's name on the server, if a listing showed it.
        is_checked: whether a listing was searched for results of the lost creates.
        is_adopted: whether another program created the target during the run.
        is_settled: whether the outcome is known.
        conflict: the final error if several handlers had its name and still have it.
        verdict: the final error if no further listing improves the outcome.
        failure: the error of its last request.
        error: once settled: why the handler does not match the spec, or why that is unknown.
    """

    spec: HandlerSpec
    target: int | None = None
    todo: Task | None = None
    is_begun: bool = False
    made: tuple[int, ...] = ()
    lost: int = 0
    lost_at: float = 0.0
    sent_to: int | None = None
    copies: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    kept_name: str = ""
    is_checked: bool = False
    is_adopted: bool = False
    is_settled: bool = False
    conflict: BitPeakError | None = None
    verdict: BitPeakError | None = None
    failure: BitPeakError | None = None
    error: BitPeakError | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether a create may have happened and nothing else is known."""
        return (
            bool(self.lost)
            and self.target is None
            and isinstance(self.failure, OutcomeUnknownError)
        )

    def next_action(self) -> Action | None:
        if self.is_settled:
            return None
        if self.todo is Task.CREATE:
            return _CREATE
        if self.todo is Task.WRITE and self.target is not None:
            return Action(Task.WRITE, self.target)
        return Action(Task.REMOVE, self.copies[0]) if self.copies else None

    def settle(self, error: BitPeakError | None) -> None:
        self.error = error
        self.todo = None
        self.is_settled = True

    def compare(self, handler: NotificationHandler) -> Comparison:
        """Compare the whole spec except its name."""
        found = compare(self.spec.settings, handler.settings)
        if not switch_differs(self.spec.is_enabled, handler):
            return found
        return Comparison((*found.differing, "is_enabled"), found.hidden)

    def may_have_made(self, handler: NotificationHandler) -> bool:
        """Whether a create of this spec may have produced this handler."""
        return not compare(self.spec.settings, handler.settings).differing

    def is_as_made(self, handler: NotificationHandler) -> bool:
        """Whether a handler is unchanged since this run created it from the spec.

        If no reply of this run named the handler, all of its fields must be visible.
        """
        found = compare(self.spec.settings, handler.settings)
        same_name = text_key(self.spec.name) == text_key(handler.name)
        return (
            (same_name or handler.name == self.kept_name)
            and (handler.is_pending or handler.is_enabled in (True, self.spec.is_enabled))
            and not found.differing
            and (handler.id in self.made or not found.hidden)
        )
