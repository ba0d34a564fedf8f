"""The limit on requests of all keys, in virtual time: which key gets the next slot."""

import asyncio

import pytest
import virtual_time

from bitpeak_async import RateLimitError
from bitpeak_async._rate.law import Bounds
from bitpeak_async._rate.lease import Lease, Permit
from bitpeak_async.fleet._fair_limiter import FairLimiter
from bitpeak_async.fleet._network import QuotaLimiter
from bitpeak_async.fleet._run import run_all


def new_key(shared: FairLimiter, slots: int = 16, give_up_after: float = 600.0) -> QuotaLimiter:
    lease = Lease(asyncio.get_running_loop().time, Bounds(give_up_after=give_up_after))
    return QuotaLimiter(lease, slots, shared)


async def request(key: QuotaLimiter, seconds: float) -> None:
    permit = await key.enter()
    try:
        await asyncio.sleep(seconds)
    finally:
        key.leave(permit)


async def keep_busy(key: QuotaLimiter, seconds: float) -> None:
    while True:
        await request(key, seconds)


def busy(key: QuotaLimiter, seconds: float) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(keep_busy(key, seconds)) for _ in range(16)]


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_never_more_requests_in_flight_than_slots():
    async def main():
        shared = FairLimiter(3)
        keys = [new_key(shared) for _ in range(4)]
        await asyncio.gather(*(request(key, 1) for key in keys for _ in range(3)))
        return asyncio.get_running_loop().time(), shared._free

    assert (4.0, 3) == virtual_time.run(main())


def test_a_key_alone_may_use_all_slots_and_hands_them_over_one_by_one():
    async def main():
        shared = FairLimiter(8)
        first, second = new_key(shared), new_key(shared)
        tasks = busy(first, 1.0)
        await asyncio.sleep(0.5)
        alone = first._quota.in_flight
        tasks += busy(second, 1.0)
        await asyncio.sleep(1.0)
        both = first._quota.in_flight, second._quota.in_flight
        await stop(*tasks)
        return alone, both, shared._free

    assert (8, (4, 4), 8) == virtual_time.run(main())


def test_a_key_that_comes_later_does_not_queue_behind_all_requests_of_others():
    """If slots were assigned in order of asking, its first request would be the 17th."""

    async def main():
        shared = FairLimiter(1)
        tasks = busy(new_key(shared), 1.0)
        await asyncio.sleep(0.5)
        late = new_key(shared)
        await request(late, 1.0)
        await stop(*tasks)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) <= 3.0


def test_keys_that_hang_share_a_quarter_while_others_want_the_rest():
    """Once each has hung: until then, nothing shows it."""

    async def main():
        shared = FairLimiter(8)
        hanging = [new_key(shared) for _ in range(12)]
        await asyncio.gather(*(request(key, 30.0) for key in hanging))
        tasks = [task for key in hanging for task in busy(key, 30.0)]
        quick = new_key(shared)
        await asyncio.sleep(1.0)  # they hold all slots, as no other key wanted any
        tasks += busy(quick, 0.1)
        await asyncio.sleep(35.05)
        held = sum(key._quota.in_flight for key in hanging), quick._quota.in_flight
        await stop(*tasks)
        return held

    assert (2, 6) == virtual_time.run(main())


def test_keys_that_hang_use_all_slots_that_no_other_key_wants():
    async def main():
        shared = FairLimiter(8)
        keys = [new_key(shared) for _ in range(2)]
        tasks = [task for key in keys for task in busy(key, 30.0)]
        await asyncio.sleep(100.0)
        held = sum(key._quota.in_flight for key in keys)
        await stop(*tasks)
        return held

    assert 8 == virtual_time.run(main())


def test_a_key_in_a_pause_holds_no_slot():
    async def main():
        shared = FairLimiter(1)
        paused, other = new_key(shared), new_key(shared)
        permit = await paused.enter()
        paused.lease.refused(permit, 10.0)
        paused.leave(permit)
        waiting = asyncio.create_task(request(paused, 1.0))
        await request(other, 1.0)
        met = asyncio.get_running_loop().time()
        await waiting
        return met, asyncio.get_running_loop().time()

    assert (1.0, 11.0) == virtual_time.run(main())


def test_a_pause_that_starts_while_a_task_waits_for_a_slot_delays_it():
    async def main():
        shared = FairLimiter(2)
        key, other = new_key(shared), new_key(shared)
        permit = await key.enter()
        held = await other.enter()
        waiting = asyncio.create_task(request(key, 1.0))
        await asyncio.sleep(1.0)
        key.lease.refused(permit, 10.0)
        key.leave(permit)
        await request(other, 1.0)
        other.leave(held)
        await waiting
        return asyncio.get_running_loop().time(), shared._free

    assert (12.0, 2) == virtual_time.run(main())


def test_cancelling_a_task_that_waits_for_a_slot_loses_none():
    async def main():
        shared = FairLimiter(1)
        keys = [new_key(shared) for _ in range(3)]
        for late in (0.0, 1.0):  # before a slot is free, and in the moment it is
            tasks = [asyncio.create_task(request(key, 1.0)) for key in keys]
            asyncio.get_running_loop().call_later(late, tasks[1].cancel)
            await asyncio.gather(*tasks, return_exceptions=True)
        return shared._free, [key._slots._value for key in keys], shared._waiting

    assert (1, [16, 16, 16], {}) == virtual_time.run(main())


def test_a_key_that_is_given_up_while_it_waits_for_a_slot_holds_none():
    async def main():
        shared = FairLimiter(1)
        key, other = new_key(shared, give_up_after=0.0), new_key(shared)
        first = await key.enter()
        key.leave(first)
        busy_slot = asyncio.create_task(request(other, 2.0))
        await asyncio.sleep(1.0)
        waiting = asyncio.create_task(request(key, 1.0))
        await asyncio.sleep(0.5)
        key.lease.refused(Permit(0.5), 10.0)
        await busy_slot
        with pytest.raises(RateLimitError):
            await waiting
        return shared._free

    assert 1 == virtual_time.run(main())


def test_groups_start_as_slots_become_free():
    """Of a thousand, few are open at once; those that wait elsewhere keep none from starting."""

    async def main():
        shared = FairLimiter(4)
        is_open, most = set[int](), 0

        async def work(number: int) -> None:
            nonlocal most
            is_open.add(number)
            most = max(most, len(is_open))
            key = new_key(shared)
            await asyncio.gather(*(request(key, 1.0) for _ in range(4)))
            is_open.remove(number)

        await run_all([[number] for number in range(1000)], work, shared.wait_for_room)
        waiting = asyncio.get_running_loop().time()
        await run_all(
            [[number] for number in range(500)], lambda _: asyncio.sleep(60), shared.wait_for_room
        )
        return most, waiting, asyncio.get_running_loop().time() - waiting

    most, limited, unlimited = virtual_time.run(main())
    assert most <= 8
    assert (1000.0, 60.0) == (limited, unlimited)


def test_an_unforeseen_error_is_raised_once_all_started_groups_have_ended():
    ended = []

    async def work(number: int) -> None:
        await asyncio.sleep(number)
        if number == 1:
            raise RuntimeError("a mistake")
        ended.append(number)

    with pytest.raises(RuntimeError, match="a mistake"):
        virtual_time.run(run_all([[3, 4], [1, 2]], work, FairLimiter(1).wait_for_room))
    assert [3, 4] == ended


def test_a_second_cancellation_reaches_running_groups_too():
    cancelled = []

    async def work(number: int) -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled.append(number)
        raise asyncio.CancelledError

    async def main():
        task = asyncio.create_task(run_all([[1], [2]], work, FairLimiter(1).wait_for_room))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return asyncio.get_running_loop().time()

    assert 2.0 == virtual_time.run(main())
    assert [1, 1, 2, 2] == sorted(cancelled)
