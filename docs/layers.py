"""Draw ``layers.svg`` from the import contracts, by ``python docs/layers.py``."""

import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
CONTRACT = "Imports point downwards"
EDGES = {"cli", "pytest_plugin", "redis", "sandbox", "telemetry"}
PURE = {"_checks", "_gc", "_structure", "errors", "events", "options", "records", "settings"}
WIDTH, HEIGHT, GAP = 720, 40, 10


def layers() -> list[list[str]]:
    """Return the layers from the top down, each a list of modules that do not know each other."""
    config = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    found = next(each for each in contracts if each["name"] == CONTRACT)["layers"]
    return [[module.strip() for module in layer.split("|")] for layer in found]


def svg() -> str:
    """Return the picture: filled boxes with white text, readable on white and on black."""
    rows = layers()
    boxes = []
    for row, modules in enumerate(rows):
        width = (WIDTH - GAP * (len(modules) + 1)) / len(modules)
        top = GAP + row * (HEIGHT + GAP)
        for column, module in enumerate(modules):
            left = GAP + column * (width + GAP)
            color = "#5b6570" if module in EDGES else "#2f6b3a" if module in PURE else "#1f5f99"
            boxes.append(
                f'    <rect x="{left:g}" y="{top}" width="{width:g}" height="{HEIGHT}" rx="8" '
                f'fill="{color}"/>\n'
                f'    <text x="{left + width / 2:g}" y="{top + 25}">{module}</text>'
            )
    height = GAP + len(rows) * (HEIGHT + GAP)
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
                'role="img" aria-labelledby="t d">'
            ),
            '  <title id="t">The layers of bitpeak_async</title>',
            (
                f'  <desc id="d">From the top down: {"; ".join(", ".join(row) for row in rows)}. '
                "Each imports only from the layers below it.</desc>"
            ),
            (
                '  <g font-family="system-ui, sans-serif" font-size="15" fill="#ffffff" '
                'text-anchor="middle">'
            ),
            *boxes,
            "  </g>",
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    (DOCS / "layers.svg").write_text(svg(), encoding="utf-8")
