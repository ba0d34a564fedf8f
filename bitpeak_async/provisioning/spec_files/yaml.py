"""YAML ↔ document data with lines; scalars keep their text from the file.

Values are built from PyYAML's events, not from its objects. Events distinguish ``"null"`` from
``null`` and keep ``-0100`` as written. Aliases and deep nesting cannot make reading expensive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bitpeak_async._structure import Keys, file_kind
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.provisioning.spec_files.document import (
    MAX_DEPTH,
    TOO_DEEP,
    Document,
    UnusableFileError,
)

try:
    import yaml
except ModuleNotFoundError as _missing:
    raise ConfigurationError("YAML needs PyYAML: install bitpeak_async[cli]") from _missing

# libyaml's loader is ten times as fast as the one in Python.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_STRING: Final = "tag:yaml.org,2002:str"


def read_yaml(text: str, document: Document) -> Any:
    """Return the value of a YAML text, or None if the text is empty.

    Duplicate keys and tags are added to the document's problems.

    Raises:
        UnusableFileError: the text is not YAML.
    """
    try:
        return _Builder(yaml.parse(text, Loader=_LOADER), document).root()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, document) from None
    except yaml.reader.ReaderError as error:
        # Search for the character: the error's position counts bytes or characters.
        character = chr(error.character)
        line = text.count("\n", 0, text.find(character)) + 1
        problem = f"is not YAML: holds the control character {character!r}"
        raise document.fatal(problem, line) from None


def _syntax_error(error: yaml.MarkedYAMLError, document: Document) -> UnusableFileError:
    """Describe the error; ``str(error)`` would quote the file, which may hold secrets."""
    # The loader in Python quotes tags, and a secret that begins with "!" is read as a tag.
    cause = str(error.problem).partition(" tag handle ")[0]
    if cause.startswith("mapping values are not allowed"):
        cause += "; quote a text that holds ': '"
    problem, begin, mark = f"is not YAML: {cause}", error.context_mark, error.problem_mark
    if error.context and begin is not None:
        problem += f", {error.context} that begins on line {begin.line + 1}"
    return document.fatal(problem, mark.line + 1 if mark else 0)


class _Builder:
    """A recursive descent over events."""

    def __init__(self, events: Iterator[Any], document: Document) -> None:
        self._events = events
        self._document = document
        self._anchors: dict[str, Any] = {}

    def root(self) -> Any:
        """Return the value of the only YAML document."""
        root = None
        is_first = True
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if not is_first:
                    problem = "begins a second document; put all handlers into one"
                    raise self._document.fatal(problem, _line(event))
                is_first = False
                root = self._value(next(self._events), ())
        return root

    def _value(self, event: Any, keys: Keys, line: int = 0) -> Any:
        line = self._document.lines.setdefault(keys, line or _line(event))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                problem = (
                    "has a * without an earlier & of that name; quote a text that begins with *"
                )
                raise self._document.fatal(problem, keys=keys)
            return self._anchors[event.anchor]
        if len(keys) > MAX_DEPTH:
            raise self._document.fatal(TOO_DEEP, line)
        if event.tag not in (None, _STRING):
            problem = "has a tag; remove it, or quote a text that begins with '!'"
            self._document.add(keys, problem)
        value = self._content(event, keys)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _content(self, event: Any, keys: Keys) -> Any:
        match event:
            case yaml.ScalarEvent():
                is_null = event.implicit[0] and event.value in _NULLS
                return None if is_null else event.value
            case yaml.SequenceStartEvent():
                items: list[Any] = []
                while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                    items.append(self._value(event, (*keys, len(items))))
                return items
            case _:
                return self._mapping(keys)

    def _mapping(self, keys: Keys) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            key = self._value(event, (*keys, "?"))
            own = (*keys, key if isinstance(key, str) else "?")
            value = self._value(next(self._events), own, line)
            if not key or not isinstance(key, str):
                self._document.add(keys, f"a key must be a string, not {file_kind(key)}", line)
            elif key == "<<":
                merged |= self._merge(value, own)
            elif key in mapping:
                first = self._document.lines[own]
                problem = f"the key is already on line {first}; keep one of them"
                self._document.add(own, problem, line)
            else:
                mapping[key] = value
        return merged | mapping

    def _merge(self, value: Any, keys: Keys) -> dict[str, Any]:
        """Return the keys that ``<<`` merges. If several mappings have a key, the first wins."""
        merged: dict[str, Any] = {}
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                merged = each | merged
            else:
                self._document.add(keys, f"must be a mapping, not {file_kind(each)}")
        return merged


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def dump_yaml(document: object) -> str:
    """Return lists, mappings, strings and booleans as YAML."""
    text = _dump(document, _Dumper)
    # libyaml is ten times as fast as the dumper in Python, but escapes emoji.
    return _dump(document, _PythonDumper) if "\\U" in text else text


def _dump(document: object, dumper: Any) -> str:
    # Lines are not folded, so that secret scanners find secrets.
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=2**30)
    return text


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Quotes texts with line ends, because PyYAML does not read all of them back otherwise."""


class _PythonDumper(yaml.SafeDumper):
    """The same for the dumper in Python."""


def _represent(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar(_STRING, text, '"' if text.splitlines() != [text] else None)


for _each in (_Dumper, _PythonDumper):
    _each.add_representer(str, _represent)
