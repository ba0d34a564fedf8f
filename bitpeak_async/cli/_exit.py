"""Map errors to exit codes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Coroutine
from enum import IntEnum
from typing import Any

import typer

from bitpeak_async.cli._output import print_error, show_report
from bitpeak_async.errors import (
    AuthenticationError,
    BitPeakError,
    PermissionDeniedError,
    RequestTimeoutError,
)
from bitpeak_async.provisioning import Report, partial_report


class Exit(IntEnum):
    """Exit codes, as ``bitpeak --help`` documents them."""

    DONE = 0
    ERROR = 1
    HAS_CHANGES = 2
    CHANGES_FAILED = 3
    KEY_REFUSED = 4
    UNRESOLVED = 5
    INTERRUPTED = 130


def run(command: Coroutine[Any, Any, Exit], *, as_json: bool) -> None:
    """Run a command and exit with its code; print errors as one line on stderr."""
    try:
        code = asyncio.run(_with_report(command, as_json=as_json))
        sys.stdout.flush()
    except BitPeakError as error:
        print_error(str(error))
        code = Exit.KEY_REFUSED if is_refused(error) else Exit.ERROR
    except BrokenPipeError:
        # The reader is gone, as after ``| head``. Flushing at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.ERROR
    except (OSError, sqlite3.Error) as error:
        print_error(str(error))
        code = Exit.ERROR
    except (KeyboardInterrupt, typer.Abort):
        print_error("interrupted")
        code = Exit.INTERRUPTED
    raise typer.Exit(code)


async def _with_report(command: Coroutine[Any, Any, Exit], *, as_json: bool) -> Exit:
    try:
        return await command
    except (asyncio.CancelledError, RequestTimeoutError) as error:
        if (report := partial_report(error)) is not None:
            show_report(report, as_json=as_json)
        raise


def is_refused(error: BitPeakError) -> bool:
    """Return whether the server refused the key, and not just one more handler."""
    if isinstance(error, PermissionDeniedError):
        return error.status == 403
    return isinstance(error, AuthenticationError)


def code_of(report: Report) -> Exit:
    """Return the exit code for a report."""
    if any(is_refused(outcome.error) for outcome in report.outcomes if outcome.error):
        return Exit.KEY_REFUSED
    if report.failed:
        return Exit.CHANGES_FAILED
    return Exit.UNRESOLVED if report.unresolved else Exit.DONE
