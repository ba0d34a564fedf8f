"""Workers over an iterator: bounded, patient with slow consumers, clean when left."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from bitpeak_async._bulk.workers import as_finished


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


async def test_every_item_is_worked_on_once():
    results = [result async for result in as_finished(double, range(100), 7)]
    assert [2 * number for number in range(100)] == sorted(results)


async def test_an_async_iterator_will_do():
    async def numbers() -> AsyncIterator[int]:
        for number in range(100):
            await asyncio.sleep(0)
            yield number

    assert 100 == len([result async for result in as_finished(double, numbers(), 7)])


async def test_no_more_items_are_pulled_than_a_slow_consumer_needs():
    pulled = 0

    def endless() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    async with aclosing(as_finished(double, endless(), 3)) as results:
        await anext(results)
        for _ in range(50):
            await asyncio.sleep(0)
    assert 10 >= pulled


async def test_no_more_work_at_once_than_workers():
    now = most = 0

    async def work(_: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    _ = [None async for _ in as_finished(work, range(50), 4)]
    assert 4 == most


async def test_an_error_of_the_iterator_comes_after_what_was_begun():
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("line 3")

    results = []
    with pytest.raises(ValueError, match="line 3"):
        async for result in as_finished(double, broken(), 2):
            results.append(result)  # noqa: PERF401 - what came before the error counts
    assert [2, 4] == sorted(results)


async def test_leaving_early_cancels_the_work_and_waits_for_its_end():
    cleaned_up = 0

    async def work(number: int) -> int:
        nonlocal cleaned_up
        try:
            await asyncio.sleep(0 if number == 0 else 3600)
        finally:
            cleaned_up += 1
        return number

    async with aclosing(as_finished(work, range(100), 5)) as results:
        assert 0 == await anext(results)
        await asyncio.sleep(0)
    assert 6 == cleaned_up
    assert {asyncio.current_task()} == asyncio.all_tasks()
