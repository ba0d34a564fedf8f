"""Two writers of one fleet on Dask: a worker that was given up and resumes, and two clients."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster, cluster_of, until

from bitpeak_async import EmailSettings, HandlerSpec, Retry
from bitpeak_async.fleet import Account, EnvironmentKey, Fleet
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.dask

ROUNDS = range(20 if os.environ.get("BITPEAK_CHAOS") == "full" else 2)
KEYS = {f"KEY_{n}": f"canary-{n}" for n in range(12)}
SPECS = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com")) for i in range(40)]
ACCOUNTS = [Account(name, EnvironmentKey(name), SPECS) for name in KEYS]
COUNT = len(ACCOUNTS) * len(SPECS)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    # Dask waits for five seconds at least.
    ttl = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}
    yield from cluster_of(tmp_path, KEYS | ttl, workers=2)


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
async def test_two_clients_at_once_end_with_each_name_once(cluster, server, monkeypatch, number):
    server.inject(Fault.slow(0.02 * (number % 3)), method="POST", times=None)
    async with fleet_on(cluster, server) as one, fleet_on(cluster, server) as other:
        reports = await asyncio.gather(one.provision(), other.provision())
    assert [True, True] == [report.ok for report in reports], reports
    await assert_each_once(server, monkeypatch)
