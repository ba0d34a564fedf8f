"""What a person sees: results on stdout, progress and messages on stderr, nothing forged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from bitpeak_async.provisioning import Outcome, Plan, Report

# A pipe has no width: rows are not to be folded for it.
out = Console(highlight=False, soft_wrap=True, width=None if Console().is_terminal else 10_000)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_STYLES = {"+": "green", "~": "yellow", "!": "bold red"}


def printable(text: str) -> str:
    """Return text with control characters escaped: a name must not steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def show(text: str, style: str = "") -> None:
    """Print a line of the result; markup in it means nothing."""
    out.print(Text(printable(text), style))


def complain(text: str) -> None:
    """Print an error."""
    err.print(Text("Error: ", "bold red") + Text(printable(text)))


def show_plan(plan: Plan) -> None:
    """Print a diff, each change in the colour of its sign."""
    for line in str(plan).splitlines():
        show(line, _STYLES.get(line[:1], ""))


def show_report(report: Report) -> None:
    """Print what failed, then the counts."""
    for outcome in (*report.failed, *report.unresolved):
        show(f"! {outcome.change.name!r}: {outcome.error}", "red")
    show(report.summary, "bold")


@contextmanager
def progress(total: int) -> Iterator[Callable[[Outcome], None]]:
    """Yield an ``on_outcome`` that moves a bar on stderr, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("Applying", total=total)

        def advance(_: Outcome) -> None:
            bar.advance(task)

        yield advance
