"""CSV → nodes that know their locations: one row a handler, an empty cell is not given."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from difflib import get_close_matches
from io import StringIO
from typing import Final

from bitpeak_async.provisioning.spec_files.document import Location, Node, Problems
from bitpeak_async.settings import CLASSES, WIRE_FIELDS

COLUMNS: Final[tuple[str, ...]] = ("name", "type", "is_enabled")


def read_csv(text: str, problems: Problems) -> Node | None:
    """Return the list of handlers that a text is, or None where it is empty.

    Rows of a wrong length and columns that no row can use are noted in ``problems``.

    Raises:
        UnusableFileError: the text is not CSV, or its first row is no header.
    """
    rows = list(_rows(text, problems))
    if not rows:
        return None
    line, header = rows.pop(0)
    _check_header(header, line, problems)
    location = Location(line)
    handlers: list[dict[str, Node]] = []
    locations: list[Location] = []
    for index, (line, row) in enumerate(rows):
        own = location.item(index, line)
        if len(row) != len(header):
            problems.add(own, f"has {len(row)} cells, but the header has {len(header)}")
            continue
        cells = zip(header, row, strict=True)
        handlers.append({key: Node(cell, own.inner(key)) for key, cell in cells if cell})
        locations.append(own)
    _refuse_useless(header, handlers, location, problems)
    entries = zip(handlers, locations, strict=True)
    return Node([Node(_entry(cells, own), own) for cells, own in entries], location)


def _rows(text: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank and the line where it begins."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        # None of csv's messages quotes the text.
        raise problems.fatal(Location(line), f"is not CSV: {error}") from None


def _check_header(header: list[str], line: int, problems: Problems) -> None:
    if "name" not in header or "type" not in header:
        # What stands there may be a row with secrets, so nothing of it is quoted.
        problem = "must begin with a row of column names, among them name and type"
        if any(";" in cell for cell in header):
            problem += "; separate cells by commas"
        raise problems.fatal(Location(line), problem)
    for index, key in enumerate(header):
        if not key:
            problems.add(
                Location(line), f"column {index + 1} has no name; give it one or remove it"
            )
        elif key in header[:index]:
            problems.add(Location(line, key), "the column is there twice; keep one of them")


def _refuse_useless(
    header: list[str], handlers: list[dict[str, Node]], location: Location, problems: Problems
) -> None:
    """Note and empty columns that are no wire name and serve no handler of another type."""
    used = {
        key
        for cells in handlers
        if "type" in cells and cells["type"].value not in CLASSES
        for key in cells
    }
    known = [*COLUMNS, *WIRE_FIELDS]
    for key in dict.fromkeys(header):
        if key in used or key in known:
            continue
        for cells in handlers:
            cells.pop(key, None)
        if key:
            close = get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            problems.add(location.inner(key), f"is no known column; {hint}")


def _entry(cells: dict[str, Node], location: Location) -> dict[str, Node]:
    entry = {key: cells[key] for key in COLUMNS if key in cells}
    settings = {key: cell for key, cell in cells.items() if key not in COLUMNS}
    return {**entry, "settings": Node(settings, location)}
