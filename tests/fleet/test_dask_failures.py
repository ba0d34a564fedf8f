"""Workers and schedulers that die in the middle of a fleet's run: nothing lost, nothing twice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster, cluster_of, until
from distributed import Client

from bitpeak_async import EmailSettings, HandlerSpec, OutcomeUnknownError, Result, Retry
from bitpeak_async.errors import TransportError
from bitpeak_async.fleet import Account, EnvironmentKey, FleetReport
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.dask

KEY = "canary-4711"
SPECS = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com")) for i in range(8)]
ACCOUNTS = [Account("acme", EnvironmentKey("ACME_KEY"), SPECS)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    yield from cluster_of(tmp_path, {"ACME_KEY": KEY}, workers=1)


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox(api_keys=[KEY]) as sandbox:
        yield sandbox


def fleet_on(cluster: DaskCluster, server: Sandbox, settle: float = 0.0) -> DaskFleet:
    retry = Retry(base_delay=0, unknown_outcome_delay=settle, duplicate_check_delay=0)
    return DaskFleet(
        ACCOUNTS,
        scheduler=cluster.address,
        base_url=server.base_url,
        retry=retry,
        connect_timeout=20,
    )


async def under_way(server: Sandbox) -> None:
    await until(lambda: server.in_flight == len(SPECS))


def each_once(server: Sandbox) -> bool:
    names = [handler["name"] for handler in server.handlers_of(KEY)]
    return sorted(names) == sorted(spec.name for spec in SPECS)


async def test_what_a_killed_worker_had_sent_is_not_created_twice(cluster, server):
    """The server executes its creates a second after it died; the next worker waits for them."""
    cluster.add_worker("worker-1")
    server.inject(Fault.slow(1.0), method="POST", times=len(SPECS))
    async with fleet_on(cluster, server, settle=2.0) as fleet:
        run = asyncio.create_task(fleet.provision())
        await under_way(server)
        [busy] = [worker for worker, tasks in (await fleet._client.processing()).items() if tasks]
        known = await fleet._client.scheduler.identity(n_workers=-1)  # the cached one lacks workers
        cluster.kill(known["workers"][busy]["name"])
        report: FleetReport = await run
    assert {Result.UNCHANGED: len(SPECS)} == report.totals
    assert each_once(server)


async def test_an_account_whose_workers_all_die_is_reported(cluster, server):
    """Dask gives a task up after one death more than its allowed failures."""
    server.inject(Fault.stall(), method="GET", times=None)
    async with fleet_on(cluster, server) as fleet:
        run = asyncio.create_task(fleet.provision())
        for number in range(4):
            await until(lambda: len(server.requests) > number)  # noqa: B023 - it is awaited here
            cluster.kill(f"worker-{number}")
            if number < 3:
                await asyncio.to_thread(cluster.add_worker, f"worker-{number + 1}")
        report: FleetReport = await run
    [failed] = report.failed
    assert isinstance(failed.error, OutcomeUnknownError)
    assert "every worker that tried it died" in str(failed.error)


async def test_closing_the_fleet_ends_a_run_that_was_left_behind(cluster, server):
    server.inject(Fault.stall(), method="GET", times=None)
    async with fleet_on(cluster, server) as fleet:
        run = asyncio.create_task(fleet.provision())
        await until(lambda: server.requests)
    with pytest.raises(TransportError, match="run again"):
        await run


async def test_a_run_that_was_cancelled_and_left_behind_ends_as_cancelled(cluster, server):
    server.inject(Fault.stall(), method="GET", times=None)
    async with fleet_on(cluster, server) as fleet:
        run = asyncio.create_task(fleet.provision())
        await until(lambda: server.requests)
        run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_client_that_closes_between_two_steps_is_a_lost_scheduler(
    cluster, server, monkeypatch
):
    async def close_and_ask(client: Client, *_: object, **__: object) -> None:
        await client.close()
        await client.nthreads()  # an AttributeError of None

    monkeypatch.setattr("bitpeak_async.fleet.dask.fleet.plan_tasks", close_and_ask)
    async with fleet_on(cluster, server) as fleet:
        with pytest.raises(TransportError, match="run again"):
            await fleet.provision()


async def test_a_lost_scheduler_is_an_error_and_running_again_finishes(cluster, server):
    server.inject(Fault.slow(0.5), method="POST", times=len(SPECS))
    async with fleet_on(cluster, server) as fleet:
        run = asyncio.create_task(fleet.provision())
        await under_way(server)
        cluster.restart_scheduler()
        lost = r"scheduler was lost after 0 of 1 accounts had ended.*; run again"
        with pytest.raises(TransportError, match=lost):
            await run
    await asyncio.to_thread(cluster.processes.pop("worker-0").wait)
    await asyncio.to_thread(cluster.add_worker, "worker-1")
    async with fleet_on(cluster, server) as fleet:
        report = await fleet.provision()
    assert report.ok
    assert each_once(server)
