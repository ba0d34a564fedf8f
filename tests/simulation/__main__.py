"""Simulate seeds: ``python -m simulation 7``, ``python -m simulation 1..100000``."""

from __future__ import annotations

import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

from simulation.scene import violation_of


def failing(seeds: range) -> list[int]:
    """Return the seeds that break a promise."""
    return [seed for seed in seeds if violation_of(seed) is not None]


def show(seed: int, *, lines: int = 60) -> bool:
    """Simulate one seed and print how it went wrong, if it did."""
    broken = violation_of(seed)
    if broken is None:
        print(f"seed {seed}: no violation")
        return True
    error, scene = broken
    print(f"seed {seed}: {type(error).__name__}: {error}")
    print(f"  dialect {scene.story.dialect}\n  weather {scene.story.weather}")
    for spec in scene.story.specs:
        kept = scene.server.dialect.name(spec.name)
        print(f"  spec {spec.name[:40]!r} {kept[:40]!r} {spec.is_enabled} {spec.settings}")
    story = scene.story
    print(f"  rivals {story.rivals or 'none'}, people {story.people}, {story.interruptions}")
    print("\n".join(scene.server.trace[-lines:]))
    if not isinstance(error, AssertionError):
        traceback.print_exception(error)
    print(f"PYTHONPATH=.:tests python -m simulation {seed}")
    return False


def main() -> int:
    first, _, last = sys.argv[1].partition("..")
    if not last:
        return not show(int(first))
    began = time.perf_counter()
    step = 100
    parts = [
        range(start, min(start + step, int(last) + 1))
        for start in range(int(first), int(last) + 1, step)
    ]
    bad: list[int] = []
    with ProcessPoolExecutor() as pool:
        for found in pool.map(failing, parts):
            bad += found
            if found:
                print("violations:", found, flush=True)
    seconds = time.perf_counter() - began
    print(f"{int(last) - int(first) + 1} seeds, {len(bad)} violations, {seconds:.0f} s")
    if bad:
        show(bad[0])
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
