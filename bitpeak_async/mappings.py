"""Convert records to and from mappings in the API's own terms, without the environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import count
from types import MappingProxyType
from typing import Any, Final

from attrs import asdict

from bitpeak_async._checks import as_int
from bitpeak_async._http.form import (
    Problem,
    refuse,
    settings_problems,
    spec_problems,
    unknown_field,
)
from bitpeak_async._secret import Secret, hides
from bitpeak_async._structure import did_you_mean
from bitpeak_async.errors import InvalidRequestError, PlanError
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page
from bitpeak_async.settings import (
    CLASSES,
    FIELDS,
    TYPE_OF_FIELD,
    Settings,
    UnknownSettings,
    masked_fields,
    settings_fields,
)

__all__ = ["settings_from_dict", "spec_from_dict", "specs_from_rows", "to_dict"]

_KEYS: Final = ("name", "type", "settings", "is_enabled", "renamed_from")
_SERVERS: Final = ("id", "datetime", "last_datetime")  # keys of handlers that specs do not have
_SWITCHES: Final[Mapping[str, bool | None]] = MappingProxyType(
    {"true": True, "1": True, "false": False, "0": False, "keep": None}
)


def to_dict(
    record: NotificationHandler | HandlerSpec | Settings | Page[NotificationHandler],
    *,
    secrets: bool = False,
) -> dict[str, Any]:
    """Return a record as plain JSON data, under the names that the API uses.

    Datetimes become ISO 8601 texts with their offset; settings become their fields.

    Args:
        record: a handler, a page of handlers, a spec, or settings.
        secrets: show secrets. By default, only the scheme and host of secret URLs are shown.

    Raises:
        InvalidRequestError: ``record`` is none of these.
    """
    match record:
        case NotificationHandler():
            used = record.last_datetime
            return {
                "id": record.id,
                "type": str(record.type),
                "name": record.name,
                "settings": to_dict(record.settings, secrets=secrets),
                "is_enabled": record.is_enabled,
                "last_datetime": used and used.isoformat(),
                "datetime": record.datetime.isoformat(),
            }
        case HandlerSpec():
            former = {} if record.renamed_from is None else {"renamed_from": record.renamed_from}
            return {
                "name": record.name,
                "type": str(record.settings.type),
                "settings": to_dict(record.settings, secrets=secrets),
                "is_enabled": record.is_enabled,
                **former,
            }
        case Page():
            links = {name.rstrip("_"): value for name, value in asdict(record.links).items()}
            data = [to_dict(each, secrets=secrets) for each in record]
            return {"data": data, "meta": asdict(record.meta), "links": links}
        case _ if isinstance(record, Settings):
            return settings_fields(record) if secrets else masked_fields(record)
    raise InvalidRequestError(
        f"record must be a handler, page, spec or settings, not {type(record).__name__}",
        argument="record",
    )


@hides("fields")
def settings_from_dict(handler_type: str, fields: Mapping[str, Any]) -> Settings:
    """Return settings from the fields of a handler type, under the names that the API uses.

    Texts are taken literally, so they may come from a request: ``${NAME}`` stays as it is.

    Args:
        handler_type: a type such as ``"slack"``. An undocumented one gives ``UnknownSettings``,
            unless it looks misspelt.
        fields: API field → value; a whole number becomes its digits.

    Raises:
        InvalidRequestError: a field is missing, unknown or cannot be sent.
    """
    hidden = Secret.of(fields)
    refuse(_shape_problems(handler_type, hidden.reveal()))
    settings = _settings(handler_type, hidden)
    refuse(settings_problems(settings))
    return settings


@hides("mapping")
def spec_from_dict(mapping: Mapping[str, Any]) -> HandlerSpec:
    """Return a spec from a mapping, such as one from ``to_dict(spec, secrets=True)``.

    Texts are taken literally; see ``settings_from_dict``. The server's own keys (``id``,
    ``datetime``, ``last_datetime``) are ignored, so a handler's mapping works too.

    Args:
        mapping: has the keys ``name``, ``type``, ``settings``, and optionally ``is_enabled`` and
            ``renamed_from``.

    Raises:
        InvalidRequestError: a key is missing or unknown, or a value cannot be sent.
    """
    hidden = Secret.of(mapping)
    refuse(_key_problems(hidden.reveal()))
    settings = settings_from_dict(hidden.reveal()["type"], hidden.reveal().get("settings") or {})
    spec = HandlerSpec(
        hidden.reveal()["name"],
        settings,
        hidden.reveal().get("is_enabled", True),
        renamed_from=hidden.reveal().get("renamed_from"),
    )
    refuse(spec_problems(spec))
    return spec


@hides("rows")
def specs_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[HandlerSpec]:
    """Return specs from rows of a table, such as ``DataFrame.to_dict("records")``.

    A row has ``name``, ``type``, optionally ``is_enabled`` and ``renamed_from``, and one column per
    settings field, as in a CSV spec file. None, NaN and ``""`` mean "not given".

    Raises:
        PlanError: rows cannot be used; ``problems`` lists them all, with indexes from 0.
        InvalidRequestError: ``rows`` is not iterable.
    """
    hidden = Secret.of(rows)
    if not isinstance(hidden.reveal(), Iterable):
        kind = type(hidden.reveal()).__name__
        raise InvalidRequestError(f"rows must be an iterable of mappings, not {kind}")
    found = [*map(_from_row, count(), hidden.reveal())]
    problems = tuple(each for each in found if isinstance(each, str))
    if problems:
        raise PlanError("\n".join(problems), problems=problems)
    return [each for each in found if isinstance(each, HandlerSpec)]


def _shape_problems(handler_type: object, fields: object) -> Iterator[Problem]:
    if not isinstance(handler_type, str):
        yield "type", f"must be a string such as 'email', not {type(handler_type).__name__}"
    elif not isinstance(fields, Mapping):
        yield "settings", f"must be a mapping of field names, not {type(fields).__name__}"
    elif (cls := CLASSES.get(handler_type)) is not None:
        wires = [wire.name for wire in FIELDS[cls].values()]
        for name in fields:
            if name not in wires:
                yield "settings", unknown_field(name, [cls])
        for name in wires:
            if name not in fields:
                yield "settings", f"lacks {name!r}, which {handler_type} needs"
    elif meant := misspelt(handler_type, fields):
        yield "type", f"{handler_type!r} is not a documented type; did you mean {meant!r}?"


def _key_problems(mapping: object) -> Iterator[Problem]:
    if not isinstance(mapping, Mapping):
        yield "mapping", f"must have the keys of a handler; it is a {type(mapping).__name__}"
        return
    for key in mapping:
        if key not in _KEYS and key not in _SERVERS:
            yield "mapping", f"has an unknown key {key!r}; {did_you_mean(str(key), _KEYS)}"
    for key in ("name", "type"):
        if key not in mapping:
            yield "mapping", f"lacks {key!r}"


def _settings(handler_type: str, fields: Secret[Mapping[str, Any]]) -> Settings:
    texts = Secret({name: _text(value) for name, value in fields.reveal().items()})
    cls = CLASSES.get(handler_type)
    if cls is None:
        return UnknownSettings(handler_type, texts.reveal())
    make: Any = cls  # its fields differ from class to class
    settings: Settings = make(*[texts.reveal()[wire.name] for wire in FIELDS[cls].values()])
    return settings


def _text(value: object) -> object:
    return value if (number := as_int(value)) is None else str(number)


def _from_row(index: int, row: object) -> HandlerSpec | str:
    """Return the spec of a row, or what is wrong with it."""
    if not isinstance(row, Mapping):
        return f'rows[{index}] must be a mapping, not {type(row).__name__}: to_dict("records")?'
    given = {name: _cell(cell) for name, cell in row.items() if not _is_missing(cell)}
    own = {name: given[name] for name in given if name in _KEYS or name in _SERVERS}
    settings = {name: given[name] for name in given if name not in own}
    if "is_enabled" in own:
        text = str(own["is_enabled"]).lower()
        own["is_enabled"] = _SWITCHES.get(text, text)
    try:
        return spec_from_dict({**own, "settings": settings})
    except InvalidRequestError as error:
        return f"rows[{index}]: {error}"


def _is_missing(cell: object) -> bool:
    try:
        return cell is None or cell == "" or bool(cell != cell)  # noqa: PLR0124 - NaN
    except (TypeError, ValueError):  # pandas.NA is neither true nor false
        return True


def _cell(cell: object) -> object:
    """Return a number as its digits; tables turn whole numbers into floats if cells are empty."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return _text(cell)


def misspelt(handler_type: str, fields: Iterable[str]) -> str | None:
    """Return the documented type that an undocumented one seems to mean."""
    meant = [TYPE_OF_FIELD[name] for name in fields if name in TYPE_OF_FIELD]
    meant += get_close_matches(handler_type.lower(), CLASSES, n=1)
    return meant[0] if meant else None
