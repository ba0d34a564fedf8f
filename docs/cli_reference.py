"""The reference of the command line, made as Markdown from the application itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import typer.main

from bitpeak_async.cli import _handler_commands, _provision_commands  # noqa: F401 - they register
from bitpeak_async.cli._app import app
from bitpeak_async.cli._exit import MEANINGS
from bitpeak_async.cli._shared import SHARED

TITLES = {"connection": "the connection", "variables": "variables"}
SPECIAL = re.compile(r"([$<*|])")


def reference() -> str:
    """Return sections for all options, commands and exit codes."""
    root: Any = typer.main.get_command(app)
    plan = root.commands["plan"].params  # it has all options that commands share
    shared = {
        TITLES[name]: {*inspect.signature(each).parameters} - {"config"}
        for name, each in SHARED.items()
    }
    lines = ["## Options before the command", *table(root.params)]
    for title, names in shared.items():
        options = (each for each in plan if each.name in names)
        lines += ["", f"## Options for {title}", *table(options)]
    lines += ["", "## Commands"]
    for name, command in root.commands.items():
        own = {each.name for each in command.params}
        groups = {title: names for title, names in shared.items() if names <= own}
        own -= set[str]().union(*groups.values())
        lines += ["", f"### `bitpeak {name}`", "", SPECIAL.sub(r"\\\1", command.help)]
        lines += ["", f"    {command.epilog.removeprefix('Example: ')}"]
        lines += table(each for each in command.params if each.name in own)
        if groups:
            lines += ["", f"It also takes the options for {' and '.join(groups)}."]
    lines += ["", "## Exit codes", "", "| exit code | meaning |", "|---|---|"]
    lines += (f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items())
    return "\n".join(lines) + "\n"


def table(parameters: Iterable[Any]) -> Iterator[str]:
    """Yield the rows of a table, without what is hidden."""
    rows = [row(each) for each in parameters if not getattr(each, "hidden", False)]
    if rows:
        yield from ("", "| | variable | meaning |", "|---|---|---|", *rows)


def row(parameter: Any) -> str:
    """Return the row of an option or argument."""
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        shown = ", ".join(f"`{each}`" for each in [*parameter.opts, *parameter.secondary_opts])
        shown += f" `{parameter.metavar}`" if parameter.metavar else ""
    variable = f"`{parameter.envvar}`" if parameter.envvar else ""
    text = SPECIAL.sub(r"\\\1", (parameter.help or "").replace("\\[", "["))
    return f"| {shown} | {variable} | {text} |"
