"""What is to be measured, and what was."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attrs import asdict, frozen
from generated import NotUsableError
from measure import Ratio


@frozen
class Cell:
    """Where a figure stands in a table of its own."""

    table: str
    line: str
    column: str


@frozen
class Row:
    """One comparison.

    Attributes:
        name: what is compared with what.
        unit: of the figure.
        measure: returns the figure; may raise NotUsableError.
        bar: what ``--check`` wants; None for a row that is only told.
        aim: what would be better still.
        at_most: whether the figure must be below the bar, not above.
        cell: where it stands; None for the table of all others.
    """

    name: str
    unit: str
    measure: Callable[[], Ratio]
    bar: float | None = None
    aim: float | None = None
    at_most: bool = False
    cell: Cell | None = None

    def result(self) -> Result:
        """Measure it."""
        try:
            return Result(self, self.measure())
        except NotUsableError as error:
            return Result(self, None, str(error))


@frozen
class Result:
    """A row with its figure, or with the reason why there is none."""

    row: Row
    ratio: Ratio | None
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether it was measured and the bar, if there is one, is reached."""
        if self.ratio is None:
            return False
        bar, median = self.row.bar, self.ratio.median
        return bar is None or (median <= bar if self.row.at_most else median >= bar)

    @property
    def wanted(self) -> str:
        """The bar as text; empty without one."""
        if self.row.bar is None:
            return ""
        return f"{'≤' if self.row.at_most else '≥'} {self.row.bar:g}"


def as_json(results: list[Result], machine: str) -> str:
    """Return the results as JSON, with what they were measured on."""
    rows = [
        {
            "name": each.row.name,
            "unit": each.row.unit,
            "median": each.ratio and round(each.ratio.median, 3),
            "quartiles": each.ratio and [round(each.ratio.low, 3), round(each.ratio.high, 3)],
            "bar": each.row.bar,
            "aim": each.row.aim,
            "at_most": each.row.at_most,
            "holds": each.holds,
            "not_measured": each.reason or None,
            "cell": each.row.cell and asdict(each.row.cell),
        }
        for each in results
    ]
    return json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n"


def from_json(text: str) -> tuple[list[Result], str]:
    """Return what ``as_json`` was given."""
    read = json.loads(text)
    return [_result(each) for each in read["rows"]], read["machine"]


def _result(read: dict[str, Any]) -> Result:
    cell = read["cell"] and Cell(**read["cell"])
    aims = (read["bar"], read["aim"], read["at_most"])
    row = Row(read["name"], read["unit"], _not_again, *aims, cell)
    if read["median"] is None:
        return Result(row, None, read["not_measured"])
    low, high = read["quartiles"]
    return Result(row, Ratio(low, read["median"], high))


def _not_again() -> Ratio:
    raise NotUsableError("it was measured in another run")
