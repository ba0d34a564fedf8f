"""Decide whether names and settings on the server match those that were sent.

Servers clean incoming texts: they trim, collapse white space, escape HTML once or twice, compose
Unicode, strip tags and cut at a column's width.
"""

from __future__ import annotations

import datetime as dt
import html
import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

from attrs import define, frozen

from bitpeak_async.records import NotificationHandler
from bitpeak_async.settings import WIRE_FIELDS, Format, Settings, UnknownSettings, settings_fields

# Each escaping adds "amp;" after every ampersand, so one pattern undoes any number of them.
_AMPERSAND: Final = re.compile(r"&(?:(?:amp|#0*38|#[xX]0*26);)+")
_CUT_REFERENCE: Final = re.compile(r"&(?:(?:amp|#0*38|#[xX]0*26);)*#?[0-9A-Za-z]{0,31}")
_TAG: Final = re.compile(r"<(?!\s)[^>]*(?:>|$)")
# Widths of name columns that applications and databases commonly have.
_WIDTHS: Final = frozenset({64, 100, 128, 191, 255, 256})
_NARROWEST: Final = min(_WIDTHS)
_MASK: Final = re.compile(r"[*•●]{3,}|…|\.{3,}")


def text_key(name: str) -> str:
    """Return the part of a text that no cleaning changes, unless it was cut or had tags."""
    if "&" in name or not name.isascii():
        name = unicodedata.normalize("NFC", name)
        name = unicodedata.normalize("NFC", html.unescape(_AMPERSAND.sub("&", name)))
    return " ".join(name.split())


def _tagless(key: str) -> str:
    return " ".join(_TAG.sub("", key).split())


def _stem(kept: str) -> str | None:
    """Return the prefix of names that may be cut to this one; None if its length is implausible."""
    if len(kept) + 1 < _NARROWEST:
        return None
    key = text_key(kept)
    lengths = {len(kept), len(html.unescape(kept)), len(key)}  # cut before or after escaping
    if _WIDTHS.isdisjoint(lengths | {length + 1 for length in lengths}):  # + 1: a trimmed space
        return None
    begin = kept.rfind("&")
    if begin >= 0 and _CUT_REFERENCE.fullmatch(kept, begin):
        key = text_key(kept[:begin])
    return _decomposed(key) or None


def _decomposed(key: str) -> str:
    return unicodedata.normalize("NFD", key)  # so that a letter is a prefix of its accented form


@define(eq=False)  # one per spec: cheaper to create than a frozen class
class Match:
    """The handlers that may match a desired name. Several or shared ones are a conflict.

    Attributes:
        handlers: the handlers in the order of their ids.
        is_shared: whether they may also match another desired name.
    """

    handlers: list[NotificationHandler]
    is_shared: bool = False


class Names:
    """Finds the handlers of desired names: equal names first, then names that were cleaned.

    Attributes:
        clashes: pairs of desired names that a server may store as one.
        keyed: maps ``text_key`` of each desired name to the name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.clashes: list[tuple[str, str]] = []
        self._equal: dict[str, list[NotificationHandler]] = {name: [] for name in names}
        self._cleaned: dict[str, list[NotificationHandler]] = {}
        self._tagless: dict[str, list[NotificationHandler]] = {}
        self._cut: dict[str, list[NotificationHandler]] = {}
        firsts: dict[str, str] = {}
        for name in self._equal:
            key = text_key(name)
            if (first := firsts.setdefault(key, name)) != name:
                self.clashes.append((first, name))
        tagless = [_tagless(key) for key in firsts if "<" in key]
        self._rivals = Counter(tagless)
        self._tagless = {key: [] for key in tagless if key not in firsts}
        self.keyed = firsts
        long = [(key, name) for key, name in firsts.items() if len(name) + 1 >= _NARROWEST]
        for key, name in long:
            if (stem := _stem(name)) and self._count(stem) > 1:
                start = bisect_left(self._sorted, stem)
                longer = next(
                    each for each in self._sorted[start : start + 2] if each != _decomposed(key)
                )
                self.clashes.append((name, self._originals[longer]))

    def has(self, name: str) -> bool:
        """Return whether a desired name is equal to this one."""
        return name in self._equal

    def add(self, handler: NotificationHandler) -> bool:
        """Add a handler; return whether its name may match a desired name."""
        group = self._group(handler.name)
        if group is None:
            return False
        group.append(handler)
        return True

    def _group(self, kept: str) -> list[NotificationHandler] | None:
        group = self._equal.get(kept)
        if group is None:
            key = text_key(kept)
            if key in self.keyed:
                return self._cleaned.setdefault(key, [])
            group = self._tagless.get(key)
            if group is None and (stem := _stem(kept)) and self._count(stem):
                group = self._cut.setdefault(stem, [])
        return group

    def of(self, name: str) -> Match:
        """Return the handlers of a desired name, only of the most certain kind of match."""
        if found := self._equal[name]:
            return Match(found)
        key = text_key(name)
        if found := self._cleaned.get(key, []):
            return Match(found)
        if "<" in key and (found := self._tagless.get(tagless := _tagless(key), [])):
            return Match(found[:_ENOUGH], self._rivals[tagless] > 1)
        if not self._cut:
            return _NOBODY
        text = _decomposed(key)
        stems = [text[:length] for length in {len(stem) for stem in self._cut}]
        stems = [stem for stem in stems if stem in self._cut]
        found = [handler for stem in stems for handler in self._cut[stem][:_ENOUGH]]
        return Match(found, any(self._count(stem) > 1 for stem in stems))

    @cached_property
    def _originals(self) -> dict[str, str]:
        return {_decomposed(key): name for key, name in self.keyed.items()}

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(map(_decomposed, self.keyed))

    def _count(self, stem: str) -> int:
        """Return how many desired names begin with a stem."""
        return bisect_left(self._sorted, stem + _LAST) - bisect_left(self._sorted, stem)


def kept_as_one_of(name: str, desired: list[str]) -> list[str]:
    """Return the desired names that a server may store as this one."""
    names = Names(desired)
    kept = NotificationHandler(
        id=0,
        name=name,
        settings=UnknownSettings(""),
        is_enabled=False,
        last_datetime=None,
        datetime=dt.datetime.fromtimestamp(0, dt.UTC),
    )
    names.add(kept)
    return [each for each in desired if names.of(each).handlers]


_LAST: Final = "\U0010ffff"
_ENOUGH: Final = 10  # ids in the message of a conflict
_NOBODY: Final = Match([])


@frozen
class Comparison:
    """The differences between a handler's settings and the desired ones.

    Attributes:
        differing: ``"type"``, or ``"settings.<field>"`` for each field that certainly differs.
        hidden: fields that the server hides, or masks so that they may be equal.
    """

    differing: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


_SAME: Final = Comparison()


def compare(desired: Settings, seen: Settings) -> Comparison:
    """Compare settings that were sent with settings on the server."""
    if desired == seen:
        return _SAME
    if desired.type != seen.type:
        return Comparison(("type",))
    values = settings_fields(seen)
    differing: list[str] = []
    hidden: list[str] = []
    for name, value in settings_fields(desired).items():
        kept = values.get(name)
        text = "" if kept is None else str(kept)
        if _same_value(name, value, text):
            continue
        (hidden if _may_be_hidden(name, value, text) else differing).append(f"settings.{name}")
    return Comparison(tuple(differing), tuple(hidden))


def not_taken(fields: Mapping[str, str], seen: Settings) -> list[str]:
    """Return the names of fields that the server certainly stores with other values."""
    values = settings_fields(seen)
    return [
        name
        for name, sent in fields.items()
        if name not in values
        or not (_same_value(name, sent, values[name]) or _may_be_hidden(name, sent, values[name]))
    ]


def _same_value(name: str, sent: str, kept: str) -> bool:
    if sent == kept:
        return True
    sent, kept = text_key(sent), text_key(kept)
    wire = WIRE_FIELDS.get(name)
    if wire is not None and wire.format is Format.EMAIL:
        sent, kept = sent.casefold(), kept.casefold()
    elif wire is not None and wire.format is Format.URL:
        sent, kept = sent.rstrip("/"), kept.rstrip("/")
    return sent == kept


def _may_be_hidden(name: str, sent: str, kept: str) -> bool:
    """Return whether a server may hide the sent value: it shows nothing, or only both ends."""
    if not kept:
        return True
    wire = WIRE_FIELDS.get(name)
    masked = _MASK.search(kept) if wire is None or wire.secret else None
    if masked is None or is_masked(sent):  # a sent value that looks masked is not hidden
        return False
    return sent.startswith(kept[: masked.start()]) and sent.endswith(kept[masked.end() :])


def switch_differs(wanted: bool | None, handler: NotificationHandler) -> bool:  # noqa: FBT001 - a record's field
    """Return whether an update can change the switch; that of a pending handler is fixed."""
    return wanted is not None and wanted != handler.is_enabled and not handler.is_pending


def is_masked(secret: str) -> bool:
    """Return whether a secret from the server is only a mask."""
    return _MASK.search(secret) is not None
