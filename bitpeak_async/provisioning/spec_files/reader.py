"""Nodes of a spec file → handler specs: each key checked where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

from bitpeak_async._http.form import name_problems, settings_problems
from bitpeak_async._secret import Secret
from bitpeak_async.provisioning.spec_files.document import Location, Node, Problems
from bitpeak_async.provisioning.spec_files.node_reader import NodeReader, same_name
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import CLASSES, FIELDS, KnownSettings, Settings, UnknownSettings

_KEYS: Final = ("name", "type", "settings", "is_enabled")
_BOOLEANS: Final = {"true": True, "false": False}
_TYPE_OF_FIELD: Final = {
    wire.name: str(cls.type) for cls, wires in FIELDS.items() for wire in wires.values()
}


class SpecReader(NodeReader):
    """Reads the specs of one file.

    Args:
        problems: and ``environ``: as for ``NodeReader``.

    Attributes:
        names: handlers' names so far → where each stands.
    """

    def __init__(self, problems: Problems, environ: Secret[Mapping[str, str] | None]) -> None:
        super().__init__(problems, environ)
        self.names: dict[str, Location] = {}

    def read(self, document: Node) -> list[HandlerSpec]:
        """Return the specs of a whole file.

        Raises:
            UnusableFileError: it holds no list of handlers.
        """
        nodes = self._list(document, "handlers")
        return [spec for node in nodes if (spec := self._spec(node)) is not None]

    def read_settings(
        self, kind: str | None, fields: Secret[Mapping[str, str]]
    ) -> Settings | dict[str, str] | None:
        """Return the settings that single words describe; with no type, the fields by wire name."""
        nodes = {name: Node(text, Location(path=name)) for name, text in fields.value.items()}
        if kind is not None:
            return self._settings(Node(kind, Location(path="type")), Node({**nodes}, Location()))
        return {name: self._text(node) or "" for name, node in nodes.items()}

    def _spec(self, node: Node) -> HandlerSpec | None:
        entry = self._mapping(node)
        if entry is None:
            return None
        self._refuse_unknown(entry, _KEYS)
        for key, example in (("name", "Work email"), ("type", "email")):
            if key not in entry:
                self._problems.add(
                    node.location, f"has no {key}; add one such as '{key}: {example}'"
                )
        name = self._name(entry["name"], node.location) if "name" in entry else None
        settings = self._settings(
            entry.get("type"), entry.get("settings", Node({}, node.location.inner("settings")))
        )
        is_enabled = "is_enabled" not in entry or self._boolean(entry["is_enabled"])
        if name is None or settings is None:
            return None
        return HandlerSpec(name, settings, is_enabled)

    def _name(self, node: Node, handler: Location) -> str | None:
        name = self._text(node)
        if name is None:
            return None
        for _, problem in name_problems(name):
            self._problems.add(node.location, problem)
        first = self.names.setdefault(name, handler)
        if first is not handler:
            self._problems.add(handler, same_name(first.path, f"on line {first.line}"))
        return name

    def _settings(self, kind_node: Node | None, node: Node) -> Settings | None:
        kind = None if kind_node is None else self._text(kind_node)
        fields = self._mapping(node)
        if fields is None:
            return None
        texts = {name: self._text(field) for name, field in fields.items()}
        if kind_node is None or kind is None:
            return None
        cls = CLASSES.get(kind)
        if cls is not None:
            return self._known(cls, node, fields, texts)
        return self._unknown(kind, kind_node, node, fields, texts)

    def _known(
        self,
        cls: type[KnownSettings],
        node: Node,
        fields: Mapping[str, Node],
        texts: Mapping[str, str | None],
    ) -> Settings:
        wires = {python: wire.name for python, wire in FIELDS[cls].items()}
        self._refuse_unknown(fields, wires.values(), wires)
        for name in wires.values():
            if name not in fields:
                self._problems.add(node.location, f"lacks {name!r}, which {cls.type} needs")
        # Where there is no text, a problem is noted already: "" only holds its place.
        settings = cls(**{python: texts.get(name) or "" for python, name in wires.items()})
        self._check(
            settings,
            {
                f"settings.{python}": fields[name].location
                for python, name in wires.items()
                if texts.get(name) is not None
            },
        )
        return settings

    def _unknown(
        self,
        kind: str,
        kind_node: Node,
        node: Node,
        fields: Mapping[str, Node],
        texts: Mapping[str, str | None],
    ) -> Settings | None:
        if meant := misspelt(kind, fields):
            self._problems.add(
                kind_node.location,
                f"{kind_node.value!r} is no documented type; did you mean {meant!r}? "
                f"known: {', '.join(CLASSES)}",
            )
            return None
        given = {name: text for name, text in texts.items() if text is not None}
        settings = UnknownSettings(kind, given)
        locations = {f"settings.fields[{name!r}]": field.location for name, field in fields.items()}
        locations |= {"settings.type": kind_node.location, "settings.fields": node.location}
        self._check(settings, locations)
        return settings

    def _check(self, settings: Settings, locations: Mapping[str, Location]) -> None:
        """Note what keeps settings from being sent, at the locations of its arguments."""
        for argument, problem in settings_problems(settings):
            if argument in locations:
                self._problems.add(locations[argument], problem)

    def _boolean(self, node: Node) -> bool:
        text = self._text(node)
        if text is not None and text.lower() not in _BOOLEANS:
            self._problems.add(node.location, "must be true or false")
        return _BOOLEANS.get((text or "").lower(), True)


def misspelt(kind: str, fields: Iterable[str]) -> str | None:
    """Return the documented type that an undocumented one seems to mean."""
    meant = [_TYPE_OF_FIELD[name] for name in fields if name in _TYPE_OF_FIELD]
    meant += get_close_matches(kind.lower(), CLASSES, n=1)
    return meant[0] if meant else None
