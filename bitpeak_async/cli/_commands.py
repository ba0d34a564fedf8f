"""The commands themselves, as coroutines that return an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from bitpeak_async import BitPeak
from bitpeak_async.cli import _output
from bitpeak_async.cli._exit import Exit, code_of
from bitpeak_async.provisioning.changes import shown_fields
from bitpeak_async.provisioning.files import read_specs


@asynccontextmanager
async def connect(base_url: str | None, *, sandbox: bool) -> AsyncGenerator[BitPeak, None]:
    """Yield a client: of the server that the environment names, or of a sandbox started here."""
    if not sandbox:
        async with BitPeak(base_url=base_url) as bitpeak:
            yield bitpeak
        return
    # Starting a server costs what only this needs.
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415

    async with Sandbox() as server, BitPeak(server.api_key, base_url=server.base_url) as bitpeak:
        _output.err.print(f"Sandbox at {server.base_url}")
        yield bitpeak


async def plan(file: Path, base_url: str | None, *, sandbox: bool) -> Exit:
    """Show what applying a file would change."""
    specs = read_specs(file)
    async with connect(base_url, sandbox=sandbox) as bitpeak:
        _output.show_plan(await bitpeak.plan(specs))
    return Exit.DONE


async def apply(file: Path, base_url: str | None, *, sandbox: bool, yes: bool) -> Exit:
    """Bring the server to the state a file describes."""
    specs = read_specs(file)
    async with connect(base_url, sandbox=sandbox) as bitpeak:
        plan = await bitpeak.plan(specs)
        _output.show_plan(plan)
        if plan.is_empty:
            return Exit.DONE
        asks = sys.stdin is not None and sys.stdin.isatty() and not (yes or sandbox)
        if asks and not _confirmed():
            _output.complain("nothing was changed")
            return Exit.ERROR
        with _output.progress(len(plan.changes)) as on_outcome:
            report = await bitpeak.apply(plan, on_outcome=on_outcome)
        _output.show_report(report)
        if sandbox:
            again = await bitpeak.plan(specs)
            _output.show(f"Planned again: {again.summary}", "bold")
        return code_of(report)


def _confirmed() -> bool:
    """Ask. Ctrl-C must end the question; asyncio's handler would only cancel a task later."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return typer.confirm("Apply?", err=True)
    finally:
        signal.signal(signal.SIGINT, handler)


async def show_list(base_url: str | None) -> Exit:
    """Show all handlers, secrets masked."""
    table = Table("id", "type", "name", "enabled", "last delivery", "settings", box=None)
    async with connect(base_url, sandbox=False) as bitpeak:
        async for handler in bitpeak.notification_handlers.iterate():
            used = handler.last_datetime
            row = (
                str(handler.id),
                handler.type,
                handler.name,
                "yes" if handler.is_enabled else "no",
                f"{used:%Y-%m-%d %H:%M}" if used else "never",
                ", ".join(shown_fields(handler.settings).values()),
            )
            table.add_row(*(Text(_output.printable(cell)) for cell in row))
    _output.out.print(table)
    return Exit.DONE


async def serve(port: int, database: str) -> Exit:
    """Run a sandbox until interrupted."""
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - only this needs a server

    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows raises KeyboardInterrupt instead
            asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with Sandbox(port=port, database=database) as server:
        _output.show(f"export BITPEAK_BASE_URL={server.base_url}")
        _output.show(f"export BITPEAK_API_KEY={server.api_key}")
        _output.err.print("Serving until Ctrl-C")
        await interrupted.wait()
    return Exit.DONE
