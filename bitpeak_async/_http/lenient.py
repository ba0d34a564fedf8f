"""Structure JSON into records with cattrs, leniently, because servers of the platform differ.

It accepts numeric strings, numbers and strings for booleans, ``[]`` for empty settings, unknown
keys, and unknown or missing types.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from bitpeak_async._http.switch import Switch, switch_of
from bitpeak_async._structure import kind
from bitpeak_async.records import NotificationHandler, PageLinks
from bitpeak_async.settings import CLASSES, FIELDS, Settings, UnknownSettings

T = TypeVar("T")


def _unexpected(expected: str, value: object) -> ValueError:
    return ValueError(f"expected {expected}, got {kind(value)}")


def _int(value: Any, _: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    raise _unexpected("an integer", value)


def _bool(value: Any, _: object) -> bool:
    return switch_of(value) is Switch.ON


def _is_pending(value: object) -> bool:
    try:
        return switch_of(value) is Switch.PENDING
    except ValueError:  # _bool() reports it
        return False


def _text(value: Any, _: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _unexpected("a string", value)


def _datetime_hook(timezone: dt.tzinfo) -> Callable[[Any, object], dt.datetime]:
    parse = dt.datetime.fromisoformat

    def structure(value: Any, _: object) -> dt.datetime:
        try:
            moment = parse(value)
        except (TypeError, ValueError):
            raise _unexpected("a date and time such as '2025-12-05 14:25:37'", value) from None
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone)

    return structure


def _only(kind: type, expected: str, structure: Callable[[Any, Any], T]) -> Callable[[Any, Any], T]:
    """Refuse other kinds, because cattrs would accept ``""`` or ``{}`` as an empty array."""

    def structure_only(raw: Any, cls: Any) -> T:
        if type(raw) is not kind:
            raise _unexpected(expected, raw)
        return structure(raw, cls)

    return structure_only


def _optional(
    structure: Callable[[Any, object], dt.datetime],
) -> Callable[[Any, object], dt.datetime | None]:
    """Accept the other ways in which MySQL and PHP write "never"."""

    def structure_optional(value: Any, _: object) -> dt.datetime | None:
        return None if value in (None, "", "0000-00-00 00:00:00") else structure(value, _)

    return structure_optional


def _settings_hook(converter: Converter) -> Callable[[Any, object], Settings]:
    """Structure ``(type, settings)``, because the tag is a sibling of the settings."""
    structures: dict[str, tuple[Callable[[Any, Any], Settings], dict[str, str]]] = {}
    for name, cls in CLASSES.items():
        renamed = {python: override(rename=wire.name) for python, wire in FIELDS[cls].items()}
        structure = _object_hook(cls, converter, **renamed)
        structures[name] = structure, {wire.name: "" for wire in FIELDS[cls].values()}

    def structure_settings(pair: Any, _: object) -> Settings:
        handler_type, raw = pair
        if not raw:
            raw = {}
        elif type(raw) is not dict:
            raise _unexpected("an object", raw)
        known = structures.get(handler_type)
        if known is None:
            return UnknownSettings(handler_type, raw)
        structure, not_returned = known
        return structure({**not_returned, **raw}, None)

    return structure_settings


def _object_hook(cls: type[T], converter: Converter, **renamed: Any) -> Callable[[Any, Any], T]:
    structure = make_dict_structure_fn(
        cls, converter, _cattrs_detailed_validation=converter.detailed_validation, **renamed
    )
    return _only(dict, "an object", structure)


def _handler_hook(converter: Converter) -> Callable[[Any, object], NotificationHandler]:
    structure = _object_hook(NotificationHandler, converter)

    def structure_handler(raw: Any, cls: Any) -> NotificationHandler:
        if type(raw) is not dict:
            raise _unexpected("an object", raw)
        handler_type = raw.get("type")
        if handler_type is None:
            handler_type = ""
        elif not isinstance(handler_type, str):
            raise _unexpected("a 'type' that is a string", handler_type)
        settings = handler_type, raw.get("settings")
        is_pending = _is_pending(raw.get("is_enabled"))
        return structure({**raw, "settings": settings, "is_pending": is_pending}, cls)

    return structure_handler


def _links_hook(converter: Converter) -> Callable[[Any, object], PageLinks]:
    structure = _object_hook(PageLinks, converter, self_=override(rename="self"))
    return lambda raw, cls: structure(raw or {}, cls)


def converter_of(timezone: dt.tzinfo, *, detailed: bool) -> Converter:
    """Return a converter for an assumed timezone. Compiling it takes milliseconds.

    Args:
        timezone: the timezone of datetimes without an offset.
        detailed: whether errors have paths, for ``first_problem``; this is three times slower.
    """
    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook_factory(has, lambda cls: _object_hook(cls, converter))
    converter.register_structure_hook(int, _int)
    converter.register_structure_hook(bool, _bool)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(dt.datetime, _datetime_hook(timezone))
    converter.register_structure_hook(dt.datetime | None, _optional(_datetime_hook(timezone)))
    converter.register_structure_hook_func(lambda cls: cls == Settings, _settings_hook(converter))
    converter.register_structure_hook(NotificationHandler, _handler_hook(converter))
    converter.register_structure_hook(PageLinks, _links_hook(converter))
    raw_array = _only(list, "an array", lambda raw, _: raw)
    converter.register_structure_hook_func(lambda cls: cls == list[Any], raw_array)
    return converter
