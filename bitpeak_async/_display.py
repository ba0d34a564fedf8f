"""Displays for people: tables in notebooks, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence, Sized
from contextlib import aclosing, contextmanager
from importlib.util import find_spec
from itertools import islice
from typing import Any, Final, TypeVar

T = TypeVar("T")

_ROWS: Final = 100
_STEP: Final = 100  # between two lines, if the total is unknown


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table of at most 100 rows, all text escaped."""
    left = iter(rows)
    shown = [_row("td", row) for row in islice(left, _ROWS)]
    more = sum(1 for _ in left)
    note = f"<p>… and {more} more</p>" if more else ""
    body = "".join([_row("th", header), *shown]) if shown else ""
    return f"<table><caption>{_escaped(caption)}</caption>{body}</table>{note}"


def _row(tag: str, cells: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(str(cell))}</{tag}>' for cell in cells)}</tr>"


def _escaped(text: str) -> str:
    from html import escape  # noqa: PLC0415 - slow to import

    return escape(text)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call for each finished item; show a rich bar, or else a few lines.

    Args:
        what: the work, such as ``"Provisioning"``.
        total: how many items there are, if that is known.
    """
    console = _rich_console()
    if console is None:
        yield _lines(what, total)
        return
    from rich.progress import Progress  # noqa: PLC0415 - an extra

    with Progress(console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _rich_console() -> Any:
    """Return a console that can show a bar, or None."""
    if find_spec("rich") is None:
        return None
    from rich.console import Console  # noqa: PLC0415 - an extra

    console = Console(stderr=True)
    can_redraw = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
    return console if can_redraw else None


def _lines(what: str, total: int | None) -> Callable[[], None]:
    done, step = 0, max(1, total // 10) if total else _STEP

    def advance() -> None:
        nonlocal done
        done += 1
        if done % step == 0 or done == total:
            of = f" of {total}" if total else ""
            sys.stderr.write(f"{what}: {done}{of}\n")

    return advance


async def with_progress(
    items: AsyncGenerator[T, None], what: str, source: object
) -> AsyncGenerator[T, None]:
    """Yield items and show their progress; the total is the length of ``source``, if it has one."""
    total = len(source) if isinstance(source, Sized) else None
    with progress(what, total) as advance:
        async with aclosing(items):
            async for item in items:
                advance()
                yield item
