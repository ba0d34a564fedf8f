"""CSV → document data: one row per handler, one column per API field; empty cells are ignored."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from bitpeak_async._structure import did_you_mean
from bitpeak_async.provisioning.spec_files.document import UNUSABLE, Document
from bitpeak_async.settings import CLASSES, WIRE_FIELDS

COLUMNS: Final[tuple[str, ...]] = ("name", "type", "is_enabled", "renamed_from")


def read_csv(text: str, document: Document) -> Any:
    """Return the list of handlers in a text, or None if it is empty.

    Rows of a wrong length and columns that no row can use are added to the document's problems.

    Raises:
        UnusableFileError: the text is not CSV, or its first row is not a header.
    """
    document.is_table = True
    rows = list(_rows(text, document))
    if not rows:
        return None
    line, header = rows.pop(0)
    document.lines[()] = line
    _check_header(header, line, document)
    handlers: list[Any] = []
    for index, (line, row) in enumerate(rows):
        document.lines[(index,)] = line
        if len(row) == len(header):
            handlers.append({key: cell for key, cell in zip(header, row, strict=True) if cell})
        else:
            problem = f"has {len(row)} cells, but the header has {len(header)}"
            document.add((index,), problem)
            handlers.append(UNUSABLE)
    _refuse_unknown(header, [row for row in handlers if row is not UNUSABLE], document)
    return [row if row is UNUSABLE else _handler(row) for row in handlers]


def _rows(text: str, document: Document) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row that is not blank."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        # csv's messages never quote the text, which may hold secrets.
        raise document.fatal(f"is not CSV: {error}", line) from None


def _check_header(header: list[str], line: int, document: Document) -> None:
    if "name" not in header or "type" not in header:
        # Not quoted, because without a header the first row may hold secrets.
        problem = "must begin with a row of column names that includes name and type"
        if any(";" in cell for cell in header):
            problem += "; separate cells with commas"
        raise document.fatal(problem, line)
    for index, key in enumerate(header):
        if not key:
            document.add((), f"column {index + 1} has no name; give it one or remove it")
        elif key in header[:index]:
            document.add((key,), "the column appears twice; keep one of them")


def _refuse_unknown(header: list[str], rows: list[dict[str, str]], document: Document) -> None:
    """Report and drop columns that are neither an API field nor used by an unknown type."""
    used = {key for row in rows if "type" in row and row["type"] not in CLASSES for key in row}
    known = [*COLUMNS, *WIRE_FIELDS]
    for key in dict.fromkeys(header):
        if key in used or key in known:
            continue
        for row in rows:
            row.pop(key, None)
        if key:
            document.add((key,), f"is not a known column; {did_you_mean(key, known)}")


def _handler(row: dict[str, str]) -> dict[str, Any]:
    handler: dict[str, Any] = {key: row[key] for key in COLUMNS if key in row}
    return {**handler, "settings": {key: row[key] for key in row if key not in COLUMNS}}
