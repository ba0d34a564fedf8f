"""Thousands of accounts on Dask, a worker killed half-way: nothing lost, nothing twice.

Scaled down unless ``BITPEAK_CHAOS`` is set; ``nox -s chaos`` runs it at full size.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster, cluster_of

from bitpeak_async import EmailSettings, HandlerSpec, Result, Retry
from bitpeak_async.fleet import Account, AccountReport, EnvironmentKey
from bitpeak_async.fleet.dask import DaskFleet

pytestmark = pytest.mark.chaos

ACCOUNTS, HANDLERS = (2_000, 20) if "BITPEAK_CHAOS" in os.environ else (60, 10)
KEYS = {f"KEY_{n}": f"canary-{n}" for n in range(ACCOUNTS)}

SERVER = """
import json, sys
from bitpeak_async.sandbox import Sandbox
keys = json.loads(sys.argv[1])
with Sandbox(api_keys=keys, keep_requests=1) as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
    names = [sorted(handler["name"] for handler in server.handlers_of(key)) for key in keys]
    print(json.dumps({"names": names, "created": server.counts["POST", 200]}))
"""


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    """A server that holds all accounts; at the end it tells what they have."""
    command = [sys.executable, "-P", "-c", SERVER, json.dumps(list(KEYS.values()))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as server:
        yield server


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    yield from cluster_of(tmp_path, KEYS)


async def test_a_worker_killed_half_way_loses_and_doubles_nothing(
    server: subprocess.Popen[str], cluster: DaskCluster
):
    base_url = server.stdout.readline().strip()
    specs = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com")) for i in range(HANDLERS)]
    accounts = [Account(f"account-{n}", EnvironmentKey(f"KEY_{n}"), specs) for n in range(ACCOUNTS)]
    ended: list[AccountReport] = []

    def tell(account: AccountReport) -> None:
        ended.append(account)
        if len(ended) == ACCOUNTS // 2:
            cluster.kill("worker-1")

    began = time.monotonic()
    fleet = DaskFleet(
        accounts,
        scheduler=cluster.address,
        base_url=base_url,
        retry=Retry(unknown_outcome_delay=1.0),
        connect_timeout=30,
    )
    async with fleet:
        first = await fleet.provision(on_account=tell)
        seconds = time.monotonic() - began
        second = await fleet.provision()
    there = json.loads(await asyncio.to_thread(lambda: server.communicate()[0]))
    print(f"{ACCOUNTS} accounts on Dask, one of 3 workers killed: {seconds:.1f} s")  # noqa: T201
    assert first.ok
    assert ACCOUNTS == len(ended) == len(first.accounts)
    assert {Result.UNCHANGED: ACCOUNTS * HANDLERS} == second.totals
    desired = sorted(spec.name for spec in specs)
    assert all(names == desired for names in there["names"]), "each is there once"
    assert ACCOUNTS * HANDLERS == there["created"]
