"""Several processes provision the same handlers at the same moment: each ends up there once."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from bitpeak_async import BitPeak, HandlerSpec, TelegramSettings
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.chaos

ROUNDS = 20 if os.environ.get("BITPEAK_CHAOS") == "full" else 2
COUNT = 200

RUN = """
import asyncio, json, sys
from bitpeak_async import BitPeak, HandlerSpec, Retry, TelegramSettings

async def main():
    url, key, count, seconds = sys.argv[1:]
    settings = [TelegramSettings(f"{n}:a", "-1") for n in range(int(count))]
    specs = [HandlerSpec(f"n{n}", each, n % 5 > 0) for n, each in enumerate(settings)]
    retry = Retry(unknown_outcome_delay=float(seconds), duplicate_check_delay=0)
    async with BitPeak(key, base_url=url, retry=retry) as bitpeak:
        print("ready", flush=True)
        sys.stdin.readline()
        report = await bitpeak.provision(specs)
    print(json.dumps({
        "summary": report.summary,
        "verified": report.is_verified,
        "ids": {each.change.name: each.handler_id for each in report.outcomes if not each.error},
        "errors": [str(each.error) for each in report.outcomes if each.error],
    }))

asyncio.run(main())
"""


async def run_together(server: Sandbox, processes: int) -> list[dict[str, Any]]:
    """Start processes, let them begin at once, and return what they report."""
    command = [sys.executable, "-c", RUN, server.base_url, server.api_key, str(COUNT), "1"]
    running = [
        await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**20
        )
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert b"ready\n" == await process.stdout.readline()
    outputs = await asyncio.gather(*(process.communicate(b"\n") for process in running))
    return [json.loads(output) for output, _ in outputs]


@pytest.mark.parametrize("lost", [0.0, 0.02])
@pytest.mark.parametrize("processes", [2, 5])
async def test_processes_that_overlap_end_with_each_name_once(processes: int, lost: float):
    specs = [
        HandlerSpec(f"n{n}", TelegramSettings(f"{n}:a", "-1"), n % 5 > 0) for n in range(COUNT)
    ]
    for number in range(ROUNDS):
        async with Sandbox(seed=number) as server:
            for fault in (Fault.disconnect_after_commit(), Fault.disconnect_before_commit()):
                server.inject(fault, method="POST", times=None, probability=lost)
            reports = await run_together(server, processes)
            server.clear_faults()
            ids = {each["name"]: each["id"] for each in server.handlers}
            names = Counter(each["name"] for each in server.handlers)
            assert {spec.name: 1 for spec in specs} == names, number
            for report in reports:
                assert [] == report["errors"], number
                assert ids == report["ids"]
                assert report["verified"]
            async with BitPeak(server.api_key, base_url=server.base_url) as bitpeak:
                assert (await bitpeak.plan(specs)).is_empty
