"""The application: what all commands share."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bitpeak_async._version import __version__
from bitpeak_async.cli import _output
from bitpeak_async.cli._connection import Connection, read_config
from bitpeak_async.cli._exit import Exit, run

app = typer.Typer(
    name="bitpeak",
    help="BitPeak notification handlers: what alerts go where.",
    epilog=(
        "The key comes from --api-key-file, BITPEAK_API_KEY or a prompt. Options come from flags, "
        "then the environment, then bitpeak.toml. Exit codes: 0 done, 1 error, 2 the plan has "
        "changes (plan --exit-code) or wrong usage, 3 some changes failed, 4 key refused, "
        "5 outcomes unresolved, 130 interrupted."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Command = Callable[..., Coroutine[Any, Any, Exit]]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callbacks are called so
    if wanted:
        typer.echo(f"bitpeak_async {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file of options; by default bitpeak.toml here, if there is one.",
            envvar="BITPEAK_CONFIG",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="Use its table [profiles.NAME] too.", envvar="BITPEAK_PROFILE"),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """BitPeak notification handlers: what alerts go where."""
    with _output.complaining():
        options = read_config(config, profile)
    if os.environ.get("BITPEAK_API_KEY"):  # goes before the file's, though no option takes it
        options.pop("api_key_file", None)
    commands = app.registered_commands
    context.default_map = {command.name: options for command in commands if command.name}


def _connection(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Use an embedded BitPeak server started for this.")
    ] = False,
    base_url: Annotated[
        str | None, typer.Option(help="The API's base URL.", envvar="BITPEAK_BASE_URL")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file that holds the key.", envvar="BITPEAK_API_KEY_FILE")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests at once.", envvar="BITPEAK_CONCURRENCY", min=1)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests a minute at most.", envvar="BITPEAK_RATE")
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(help="Seconds for a call with all its tries.", envvar="BITPEAK_DEADLINE"),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            help="Share the key's pace through this Redis.",
            envvar="BITPEAK_REDIS_URL",
            metavar="URL",
        ),
    ] = None,
) -> Connection:
    """Return what the options that every command has say."""
    return Connection(
        sandbox=sandbox,
        base_url=base_url,
        api_key_file=api_key_file,
        concurrency=concurrency,
        rate=rate,
        deadline=deadline,
        redis=redis,
    )


_SHARED: Final = inspect.signature(_connection, eval_str=True).parameters


def command(name: str, example: str) -> Callable[[Command], Command]:
    """Register a coroutine as a command; its ``connection`` comes from the shared options."""

    def register(function: Command) -> Command:
        signature = inspect.signature(function, eval_str=True)
        own = dict(signature.parameters)
        shared = _SHARED if own.pop("connection", None) else {}

        @wraps(function)
        def call(**arguments: Any) -> None:
            if shared:
                options = {option: arguments.pop(option) for option in shared}
                arguments["connection"] = _connection(**options)
            run(function(**arguments), as_json=arguments.get("as_json", False))

        parameters = [*own.values(), *shared.values()]
        vars(call)["__signature__"] = signature.replace(
            parameters=parameters, return_annotation=None
        )
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, epilog=f"Example: bitpeak {example}")(call)
        return function

    return register
