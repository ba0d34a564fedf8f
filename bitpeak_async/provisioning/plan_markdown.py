"""Changes as Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from bitpeak_async.provisioning.changes import Change, Conflict, Create, Delete, Update, describe

_MAX: Final = 60_000  # characters; GitHub allows 65,536 in a comment
_MAX_CELL: Final = 300
_CUT: Final = "\n…\n\nThis is cut. `bitpeak plan` shows all changes.\n"
_ORDER: Final = (Conflict, Delete, Update, Create)  # a cut hides the least important changes


def render(summary: str, tables: Iterable[tuple[str, Iterable[Change], Iterable[str]]]) -> str:
    """Return Markdown of at most 60,000 characters.

    Args:
        summary: one line of counts.
        tables: a title, changes and warnings for each table.
    """
    lines = [f"**{summary}**"]
    for title, changes, warnings in tables:
        lines += ["", title, *_table(changes), *_list(warnings)]
    text = "\n".join(lines) + "\n"
    if len(text) <= _MAX:
        return text
    whole_lines = text[: _MAX - len(_CUT)].rpartition("\n")[0]
    return whole_lines + _CUT


def code(text: str) -> str:
    """Return text as inline code, so that it makes no markup, mention, line break or cell."""
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    if len(shown) > _MAX_CELL:
        shown = shown[:_MAX_CELL] + "…"
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")


def _table(changes: Iterable[Change]) -> Iterator[str]:
    listed = [(change, [*describe(change)]) for change in changes]
    rows = [(_ORDER.index(type(change)), lines) for change, lines in listed if lines]
    if rows:
        yield from ("", "| | handler | what differs |", "|---|---|---|")
    for _, (first, *details) in sorted(rows, key=lambda row: row[0]):
        cell = "<br>".join(code(line.strip()) for line in details)
        yield f"| {code(first[0])} | {code(first[2:])} | {cell} |"


def _list(warnings: Iterable[str]) -> Iterator[str]:
    shown = [f"- {code(warning)}" for warning in warnings]
    if shown:
        yield from ("", *shown)
