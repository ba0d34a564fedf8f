"""A fleet on Dask: a scheduler, workers and a server, each in a process or thread of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from builders import AT_ONCE, specs
from dask_cluster import DaskCluster, cluster_of, until

from bitpeak_async import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    NotSentError,
    Pace,
    PlanError,
    Result,
)
from bitpeak_async.fleet import (
    Account,
    AccountReport,
    EnvironmentKey,
    FileKey,
    FleetReport,
    partial_fleet_report,
)
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.fleet.dask._tasks import AccountTask
from bitpeak_async.redis import RedisPaceStore
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.dask

CANARY = "canary-4711"
COUNT = 12
KEYS = {f"KEY_{n}": f"{CANARY}-{n}" for n in range(COUNT)}
PAGES = (
    "info/main/workers.html",
    "info/main/exceptions.html",
    "info/main/logs.html",
    "json/counts.json",
    "metrics",
    "status",
    "tasks",
    "graph",
    "system",
)


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


async def test_its_own_processes_provision_all_accounts(server, monkeypatch):
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    async with DaskFleet(accounts(), workers=2, base_url=server.base_url) as fleet:
        assert fleet.dashboard.startswith("http://127.0.0.1:")
        first = await fleet.provision()
        second = await fleet.provision()
    assert {Result.CREATED: 36} == first.totals
    assert {Result.UNCHANGED: 36} == second.totals
    assert 36 == writes(server)


async def test_the_workers_of_a_scheduler_provision_all_accounts(cluster, server):
    ended: list[AccountReport] = []
    report = await provisioned(fleet_on(cluster, server, accounts()), on_account=ended.append)
    assert report.ok
    assert {Result.CREATED: 36} == report.totals
    assert all(["n0", "n1", "n2"] == names(server, key) for key in KEYS)
    assert {account.name for account in accounts()} == {account.account for account in ended}
    assert all(() == account.report.outcomes for account in report)


async def test_all_outcomes_come_back_on_request(cluster, server):
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
    assert server.counts["GET", 200] == 8, "each shard lists before it writes and to verify"


async def test_pruning_splits_no_account(cluster, server):
    server.add(name="old", type="email", settings={"email": "x@example.com"}, api_key=KEYS["KEY_0"])
    report = await provisioned(
        fleet_on(cluster, server, accounts(1), shard_size=1), prune="*", force=True
    )
    assert {Result.DELETED: 1, Result.CREATED: 3} == report.totals
    assert ["n0", "n1", "n2"] == names(server)


async def test_a_bad_key_fails_its_account_alone(cluster, server, tmp_path: Path):
    (tmp_path / "key").write_text("no-such-key")
    some = [*accounts(3), Account("stranger", FileKey(tmp_path / "key"), specs(3))]
    report = await provisioned(fleet_on(cluster, server, some))
    [failed] = report.failed
    assert "stranger" == failed.account
    assert isinstance(failed.error, AuthenticationError)
    assert 9 == report.totals[Result.CREATED]


async def test_a_cancelled_run_reports_how_far_it_came(cluster, server):
    server.inject(Fault.stall(), method="POST", api_key=KEYS["KEY_1"], times=None)
    ended = asyncio.Event()
    async with fleet_on(cluster, server, accounts(2), pace=Pace(in_flight=1)) as fleet:
        run = asyncio.create_task(fleet.provision(on_account=lambda _: ended.set(), grace=0.1))
        await ended.wait()
        await until(lambda: server.in_flight)
        run.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await run
        report = partial_fleet_report(raised.value)
        assert {Result.CREATED: 3} == report.accounts["account-0"].counts
        assert {Result.UNRESOLVED: 1} == report.accounts["account-1"].counts
        server.clear_faults()
        again = await fleet.provision()
    assert {Result.UNCHANGED: 3, Result.CREATED: 3} == again.totals
    assert ["n0", "n1", "n2"] == names(server, "KEY_1")


async def test_accounts_of_one_key_run_one_after_another(cluster, server):
    some = [
        Account("one", EnvironmentKey("KEY_0"), specs(5, "a")),
        Account("other", EnvironmentKey("SAME_KEY"), specs(5, "b")),
    ]
    report = await provisioned(fleet_on(cluster, server, some, pace=Pace(in_flight=1)))
    assert {Result.CREATED: 10} == report.totals
    assert 1 == server.peak_in_flight


# What goes wrong before anything is sent


async def problems_of(fleet: DaskFleet) -> tuple[str, ...]:
    with pytest.raises(PlanError) as raised:
        await provisioned(fleet)
    return raised.value.problems


async def test_a_key_that_one_worker_lacks_is_reported(cluster, server):
    some = [*accounts(2), Account("poor", EnvironmentKey("RARE_KEY"), specs(1))]
    cluster.add_worker("rich", RARE_KEY=KEYS["KEY_2"])
    try:
        problems = await problems_of(fleet_on(cluster, server, some))
    finally:
        cluster.kill("rich")
    assert 3 == len(problems)
    problem = "account 'poor': the environment variable RARE_KEY is not set (on worker tcp://"
    assert all(each.startswith(problem) for each in problems)
    assert 0 == server.counts.total()


async def test_a_key_that_differs_between_workers_is_reported(cluster, server):
    cluster.add_worker("other", KEY_1=KEYS["KEY_2"])
    try:
        problems = await problems_of(fleet_on(cluster, server, accounts(2)))
    finally:
        cluster.kill("other")
    assert ("account 'account-1': its key is not the same on all workers",) == problems
    assert 0 == server.counts.total()


async def test_all_problems_of_accounts_and_files_are_reported(cluster, server, tmp_path: Path):
    (tmp_path / "specs.json").write_text('[{"name": "n", "type": "emial"}]')
    some = [
        *accounts(1),
        Account("same", EnvironmentKey("SAME_KEY"), specs(1)),
        Account("wrong", EnvironmentKey("KEY_2"), tmp_path / "specs.json"),
    ]
    text = "\n".join(await problems_of(fleet_on(cluster, server, some)))
    assert "account 'same' and 'account-0' have the same key and both describe 'n0'" in text
    assert f"account 'wrong': {tmp_path / 'specs.json'}" in text
    assert 0 == server.counts.total()


async def test_keys_themselves_travel_only_if_allowed(cluster, server):
    some = [Account("literal", KEYS["KEY_0"], specs(3))]
    with pytest.raises(ConfigurationError, match=r"account 'literal': the key itself.*send_keys"):
        fleet_on(cluster, server, some)
    assert (await provisioned(fleet_on(cluster, server, some, send_keys=True))).ok


async def test_a_scheduler_that_does_not_answer_is_reported(unused_tcp_port: int):
    fleet = DaskFleet(
        accounts(1), scheduler=f"tcp://127.0.0.1:{unused_tcp_port}", connect_timeout=1
    )
    with pytest.raises(ConfigurationError, match=r"no Dask scheduler answers at tcp://127\.0"):
        await provisioned(fleet)


async def test_an_invalid_address_is_reported():
    with pytest.raises(ConfigurationError, match="no Dask scheduler answers at nonsense://x"):
        await provisioned(DaskFleet(accounts(1), scheduler="nonsense://x", connect_timeout=1))


async def test_a_worker_of_another_version_is_reported(cluster, server, tmp_path: Path):
    metadata = tmp_path / "bitpeak_async-9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: bitpeak_async\nVersion: 9.9\n")
    cluster.add_worker("newer", PYTHONPATH=str(tmp_path))
    try:
        with pytest.raises(
            ConfigurationError, match=r"worker tcp://\S+ has bitpeak_async 9\.9, no"
        ):
            await provisioned(fleet_on(cluster, server, accounts(1)))
    finally:
        cluster.kill("newer")
    assert 0 == server.counts.total()


async def test_a_pace_store_that_the_workers_cannot_reach_is_reported(
    cluster, server, unused_tcp_port: int
):
    store = RedisPaceStore(f"redis://:{CANARY}@127.0.0.1:{unused_tcp_port}/0")
    with pytest.raises(NotSentError) as raised:
        await provisioned(fleet_on(cluster, server, accounts(2), pace_store=store))
    assert CANARY not in str(raised.value) + cluster.logs()
    assert 0 == server.counts.total()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"workers": 0}, "workers"),
        ({"shard_size": 0}, "shard_size"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"workers": 1, "scheduler": "tcp://127.0.0.1:1"}, "pass scheduler or workers, not both"),
        ({"in_flight": 0}, "in_flight"),
    ],
)
def test_unusable_options_are_refused(options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        DaskFleet(accounts(1), **options)


async def test_it_must_be_entered():
    with pytest.raises(ClosedError, match="async with"):
        await DaskFleet(accounts(1)).provision()


def test_without_the_extra_it_says_what_to_install():
    code = "import sys; sys.modules['distributed'] = None; import bitpeak_async.fleet.dask"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert "install bitpeak_async[dask]" in run.stderr


# Secrets


async def test_no_key_shows_in_names_logs_pages_or_reports(cluster, server):
    """Neither by reference nor sent, of tasks that run, ended and failed."""
    literal = [
        Account(f"literal-{n}", key, specs(2, "literal")) for n, key in enumerate(KEYS.values())
    ]
    bad = Account("bad", f"{CANARY}-bad", specs(2))
    server.inject(Fault.stall(), method="POST", api_key=KEYS["KEY_0"], times=1)
    pages: list[str] = []
    async with fleet_on(cluster, server, [*literal, bad], send_keys=True) as fleet:
        run = asyncio.create_task(fleet.provision(grace=0.1))
        await until(lambda: server.counts["POST", 200] == 23)
        tasks = await fleet._client.run_on_scheduler(
            lambda dask_scheduler: [
                (str(ts.key), repr(ts.run_spec)) for ts in dask_scheduler.tasks.values()
            ]
        )
        pages.append(repr(tasks))
        [running] = [key for key, _ in tasks if "-literal-0-" in key]
        paths = [*PAGES, f"info/task/{quote(running)}.html"]
        identity = await fleet._client.scheduler.identity(n_workers=-1)
        assert identity["workers"]
        pages.append(repr(identity))
        for worker in identity["workers"]:
            kinds = ("worker", "logs")
            paths += [f"info/{kind}/{quote(worker, safe='')}.html" for kind in kinds]
        pages += [await asyncio.to_thread(cluster.page, path) for path in paths]
        run.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            await run
        report = partial_fleet_report(raised.value)
    shown = "\n".join([*pages, cluster.logs(), str(report), repr(report), repr(report.accounts)])
    assert "literal-0" in shown
    assert "AccountTask('literal-0')" == repr(AccountTask("run", (literal[0],)))
    assert CANARY not in shown
