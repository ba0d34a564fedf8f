"""Entries of handlers → the text of a spec file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from bitpeak_async.provisioning.spec_files.csv import COLUMNS
from bitpeak_async.settings import WIRE_FIELDS

Format: TypeAlias = Literal["yaml", "toml", "json", "csv"]


# A handler as written in a file: ``$`` is doubled, and is_enabled and settings are omitted if they
# have their default value.
Entry: TypeAlias = dict[str, Any]


def _yaml(entries: Sequence[Entry]) -> str:
    # PyYAML is an extra; the module raises ConfigurationError without it.
    from bitpeak_async.provisioning.spec_files.yaml import dump_yaml  # noqa: PLC0415

    return dump_yaml(entries)


def _json(entries: Sequence[Entry]) -> str:
    return json.dumps(entries, ensure_ascii=False, indent=2) + "\n"


def _toml(entries: Sequence[Entry]) -> str:
    return "\n".join(map(_table, entries)) if entries else "handlers = []\n"


def _table(entry: Entry) -> str:
    lines = ["[[handlers]]"]
    lines += (f"{key} = {_toml_value(entry[key])}" for key in entry if key != "settings")
    if "settings" in entry:
        lines += ["[handlers.settings]"]
        lines += (f"{key} = {_toml_value(value)}" for key, value in entry["settings"].items())
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    # TOML has JSON's escapes, but also requires DEL to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _csv(entries: Sequence[Entry]) -> str:
    used = dict.fromkeys(key for entry in entries for key in entry.get("settings", ()))
    fields = [key for key in WIRE_FIELDS if key in used]
    fields += [key for key in used if key not in WIRE_FIELDS]
    text = StringIO(newline="")
    is_renamed = any("renamed_from" in entry for entry in entries)
    columns = [key for key in COLUMNS if key != "renamed_from" or is_renamed]
    writer = csv.DictWriter(text, [*columns, *fields])
    writer.writeheader()
    for entry in entries:
        own = {key: value for key, value in entry.items() if key != "settings"}
        own["is_enabled"] = str(entry.get("is_enabled", True)).lower()
        writer.writerow({**entry.get("settings", {}), **own})
    return text.getvalue()


DUMPERS: Final[Mapping[str, Callable[[Sequence[Entry]], str]]] = MappingProxyType(
    {"yaml": _yaml, "toml": _toml, "json": _json, "csv": _csv}
)
