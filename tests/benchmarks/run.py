"""Measure every row, print the table, and write it for the documentation.

Usage: python tests/benchmarks/run.py [--quick] [--check] [--only WORD] [--write]

--quick  the same rows in about a minute, less exact
--check  exit with 1 if a bar is not reached, after measuring that row a second time
--only   the groups of rows whose name holds a word, such as sync
--write  write docs/benchmarks.md, .json and .svg
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from report import markdown, svg
from rows import FULL, GROUPS, QUICK, Result, Size, as_json

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ("bitpeak_async", "aiohttp", "orjson", "httpx", "niquests", "requests", "pydantic")


def measured(group: Callable[[Size], Iterator[Result]], size: Size) -> list[Result]:
    """Return the rows of a group, told as they come."""
    results = []
    for result in group(size):
        print(line(result), flush=True)
        results.append(result)
    return results


def line(result: Result) -> str:
    """Return a row as text."""
    ratio = result.ratio
    figure = f"{ratio.median:7.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    sign = "≤" if result.at_most else "≥"
    wanted = "" if result.bar is None else f"{sign} {result.bar:g}"
    mark = "" if result.holds else "  NOT REACHED"
    return f"{figure:28} {wanted:8} {result.name}{mark}"


def machine() -> str:
    """Name what it was measured on."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
        f"{platform.system()}, CPython {platform.python_version()}; {versions}"
    )


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in ("--quick", "--check", "--write"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    print(machine())
    results = []
    for group in GROUPS:
        if options.only not in group.__name__:
            continue
        rows = measured(group, size)
        if options.check and not all(row.holds for row in rows):
            print("once more:")
            again = {row.name: row for row in measured(group, size)}
            rows = [row if row.holds else again[row.name] for row in rows]
        results += rows
    if options.write:
        (DOCS / "benchmarks.json").write_text(as_json(results) + "\n", encoding="utf-8")
        (DOCS / "benchmarks.svg").write_text(svg(results), encoding="utf-8")
        (DOCS / "benchmarks.md").write_text(markdown(results, machine()), encoding="utf-8")
    missed = [row.name for row in results if not row.holds]
    print(f"{len(results)} rows, {len(missed)} bars not reached")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
