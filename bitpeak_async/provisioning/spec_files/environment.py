"""Expand ``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}`` in the texts of a spec file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bitpeak_async._secret import Secret
from bitpeak_async._structure import file_kind

_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:[^}$]|\$\$)*))?\}"
    r"|\{file:(?P<path>[^}$]+)\})?"
)


class UnsetError(ValueError):
    """A text refers to variables that are not set, or to files that cannot be read.

    Attributes:
        problems: the variable, or ``file:PATH`` → what is wrong.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


def environment(given: Secret[Any]) -> Secret[Mapping[str, str]]:
    """Return the given variables; for None, the process environment."""
    return Secret(os.environ) if given.reveal() is None else given


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace the references in a text with variables and contents of files; ``$$`` is a dollar.

    As in a shell, the default also replaces an empty variable. A file's last newline is dropped.

    Args:
        text: the text as written in the file.
        environ: name → value.

    Raises:
        UnsetError: a variable is not set, or a file cannot be read. The message shows no values.
        ValueError: a reference is malformed. The message shows no values.
    """
    unset: dict[str, str] = {}
    problems: dict[str, None] = {}

    def replace(reference: re.Match[str]) -> str:
        dollar, name, default, path = reference.group("dollar", "name", "default", "path")
        if dollar:
            return "$"
        if path is not None:
            try:
                return Path(path).read_text(encoding="utf-8").removesuffix("\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8"
                unset[f"file:{path}"] = f"the file {path} cannot be read: {reason}"
            return ""
        if name is None:
            problems["holds a '$' that does not begin ${NAME}; write $$ for a dollar"] = None
            return ""
        if default is not None:
            return environ.get(name) or default.replace("$$", "$")
        if name not in environ:
            unset[name] = (
                f"the environment variable {name} is not set; "
                f"export it or write ${{{name}:-default}}"
            )
        return environ.get(name, "")

    expanded = _REFERENCE.sub(replace, text)
    if problems:
        raise ValueError("; ".join([*unset.values(), *problems]))
    if unset:
        raise UnsetError(unset)
    return expanded


def expand_value(data: object, environ: Mapping[str, str]) -> str:
    """Expand a value of a document; raise ValueError if it is not a string. See ``expand``."""
    if isinstance(data, str):
        return expand(data, environ)
    raise ValueError(f"must be a string, not {file_kind(data)}")
