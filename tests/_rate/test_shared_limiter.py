"""Several processes on one key: their sum keeps to its limit, in virtual time."""

import asyncio
import math
import random
from functools import partial
from itertools import count, pairwise

import pytest
import virtual_time
from shared_pace import Member, Server, Store

from bitpeak_async import NotSentError, PaceStoreLost, PaceStoreRestored, RateLimitError
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.stored import Link
from bitpeak_async.fleet._fair_limiter import FairLimiter
from bitpeak_async.fleet._network import QuotaLimiter
from bitpeak_async.sandbox import FixedWindow, TokenBucket

LIMIT = 200.0


@pytest.fixture
def simulate():
    random.seed(1)
    return virtual_time.run


def bucket(rate=LIMIT, burst=50, latency=0.01):
    return Server(TokenBucket(rate, burst=burst), latency=latency)


def endless(latency=0.05):
    return Server(TokenBucket(1e9, burst=10**9), latency=latency)


def capped(limit):
    """Make limiters of fleets, each with one key."""
    return partial(QuotaLimiter, shared=FairLimiter(limit))


async def at(seconds, act, *arguments):
    await asyncio.sleep(seconds)
    act(*arguments)


async def work_for(seconds, *team):
    await asyncio.gather(*(member.work_for(seconds, count()) for member in team))


@pytest.mark.parametrize(
    ("processes", "limiter"), [(1, Limiter), (3, Limiter), (10, Limiter), (3, capped(8))]
)
def test_processes_keep_to_one_limit_and_use_it(simulate, processes, limiter):
    server, store = bucket(), Store()

    async def scene():
        await work_for(8, *(Member(n, store, server, gate=limiter) for n in range(processes)))

    simulate(scene())
    assert server.accepted(3, 8) / 5 >= 0.85 * LIMIT
    later = [admitted for at, _, admitted in server.answers if at >= 3]
    assert later.count(False) <= 0.02 * len(later)
    done = [server.accepted(member=number) for number in range(processes)]
    assert min(done) >= (0.7 if processes <= 3 else 0.3) * max(done)


def test_each_process_has_the_same_with_its_clock_wrong(simulate):
    """Only durations of theirs count; the store's clock is the one for all."""

    async def scene():
        server, store = bucket(), Store()
        team = [Member(n, store, server, ahead=(n - 1) * 5000.0) for n in range(3)]
        await work_for(6, *team)
        return [server.accepted(2, 6, number) for number in range(3)]

    assert min(done := simulate(scene())) >= 0.4 * max(done)
    assert sum(done) >= 0.85 * 4 * LIMIT


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_of_the_store_that_jumps_stops_nobody(simulate, jump):
    async def scene():
        server, store = bucket(), Store()
        change = at(3, lambda: setattr(store, "ahead", store.ahead + jump))
        await asyncio.gather(change, work_for(6, *(Member(n, store, server) for n in range(2))))
        return server.accepted(3.5, 6) / 2.5

    assert simulate(scene()) >= 0.8 * LIMIT


def test_keys_keep_apart(simulate):
    async def scene():
        server, other, store = bucket(20.0, 5), endless(), Store()
        team = Member(0, store, server, place="a"), Member(0, store, other, place="b")
        await work_for(3, *team)
        return [member.gate.lease.rate for member in team]

    limited, free = simulate(scene())
    assert limited < 50
    assert free == math.inf


def test_a_pause_by_one_holds_all(simulate):
    """The others go on for one exchange at most; then one probe goes for all of them."""

    async def scene():
        server = Server(FixedWindow(100, 10.0, announce="retry_after"), latency=0.01)
        await work_for(21, *(Member(number, store, server) for number in range(3)))
        return [at for at, _, admitted in server.answers if not admitted]

    store = Store()
    refused = simulate(scene())
    assert max(at for at in refused if at < 9) - min(refused) <= 0.1
    assert not [at for at in refused if 9 <= at < 19]


def test_a_process_with_little_to_do_waits_little(simulate):
    async def scene():
        server, store = bucket(), Store()
        busy = [Member(number, store, server) for number in range(2)]
        idle = [Member(number, store, server) for number in range(2, 5)]
        await asyncio.gather(work_for(8, *busy), *(member.trickle(5, 7) for member in idle))
        return server.accepted(3, 8), [sorted(member.waits) for member in idle]

    accepted, waits = simulate(scene())
    assert accepted / 5 >= 0.85 * LIMIT
    for wait in waits:
        assert wait[len(wait) // 2] <= 0.25


def test_a_new_process_gets_a_share_and_a_leaving_one_releases_it(simulate):
    async def late(member):
        await asyncio.sleep(4)
        await work_for(3, member)

    async def scene():
        server, store = bucket(), Store()
        first, second = (Member(number, store, server) for number in range(2))
        await asyncio.gather(work_for(10, first), late(second))
        return server

    server = simulate(scene())
    alone, together, again = (server.accepted(a, a + 2, 0) / 2 for a in (1.5, 4.5, 7.5))
    assert min(alone, again) >= 0.8 * LIMIT
    assert 0.25 * LIMIT <= together <= 0.75 * LIMIT


@pytest.mark.parametrize("is_probing", [True, False])
def test_a_process_killed_with_permits_does_not_hold_the_others(simulate, is_probing):
    """Nor one that hangs for a minute; what it answers then is of no account."""

    async def scene():
        server = Server(FixedWindow(100, 1.0, announce="retry_after"))
        first = Store()
        stores = [first, Store(first.records)]  # two ways to the same records
        team = [Member(number, store, server) for number, store in enumerate(stores)]
        tasks = [asyncio.create_task(member.work_for(9, count())) for member in team]
        while not (victims := [m.number for m in team if any(p.is_probe for p in m.permits)]):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        victim = victims[0] if is_probing else 1 - victims[0]
        stores[victim].hangs = True  # so that it tells nobody
        tasks[victim].cancel()
        killed_at = asyncio.get_running_loop().time()
        await asyncio.gather(*tasks, return_exceptions=True)
        return server, killed_at, 1 - victim

    server, killed_at, other = simulate(scene())
    went_on = min(at for at, _, admitted in server.answers if at > killed_at + 0.1 and admitted)
    assert went_on - killed_at <= (5.5 if is_probing else 0.5)
    assert server.accepted(killed_at + 6, 9, other) >= 0.6 * 100 * (3 - killed_at)


def test_a_process_that_hangs_for_a_minute_starts_nothing_with_its_old_permits(simulate):
    async def scene():
        member = Member(0, Store(), endless(), requests_per_minute=6000)
        tasks = [asyncio.create_task(member.request()) for _ in range(10)]
        await asyncio.sleep(0.025)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual_time.VirtualTimeLoop)
        held = member.gate.lease._grant.count
        loop._jumping.now += 60
        await asyncio.gather(*tasks)
        await member.gate.close()
        return held, [at for at, *_ in member.server.answers if at > 60]

    held, answers = simulate(scene())
    assert held >= 5
    assert answers[-1] - answers[-held] >= 0.014, "spaced by new permits"


def test_a_store_lost_slows_each_process_down_and_back_again_it_is_shared(simulate):
    async def scene():
        server, store = bucket(), Store()
        team = [Member(number, store, server) for number in range(3)]
        outage = at(4, setattr, store, "fails", True), at(8, setattr, store, "fails", False)
        await asyncio.gather(*outage, work_for(14, *team))
        return server, [member.events for member in team]

    server, events = simulate(scene())
    for told in events:
        [lost] = [event for event in told if isinstance(event, PaceStoreLost)]
        assert "ConnectionError: gone" == lost.problem
        assert 0.8 * LIMIT / 9 <= lost.requests_per_second <= 2 * LIMIT / 9
        [restored] = [event for event in told if isinstance(event, PaceStoreRestored)]
        assert 0.5 * LIMIT <= restored.requests_per_second <= 1.7 * LIMIT, "not a third"
    assert 0.25 * LIMIT <= server.accepted(4.2, 8) / 3.8 <= 0.6 * LIMIT
    assert server.accepted(11, 14) / 3 >= 0.8 * LIMIT
    assert server.share_of_429s <= 0.06


def test_a_store_that_hangs_is_lost_too_and_holds_no_request(simulate):
    async def scene():
        server, store = bucket(), Store()
        member = Member(0, store, server)
        await asyncio.gather(at(3, setattr, store, "hangs", True), work_for(5, member))
        return server, member.events

    server, events = simulate(scene())
    [lost] = [event for event in events if isinstance(event, PaceStoreLost)]
    assert "no answer within 1 s" == lost.problem
    starts = [at for at, *_ in server.answers if at > 2.5]
    assert max(b - a for a, b in pairwise(starts)) <= 0.5


@pytest.mark.parametrize("record", [b"", b"of another program"])
def test_a_store_that_lost_its_record_gets_the_rate_again(simulate, record):
    """As a Redis that was restarted between two exchanges."""

    async def scene():
        server, store = bucket(), Store()
        team = [Member(number, store, server) for number in range(3)]

        def forget():
            [place] = store.records
            store.records[place] = record

        await asyncio.gather(at(4, forget), work_for(8, *team))
        return server

    server = simulate(scene())
    assert server.accepted(4, 8) / 4 >= 0.8 * LIMIT
    refused = [at for at, _, admitted in server.answers if at >= 4 and not admitted]
    assert len(refused) <= 0.03 * server.accepted(4)


def test_while_no_limit_is_met_a_lost_store_slows_down_to_a_third_of_what_was_used(simulate):
    async def scene():
        store = Store()
        member = Member(0, store, endless(latency=0.1))
        await asyncio.gather(at(4, setattr, store, "fails", True), work_for(5, member))
        return next(event for event in member.events if isinstance(event, PaceStoreLost))

    assert 160 / 3 == pytest.approx(simulate(scene()).requests_per_second, rel=0.1)


@pytest.mark.parametrize("way", ["fails", "hangs"])
def test_a_store_out_of_reach_at_the_start_refuses_every_request(simulate, way):
    async def scene():
        server, store = bucket(), Store()
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


def test_a_server_that_refuses_everything_is_given_up_by_each_process(simulate):
    async def scene():
        server, store = bucket(1e-9, 1), Store()
        team = [Member(n, store, server, slots=4, give_up_after=20.0) for n in range(2)]
        work = (member.work(count()) for member in team)
        return await asyncio.gather(*work, return_exceptions=True), server

    errors, server = simulate(scene())
    assert {RateLimitError} == {type(error) for error in errors}
    assert len(server.answers) <= 8 + 10


def test_a_pause_that_nobody_waited_for_is_not_counted_as_refusals(simulate):
    """An hour later, a probe that is refused does not make the server one that refuses all."""

    async def scene():
        server, store = Server(FixedWindow(0, 5.0)), Store()
        member = Member(0, store, server, give_up_after=60.0)
        await member.request()
        await asyncio.sleep(3600)
        await member.request()
        await member.request()
        return len(server.answers)

    assert 3 == simulate(scene())


def test_a_fixed_pace_is_one_for_all_processes(simulate):
    async def scene():
        server, store = endless(), Store()
        await work_for(8, *(Member(n, store, server, requests_per_minute=3600) for n in range(3)))
        return server

    assert 0.9 * 60 <= simulate(scene()).accepted(2, 8) / 6 <= 61


@pytest.mark.parametrize("limit", [20.0, 2000.0])
def test_commands_to_the_store_do_not_grow_with_the_requests(simulate, limit):
    async def scene():
        store = Store()
        await work_for(3, Member(0, store, bucket(limit)))
        return store.commands

    assert simulate(scene()) <= 3 * 40


def test_a_process_with_nothing_to_do_leaves_the_store_alone(simulate):
    async def scene():
        store = Store()
        member = Member(0, store, bucket())
        await member.request()
        connected = store.connections
        await asyncio.sleep(10)
        commands = store.commands
        await asyncio.sleep(100)
        assert (1, 0, commands) == (connected, store.connections, store.commands)
        assert await member.request()
        await member.gate.close()
        await member.gate.close()
        assert 0 == store.connections
        assert {asyncio.current_task()} == asyncio.all_tasks()

    simulate(scene())


@pytest.mark.parametrize("limiter", [Limiter, capped(1)])
@pytest.mark.parametrize("cancel_at", [0.0, 0.0002, 0.001, 0.01])
def test_a_request_cancelled_while_it_waits_leaks_nothing(simulate, cancel_at, limiter):
    async def scene():
        store = Store()
        member = Member(0, store, bucket(), slots=2, gate=limiter)
        tasks = [asyncio.create_task(member.request()) for _ in range(6)]
        await asyncio.sleep(cancel_at)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        snapshot = member.gate.snapshot
        assert (0, 0) == (snapshot.in_flight, snapshot.waiting)
        assert all(await asyncio.gather(*(member.request() for _ in range(4))))
        await member.gate.close()
        assert 0 == store.connections

    simulate(scene())


def test_the_rate_is_unlimited_until_one_is_refused(simulate):
    async def scene():
        server, store = endless(), Store()
        team = [Member(number, store, server) for number in range(3)]
        await work_for(1, *team)
        return [member.gate.lease.rate for member in team], server.accepted()

    rates, accepted = simulate(scene())
    assert [math.inf] * 3 == rates
    assert accepted >= 0.9 * 3 * 16 / 0.05


def test_many_keys_of_a_process_ask_the_store_seldom(simulate):
    """The more there are, the rarer each; one alone is not slowed down."""

    async def commands(keys):
        store = Store()
        link, server = Link(store), endless(latency=0.1)
        team = [Member(n, store, server, slots=1, link=link, place=str(n)) for n in range(keys)]
        await work_for(1.0, *team)
        assert not link.active
        return store.commands

    assert simulate(commands(1)) <= 40
    assert simulate(commands(100)) <= 100 * 5
