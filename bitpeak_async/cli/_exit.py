"""Map errors to exit codes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer

from bitpeak_async.cli._output import print_error
from bitpeak_async.errors import (
    AuthenticationError,
    BitPeakError,
    PermissionDeniedError,
)
from bitpeak_async.provisioning import Conflict, Plan, Report, Unchanged


class Exit(IntEnum):
    """Exit codes, as ``bitpeak --help`` documents them."""

    DONE = 0
    ERROR = 1
    HAS_CHANGES = 2
    CHANGES_FAILED = 3
    KEY_REFUSED = 4
    UNRESOLVED = 5
    HAS_CONFLICTS = 6
    USAGE = 64  # EX_USAGE of sysexits.h
    INTERRUPTED = 130


class UsageError(Exception):
    """Options that do not go together, or one that is missing."""


def run(command: Coroutine[Any, Any, Exit]) -> None:
    """Run a command and exit with its code; print errors as one line on stderr."""
    try:
        code = asyncio.run(command)
        sys.stdout.flush()
    except (BitPeakError, UsageError) as error:
        print_error(str(error), type(error).__name__)
        code = _code_of_error(error)
    except BrokenPipeError:
        # The reader is gone, as after ``| head``. Flushing at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.ERROR
    except (OSError, sqlite3.Error) as error:
        print_error(str(error), type(error).__name__)
        code = Exit.ERROR
    except (KeyboardInterrupt, typer.Abort):
        print_error("interrupted", "KeyboardInterrupt")
        code = Exit.INTERRUPTED
    raise typer.Exit(code)


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Print an error on stderr and exit with its code."""
    try:
        yield
    except (BitPeakError, UsageError) as error:
        print_error(str(error), type(error).__name__)
        raise typer.Exit(_code_of_error(error)) from None


def _code_of_error(error: BitPeakError | UsageError) -> Exit:
    if isinstance(error, UsageError):
        return Exit.USAGE
    return Exit.KEY_REFUSED if is_refused(error) else Exit.ERROR


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


def code_of_plans(plans: Iterable[Plan]) -> Exit:
    """Return the exit code of ``plan --exit-code``."""
    kinds = {type(change) for plan in plans for change in plan.changes} - {Unchanged}
    if not kinds:
        return Exit.DONE
    return Exit.HAS_CONFLICTS if kinds == {Conflict} else Exit.HAS_CHANGES
