"""What a person or a program sees: results on stdout, all else on stderr, nothing forged."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from bitpeak_async import BitPeakError, NotificationHandler, Outcome, Plan, Report
from bitpeak_async.provisioning.changes import masked_fields, shown_fields

# A pipe has no width: rows are not to be folded for it.
out = Console(highlight=False, soft_wrap=True, width=None if Console().is_terminal else 10_000)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_STYLES = {"+": "green", "~": "yellow", "-": "red", "!": "bold red", "?": "magenta"}
_NARROW = 60  # columns; a table of six would be letters below one another
_COLUMNS = ("id", "type", "name", "enabled", "last delivery", "settings")


def printable(text: str) -> str:
    """Return text with control characters escaped: a name must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def show(text: str, style: str = "") -> None:
    """Print a line of the result; markup in it means nothing."""
    out.print(Text(printable(text), style))


def write(text: str) -> None:
    """Print text as it is, such as a file's content."""
    sys.stdout.write(text)


def write_document(text: str) -> None:
    """Write a file's content to stdout, in UTF-8 whatever the locale: it is a file's."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def flush() -> None:
    """Let whoever reads stdout see what was written."""
    sys.stdout.flush()


def show_json(document: object) -> None:
    """Print JSON; in ASCII where stdout could not show the rest."""
    write(_json(document) + "\n")


def _json(document: object) -> str:
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(document, indent=2, ensure_ascii=not is_utf8)


def complain(text: str) -> None:
    """Print an error."""
    err.print(Text("Error: ", "bold red") + Text(printable(text)))


@contextmanager
def complaining() -> Iterator[None]:
    """Turn an error of the SDK into a line on stderr and exit code 1."""
    try:
        yield
    except BitPeakError as error:
        complain(str(error))
        raise typer.Exit(1) from None


def show_plan(plan: Plan, *, as_json: bool) -> None:
    """Print a diff, each change in the colour of its sign."""
    if as_json:
        show_json(json.loads(plan.to_json()))
        return
    show_diff(str(plan))


def show_diff(diff: str) -> None:
    """Print each line in the colour of its sign."""
    for line in diff.splitlines():
        show(line, _STYLES.get(line[:1], ""))


def show_report(report: Report, *, as_json: bool) -> None:
    """Print what failed, then the counts."""
    if as_json:
        show_json(report_json(report))
        return
    for outcome in (*report.failed, *report.unresolved):
        show(f"! {outcome.change.name!r}: {outcome.error}", "red")
    show(report.summary, "bold")


def report_json(report: Report) -> dict[str, object]:
    """Return a report as JSON has it."""
    outcomes = [_outcome(outcome) for outcome in report.outcomes]
    return {"summary": report.summary, "ok": report.ok, "outcomes": outcomes}


def error_json(error: BitPeakError) -> dict[str, str]:
    """Return an error as JSON has it."""
    return {"type": type(error).__name__, "message": str(error)}


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.change.name,
        "result": outcome.result,
        "handler_id": outcome.handler_id,
        "error": outcome.error and error_json(outcome.error),
    }


def show_handler(handler: NotificationHandler, *, as_json: bool) -> None:
    """Print one handler, secrets masked."""
    if as_json:
        show_json(handler_json(handler))
        return
    for name, cell in zip(_COLUMNS, _escaped(_row(handler)), strict=True):
        show(f"{name + ':':15} {cell}")


async def show_handlers(
    handlers: AsyncGenerator[NotificationHandler, None], *, as_json: bool
) -> None:
    """Print handlers, secrets masked: a table for a person, else each as it comes.

    Without a terminal that is one line each, its cells separated by tabs; on a narrow one a block
    each. JSON is only whole where no page failed.
    """
    async with aclosing(handlers):
        await _show_handlers(handlers, as_json=as_json)


async def _show_handlers(handlers: AsyncIterable[NotificationHandler], *, as_json: bool) -> None:
    if as_json:
        separator = "[\n"
        async for handler in handlers:
            write(separator + _json(handler_json(handler)))
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
        write("\t".join(_COLUMNS) + "\n")
        async for handler in handlers:
            write("\t".join(_escaped(_row(handler))) + "\n")


def _row(handler: NotificationHandler) -> tuple[str, ...]:
    used = handler.last_datetime
    return (
        str(handler.id),
        handler.type,
        handler.name,
        "yes" if handler.is_enabled else "no",
        f"{used:%Y-%m-%d %H:%M}" if used else "never",
        ", ".join(shown_fields(handler.settings).values()),
    )


def _escaped(cells: Iterable[str]) -> Iterator[str]:
    return (printable(cell).replace("\n", "\\n") for cell in cells)


def handler_json(handler: NotificationHandler) -> dict[str, Any]:
    """Return a handler as the API words it, secrets masked."""
    used = handler.last_datetime
    return {
        "id": handler.id,
        "type": handler.type,
        "name": handler.name,
        "settings": masked_fields(handler.settings),
        "is_enabled": handler.is_enabled,
        "last_datetime": used and used.isoformat(),
        "datetime": handler.datetime.isoformat(),
    }


@contextmanager
def progress(total: int) -> Iterator[Callable[[object], None]]:
    """Yield a listener that moves a bar on stderr by one, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("Applying", total=total)

        def advance(_: object) -> None:
            bar.advance(task)

        yield advance
