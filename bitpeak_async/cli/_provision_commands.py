"""The commands for desired states, and the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from bitpeak_async import BitPeak, HandlerSpec, NotificationHandler, Plan, PlanError
from bitpeak_async.cli import _output
from bitpeak_async.cli._app import Json, Yes, command
from bitpeak_async.cli._connection import Connection, ask, is_interactive
from bitpeak_async.cli._exit import Exit, code_of
from bitpeak_async.provisioning.files import Format, dump_environ, dump_specs, read_specs

SpecFiles = Annotated[
    list[Path],
    typer.Argument(help="YAML, TOML, JSON or CSV files of handlers, or folders of them."),
]
Prune = Annotated[
    str | None,
    typer.Option(
        help="Delete handlers whose name matches and that no FILE describes.", metavar="GLOB"
    ),
]


@command("plan", "plan handlers.yaml --prune 'team-a *'")
async def plan(
    files: SpecFiles,
    *,
    prune: Prune = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 2 if anything would change.")
    ] = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Show what applying FILES would change. Reads only. Its JSON is what apply --plan takes."""
    specs = read_specs(*files)
    async with connection.open() as bitpeak:
        planned = await bitpeak.plan(specs, prune=prune)
        _output.show_plan(planned, as_json=as_json)
    return Exit.HAS_CHANGES if exit_code and not planned.is_empty else Exit.DONE


@command("apply", "apply handlers.yaml --sandbox")
async def apply(
    files: SpecFiles,
    *,
    prune: Prune = None,
    reviewed: Annotated[
        Path | None,
        typer.Option("--plan", help="Carry out this plan --json of the same FILES, or nothing."),
    ] = None,
    max_deletes: Annotated[
        int | None, typer.Option(help="Refuse to delete more handlers.", min=0)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Allow deleting more than 30 % of ten or more.")
    ] = False,
    remove_duplicates: Annotated[
        bool,
        typer.Option("--remove-duplicates", help="Delete copies that late creates of this made."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Bring the server to the state FILES describe. Running it again changes nothing."""
    specs = read_specs(*files)
    async with connection.open() as bitpeak:
        planned = await _planned(bitpeak, specs, prune, reviewed)
        if not as_json:
            _output.show_plan(planned, as_json=False)
        if is_interactive() and not (planned.is_empty or yes or connection.sandbox):
            if as_json:
                raise PlanError("somebody has to see the plan first: add --yes to --json")
            if not ask(lambda: typer.confirm("Apply?", err=True)):
                _output.complain("nothing was changed")
                return Exit.ERROR
        if planned.is_empty and not as_json:
            return Exit.DONE
        with _output.progress(len(planned.changes)) as on_outcome:
            report = await bitpeak.apply(
                planned,
                on_outcome=on_outcome,
                remove_duplicates=remove_duplicates,
                max_deletes=max_deletes,
                force=force,
            )
        _output.show_report(report, as_json=as_json)
        if connection.sandbox and not as_json:
            again = await bitpeak.plan(specs)
            _output.show(f"Planned again: {again.summary}", "bold")
        return code_of(report)


async def _planned(
    bitpeak: BitPeak, specs: list[HandlerSpec], prune: str | None, reviewed: Path | None
) -> Plan:
    if reviewed is None:
        return await bitpeak.plan(specs, prune=prune)
    if prune is not None:
        raise PlanError("--prune is part of the plan already: give it to bitpeak plan")
    return Plan.from_json(_content(reviewed), specs)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PlanError(f"{file}: cannot be read: {error.strerror}") from None


@command("check", "check handlers.yaml")
async def check(files: SpecFiles, *, as_json: Json = False) -> Exit:
    """Look for mistakes in FILES, without a server."""
    problems: tuple[str, ...] = ()
    count = 0
    try:
        count = len(read_specs(*files))
    except PlanError as error:
        problems = error.problems
        if not as_json:
            raise
    if as_json:
        _output.show_json({"ok": not problems, "handlers": count, "problems": problems})
    else:
        _output.show(f"{count} handlers, no problem found")
    return Exit.ERROR if problems else Exit.DONE


@command("export", "export --output handlers.yaml --env-file handlers.env")
async def export(
    *,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; by default stdout.")
    ] = None,
    file_format: Annotated[
        Format | None,
        typer.Option("--format", help="By default what the suffix of --output says, or yaml."),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(help="Write the secrets here, for you alone; by default nowhere."),
    ] = None,
    match: Annotated[
        str, typer.Option(help="Only handlers whose name matches.", metavar="GLOB")
    ] = "*",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Overwrite files.")] = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Write the server's handlers as a spec file, with ${NAME} for each secret."""
    if not yes:
        _refuse_taken(output, env_file)
    chosen: Format = "json" if as_json else file_format or _format_of(output)
    async with connection.open() as bitpeak:
        specs = await _specs(bitpeak.notification_handlers.iterate(), match)
    environ: dict[str, str] = {}
    text = dump_specs(specs, chosen, environ=environ)
    if env_file is not None:
        _write_private(env_file, dump_environ(environ))
    if output is None:
        _output.write(text)
    else:
        output.write_text(text, encoding="utf-8")
        _output.err.print(f"{len(specs)} handlers, {len(environ)} secrets")
    return Exit.DONE


async def _specs(handlers: AsyncIterable[NotificationHandler], match: str) -> list[HandlerSpec]:
    return [
        HandlerSpec(handler.name, handler.settings, handler.is_enabled)
        async for handler in handlers
        if fnmatchcase(handler.name, match)
    ]


def _refuse_taken(*paths: Path | None) -> None:
    if taken := [str(path) for path in paths if path is not None and path.exists()]:
        raise PlanError(f"{' and '.join(taken)} would be overwritten; --yes allows it")


def _format_of(output: Path | None) -> Format:
    match output and output.suffix.lower():
        case ".json":
            return "json"
        case ".toml":
            return "toml"
        case ".csv":
            return "csv"
        case _:
            return "yaml"


def _write_private(path: Path, text: str) -> None:
    """Write what only the user may read, whatever the file's mode was before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        path.chmod(0o600)
        file.write(text)


@command("sandbox", "sandbox --port 8080 --database handlers.db")
async def sandbox(
    *,
    port: Annotated[
        int, typer.Option(help="The port; by default a free one.", min=0, max=65535)
    ] = 0,
    database: Annotated[
        str, typer.Option(help="A file that keeps the handlers.", metavar="FILE")
    ] = ":memory:",
    as_json: Json = False,
) -> Exit:
    """Run an embedded BitPeak server until Ctrl-C."""
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - only this needs a server

    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows raises KeyboardInterrupt instead
            asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with Sandbox(port=port, database=database) as server:
        if as_json:
            _output.show_json({"base_url": server.base_url, "api_key": server.api_key})
        else:
            _output.write(f"export BITPEAK_BASE_URL={server.base_url}\n")
            _output.write(f"export BITPEAK_API_KEY={server.api_key}\n")
        _output.flush()
        _output.err.print("Serving until Ctrl-C")
        await interrupted.wait()
    return Exit.DONE
