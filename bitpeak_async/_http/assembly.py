"""Handlers of exactly the documented shape → records, at a quarter of the general price.

Whatever is written otherwise, as servers do, is left to ``converter``: this lane accepts less and
never more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import attrs

from bitpeak_async.records import NotificationHandler
from bitpeak_async.settings import CLASSES, FIELDS, KnownSettings

Build = Callable[[Any], KnownSettings]


def handler_assembler(
    timezone: dt.tzinfo, otherwise: Callable[[Any], NotificationHandler]
) -> Callable[[Any], NotificationHandler]:
    """Return a function from a handler's JSON value to its record.

    Args:
        timezone: of the wire's datetimes; only UTC is fast.
        otherwise: structures what is not of exactly the documented shape, or says why not.
    """
    if timezone is not dt.UTC:
        return otherwise
    thaw = _thawed(NotificationHandler)
    builders = {name: _builder(cls) for name, cls in CLASSES.items()}
    parse = dt.datetime.fromisoformat

    def assemble(raw: Any) -> NotificationHandler:
        try:
            handler_id, name, is_enabled = raw["id"], raw["name"], raw["is_enabled"]
            if type(handler_id) is int and type(name) is str and type(is_enabled) is bool:
                settings = builders[raw["type"]](raw["settings"])
                last = raw["last_datetime"]
                if last is not None:
                    last = parse(last + "Z")  # a seventh of the price of replace(tzinfo=)
                made = parse(raw["datetime"] + "Z")
                record = thaw(handler_id, name, settings, is_enabled, last, made)
                record.__class__ = NotificationHandler
                handler: NotificationHandler = record
                return handler
        except (LookupError, TypeError, ValueError):
            pass
        return otherwise(raw)

    return assemble


def _thawed(cls: type[Any]) -> Callable[..., Any]:
    """Return a mutable class with the slots of a frozen one.

    Filling its instance and then assigning ``__class__`` takes half the time of the frozen
    class' own ``__init__``, which goes through ``object.__setattr__`` for each field. That works
    as long as neither has a slot for weak references.
    """
    names = {field.name: attrs.field() for field in attrs.fields(cls)}
    return attrs.make_class(cls.__name__, names, slots=True, weakref_slot=False, eq=False)


def _builder(cls: type[KnownSettings]) -> Build:
    wires = [wire.name for wire in FIELDS[cls].values()]
    thaw = _thawed(cls)

    def build_one(fields: Any) -> KnownSettings:
        value = fields[wires[0]]
        if type(value) is not str:
            raise TypeError
        settings = thaw(value)
        settings.__class__ = cls
        built: KnownSettings = settings
        return built

    def build(fields: Any) -> KnownSettings:
        if type(fields) is not dict:
            raise TypeError
        values = [fields[wire] for wire in wires]
        for value in values:
            if type(value) is not str:
                raise TypeError
        settings = thaw(*values)
        settings.__class__ = cls
        built: KnownSettings = settings
        return built

    return build_one if len(wires) == 1 else build
