"""Changes as data: the effect of a plan on one handler, and its display without secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TypeAlias

import attrs
import msgspec
from attrs import frozen

from bitpeak_async._bulk.identity import Match, Names, compare, switch_differs
from bitpeak_async.records import HandlerSpec, NotificationHandler
from bitpeak_async.settings import settings_fields, shown_fields

__all__ = ["Change", "Conflict", "Create", "Delete", "Difference", "Unchanged", "Update"]


@frozen
class Difference:
    """A field that differs.

    Attributes:
        field: ``"name"``, ``"type"``, ``"is_enabled"`` or ``"settings.<API field>"``.
        before: the present value for display. Secret URLs show only scheme and host, other secrets
            ``***``. ``"unset"`` if there is none.
        after: the desired value for display, in the same way.
    """

    field: str
    before: str
    after: str


@frozen
class Create:
    """No handler has this name yet."""

    spec: HandlerSpec

    @property
    def name(self) -> str:
        """The handler's name, which identifies it."""
        return self.spec.name


@frozen
class Update:
    """The handler with this name differs.

    Attributes:
        spec: the desired handler.
        handler_id: the id of the handler with the name.
        type: its present type.
        differences: the fields that differ.
        seen: a digest of the present handler, without fields that deliveries change.
    """

    spec: HandlerSpec
    handler_id: int
    type: str
    differences: tuple[Difference, ...]
    seen: str = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """The handler's name, which identifies it."""
        return self.spec.name

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ."""
        return tuple(difference.field for difference in self.differences)


@frozen
class Delete:
    """A handler that matches the pruning pattern and is not desired.

    Attributes:
        name: its present name.
        handler_id: the id of the handler to delete.
        type: its present type.
        seen: a digest of the present handler, without fields that deliveries change.
    """

    name: str
    handler_id: int
    type: str
    seen: str = attrs.field(repr=False)


@frozen
class Unchanged:
    """The handler with this name matches its spec, as far as the server shows it.

    Attributes:
        spec: the desired handler.
        handler_id: the id of the handler with the name.
        hidden: the secrets that the server hides, as ``"settings.<API field>"``.
    """

    spec: HandlerSpec
    handler_id: int
    hidden: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The handler's name, which identifies it."""
        return self.spec.name


@frozen
class Conflict:
    """Several handlers could match, and only a person can decide which one is meant.

    Attributes:
        spec: the desired handler.
        handler_ids: the ids of several handlers with this name, or of one that may match several
            specs.
    """

    spec: HandlerSpec
    handler_ids: tuple[int, ...]

    @property
    def name(self) -> str:
        """The handlers' name."""
        return self.spec.name


Change: TypeAlias = Create | Update | Delete | Unchanged | Conflict


def change_of(spec: HandlerSpec, match: Match, salt: str, resend_secrets: str | None) -> Change:
    """Compare a spec with the handlers of its name."""
    handlers = match.handlers
    if not handlers:
        return Create(spec)
    if match.is_shared or len(handlers) > 1:
        return Conflict(spec, tuple(sorted(handler.id for handler in handlers)))
    handler = handlers[0]
    is_same = spec.settings == handler.settings and spec.is_enabled == handler.is_enabled
    if is_same and spec.renamed_from is None:  # nearly all of them in a repeated run
        return Unchanged(spec, handler.id)
    found = compare(spec.settings, handler.settings)
    names = [*found.differing]
    if switch_differs(spec.is_enabled, handler):
        names.append("is_enabled")
    is_renamed = bool(spec.renamed_from) and _is_former(spec, handler)
    resent = found.hidden if resend_secrets and fnmatchcase(spec.name, resend_secrets) else ()
    if not (names or is_renamed or resent):
        return Unchanged(spec, handler.id, found.hidden)
    changed = [Difference("name", repr(handler.name), repr(spec.name))] if is_renamed else []
    changed += _differences(names, spec, handler)
    changed += (Difference(name, "hidden", "sent again") for name in resent)
    return Update(spec, handler.id, handler.type, tuple(changed), digest(handler, salt))


def _is_former(spec: HandlerSpec, handler: NotificationHandler) -> bool:
    """Return whether a handler has the former name of a spec and not the new one."""
    return not Names([spec.name]).add(handler)


def deletion(handler: NotificationHandler, salt: str) -> Delete:
    """Return the change that deletes a handler."""
    return Delete(handler.name, handler.id, handler.type, digest(handler, salt))


def digest(of: HandlerSpec | NotificationHandler, salt: str) -> str:
    """Return a digest that reveals only whether a handler or spec is still the same.

    Each plan has its own salt, so equal secrets in two plans have different digests.
    """
    handler_id = of.id if isinstance(of, NotificationHandler) else 0
    # Confirming a pending handler enables it, and must not change the digest.
    is_on = of.is_enabled or (isinstance(of, NotificationHandler) and of.is_pending)
    content = [handler_id, of.name, of.settings.type, settings_fields(of.settings), is_on]
    if isinstance(of, HandlerSpec) and of.renamed_from is not None:
        content.append(of.renamed_from)
    text = msgspec.json.encode(content, enc_hook=repr, order="deterministic")
    return hashlib.blake2b(text, key=salt.encode(), digest_size=16).hexdigest()


def _differences(
    names: list[str], spec: HandlerSpec, handler: NotificationHandler
) -> Iterator[Difference]:
    if names:
        before, after = _states(handler), _states(spec)
        for name in names:
            yield Difference(name, before.get(name, "unset"), after[name])


def describe(change: Change) -> Iterator[str]:
    """Yield the lines of a change in a diff; none for an unchanged handler."""
    match change:
        case Create(spec):
            fields = ", ".join(shown_fields(spec.settings).values())
            yield f"+ {spec.name!r} ({_plain(spec.settings.type)}) {fields}".rstrip()
            if spec.is_enabled is False:
                yield "    is_enabled: false"
        case Update():
            yield f"~ {change.name!r} ({_plain(change.type)}, id {change.handler_id})"
            for each in change.differences:
                field, before, after = map(_plain, (each.field, each.before, each.after))
                shown = f"{after} (changed)" if before == after else f"{before} → {after}"
                yield f"    {field}: {shown}"
        case Delete():
            yield f"- {change.name!r} ({_plain(change.type)}, id {change.handler_id})"
        case Conflict():
            yield f"! {conflict(change)}"
        case Unchanged():
            pass


def conflict(change: Conflict) -> str:
    """Describe a conflict."""
    listed = ", ".join(map(str, change.handler_ids))
    if len(change.handler_ids) == 1:
        return f"{change.name!r}: the handler with id {listed} may match several specs"
    return f"{change.name!r}: several handlers have this name (ids {listed})"


def kept_as(sent: str, kept: str) -> str:
    """Return the warning that a server changed a name."""
    return f"{sent!r} is kept by the server as {kept!r}"


def _states(of: HandlerSpec | NotificationHandler) -> dict[str, str]:
    settings = {f"settings.{name}": text for name, text in shown_fields(of.settings).items()}
    enabled = "true" if of.is_enabled else "false"
    return {"type": _plain(of.settings.type), "is_enabled": enabled, **settings}


def _plain(word: str) -> str:
    """Return a server's text in a form that cannot forge lines."""
    return word if word.isprintable() else repr(word)
