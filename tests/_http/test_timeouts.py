"""Timeouts of many tasks on one timer, in virtual time; ``asyncio.timeout()`` is the model."""

import asyncio
from contextlib import suppress

import pytest
import virtual_time

from bitpeak_async._http.timeouts import Timeouts


class Loop:
    """The running loop, which notes the timers it is asked for."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self.timers = []

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def call_at(self, when, callback):
        self.timers.append(self._loop.call_at(when, callback))
        return self.timers[-1]


async def ended(timeouts, seconds, sleeps):
    """Sleep within a timeout; return when and how that ended."""
    loop = asyncio.get_running_loop()
    try:
        with timeouts.within(seconds):
            await asyncio.sleep(sleeps)
    except TimeoutError:
        return loop.time(), "late"
    return loop.time(), "in time"


def run(main):
    async def with_timeouts():
        timeouts = Timeouts(asyncio.get_running_loop())
        try:
            return await main(timeouts)
        finally:
            assert not timeouts.running
            timeouts.close()

    return virtual_time.run(with_timeouts())


def test_what_takes_longer_is_ended():
    assert (2.0, "late") == run(lambda timeouts: ended(timeouts, 2, 10))


def test_what_takes_less_is_left_alone():
    assert (2.0, "in time") == run(lambda timeouts: ended(timeouts, 10, 2))


def test_each_of_many_ends_at_its_own_time():
    async def main(timeouts):
        limits = [3, 1, 2, 1, 5, 4]
        return await asyncio.gather(*(ended(timeouts, limit, 4.5) for limit in limits))

    late = [(3.0, "late"), (1.0, "late"), (2.0, "late"), (1.0, "late")]
    assert [*late, (4.5, "in time"), (4.0, "late")] == run(main)


def test_one_that_begins_later_may_end_first():
    async def main(timeouts):
        slow = asyncio.create_task(ended(timeouts, 10, 20))
        await asyncio.sleep(1)
        return await ended(timeouts, 2, 20), await slow

    assert ((3.0, "late"), (10.0, "late")) == run(main)


def test_many_share_a_timer():
    async def main():
        loop = Loop()
        timeouts = Timeouts(loop)
        for _ in range(100):
            await ended(timeouts, 30, 0.01)
        timeouts.close()
        return loop.timers

    (timer,) = virtual_time.run(main())
    assert timer.cancelled()


def test_what_runs_when_all_is_closed_still_ends_in_time():
    async def main(timeouts):
        task = asyncio.create_task(ended(timeouts, 2, 10))
        await asyncio.sleep(1)
        timeouts.close()
        return await task

    assert (2.0, "late") == run(main)


def test_the_timer_rests_when_nothing_runs():
    async def main():
        loop = Loop()
        timeouts = Timeouts(loop)
        for _ in range(2):
            await ended(timeouts, 30, 1)
            await asyncio.sleep(100)
        return len(loop.timers)

    assert 2 == virtual_time.run(main())


def test_a_cancellation_from_outside_stays_one():
    async def main(timeouts):
        task = asyncio.create_task(ended(timeouts, 2, 10))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_a_cancellation_in_the_moment_of_the_timeout_is_not_swallowed():
    async def main(timeouts):
        task = asyncio.create_task(ended(timeouts, 2, 10))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(2.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_one_whose_work_ends_as_it_expires_leaves_no_cancellation_behind():
    async def main(timeouts):
        with timeouts.within(2), suppress(asyncio.CancelledError):  # as a library may
            await asyncio.sleep(10)
        await asyncio.sleep(1)
        return asyncio.current_task().cancelling()

    assert 0 == run(main)


def test_another_error_passes():
    async def main(timeouts):
        with pytest.raises(KeyError), timeouts.within(2):
            raise KeyError

    run(main)


def test_within_a_timeout_of_asyncio():
    async def main(timeouts):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await ended(timeouts, 1, 10)

    run(main)
