"""Two sides measured against each other on a noisy machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

from attrs import frozen

Run = Callable[[], object]
Clock = Callable[[], float]


@frozen
class Ratio:
    """Quartiles of a ratio over all rounds."""

    low: float
    median: float
    high: float


def compare(
    ours: Run,
    theirs: Run,
    rounds: int,
    clock: Clock = time.process_time,
    prepare: Mapping[Run, Run] = {},
) -> Ratio:
    """Return their time / our time: above 1, ours is faster.

    Each round runs theirs, ours, ours, theirs, so that what drifts hits both alike. What
    ``prepare`` has for a run comes before it each time, and is not counted.
    """

    def timed(run: Run) -> float:
        if run in prepare:
            prepare[run]()
        began = clock()
        run()
        return clock() - began

    ours()
    theirs()
    ratios = []
    for _ in range(rounds):
        first, second, third, fourth = map(timed, (theirs, ours, ours, theirs))
        ratios.append((first + fourth) / (second + third))
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(low, middle, high)


async def in_flight(call: Callable[[], Awaitable[object]], total: int, workers: int) -> None:
    """Await ``total`` calls, so many at once."""
    left = iter(range(total))

    async def work() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(work() for _ in range(workers)))
