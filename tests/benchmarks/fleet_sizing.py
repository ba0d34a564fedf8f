"""Measure what a fleet costs here, hold the simulation to real runs, and print the sizing tables.

Usage: python tests/benchmarks/fleet_sizing.py [--write]

--write  write the tables into docs/fleet-sizing.md
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from fleet_costs import Scene, measure, run
from fleet_simulation import Account, Costs, Process, Simulated, simulate, simulate_fleet
from machine import machine

PAGE = Path(__file__).parents[2] / "docs" / "fleet-sizing.md"
BEGIN, END = "<!--- figures -->\n", "<!--- /figures -->\n"

HANDLERS = 100
FLEETS = {1_000: (1, 4), 10_000: (1, 4, 16), 100_000: (1, 16, 64), 1_000_000: (1, 16, 64, 256)}
LIMITS = (60, 600, math.inf)
CAPS = (25, 50, 100, 200, 400, 800)
LARGE = 8_020  # handlers of one account in a hundred; the others have 20, so the mean is 100

REAL = (
    ("each key 300 a minute", Scene(200, 20, per_minute=300), 0.05),
    ("40 requests at once", Scene(200, 20, in_flight=40), 0.05),
    ("the processor", Scene(500, 20), 0.0),
    ("the processor, all in place", Scene(1000, 20, is_in_place=True), 0.0),
)

Rows = Iterator[Sequence[str]]


def costs_rows(costs: Costs) -> Rows:
    """What was measured."""
    yield "what", "processor", "memory"
    yield "a process", "", size(costs.process)
    yield "an account", milliseconds(costs.account), size(costs.account_bytes)
    yield "a running account", "", size(costs.open_bytes)
    yield "a handler desired", "", size(costs.spec_bytes)
    yield "a handler created", milliseconds(costs.create), ""
    yield "a handler already in place", milliseconds(costs.unchanged), ""


def real_rows(costs: Costs) -> Rows:
    """The simulation beside real runs."""
    yield (
        "what limits",
        "accounts",
        "handlers of each",
        "real",
        "simulated",
        "time",
        "processor",
        "memory",
    )
    for name, scene, latency in REAL:
        real = run(scene, latency)
        how_many = (0, scene.handlers) if scene.is_in_place else (scene.handlers, 0)
        process = Process(latency, scene.per_minute or math.inf, scene.in_flight)
        simulated = simulate([Account(*how_many)] * scene.accounts, process, costs)
        peak = simulated.peak_shared if scene.is_in_place else simulated.peak
        yield (
            name,
            f"{scene.accounts:,}",
            f"{scene.handlers}",
            f"{real.seconds:.2f} s",
            f"{simulated.seconds:.2f} s",
            f"{simulated.seconds / real.seconds - 1:+.0%}",
            f"{simulated.processor / real.processor - 1:+.0%}",
            f"{peak / real.peak - 1:+.0%}",
        )


def sizing_rows(costs: Costs) -> Rows:
    """Wall time and memory by accounts, workers and limit."""
    limits = ("no limit" if math.isinf(limit) else f"{limit} a minute" for limit in LIMITS)
    yield "accounts", "workers", *limits, "all in place", "memory", "own specs"
    for many, workers_of_a_fleet in FLEETS.items():
        accounts, in_place = [Account(HANDLERS)] * many, [Account(0, HANDLERS)] * many
        for workers in workers_of_a_fleet:
            runs = [
                simulate_fleet(accounts, Process(per_minute=limit), costs, workers)
                for limit in LIMITS
            ]
            again = simulate_fleet(in_place, Process(), costs, workers)
            yield (
                f"{many:,}",
                f"{workers}",
                *(duration(run.seconds) for run in runs),
                duration(again.seconds),
                size(max(run.peak_shared for run in runs)),
                size(max(run.peak for run in runs)),
            )


def cap_rows(costs: Costs) -> Rows:
    """What more requests at once bring one process."""
    yield "in_flight", "wall time", "processor"
    for cap in CAPS:
        done = simulate([Account(HANDLERS)] * 10_000, Process(in_flight=cap), costs)
        yield f"{cap}", duration(done.seconds), f"{done.processor / done.seconds:.0%}"


def shape_rows(costs: Costs) -> Rows:
    """What a few large accounts make of the same number of handlers."""
    yield "10,000 accounts", "workers", "60 a minute", "600 a minute", "no limit"
    even = [Account(HANDLERS)] * 10_000
    shapes = {
        "100 handlers each": even,
        "1 % with 8,020, the others with 20; large ones first": [Account(LARGE)] * 100
        + [Account(20)] * 9_900,
        "1 % with 8,020, the others with 20; large ones last": [Account(20)] * 9_900
        + [Account(LARGE)] * 100,
    }
    for name, accounts in shapes.items():
        for workers in (1, 4):

            def done(
                limit: float, accounts: Sequence[Account] = accounts, workers: int = workers
            ) -> Simulated:
                return simulate_fleet(accounts, Process(per_minute=limit), costs, workers)

            yield name, f"{workers}", *(duration(done(limit).seconds) for limit in LIMITS)


def table(rows: Rows) -> str:
    """Return rows as a table of the documentation."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def duration(seconds: float) -> str:
    """Return seconds in the unit that is read best."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 200:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 12_000 else f"{seconds / 3600:.1f} h"


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds."""
    return f"{seconds * 1000:.2g} ms"


def size(number: float) -> str:
    """Return bytes in the unit that is read best."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"


def figures() -> str:
    """Measure, simulate, and return it as Markdown."""
    costs = measure()
    began = time.perf_counter()
    usual = Process()
    parts = [
        "What a process spends:",
        table(costs_rows(costs)),
        (
            "Wall time, and memory of one worker, in simulation: "
            f"{HANDLERS} handlers an account, replies after {usual.latency * 1000:.0f} ms, "
            f"a core and `in_flight={usual.in_flight}` for each worker. Limits are those of each "
            "key; *all in place* is a run that has nothing to write; *memory* is for accounts "
            "that share their spec files, *own specs* for accounts with specs of their own."
        ),
        table(sizing_rows(costs)),
        "One process, 10,000 accounts, no limit:",
        table(cap_rows(costs)),
        "The same number of handlers in accounts of different sizes:",
        table(shape_rows(costs)),
    ]
    took = time.perf_counter() - began
    parts += [
        "Real runs, and how far the simulation is off in time, processor and memory:",
        table(real_rows(costs)),
        f"Measured on {machine('bitpeak_async', 'aiohttp')}; simulated in {took:.0f} s.",
    ]
    return "\n\n".join(parts)


def written(page: str, made: str) -> str:
    """Return a page with its figures replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n\n{END}{after}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = figures()
    print(made)
    if options.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
