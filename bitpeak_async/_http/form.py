"""Specs → the form fields of a create or update. Everything that is sent is checked here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from bitpeak_async._secret import Secret
from bitpeak_async._structure import did_you_mean
from bitpeak_async.errors import InvalidRequestError
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import (
    FIELDS,
    WIRE_FIELDS,
    Format,
    Settings,
    SettingsFields,
    UnknownSettings,
    WireField,
)

Problem: TypeAlias = tuple[str, str]

_PART_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Matches nearly all URLs, in a twentieth of the time of urlsplit().
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*+(?:/[!-~]*+)?")
_SPACE: Final = re.compile(r"\s")
_RESERVED: Final = frozenset({"name", "type", "is_enabled"})


def _text_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return f"must be a string, not {type(value).__name__}"
    if not value or value.isspace():
        return "must not be empty"
    if "\0" in value:
        return "must not contain NUL"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode (it holds half of a surrogate pair)"
    return None


def _is_email(value: str) -> bool:
    local, at, domain = value.rpartition("@")
    return bool(local and at and domain) and not _SPACE.search(value)


def _is_url(value: str) -> bool:
    if _PLAIN_URL.fullmatch(value):
        return True
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError:
        return False
    absolute = url.scheme in ("http", "https") and bool(url.hostname)
    return absolute and not _SPACE.search(value)


_HAS_FORMAT: Final[Mapping[str, Callable[[str], bool]]] = {
    Format.TEXT: bool,
    Format.EMAIL: _is_email,
    Format.URL: _is_url,
}


def _field_problem(wire: WireField, value: Any) -> str | None:
    problem = _text_problem(value)
    if problem is None and not _HAS_FORMAT[wire.format](value):
        problem = f"must be {wire.format}"
    return problem


def _unknown_problems(settings: UnknownSettings) -> Iterator[Problem]:
    if not isinstance(settings.type, str) or not _PART_NAME.fullmatch(settings.type):
        yield "settings.type", "must be an ASCII word such as 'twilio'"
    for name, value in settings.fields.items():
        if not isinstance(name, str) or not _PART_NAME.fullmatch(name) or name in _RESERVED:
            yield "settings.fields", f"must have ASCII words as names, such as 'twilio': {name!r}"
        elif problem := _text_problem(value):
            yield f"settings.fields[{name!r}]", problem


def _mapping_problems(changes: Mapping[str, object]) -> Iterator[Problem]:
    if not changes:
        yield "settings", "must name at least one field"
    for name, value in changes.items():
        wire = WIRE_FIELDS.get(name)
        if wire is None:
            hint = did_you_mean(str(name), WIRE_FIELDS)
            yield "settings", f"has an unknown field {name!r}; {hint}"
        elif problem := _field_problem(wire, value):
            yield f"settings[{name!r}]", problem


def settings_problems(settings: object) -> list[Problem]:
    """Return (argument, problem) for each reason not to send settings; none holds a value."""
    cls: Any = type(settings)
    if (wires := FIELDS.get(cls)) is not None:
        problems = []
        for python, wire in wires.items():
            if problem := _field_problem(wire, getattr(settings, python)):
                problems.append((f"settings.{python}", problem))
        return problems
    if isinstance(settings, UnknownSettings):
        return [*_unknown_problems(settings)]
    classes = ", ".join(cls.__name__ for cls in FIELDS)
    problem = f"must be one of {classes} or UnknownSettings, not {type(settings).__name__}"
    return [("settings", problem)]


def name_problems(name: object) -> list[Problem]:
    """Return (argument, problem) for each reason not to send a name."""
    problem = _text_problem(name)
    return [("name", problem)] if problem else []


def spec_problems(spec: HandlerSpec) -> list[Problem]:
    """Return (argument, problem) for each reason not to send a spec."""
    problems = name_problems(spec.name) + settings_problems(spec.settings)
    if not isinstance(spec.is_enabled, bool | None):
        kind = type(spec.is_enabled).__name__
        problems.append(("is_enabled", f"must be True, False or None, not {kind}"))
    if spec.renamed_from is not None and (problem := _text_problem(spec.renamed_from)):
        problems.append(("renamed_from", problem))
    return problems


def refuse(problems: Iterable[Problem]) -> None:
    """Raise InvalidRequestError for the first problem, if there is any."""
    for argument, problem in problems:
        raise InvalidRequestError(f"{argument} {problem}", argument=argument)


def settings_fields(settings: Settings) -> dict[str, str]:
    """Return wire name → value of a settings object, as in a reply."""
    if isinstance(settings, UnknownSettings):
        return dict(settings.fields)
    wires = FIELDS[type(settings)]
    return {wire.name: getattr(settings, python) for python, wire in wires.items()}


def create_form(name: str, settings: Secret[Settings]) -> dict[str, str]:
    """Return the form fields of a create.

    Raises:
        InvalidRequestError: the name or a settings field cannot be sent.
    """
    refuse(name_problems(name))
    refuse(settings_problems(settings.value))
    return {"name": name, "type": str(settings.value.type), **settings_fields(settings.value)}


def update_form(
    name: str | None,
    settings: Secret[Settings | SettingsFields | None],
    is_enabled: bool | None,  # noqa: FBT001 - its three callers name it
) -> dict[str, str]:
    """Return the form fields of an update, without those that are None.

    Raises:
        InvalidRequestError: there is nothing to change, or a field cannot be sent.
    """
    # Checked before ``form`` holds any value: a traceback with locals would show it.
    if is_enabled is not None and not isinstance(is_enabled, bool):
        raise InvalidRequestError(
            f"is_enabled must be True or False, not {type(is_enabled).__name__}",
            argument="is_enabled",
        )
    form: dict[str, str] = {}
    if name is not None:
        refuse(name_problems(name))
        form["name"] = name
    if isinstance(settings.value, Mapping):
        refuse(_mapping_problems(settings.value))
        form.update((name, str(value)) for name, value in settings.value.items())
    elif settings.value is not None:
        refuse(settings_problems(settings.value))
        form.update(type=str(settings.value.type), **settings_fields(settings.value))
    if is_enabled is not None:
        form["is_enabled"] = "1" if is_enabled else "0"
    if not form:
        raise InvalidRequestError("give at least one of name, settings, is_enabled to update")
    return form
