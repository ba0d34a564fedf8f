"""What was measured."""

from __future__ import annotations

import json

from attrs import frozen
from measure import Ratio


@frozen
class Result:
    """One row of the table.

    Attributes:
        name: what was compared with what.
        unit: of the figure.
        ratio: the figure; None if it could not be measured.
        bar: what ``--check`` wants; None for a row that is only told.
        aim: what would be better still.
        at_most: whether the figure must be below the bar, not above.
        reason: why it could not be measured.
    """

    name: str
    unit: str
    ratio: Ratio | None
    bar: float | None = None
    aim: float | None = None
    at_most: bool = False
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether it was measured and the bar, if there is one, is reached."""
        if self.ratio is None:
            return False
        if self.bar is None:
            return True
        median = self.ratio.median
        return median <= self.bar if self.at_most else median >= self.bar


def as_json(results: list[Result]) -> str:
    """Return the rows as JSON."""
    return json.dumps(
        [
            {
                "name": each.name,
                "unit": each.unit,
                "median": each.ratio and round(each.ratio.median, 3),
                "quartiles": each.ratio and [round(each.ratio.low, 3), round(each.ratio.high, 3)],
                "bar": each.bar,
                "aim": each.aim,
                "at_most": each.at_most,
                "holds": each.holds,
                "not_measured": each.reason or None,
            }
            for each in results
        ],
        indent=2,
    )
