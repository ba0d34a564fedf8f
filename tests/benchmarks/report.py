"""The results as a page and a plot."""

from __future__ import annotations

import math
from html import escape

from results import Result

_INTRO = """# Benchmarks

Ratios of two sides measured in the same run, in slices that alternate; so a noisy machine hits both
alike. The server is a process of its own and faster than any client. Repeat it with
`nox -s bench`; `-- --quick` takes less than a minute, `-- --check` fails where a bar is not reached
or a row could not be measured.

The other clients are httpx, niquests and requests in threads, and two that are generated from
`docs/openapi.yaml` on the spot: by openapi-python-client (httpx and attrs) and by OpenAPI
Generator's `python` with its library `asyncio` (aiohttp and pydantic). Each keeps one session for
all calls, requests one for each thread.

```{image} benchmarks.svg
:alt: every row as a bar from its first to its third quartile, beside what it must reach
```

"""


_OUTRO = """
## Where the time goes

Of the rows that miss their bar, or come close, by timing the parts alone in a process of their
own (CPython 3.11):

- **A page of 1,000** costs 2.3 ms: 0.5 JSON, 1.3 the records (two objects and two dates
  for each handler), 0.25 the garbage collector, the rest aiohttp. Raw aiohttp and msgspec take 0.7.
  Only a decoder in C would change that.
- **`provision` of what is in place** takes 2.6 µs a handler to list, as every listing, 1.3 to check
  the spec (half of it the pattern for URLs), 0.65 to compare, 0.9 for its outcome, 0.25 to look for
  names that are nearly the same; in a process with a large heap the collector adds to that. Not
  to check what is in place would save a quarter, and tell of a bad spec only after the listing.
- **`create_many`** makes two outcomes and passes two queues for each handler: some 8 µs beside the
  100 of the request.
- **A synchronous call** wakes two threads. A loop that does nothing else reached 0.64 here.
- **Importing** compiles some sixty attrs classes, 0.6 ms each. cattrs is left to the first client.
  Annotations that cannot be resolved at run time would let provisioning wait too.
"""


def markdown(results: list[Result], machine: str) -> str:
    """Return the page."""
    lines = [
        "| what | figure | quartiles | bar | unit |",
        "|---|---|---|---|---|",
    ]
    for row in results:
        sign = "≤" if row.at_most else "≥"
        bar = "" if row.bar is None else f"{sign} {row.bar:g}"
        if (ratio := row.ratio) is None:
            lines.append(f"| {row.name} | **not measured: {row.reason}** | | {bar} | {row.unit} |")
            continue
        bar += "" if row.holds else " (missed)"
        quartiles = f"{ratio.low:.2f} to {ratio.high:.2f}"
        lines.append(f"| {row.name} | {ratio.median:.2f} | {quartiles} | {bar} | {row.unit} |")
    return _INTRO + "\n".join(lines) + f"\n\nMeasured on {machine}.\n" + _OUTRO


def svg(results: list[Result]) -> str:
    """Return a plot: how far each row is beyond its bar, on a logarithmic axis."""
    rows = [row for row in results if row.bar and row.ratio]
    height, left, width = 22, 430, 300
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 70} '
            f'{height * len(rows) + 40}" font-family="sans-serif" font-size="12">'
        ),
        '<rect width="100%" height="100%" fill="#fff"/>',
        (
            f'<line x1="{left + width / 2}" x2="{left + width / 2}" y1="8" '
            f'y2="{height * len(rows) + 14}" stroke="#888"/>'
        ),
        (
            f'<text x="{left + width / 2}" y="{height * len(rows) + 32}" text-anchor="middle" '
            f'fill="#333">the bar; to the right is better</text>'
        ),
    ]
    for place, row in enumerate(rows):
        y = height * place + 24
        low, middle, high = (
            _beyond(row, figure) for figure in (row.ratio.low, row.ratio.median, row.ratio.high)
        )
        colour = "#2a7d4f" if row.holds else "#b3402a"
        begin, end = sorted((low, high))
        parts += [
            f'<text x="{left - 8}" y="{y}" text-anchor="end" fill="#111">{escape(row.name)}</text>',
            (
                f'<rect x="{left + begin * width:.1f}" y="{y - 10}" height="11" '
                f'width="{max(2.0, (end - begin) * width):.1f}" fill="{colour}" opacity=".45"/>'
            ),
            f'<circle cx="{left + middle * width:.1f}" cy="{y - 4.5}" r="4" fill="{colour}"/>',
            f'<text x="{left + width + 8}" y="{y}" fill="#111">{row.ratio.median:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _beyond(row: Result, figure: float) -> float:
    """Return where a figure stands from 0 to 1: 0.5 is the bar, the ends are 4 times off."""
    ratio = max(figure, 1e-9) / (row.bar or 1)
    steps = math.log(ratio, 4) * (-1 if row.at_most else 1)
    return min(1.0, max(0.0, 0.5 + steps / 2))
