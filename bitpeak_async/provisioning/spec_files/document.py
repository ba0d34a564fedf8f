"""The data of a spec file of any format, and the problems found in it."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import getitem
from types import MappingProxyType
from typing import Any, Final

from bitpeak_async._structure import Keys, child_path, did_you_mean, file_kind
from bitpeak_async.errors import PlanError

MAX_DEPTH: Final = 32  # a spec file needs 4
TOO_DEEP: Final = f"is nested deeper than {MAX_DEPTH} levels"
UNUSABLE: Final = object()  # replaces a list item whose problems are already added


class UnusableFileError(Exception):
    """The rest of a file cannot be checked; its problems say why."""


class Document:
    """The content of a file and all of its problems.

    A value is identified by its path: the keys and indexes that lead to it from the root.

    Attributes:
        file: the file's path, as shown in problems.
        data: lists, dicts, and scalars as their text in the file; null is None.
        lines: path → line, if the format's parser can locate the value. Other values have the
            line of their container.
        is_table: whether the settings are in the same row as the name, as in CSV.
        unset: variable that is not set → (path, problem) of each place that needs it.
    """

    def __init__(self, file: str, data: Any = None) -> None:
        self.file = file
        self.data = data
        self.lines: dict[Keys, int] = {}
        self.is_table = False
        self.unset: defaultdict[str, list[tuple[Keys, str]]] = defaultdict(list)
        self._problems: list[tuple[int, str]] = []

    def again(self) -> Document:
        """Return a copy without the problems of unset variables, to check with other variables."""
        document = copy.copy(self)
        document.unset = defaultdict(list)
        document._problems = [*self._problems]  # noqa: SLF001 - one of this very class
        return document

    def add(self, keys: Keys, problem: str, line: int = 0) -> None:
        """Add a problem, as ``file:line: path: problem``.

        In a file without lines, the path is followed by the name of the handler or account.
        """
        self._problems.append(self._located(keys, problem, line))

    def add_unset(self, name: str, keys: Keys, problem: str) -> None:
        """Add a place that needs a variable which is not set."""
        self.unset[name].append((keys, problem))

    def fatal(self, problem: str, line: int = 0, keys: Keys = ()) -> UnusableFileError:
        """Add a problem and return the error to raise if nothing more can be checked."""
        self.add(keys, problem, line)
        return UnusableFileError()

    def in_order(self, others: Iterable[tuple[Keys, str]] = ()) -> list[str]:
        """Return the problems and ``others``, sorted by line."""
        found = [*self._problems, *(self._located(keys, problem) for keys, problem in others)]
        return [text for _, text in sorted(found, key=lambda problem: problem[0])]

    def located(self, keys: Keys, problem: str) -> str:
        """Return a problem with its file, line and path."""
        return self._located(keys, problem)[1]

    def at(self, keys: Keys, line: int = 0) -> str:
        """Return ``file:line``, or the file if it has no lines."""
        line = line or self._line(keys)
        return f"{self.file}:{line}" if line else self.file

    def path(self, keys: Keys) -> str:
        """Return a path such as ``[3].settings.slack``; indexes count from 0."""
        shown = (key for key in keys if not (self.is_table and key == "settings"))
        return reduce(child_path, shown, "")

    def items(self, key: str) -> Iterator[tuple[Keys, Any]]:
        """Yield the path and value of each item of the list at the root, or under a key of it.

        Raises:
            UnusableFileError: there is no such list.
        """
        keys: Keys = ()
        items = self.data
        if isinstance(items, dict):
            self.add_unknown_keys((), items, [key])
            if key in items:
                keys, items = (key,), items[key]
        if not isinstance(items, list):
            problem = f"must be a list of {key}, or hold one as '{key}:'; it is {file_kind(items)}"
            raise self.fatal(problem, keys=keys)
        for index, item in enumerate(items):
            if item is not UNUSABLE:
                yield (*keys, index), item

    def add_unknown_keys(
        self,
        keys: Keys,
        mapping: Mapping[str, object],
        known: Iterable[str],
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Add a problem for each unknown key, with a suggestion.

        Args:
            keys: the path of the mapping.
            mapping: the mapping to check.
            known: the allowed keys.
            aliases: another word for an allowed key → the key.
        """
        choices = list(known)
        for key in mapping:
            if key not in choices:
                hint = did_you_mean(key, choices, aliases) if choices else "remove it"
                self.add((*keys, key), f"is not a known key; {hint}")

    def same_name(self, keys: Keys, of: Document | None = None) -> str:
        """Return the problem of an item that has the same name as an earlier one.

        Args:
            keys: the path of the earlier item.
            of: the file of the earlier item, if it is another file.
        """
        where = f" on line {line}" if (line := self._line(keys)) else ""
        if of is not None:
            where = f" at {of.at(keys)}"
        return f"has the same name as {(of or self).path(keys)}{where}; names must be unique"

    def _located(self, keys: Keys, problem: str, line: int = 0) -> tuple[int, str]:
        line = line or self._line(keys)
        path = self.path(keys)
        if not line and (name := self._name(keys)):
            path += f" ({name!r})"
        return line, ": ".join(filter(None, [self.at(keys, line), path, problem]))

    def _line(self, keys: Keys) -> int:
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 0)

    def _name(self, keys: Keys) -> str | None:
        """Return the name of the list item that contains a value."""
        depth = next((depth for depth, key in enumerate(keys, 1) if isinstance(key, int)), 0)
        if self.data is None or not depth:
            return None
        item = reduce(getitem, keys[:depth], self.data)
        name = item.get("name") if isinstance(item, dict) else None
        return name if isinstance(name, str) else None


def plain(data: Any, document: Document, keys: Keys = ()) -> Any:
    """Return a parser's result with every scalar as text.

    Args:
        data: scalars, lists and dicts. A dict may be a tuple of (key, value), which keeps duplicate
            keys.
        document: receives a problem for each duplicate key.
        keys: the path of the data.

    Raises:
        UnusableFileError: the data is nested too deeply.
    """
    if len(keys) > MAX_DEPTH:
        raise document.fatal(TOO_DEEP)
    match data:
        case dict():
            return plain(tuple(data.items()), document, keys)
        case tuple():
            mapping: dict[str, Any] = {}
            for key, value in data:
                own = (*keys, key)
                if key in mapping:
                    document.add(own, "the key appears twice; keep one of them")
                else:
                    mapping[key] = plain(value, document, own)
            return mapping
        case list():
            return [plain(item, document, (*keys, index)) for index, item in enumerate(data)]
        case bool():
            return "true" if data else "false"
        case str() | None:
            return data
        case _:
            return str(data)


def refuse(problems: Iterable[str]) -> None:
    """Raise PlanError if there are problems."""
    if found := tuple(problems):
        raise PlanError("\n".join(found), problems=found)
