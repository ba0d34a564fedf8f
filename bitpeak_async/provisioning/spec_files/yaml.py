"""YAML ↔ nodes that know their locations; scalars keep the text they have in the file.

Nodes are built from PyYAML's events, not its objects: they tell ``"null"`` from ``null``, they keep
``-0100`` as written, and neither aliases nor a deep nest cost more than the file's own length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bitpeak_async.errors import ConfigurationError
from bitpeak_async.provisioning.spec_files.document import (
    MAX_DEPTH,
    TOO_DEEP,
    Location,
    Node,
    Problems,
    UnusableFileError,
)

try:
    import yaml
except ModuleNotFoundError as error:
    raise ConfigurationError("YAML needs PyYAML: install bitpeak_async[cli]") from error

# libyaml takes a tenth of the time of what is written in Python.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_STRING: Final = "tag:yaml.org,2002:str"


def read_yaml(text: str, problems: Problems) -> Node | None:
    """Return the one document in a text, or None where there is none.

    Duplicate keys and unknown tags are noted in ``problems``.

    Raises:
        UnusableFileError: the text is not YAML.
    """
    try:
        return _Builder(yaml.parse(text, Loader=_LOADER), problems).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, problems) from None
    except yaml.reader.ReaderError as error:
        # Its position counts bytes or characters, depending on the loader.
        character = chr(error.character)
        line = text.count("\n", 0, text.find(character)) + 1
        problem = f"is not YAML: holds the control character {character!r}"
        raise problems.fatal(Location(line), problem) from None


def _syntax_error(error: yaml.MarkedYAMLError, problems: Problems) -> UnusableFileError:
    """Say what is wrong; ``str(error)`` would quote the file, which may hold secrets."""
    # The loader in Python quotes a tag, which may be a secret that begins with "!".
    cause = str(error.problem).partition(" tag handle ")[0]
    problem, begin, mark = f"is not YAML: {cause}", error.context_mark, error.problem_mark
    if error.context and begin is not None:
        problem += f", {error.context} that begins on line {begin.line + 1}"
    return problems.fatal(Location(mark.line + 1 if mark else 0), problem)


class _Builder:
    """A recursive descent over events."""

    def __init__(self, events: Iterator[Any], problems: Problems) -> None:
        self._events = events
        self._problems = problems
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        """Return the root of the only document."""
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._problems.fatal(
                        Location(_line(event)), "begins a second document; put all into one"
                    )
                first = next(self._events)
                root = self._node(first, Location(_line(first)), depth=0)
        return root

    def _node(self, event: Any, location: Location, *, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._problems.fatal(
                    location, "no & of that name stands before this *; quote a text that begins so"
                )
            return Node(self._anchors[event.anchor].value, location)
        if depth > MAX_DEPTH:
            raise self._problems.fatal(Location(location.line), TOO_DEEP)
        if event.tag not in (None, _STRING):
            self._problems.add(
                location, "has a tag; leave it out, or quote a text that begins with !"
            )
        node = Node(self._value(event, location, depth + 1), location)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _value(self, event: Any, location: Location, depth: int) -> Any:
        match event:
            case yaml.ScalarEvent():
                is_null = event.implicit[0] and event.value in _NULLS
                return None if is_null else event.value
            case yaml.SequenceStartEvent():
                return self._items(location, depth)
            case _:
                return self._entries(location, depth)

    def _items(self, location: Location, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            own = location.item(len(items), _line(event))
            items.append(self._node(event, own, depth=depth))
        return items

    def _entries(self, location: Location, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, Location(_line(event), location.path), depth=depth)
            name = key.value if isinstance(key.value, str) else ""
            own = location.inner(name, key.location.line) if name else key.location
            value = self._node(next(self._events), own, depth=depth)
            if not name:
                self._problems.add(own, f"a key must be a word, not {key.kind}")
            elif name == "<<":
                merged |= self._merge(value)
            elif name in entries:
                first = entries[name].location.line
                self._problems.add(own, f"the key is on line {first} already; keep one of them")
            else:
                entries[name] = value
        return merged | entries

    def _merge(self, node: Node) -> dict[str, Node]:
        """Return what ``<<`` brings in: of several mappings, the first to have a key wins."""
        merged: dict[str, Node] = {}
        for each in node.value if isinstance(node.value, list) else [node]:
            if isinstance(each.value, dict):
                merged = each.value | merged
            else:
                self._problems.add(each.location, f"must be a mapping, not {each.kind}")
        return merged


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def dump_yaml(document: object) -> str:
    """Return plain lists, mappings, texts and booleans as YAML."""
    # Never folded: a secret on one line can be found.
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**30
    )
    return text


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Writes line ends as escapes: in plain texts, PyYAML does not read all of them back."""


def _represent(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar(_STRING, text, '"' if text.splitlines() != [text] else None)


_Dumper.add_representer(str, _represent)
