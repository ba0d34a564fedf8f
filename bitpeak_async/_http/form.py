"""Check and encode what is sent: specs as form fields, pages and filters as a query."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from bitpeak_async._checks import as_bool, as_int, shown
from bitpeak_async._secret import Secret
from bitpeak_async._structure import did_you_mean
from bitpeak_async.errors import InvalidRequestError
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import (
    CLASSES,
    FIELDS,
    TYPE_OF_FIELD,
    Format,
    KnownSettings,
    Settings,
    UnknownSettings,
    WireField,
    settings_fields,
)

Problem: TypeAlias = tuple[str, str]

Query: TypeAlias = Mapping[str, str | int | bool]

TOO_LARGE: Final = 2**63  # no column of ids holds it

_PAGE_SIZES: Final = (10, 25, 50, 100, 250, 500, 1000)
_PART_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Accepts nearly all URLs, twenty times as fast as urlsplit().
_PLAIN_URL: Final = re.compile(r"https?://[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*+(?:/[!-~]*+)?")
# Printable ASCII, not only spaces. Accepts nearly all texts, three times as fast as a full check.
_PLAIN_TEXT: Final = re.compile(r" *[!-~][ -~]*+")
_PLAIN_EMAIL: Final = re.compile(r"[!-?A-~]++@[!-?A-~]++")
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
        return "must be valid Unicode (it contains half of a surrogate pair)"
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


_PLAIN: Final = {
    Format.TEXT: _PLAIN_TEXT,
    Format.EMAIL: _PLAIN_EMAIL,
    Format.URL: _PLAIN_URL,
}
# Settings class → (attribute, pattern that accepts usual values, wire field)
_CHECKS: Final = {
    cls: [(python, _PLAIN[wire.format].fullmatch, wire) for python, wire in wires.items()]
    for cls, wires in FIELDS.items()
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
    handler_type, names = changes.get("type"), changes.keys() - {"type"}
    if "type" in changes and not (isinstance(handler_type, str) and handler_type in CLASSES):
        yield "settings", f"has an undocumented type {handler_type!r}; pass UnknownSettings"
        return
    classes = [CLASSES[handler_type]] if isinstance(handler_type, str) else [*FIELDS]
    wires = {wire.name: wire for cls in classes for wire in FIELDS[cls].values()}
    if wires and not names:
        yield "settings", "must name at least one field"
    for name in changes:
        if name not in names:
            continue
        if (wire := wires.get(name)) is None:
            yield "settings", unknown_field(name, classes)
        elif problem := _field_problem(wire, changes[name]):
            yield f"settings[{name!r}]", problem
    types = dict.fromkeys(TYPE_OF_FIELD[name] for name in changes if name in names & wires.keys())
    if len(types) > 1:
        yield "settings", f"has fields of several types ({', '.join(types)}); a handler has one"


def unknown_field(name: object, classes: Sequence[type[KnownSettings]]) -> str:
    """Describe a field that none of these types has; suggest one if it is a Python name."""
    meant = [
        repr(wire.name) for cls in classes for python, wire in FIELDS[cls].items() if python == name
    ]
    known = [wire.name for cls in classes for wire in FIELDS[cls].values()]
    hint = f"did you mean {' or '.join(meant)}?" if meant else did_you_mean(str(name), known)
    return f"has an unknown field {name!r}; {hint}"


def settings_problems(settings: object) -> list[Problem]:
    """Return (argument, problem) for each reason not to send settings, without their values."""
    cls: Any = type(settings)
    if (checks := _CHECKS.get(cls)) is not None:
        problems = []
        for python, is_plain, wire in checks:
            value = getattr(settings, python)
            if type(value) is str and is_plain(value):
                continue
            if problem := _field_problem(wire, value):
                problems.append((f"settings.{python}", problem))
        return problems
    if isinstance(settings, UnknownSettings):
        return [*_unknown_problems(settings)]
    classes = ", ".join(cls.__name__ for cls in FIELDS)
    problem = f"must be one of {classes} or UnknownSettings, not {type(settings).__name__}"
    return [("settings", problem)]


def name_problems(name: object) -> list[Problem]:
    """Return (argument, problem) for each reason not to send a name."""
    if type(name) is str and _PLAIN_TEXT.fullmatch(name):
        return []
    problem = _text_problem(name)
    return [("name", problem)] if problem else []


def spec_problems(spec: HandlerSpec) -> list[Problem]:
    """Return (argument, problem) for each reason not to send a spec."""
    problems = name_problems(spec.name) + settings_problems(spec.settings)
    if spec.is_enabled is not True and not isinstance(spec.is_enabled, bool | None):
        kind = type(spec.is_enabled).__name__
        problems.append(("is_enabled", f"must be True, False or None, not {kind}"))
    if spec.renamed_from is not None and (problem := _text_problem(spec.renamed_from)):
        problems.append(("renamed_from", problem))
    return problems


def refuse(problems: Iterable[Problem]) -> None:
    """Raise InvalidRequestError for the first problem, if there is any."""
    for argument, problem in problems:
        raise InvalidRequestError(f"{argument} {problem}", argument=argument)


def checked_flag(is_enabled: object) -> bool:
    """Return a switch; raise InvalidRequestError unless it is True or False."""
    if (flag := as_bool(is_enabled)) is None:
        kind = type(is_enabled).__name__
        problem = f"is_enabled must be True or False, not {kind}"
        raise InvalidRequestError(problem, argument="is_enabled")
    return flag


def create_form(name: str, settings: Secret[Settings]) -> dict[str, str]:
    """Return the form fields of a create.

    Raises:
        InvalidRequestError: the name or a settings field cannot be sent.
    """
    refuse(name_problems(name))
    refuse(settings_problems(settings.reveal()))
    return {"name": name, "type": str(settings.reveal().type), **settings_fields(settings.reveal())}


def update_form(
    name: str | None,
    settings: Secret[Any],  # Settings | SettingsFields | None, unchecked
    is_enabled: bool | None,  # noqa: FBT001 - its callers name it
) -> dict[str, str]:
    """Return the form fields of an update, without those that are None.

    Raises:
        InvalidRequestError: there is nothing to change, or a field cannot be sent.
    """
    # Checked before ``form`` holds values, because a traceback with locals would show them.
    flag = None if is_enabled is None else checked_flag(is_enabled)
    form: dict[str, str] = {}
    if name is not None:
        refuse(name_problems(name))
        form["name"] = name
    if isinstance(settings.reveal(), Mapping):
        refuse(_mapping_problems(settings.reveal()))
        form.update((name, str(value)) for name, value in settings.reveal().items())
    elif settings.reveal() is not None:
        refuse(settings_problems(settings.reveal()))
        form.update(type=str(settings.reveal().type), **settings_fields(settings.reveal()))
    if flag is not None:
        form["is_enabled"] = "1" if flag else "0"
    if not form:
        raise InvalidRequestError("give at least one of name, settings, is_enabled to update")
    return form


def checked_page(page: int, results_per_page: int) -> tuple[int, int]:
    """Return a page number and a page size; raise InvalidRequestError for unusable ones."""
    number, size = as_int(page), as_int(results_per_page)
    if number is None or not 0 < number < TOO_LARGE:
        raise InvalidRequestError(
            f"page must be a whole number from 1 up, not {shown(page)}", argument="page"
        )
    if size is None or size not in _PAGE_SIZES:
        sizes = ", ".join(map(str, _PAGE_SIZES))
        raise InvalidRequestError(
            f"results_per_page must be one of {sizes}, not {shown(results_per_page)}",
            argument="results_per_page",
        )
    return number, size


def checked_query(extra_query: Query | None, filters: Mapping[str, object]) -> dict[str, str | int]:
    """Return query parameters; raise InvalidRequestError for what cannot be sent."""
    if extra_query is not None and not isinstance(extra_query, Mapping):
        kind = type(extra_query).__name__
        raise _bad_query("extra_query", f"must be a mapping of parameters, not {kind}")
    query: dict[str, str | int] = {}
    for name, value in (extra_query or {}).items():
        text = _parameter(value)
        if not isinstance(name, str) or text is None:
            problem = f"must map texts to texts, numbers or booleans, not {name!r} to {value!r}"
            raise _bad_query("extra_query", problem)
        query[name] = text
    for name, wanted in filters.items():
        if wanted is not None and (text := _parameter(wanted)) is not None:
            query[name] = text
        elif wanted is not None:
            raise _bad_query(name, f"must be a text or a boolean, not {type(wanted).__name__}")
    for name, text in query.items():
        try:
            f"{name}{text}".encode()
        except ValueError:  # half of a surrogate pair, or thousands of digits
            problem = f"has a parameter that cannot be sent: {name!r}"
            raise _bad_query(name if name in filters else "extra_query", problem) from None
    return query


def _parameter(value: object) -> str | int | None:
    if isinstance(value, str):
        return value
    flag = as_bool(value)
    return as_int(value) if flag is None else int(flag)


def _bad_query(argument: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{argument} {problem}", argument=argument)
