"""Several processes on one key: their sum keeps to its limit, in virtual time."""

import asyncio
import math
from functools import partial
from itertools import count

import pytest
from shared_pace import Member, Server, Store, run

from bitpeak_async import ClosedError, NotSentError, PaceStoreLost, PaceStoreRestored
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import KeptLink, Link
from bitpeak_async.fleet._network import FleetNetwork
from bitpeak_async.sandbox import FixedWindow, TokenBucket

LIMIT = 200.0


@pytest.fixture
def simulate(monkeypatch):
    return partial(run, monkeypatch=monkeypatch)


def capped(limit):
    """Make gates of fleets, each with one key."""
    return lambda: FleetNetwork(limit).limiter


async def work_together(store, server, requests, members=3, gates=lambda: Limiter):
    """Let members do so many requests together; return the seconds it takes."""
    todo = iter(range(requests))
    team = [Member(number, store, server, gate=gates()) for number in range(members)]
    await asyncio.gather(*(member.work(todo) for member in team))
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("burst", [20, 50, 200])
@pytest.mark.parametrize("latency", [0.003, 0.02, 0.1])
def test_three_processes_keep_to_one_limit_and_use_it(simulate, burst, latency):
    server = Server(TokenBucket(LIMIT, burst=burst), latency=latency)
    seconds = simulate(work_together(Store(), server, 6000))
    assert 0.8 <= (6000 - burst) / seconds / LIMIT <= 1.0
    assert server.share_of_429s <= 0.03
    done = [server.let_through(member=number) for number in range(3)]
    assert min(done) >= 0.9 * max(done)


def test_shards_of_fleets_do_so_under_their_caps(simulate):
    server = Server(TokenBucket(LIMIT, burst=50), latency=0.01)
    seconds = simulate(work_together(Store(), server, 6000, gates=capped(8)))
    assert 0.8 <= (6000 - 50) / seconds / LIMIT <= 1.0
    assert server.share_of_429s <= 0.03


@pytest.mark.parametrize("members", [1, 2, 10])
def test_any_number_of_processes_does(simulate, members):
    server = Server(TokenBucket(LIMIT, burst=50), latency=0.01)
    seconds = simulate(work_together(Store(), server, 8000, members))
    assert (8000 - 50) / seconds / LIMIT >= 0.8
    assert server.share_of_429s <= (0.03 if members <= 3 else 0.06)


def test_a_limit_once_found_is_hardly_met_again(simulate):
    server = Server(TokenBucket(LIMIT, burst=50), latency=0.01)
    simulate(work_together(Store(), server, 10_000))
    later = [admitted for at, _, admitted in server.answers if at > 10]
    assert later.count(False) <= 0.002 * len(later)


def test_a_slow_limit_is_climbed_to_in_good_time(simulate):
    """The first measure of it may be much too low, and there is little to climb with."""

    async def scene():
        server, store = Server(TokenBucket(1.0, burst=20), latency=0.01), Store()
        team = [Member(number, store, server) for number in range(5)]
        await asyncio.gather(*(member.work_for(600, count()) for member in team))
        return server

    assert simulate(scene()).let_through(300, 600) / 300 >= 0.8


def test_a_pause_by_one_holds_all(simulate):
    """The others go on for one exchange at most; then one probe goes for all of them."""

    async def scene():
        server = Server(FixedWindow(100, 10.0, announce="retry_after"), latency=0.01)
        await work_together(Store(), server, 250)
        return [at for at, _, admitted in server.answers if not admitted]

    refused = simulate(scene())
    first = [at for at in refused if at < 9]
    assert max(first) - min(first) <= 0.1
    assert len([at for at in refused if 9 <= at < 15]) <= 3


def test_a_process_with_little_to_do_leaves_the_rest_to_the_others(simulate):
    async def scene():
        server = Server(TokenBucket(LIMIT, burst=50), latency=0.01)
        store = Store()
        busy = [Member(number, store, server) for number in range(2)]
        idle = [Member(number, store, server) for number in range(2, 5)]
        await asyncio.gather(
            *(member.work_for(30, count()) for member in busy),
            *(member.trickle(5, 30) for member in idle),
        )
        return server

    server = simulate(scene())
    assert server.let_through(10, 30) / 20 >= 0.8 * LIMIT
    assert server.share_of_429s <= 0.03
    assert all(server.let_through(10, 30, member) >= 80 for member in (2, 3, 4))


def test_who_comes_gets_a_part_and_who_leaves_gives_it_back(simulate):
    async def late(member):
        await asyncio.sleep(10)
        await member.work_for(10, count())

    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50), latency=0.01), Store()
        first, second = (Member(number, store, server) for number in range(2))
        await asyncio.gather(first.work_for(30, count()), late(second))
        return server

    server = simulate(scene())
    alone, together, again = (server.let_through(a, a + 7, 0) / 7 for a in (3, 13, 23))
    assert alone >= 0.8 * LIMIT
    assert 0.35 * LIMIT <= together <= 0.6 * LIMIT
    assert again >= 0.8 * LIMIT
    assert server.share_of_429s <= 0.03


def test_a_process_killed_in_a_pause_it_was_to_end_does_not_hold_the_others(simulate):
    async def scene():
        server = Server(FixedWindow(100, 1.0, announce="retry_after"))
        stores = [Store(), Store()]  # two ways to the same counters
        stores[1].counters = stores[0].counters
        team = [Member(number, store, server) for number, store in enumerate(stores)]
        tasks = [asyncio.create_task(member.work_for(20, count())) for member in team]
        while not any(member.gate.pacer.is_held for member in team):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        [victim] = [member.number for member in team if not member.gate.pacer.is_held]
        stores[victim].hangs = True  # so that it tells nobody
        tasks[victim].cancel()
        killed_at = asyncio.get_running_loop().time()
        await asyncio.gather(*tasks, return_exceptions=True)
        return server, killed_at, 1 - victim

    server, killed_at, other = simulate(scene())
    went_on = min(at for at, _, admitted in server.answers if at > killed_at + 0.1 and admitted)
    assert 1 <= went_on - killed_at <= 5.5
    assert server.let_through(killed_at + 6, 20, other) >= 0.6 * 100 * (14 - killed_at)


def test_a_store_lost_slows_each_process_down_and_back_again_it_is_shared(simulate):
    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50)), Store()
        team = [Member(number, store, server) for number in range(3)]
        rates = []

        async def outage():
            await asyncio.sleep(10)
            rates.extend(member.gate.pacer.rate for member in team)
            store.fails = True
            await asyncio.sleep(10)
            store.fails = False

        await asyncio.gather(outage(), *(member.work_for(35, count()) for member in team))
        return server, rates, [member.events for member in team]

    server, rates, events = simulate(scene())
    for rate, told in zip(rates, events, strict=True):
        [lost] = [event for event in told if isinstance(event, PaceStoreLost)]
        assert "ConnectionError: gone" == lost.problem
        assert rate / 3 == pytest.approx(lost.requests_per_second, rel=0.05)
        [restored] = [event for event in told if isinstance(event, PaceStoreRestored)]
        assert 0.25 * LIMIT <= restored.requests_per_second <= 0.45 * LIMIT
    assert 0.25 * LIMIT <= server.let_through(11, 20) / 9 <= 0.45 * LIMIT
    assert server.let_through(25, 35) / 10 >= 0.8 * LIMIT
    assert server.share_of_429s <= 0.03


def test_a_store_that_hangs_is_lost_too(simulate):
    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50)), Store()
        member = Member(0, store, server)

        async def outage():
            await asyncio.sleep(5)
            store.hangs = True

        await asyncio.gather(outage(), member.work_for(10, count()))
        return server, member.events

    server, events = simulate(scene())
    [lost] = [event for event in events if isinstance(event, PaceStoreLost)]
    assert "no answer within 1 s" == lost.problem
    assert server.let_through(7, 10) > 0


def test_a_store_that_forgot_everything_is_told_the_rate_again(simulate):
    """As a Redis that was restarted between two exchanges."""

    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50)), Store()
        team = [Member(number, store, server) for number in range(3)]

        async def restart():
            await asyncio.sleep(10)
            await store.counters.reset()

        await asyncio.gather(restart(), *(member.work_for(20, count()) for member in team))
        return server

    server = simulate(scene())
    refused = [at for at, _, admitted in server.answers if at >= 10 and not admitted]
    assert len(refused) <= 0.03 * server.let_through(10)
    assert server.let_through(10, 20) / 10 >= 0.8 * LIMIT


def test_while_no_limit_is_met_a_lost_store_slows_down_to_a_third_of_what_was_used(simulate):
    async def scene():
        server, store = Server(TokenBucket(1e9, burst=10**9), latency=0.1), Store()
        member = Member(0, store, server)

        async def outage():
            await asyncio.sleep(5)
            store.fails = True

        await asyncio.gather(outage(), member.work_for(6, count()))
        return next(event for event in member.events if isinstance(event, PaceStoreLost))

    assert 160 / 3 == pytest.approx(simulate(scene()).requests_per_second, rel=0.1)


@pytest.mark.parametrize("way", ["fails", "hangs"])
def test_a_store_out_of_reach_at_the_start_refuses_every_request(simulate, way):
    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50)), Store()
        setattr(store, way, True)
        member = Member(0, store, server)
        results = await asyncio.gather(
            *(member.request() for _ in range(40)), return_exceptions=True
        )
        setattr(store, way, False)
        assert await member.request(), "the next request tries again"
        await member.gate.close()
        return server, results, store.connections

    server, results, connections = simulate(scene())
    problem = "ConnectionError: gone" if way == "fails" else "no answer within 1 s"
    told = f"Store() cannot be reached: {problem}; no request was sent"
    assert {(NotSentError, told)} == {(type(error), str(error)) for error in results}
    assert not any(error.temporary for error in results)
    assert 1 == len(server.answers)
    assert 0 == connections


def test_a_fixed_pace_is_one_for_all_processes(simulate):
    async def scene():
        server, store = Server(TokenBucket(1e9, burst=10**9)), Store()
        team = [Member(number, store, server, requests_per_minute=3600) for number in range(3)]
        await asyncio.gather(*(member.work_for(20, count()) for member in team))
        return server

    assert 0.85 * 60 <= simulate(scene()).let_through(5, 20) / 15 <= 60


@pytest.mark.parametrize("limit", [20.0, 2000.0])
def test_commands_to_the_store_do_not_grow_with_the_requests(simulate, limit):
    async def scene():
        server, store = Server(TokenBucket(limit, burst=50)), Store()
        await Member(0, store, server).work_for(10, count())
        return store.commands

    assert simulate(scene()) <= 10 * 80


def test_a_process_with_nothing_to_do_leaves(simulate):
    async def scene():
        store, server = Store(), Server(TokenBucket(LIMIT, burst=50))
        member = Member(0, store, server)
        await member.request()
        connected = store.connections
        await asyncio.sleep(10)
        commands = store.commands
        await asyncio.sleep(100)
        assert (1, 0, commands) == (connected, store.connections, store.commands)
        assert await member.request()
        await member.gate.close()

    simulate(scene())


def test_closing_frees_its_part_and_leaves_no_task(simulate):
    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50)), Store()
        member = Member(0, store, server)
        await asyncio.gather(*(member.request() for _ in range(10)))
        await member.gate.close()
        await member.gate.close()
        left = {name: n for name, n in store.counters.storage.items() if ":round:" in name and n}
        assert ({}, 0, set()) == (left, store.connections, member.gate._tasks)

    simulate(scene())


@pytest.mark.parametrize("gates", [lambda: Limiter, capped(1)])
@pytest.mark.parametrize("cancel_at", [0.0, 0.0002, 0.001, 0.01])
def test_a_request_cancelled_while_it_waits_for_the_group_leaks_nothing(simulate, cancel_at, gates):
    async def scene():
        server, store = Server(TokenBucket(LIMIT, burst=50)), Store()
        member = Member(0, store, server, slots=2, gate=gates())
        tasks = [asyncio.create_task(member.request()) for _ in range(6)]
        await asyncio.sleep(cancel_at)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert 0 == member.gate._under_way
        assert all(await asyncio.gather(*(member.request() for _ in range(4))))
        await member.gate.close()
        assert 0 == store.connections

    simulate(scene())


def test_the_rate_is_unlimited_until_one_is_refused(simulate):
    async def scene():
        server, store = Server(TokenBucket(1e9, burst=10**9)), Store()
        team = [Member(number, store, server) for number in range(3)]
        await asyncio.gather(*(member.work_for(2, count()) for member in team))
        return [member.gate.pacer.rate for member in team]

    assert [math.inf] * 3 == simulate(scene())


def test_many_keys_of_a_process_ask_the_store_seldom(simulate):
    """As many as there are: each asks the rarer; one alone is not slowed down."""

    async def commands(count):
        store = Store()
        link = Link(store)
        server = Server(TokenBucket(1000.0, burst=1000), latency=5.0)
        team = [Member(n, store, server, gate=capped(100)(), link=link) for n in range(count)]
        for member in team:
            member.gate._place = str(member.number)
        tasks = [asyncio.create_task(member.request()) for member in team]
        await asyncio.sleep(1.0)
        before = store.commands
        await asyncio.sleep(3.0)
        asked = (store.commands - before) / 3.0
        await asyncio.gather(*tasks, *(member.gate.close() for member in team))
        assert not link._wishes
        return asked

    assert simulate(commands(1)) < 30
    assert simulate(commands(500)) < 1000


def test_one_of_many_keys_that_is_quiet_tells_at_once_when_it_is_not(simulate):
    async def scene():
        store = Store()
        link = Link(store)
        server = Server(TokenBucket(1000.0, burst=1000), latency=3.0)
        member = Member(0, store, server, link=link)
        for other in range(1000):  # which wish for more than is allowed
            link.interval(other, 0.05)
        await member.request()
        await asyncio.sleep(0.1)
        return member.gate.pacer._unreported

    assert 0 == simulate(scene())


def test_a_kept_link_that_was_closed_leads_nowhere(simulate):
    async def scene():
        store = Store()
        link = KeptLink(store)
        await asyncio.gather(link.open(), link.open())
        assert 1 == store.connections
        await link.close()
        await link.close()
        assert 0 == store.connections
        with pytest.raises(ClosedError):
            await link.open()

    simulate(scene())


@pytest.mark.parametrize("wrong", ["fails", "hangs"])
def test_a_kept_link_that_cannot_be_opened_leaves_nothing_open(simulate, wrong):
    async def scene():
        store = Store()
        link = KeptLink(store)
        setattr(store, wrong, True)
        with pytest.raises(NotSentError, match=r"Store\(\) cannot be reached: (Conn|no answer)"):
            await link.open()
        assert 0 == store.connections
        setattr(store, wrong, False)
        await link.open()
        await link.close()

    simulate(scene())
