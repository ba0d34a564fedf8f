"""A spec file as it was read, whatever its format, and the problems found in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, TypeAlias

from attrs import frozen

from bitpeak_async.errors import PlanError

Value: TypeAlias = "str | list[Node] | dict[str, Node] | None"

MAX_DEPTH: Final = 32  # a spec file needs 4
TOO_DEEP: Final = f"is nested deeper than {MAX_DEPTH} levels"

_WORD: Final = re.compile(r"\w+", re.ASCII)


class UnusableFileError(Exception):
    """A file holds nothing more to look at; why is noted in its problems."""


@frozen
class Location:
    """Where something stands in a file.

    Attributes:
        line: from 1; 0 is the file as a whole.
        path: such as ``[3].settings.slack``, list indexes from 0; empty at the root.
    """

    line: int = 0
    path: str = ""

    def inner(self, key: str, line: int = 0) -> Location:
        """Return the location of a key's value."""
        if not _WORD.fullmatch(key):
            path = f"{self.path}[{key!r}]"
        else:
            path = f"{self.path}.{key}" if self.path else key
        return Location(line or self.line, path)

    def item(self, index: int, line: int = 0) -> Location:
        """Return the location of a list's item."""
        return Location(line or self.line, f"{self.path}[{index}]")


class Lines:
    """Offsets in a text → lines from 1, in logarithmic time."""

    def __init__(self, text: str) -> None:
        self._ends = [end.start() for end in re.finditer("\n", text)]

    def at(self, offset: int) -> int:
        """Return the line that a character stands on."""
        return bisect_left(self._ends, offset) + 1


@frozen
class Node:
    """A value of a file and its location: the line of its key, or else the one where it begins.

    Attributes:
        value: a scalar is its text as written, a null is None.
        location: where it is written; an alias stands where it is used, what it holds does not.
    """

    value: Value
    location: Location

    @property
    def kind(self) -> str:
        """What the value is, in the words of a message."""
        match self.value:
            case str():
                return "a string"
            case list():
                return "a list"
            case dict():
                return "a mapping"
            case None:
                return "null"


class Problems:
    """All that is wrong with a file, so that it can be put right in one go.

    Attributes:
        file: its path, as problems name it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[tuple[int, str]] = []

    def add(self, location: Location, problem: str) -> None:
        """Note a problem, as ``file:line: path: problem``."""
        where = filter(None, [self.at(location), location.path, problem])
        self._found.append((location.line, ": ".join(where)))

    def fatal(self, location: Location, problem: str) -> UnusableFileError:
        """Return the error for a problem that leaves nothing more to look at."""
        self.add(location, problem)
        return UnusableFileError()

    def copy(self) -> Problems:
        """Return the same problems, to which others may be added."""
        problems = Problems(self.file)
        problems._found = [*self._found]
        return problems

    def at(self, location: Location) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{location.line}" if location.line else self.file

    def in_order(self) -> list[str]:
        """Return what was noted, in the order of lines."""
        # What several aliases stand for is looked at as often.
        found = sorted(dict.fromkeys(self._found), key=lambda problem: problem[0])
        return [text for _, text in found]


def refuse(problems: Iterable[str]) -> None:
    """Raise PlanError for problems, if there are any."""
    if found := tuple(problems):
        raise PlanError("\n".join(found), problems=found)
