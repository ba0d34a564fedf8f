"""Entries of handlers → the text of a spec file, one function a format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import orjson
from attrs import frozen

from bitpeak_async.provisioning.spec_files.csv import COLUMNS
from bitpeak_async.settings import WIRE_FIELDS

Format: TypeAlias = Literal["yaml", "toml", "json", "csv"]


@frozen
class Entry:
    """A handler as a file has it.

    Attributes:
        name: as written, so a dollar is ``$$``.
        type: the value of ``type`` on the wire.
        settings: wire names and values, as written.
        is_enabled: left out where it is true, except in CSV.
    """

    name: str
    type: str
    settings: Mapping[str, str]
    is_enabled: bool

    def document(self) -> dict[str, Any]:
        """Return the keys that are not left out, settings last."""
        document: dict[str, Any] = {"name": self.name, "type": self.type}
        if not self.is_enabled:
            document["is_enabled"] = False
        if self.settings:
            document["settings"] = dict(self.settings)
        return document


def _yaml(entries: Sequence[Entry]) -> str:
    # PyYAML comes with an extra; what reads the format says so when it is missing.
    from bitpeak_async.provisioning.spec_files.yaml import dump_yaml  # noqa: PLC0415

    return dump_yaml([entry.document() for entry in entries])


def _json(entries: Sequence[Entry]) -> str:
    documents = [entry.document() for entry in entries]
    return orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode() + "\n"


def _toml(entries: Sequence[Entry]) -> str:
    return "\n".join(map(_table, entries)) if entries else "handlers = []\n"


def _table(entry: Entry) -> str:
    document = entry.document()
    settings = document.pop("settings", {})
    lines = ["[[handlers]]", *(f"{key} = {_toml_value(document[key])}" for key in document)]
    if settings:
        lines += ["[handlers.settings]"]
        lines += (f"{key} = {_toml_value(value)}" for key, value in settings.items())
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    # JSON's escapes are TOML's, which wants one character more to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _csv(entries: Sequence[Entry]) -> str:
    used = dict.fromkeys(key for entry in entries for key in entry.settings)
    fields = [key for key in WIRE_FIELDS if key in used]
    fields += [key for key in used if key not in WIRE_FIELDS]
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, *fields])
    for entry in entries:
        is_enabled = "true" if entry.is_enabled else "false"
        cells = (entry.settings.get(key, "") for key in fields)
        writer.writerow([entry.name, entry.type, is_enabled, *cells])
    return text.getvalue()


DUMPERS: Final[Mapping[str, Callable[[Sequence[Entry]], str]]] = MappingProxyType(
    {"yaml": _yaml, "toml": _toml, "json": _json, "csv": _csv}
)
