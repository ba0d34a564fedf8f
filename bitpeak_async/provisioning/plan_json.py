"""A plan as JSON and back. It holds digests where the plan holds settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import frozen

from bitpeak_async._structure import did_you_mean, kind, problem_lines, strict_converter
from bitpeak_async.errors import PlanError
from bitpeak_async.provisioning.changes import (
    Change,
    Conflict,
    Create,
    Delete,
    Difference,
    Unchanged,
    Update,
    digest,
)
from bitpeak_async.records import HandlerSpec

if TYPE_CHECKING:
    from cattrs import Converter

_VERSION: Final = 1


def dump(changes: Iterable[Change], salt: str, **header: object) -> str:
    """Return a plan as JSON.

    Args:
        changes: of the plan.
        salt: of its digests.
        header: what else the JSON holds.
    """
    entries = [_entry(change, salt) for change in changes]
    document = {"version": _VERSION, **header, "salt": salt, "changes": entries}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _entry(change: Change, salt: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"action": type(change).__name__.lower(), "name": change.name}
    match change:
        case Update() | Delete():
            entry |= {"handler_id": change.handler_id, "type": change.type, "seen": change.seen}
        case Create():
            entry |= {"type": change.spec.settings.type}
        case Unchanged():
            entry |= {"handler_id": change.handler_id}
        case Conflict():
            entry |= {"handler_ids": change.handler_ids}
    if isinstance(change, Update):
        entry["differences"] = [
            {"field": each.field, "before": each.before, "after": each.after}
            for each in change.differences
        ]
    if not isinstance(change, Delete):
        entry["desired"] = digest(change.spec, salt)
    return entry


@frozen
class _Entry:
    action: str
    name: str


@frozen
class _DesiredEntry(_Entry):
    desired: str  # the digest of the spec


@frozen
class _CreateEntry(_DesiredEntry):
    type: str


@frozen
class _UpdateEntry(_DesiredEntry):
    handler_id: int
    type: str
    differences: list[Difference]
    seen: str


@frozen
class _UnchangedEntry(_DesiredEntry):
    handler_id: int


@frozen
class _ConflictEntry(_DesiredEntry):
    handler_ids: list[int]


@frozen
class _DeleteEntry(_Entry):
    handler_id: int
    type: str
    seen: str


@frozen
class _Document:
    version: int
    summary: str
    warnings: list[str]
    prune: str | None
    reached: int
    server: str | None
    salt: str
    changes: list[_Entry]


_ENTRIES: Final[Mapping[str, type[_Entry]]] = MappingProxyType(
    {
        "create": _CreateEntry,
        "update": _UpdateEntry,
        "unchanged": _UnchangedEntry,
        "conflict": _ConflictEntry,
        "delete": _DeleteEntry,
    }
)


@cache
def _converter() -> Converter:
    converter = strict_converter()

    def structure_entry(raw: Any, _: object) -> _Entry:
        if type(raw) is not dict:
            raise ValueError(f"must be an object, not {kind(raw)}")
        action = raw.get("action")
        if not isinstance(action, str) or action not in _ENTRIES:
            problem = f"has the unknown action {action!r}" if action else "has no action"
            raise ValueError(f"{problem}; {did_you_mean(str(action), _ENTRIES)}")
        return converter.structure(raw, _ENTRIES[action])

    converter.register_structure_hook_func(lambda cls: cls is _Entry, structure_entry)
    return converter


def load(text: str | bytes, specs: Iterable[HandlerSpec]) -> dict[str, Any]:
    """Return the arguments of the plan in JSON, with the specs it was made from.

    Raises:
        PlanError: it is not a plan, or was made from other specs.
    """
    document = _document(text)
    by_name = {spec.name: spec for spec in specs}
    digests = {name: digest(spec, document.salt) for name, spec in by_name.items()}
    entries = document.changes
    desired = {each.name: each.desired for each in entries if isinstance(each, _DesiredEntry)}
    _refuse_other_specs(desired, digests)
    deleted = {each.handler_id for each in entries if isinstance(each, _DeleteEntry)}
    if len(desired) + len(deleted) < len(entries):
        raise PlanError("the plan's JSON has several changes of one handler")
    return {
        "changes": tuple(_change(each, by_name) for each in entries),
        "warnings": tuple(document.warnings),
        "prune": document.prune,
        "reached": document.reached,
        "server": document.server,
        "salt": document.salt,
    }


def _document(text: str | bytes) -> _Document:
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise PlanError(f"the plan is not JSON: {error}") from None
    version = raw.get("version", _VERSION) if isinstance(raw, dict) else _VERSION
    if version != _VERSION:
        raise PlanError(f"the plan has version {version!r}, not {_VERSION}")
    try:
        return _converter().structure(raw, _Document)
    except (ExceptionGroup, ValueError) as error:
        lines = problem_lines(error)
    problem = f"the plan's JSON is not as to_json() writes it: {'; '.join(lines)}"
    raise PlanError(problem, problems=tuple(lines))


def _change(entry: _Entry, specs: Mapping[str, HandlerSpec]) -> Change:
    name = entry.name
    match entry:
        case _CreateEntry():
            return Create(specs[name])
        case _UpdateEntry():
            differences = tuple(entry.differences)
            return Update(specs[name], entry.handler_id, entry.type, differences, entry.seen)
        case _UnchangedEntry():
            return Unchanged(specs[name], entry.handler_id)
        case _ConflictEntry():
            return Conflict(specs[name], tuple(entry.handler_ids))
        case _DeleteEntry():
            return Delete(name, entry.handler_id, entry.type, entry.seen)
    raise AssertionError(f"no change is made of a {type(entry).__name__}")


def _refuse_other_specs(desired: Mapping[str, str], given: Mapping[str, str]) -> None:
    changed = {name for name in desired if given.get(name, desired[name]) != desired[name]}
    problems = [
        f"{name!r} is {what} since the plan was made"
        for names, what in (
            (given.keys() - desired.keys(), "new among the specs"),
            (desired.keys() - given.keys(), "no longer among the specs"),
            (changed, "another spec"),
        )
        for name in sorted(names)
    ]
    if problems:
        raise PlanError("; ".join(problems) + "; plan again", problems=tuple(problems))
