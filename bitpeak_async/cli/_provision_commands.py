"""The commands for desired states, and ``bitpeak sandbox``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from contextlib import aclosing
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from bitpeak_async import BitPeak, HandlerSpec, Plan, PlanError, PlanOptions
from bitpeak_async._bulk.identity import is_masked
from bitpeak_async.cli import _export, _fleet, _output
from bitpeak_async.cli._app import Json, Yes, command
from bitpeak_async.cli._connection import Connection, ask, is_interactive
from bitpeak_async.cli._dask import Dask
from bitpeak_async.cli._exit import Exit, code_of
from bitpeak_async.provisioning.files import Format, dump_environ, dump_specs, read_specs

SpecLoader = Annotated[
    list[Path],
    typer.Argument(help="YAML, TOML, JSON or CSV files of handlers, or folders of them."),
]
Accounts = Annotated[
    Path | None,
    typer.Option(
        help="A TOML, YAML or JSON file of accounts; FILES is the folder of their handlers.",
        metavar="FILE",
    ),
]
Prune = Annotated[
    str | None,
    typer.Option(
        help="Delete handlers whose name matches and that are in no FILE.", metavar="GLOB"
    ),
]
ResendSecrets = Annotated[
    str | None,
    typer.Option(
        help="Send secrets again that the server hides, of handlers whose name matches.",
        metavar="GLOB",
    ),
]


@command("plan", "plan handlers.yaml --prune 'team-a *'")
async def plan(
    files: SpecLoader,
    *,
    accounts: Accounts = None,
    prune: Prune = None,
    resend_secrets: ResendSecrets = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 2 if anything would change.")
    ] = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Show what apply would change. Reads only. Its JSON is the input of apply --plan."""
    planning: PlanOptions = {"prune": prune, "resend_secrets": resend_secrets}
    if accounts is not None:
        return await _fleet.plan(
            files, accounts, connection, planning=planning, exit_code=exit_code, as_json=as_json
        )
    specs = read_specs(*files)
    async with connection.open() as bitpeak:
        planned = await bitpeak.plan(specs, **planning)
        _output.show_plan(planned, as_json=as_json)
    return Exit.HAS_CHANGES if exit_code and not planned.is_empty else Exit.DONE


@command("apply", "apply handlers.yaml --sandbox")
async def apply(
    files: SpecLoader,
    *,
    accounts: Accounts = None,
    prune: Prune = None,
    resend_secrets: ResendSecrets = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--plan", help="Apply this JSON from plan --json of the same FILES, or nothing."
        ),
    ] = None,
    max_deletes: Annotated[
        int | None, typer.Option(help="Refuse to delete more handlers than this.", min=0)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Allow deleting more than 30 % of ten or more handlers.")
    ] = False,
    dask: Annotated[
        bool, typer.Option("--dask", help="Spread the accounts over several processes with Dask.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler, such as tcp://host:8786.", metavar="ADDRESS"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes to start, without --scheduler.", min=1)
    ] = None,
    send_keys: Annotated[
        bool,
        typer.Option("--send-keys", help="Send keys that are written in FILE to the workers."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Bring the server to the state that FILES describe. Repeated runs change only what differs."""
    planning: PlanOptions = {"prune": prune, "resend_secrets": resend_secrets}
    where = Dask(is_wanted=dask, scheduler=scheduler, workers=workers, send_keys=send_keys)
    if dask and accounts is None:
        raise PlanError("--dask needs --accounts")
    if accounts is not None:
        if reviewed is not None:
            raise PlanError("--plan does not work with --accounts")
        return await _fleet.apply(
            files,
            accounts,
            connection,
            planning=planning,
            max_deletes=max_deletes,
            force=force,
            yes=yes,
            as_json=as_json,
            dask=where,
        )
    specs = read_specs(*files)
    async with connection.open() as bitpeak:
        planned = await _planned(bitpeak, specs, planning, reviewed)
        if not as_json:
            _output.show_plan(planned, as_json=False)
        if is_interactive() and not (planned.is_empty or yes or connection.sandbox):
            if as_json:
                raise PlanError("--json cannot ask for confirmation: add --yes")
            if not ask(lambda: typer.confirm("Apply?", err=True)):
                _output.print_error("nothing was changed")
                return Exit.ERROR
        if planned.is_empty and reviewed is None and not as_json:
            return Exit.DONE
        with _output.progress(len(planned.changes)) as on_outcome:
            report = await bitpeak.apply(
                planned,
                on_outcome=on_outcome,
                max_deletes=max_deletes,
                force=force,
            )
        _output.show_report(report, as_json=as_json)
        if connection.sandbox and not as_json:
            again = await bitpeak.plan(specs)
            _output.show(f"Planned again: {again.summary}", "bold")
        return code_of(report)


async def _planned(
    bitpeak: BitPeak, specs: list[HandlerSpec], planning: PlanOptions, reviewed: Path | None
) -> Plan:
    if reviewed is None:
        return await bitpeak.plan(specs, **planning)
    for option, value in planning.items():
        if value is not None:
            flag = "--" + option.replace("_", "-")
            raise PlanError(f"{flag} is part of the plan already: give it to bitpeak plan")
    return Plan.from_json(_content(reviewed), specs)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PlanError(f"{file}: cannot be read: {error.strerror}") from None


@command("check", "check handlers.yaml")
async def check(files: SpecLoader, *, accounts: Accounts = None, as_json: Json = False) -> Exit:
    """Check FILES for mistakes, without a server."""
    problems: tuple[str, ...] = ()
    count = 0
    try:
        count = len(read_specs(*files)) if accounts is None else _fleet.count(files, accounts)
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
        typer.Option(
            "--format", help="The format; by default that of the suffix of --output, else yaml."
        ),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(help="Write the secrets to this file, which only you can read."),
    ] = None,
    match: Annotated[
        str, typer.Option(help="Only handlers whose name matches.", metavar="GLOB")
    ] = "*",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Overwrite files.")] = False,
    as_json: Json = False,
    connection: Connection,
) -> Exit:
    """Write the server's handlers as a spec file, with ${NAME} for each secret."""
    chosen = _export.format_of(output, file_format, as_json=as_json)
    _export.refuse_paths(output, env_file, yes=yes)
    async with (
        connection.open() as bitpeak,
        aclosing(bitpeak.notification_handlers.iterate()) as handlers,
    ):
        found = [handler async for handler in handlers if fnmatchcase(handler.name, match)]
    specs, skipped = _export.specs_of(found, chosen)
    for problem in skipped:
        _output.print_error(f"skipped: {problem}")
    seen: dict[str, str] = {}
    text = dump_specs(specs, chosen, environ=seen)
    environ = {name: "" if is_masked(value) else value for name, value in seen.items()}
    counts = {
        "handlers": len(specs),
        "secrets": len(environ),
        "secrets not returned": sum(not value for value in environ.values()),
    }
    if output is None:
        _output.write_document(text)
    else:
        _export.replace(output, text)
    if env_file is not None:
        _export.replace(env_file, dump_environ(environ), is_private=True)
    if output is not None and as_json:
        _output.show_json({name.replace(" ", "_"): count for name, count in counts.items()})
    _output.err.print(", ".join(f"{count} {name}" for name, count in counts.items()))
    return Exit.CHANGES_FAILED if skipped else Exit.DONE


@command("sandbox", "sandbox --port 8080 --database handlers.db")
async def sandbox(
    *,
    port: Annotated[
        int, typer.Option(help="The port; by default a free one.", min=0, max=65535)
    ] = 0,
    database: Annotated[
        str, typer.Option(help="A file that stores the handlers.", metavar="FILE")
    ] = ":memory:",
    as_json: Json = False,
) -> Exit:
    """Run an embedded BitPeak server until Ctrl-C."""
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - slow to import

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
        _output.err.print(f"Dashboard at {server.dashboard_url}")
        _output.err.print("Serving until Ctrl-C")
        await interrupted.wait()
    return Exit.DONE
