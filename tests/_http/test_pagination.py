"""Pages → one iterator: ahead, in order, every id once, also while the list changes."""

import asyncio
import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from random import Random, randrange
from typing import Any

import attrs
import pytest
import virtual_time
from builders import Connect
from hypothesis import given, settings
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
    UnreadableHandler,
)
from bitpeak_async._http.decode import decoder
from bitpeak_async._http.pagination import FetchPage, SeenIds, all_pages
from bitpeak_async.sandbox import Dialect, Fault, Sandbox

ROW = {
    "id": 1,
    "type": "email",
    "name": "a",
    "settings": {"email": "a@example.com"},
    "is_enabled": True,
    "last_datetime": None,
    "datetime": "2025-12-05 14:25:37",
}
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
        turn = len(self.asked)
        await asyncio.sleep(0)
        self.before.pop(turn, lambda: None)()
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


async def ids_of(listing: Listing, fetch: FetchPage | None = None) -> list[int]:
    return [handler.id async for page in all_pages(fetch or listing) for handler in page]


async def test_pages_come_in_order_with_some_fetched_ahead():
    listing = Listing(list(range(1, 301)))
    async with aclosing(all_pages(listing)) as pages:
        assert 1 == (await anext(pages)).meta.page
        await asyncio.sleep(0)
        assert 2 == (await anext(pages)).meta.page
        assert [*range(1, 9), 30] == sorted(set(listing.asked))
        assert list(range(3, 31)) == [page.meta.page async for page in pages]


async def test_a_list_that_nobody_changes_is_read_once():
    newest_first = Listing(list(range(300, 0, -1)))
    assert 300 == len(await ids_of(newest_first))
    assert list(range(1, 31)) == newest_first.asked
    oldest_first = Listing(list(range(1, 301)))
    assert 300 == len(await ids_of(oldest_first))
    assert [1, 30, *range(1, 30)] == oldest_first.asked


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
    assert [*range(10), *range(15, 40)] == sorted(await ids_of(listing))


async def test_handlers_that_slide_to_later_pages_come_once():
    listing = Listing(list(range(40)))
    listing.ids.reverse()
    listing.before[3] = lambda: listing.ids.insert(0, 99)
    found = await ids_of(listing)
    assert len(found) == len(set(found))
    assert set(range(40)) <= set(found)


async def test_pages_that_appear_meanwhile_are_read():
    listing = Listing(list(range(20)))
    listing.before[2] = lambda: listing.ids.extend(range(20, 60))
    assert list(range(60)) == await ids_of(listing)


def edited(listing: Listing, **changes: object) -> FetchPage:
    """The pages of a listing with another meta."""

    async def fetch(number: int) -> Page[NotificationHandler]:
        page = await listing(number)
        return attrs.evolve(page, meta=attrs.evolve(page.meta, **changes))

    return fetch


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("shown", [20, 5, 1])
async def test_a_list_that_shows_less_than_it_promises_is_read_again_and_refused(
    shown: int, order: int
):
    listing = Listing(list(range(shown))[::order])
    with pytest.raises(ReplyError, match=f"25 promised, {shown} shown") as caught:
        await ids_of(listing, edited(listing, total=25))
    assert "$.meta.total" == caught.value.path
    assert 3 == listing.asked.count(2)


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("hole", range(1, 5))
async def test_an_empty_page_in_the_middle_is_not_taken_for_the_end(hole: int, order: int):
    listing = Listing(list(range(40))[::order])

    async def fetch(number: int) -> Page[NotificationHandler]:
        page = await listing(number)
        return attrs.evolve(page, data=()) if number == hole else page

    with pytest.raises(ReplyError, match="40 promised"):
        await ids_of(listing, fetch)


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize(
    "meta",
    [{"total_pages": 1}, {"total_pages": 9}, {"results_per_page": 1000, "total_pages": 1}],
    ids=["too few pages", "too many pages", "the size asked for, not the one used"],
)
async def test_the_total_decides_how_many_pages_are_read(meta: dict[str, int], order: int):
    listing = Listing(list(range(40))[::order])
    assert list(range(40)) == sorted(await ids_of(listing, edited(listing, **meta)))


@pytest.mark.parametrize(
    ("ids", "passes"),
    [(range(40), 1), (range(39, -1, -1), 2), ([*range(20, 40), *range(20)], 2)],
    ids=["oldest first", "newest first", "by name"],
)
async def test_a_list_without_a_total_is_read_until_two_passes_agree(
    ids: Sequence[int], passes: int
):
    """Where ids rise one is enough: the place of the last handler tells how many there are."""
    listing = Listing(list(ids))
    assert list(ids) == await ids_of(listing, edited(listing, total=None))
    assert passes == listing.asked.count(2)


async def test_one_page_is_enough_for_a_list_of_one_page():
    listing = Listing([3, 1, 2])
    assert [3, 1, 2] == await ids_of(listing)
    assert [1] == listing.asked


async def test_an_unreadable_handler_counts_and_comes_once():
    listing = Listing(list(range(40, 0, -1)))

    async def fetch(number: int) -> Page[NotificationHandler]:
        page = await listing(number)
        bad = UnreadableHandler(None if number == 2 else page.data[3].id, None, "$", "no")
        return attrs.evolve(page, data=page.data[:3] + page.data[4:], unreadable=(bad,))

    pages = [page async for page in all_pages(fetch)]
    assert [1, 1, 1, 1] == [len(page.unreadable) for page in pages]
    assert 36 == sum(map(len, pages))
    assert [1, 2, 3, 4] == listing.asked


@pytest.mark.parametrize("honest", [True, False], ids=["says page 1", "says the page asked for"])
async def test_a_server_that_repeats_a_page_is_an_error(honest: bool):
    listing = Listing(list(range(40)))

    async def repeating(number: int) -> Page[NotificationHandler]:
        page = await listing(1)
        return Page(page.data, PageMeta(1 if honest else number, 10, 40, 4))

    problem = "asked for page 4 and got page 1" if honest else "40 promised, 10 shown"
    with pytest.raises(ReplyError, match=problem):
        await ids_of(listing, repeating)


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


class BusyList:
    """A server's list that two writers change while it is read, in virtual time.

    Args:
        seed: of all that is random.
        order: 1 with the oldest first, -1 with the newest first.
        size: of its pages.
        inserts: a second, at the newer end.
        deletes: a second, anywhere.
    """

    def __init__(self, seed: int, order: int, size: int, inserts: float, deletes: float) -> None:
        self.random = Random(seed)
        self.order = order
        self.size = size
        self.writers = ((inserts, self.insert), (deletes, self.delete))
        self.newest = 0
        self.ids: list[int] = []  # oldest first
        for _ in range(10_000):
            self.insert()
        self.throughout = set(self.ids)
        self.reads: Counter[int] = Counter()

    def insert(self) -> None:
        self.newest += self.random.choice((1, 1, 1, 2, 40))  # other accounts take ids too
        self.ids.append(self.newest)

    def delete(self) -> None:
        self.throughout.discard(self.ids.pop(self.random.randrange(len(self.ids))))

    async def _write(self, rate: float, write: Callable[[], None]) -> None:
        while rate:
            await asyncio.sleep(self.random.expovariate(rate))
            write()

    async def fetch(self, number: int) -> Page[NotificationHandler]:
        self.reads[number] += 1
        await asyncio.sleep(self.random.uniform(0.01, 0.1))
        total, begin = len(self.ids), (number - 1) * self.size
        ids = self.ids[:: self.order][begin : begin + self.size]
        await asyncio.sleep(self.random.uniform(0.01, 0.1))
        meta = PageMeta(number, self.size, total, -(-total // self.size))
        return Page(tuple(map(handler, ids)), meta)

    async def read_all(self) -> Counter[int]:
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(self._write(*writer)) for writer in self.writers]
            try:
                return Counter([h.id async for page in all_pages(self.fetch) for h in page])
            finally:
                for writer in writers:
                    writer.cancel()


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
@pytest.mark.parametrize("size", [1000, 250])
@pytest.mark.parametrize(
    ("inserts", "deletes"), [(10, 0), (0, 50), (10, 10), (50, 10), (10, 50), (50, 50)]
)
def test_what_is_there_throughout_is_seen_once_in_three_passes_while_others_write(
    order: int, size: int, inserts: float, deletes: float
):
    for _ in range(2):
        seed = randrange(2**32)
        print(f"seed {seed}")  # noqa: T201 - to repeat a failure
        busy = BusyList(seed, order, size, inserts, deletes)
        seen = virtual_time.run(busy.read_all())
        assert {1} == set(seen.values())
        assert busy.throughout <= set(seen)
        assert 3 * 10_000 / size + 3 >= busy.reads.total() - busy.reads[1]


def test_a_deletion_hidden_by_a_creation_hides_no_handler():
    """Between two pages, one handler goes and one comes: the totals agree, and one slid past."""
    for order in (1, -1):
        for turn in range(2, 10):
            listing = Listing(list(range(100, 140))[::order])

            def change(listing: Listing = listing, order: int = order) -> None:
                del listing.ids[0 if order == 1 else 2]
                listing.ids.insert(len(listing.ids) if order == 1 else 0, 999)

            listing.before[turn] = change
            seen = asyncio.run(ids_of(listing))
            assert set(listing.ids) - {999} <= set(seen)
            assert len(seen) == len(set(seen))


@st.composite
def mutated_pages(draw: st.DrawFn) -> tuple[list[int], list[dict[str, Any]]]:
    """The true ids of a list, and its pages as JSON with something wrong in them."""
    ids = draw(st.lists(st.integers(1, 500), min_size=1, max_size=40, unique=True))
    ids = draw(st.sampled_from([sorted(ids), sorted(ids, reverse=True), ids]))
    rows: list[Any] = [{**ROW, "id": each} for each in ids]
    pages = [rows[start : start + 10] for start in range(0, len(rows), 10)]
    for _ in range(draw(st.integers(1, 3))):
        page = draw(st.sampled_from(pages))
        place = draw(st.integers(0, max(0, len(page) - 1)))
        match draw(st.sampled_from(["drop", "double", "shift", "retype"])):
            case "drop":
                del page[place : place + draw(st.integers(1, 10))]
            case "double":
                page[place:place] = page[place : place + 1]
            case "shift":
                page[:] = page[place:] + draw(st.sampled_from(pages))[:place]
            case "retype" if page and isinstance(page[place], dict):
                key = draw(st.sampled_from(sorted(ROW)))
                value = draw(st.sampled_from([None, True, [1], {"a": 1}, "", 1.5, "x"]))
                page[place] = draw(st.sampled_from([{**page[place], key: value}, value]))
    total = len(ids)
    bodies = [
        {
            "data": page,
            "meta": {
                "page": number,
                "results_per_page": 10,
                "total": total,
                "total_pages": -(-total // 10),
            },
        }
        for number, page in enumerate(pages, 1)
    ]
    return ids, bodies


@given(mutated_pages())
@settings(max_examples=300, deadline=None)
def test_a_mutated_listing_is_the_truth_or_an_error_or_names_what_is_unreadable(
    mutated: tuple[list[int], list[dict[str, Any]]],
):
    ids, bodies = mutated

    async def fetch(number: int) -> Page[NotificationHandler]:
        if number > len(bodies):
            raise NotFoundError("gone", status=404)
        body = json.dumps(bodies[number - 1]).encode()
        return decoder(dt.UTC).decode(body, Page[NotificationHandler])

    async def read_all() -> tuple[list[int], int]:
        pages = [page async for page in all_pages(fetch)]
        return [each.id for page in pages for each in page], sum(len(p.unreadable) for p in pages)

    with suppress(ReplyError):
        seen, unreadable = asyncio.run(read_all())
        assert len(seen) == len(set(seen))
        assert len(set(ids) - set(seen)) <= unreadable


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
    async with (
        Sandbox(seed=11) as sandbox,
        connect(sandbox, retry=Retry(attempts=9, base_delay=0)) as bitpeak,
    ):
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
