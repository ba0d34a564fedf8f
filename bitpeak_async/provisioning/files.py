"""Spec files ↔ handler specs, in the API's own field names.

::

    - name: Ops alerts
      type: telegram
      settings:
        telegram: ${TELEGRAM_TOKEN}
        telegram_chat_id: -100123
    - {name: Staging, type: email, settings: {email: hey@example.com}, is_enabled: false}

The suffix determines the format: ``.yaml`` or ``.yml``, ``.toml``, ``.json``, ``.csv``. A file is a
list of handlers, or a mapping with the key ``handlers`` for that list. TOML has ``[[handlers]]``,
CSV one row per handler and one column per API field. ``settings`` has the API's field names, and
``is_enabled`` is true by default. Any value may contain ``${NAME}`` or ``${NAME:-default}`` from
the environment, or ``${file:PATH}``; ``$$`` is a dollar.

An undocumented type is read as ``UnknownSettings``, so that new types need no release. It is
refused if it looks misspelt: if it resembles a documented type, or has a field of one. To provision
such a type anyway, create its specs in Python.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.provisioning.spec_files.document import refuse
from bitpeak_async.provisioning.spec_files.dump import DUMPERS, Format
from bitpeak_async.provisioning.spec_files.loader import SpecLoader
from bitpeak_async.provisioning.spec_files.schema import spec_file_schema
from bitpeak_async.provisioning.spec_files.variables import (
    check_environ,
    dump_environ,
    read_environ,
)
from bitpeak_async.provisioning.spec_files.writer import make_entries
from bitpeak_async.records import HandlerSpec

__all__ = ["Format", "dump_environ", "dump_specs", "read_environ", "read_specs", "spec_file_schema"]


@hides("environ")
def read_specs(
    *files: str | os.PathLike[str], environ: Mapping[str, str] | None = None
) -> list[HandlerSpec]:
    """Read the desired handlers from spec files, in their order.

    Args:
        files: one or more paths. In a directory and its subdirectories, every file with a known
            suffix is read, sorted by path; hidden files and folders are skipped.
        environ: the environment variables; by default those of the process.

    Raises:
        PlanError: a file cannot be read or used. Its ``problems`` list all problems of all files,
            each as ``file:line: path: what is wrong, what would be right``; indexes in a path start
            at 0. In JSON and TOML, the handler's name replaces the line, except for syntax errors.
            No problem contains a value from the environment.
        ConfigurationError: there is no path, an argument is not a path, or a file is YAML and
            PyYAML is not installed.
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
    ids: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """Return specs as the text of a spec file; reading it returns equal specs.

    With ``environ``, the text contains no secrets: each is written as ``${NAME}``, and its value is
    added to the dict. ``read_specs(file, environ=environ)`` then returns equal specs, and
    ``dump_environ`` writes the variables as a ``.env`` file. A secret that the server did not
    return becomes a variable with the value ``""``; fill it in before you read the file. All
    settings of an undocumented type count as secrets.

    Args:
        specs: specs with unique names.
        format: the format of the file.
        environ: a dict to fill; names that it already contains are not used again.
        ids: maps handler names to ids. A variable is named after its handler; if that is ambiguous,
            the name includes the id, or a digest of the handler's name if there is no id.

    Raises:
        PlanError: a spec cannot be sent, or would not be read back equal. Its ``problems`` list all
            problems, each as ``[index from 0].argument: what is wrong``, without values.
        ConfigurationError: the format is unknown, or is YAML and PyYAML is not installed.
    """
    if not isinstance(format, str) or format not in DUMPERS:
        raise ConfigurationError(f"format must be one of {', '.join(DUMPERS)}")
    if environ is not None and not isinstance(environ, dict):
        raise ConfigurationError(f"environ must be a dict to fill, not {type(environ).__name__}")
    return DUMPERS[format](make_entries(specs, format, environ, ids))
