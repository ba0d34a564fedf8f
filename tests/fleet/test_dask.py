"""A fleet on Dask: a scheduler, workers and a server, each in a process or thread of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster, cluster_of

from bitpeak_async import (
    AuthenticationError,
    EmailSettings,
    HandlerSpec,
    Result,
    Retry,
)
from bitpeak_async.fleet import (
    Account,
    AccountReport,
    EnvironmentKey,
    FileKey,
    FleetReport,
)
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.sandbox import Sandbox

CANARY = "canary-4711"
COUNT = 12
KEYS = {f"KEY_{n}": f"{CANARY}-{n}" for n in range(COUNT)}
AT_ONCE = Retry(base_delay=0, settle=0, sweep=0)


def specs(count: int = 3, prefix: str = "n") -> list[HandlerSpec]:
    return [HandlerSpec(f"{prefix}{i}", EmailSettings(f"{i}@example.com")) for i in range(count)]


def accounts(count: int = COUNT, handlers: int = 3) -> list[Account]:
    return [
        Account(f"account-{n}", EnvironmentKey(f"KEY_{n}"), specs(handlers)) for n in range(count)
    ]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Three workers that know all keys."""
    folder = tmp_path_factory.mktemp("dask")
    yield from cluster_of(folder, {**KEYS, "SAME_KEY": KEYS["KEY_0"]})


@pytest.fixture
def server() -> Iterator[Sandbox]:
    with Sandbox(api_keys=KEYS.values()) as sandbox:
        yield sandbox


def fleet_on(cluster: DaskCluster, server: Sandbox, of: list[Account], **options) -> DaskFleet:
    options = {"retry": AT_ONCE, "connect_timeout": 20, **options}
    return DaskFleet(of, scheduler=cluster.address, base_url=server.base_url, **options)


async def provisioned(fleet: DaskFleet, **arguments) -> FleetReport:
    async with fleet:
        return await fleet.provision(**arguments)


def names(server: Sandbox, key: str = "KEY_0") -> list[str]:
    return sorted(handler["name"] for handler in server.handlers_of(KEYS[key]))


def writes(server: Sandbox) -> int:
    return sum(n for (method, _), n in server.counts.items() if method != "GET")


# What it does


async def test_processes_of_its_own_do_all_accounts(server, monkeypatch):
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    async with DaskFleet(accounts(), workers=2, base_url=server.base_url) as fleet:
        assert fleet.dashboard.startswith("http://127.0.0.1:")
        first = await fleet.provision()
        second = await fleet.provision()
    assert {Result.CREATED: 36} == first.totals
    assert {Result.UNCHANGED: 36} == second.totals
    assert 36 == writes(server)


async def test_the_workers_of_a_scheduler_do_all_accounts(cluster, server):
    ended: list[AccountReport] = []
    report = await provisioned(fleet_on(cluster, server, accounts()), on_account=ended.append)
    assert report.ok
    assert {Result.CREATED: 36} == report.totals
    assert all(["n0", "n1", "n2"] == names(server, key) for key in KEYS)
    assert {account.name for account in accounts()} == {account.account for account in ended}
    assert all(() == account.report.outcomes for account in report)


async def test_all_outcomes_come_back_where_they_are_wanted(cluster, server):
    report = await provisioned(fleet_on(cluster, server, accounts(1)), keep_outcomes=True)
    outcomes = report.accounts["account-0"].report.outcomes
    assert ["n0", "n1", "n2"] == [outcome.change.name for outcome in outcomes]


@pytest.mark.parametrize("kept", ["here", "in a file"])
async def test_an_account_is_split_into_shards(cluster, server, tmp_path: Path, kept):
    desired = specs(10)
    given = desired
    if kept == "in a file":
        given = tmp_path / "specs.json"
        each = [
            {"name": s.name, "type": "email", "settings": {"email": s.settings.email}}
            for s in desired
        ]
        given.write_text(json.dumps(each))
    account = Account("large", EnvironmentKey("KEY_0"), given)
    ended: list[AccountReport] = []
    fleet = fleet_on(cluster, server, [account], shard_size=3)
    report = await provisioned(fleet, on_account=ended.append, keep_outcomes=True)
    assert [10] == [each.counts[Result.CREATED] for each in ended]
    assert 10 == len(report.accounts["large"].report.outcomes)
    assert sorted(spec.name for spec in desired) == names(server)
    assert server.counts["GET", 200] == 4, "as many listings as shards"


async def test_pruning_splits_no_account(cluster, server):
    server.add(name="old", type="email", settings={"email": "x@example.com"}, api_key=KEYS["KEY_0"])
    report = await provisioned(
        fleet_on(cluster, server, accounts(1), shard_size=1), prune="*", force=True
    )
    assert {Result.DELETED: 1, Result.CREATED: 3} == report.totals
    assert ["n0", "n1", "n2"] == names(server)


async def test_a_bad_key_fails_its_account_alone(cluster, server, tmp_path: Path):
    (tmp_path / "key").write_text("no-such-key")
    some = [*accounts(3), Account("stranger", FileKey(tmp_path / "key"), specs())]
    report = await provisioned(fleet_on(cluster, server, some))
    [failed] = report.failed
    assert "stranger" == failed.account
    assert isinstance(failed.error, AuthenticationError)
    assert 9 == report.totals[Result.CREATED]
