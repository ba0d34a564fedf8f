"""Pages → one iterator: ahead, in order, every id once, also while the list changes."""

import asyncio
import datetime as dt
from collections.abc import Callable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpeak_async import (
    BitPeak,
    EmailSettings,
    NotFoundError,
    NotificationHandler,
    Page,
    PageMeta,
    ReplyError,
    Retry,
    ServerError,
)
from bitpeak_async._http.pagination import SeenIds, all_pages
from bitpeak_async.sandbox import Dialect, Fault, Sandbox

Connect = Callable[..., BitPeak]
NOW = dt.datetime(2025, 12, 5, tzinfo=dt.UTC)


class Listing:
    """A list of ids that changes between the reads of its pages as a test wants."""

    def __init__(self, ids: list[int], size: int = 10, *, beyond: str = "empty") -> None:
        self.ids = ids
        self.size = size
        self.beyond = beyond
        self.asked: list[int] = []
        self.before: dict[int, Callable[[], object]] = {}

    async def __call__(self, number: int) -> Page[NotificationHandler]:
        self.asked.append(number)
        await asyncio.sleep(0)
        self.before.pop(len(self.asked), lambda: None)()
        total_pages = -(-len(self.ids) // self.size)
        if number > max(1, total_pages):
            if self.beyond == "not found":
                raise NotFoundError("gone", status=404)
            if self.beyond == "last":
                number = total_pages
        ids = self.ids[(number - 1) * self.size : number * self.size]
        meta = PageMeta(number, self.size, len(self.ids), total_pages)
        return Page(tuple(map(handler, ids)), meta)


def handler(handler_id: int) -> NotificationHandler:
    return NotificationHandler(handler_id, "a", EmailSettings("a@example.com"), True, None, NOW)


async def ids_of(fetch: Listing) -> list[int]:
    return [handler.id async for page in all_pages(fetch) for handler in page]


async def test_pages_come_in_order_with_some_fetched_ahead():
    listing = Listing(list(range(1, 301)))
    async with aclosing(all_pages(listing)) as pages:
        assert 1 == (await anext(pages)).meta.page
        await asyncio.sleep(0)
        assert list(range(1, 10)) == listing.asked
        assert list(range(2, 31)) == [page.meta.page async for page in pages]
    assert list(range(1, 31)) == listing.asked


async def test_an_empty_list_is_one_empty_page():
    assert [()] == [page.data async for page in all_pages(Listing([]))]


async def test_leaving_early_cancels_what_was_fetched_ahead():
    listing = Listing(list(range(300)))
    before = asyncio.all_tasks()
    async with aclosing(all_pages(listing)) as pages:
        await anext(pages)
    assert before == asyncio.all_tasks()


@pytest.mark.parametrize("beyond", ["empty", "not found", "last"])
async def test_deleting_what_is_iterated_over_reaches_everything(beyond: str):
    listing = Listing(list(range(100)), beyond=beyond)
    reached = []
    async for page in all_pages(listing):
        for each in page:
            reached.append(each.id)
            listing.ids.remove(each.id)
    assert list(range(100)) == sorted(reached)


@pytest.mark.parametrize("beyond", ["empty", "not found", "last"])
async def test_handlers_that_slide_to_pages_already_read_are_found_again(beyond: str):
    listing = Listing(list(range(40)), beyond=beyond)
    listing.before[2] = lambda: listing.ids.__delitem__(slice(0, 15))
    assert list(range(40)) == sorted(await ids_of(listing))


async def test_handlers_that_slide_to_later_pages_come_once():
    listing = Listing(list(range(40)))
    listing.before[3] = lambda: listing.ids.insert(0, 99)
    found = await ids_of(listing)
    assert len(found) == len(set(found))
    assert set(range(40)) <= set(found)


async def test_pages_that_appear_meanwhile_are_read():
    listing = Listing(list(range(20)))
    listing.before[2] = lambda: listing.ids.extend(range(20, 60))
    assert list(range(60)) == await ids_of(listing)


async def test_a_list_that_shrinks_without_end_is_an_error():
    listing = Listing(list(range(1000)))

    async def shrinking(number: int) -> Page[NotificationHandler]:
        page = await Listing.__call__(listing, number)
        meta = PageMeta(number, 10, 1000 - len(listing.asked), page.meta.total_pages)
        return Page(page.data, meta)

    with pytest.raises(ReplyError, match="shrinks faster than it is read"):
        _ = [page async for page in all_pages(shrinking)]


async def test_a_total_that_promises_too_much_is_believed_after_a_second_look():
    listing = Listing(list(range(20)))

    async def boasting(number: int) -> Page[NotificationHandler]:
        page = await listing(number)
        return Page(page.data, PageMeta(number, 10, 25, 2))

    assert 20 == len([each async for page in all_pages(boasting) for each in page])
    assert [1, 2, 1, 2] == listing.asked


@pytest.mark.parametrize("honest", [True, False], ids=["says page 1", "says the page asked for"])
async def test_a_server_that_repeats_a_page_is_an_error(honest: bool):
    listing = Listing(list(range(40)))

    async def repeating(number: int) -> Page[NotificationHandler]:
        page = await listing(1)
        return Page(page.data, PageMeta(1 if honest else number, 10, 40, 4))

    with pytest.raises(ReplyError, match="asked for page 2 and got page"):
        _ = [page async for page in all_pages(repeating)]


async def test_a_failed_page_ends_the_iteration_after_the_pages_before_it():
    listing = Listing(list(range(40)))

    async def failing(number: int) -> Page[NotificationHandler]:
        if number == 3:
            raise ServerError("502", status=502)
        return await listing(number)

    seen = []
    with pytest.raises(ServerError):
        async for page in all_pages(failing):
            seen.append(page.meta.page)  # noqa: PERF401 - what came before the error counts
    assert [1, 2] == seen


async def test_a_first_page_not_found_is_an_error():
    async def nowhere(number: int) -> Page[NotificationHandler]:
        raise NotFoundError("no such path", status=404)

    with pytest.raises(NotFoundError):
        await anext(all_pages(nowhere))


@given(st.lists(st.integers(0, 5000)))
def test_seen_ids_are_a_set(numbers: list[int]):
    seen = SeenIds()
    reference: set[int] = set()
    for number in numbers:
        assert (number not in reference) == seen.add(number)
        reference.add(number)
    assert all((number in reference) == (number in seen) for number in range(5001))


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(max_results_per_page=250),
        Dialect(order="descending"),
        Dialect(page_out_of_range="not_found", links_with_size=True),
        Dialect(bad_results_per_page="error"),
    ],
    ids=["documented", "cap of 250", "newest first", "404 beyond the end", "strict sizes"],
)
async def test_every_handler_of_a_server_comes_once(dialect: Dialect, connect: Connect):
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        sandbox.seed_handlers(2345)
        handlers = bitpeak.notification_handlers
        ids = [handler.id async for handler in handlers.iterate()]
        assert list(range(1, 2346)) == sorted(ids)
        sizes = [len(page) async for page in handlers.pages(results_per_page=500)]
        assert 2345 == sum(sizes)
        assert {"page", "results_per_page"} == {key for r in sandbox.requests for key in r.query}


async def test_lost_replies_lose_no_handler(connect: Connect):
    async with Sandbox(seed=11) as sandbox, connect(sandbox, retry=Retry(base_delay=0)) as bitpeak:
        sandbox.seed_handlers(5000)
        sandbox.inject(Fault.disconnect_before_commit(), times=None, probability=0.2)
        ids = [each.id async for each in bitpeak.notification_handlers.iterate(results_per_page=50)]
    assert list(range(1, 5001)) == ids


async def test_deleting_all_while_iterating(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.seed_handlers(300)
    handlers = bitpeak.notification_handlers
    async for each in handlers.iterate(results_per_page=10):
        await handlers.delete(each.id)
    assert [] == sandbox.handlers
