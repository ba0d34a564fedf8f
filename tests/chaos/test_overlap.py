"""Several processes provision the same handlers at the same moment: each ends up there once."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bitpeak_async import BitPeak, HandlerSpec, TelegramSettings
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.chaos

ROUNDS = 20 if os.environ.get("BITPEAK_CHAOS") == "full" else 2
COUNT = 200
API_KEY = "key-of-every-process"

RUN = """
import asyncio, json, sys
from bitpeak_async import BitPeak, HandlerSpec, Retry, TelegramSettings

key, count, seconds = sys.argv[1:]
settings = [TelegramSettings(f"{n}:a", "-1") for n in range(int(count))]
specs = [HandlerSpec(f"n{n}", each, n % 5 > 0) for n, each in enumerate(settings)]
retry = Retry(unknown_outcome_delay=float(seconds), duplicate_check_delay=0)

async def run(url):
    async with BitPeak(key, base_url=url, retry=retry) as bitpeak:
        return await bitpeak.provision(specs)

for line in sys.stdin:
    report = asyncio.run(run(line.strip()))
    print(json.dumps({
        "verified": report.is_verified,
        "ids": {each.change.name: each.handler_id for each in report.outcomes if not each.error},
        "errors": [str(each.error) for each in report.outcomes if each.error],
    }), flush=True)
"""


class Run:
    """A process that provisions the handlers on each server it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._stdin, self._stdout = process, process.stdin, process.stdout

    @classmethod
    async def start(cls) -> "Run":
        command = [sys.executable, "-c", RUN, API_KEY, str(COUNT), "1"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "limit": 2**20}
        return cls(await asyncio.create_subprocess_exec(*command, **pipes))

    async def provision(self, url: str) -> dict[str, Any]:
        """Have it provision, and return what it reports."""
        self._stdin.write(f"{url}\n".encode())
        return json.loads(await self._stdout.readline())


@pytest.fixture
async def runs(processes: int) -> AsyncIterator[list[Run]]:
    started = [await Run.start() for _ in range(processes)]
    yield started
    for each in started:
        each.process.kill()
        await each.process.wait()


@pytest.mark.parametrize("lost", [0.0, 0.02])
@pytest.mark.parametrize("processes", [2, 5])
async def test_processes_that_overlap_end_with_each_name_once(runs: list[Run], lost: float):
    specs = [
        HandlerSpec(f"n{n}", TelegramSettings(f"{n}:a", "-1"), n % 5 > 0) for n in range(COUNT)
    ]
    for number in range(ROUNDS):
        async with Sandbox(seed=number, api_key=API_KEY) as server:
            for fault in (Fault.disconnect_after_commit(), Fault.disconnect_before_commit()):
                server.inject(fault, method="POST", times=None, probability=lost)
            reports = await asyncio.gather(*(run.provision(server.base_url) for run in runs))
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
