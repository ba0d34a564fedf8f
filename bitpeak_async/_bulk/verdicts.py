"""The errors of entries that did not simply succeed."""

from __future__ import annotations

from collections.abc import Iterable

from bitpeak_async._bulk.entry import Entry
from bitpeak_async.errors import (
    BitPeakError,
    DuplicateError,
    OutcomeUnknownError,
    PlanError,
    ReplyError,
)
from bitpeak_async.records import NotificationHandler


def cut_off(entry: Entry) -> OutcomeUnknownError:
    return _unknown(entry, "cancelled while in progress; run again to resolve it")


def not_made(entry: Entry, handler_id: int) -> OutcomeUnknownError:
    return _unknown(entry, f"the reply names handler {handler_id}, which existed before")


def missing(entry: Entry) -> OutcomeUnknownError:
    return _unknown(
        entry,
        f"the server does not list handler {entry.target}: it may lag, or a cache may answer for "
        f"it; check again later",
    )


def unchecked(entry: Entry, cause: BitPeakError | None) -> OutcomeUnknownError:
    exists = "" if entry.target is None else f"it exists as {entry.target}; "
    error = _unknown(
        entry, f"{exists}it is unknown whether an earlier attempt created another: {cause}"
    )
    error.__cause__ = cause
    return error


def strangers(entry: Entry, seen: Iterable[NotificationHandler]) -> OutcomeUnknownError:
    ids = ", ".join(map(str, sorted(handler.id for handler in seen)))
    return _unknown(
        entry,
        f"its outcome is unknown, and another program created handlers with this name since then "
        f"(ids {ids}); keep one",
    )


def _unknown(entry: Entry, problem: str) -> OutcomeUnknownError:
    name = entry.spec.name
    return OutcomeUnknownError(f"notification handler {name!r}: {problem}", name=name)


def shared(entry: Entry, seen: Iterable[NotificationHandler]) -> PlanError:
    ids = ", ".join(map(str, sorted(handler.id for handler in seen)))
    problem = f"the server stores several of the desired names as {entry.spec.name!r} (ids {ids})"
    return PlanError(problem, problems=(problem,))


def kept_otherwise(entry: Entry, fields: Iterable[str]) -> ReplyError:
    return ReplyError(
        f"notification handler {entry.spec.name!r} (id {entry.target}): the server shows other "
        f"values than were sent for {', '.join(fields)}: it changed them, or another program did",
        status=200,
    )


def duplicate(entry: Entry, copies: Iterable[int]) -> DuplicateError:
    copies = tuple(copies)
    listed = ", ".join(map(str, copies))
    return DuplicateError(
        f"notification handler {entry.spec.name!r}: it exists as {entry.target}, and again as "
        f"{listed}; delete {listed}",
        name=entry.spec.name,
        handler_id=entry.target or 0,
        duplicates=copies,
    )
