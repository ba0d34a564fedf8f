"""``bitpeak sandbox``: an embedded server for other commands."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import Annotated

import typer

from bitpeak_async.cli import _output
from bitpeak_async.cli._app import Json, command
from bitpeak_async.cli._exit import Exit


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
        sys.stdout.flush()  # for a reader at the other end of a pipe
        _output.note(f"Dashboard at {server.dashboard_url}")
        _output.note("Serving until Ctrl-C")
        await interrupted.wait()
    return Exit.DONE
