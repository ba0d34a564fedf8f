"""Where the keys of a TOML text stand. tomllib has read the text before, so it is known valid."""

from __future__ import annotations

import re
import tomllib
from typing import Final, TypeAlias

from bitpeak_async.provisioning.spec_files.document import MAX_DEPTH, Lines

Path: TypeAlias = "tuple[str | int, ...]"

_STRING: Final = (
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'"
)
_TEXT: Final = re.compile(_STRING, re.DOTALL)
_SPACE: Final = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
_KEY: Final = re.compile(rf"[A-Za-z0-9_-]++|{_STRING}", re.DOTALL)
_SCALAR: Final = re.compile(r"[^\s,\]}#]++(?: \d\d:[^\s,\]}#]++)?")  # a date may hold a space


class NestedTooDeepError(Exception):
    """A text nests deeper than a spec file may.

    Attributes:
        line: where it does.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class Scan:
    """The lines and the texts of a document's values, by path.

    Attributes:
        lines: path → line of the key, of the ``[[table]]`` or of the item in a list.
        scalars: path → text as written, for values that are no strings.

    Raises:
        NestedTooDeepError: lists, tables or keys nest too deep.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.scalars: dict[Path, str] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables → how many so far
        self._text = text
        self._offsets = Lines(text)
        self._at = 0
        self._document()

    def _document(self) -> None:
        table: Path = ()
        self._skip(0)
        while self._at < len(self._text):
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        line = self._line
        self._skip(2 if is_array else 1)
        *parents, last = self._keys()
        self._skip(2 if is_array else 1)
        path: Path = ()
        for key in parents:
            path = self._latest((*path, key), line)
        path = (*path, last)
        if is_array:
            self._tables[path] = self._tables.get(path, 0) + 1
        return self._latest(path, line)

    def _latest(self, path: Path, line: int) -> Path:
        """Return the table that a header's path stands for: of an array, the last one."""
        self._note(path, line)
        if path in self._tables:
            path = (*path, self._tables[path] - 1)
            self._note(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, line)
        self._skip(1)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self._peek() == ".":
            self._skip(1)
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        key = self._take(_KEY)
        return str(tomllib.loads(f"key={key}")["key"]) if key[:1] in ("'", '"') else key

    def _value(self, path: Path) -> None:
        match self._peek():
            case "[":
                self._skip(1)
                index = 0
                while self._peek() != "]":
                    self._note((*path, index), self._line)
                    self._value((*path, index))
                    self._comma()
                    index += 1
                self._skip(1)
            case "{":
                self._skip(1)
                while self._peek() != "}":
                    self._pair(path)
                    self._comma()
                self._skip(1)
            case "'" | '"':
                self._take(_TEXT)
            case _:
                self.scalars[path] = self._take(_SCALAR)

    def _note(self, path: Path, line: int) -> None:
        if len(path) > MAX_DEPTH:
            raise NestedTooDeepError(line)
        self.lines.setdefault(path, line)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    @property
    def _line(self) -> int:
        return self._offsets.at(self._at)

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise AssertionError("the text is not the TOML that tomllib took it for")
        self._skip(len(found.group()))
        return found.group()

    def _comma(self) -> None:
        if self._peek() == ",":
            self._skip(1)

    def _skip(self, length: int) -> None:
        space = _SPACE.match(self._text, self._at + length)
        self._at = space.end() if space else len(self._text)
