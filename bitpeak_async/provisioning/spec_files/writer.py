"""Handler specs → entries of a file, or all reasons why reading would not return equal specs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping

from bitpeak_async._http.form import name_problems, spec_problems
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.mappings import misspelt
from bitpeak_async.provisioning.spec_files.document import refuse
from bitpeak_async.provisioning.spec_files.dump import Entry, Format
from bitpeak_async.provisioning.spec_files.variables import Variables
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import CLASSES, FIELDS, Settings, UnknownSettings, settings_fields


def make_entries(
    specs: Iterable[HandlerSpec],
    form: Format,
    environ: dict[str, str] | None,
    ids: Mapping[str, int],
) -> list[Entry]:
    """Return specs as the entries of a file.

    Args:
        specs: specs with unique names.
        form: the format of the file.
        environ: receives variable → secret, and each secret is written as a reference. If None,
            secrets are written in clear.
        ids: handler's name → id, for the names of variables.

    Raises:
        ConfigurationError: ``specs`` is not iterable.
        PlanError: a spec cannot be sent, or would not be read back equal.
    """
    if not isinstance(specs, Iterable):
        raise ConfigurationError(
            f"specs must be an iterable of HandlerSpec, not {type(specs).__name__}"
        )
    desired = list(specs)
    refuse(_problems(desired, form, refers=environ is not None))
    names = (spec.name for spec in desired)
    variables = None if environ is None else Variables(environ, ids, names)
    return [_entry(spec, variables) for spec in desired]


def _entry(spec: HandlerSpec, variables: Variables | None) -> Entry:
    secret = _secrets(spec.settings).values() if variables else ()
    settings = {
        field: f"${{{variables.add(spec.name, field, value)}}}"
        if variables and field in secret
        else _escaped(value)
        for field, value in settings_fields(spec.settings).items()
    }
    entry: Entry = {"name": _escaped(spec.name), "type": str(spec.settings.type)}
    if spec.is_enabled is not True:
        entry["is_enabled"] = "keep" if spec.is_enabled is None else False
    if spec.renamed_from is not None:
        entry["renamed_from"] = _escaped(spec.renamed_from)
    return {**entry, "settings": settings} if settings else entry


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _secrets(settings: Settings) -> dict[str, str]:
    """Return argument → API field of each secret. All fields of an unknown type are secrets."""
    if isinstance(settings, UnknownSettings):
        return {f"settings.fields[{name!r}]": name for name in settings.fields}
    wires = FIELDS[type(settings)].items()
    return {f"settings.{python}": wire.name for python, wire in wires if wire.secret}


def _problems(specs: list[HandlerSpec], form: Format, *, refers: bool) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, spec in enumerate(specs):
        path = f"[{index}]"
        if not isinstance(spec, HandlerSpec):
            yield f"{path}: must be a HandlerSpec, not {type(spec).__name__}"
            continue
        elsewhere = first.setdefault(spec.name, index)
        if elsewhere != index:
            yield f"{path}: has the same name as [{elsewhere}]; names must be unique"
        unusable = False
        for argument, problem in spec_problems(spec):
            if not (refers and _can_refer(spec.settings, argument)):
                unusable = True
                yield f"{path}.{argument}: {problem}"
        if unusable:
            continue
        yield from (f"{path}{problem}" for problem in _misread(spec))
        if form == "csv":
            yield from (f"{path}{problem}" for problem in _too_long(spec))


def _can_refer(settings: Settings, argument: str) -> bool:
    """Return whether an argument is a secret that the user can fill in later."""
    field = _secrets(settings).get(argument)
    if field is None:
        return False
    value = settings_fields(settings)[field]
    return isinstance(value, str) and (not value.strip() or not any(name_problems(value)))


def _misread(spec: HandlerSpec) -> Iterator[str]:
    settings = spec.settings
    if not isinstance(settings, UnknownSettings):
        return
    if cls := CLASSES.get(settings.type):
        yield f".settings.type: read_specs returns {settings.type!r} as {cls.__name__}; use that"
    elif meant := misspelt(settings.type, settings.fields):
        yield f".settings.type: read_specs refuses {settings.type!r} as a misspelt {meant!r}"


def _too_long(spec: HandlerSpec) -> Iterator[str]:
    limit = csv.field_size_limit()
    cells = {"name": spec.name, **settings_fields(spec.settings)}
    for field, cell in cells.items():
        if len(_escaped(cell)) > limit:
            yield f".{field}: a CSV cell holds at most {limit:,} characters; use another format"
