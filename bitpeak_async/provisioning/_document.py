"""A spec file as it was read, whatever its format, and the problems found in it."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from attrs import frozen

from bitpeak_async.errors import PlanError

Value: TypeAlias = "str | list[Node] | dict[str, Node] | None"

_WORD: Final = re.compile(r"\w+", re.ASCII)


@frozen
class Place:
    """Where something stands in a file.

    Attributes:
        line: from 1; 0 is the file as a whole.
        path: such as ``[3].settings.slack``, list places from 0; empty at the root.
    """

    line: int = 0
    path: str = ""

    def inner(self, key: str, line: int = 0) -> Place:
        """Return the place of a key's value."""
        if not _WORD.fullmatch(key):
            path = f"{self.path}[{key!r}]"
        else:
            path = f"{self.path}.{key}" if self.path else key
        return Place(line or self.line, path)


@frozen
class Node:
    """A value of a file and its place: the line of its key, or else the one where it begins.

    Attributes:
        value: a scalar is its text as written, a null is None.
        place: where it is written; an alias stands where it is used, what it holds does not.
    """

    value: Value
    place: Place

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
    """All that is wrong with a file, so that it can be put right in one go."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[tuple[int, str]] = []

    def add(self, place: Place, problem: str) -> None:
        """Note a problem, as ``file:line: path: problem``."""
        file = f"{self._file}:{place.line}" if place.line else self._file
        self._found.append((place.line, ": ".join(filter(None, [file, place.path, problem]))))

    def fatal(self, place: Place, problem: str) -> PlanError:
        """Return the error for a problem that leaves nothing more to look at."""
        self.add(place, problem)
        return self._error()

    def refuse(self) -> None:
        """Raise PlanError for what was noted, in the order of lines, if anything was."""
        if self._found:
            raise self._error()

    def _error(self) -> PlanError:
        # What several aliases stand for is looked at as often.
        found = sorted(dict.fromkeys(self._found), key=lambda problem: problem[0])
        problems = tuple(text for _, text in found)
        return PlanError("\n".join(problems), problems=problems)
