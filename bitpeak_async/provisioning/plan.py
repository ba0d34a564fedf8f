"""Compare desired with existing handlers: pure, and linear in their number."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Self

from attrs import field, frozen

from bitpeak_async._bulk.identity import Match, Names, kept_as_one_of, text_key
from bitpeak_async._display import table
from bitpeak_async._gc import gc_paused
from bitpeak_async._http.form import name_problems
from bitpeak_async._http.seen_ids import SeenIds, ids_of
from bitpeak_async.errors import PlanError
from bitpeak_async.provisioning import plan_json, plan_markdown
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
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page, UnreadableHandler

__all__ = ["Plan"]


@frozen(repr=False)
class Plan:
    """The changes that would be made; ``str(plan)`` is a diff without secrets.

    Attributes:
        changes: one per spec, in their order, then the deletions by id.
        warnings: allowed things that look like mistakes, one sentence each.
        prune: the name pattern of handlers to prune, or None for no pruning.
        reached: the number of existing handlers that match ``prune``, desired or not.
        resend_secrets: the name pattern of handlers whose hidden secrets are sent again, or None.
        server: the base URL of the server that was read.
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
        """Whether there is nothing to write and no conflict."""
        return all(isinstance(change, Unchanged) for change in self.changes)

    @property
    def deletes(self) -> tuple[Delete, ...]:
        """The deletions."""
        return tuple(change for change in self.changes if isinstance(change, Delete))

    @property
    def uncompared(self) -> tuple[Unchanged, ...]:
        """Handlers that may differ, because the server hides some of their secrets."""
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

    def _repr_html_(self) -> str:
        """Return a table for notebooks, with secrets masked."""
        listed = [[*describe(change)] for change in self.changes]
        rows = [
            (line[0], line[2:], "; ".join(map(str.strip, more)))
            for line, *more in filter(None, listed)
        ]
        rows += [("?", warning, "") for warning in (*self.warnings, *self._uncompared())]
        return table(self.summary, ("", "handler", "what differs"), rows)

    def _uncompared(self) -> Iterator[str]:
        count = sum(len(change.hidden) for change in self.uncompared)
        if count:
            are = "secret is" if count == 1 else "secrets are"
            were, them = ("was", "it") if count == 1 else ("were", "them")
            yield (
                f"{count} {are} hidden by the server and {were} not compared; "
                f"resend_secrets (--resend-secrets) sends {them}"
            )

    def to_markdown(self, *, place: str | None = None) -> str:
        """Return the plan as Markdown without secrets, for a comment on a pull request.

        It has at most 60,000 characters: first the counts, then conflicts, deletions and the rest.

        Args:
            place: the server's name in the document; by default its base URL.
        """
        return plan_markdown.render(self.summary, [self.markdown_table(place or self.server or "")])

    def markdown_table(self, title: str) -> tuple[str, tuple[Change, ...], list[str]]:
        """Return a part of a Markdown document."""
        return plan_markdown.code(title), self.changes, [*self.warnings, *self._uncompared()]

    def to_json(self) -> str:
        """Return the plan as JSON, to review it and apply it later. It contains no secrets.

        It contains masked settings and salted digests. With these, ``from_json`` and ``apply``
        check that the specs and the handlers are still the same.
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
            text: the JSON.
            specs: the specs from which the plan was made, because the JSON has no secrets.

        Raises:
            PlanError: the text is not a plan, or specs differ; the error names each.
        """
        return cls(**plan_json.load(text, validate_specs(specs)))


async def make_plan(
    specs: Iterable[HandlerSpec],
    existing: AsyncIterable[Page[NotificationHandler]],
    seen: SeenIds | None = None,
    *,
    prune: str | None = None,
    resend_secrets: str | None = None,
    server: str | None = None,
    salt: str | None = None,
) -> Plan:
    """Compare desired handlers with existing ones by name; add the ids of all to ``seen``.

    Raises:
        PlanError: specs cannot be sent or share a name (the error names all of them); pruning
            without specs; or an existing handler cannot be read, and the plan prunes or creates a
            handler that it might be.
    """
    with gc_paused():
        desired = validate_specs(specs)
        if prune is not None:
            _refuse_to_prune(prune, desired)
        survey = _Survey(desired, prune, salt or secrets.token_hex(8))
    seen = SeenIds() if seen is None else seen
    unreadable: list[UnreadableHandler] = []
    async for page in existing:
        seen.add_all(ids_of(page))
        survey.add(page)
        unreadable += page.unreadable
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
    """The existing handlers, compared with the desired names."""

    def __init__(self, desired: list[HandlerSpec], prune: str | None, salt: str) -> None:
        self.salt = salt
        self.reached = 0
        self._desired = desired
        self._prune = prune
        self._names = distinct(desired)
        self._former = Names(_former_names(desired))
        self._near = _Near(self._names)
        self._changed: list[str] = []  # names that may match desired ones
        self._leftovers: list[Delete] = []

    def add(self, handlers: Iterable[NotificationHandler]) -> None:
        """Add existing handlers."""
        prune, names = self._prune, self._names
        for handler in handlers:
            is_reached = prune is not None and fnmatchcase(handler.name, prune)
            self.reached += is_reached
            if names.add(handler):
                if not names.has(handler.name):
                    self._changed.append(handler.name)
            elif not self._former.add(handler):
                if is_reached:
                    self._leftovers.append(deletion(handler, self.salt))
                else:
                    self._near.compare(handler.name)

    def match(self, spec: HandlerSpec) -> Match:
        """Return the handlers with the name or the former name; if both exist, they conflict."""
        match, name = self._names.of(spec.name), spec.renamed_from
        if name is None or not self._former.has(name):
            return match
        old = self._former.of(name)
        return Match([*match.handlers, *old.handlers], match.is_shared or old.is_shared)

    def deletes(self) -> list[Delete]:
        return sorted(self._leftovers, key=lambda change: change.handler_id)

    def warnings(self) -> tuple[str, ...]:
        """Return warnings about names that the server changed, and about nearly equal names."""
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
    """Yield the former names of renamed handlers, unless they have the identity of the new one."""
    for spec in desired:
        if (name := spec.renamed_from) is not None and text_key(name) != text_key(spec.name):
            yield name


def _refuse_to_prune(prune: str, desired: list[HandlerSpec]) -> None:
    for _, problem in name_problems(prune):
        raise PlanError(f"prune {problem}; pass a name pattern such as 'team-a *'")
    if not desired:
        raise PlanError(
            "there are no specs, so pruning would delete everything; pass at least one spec"
        )


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
            problems.append(
                f"{each}: it may be {names[0]!r}{others}, which must not be created twice"
            )
    if problems:
        raise PlanError("; ".join(problems), problems=tuple(problems))


class _Near:
    """Finds names that differ only in case or white space, because that is probably a mistake."""

    def __init__(self, names: Names) -> None:
        # Reversed, so that the first of several names stays.
        self._names = {key.casefold(): name for key, name in reversed(names.keyed.items())}
        self.warnings: list[str] = []
        if len(self._names) < len(names.keyed):
            for key, name in names.keyed.items():
                if (first := self._names[key.casefold()]) != name:
                    self.warnings.append(
                        f"{name!r} and {first!r} are two handlers; do you mean one?"
                    )

    def compare(self, existing: str) -> None:
        """Warn if a handler that is not desired has nearly the name of a desired one."""
        name = self._names.get(text_key(existing).casefold())
        if name is not None:
            self.warnings.append(
                f"{name!r} is desired and {existing!r} exists; do you mean the same handler?"
            )
