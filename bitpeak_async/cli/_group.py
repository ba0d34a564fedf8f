"""Usage errors have their own exit code, and are JSON with ``--json``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from bitpeak_async.cli import _output
from bitpeak_async.cli._exit import Exit

# Old releases of typer take it from click, new ones from their own copy of click.
_UsageError: Any = typer.BadParameter.__mro__[1]


class Group(TyperGroup):
    """The commands."""

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **options: Any) -> Any:
        """Parse the options before the command."""
        _output.modes.errors_as_json, _output.modes.is_quiet = "--json" in args, False
        with _usage_errors():
            return super().make_context(info_name, args, *rest, **options)

    def invoke(self, ctx: Any) -> Any:
        """Parse the rest and run the command."""
        with _usage_errors():
            return super().invoke(ctx)


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.exit_code = Exit.USAGE
        if not _output.modes.errors_as_json:
            raise
        _output.print_error(error.format_message(), "UsageError")
        raise typer.Exit(Exit.USAGE) from None
