"""The application and the options that all commands share."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bitpeak_async._secret import Secret
from bitpeak_async._version import __version__
from bitpeak_async.cli import _output
from bitpeak_async.cli._connection import Connection, read_config
from bitpeak_async.cli._exit import Exit, run

app = typer.Typer(
    name="bitpeak",
    help="Manage BitPeak notification handlers.",
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
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

Command = Callable[..., Coroutine[Any, Any, Exit]]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes it by position
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
            help="A TOML file of options; default: bitpeak.toml in this folder, if it exists.",
            envvar="BITPEAK_CONFIG",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Also use the table [profiles.NAME] of that file.", envvar="BITPEAK_PROFILE"
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Manage BitPeak notification handlers."""
    with _output.reporting_errors():
        options = read_config(config, profile)
    if os.environ.get("BITPEAK_API_KEY"):  # it precedes the file's, but is no option
        options.pop("api_key_file", None)
    commands = app.registered_commands
    context.default_map = {command.name: options for command in commands if command.name}


def _connection(
    *,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Use an embedded BitPeak server, started for this command."),
    ] = False,
    base_url: Annotated[
        str | None, typer.Option(help="The API's base URL.", envvar="BITPEAK_BASE_URL")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file that holds the key.", envvar="BITPEAK_API_KEY_FILE")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(help="Most requests in flight at once.", envvar="BITPEAK_CONCURRENCY", min=1),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Most requests per minute.", envvar="BITPEAK_RATE")
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            help="Seconds per call, with all retries and waits.", envvar="BITPEAK_DEADLINE"
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            help="Share the key's rate limit with other processes through this Redis.",
            envvar="BITPEAK_REDIS_URL",
            metavar="URL",
        ),
    ] = None,
) -> Connection:
    """Collect the options that every command has."""
    return Connection(
        sandbox=sandbox,
        base_url=base_url,
        api_key_file=api_key_file,
        concurrency=concurrency,
        rate=rate,
        deadline=deadline,
        redis=Secret(redis),
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
