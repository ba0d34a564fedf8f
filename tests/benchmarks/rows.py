"""The rows: what is compared with what, and how far ahead it must be."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from functools import partial
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import requests
from attrs import frozen
from generated import NotUsableError
from measure import Ratio, Run, compare, in_flight
from peers import (
    NAME,
    URL,
    Peer,
    httpx_client,
    niquests_client,
    openapi_generator,
    openapi_python_client,
    raw_aiohttp,
    requests_in_threads,
)
from results import Result
from server import KEY, page, serving

from bitpeak_async import (
    BitPeak,
    EmailSettings,
    HandlerSpec,
    NotificationHandler,
    Page,
    SlackSettings,
    SyncBitPeak,
)
from bitpeak_async._http.decode import decoder
from bitpeak_async.provisioning.plan import make_plan
from bitpeak_async.sync import portal


@frozen
class Size:
    """How much to do.

    Attributes:
        rounds: of each comparison.
        calls: in each slice of a round.
        listed: handlers in a long list.
        grown: handlers in the list that a short one is compared with.
        streamed: handlers in the list whose memory is measured.
        many: handlers in bulk.
    """

    rounds: int
    calls: int
    listed: int
    grown: int
    streamed: int
    many: int


FULL = Size(rounds=15, calls=600, listed=100_000, grown=100_000, streamed=1_000_000, many=10_000)
QUICK = Size(rounds=2, calls=150, listed=20_000, grown=5_000, streamed=100_000, many=1_000)


class Stage:
    """A loop to run coroutines on, and our client of a server."""

    def __init__(self, stack: ExitStack, base_url: str) -> None:
        self.stack = stack
        self.runner = stack.enter_context(asyncio.Runner())
        self.base_url = base_url
        self.client = BitPeak(KEY, base_url=base_url)
        stack.callback(lambda: self.runner.run(self.client.close()))
        self.handlers = self.client.notification_handlers

    def run(self, coroutine: Callable[[], object]) -> Run:
        """Return a run of a coroutine function."""
        return lambda: self.runner.run(coroutine())  # type: ignore[arg-type]

    def peer(self, made: object) -> Peer:
        """Enter a peer on the loop."""
        peer = self.runner.run(made.__aenter__())
        self.stack.callback(lambda: self.runner.run(made.__aexit__(None, None, None)))
        return peer

    def calls(self, call: Callable[[], object], total: int, workers: int) -> Run:
        """Return a run of many calls, so many at once."""
        return self.run(lambda: in_flight(call, total, workers))


@frozen
class Rival:
    """Another client.

    Attributes:
        name: for the rows.
        make: the peer at a base URL; entering it may raise NotUsableError.
        bars: the calls in flight, and for each the bar and the aim.
        has_records: whether it makes records of what it reads, as ours does.
    """

    name: str
    make: Callable[[str], AbstractAsyncContextManager[Peer]]
    bars: dict[int, tuple[float | None, float | None]]
    has_records: bool = False


TOLD = {1: (None, None), 16: (None, None)}
RIVALS = (
    Rival("httpx", httpx_client, {1: (4, 6), 16: (8, 14)}),
    Rival("niquests", niquests_client, TOLD),
    Rival("requests in 16 threads", requests_in_threads, {16: (None, None)}),
    Rival("openapi-python-client", openapi_python_client, {1: (4, 6), 16: (8, 14)}, True),
    Rival("OpenAPI Generator", openapi_generator, {1: (3, 4), 16: (4, 5)}, True),
)


def requests_rows(size: Size) -> Iterator[Result]:
    """Single requests against raw aiohttp and other clients, per CPU second."""
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(1000)))
        ours = Peer(
            "bitpeak_async",
            lambda: stage.handlers.get(1),
            lambda: stage.handlers.create(NAME, SlackSettings(URL)),
            lambda: stage.handlers.list(results_per_page=1000),
        )
        form = stage.peer(raw_aiohttp(stage.base_url, ready_made=False))
        ready = stage.peer(raw_aiohttp(stage.base_url, ready_made=True))

        def against(peer: Peer, what: str, workers: int = 16, calls: int = size.calls) -> Ratio:
            run = partial(stage.calls, total=calls, workers=workers)
            return compare(run(getattr(ours, what)), run(getattr(peer, what)), size.rounds)

        cpu = "requests per CPU second, theirs = 1"
        yield Result("GET, 16 in flight / raw aiohttp", cpu, against(form, "get"), 0.88, 0.95)
        yield Result(
            "create, 16 in flight / raw aiohttp FormData", cpu, against(form, "create"), 2.0, 2.5
        )
        yield Result(
            "create, 16 in flight / raw aiohttp, bytes ready-made",
            cpu,
            against(ready, "create"),
            0.88,
            0.95,
        )
        yield Result(
            "page of 1,000 to records / raw aiohttp + msgspec",
            cpu,
            against(form, "page", 4, max(8, size.calls // 20)),
            0.30,
            0.40,
        )
        for rival in RIVALS:
            try:
                peer, reason = stage.peer(rival.make(stage.base_url)), ""
            except NotUsableError as error:
                peer, reason = None, str(error)
            for what in ("get", "create"):
                for workers, (bar, aim) in rival.bars.items():
                    how = "one at a time" if workers == 1 else f"{workers} in flight"
                    ratio = against(peer, what, workers, size.calls // 4) if peer else None
                    name = f"{what}, {how} / {rival.name}"
                    yield Result(name, cpu, ratio, bar, aim, reason=reason)
            if rival.has_records:
                pages = partial(stage.calls, total=max(4, size.calls // 75), workers=4)
                ratio = compare(pages(peer.page), pages(form.page), size.rounds) if peer else None
                name = f"the same page by {rival.name} / raw aiohttp + msgspec"
                yield Result(name, cpu, ratio, reason=reason)


class PydanticHandler(pydantic.BaseModel, frozen=True):
    """What decoding with pydantic would be, without the union of settings."""

    id: int
    type: str
    name: str
    settings: dict[str, str]
    is_enabled: bool
    last_datetime: dt.datetime | None
    datetime: dt.datetime


class PydanticPage(pydantic.BaseModel, frozen=True):
    """A page of them."""

    data: tuple[PydanticHandler, ...]


def decoding_rows(size: Size) -> Iterator[Result]:
    """Decoding alone."""
    body = page(1, 1000, 100_000)
    shape = Page[NotificationHandler]

    def inverse(run: Run) -> Ratio:
        return compare(lambda: msgspec.json.decode(body), run, size.rounds * 10)

    cost = "CPU time, theirs = 1"
    for name, zone, bar in (("UTC", dt.UTC, 3.5), ("any zone", ZoneInfo("Asia/Tashkent"), 4.0)):
        ours = decoder(zone)
        yield Result(
            f"decoding 1,000 handlers, {name} / msgspec's untyped decode",
            cost,
            inverse(lambda ours=ours: ours.decode(body, shape)),
            bar,
            2.5,
            at_most=True,
        )
    yield Result(
        "pydantic 2 decoding them / msgspec's untyped decode",
        cost,
        inverse(lambda: PydanticPage.model_validate_json(body)),
    )


def listing_rows(size: Size) -> Iterator[Result]:
    """Long lists: fetching ahead, and the cost of growth."""
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(size.listed, latency=0.02)))

        async def iterate() -> None:
            async for _ in stage.handlers.iterate():
                pass

        async def page_by_page() -> None:
            number = total = 1
            while number <= total:
                page = await stage.handlers.list(page=number, results_per_page=1000)
                number, total = number + 1, page.meta.total_pages

        ratio = compare(
            stage.run(page_by_page), stage.run(iterate), min(3, size.rounds), time.perf_counter
        )
        yield Result(
            f"list {size.listed:,} at 20 ms latency / page by page",
            "wall time, theirs = 1",
            ratio,
            0.30,
            0.22,
            at_most=True,
        )


STREAMING = """
import asyncio, resource, sys
from bitpeak_async import BitPeak

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

async def main():
    async with BitPeak("benchmark-key", base_url=sys.argv[1]) as bitpeak:
        await bitpeak.notification_handlers.list(results_per_page=1000)
        before = peak()
        async for _ in bitpeak.notification_handlers.iterate():
            pass
        print(peak() - before)

asyncio.run(main())
"""


def memory_rows(size: Size) -> Iterator[Result]:
    """Peak memory while streaming."""
    with serving(size.streamed) as base_url:
        grown = [
            float(subprocess.check_output([sys.executable, "-c", STREAMING, base_url]))
            for _ in range(1 if size is QUICK else 3)
        ]
    low, middle, high = min(grown), sorted(grown)[len(grown) // 2], max(grown)
    yield Result(
        f"peak memory while streaming {size.streamed:,}",
        "MB above one page",
        Ratio(low, middle, high),
        8,
        3,
        at_most=True,
    )


def bulk_rows(size: Size) -> Iterator[Result]:
    """Bulk creation and provisioning."""
    specs = [HandlerSpec(f"n{n}", SlackSettings(URL)) for n in range(size.many)]
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(0)))
        ready = stage.peer(raw_aiohttp(stage.base_url, ready_made=True))

        async def create_many() -> None:
            async for outcome in stage.handlers.create_many(specs):
                assert outcome.ok

        ratio = compare(
            stage.run(create_many),
            stage.calls(ready.create, size.many, 16),
            min(5, size.rounds),
        )
        yield Result(
            f"create_many of {size.many:,} / a bare worker loop over ready-made bytes",
            "handlers per CPU second, theirs = 1",
            ratio,
            0.85,
            0.95,
        )
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(size.many)))
        seen = stage.runner.run(everything(stage))
        desired = [HandlerSpec(each.name, each.settings, each.is_enabled) for each in seen]

        async def provision() -> None:
            assert (await stage.client.provision(desired)).ok

        ratio = compare(
            stage.run(lambda: everything(stage)),
            stage.run(provision),
            min(7, size.rounds),
        )
        yield Result(
            f"provision of {size.many:,} already in place / listing them",
            "CPU time, theirs = 1",
            ratio,
            1.5,
            1.2,
            at_most=True,
        )


async def everything(stage: Stage) -> list[NotificationHandler]:
    return [each async for each in stage.handlers.iterate()]


@contextmanager
def alone_on_a_thread(base_url: str) -> Iterator[SyncBitPeak]:
    """Make a client that shares its loop thread with none."""
    client, own = SyncBitPeak(KEY, base_url=base_url), portal.Portal()
    client._runner.portal = lambda: own
    yield client
    own.run(client._bitpeak.close)
    own.stop()


def get(client: SyncBitPeak, calls: int) -> None:
    for _ in range(calls):
        client.notification_handlers.get(1)


def get_with_requests(session: requests.Session, url: str, calls: int) -> None:
    for _ in range(calls):
        session.get(url, timeout=30).json()


def get_in_threads(clients: list[SyncBitPeak], calls: int) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(partial(get, calls=calls), clients))


def iterate(client: SyncBitPeak) -> None:
    for _ in client.notification_handlers.iterate():
        pass


async def iterate_asynchronously(client: BitPeak) -> None:
    async for _ in client.notification_handlers.iterate():
        pass


def sync_rows(size: Size) -> Iterator[Result]:
    """The synchronous client."""
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(size.listed)))
        ours = stack.enter_context(SyncBitPeak(KEY, base_url=stage.base_url))
        session = stack.enter_context(requests.Session())
        session.headers["Authorization"] = f"Bearer {KEY}"
        alone = [stack.enter_context(alone_on_a_thread(stage.base_url)) for _ in range(8)]
        url = f"{stage.base_url}/notification-handlers/1"
        wall = "per second, theirs = 1"

        def timed(run: Run, other: Run, rounds: int = size.rounds) -> Ratio:
            return compare(run, other, rounds, time.perf_counter)

        few = size.calls // 4
        one = stage.calls(lambda: stage.handlers.get(1), size.calls, 1)
        ratio = timed(lambda: get(ours, size.calls), one)
        yield Result("sync, one at a time / async", wall, ratio, 0.65, 0.8)
        ratio = timed(
            lambda: get(ours, size.calls), lambda: get_with_requests(session, url, size.calls)
        )
        yield Result("sync, one at a time / requests", wall, ratio, 2.0, 2.5)
        ratio = timed(
            stage.run(lambda: iterate_asynchronously(stage.client)),
            lambda: iterate(ours),
            max(3, size.rounds // 3),
        )
        yield Result(
            f"sync, iterating {size.listed:,} / async",
            "wall time, theirs = 1",
            ratio,
            1.2,
            at_most=True,
        )
        ratio = timed(lambda: get_in_threads([ours] * 8, few), lambda: get_in_threads(alone, few))
        yield Result("sync, 8 threads / one loop thread for each", wall, ratio, 1.5)


def import_rows(size: Size) -> Iterator[Result]:
    """What importing costs."""

    def importing(statement: str) -> Run:
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    ratio = compare(
        importing("import aiohttp"),
        importing("from bitpeak_async import BitPeak"),
        size.rounds,
        time.perf_counter,
    )
    yield Result(
        "import of BitPeak / import aiohttp",
        "wall time, theirs = 1",
        ratio,
        1.15,
        1.05,
        at_most=True,
    )


def growth_rows(size: Size) -> Iterator[Result]:
    """Whether a handler costs more among many."""
    few = 1000
    times = size.grown // few
    now = dt.datetime.now(dt.UTC)

    def growth(make: Callable[[int], Run]) -> Ratio:
        small, large = make(few), make(size.grown)

        def repeated() -> None:
            for _ in range(times):
                small()

        return compare(repeated, large, max(3, size.rounds // 5))

    def planning(count: int) -> Run:
        specs = [HandlerSpec(f"n{n}", EmailSettings(f"{n}@example.com")) for n in range(count)]
        there = [
            NotificationHandler(n, f"n{n + count // 2}", EmailSettings("a@b.cc"), True, None, now)
            for n in range(1, count + 1)
        ]

        async def existing() -> AsyncIterator[NotificationHandler]:
            for each in there:
                yield each

        return lambda: asyncio.run(make_plan(specs, existing(), prune="*"))

    def result(what: str, ratio: Ratio) -> Result:
        name = f"cost per handler at {size.grown:,} / at {few:,}: {what}"
        return Result(name, "CPU time, theirs = 1", ratio, 1.2, 1.0, at_most=True)

    yield result("plan", growth(planning))
    with ExitStack() as stack:
        small = Stage(stack, stack.enter_context(serving(few)))
        large = Stage(stack, stack.enter_context(serving(size.grown)))

        def listing(count: int) -> Run:
            stage = small if count == few else large
            return stage.run(lambda: everything(stage))

        yield result("list", growth(listing))
        desired = {
            stage: [
                HandlerSpec(each.name, each.settings, each.is_enabled)
                for each in stage.runner.run(everything(stage))
            ]
            for stage in (small, large)
        }

        def applying(count: int) -> Run:
            stage = small if count == few else large
            return stage.run(lambda: stage.client.provision(desired[stage]))

        yield result("provision", growth(applying))


GROUPS = (
    requests_rows,
    decoding_rows,
    listing_rows,
    memory_rows,
    bulk_rows,
    sync_rows,
    import_rows,
    growth_rows,
)
