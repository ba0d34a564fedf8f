"""Map errors to exit codes."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final

import typer

from bitpeak_async.cli._output import print_error
from bitpeak_async.errors import (
    AuthenticationError,
    BitPeakError,
    ConfigurationError,
    InvalidRequestError,
    PermissionDeniedError,
    PlanError,
)
from bitpeak_async.provisioning import Conflict, Plan, Report, Unchanged


class Exit(IntEnum):
    """Exit codes; see ``MEANINGS``."""

    DONE = 0
    ERROR = 1
    HAS_CHANGES = 2
    CHANGES_FAILED = 3
    KEY_REFUSED = 4
    UNRESOLVED = 5
    HAS_CONFLICTS = 6
    USAGE = 64  # EX_USAGE of sysexits.h
    INTERRUPTED = 130


MEANINGS: Final[Mapping[Exit, str]] = {
    Exit.DONE: "done",
    Exit.ERROR: "error: some or all work was not done; stderr says why",
    Exit.HAS_CHANGES: "plan --exit-code: something would change",
    Exit.CHANGES_FAILED: "some changes failed; other creates and updates were made",
    Exit.KEY_REFUSED: "the key was refused",
    Exit.UNRESOLVED: "outcomes are unresolved; run again",
    Exit.HAS_CONFLICTS: "plan --exit-code: conflicts only, nothing would change",
    Exit.USAGE: "wrong usage, such as an unknown option",
    Exit.INTERRUPTED: "interrupted; apply prints the partial report",
}


class UsageError(Exception):
    """Options cannot be combined, or one is missing."""


def _flag(found: re.Match[str]) -> str:
    return "--" + found[1].replace("_", "-")


# The SDK's words → the command line's.
_WORDS: Final[Mapping[str, str | Callable[[re.Match[str]], str]]] = {
    r"^api_key is missing: pass it or": "the key is missing: use --api-key-file or",
    r"^api_key ": "the key ",
    r"at least one of name, settings, is_enabled": "--name, --type, --set, --enable or --disable",
    r"^(?:\w+\()?(base_url|in_flight|requests_per_minute|deadline|prune)(?:=\))?(?= )": _flag,
    r"\b(\w+)=True\b": _flag,
}


def run(command: Coroutine[Any, Any, Exit]) -> None:
    """Run a command and exit with its code; print errors as one line on stderr."""
    try:
        code = asyncio.run(command)
        sys.stdout.flush()
    except (BitPeakError, UsageError) as error:
        code = _report(error)
    except BrokenPipeError:
        # The reader is gone, as with ``| head``. Flushing at exit must not fail again.
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
        raise typer.Exit(_report(error)) from None


def _report(error: BitPeakError | UsageError) -> Exit:
    """Print an error with the command line's option names, and return the exit code."""
    text = str(error)
    if isinstance(error, ConfigurationError | InvalidRequestError | PlanError):
        for pattern, replacement in _WORDS.items():
            text = re.sub(pattern, replacement, text)
    details = error.problems if isinstance(error, PlanError) else ()
    details = tuple(each for each in details if each not in text)
    print_error("\n".join([text, *details, *getattr(error, "__notes__", ())]), type(error).__name__)
    if isinstance(error, UsageError):
        return Exit.USAGE
    return Exit.KEY_REFUSED if is_refused(error) else Exit.ERROR


def is_refused(error: BitPeakError) -> bool:
    """Return whether the server refused the key. A 401 may also refuse only another handler."""
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
