"""The commands that plan, apply and check spec files."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bitpeak_async import (
    BitPeak,
    HandlerSpec,
    Plan,
    PlanError,
    PlanOptions,
    RequestTimeoutError,
    partial_report,
)
from bitpeak_async.cli import _export, _fleet, _output, _sandbox  # noqa: F401 - they register
from bitpeak_async.cli._app import Json, Yes, command
from bitpeak_async.cli._connection import Connection, confirmed
from bitpeak_async.cli._dask import Dask
from bitpeak_async.cli._exit import Exit, UsageError, code_of, code_of_plans
from bitpeak_async.cli._progress import progress
from bitpeak_async.cli._shared import Variables
from bitpeak_async.provisioning import plan_json
from bitpeak_async.provisioning.files import read_specs, spec_file_schema
from bitpeak_async.provisioning.spec_files.document import refuse
from bitpeak_async.provisioning.spec_files.loader import SpecLoader

SpecFiles = Annotated[
    list[Path],
    typer.Argument(
        help="YAML, TOML, JSON or CSV files of handlers, or folders of them; - reads YAML on stdin."
    ),
]
Accounts = Annotated[
    Path | None,
    typer.Option(
        help="A TOML, YAML or JSON file of accounts; FILES is then the folder of their spec files.",
        metavar="FILE",
    ),
]
Prune = Annotated[
    str | None,
    typer.Option(
        help="Delete handlers that no FILE describes and whose name matches.", metavar="GLOB"
    ),
]
ResendSecrets = Annotated[
    str | None,
    typer.Option(
        help="Resend secrets that the server hides, for handlers whose name matches.",
        metavar="GLOB",
    ),
]


Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print Markdown, for a comment on a pull request.")
]


def _read(files: list[Path], variables: Variables) -> list[HandlerSpec]:
    with _paths(files) as paths:
        return read_specs(*paths, environ=variables.environ().reveal())


@contextlib.contextmanager
def _paths(files: list[Path]) -> Iterator[list[Path]]:
    """Yield paths to read; ``-`` becomes a file with the content of stdin."""
    with TemporaryDirectory() as folder:
        stdin = Path(folder, "stdin.yaml")  # JSON is YAML too
        if Path("-") in files:
            stdin.write_bytes(sys.stdin.buffer.read())
        yield [stdin if file == Path("-") else file for file in files]


@command("plan", "plan handlers.yaml --prune 'team-a *'")
async def plan(
    files: SpecFiles,
    *,
    accounts: Accounts = None,
    prune: Prune = None,
    resend_secrets: ResendSecrets = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 2 on changes, with 6 on conflicts only.")
    ] = False,
    as_markdown: Markdown = False,
    as_json: Json = False,
    variables: Variables,
    connection: Connection,
) -> Exit:
    """Show what apply would change, without writing. apply --plan takes the output of --json."""
    planning: PlanOptions = {"prune": prune, "resend_secrets": resend_secrets}
    if accounts is not None:
        return await _fleet.plan(
            _fleet.read(files, accounts, variables),
            connection,
            planning=planning,
            exit_code=exit_code,
            as_markdown=as_markdown,
            as_json=as_json,
        )
    specs = _read(files, variables)
    async with connection.open() as bitpeak:
        planned = await bitpeak.plan(specs, **planning)
        _output.show_plan(planned, connection.place, as_markdown=as_markdown, as_json=as_json)
    return code_of_plans([planned]) if exit_code else Exit.DONE


@command("apply", "apply handlers.yaml --sandbox")
async def apply(
    files: SpecFiles,
    *,
    accounts: Accounts = None,
    prune: Prune = None,
    resend_secrets: ResendSecrets = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--plan", help="Apply exactly this plan: JSON from plan --json for the same FILES."
        ),
    ] = None,
    max_deletes: Annotated[
        int | None, typer.Option(help="Refuse to delete more handlers than this.", min=0)
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Allow deleting more than 30 % of the handlers that --prune matches, if it "
            "matches ten or more.",
        ),
    ] = False,
    dask: Annotated[
        bool, typer.Option("--dask", help="Distribute the accounts over processes with Dask.")
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler, such as tcp://host:8786.", metavar="ADDRESS"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes to start without --scheduler.", min=1)
    ] = None,
    send_keys: Annotated[
        bool,
        typer.Option("--send-keys", help="Send keys in the accounts file to the workers."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
    variables: Variables,
    connection: Connection,
) -> Exit:
    """Bring the server to the state that FILES describe. Repeated runs change only what differs."""
    planning: PlanOptions = {"prune": prune, "resend_secrets": resend_secrets}
    where = Dask(is_wanted=dask, scheduler=scheduler, workers=workers, send_keys=send_keys)
    if dask and accounts is None:
        raise UsageError("--dask needs --accounts")
    if accounts is not None:
        if reviewed is not None:
            raise UsageError("--plan does not work with --accounts")
        return await _fleet.apply(
            _fleet.read(files, accounts, variables),
            connection,
            planning=planning,
            max_deletes=max_deletes,
            force=force,
            yes=yes,
            as_json=as_json,
            dask=where,
        )
    specs = _read(files, variables)
    async with connection.open() as bitpeak:
        planned = await _planned(bitpeak, specs, planning, reviewed)
        if not as_json:
            _output.show_plan(planned, connection.place, as_json=False)
        if not (planned.is_empty or yes or connection.sandbox) and not confirmed(
            f"Apply to {connection.place}?", is_required=bool(planned.deletes), as_json=as_json
        ):
            _output.print_error("nothing was changed")
            return Exit.ERROR
        if planned.is_empty and reviewed is None and not as_json:
            return Exit.DONE
        try:
            with progress(len(planned.changes), "handler", lambda: bitpeak.rate) as on_outcome:
                report = await bitpeak.apply(
                    planned,
                    on_outcome=on_outcome,
                    max_deletes=max_deletes,
                    force=force,
                )
        except (asyncio.CancelledError, RequestTimeoutError) as error:
            if (partial := partial_report(error)) is not None:
                _output.show_report(partial, connection.place, as_json=as_json)
            raise
        _output.show_report(report, connection.place, as_json=as_json)
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
            raise UsageError(f"{flag} is already part of the plan: pass it to bitpeak plan")
    return Plan.from_json(_content(reviewed), specs)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PlanError(f"{file}: cannot be read: {error.strerror}") from None


@command("show", "show plan.json --markdown")
async def show(
    file: Annotated[Path, typer.Argument(help="JSON from plan --json.", metavar="PLAN")],
    *,
    as_markdown: Markdown = False,
) -> Exit:
    """Show a plan saved as JSON. Needs no server and no secrets."""
    planned = Plan(**plan_json.load(_content(file), None))
    place = planned.server or "unknown"
    _output.show_plan(planned, place, as_markdown=as_markdown, as_json=False)
    return Exit.DONE


@command("check", "check handlers.yaml")
async def check(
    files: SpecFiles,
    *,
    accounts: Accounts = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Treat variables that are not set as mistakes.")
    ] = False,
    as_json: Json = False,
    variables: Variables,
) -> Exit:
    """Check FILES for mistakes, without a server and without secrets."""
    count = 0
    unset: list[str] = []
    try:
        if accounts is None:
            with _paths(files) as paths:
                found = SpecLoader(variables.environ()).read(paths)
            count, unset = len(found.specs), [*found.unset.values()]
            refuse(each for each in found.problems if strict or each not in unset)
        else:
            count, unset = _fleet.check(_fleet.read(files, accounts, variables))
            refuse(unset if strict else ())
        problems: tuple[str, ...] = ()
    except PlanError as error:
        problems = error.problems
        if not as_json:
            raise
    if as_json:
        _output.show_json(
            {"ok": not problems, "handlers": count, "problems": problems, "unset": unset}
        )
        return Exit.ERROR if problems else Exit.DONE
    for line in unset:
        _output.note(f"Note: {line}")
    _output.show(f"{_output.counted(count, 'handler')}, no problem found")
    return Exit.DONE


@command("schema", "schema > handlers.schema.json")
async def schema() -> Exit:
    """Print a JSON Schema of spec files, for editors and other checks."""
    _output.show_json(spec_file_schema())
    return Exit.DONE
