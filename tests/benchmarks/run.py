"""Measure every row, print the table, and write it for the documentation.

Usage: python tests/benchmarks/run.py [--quick] [--check] [--only WORD]... [--write | --render]

--quick  the same rows in about a minute, less exact
--check  exit with 1 if a bar is not reached, after measuring that row a second time, or if a row
         could not be measured
--only   the rows whose name holds a word; several words must all be in it
--write  write docs/benchmarks.json, .md and .svg
--render measure nothing; write .md and .svg anew from the .json
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bulk_rows import bulk_rows, decoding_rows, growth_rows, listing_rows, memory_rows
from chart import svg
from machine import machine
from report import markdown
from request_rows import loop_rows, request_rows
from results import Result, Row, as_json, from_json
from stage import FULL, QUICK
from sync_rows import import_rows, sync_rows

JSON = Path(__file__).parents[2] / "docs" / "benchmarks.json"
GROUPS = (
    request_rows,
    loop_rows,
    decoding_rows,
    listing_rows,
    memory_rows,
    bulk_rows,
    sync_rows,
    import_rows,
    growth_rows,
)
PACKAGES = (
    "bitpeak_async",
    "aiohttp",
    "msgspec",
    "uvloop",
    "aiofastnet",
    "wreq",
    "pyreqwest",
    "aiosonic",
    "httpr",
    "curl_cffi",
    "niquests",
    "httpx2",
    "httpx",
    "requests",
    "pydantic",
    "openapi-python-client",
    "openapi-generator-cli",
)


def measured(row: Row, *, once_more: bool) -> Result:
    """Measure a row and print it; if asked for, a second time if it misses its bar."""
    result = row.result()
    print(line(result), flush=True)
    if once_more and result.ratio and not result.holds:
        print("once more:")
        return measured(row, once_more=False)
    return result


def line(result: Result) -> str:
    """Return a row as text."""
    if (ratio := result.ratio) is None:
        return f"{'NOT MEASURED':28} {'':8} {result.row.name}: {result.reason}"
    figure = f"{ratio.median:7.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    mark = "" if result.holds else "  NOT REACHED"
    return f"{figure:28} {result.wanted:8} {result.row.name}{mark}"


def render() -> None:
    """Write the page and the picture of what the JSON holds."""
    results, where = from_json(JSON.read_text(encoding="utf-8"))
    JSON.with_suffix(".md").write_text(markdown(results, where), encoding="utf-8")
    JSON.with_suffix(".svg").write_text(svg(results), encoding="utf-8")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in ("--quick", "--check", "--write", "--render"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    options = parser.parse_args()
    if options.render:
        render()
        return 0
    size = QUICK if options.quick else FULL
    began = time.monotonic()
    print(machine(*PACKAGES))
    results = [
        measured(row, once_more=options.check)
        for group in GROUPS
        for row in group(size)
        if all(word in row.name for word in options.only)
    ]
    if options.write:
        JSON.write_text(as_json(results, machine(*PACKAGES)), encoding="utf-8")
        render()
    missed = sum(not result.holds for result in results if result.ratio)
    unmeasured = sum(result.ratio is None for result in results)
    print(
        f"{len(results)} rows in {time.monotonic() - began:.0f} s, {missed} bars not reached, "
        f"{unmeasured} not measured"
    )
    return 1 if options.check and missed + unmeasured else 0


if __name__ == "__main__":
    sys.exit(main())
