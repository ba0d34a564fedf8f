"""Spec files ↔ handler specs, in the API's own field names.

::

    - name: Ops alerts
      type: telegram
      settings:
        telegram: ${TELEGRAM_TOKEN}
        telegram_chat_id: -100123
    - {name: Staging, type: email, settings: {email: hey@example.com}, is_enabled: false}

The suffix determines the format: ``.yaml`` or ``.yml``, ``.toml``, ``.json``, ``.csv``. A file is a
list of handlers, or a mapping with the one key ``handlers`` that holds it; TOML has
``[[handlers]]``, CSV one row per handler and one column per API field. ``settings`` has the API's
field names, ``is_enabled`` is true by default. Any value may hold ``${NAME}`` or
``${NAME:-default}`` from the environment; ``$$`` is a dollar.

An undocumented type is accepted as ``UnknownSettings``, so that new types need no release, unless
it looks misspelt: it resembles a documented type, or one of its settings is a field of one. A new
type that does can be provisioned from Python.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast, overload

from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.provisioning.spec_files.document import Document, refuse
from bitpeak_async.provisioning.spec_files.dump import DUMPERS, Format
from bitpeak_async.provisioning.spec_files.loader import SpecLoader
from bitpeak_async.provisioning.spec_files.reader import SpecReader
from bitpeak_async.provisioning.spec_files.variables import check_environ, dump_environ
from bitpeak_async.provisioning.spec_files.writer import make_entries
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import Settings, SettingsFields

__all__ = ["Format", "dump_environ", "dump_specs", "read_settings", "read_specs"]


@hides("environ")
def read_specs(
    *files: str | os.PathLike[str], environ: Mapping[str, str] | None = None
) -> list[HandlerSpec]:
    """Read the desired handlers from spec files, in their order.

    Args:
        files: one path or more. In a directory and below it, every file with a known suffix is
            read, sorted by path; hidden files and folders are skipped.
        environ: environment variables; by default those of the process.

    Raises:
        PlanError: a file cannot be read or used. Its ``problems`` are all there are in all files,
            each ``file:line: path: what is wrong, what would be right``; indexes in a path count
            from 0. In JSON and TOML, the handler's name replaces the line, unless the syntax is
            wrong. No problem holds a value from the environment.
        ConfigurationError: no path or something else was given, or PyYAML is not installed and
            one is YAML.
    """
    if not files:
        raise ConfigurationError("read_specs needs the path of at least one file or directory")
    for file in files:
        if not isinstance(file, str | os.PathLike):
            raise ConfigurationError(f"read_specs needs paths, not {type(file).__name__}")
    check_environ(Secret.of(environ))
    found = SpecLoader(Secret.of(environ)).read(map(Path, files))
    refuse(found.problems)
    return list(found.specs)


def dump_specs(
    specs: Iterable[HandlerSpec],
    format: Format = "yaml",  # noqa: A002 - the word a caller looks for
    *,
    environ: dict[str, str] | None = None,
) -> str:
    """Return specs as the text of a spec file; reading it gives equal specs.

    With ``environ``, the text holds no secret: each is written as ``${NAME}``, and the dict is
    filled with name → value. ``read_specs(file, environ=environ)`` then gives equal specs, and
    ``dump_environ`` writes the variables as a ``.env`` file. A secret that the server did not
    return is a variable with the value ``""``, to be filled in before the file can be read. All
    settings of an undocumented type count as secrets.

    Args:
        specs: with names that are unique.
        format: of the file.
        environ: an empty dict to fill; names it holds already are not given again.

    Raises:
        PlanError: something cannot be sent, or would not be read back equal. Its ``problems`` are
            all there are, each ``[index from 0].argument: what is wrong``, without values.
        ConfigurationError: the format is not known, or it is YAML and PyYAML is not installed.
    """
    if not isinstance(format, str) or format not in DUMPERS:
        raise ConfigurationError(f"format must be one of {', '.join(DUMPERS)}")
    if environ is not None and not isinstance(environ, dict):
        raise ConfigurationError(f"environ must be a dict to fill, not {type(environ).__name__}")
    return DUMPERS[format](make_entries(specs, format, environ))


@overload
def read_settings(
    handler_type: str, fields: Mapping[str, str], *, environ: Mapping[str, str] | None = None
) -> Settings: ...
@overload
def read_settings(
    handler_type: str | None, fields: Mapping[str, str], *, environ: Mapping[str, str] | None = None
) -> Settings | SettingsFields: ...
@hides("fields", "environ")
def read_settings(
    handler_type: str | None, fields: Mapping[str, str], *, environ: Mapping[str, str] | None = None
) -> Settings | SettingsFields:
    """Read one handler's settings from texts as a spec file holds them.

    Args:
        handler_type: such as ``"slack"``; None for single fields of any type, as ``update``
            takes them.
        fields: wire names and texts; ``${NAME}`` is taken from the environment.
        environ: environment variables; by default those of the process.

    Raises:
        PlanError: something is missing, misspelt or cannot be sent; its ``problems`` are all.
    """
    check_environ(Secret.of(environ))
    reader = SpecReader(Document("settings"), Secret.of(environ))
    settings = reader.read_settings(handler_type, Secret.of(fields))
    refuse(reader.document.in_order())
    return cast("Settings | SettingsFields", settings)
