"""The cap on requests of all keys, in virtual time: who gets the next place."""

import asyncio

import pytest
import virtual_time

from bitpeak_async._rate.controller import RateController
from bitpeak_async.fleet._cap import CappedLimiter, FairLimiter
from bitpeak_async.fleet._run import run_all
from bitpeak_async.options import Pace


def gate_of(cap: FairLimiter, slots: int = 16) -> CappedLimiter:
    pacer = RateController(Pace(), asyncio.get_running_loop().time, 60.0, slots)
    return CappedLimiter(pacer, slots, cap.share())


async def request(gate: CappedLimiter, seconds: float) -> None:
    permit = await gate.enter()
    try:
        await asyncio.sleep(seconds)
    finally:
        gate.leave(permit)


async def keep_busy(gate: CappedLimiter, seconds: float) -> None:
    while True:
        await request(gate, seconds)


def busy(gate: CappedLimiter, seconds: float) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(keep_busy(gate, seconds)) for _ in range(16)]


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_no_more_places_are_given_than_there_are():
    async def main():
        cap = FairLimiter(3)
        gates = [gate_of(cap) for _ in range(4)]
        await asyncio.gather(*(request(gate, 1) for gate in gates for _ in range(3)))
        return asyncio.get_running_loop().time(), cap._free

    assert (4.0, 3) == virtual_time.run(main())


def test_a_key_alone_may_have_all_places_and_hands_them_over_one_by_one():
    async def main():
        cap = FairLimiter(8)
        first, second = gate_of(cap), gate_of(cap)
        tasks = busy(first, 1.0)
        await asyncio.sleep(0.5)
        alone = first._share.in_flight
        tasks += busy(second, 1.0)
        await asyncio.sleep(1.0)
        shared = first._share.in_flight, second._share.in_flight
        await stop(*tasks)
        return alone, shared, cap._free

    assert (8, (4, 4), 8) == virtual_time.run(main())


def test_a_key_that_comes_later_does_not_queue_behind_all_requests_of_others():
    """With places in the order of asking, its first request would be the 17th."""

    async def main():
        cap = FairLimiter(1)
        tasks = busy(gate_of(cap), 1.0)
        await asyncio.sleep(0.5)
        late = gate_of(cap)
        await request(late, 1.0)
        await stop(*tasks)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(main()) <= 3.0


def test_keys_that_hang_share_a_quarter_while_others_want_the_rest():
    """Once each has hung: before, nobody knows."""

    async def main():
        cap = FairLimiter(8)
        hanging = [gate_of(cap) for _ in range(12)]
        await asyncio.gather(*(request(gate, 30.0) for gate in hanging))
        tasks = [task for gate in hanging for task in busy(gate, 30.0)]
        quick = gate_of(cap)
        await asyncio.sleep(1.0)  # they hold all places, as nobody else wanted any
        tasks += busy(quick, 0.1)
        await asyncio.sleep(35.05)
        held = sum(gate._share.in_flight for gate in hanging), quick._share.in_flight
        await stop(*tasks)
        return held

    assert (2, 6) == virtual_time.run(main())


def test_keys_that_hang_have_all_places_that_nobody_wants():
    async def main():
        cap = FairLimiter(8)
        gates = [gate_of(cap) for _ in range(2)]
        tasks = [task for gate in gates for task in busy(gate, 30.0)]
        await asyncio.sleep(100.0)
        held = sum(gate._share.in_flight for gate in gates)
        await stop(*tasks)
        return held

    assert 8 == virtual_time.run(main())


def test_a_key_in_a_pause_holds_no_place():
    async def main():
        cap = FairLimiter(1)
        paused, other = gate_of(cap), gate_of(cap)
        permit = await paused.enter()
        paused.pacer.refused(permit, 10.0)
        paused.leave(permit)
        waiting = asyncio.create_task(request(paused, 1.0))
        await request(other, 1.0)
        met = asyncio.get_running_loop().time()
        await waiting
        return met, asyncio.get_running_loop().time()

    assert (1.0, 11.0) == virtual_time.run(main())


def test_a_pause_that_begins_while_a_task_waits_for_a_place_holds_it():
    async def main():
        cap = FairLimiter(2)
        key, other = gate_of(cap), gate_of(cap)
        permit = await key.enter()
        held = await other.enter()
        waiting = asyncio.create_task(request(key, 1.0))
        await asyncio.sleep(1.0)
        key.pacer.refused(permit, 10.0)
        key.leave(permit)
        await request(other, 1.0)
        other.leave(held)
        await waiting
        return asyncio.get_running_loop().time(), cap._free

    assert (12.0, 2) == virtual_time.run(main())


def test_cancelling_who_waits_for_a_place_loses_none():
    async def main():
        cap = FairLimiter(1)
        gates = [gate_of(cap) for _ in range(3)]
        for late in (0.0, 1.0):  # before a place is free, and in the moment it is
            tasks = [asyncio.create_task(request(gate, 1.0)) for gate in gates]
            asyncio.get_running_loop().call_later(late, tasks[1].cancel)
            await asyncio.gather(*tasks, return_exceptions=True)
        return cap._free, [gate._slots._value for gate in gates], cap._waiting

    assert (1, [16, 16, 16], {}) == virtual_time.run(main())


def test_groups_begin_as_the_cap_has_room():
    """Of a thousand, few are open at once; those that wait elsewhere keep none from beginning."""

    async def main():
        cap = FairLimiter(4)
        is_open, most = set[int](), 0

        async def work(number: int) -> None:
            nonlocal most
            is_open.add(number)
            most = max(most, len(is_open))
            gate = gate_of(cap)
            await asyncio.gather(*(request(gate, 1.0) for _ in range(4)))
            is_open.remove(number)

        await run_all([[number] for number in range(1000)], work, cap.room)
        waiting = asyncio.get_running_loop().time()
        await run_all([[number] for number in range(500)], lambda _: asyncio.sleep(60), cap.room)
        return most, waiting, asyncio.get_running_loop().time() - waiting

    most, capped, uncapped = virtual_time.run(main())
    assert most <= 8
    assert (1000.0, 60.0) == (capped, uncapped)


def test_an_unforeseen_error_is_raised_when_all_that_was_begun_has_ended():
    ended = []

    async def work(number: int) -> None:
        await asyncio.sleep(number)
        if number == 1:
            raise RuntimeError("a mistake")
        ended.append(number)

    with pytest.raises(RuntimeError, match="a mistake"):
        virtual_time.run(run_all([[3, 4], [1, 2]], work, FairLimiter(1).room))
    assert [3, 4] == ended


def test_a_second_cancellation_goes_to_what_is_under_way_too():
    cancelled = []

    async def work(number: int) -> None:
        for _ in range(2):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled.append(number)
        raise asyncio.CancelledError

    async def main():
        task = asyncio.create_task(run_all([[1], [2]], work, FairLimiter(1).room))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return asyncio.get_running_loop().time()

    assert 2.0 == virtual_time.run(main())
    assert [1, 1, 2, 2] == sorted(cancelled)
