"""What an account and a handler cost a process, by small real runs of a fleet.

Each run is a process of its own against the server of the benchmarks, so that its processor time
and its peak of memory are the fleet's alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from attrs import asdict, frozen
from fleet_simulation import Costs
from server import KEY, serving

from bitpeak_async import BitPeak, EmailSettings, HandlerSpec, Pace
from bitpeak_async.fleet import Account, Fleet

FEW, MANY, LONG, KEPT = (200, 1), (2500, 1), (200, 50), (100, 1000)  # accounts by handlers
OPEN = (300, 16)
TIMES = 3  # each, as other processes disturb the processor


@frozen
class Scene:
    """A fleet to be run.

    Attributes:
        accounts: how many.
        handlers: of each.
        per_minute: requests of each key, or None for no limit.
        in_flight: requests of all keys at once.
        is_in_place: whether all handlers are there already.
    """

    accounts: int
    handlers: int
    per_minute: float | None = None
    in_flight: int = 100
    is_in_place: bool = False


@frozen
class Real:
    """What a run took.

    Attributes:
        seconds: by the clock on the wall.
        processor: seconds of it.
        base: bytes, before there were accounts.
        peak: bytes.
    """

    seconds: float
    processor: float
    base: int
    peak: int


def measure() -> Costs:
    """Return the costs, by differences between runs that differ in one thing."""
    few, many, long = (run(Scene(*size)) for size in (FEW, MANY, LONG))
    waiting = run(Scene(*OPEN, per_minute=300))  # all of them at once
    account_bytes = (many.peak - few.peak) / (MANY[0] - FEW[0])
    spec_bytes = (long.peak - few.peak) / LONG[0] / (LONG[1] - FEW[1])
    account = processor(Scene(*MANY, is_in_place=True)) / MANY[0]
    unchanged = processor(Scene(*KEPT, is_in_place=True)) / KEPT[0] - account
    create = processor(Scene(*LONG)) / LONG[0] - account
    return Costs(
        account=account,
        create=create / LONG[1],
        unchanged=max(0.0, unchanged) / KEPT[1],
        process=few.base,
        account_bytes=round(account_bytes),
        spec_bytes=round(spec_bytes),
        open_bytes=round(
            (waiting.peak - waiting.base) / OPEN[0] - account_bytes - OPEN[1] * spec_bytes
        ),
    )


def processor(scene: Scene) -> float:
    """Return the seconds of the processor that a run takes, the median of some."""
    return statistics.median(run(scene).processor for _ in range(TIMES))


def run(scene: Scene, latency: float = 0.0) -> Real:
    """Run a fleet in a process of its own; replies take so many seconds."""
    with serving(scene.handlers if scene.is_in_place else 0, latency, keeps=True) as server:
        command = [sys.executable, __file__, server.base_url, json.dumps(asdict(scene))]
        return Real(**json.loads(subprocess.check_output(command)))


def _memory(name: str) -> int:
    """Return bytes of this process alone; getrusage would begin at its parent's peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024


async def _run(base_url: str, scene: Scene) -> dict[str, Any]:
    async with BitPeak(KEY, base_url=base_url) as bitpeak:
        there = [each async for each in bitpeak.notification_handlers.iterate()]
    base = _memory("VmRSS")
    pace = Pace(requests_per_minute=scene.per_minute)
    in_place = [HandlerSpec(each.name, each.settings, each.is_enabled) for each in there]
    accounts = [
        Account(f"account-{n}", f"key-{n}", in_place or _own_specs(n, scene.handlers), pace=pace)
        for n in range(scene.accounts)
    ]
    fleet = Fleet(accounts, base_url=base_url, in_flight=scene.in_flight)
    began, processor = time.perf_counter(), time.process_time()
    async with fleet:
        report = await fleet.provision(keep_outcomes=False)
    took, used = time.perf_counter() - began, time.process_time() - processor
    report.raise_for_failures()
    result = "unchanged" if scene.is_in_place else "created"
    assert {result: scene.accounts * scene.handlers} == report.totals
    return asdict(Real(took, used, base, _memory("VmHWM")))


def _own_specs(account: int, handlers: int) -> list[HandlerSpec]:
    return [
        HandlerSpec(f"Handler {n} of {account}", EmailSettings(f"{n}@{account}.example.com"))
        for n in range(handlers)
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(sys.argv[1], Scene(**json.loads(sys.argv[2]))))))
