"""A plan as JSON and back. It holds digests where the plan holds settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

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
    from bitpeak_async.provisioning.plan import Plan

_VERSION: Final = 1


def dump(plan: Plan) -> str:
    """Return a plan as JSON."""
    document = {
        "version": _VERSION,
        "summary": plan.summary,
        "warnings": plan.warnings,
        "prune": plan.prune,
        "reached": plan.reached,
        "server": plan.server,
        "salt": plan.salt,
        "changes": [_entry(change, plan.salt) for change in plan.changes],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


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


def load(text: str | bytes, specs: list[HandlerSpec]) -> dict[str, Any]:
    """Return the arguments of the plan that JSON holds, with the specs it was made from.

    Raises:
        PlanError: it is no plan, or was made from other specs.
    """
    try:
        document = orjson.loads(text)
        if document["version"] != _VERSION:
            raise PlanError(f"the plan has version {document['version']!r}, not {_VERSION}")
        salt = _text(document["salt"])
        entries = [(_text(each["action"]), each) for each in document["changes"]]
        desired = {each["name"]: each["desired"] for kind, each in entries if kind != "delete"}
        by_name = {spec.name: spec for spec in specs}
        _refuse_other_specs(desired, {name: digest(spec, salt) for name, spec in by_name.items()})
        changes = tuple(_CHANGES[kind](each, by_name) for kind, each in entries)
        deleted = {change.handler_id for change in changes if isinstance(change, Delete)}
        if len(desired) + len(deleted) < len(entries):
            raise PlanError("the plan's JSON has several changes of one handler")
        prune, server = document["prune"], document["server"]
        return {
            "changes": changes,
            "warnings": tuple(map(_text, document["warnings"])),
            "prune": None if prune is None else _text(prune),
            "server": None if server is None else _text(server),
            "reached": _number(document["reached"]),
            "salt": salt,
        }
    except orjson.JSONDecodeError as error:
        raise PlanError(f"the plan is not JSON: {error.msg}") from None
    except KeyError as error:
        raise PlanError(f"the plan's JSON lacks or does not know {error.args[0]!r}") from None
    except (TypeError, ValueError):
        raise PlanError("the plan's JSON is not as to_json() writes it") from None


def _refuse_other_specs(desired: dict[str, str], given: dict[str, str]) -> None:
    problems = [
        f"{name!r} is {what} since the plan was made"
        for names, what in (
            (given.keys() - desired.keys(), "new among the specs"),
            (desired.keys() - given.keys(), "no longer among the specs"),
            (
                {name for name in desired if given.get(name, desired[name]) != desired[name]},
                "another spec",
            ),
        )
        for name in sorted(names)
    ]
    if problems:
        raise PlanError("; ".join(problems) + "; plan again", problems=tuple(problems))


def _create(entry: dict[str, Any], specs: dict[str, HandlerSpec]) -> Create:
    return Create(specs[entry["name"]])


def _update(entry: dict[str, Any], specs: dict[str, HandlerSpec]) -> Update:
    differences = tuple(
        Difference(_text(each["field"]), _text(each["before"]), _text(each["after"]))
        for each in entry["differences"]
    )
    return Update(
        specs[entry["name"]],
        _number(entry["handler_id"]),
        _text(entry["type"]),
        differences,
        _text(entry["seen"]),
    )


def _delete(entry: dict[str, Any], _: dict[str, HandlerSpec]) -> Delete:
    return Delete(
        _text(entry["name"]),
        _number(entry["handler_id"]),
        _text(entry["type"]),
        _text(entry["seen"]),
    )


def _unchanged(entry: dict[str, Any], specs: dict[str, HandlerSpec]) -> Unchanged:
    return Unchanged(specs[entry["name"]], _number(entry["handler_id"]))


def _conflict(entry: dict[str, Any], specs: dict[str, HandlerSpec]) -> Conflict:
    return Conflict(specs[entry["name"]], tuple(map(_number, entry["handler_ids"])))


_CHANGES: Final[dict[str, Callable[[dict[str, Any], dict[str, HandlerSpec]], Change]]] = {
    "create": _create,
    "update": _update,
    "delete": _delete,
    "unchanged": _unchanged,
    "conflict": _conflict,
}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value
