"""The picture of the benchmarks: ours against what a user could pick instead."""

from __future__ import annotations

from html import escape

from request_rows import GET_16, LOOPS_TLS, TLS
from results import Result

OURS, SPEED = "bitpeak_async", "bitpeak_async[speed]"
FASTEST_LOOP = "aiofastnet on uvloop"  # of those that the extra installs
WIDTH, LEFT, RIGHT, TOP, STEP = 400, 176, 44, 56, 24

# Light: the documentation inverts it where a page is dark.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1c1e21 }
.title { font-size: 15px; font-weight: 600 }
.note { fill: #5b616b }
.ours { font-weight: 600 }
.card { fill: #fff; stroke: #d5d9e0 }
.bar { fill: #a9b1bd }
.bar.ours { fill: #1a7f4b }
"""


def speeds(results: list[Result]) -> list[tuple[str, float]]:
    """Return the clients with their requests per CPU second, ours being 1, the fastest first."""
    found = {OURS: 1.0}
    for each in results:
        cell = each.row.cell
        if not (cell and cell.column == GET_16 and each.ratio):
            continue
        if cell.table == TLS:
            found[cell.line] = 1 / each.ratio.median
        elif (cell.table, cell.line) == (LOOPS_TLS, FASTEST_LOOP):
            found[SPEED] = each.ratio.median
    return sorted(found.items(), key=lambda item: -item[1])


def svg(results: list[Result]) -> str:
    """Return the picture, which a phone shows as well as a desktop."""
    clients = speeds(results)
    longest = clients[0][1]
    height = TOP + STEP * len(clients) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="600">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        '<text class="title" x="12" y="23">Requests per CPU second: longer is better</text>',
        f'<text class="note" x="12" y="43">GET over TLS, 16 in flight; {OURS} = 1</text>',
    ]
    for place, (name, speed) in enumerate(clients):
        y = TOP + STEP * place
        kind = "ours" if name in (OURS, SPEED) else "other"
        length = max(1.5, (WIDTH - LEFT - RIGHT) * speed / longest)
        bar = f'x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="16" rx="2"'
        at, end = f'x="{LEFT - 8}" y="{y + 15}"', f'x="{LEFT + length + 6:.1f}" y="{y + 15}"'
        parts += [
            f'<text class="{kind}" {at} text-anchor="end">{escape(name)}</text>',
            f'<rect class="bar {kind}" {bar}/>',
            f'<text class="{kind}" {end}>{speed:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
