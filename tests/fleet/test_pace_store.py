"""A fleet whose keys share their paces with other processes, through a real Redis."""

import asyncio

import pytest
from builders import specs

from bitpeak_async import (
    ConfigurationError,
    NotSentError,
    Pace,
    Result,
    Retry,
)
from bitpeak_async.events import Event, PaceStoreLost, PaceStoreRestored
from bitpeak_async.fleet import Account, Fleet
from bitpeak_async.redis import RedisPaceStore
from bitpeak_async.sandbox import Fault, Sandbox

KEYS = [f"key-{n}" for n in range(12)]


@pytest.fixture
async def server():
    async with Sandbox(api_keys=KEYS) as sandbox:
        yield sandbox


def fleet_of(server: Sandbox, url: str, **options) -> Fleet:
    accounts = [Account(f"account-{n}", key, specs(3)) for n, key in enumerate(KEYS)]
    store = RedisPaceStore(url)
    return Fleet(accounts, base_url=server.base_url, pace_store=store, **options)


async def test_a_store_out_of_reach_is_one_error_before_any_request(server, redis_server):
    redis_server.kill()
    async with fleet_of(server, redis_server.url) as fleet:
        for call in (fleet.provision, fleet.plan):
            with pytest.raises(NotSentError, match=r"redis://127\.0\.0\.1:\d+/0.* cannot be reach"):
                await call()
        with pytest.raises(NotSentError, match="no request was sent"):
            await fleet.provision_account(fleet.accounts[0])
        assert not server.requests
        redis_server.start()
        assert (await fleet.provision()).ok


async def test_every_key_has_a_record_and_nothing_stays_open(server, redis_server):
    async with fleet_of(server, redis_server.url) as fleet:
        report = await fleet.provision()
        assert {Result.CREATED: 36} == report.totals
        assert {Result.UNCHANGED: 36} == (await fleet.provision()).totals
        assert 12 == len(redis_server.ask("--scan", "--pattern", "bitpeak:*").split())
        assert not [task for task in asyncio.all_tasks() if "StoredState" in repr(task)]
    assert 1 == len(redis_server.ask("client", "list").splitlines())  # who asks
    assert not fleet._clients._clients


async def test_shards_of_an_account_on_two_fleets_share_a_fixed_pace(server, redis_server):
    """Each alone would take half as long."""
    seconds, pace = 1.0, Pace(requests_per_minute=6000, in_flight=4)
    [account] = [Account("acme", KEYS[0])]
    async with (
        fleet_of(server, redis_server.url, pace=pace) as first,
        fleet_of(server, redis_server.url, pace=pace) as second,
    ):
        # So that both are connected.
        await asyncio.gather(*(fleet.provision_account(account) for fleet in (first, second)))
        began = asyncio.get_running_loop().time()
        reports = await asyncio.gather(
            first.provision_account(account.with_specs(specs(50, "a"))),
            second.provision_account(account.with_specs(specs(50, "b"))),
        )
        took = asyncio.get_running_loop().time() - began
    assert all(report.ok for report in reports)
    assert 100 == len(server.handlers_of(KEYS[0]))
    assert took > 0.8 * seconds


async def test_shards_of_one_account_on_one_fleet_end_independently(server, redis_server):
    """The one that ends first closes nothing that the other uses."""
    account = Account("acme", KEYS[0])
    async with fleet_of(server, redis_server.url) as fleet:
        reports = await asyncio.gather(
            fleet.provision_account(account.with_specs(specs(1, "a"))),
            fleet.provision_account(account.with_specs(specs(40, "b"))),
        )
    assert all(report.ok for report in reports)
    assert 41 == len(server.handlers_of(KEYS[0]))


async def test_a_store_lost_during_a_run_is_reported_once_and_stops_no_account(
    server, redis_server
):
    told: list[Event] = []

    def tells_of_the_store() -> list[type[Event]]:
        kinds = (PaceStoreLost, PaceStoreRestored)
        return [type(event) for event in told if isinstance(event, kinds)]

    server.inject(Fault.slow(0.1), times=None)
    options = {
        "in_flight": 4,
        "hooks": [told.append],
        "retry": Retry(unknown_outcome_delay=0, duplicate_check_delay=0),
    }
    async with fleet_of(server, redis_server.url, **options) as fleet:
        report = await fleet.provision(on_outcome=lambda *_: redis_server.kill())
        assert {Result.CREATED: 36} == report.totals
        assert {Result.UNCHANGED: 36} == (await fleet.provision()).totals, "begun without it"
        assert [PaceStoreLost] == tells_of_the_store()
        redis_server.start()
        async with asyncio.timeout(60):
            while len(tells_of_the_store()) < 2:  # a lost store is tried every two seconds
                assert (await fleet.provision()).ok
    assert [PaceStoreLost, PaceStoreRestored] == tells_of_the_store()


@pytest.mark.parametrize("when", ["joining", "working"])
async def test_a_cancelled_fleet_leaves_no_member_behind(server, redis_server, when):
    server.inject(Fault.slow(0.05), times=None)
    async with fleet_of(server, redis_server.url) as fleet:
        task = asyncio.create_task(fleet.provision(grace=0))
        if when == "working":
            while len(server.requests) < 3:  # noqa: ASYNC110 - there is nothing to wait for
                await asyncio.sleep(0.001)
        else:
            while not fleet._clients._clients:  # noqa: ASYNC110
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [task for task in asyncio.all_tasks() if "StoredState" in repr(task)]
    assert 1 == len(redis_server.ask("client", "list").splitlines())


@pytest.mark.parametrize("store", ["redis://localhost", RedisPaceStore, 42])
def test_anything_but_a_store_is_refused(store):
    with pytest.raises(ConfigurationError, match="pace_store must be a store"):
        Fleet(pace_store=store)
