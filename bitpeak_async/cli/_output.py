"""Output: results go to stdout, everything else to stderr; control characters are escaped."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import aclosing

from attrs import define
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from bitpeak_async import BitPeakError, NotificationHandler, Outcome, Plan, Report, to_dict
from bitpeak_async.settings import shown_fields

# A pipe has no width, so its rows must not be folded.
out = Console(highlight=False, soft_wrap=True, width=None if Console().is_terminal else 10_000)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold red", "?": "magenta"}
_NARROW = 60  # terminal columns; below this a table of six columns is unreadable
_COLUMNS = ("id", "type", "name", "enabled", "last delivery", "settings")


def printable(text: str) -> str:
    """Escape control characters, so that a handler's name cannot control the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def counted(count: int, noun: str) -> str:
    """Return a text such as ``"1 handler"`` or ``"2 handlers"``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def show(text: str, style: str = "") -> None:
    """Print a line of the result; markup in it is not interpreted."""
    out.print(Text(printable(text), style))


def write(text: str) -> None:
    """Write text to stdout unchanged."""
    sys.stdout.write(text)


def write_document(text: str) -> None:
    """Write the content of a file to stdout, as UTF-8 in every locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def show_json(document: object) -> None:
    """Print JSON, as ASCII unless stdout is UTF-8."""
    write(_json(document) + "\n")


def _json(document: object) -> str:
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(document, indent=2, ensure_ascii=not is_utf8)


@define
class _Modes:
    """Output modes of the running command.

    Attributes:
        errors_as_json: whether errors are JSON.
        is_quiet: whether to print neither notes nor progress.
    """

    errors_as_json: bool = False
    is_quiet: bool = False


modes = _Modes()


def note(text: str) -> None:
    """Print a note on stderr: neither a result nor an error."""
    if not modes.is_quiet:
        err.print(Text(printable(text)))


def print_error(text: str, kind: str = "Error") -> None:
    """Print an error on stderr; JSON takes one line.

    Args:
        text: what is wrong.
        kind: the name of the error's class; only JSON shows it.
    """
    if modes.errors_as_json:
        err.print(Text(json.dumps({"error": {"type": kind, "message": text}})))
    else:
        err.print(Text("Error: ", "bold red") + Text(printable(text)))


def show_plan(plan: Plan, place: str, *, as_markdown: bool = False, as_json: bool) -> None:
    """Print a plan as JSON, as Markdown or as a coloured diff."""
    if as_markdown:
        write_document(plan.to_markdown(place=place))
        return
    if as_json:
        show_json(json.loads(plan.to_json()))
        return
    show_diff(str(plan), place)


def show_diff(diff: str, place: str) -> None:
    """Print the server and a diff, with each line in the colour of its sign."""
    show(f"Server: {place}")
    for line in diff.splitlines():
        show(line, _STYLES.get(line[:1], ""))


def show_report(report: Report, place: str, *, as_json: bool) -> None:
    """Print failed and unresolved changes, then the counts."""
    if as_json:
        show_json({"server": place, **report_json(report)})
        return
    for outcome in (*report.failed, *report.unresolved):
        show(f"! {outcome.change.name!r}: {outcome.error}", "red")
    for warning in report.warnings:
        show(f"? {warning}", _STYLES["?"])
    show(f"{report.summary} on {place}", "bold")
    if not report.is_verified:
        show("Not verified: the outcomes come from the replies alone.", _STYLES["?"])


def report_json(report: Report) -> dict[str, object]:
    """Return a report as JSON data."""
    outcomes = [_outcome(outcome) for outcome in report.outcomes]
    return {
        "summary": report.summary,
        "ok": report.ok,
        "is_verified": report.is_verified,
        "warnings": report.warnings,
        "outcomes": outcomes,
    }


def error_json(error: BitPeakError) -> dict[str, str]:
    """Return an error as JSON data."""
    return {"type": type(error).__name__, "message": str(error)}


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.change.name,
        "result": outcome.result,
        "handler_id": outcome.handler_id,
        "error": outcome.error and error_json(outcome.error),
    }


def show_handler(handler: NotificationHandler, *, as_json: bool) -> None:
    """Print one handler with its secrets masked."""
    if as_json:
        show_json(to_dict(handler))
        return
    for name, cell in zip(_COLUMNS, _escaped(_row(handler)), strict=True):
        show(f"{name + ':':15} {cell}")


async def show_handlers(
    handlers: AsyncGenerator[NotificationHandler, None], *, as_json: bool
) -> None:
    """Print handlers with their secrets masked.

    A terminal shows a table, or one block per handler if it is narrow. A pipe gets tab-separated
    lines as handlers arrive. If a page fails, JSON output ends incomplete.
    """
    async with aclosing(handlers):
        await _show_handlers(handlers, as_json=as_json)


async def _show_handlers(handlers: AsyncIterable[NotificationHandler], *, as_json: bool) -> None:
    if as_json:
        separator = "[\n"
        async for handler in handlers:
            write(separator + _json(to_dict(handler)))
            separator = ",\n"
        write("[]\n" if separator == "[\n" else "\n]\n")
    elif out.is_terminal and out.width < _NARROW:
        async for handler in handlers:
            show_handler(handler, as_json=False)
            show("")
    elif out.is_terminal:
        table = Table(*(Column(name, overflow="fold") for name in _COLUMNS), box=None)
        async for handler in handlers:
            table.add_row(*map(Text, _escaped(_row(handler))))
        out.print(table, soft_wrap=False)
    else:
        header = "\t".join(_COLUMNS) + "\n"
        async for handler in handlers:
            write(header + "\t".join(_escaped(_row(handler))) + "\n")
            header = ""
        write(header)  # the list is empty


def _row(handler: NotificationHandler) -> tuple[str, ...]:
    used = handler.last_datetime
    return (
        str(handler.id),
        handler.type,
        handler.name,
        "pending" if handler.is_pending else "yes" if handler.is_enabled else "no",
        f"{used:%Y-%m-%d %H:%M}" if used else "never",
        ", ".join(shown_fields(handler.settings).values()),
    )


def _escaped(cells: Iterable[str]) -> Iterator[str]:
    return (printable(cell).replace("\n", "\\n") for cell in cells)
