"""The commands' options and help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bitpeak_async._version import __version__
from bitpeak_async.cli import _commands
from bitpeak_async.cli._exit import run

app = typer.Typer(
    name="bitpeak",
    help="BitPeak notification handlers: what alerts go where.",
    epilog=(
        "The key comes from BITPEAK_API_KEY. Exit codes: 0 done, 1 error, 3 some changes failed, "
        "4 key refused, 5 outcomes unresolved, 130 interrupted."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

SpecFile = Annotated[Path, typer.Argument(help="A YAML file of handlers.", metavar="FILE")]
UseSandbox = Annotated[
    bool, typer.Option("--sandbox", help="Use an embedded BitPeak server started for this.")
]
BaseUrl = Annotated[
    str | None, typer.Option(help="The API's base URL; by default BITPEAK_BASE_URL.")
]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callbacks are called so
    if wanted:
        typer.echo(f"bitpeak_async {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
]


@app.callback()
def root(*, _version: Version = False) -> None:
    """BitPeak notification handlers: what alerts go where."""


@app.command(epilog="Example: bitpeak plan handlers.yaml")
def plan(file: SpecFile, *, sandbox: UseSandbox = False, base_url: BaseUrl = None) -> None:
    """Show what applying FILE would change. Reads only."""
    run(_commands.plan(file, base_url, sandbox=sandbox))


@app.command(epilog="Example: bitpeak apply handlers.yaml --sandbox")
def apply(
    file: SpecFile,
    *,
    sandbox: UseSandbox = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    base_url: BaseUrl = None,
) -> None:
    """Bring the server to the state FILE describes. Running it again changes nothing."""
    run(_commands.apply(file, base_url, sandbox=sandbox, yes=yes))


@app.command("list", epilog="Example: bitpeak list")
def list_handlers(*, base_url: BaseUrl = None) -> None:
    """Show all handlers, secrets masked."""
    run(_commands.show_list(base_url))


@app.command(epilog="Example: bitpeak sandbox --port 8080 --database handlers.db")
def sandbox(
    *,
    port: Annotated[
        int, typer.Option(help="The port; by default a free one.", min=0, max=65535)
    ] = 0,
    database: Annotated[
        str, typer.Option(help="A file that keeps the handlers.", metavar="FILE")
    ] = ":memory:",
) -> None:
    """Run an embedded BitPeak server until Ctrl-C."""
    run(_commands.serve(port, database))
