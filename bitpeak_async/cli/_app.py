"""The application, and the decorator that makes a coroutine one of its commands."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from bitpeak_async._version import __version__
from bitpeak_async.cli._config import profile_names, read_config
from bitpeak_async.cli._exit import MEANINGS, Exit, reporting_errors, run
from bitpeak_async.cli._group import Group
from bitpeak_async.cli._shared import SHARED, chosen, source

app = typer.Typer(
    name="bitpeak",
    cls=Group,
    help="Manage BitPeak notification handlers.",
    epilog=(
        "The key comes from --api-key-file or BITPEAK_API_KEY_FILE, from BITPEAK_API_KEY, from "
        "api_key_file in bitpeak.toml, or from a prompt. Flags override a profile named with "
        "--profile, which overrides the environment, which overrides bitpeak.toml. "
        f"Exit codes: {' | '.join(f'{code} {meaning}' for code, meaning in MEANINGS.items())}."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, and errors as JSON on stderr.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

Command = Callable[..., Coroutine[Any, Any, Exit]]


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer passes it by position
    if wanted:
        typer.echo(f"bitpeak_async {__version__}")
        raise typer.Exit


def _complete_profile(context: typer.Context) -> list[str]:
    return profile_names(context.params.get("config"))


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
            help=r"Also use the table \[profiles.NAME] of that file.",
            envvar="BITPEAK_PROFILE",
            metavar="NAME",
            autocompletion=_complete_profile,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Write the SDK's log to stderr.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Manage BitPeak notification handlers."""
    if verbose:
        os.environ["BITPEAK_LOG"] = "debug"  # for worker processes too
    with reporting_errors():
        found = read_config(config, profile, is_named=source(context, "profile") == "COMMANDLINE")
    context.obj = found
    options = dict(found.options)
    if os.environ.get("BITPEAK_API_KEY"):  # overrides the config file, but is not an option
        options.pop("api_key_file", None)
    commands = app.registered_commands
    context.default_map = {command.name: options for command in commands if command.name}


def command(name: str, example: str) -> Callable[[Command], Command]:
    """Register a coroutine as a command.

    Each parameter named in ``SHARED`` becomes several options.
    """

    def register(function: Command) -> Command:
        signature = inspect.signature(function, eval_str=True)
        own = dict(signature.parameters)
        shared = {group: SHARED[group] for group in SHARED if own.pop(group, None)}

        @wraps(function)
        def call(context: typer.Context, **arguments: Any) -> None:
            with reporting_errors():
                for group, collect in shared.items():
                    names = inspect.signature(collect).parameters.keys() - {"config"}
                    options = {option: arguments.pop(option) for option in names}
                    arguments[group] = collect(context.obj, **chosen(context, options))
            run(function(**arguments))

        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            *own.values(),
            inspect.Parameter("context", kind, annotation=typer.Context),
        ]
        for collect in shared.values():
            options = inspect.signature(collect, eval_str=True).parameters.values()
            parameters += (each for each in options if each.name != "config")
        vars(call)["__signature__"] = signature.replace(
            parameters=parameters, return_annotation=None
        )
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, epilog=f"Example: bitpeak {example}")(call)
        return function

    return register
