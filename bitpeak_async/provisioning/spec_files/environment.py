"""``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}`` in the texts of a spec file."""

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
    """Variables are not set, or files that a text refers to cannot be read.

    Attributes:
        problems: what is missing → what is wrong.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = problems


def environment(given: Secret[Any]) -> Secret[Mapping[str, str]]:
    """Return the given variables; for None, those of the process."""
    return Secret(os.environ) if given.reveal() is None else given


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put environment variables and contents of files into a text; ``$$`` is a dollar.

    As in a shell, the default also replaces a variable that is empty. A file's last line end is
    left out.

    Args:
        text: as written in the file.
        environ: name → value.

    Raises:
        UnsetError: a variable is not set, or a file cannot be read; it holds no value.
        ValueError: a reference is malformed; it holds no value either.
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
            problems["holds a '$' that begins no ${NAME}; write $$ for a dollar"] = None
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
    """Return a value of a document that must be a text, expanded; see ``expand``."""
    if isinstance(data, str):
        return expand(data, environ)
    raise ValueError(f"must be a string, not {file_kind(data)}")
