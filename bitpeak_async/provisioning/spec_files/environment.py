"""``${NAME}`` and ``${NAME:-default}`` in the texts of a spec file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)"
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:[^}$]|\$\$)*))?\})?"
)


def expand(text: str, environ: Mapping[str, str], report: Callable[[str], object]) -> str | None:
    """Put environment variables into a text; ``$$`` is a dollar.

    As in a shell, the default also stands in for a variable that is empty.

    Args:
        text: as written in the file.
        environ: name → value.
        report: called with each problem, which never holds a value.

    Returns:
        The text to use, or None after a problem.
    """
    problems: list[str] = []

    def replace(reference: re.Match[str]) -> str:
        dollar, name, default = reference.group("dollar", "name", "default")
        if dollar:
            return "$"
        if name is None:
            problems.append("holds a '$' that begins no ${NAME}; write $$ for a dollar")
            return ""
        if default is not None:
            return environ.get(name) or default.replace("$$", "$")
        if name not in environ:
            problems.append(
                f"the environment variable {name} is not set; "
                f"export it or write ${{{name}:-default}}"
            )
        return environ.get(name, "")

    expanded = _REFERENCE.sub(replace, text)
    for problem in problems:
        report(problem)
    return None if problems else expanded
