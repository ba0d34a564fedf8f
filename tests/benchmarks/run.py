"""Measure every row, print the table, and write it for the documentation.

Usage: python tests/benchmarks/run.py [--quick] [--check] [--only WORD] [--write]

--quick  the same rows in less than a minute, less exact
--check  exit with 1 if a bar is not reached, after measuring that row a second time, or if a row
         could not be measured
--only   the groups of rows whose name holds a word, such as sync
--write  write docs/benchmarks.md, .json and .svg
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from machine import machine
from report import markdown, svg
from results import Result, as_json
from rows import FULL, GROUPS, QUICK, Size

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = (
    "bitpeak_async",
    "aiohttp",
    "msgspec",
    "httpx",
    "niquests",
    "requests",
    "pydantic",
    "openapi-python-client",
    "openapi-generator-cli",
)


def measured(group: Callable[[Size], Iterator[Result]], size: Size) -> list[Result]:
    """Return the rows of a group, told as they come."""
    results = []
    for result in group(size):
        print(line(result), flush=True)
        results.append(result)
    return results


def line(result: Result) -> str:
    """Return a row as text."""
    if (ratio := result.ratio) is None:
        return f"{'NOT MEASURED':28} {'':8} {result.name}: {result.reason}"
    figure = f"{ratio.median:7.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    sign = "≤" if result.at_most else "≥"
    wanted = "" if result.bar is None else f"{sign} {result.bar:g}"
    mark = "" if result.holds else "  NOT REACHED"
    return f"{figure:28} {wanted:8} {result.name}{mark}"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in ("--quick", "--check", "--write"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    print(machine(*PACKAGES))
    results = []
    for group in GROUPS:
        if options.only not in group.__name__:
            continue
        rows = measured(group, size)
        if options.check and not all(row.holds for row in rows if row.ratio):
            print("once more:")
            again = {row.name: row for row in measured(group, size)}
            rows = [row if row.holds else again[row.name] for row in rows]
        results += rows
    if options.write:
        (DOCS / "benchmarks.json").write_text(as_json(results) + "\n", encoding="utf-8")
        (DOCS / "benchmarks.svg").write_text(svg(results), encoding="utf-8")
        (DOCS / "benchmarks.md").write_text(markdown(results, machine(*PACKAGES)), encoding="utf-8")
    missed = sum(not row.holds for row in results if row.ratio)
    unmeasured = sum(row.ratio is None for row in results)
    print(f"{len(results)} rows, {missed} bars not reached, {unmeasured} not measured")
    return 1 if options.check and not all(row.holds for row in results) else 0


if __name__ == "__main__":
    sys.exit(main())
