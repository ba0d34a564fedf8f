"""Two writers of one fleet on Dask: a worker that was given up and resumes, and two clients."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster, cluster_of, until

from bitpeak_async import BitPeak, EmailSettings, HandlerSpec, Retry
from bitpeak_async.fleet import Account, EnvironmentKey, Fleet
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.dask

ROUNDS = range(20 if os.environ.get("BITPEAK_CHAOS") == "full" else 2)
KEYS = {f"KEY_{n}": f"canary-{n}" for n in range(12)}
SPECS = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com")) for i in range(40)]
ACCOUNTS = [Account(name, EnvironmentKey(name), SPECS) for name in KEYS]
COUNT = len(ACCOUNTS) * len(SPECS)


# Dask waits for five seconds at least.
TTL = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}
STALE = 40  # handlers of each account to delete


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    yield from cluster_of(tmp_path, KEYS | TTL, workers=2)


@pytest.fixture
def one_worker(tmp_path: Path) -> Iterator[DaskCluster]:
    yield from cluster_of(tmp_path, KEYS | TTL, workers=1)


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox(api_keys=KEYS.values()) as sandbox:
        yield sandbox


def fleet_on(cluster: DaskCluster, server: Sandbox) -> DaskFleet:
    return DaskFleet(
        ACCOUNTS,
        scheduler=cluster.address,
        base_url=server.base_url,
        retry=Retry(unknown_outcome_delay=0.5, duplicate_check_delay=0),
        connect_timeout=30,
    )


def names(server: Sandbox) -> list[Counter[str]]:
    return [Counter(each["name"] for each in server.handlers_of(key)) for key in KEYS.values()]


def requests(server: Sandbox, method: str) -> int:
    return sum(count for (each, _), count in server.counts.items() if method == each)


async def rename_stale(server: Sandbox) -> None:
    for key in KEYS.values():
        async with BitPeak(key, base_url=server.base_url) as bitpeak:
            handlers = bitpeak.notification_handlers
            async for handler in handlers.iterate():
                if handler.name.startswith("stale"):
                    await handlers.update(handler.id, name=f"kept {handler.id}")


async def assert_each_once(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [Counter(spec.name for spec in SPECS)] * len(KEYS) == names(server)
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    async with Fleet(ACCOUNTS, base_url=server.base_url) as fleet:
        assert (await fleet.plan()).is_empty


@pytest.mark.parametrize("number", ROUNDS)
async def test_a_worker_that_resumes_after_its_tasks_were_given_away_writes_nothing(
    cluster, server, monkeypatch, number
):
    """It is paused with creates in flight, until the other worker has created everything."""
    server.inject(Fault.slow(0.1), method="POST", times=None)
    async with fleet_on(cluster, server) as fleet:
        run = asyncio.create_task(fleet.provision())
        begun = COUNT * (1 + number % 5) // 10
        await until(lambda: server.counts["POST", 200] > begun)
        cluster.pause("worker-0")
        await until(lambda: all(len(each) == len(SPECS) for each in names(server)), 60)
        cluster.resume("worker-0")
        report = await run
        await asyncio.to_thread(cluster.processes.pop("worker-0").wait)
    assert report.ok
    await assert_each_once(server, monkeypatch)


@pytest.mark.parametrize("number", ROUNDS)
async def test_a_worker_that_resumes_after_its_tasks_were_given_away_deletes_nothing(
    one_worker, server, number
):
    """It is paused between reading handlers and deleting them. Meanwhile people rename them."""
    email = {"type": "email", "settings": {"email": "0@example.com"}}
    for key in KEYS.values():
        named = [*(f"stale {i}" for i in range(STALE)), *(spec.name for spec in SPECS)]
        server.add_many({"name": name, "api_key": key, **email} for name in named)
    server.inject(Fault.slow(0.1), method="GET", times=None)
    async with fleet_on(one_worker, server) as fleet:
        run = asyncio.create_task(fleet.provision(prune="stale *", force=True))
        begun = STALE * len(KEYS) * (1 + number % 5) // 10
        await until(lambda: requests(server, "DELETE") > begun)
        one_worker.pause("worker-0")
        await until(lambda: not server.in_flight)
        server.clear_faults()
        await rename_stale(server)
        left, lists = names(server), requests(server, "GET")
        await asyncio.to_thread(one_worker.add_worker, "worker-1")
        await until(lambda: requests(server, "GET") >= lists + len(KEYS))
        one_worker.resume("worker-0")
        report = await run
        await asyncio.to_thread(one_worker.processes.pop("worker-0").wait)
    assert report.ok
    assert any(name.startswith("kept") for each in left for name in each)
    assert left == names(server)


@pytest.mark.parametrize("number", ROUNDS)
async def test_two_clients_at_once_end_with_each_name_once(cluster, server, monkeypatch, number):
    server.inject(Fault.slow(0.02 * (number % 3)), method="POST", times=None)
    async with fleet_on(cluster, server) as one, fleet_on(cluster, server) as other:
        reports = await asyncio.gather(one.provision(), other.provision())
    assert [True, True] == [report.ok for report in reports], reports
    await assert_each_once(server, monkeypatch)
