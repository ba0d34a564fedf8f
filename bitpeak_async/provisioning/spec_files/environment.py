"""``${NAME}`` and ``${NAME:-default}`` in the texts of a spec file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bitpeak_async.provisioning.spec_files.document import kind

_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:[^}$]|\$\$)*))?\})?"
)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put environment variables into a text; ``$$`` is a dollar.

    As in a shell, the default also replaces a variable that is empty.

    Args:
        text: as written in the file.
        environ: name → value.

    Raises:
        ValueError: a variable is not set or a reference malformed; it holds no value of a variable.
    """
    problems: dict[str, None] = {}

    def replace(reference: re.Match[str]) -> str:
        dollar, name, default = reference.group("dollar", "name", "default")
        if dollar:
            return "$"
        if name is None:
            problems["holds a '$' that begins no ${NAME}; write $$ for a dollar"] = None
            return ""
        if default is not None:
            return environ.get(name) or default.replace("$$", "$")
        if name not in environ:
            problem = (
                f"the environment variable {name} is not set; "
                f"export it or write ${{{name}:-default}}"
            )
            problems[problem] = None
        return environ.get(name, "")

    expanded = _REFERENCE.sub(replace, text)
    if problems:
        raise ValueError("; ".join(problems))
    return expanded


def expand_value(data: object, environ: Mapping[str, str]) -> str:
    """Return a value of a document that must be a text, expanded; see ``expand``."""
    if isinstance(data, str):
        return expand(data, environ)
    raise ValueError(f"must be a string, not {kind(data)}")
