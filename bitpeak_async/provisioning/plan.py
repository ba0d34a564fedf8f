"""Desired and existing handlers → a plan: pure, and linear in the number of handlers."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Self

from attrs import field, frozen

from bitpeak_async._bulk.identity import Match, Names, kept_as_one_of, text_key
from bitpeak_async._gc import gc_paused
from bitpeak_async._http.form import name_problems
from bitpeak_async._http.pagination import SeenIds
from bitpeak_async.errors import PlanError
from bitpeak_async.provisioning import plan_json
from bitpeak_async.provisioning.changes import (
    Change,
    Conflict,
    Create,
    Delete,
    Unchanged,
    Update,
    change_of,
    deletion,
    describe,
    kept_as,
)
from bitpeak_async.provisioning.desired import distinct, validate_specs
from bitpeak_async.records import HandlerSpec, NotificationHandler, UnreadableHandler

__all__ = ["Plan"]


@frozen(repr=False)
class Plan:
    """What would be done; ``str(plan)`` is a diff without secrets.

    Attributes:
        changes: one for each spec, in their order, then the deletions by id.
        warnings: what is allowed and looks like a mistake, one sentence each.
        prune: the pattern of names that pruning reaches, or None for no pruning.
        reached: how many existing handlers it reaches, desired or not.
        resend_secrets: the pattern of names whose hidden secrets are sent again, or None.
        server: the base URL of the server that was looked at.
    """

    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    prune: str | None = None
    reached: int = 0
    server: str | None = None
    resend_secrets: str | None = None
    salt: str = field(factory=lambda: secrets.token_hex(8), repr=False, eq=False)

    def __repr__(self) -> str:
        return f"Plan({self.summary})"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write and nothing to decide."""
        return all(isinstance(change, Unchanged) for change in self.changes)

    @property
    def deletes(self) -> tuple[Delete, ...]:
        """The deletions."""
        return tuple(change for change in self.changes if isinstance(change, Delete))

    @property
    def uncompared(self) -> tuple[Unchanged, ...]:
        """Changes that may be none: the server hides secrets of these handlers."""
        unchanged = (change for change in self.changes if isinstance(change, Unchanged))
        return tuple(change for change in unchanged if change.hidden)

    @property
    def summary(self) -> str:
        """One line of counts, such as ``"2 to change (1 to create, 1 to update), 3 unchanged"``."""
        counts = Counter(type(change) for change in self.changes)
        kinds = [f"{counts[Create]} to create", f"{counts[Update]} to update"]
        if self.prune is not None:
            kinds.append(f"{counts[Delete]} to delete")
        total = counts[Create] + counts[Update] + counts[Delete]
        parts = [f"{total} to change ({', '.join(kinds)})", f"{counts[Unchanged]} unchanged"]
        if counts[Conflict]:
            parts.append(f"{counts[Conflict]} in conflict")
        return ", ".join(parts)

    def __str__(self) -> str:
        lines = [line for change in self.changes for line in describe(change)]
        warnings = [*self.warnings, *self._uncompared()]
        return "\n".join([*lines, *(f"? {each}" for each in warnings), self.summary])

    def _uncompared(self) -> Iterator[str]:
        count = sum(len(change.hidden) for change in self.uncompared)
        if count:
            are = "secret is" if count == 1 else "secrets are"
            were, them = ("was", "it") if count == 1 else ("were", "them")
            yield (
                f"{count} {are} hidden by the server and {were} not compared; "
                f"--resend-secrets sends {them}"
            )

    def to_json(self) -> str:
        """Return the plan as JSON, for review and to be applied later. It holds no secret.

        Instead of settings it holds salted digests, by which ``from_json`` and ``apply`` know
        whether the specs and the handlers are still the same.
        """
        return plan_json.dump(
            self.changes,
            self.salt,
            summary=self.summary,
            warnings=self.warnings,
            prune=self.prune,
            reached=self.reached,
            server=self.server,
            resend_secrets=self.resend_secrets,
        )

    @classmethod
    def from_json(cls, text: str | bytes, specs: Iterable[HandlerSpec]) -> Self:
        """Return the plan that ``to_json`` wrote.

        Args:
            text: what it wrote.
            specs: the ones it was made from, for the JSON has no secrets.

        Raises:
            PlanError: it is no such JSON, or the specs are other ones; it names each.
        """
        return cls(**plan_json.load(text, validate_specs(specs)))


async def make_plan(
    specs: Iterable[HandlerSpec],
    existing: AsyncIterable[NotificationHandler],
    seen: SeenIds | None = None,
    unreadable: Collection[UnreadableHandler] = (),
    *,
    prune: str | None = None,
    resend_secrets: str | None = None,
    server: str | None = None,
    salt: str | None = None,
) -> Plan:
    """Compare desired handlers with existing ones, by name; note the ids of all in ``seen``.

    ``unreadable`` is looked at after ``existing`` has ended, so that the same listing may fill it.

    Raises:
        PlanError: specs that cannot be sent or share a name, all of them named; or pruning with
            no specs at all; or an existing handler that cannot be read, where the plan prunes or
            creates one that it could be.
    """
    with gc_paused():
        desired = validate_specs(specs)
    if prune is not None:
        _refuse_to_prune(prune, desired)
    seen = SeenIds() if seen is None else seen
    survey = _Survey(desired, prune, salt or secrets.token_hex(8))
    async for handler in existing:
        seen.add(handler.id)
        survey.add(handler)
    seen.add_all(each.id for each in unreadable if each.id is not None)
    with gc_paused():
        changes = [
            change_of(spec, survey.match(spec), survey.salt, resend_secrets) for spec in desired
        ]
    creates = [change.name for change in changes if isinstance(change, Create)]
    _refuse_unreadable(unreadable, creates, prune)
    return Plan(
        (*changes, *survey.deletes()),
        survey.warnings(),
        prune,
        survey.reached,
        server,
        resend_secrets,
        survey.salt,
    )


class _Survey:
    """What exists, beside what is desired."""

    def __init__(self, desired: list[HandlerSpec], prune: str | None, salt: str) -> None:
        self.salt = salt
        self.reached = 0
        self._desired = desired
        self._prune = prune
        self._names = distinct(desired)
        self._former = Names(_former_names(desired))
        self._near = _Near(self._names)
        self._changed: list[str] = []  # names that may stand for desired ones
        self._leftovers: list[Delete] = []

    def add(self, handler: NotificationHandler) -> None:
        """Note an existing handler."""
        is_reached = self._prune is not None and fnmatchcase(handler.name, self._prune)
        self.reached += is_reached
        if self._names.add(handler):
            if not self._names.has(handler.name):
                self._changed.append(handler.name)
        elif not self._former.add(handler):
            if is_reached:
                self._leftovers.append(deletion(handler, self.salt))
            else:
                self._near.compare(handler.name)

    def match(self, spec: HandlerSpec) -> Match:
        """Return the handlers of the name and of the former one; both existing is a conflict."""
        match = self._names.of(spec.name)
        name = spec.renamed_from
        if name is None or not self._former.has(name):
            return match
        old = self._former.of(name)
        return Match([*match.handlers, *old.handlers], match.is_shared or old.is_shared)

    def deletes(self) -> list[Delete]:
        return sorted(self._leftovers, key=lambda change: change.handler_id)

    def warnings(self) -> tuple[str, ...]:
        """Tell of names that the server changed, and of those that nearly are desired ones."""
        if not self._changed:
            return tuple(self._near.warnings)
        kept = {
            found[0].name: kept_as(spec.name, found[0].name)
            for spec in self._desired
            if len(found := self._names.of(spec.name).handlers) == 1 and found[0].name != spec.name
        }
        for name in self._changed:
            if name not in kept:
                self._near.compare(name)
        return (*self._near.warnings, *kept.values())


def _former_names(desired: Iterable[HandlerSpec]) -> Iterator[str]:
    """Yield the names that handlers are renamed from, but for those of one identity with theirs."""
    for spec in desired:
        if (name := spec.renamed_from) is not None and text_key(name) != text_key(spec.name):
            yield name


def _refuse_to_prune(prune: str, desired: list[HandlerSpec]) -> None:
    for _, problem in name_problems(prune):
        raise PlanError(f"prune {problem}; give a pattern of names such as 'team-a *'")
    if not desired:
        raise PlanError("nothing is desired: pruning would delete all; give at least one spec")


def _refuse_unreadable(
    unreadable: Iterable[UnreadableHandler], creates: list[str], prune: str | None
) -> None:
    problems: list[str] = []
    for each in unreadable:
        if prune is not None:
            problems.append(f"{each}: nothing is pruned")
        names = creates if each.name is None else kept_as_one_of(each.name, creates)
        if names:
            others = f" or {len(names) - 1} others" if len(names) > 1 else ""
            problems.append(f"{each}: it may be {names[0]!r}{others}, not to be created twice")
    if problems:
        raise PlanError("; ".join(problems), problems=tuple(problems))


class _Near:
    """Finds names that differ in case or white space only: rather one handler than two."""

    def __init__(self, names: Names) -> None:
        self._names: dict[str, str] = {}
        self.warnings: list[str] = []
        for key, name in names.keyed.items():
            first = self._names.setdefault(key.casefold(), name)
            if first != name:
                self.warnings.append(f"{name!r} and {first!r} are two handlers; is one meant?")

    def compare(self, existing: str) -> None:
        """Warn if an existing handler that is not desired is nearly a desired one."""
        name = self._names.get(text_key(existing).casefold())
        if name is not None:
            self.warnings.append(f"{name!r} is desired and {existing!r} exists; is one meant?")
