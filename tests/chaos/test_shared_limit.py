"""Several processes on one key, with a real Redis between them.

Scaled down unless ``BITPEAK_CHAOS`` is set; ``nox -s chaos`` runs it at full size.
"""

import asyncio
import json
import os
import sys
from collections import Counter

import pytest

from bitpeak_async.sandbox import Sandbox
from bitpeak_async.sandbox.limits import TokenBucket

pytestmark = pytest.mark.chaos

FULL = "BITPEAK_CHAOS" in os.environ
LIMIT, BURST = 200, 50

WORKER = """
import asyncio, json, sys
from bitpeak_async import BitPeak, EmailSettings, HandlerSpec, Retry
from bitpeak_async.redis import RedisPaceStore

number, count, url = sys.argv[1:]
specs = [HandlerSpec(f"{number}-{i}", EmailSettings("a@example.com")) for i in range(int(count))]
told = []

async def main():
    retry = Retry(throttled_attempts=50)
    store = RedisPaceStore(url)
    async with BitPeak(pace_store=store, retry=retry, hooks=[told.append]) as bitpeak:
        await bitpeak.notification_handlers.list()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        report = await bitpeak.provision(specs)
        report.raise_for_failures()

asyncio.run(main())
events = [(type(event).__name__, getattr(event, "requests_per_second", None)) for event in told]
print(json.dumps(events))
"""


FLEET_WORKER = """
import asyncio, json, os, sys
from bitpeak_async import EmailSettings, HandlerSpec, Retry
from bitpeak_async.fleet import Account, EnvironmentKey, Fleet
from bitpeak_async.redis import RedisPaceStore

number, count, url = sys.argv[1:]
specs = [HandlerSpec(f"{number}-{i}", EmailSettings("a@example.com")) for i in range(int(count))]
account = Account("acme", EnvironmentKey("BITPEAK_API_KEY"), specs)

async def main():
    retry = Retry(throttled_attempts=50)
    async with Fleet([account], pace_store=RedisPaceStore(url), retry=retry) as fleet:
        await fleet.plan()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        report = await fleet.provision()
        report.raise_for_failures()

asyncio.run(main())
print("[]")
"""


class Worker:
    """A process that provisions handlers of its own with the sandbox's one key."""

    def __init__(self, process):
        self.process = process

    @classmethod
    async def start(cls, sandbox, url, number, count, code=WORKER):
        environ = {"BITPEAK_API_KEY": sandbox.api_key, "BITPEAK_BASE_URL": sandbox.base_url}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", code, str(number), str(count), url),
            env={**os.environ, **environ},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert b"ready\n" == await process.stdout.readline()
        return cls(process)

    async def finish(self):
        """Let it work; return its events by name."""
        output, _ = await self.process.communicate(b"\n")
        assert 0 == self.process.returncode
        events = {}
        for name, rate in json.loads(output):
            events.setdefault(name, []).append(rate)
        return events


async def start_workers(sandbox, url, count, processes=3, code=WORKER):
    workers = (Worker.start(sandbox, url, n, count, code) for n in range(processes))
    return await asyncio.gather(*workers)


def assert_nothing_lost(sandbox, count, processes=3):
    names = Counter(handler["name"] for handler in sandbox.handlers)
    assert {f"{n}-{i}": 1 for n in range(processes) for i in range(count)} == names


@pytest.mark.parametrize(
    ("processes", "code"),
    [(3, WORKER), (10, WORKER), (3, FLEET_WORKER)],
    ids=["three clients", "ten clients", "three shards of a fleet"],
)
async def test_processes_keep_to_one_limit_and_use_it(redis_server, processes, code):
    """Ten start at once against a limit that none knows, and compete for two cores."""
    count = (6000 if FULL else 900) // processes
    async with Sandbox(limit=TokenBucket(LIMIT, burst=BURST)) as sandbox:
        workers = await start_workers(sandbox, redis_server.url, count, processes, code)
        began = len(sandbox.requests)
        await asyncio.gather(*(worker.finish() for worker in workers))
        assert_nothing_lost(sandbox, count, processes)
        requests = list(sandbox.requests)[began:]
    seconds = requests[-1].started - requests[0].started
    refused = sum(request.status == 429 for request in requests) / len(requests)
    used = (len(requests) * (1 - refused) - BURST) / seconds / LIMIT
    print(f"{used:.1%} of {LIMIT}/s used, {refused:.2%} answered 429")  # noqa: T201
    # Ten that learn the limit at the start take a third of a short run.
    assert used >= (0.85 if FULL else {3: 0.7, 10: 0.45}[processes])
    assert refused <= (0.03 if FULL else {3: 0.1, 10: 0.2}[processes])  # mostly at the start
    assert sandbox.api_key not in redis_server.ask("--scan", "--pattern", "*")
    assert redis_server.ask("--scan", "--pattern", "bitpeak:*")


async def test_a_redis_that_goes_away_and_comes_back_loses_nothing(redis_server):
    count, before, down = (2000, 5.0, 8.0) if FULL else (450, 1.5, 1.0)
    async with Sandbox(limit=TokenBucket(LIMIT, burst=BURST)) as sandbox:
        workers = await start_workers(sandbox, redis_server.url, count)
        work = [asyncio.create_task(worker.finish()) for worker in workers]
        await asyncio.sleep(before)
        redis_server.kill()
        await asyncio.sleep(down)
        redis_server.start()
        told = await asyncio.gather(*work)
        assert_nothing_lost(sandbox, count)
        requests = list(sandbox.requests)
    seconds = requests[-1].started - requests[0].started
    refused = sum(request.status == 429 for request in requests) / len(requests)
    used = (len(requests) * (1 - refused) - BURST) / seconds / LIMIT
    for events in told:
        [slower] = events["PaceStoreLost"]
        [restored] = events["PaceStoreRestored"]
        assert slower < 0.7 * restored
    print(f"{used:.1%} of {LIMIT}/s used, {refused:.2%} answered 429")  # noqa: T201
    assert used >= (0.8 if FULL else 0.6)
    assert refused <= (0.03 if FULL else 0.1)
