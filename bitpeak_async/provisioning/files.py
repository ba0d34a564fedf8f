"""A YAML spec file → handler specs, in the API's own words.

::

    - name: Ops alerts
      type: telegram
      settings:
        telegram: ${TELEGRAM_TOKEN}
        telegram_chat_id: -100123
    - {name: Staging, type: email, settings: {email: hey@example.com}, is_enabled: false}

A file is a list of handlers, or a mapping with the one key ``handlers`` that holds it.
``settings`` has the field names of the wire, ``is_enabled`` is true by default. Any value may
hold ``${NAME}`` or ``${NAME:-default}`` from the environment; ``$$`` is a dollar.

A type that is not documented is accepted as ``UnknownSettings``, for a new type needs no release;
unless it looks like a misspelt one: it resembles a documented type, or one of its settings is a
field of one. A new type of that kind can be provisioned from Python.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bitpeak_async.provisioning._document import Node, Place, Problems
from bitpeak_async.provisioning._spec_reader import SpecReader
from bitpeak_async.records import HandlerSpec

__all__ = ["read_specs"]


def read_specs(
    file: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None
) -> list[HandlerSpec]:
    """Read the desired handlers from a YAML file, in its order.

    Args:
        file: the path.
        environ: environment variables; by default those of the process.

    Raises:
        PlanError: the file cannot be read or used. Its ``problems`` are all there are, each
            ``file:line: path: what is wrong, what would be right``; list places in a path count
            from 0. No problem holds a value from the environment.
        ConfigurationError: PyYAML is not installed.
    """
    problems = Problems(os.fspath(file))
    document = _document(Path(file), problems)
    specs = SpecReader(problems, os.environ if environ is None else environ).read(document)
    problems.refuse()
    return specs


def _document(file: Path, problems: Problems) -> Node:
    # PyYAML comes with an extra that those who provision from Python do without.
    from bitpeak_async.provisioning._yaml import read_yaml  # noqa: PLC0415

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise problems.fatal(Place(), f"cannot be read: {error.strerror}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise problems.fatal(Place(line), "is not UTF-8; save the file as UTF-8") from None
    document = read_yaml(text, problems)
    if document is None:
        raise problems.fatal(Place(1), "is empty; write a list of handlers, or [] for none")
    return document
