"""JSON → nodes that know their locations; numbers keep the text they have in the file.

A descent of its own, for ``json`` and orjson tell no lines, keep the last of duplicate keys and
turn numbers into something else than was written.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Final

from bitpeak_async.provisioning.spec_files.document import (
    MAX_DEPTH,
    TOO_DEEP,
    Lines,
    Location,
    Node,
    Problems,
    UnusableFileError,
    Value,
)

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-])")
_WORD: Final = re.compile(r"-?[A-Za-z]+")
_LITERALS: Final[dict[str, Value]] = {"true": "true", "false": "false", "null": None}
_NO_NUMBERS: Final = ("NaN", "Infinity", "-Infinity")
_DECODER: Final = JSONDecoder()


def read_json(text: str, problems: Problems) -> Node | None:
    """Return the one value in a text, or None where there is none.

    Duplicate keys are noted in ``problems``.

    Raises:
        UnusableFileError: the text is not JSON.
    """
    return _Parser(text, problems).document()


class _Parser:
    """A recursive descent; each method begins and ends at a character that counts."""

    def __init__(self, text: str, problems: Problems) -> None:
        self._text = text
        self._problems = problems
        self._lines = Lines(text)
        self._at = 0

    def document(self) -> Node | None:
        """Return the root."""
        self._skip(0)
        if not self._peek():
            return None
        root = self._node(Location(self._line), depth=0)
        if self._peek():
            raise self._wrong("more follows after its end")
        return root

    def _node(self, location: Location, *, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._problems.fatal(Location(self._line), TOO_DEEP)
        match self._peek():
            case "{":
                return Node(self._entries(location, depth + 1), location)
            case "[":
                return Node(self._items(location, depth + 1), location)
            case '"':
                return Node(self._string(), location)
            case _:
                return Node(self._literal(), location)

    def _items(self, location: Location, depth: int) -> list[Node]:
        items: list[Node] = []
        self._skip(1)
        while self._peek() != "]":
            if items:
                self._expect(",", "',' or ']'")
            items.append(self._node(location.item(len(items), self._line), depth=depth))
        self._skip(1)
        return items

    def _entries(self, location: Location, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        is_first = True
        self._skip(1)
        while self._peek() != "}":
            if not is_first:
                self._expect(",", "',' or '}'")
            is_first = False
            if self._peek() != '"':
                raise self._wrong("a key in double quotes was expected")
            line = self._line
            key = self._string()
            own = location.inner(key, line)
            self._expect(":", "':'")
            value = self._node(own, depth=depth)
            if key in entries:
                first = entries[key].location.line
                self._problems.add(own, f"the key is on line {first} already; keep one of them")
            else:
                entries[key] = value
        self._skip(1)
        return entries

    def _string(self) -> str:
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except JSONDecodeError as error:
            # An unterminated string is told where it begins, all else where it stands.
            self._at = min(error.pos, len(self._text))
            raise self._wrong(error.msg.partition(":")[0].removesuffix(" at").lower()) from None
        self._skip(end - self._at)
        text: str = value
        return text

    def _literal(self) -> Value:
        if number := _NUMBER.match(self._text, self._at):
            self._skip(len(number.group()))
            return number.group()
        word = _WORD.match(self._text, self._at)
        if word and word.group() in _LITERALS:
            self._skip(len(word.group()))
            return _LITERALS[word.group()]
        if word and word.group() in _NO_NUMBERS:
            raise self._wrong(f"{word.group()} is no number")
        raise self._wrong("a value was expected; texts need double quotes")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    @property
    def _line(self) -> int:
        return self._lines.at(self._at)

    def _skip(self, length: int) -> None:
        space = _SPACE.match(self._text, self._at + length)
        self._at = space.end() if space else len(self._text)

    def _expect(self, character: str, expected: str) -> None:
        if self._peek() != character:
            raise self._wrong(f"{expected} was expected")
        self._skip(1)

    def _wrong(self, problem: str) -> UnusableFileError:
        return self._problems.fatal(Location(self._line), f"is not JSON: {problem}")
