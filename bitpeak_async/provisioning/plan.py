"""Desired and existing handlers → changes: pure, and linear in the number of handlers."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import TypeAlias

from attrs import evolve, frozen

from bitpeak_async._comparison import differences
from bitpeak_async._form import settings_fields, spec_problems
from bitpeak_async._pagination import SeenIds
from bitpeak_async.errors import PlanError
from bitpeak_async.records import HandlerSpec, NotificationHandler
from bitpeak_async.settings import WIRE_FIELDS, Settings, mask

__all__ = ["Change", "Conflict", "Create", "Plan", "Unchanged", "Update"]


@frozen
class Create:
    """No handler has this name yet."""

    spec: HandlerSpec


@frozen
class Update:
    """A handler of this name differs.

    Attributes:
        spec: as it should be.
        handler: as it is.
        fields: what differs: ``"type"``, ``"is_enabled"``, ``"settings.<wire name>"``.
    """

    spec: HandlerSpec
    handler: NotificationHandler
    fields: tuple[str, ...]


@frozen
class Unchanged:
    """A handler of this name is as it should be."""

    spec: HandlerSpec
    handler_id: int


@frozen
class Conflict:
    """Several handlers have this name: which one is meant, only a person can say."""

    spec: HandlerSpec
    handler_ids: tuple[int, ...]


Change: TypeAlias = Create | Update | Unchanged | Conflict


@frozen
class Plan:
    """What would be done, in the order of the specs; ``str(plan)`` is a diff without secrets."""

    changes: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write and nothing to decide."""
        return all(isinstance(change, Unchanged) for change in self.changes)

    @property
    def summary(self) -> str:
        """One line of counts, such as ``"2 to change (1 to create, 1 to update), 3 unchanged"``."""
        counts = Counter(type(change) for change in self.changes)
        created, updated = counts[Create], counts[Update]
        parts = [
            f"{created + updated} to change ({created} to create, {updated} to update)",
            f"{counts[Unchanged]} unchanged",
        ]
        if counts[Conflict]:
            parts.append(f"{counts[Conflict]} in conflict")
        return ", ".join(parts)

    def __str__(self) -> str:
        lines = [line for change in self.changes for line in describe(change)]
        return "\n".join([*lines, self.summary])


async def make_plan(
    specs: Iterable[HandlerSpec],
    existing: AsyncIterable[NotificationHandler],
    seen: SeenIds | None = None,
) -> Plan:
    """Compare desired handlers with existing ones, by name; note the ids of all in ``seen``.

    Raises:
        PlanError: specs that cannot be sent or share a name; all of them are named.
    """
    desired = list(specs)
    refuse_unusable(desired)
    names = {spec.name for spec in desired}
    by_name: dict[str, list[NotificationHandler]] = {}
    async for handler in existing:
        if seen is not None:
            seen.add(handler.id)
        if handler.name in names:
            by_name.setdefault(handler.name, []).append(handler)
    return Plan(tuple(_change(spec, by_name.get(spec.name, [])) for spec in desired))


def refuse_unusable(specs: Iterable[HandlerSpec]) -> None:
    """Raise PlanError for specs that cannot be sent or share a name."""
    problems: list[str] = []
    seen: dict[str, int] = {}
    for place, spec in enumerate(specs, 1):
        if not isinstance(spec, HandlerSpec):
            problems.append(f"spec {place}: must be a HandlerSpec, not {type(spec).__name__}")
            continue
        found = list(spec_problems(spec))
        problems += [f"spec {place} ({spec.name!r}): {name} {what}" for name, what in found]
        if not found:
            first = seen.setdefault(spec.name, place)
            if first != place:
                problems.append(f"specs {first} and {place} share the name {spec.name!r}")
    if problems:
        raise PlanError("; ".join(problems), problems=tuple(problems))


def _change(spec: HandlerSpec, handlers: list[NotificationHandler]) -> Change:
    match handlers:
        case []:
            return Create(spec)
        case [handler]:
            fields = tuple(_differences(spec, handler))
            return Update(spec, handler, fields) if fields else Unchanged(spec, handler.id)
        case _:
            return Conflict(spec, tuple(handler.id for handler in handlers))


def _differences(spec: HandlerSpec, handler: NotificationHandler) -> Iterator[str]:
    yield from differences(spec.settings, handler.settings)
    if spec.is_enabled != handler.is_enabled:
        yield "is_enabled"


def refuse_stale(plan: Plan, now: Plan) -> None:
    """Raise PlanError if a handler of the plan changed since; it names each.

    Where somebody made the very change meanwhile, nothing is left to do, and that is fine.
    """
    stale = [
        before.spec.name
        for before, after in zip(plan.changes, now.changes, strict=True)
        if not isinstance(after, Unchanged) and _touched(before) != _touched(after)
    ]
    if stale:
        names = ", ".join(map(repr, stale))
        raise PlanError(
            f"the plan is stale: {names} changed since; plan again",
            problems=tuple(f"{name!r} changed since the plan was made" for name in stale),
        )


def _touched(change: Change) -> Change:
    """Return a change without what deliveries alter by themselves."""
    if isinstance(change, Update):
        return evolve(change, handler=evolve(change.handler, last_datetime=None))
    return change


def describe(change: Change) -> Iterator[str]:
    """Yield the lines of a change in a diff; none for what is unchanged."""
    spec = change.spec
    match change:
        case Create():
            fields = ", ".join(shown_fields(spec.settings).values())
            yield f"+ {spec.name!r} ({_plain(spec.settings.type)}) {fields}".rstrip()
            if not spec.is_enabled:
                yield "    is_enabled: false"
        case Update(handler=handler, fields=fields):
            yield f"~ {spec.name!r} ({_plain(handler.type)}, id {handler.id})"
            before, after = _states(handler), _states(spec)
            for name in fields:
                yield f"    {name}: {before.get(name, 'unset')} → {after[name]}"
        case Conflict(handler_ids=ids):
            listed = ", ".join(map(str, ids))
            yield f"! {spec.name!r}: several handlers have this name (ids {listed})"
        case Unchanged():
            pass


def _states(of: HandlerSpec | NotificationHandler) -> dict[str, str]:
    settings = {f"settings.{name}": text for name, text in shown_fields(of.settings).items()}
    enabled = "true" if of.is_enabled else "false"
    return {"type": _plain(of.settings.type), "is_enabled": enabled, **settings}


def _plain(word: str) -> str:
    """Show a server's word so that it can forge no lines."""
    return word if word.isprintable() else repr(word)


def shown_fields(settings: Settings) -> dict[str, str]:
    """Return wire names and what may be shown of their values."""
    return {
        name: repr(value) if name in WIRE_FIELDS and not WIRE_FIELDS[name].secret else mask(value)
        for name, value in settings_fields(settings).items()
    }
