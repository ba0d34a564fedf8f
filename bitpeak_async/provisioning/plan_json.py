"""Convert a plan to JSON and back, with digests instead of settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec
from attrs import frozen

from bitpeak_async._structure import did_you_mean, file_kind, problem_lines, strict_converter
from bitpeak_async.errors import PlanError
from bitpeak_async.provisioning.changes import (
    Change,
    Conflict,
    Create,
    Delete,
    Unchanged,
    Update,
    digest,
)
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import UnknownSettings, masked_fields

_VERSION: Final = 1
_SHOWN: Final = ("type", "settings", "is_enabled")


def dump(changes: Iterable[Change], salt: str, **header: object) -> str:
    """Return a plan as JSON.

    Args:
        changes: the plan's changes.
        salt: the salt of its digests.
        header: the other keys of the JSON.
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
            entry |= _shown(change.spec)
        case Unchanged():
            entry |= {"handler_id": change.handler_id}
            if change.hidden:
                entry["hidden"] = change.hidden
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


def _shown(spec: HandlerSpec) -> dict[str, Any]:
    """Return the JSON that shows a handler to create, with secrets masked."""
    return {
        "type": spec.settings.type,
        "settings": masked_fields(spec.settings),
        "is_enabled": spec.is_enabled,
    }


@frozen
class _Desired:
    name: str
    desired: str  # the digest of the spec


@frozen
class _Document:
    version: int
    summary: str
    warnings: tuple[str, ...]
    prune: str | None
    reached: int
    server: str | None
    resend_secrets: str | None
    salt: str
    changes: tuple[Change, ...]


_ACTIONS: Final[Mapping[str, type[Change]]] = MappingProxyType(
    {cls.__name__.lower(): cls for cls in get_args(Change)}
)


def load(text: str | bytes, specs: Iterable[HandlerSpec] | None) -> dict[str, Any]:
    """Return the arguments of the plan in JSON.

    Args:
        text: the JSON.
        specs: the specs from which it was made, or None only to show the plan.

    Raises:
        PlanError: the text is not a plan, or the plan was made from other specs.
    """
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise PlanError(f"the plan is not JSON: {error}") from None
    version = raw.get("version", _VERSION) if isinstance(raw, dict) else _VERSION
    if version != _VERSION:
        raise PlanError(f"the plan has version {version!r}, not {_VERSION}")
    by_name = None if specs is None else {spec.name: spec for spec in specs}
    desired: dict[str, str] = {}
    shown: dict[str, dict[str, Any]] = {}
    document = _structure(raw, by_name, desired, shown)
    if by_name is not None:
        digests = {name: digest(spec, document.salt) for name, spec in by_name.items()}
        _refuse_other_specs(desired, digests)
        for name, each in shown.items():
            if each != _shown(by_name[name]):
                raise PlanError(f"the plan's JSON and the spec have different settings of {name!r}")
    deleted = {change.handler_id for change in document.changes if isinstance(change, Delete)}
    if len(desired) + len(deleted) < len(document.changes):
        raise PlanError("the plan's JSON has several changes of one handler")
    names = ("changes", "warnings", "prune", "reached", "server", "resend_secrets", "salt")
    return {name: getattr(document, name) for name in names}


def _structure(
    raw: Any,
    specs: Mapping[str, HandlerSpec] | None,
    desired: dict[str, str],
    shown: dict[str, dict[str, Any]],
) -> _Document:
    """Return a plan; fill ``desired`` and ``shown`` with the digests and JSON of its specs."""
    converter = strict_converter()

    def structure_change(raw: Any, _: object) -> Change:
        if type(raw) is not dict:
            raise ValueError(f"must be a mapping, not {file_kind(raw)}")
        action = str(raw.get("action", ""))
        if action not in _ACTIONS:
            problem = f"has the unknown action {action!r}" if action else "has no action"
            raise ValueError(f"{problem}; {did_you_mean(action, _ACTIONS)}")
        fields = {key: value for key, value in raw.items() if key != "action"}
        cls = _ACTIONS[action]
        if cls is not Delete:
            keys = {key: fields.pop(key) for key in ("name", "desired") if key in fields}
            spec = converter.structure(keys, _Desired)
            desired[spec.name] = spec.desired
            own = {key: fields.pop(key) for key in _SHOWN if key in fields and cls is Create}
            if own:
                shown[spec.name] = own
            # A spec that is not given is None only until load() refuses the plan.
            given = _as_shown(spec.name, own) if specs is None else specs.get(spec.name)
            fields["spec"] = given
        return converter.structure(fields, cls)

    converter.register_structure_hook_func(lambda cls: cls == Change, structure_change)
    converter.register_structure_hook(HandlerSpec, lambda spec, _: spec)
    try:
        return converter.structure(raw, _Document)
    except (ExceptionGroup, ValueError) as error:
        lines = problem_lines(error)
    problem = f"the plan's JSON was not written by to_json(): {'; '.join(lines)}"
    raise PlanError(problem, problems=tuple(lines))


def _as_shown(name: str, shown: Mapping[str, Any]) -> HandlerSpec:
    settings = UnknownSettings(str(shown.get("type", "")), shown.get("settings", {}))
    return HandlerSpec(name, settings, shown.get("is_enabled", True))


def _refuse_other_specs(desired: Mapping[str, str], given: Mapping[str, str]) -> None:
    changed = {name for name in desired if given.get(name, desired[name]) != desired[name]}
    problems = [
        f"{name!r} {what} since the plan was made"
        for names, what in (
            (given.keys() - desired.keys(), "is new among the specs"),
            (desired.keys() - given.keys(), "is no longer among the specs"),
            (changed, "has a different spec"),
        )
        for name in sorted(names)
    ]
    if problems:
        raise PlanError("; ".join(problems) + "; plan again", problems=tuple(problems))
