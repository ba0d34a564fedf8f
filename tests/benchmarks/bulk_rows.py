"""Many handlers at once: decoding, lists, creation, provisioning, fleets and growth."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from zoneinfo import ZoneInfo

import msgspec
from measure import Ratio, Run, compare, in_flight
from peers import URL, installed, raw_aiohttp
from results import Row
from server import page, serving
from stage import QUICK, Size, Stage

from bitpeak_async import (
    EmailSettings,
    HandlerSpec,
    NotificationHandler,
    Page,
    PageMeta,
    SlackSettings,
)
from bitpeak_async._http.decode import decoder
from bitpeak_async.fleet import Account, Fleet
from bitpeak_async.provisioning.plan import make_plan

CPU = "CPU time, theirs = 1"
FLEET_BAR, FLEET_AIM = 2.0, 1.75  # 0.7 and 0.6 of the first edition, measured in one run
HANDLERS_PER_CPU = "handlers per CPU second, theirs = 1"


def decoding_rows(size: Size) -> Iterator[Row]:
    """Decoding alone."""
    body = page(1, 1000, 100_000)
    shape = Page[NotificationHandler]

    def against_msgspec(run: Run) -> Ratio:
        return compare(lambda: msgspec.json.decode(body), run, size.rounds * 10)

    for name, zone, bar in (("UTC", dt.UTC, 3.5), ("any zone", ZoneInfo("Asia/Tashkent"), 4.0)):
        decode = partial(decoder(zone).decode, body, shape)
        yield Row(
            f"decoding 1,000 handlers, {name} / msgspec's untyped decode",
            CPU,
            partial(against_msgspec, decode),
            bar,
            2.5,
            at_most=True,
        )
    yield Row(
        "pydantic 2 decoding them, settings as a dict / msgspec's untyped decode",
        CPU,
        lambda: against_msgspec(partial(_pydantic_page().model_validate_json, body)),
    )


def _pydantic_page() -> type:
    pydantic = installed("pydantic")
    handler = pydantic.create_model(
        "Handler",
        __config__={"frozen": True},
        id=int,
        type=str,
        name=str,
        settings=dict[str, str],
        is_enabled=bool,
        last_datetime=dt.datetime | None,
        datetime=dt.datetime,
    )
    return pydantic.create_model("Page", data=tuple[handler, ...])


def listing_rows(size: Size) -> Iterator[Row]:
    """Long lists: fetching ahead."""
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(size.listed, latency=0.02)))

        async def page_by_page() -> None:
            number = total = 1
            while number <= total:
                page = await stage.handlers.list(page=number, results_per_page=1000)
                number, total = number + 1, page.meta.total_pages

        runs = stage.run(page_by_page), stage.run(stage.iterate)
        yield Row(
            f"list {size.listed:,} at 20 ms latency / page by page",
            "wall time, theirs = 1",
            lambda: compare(*runs, min(3, size.rounds), time.perf_counter),
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


def memory_rows(size: Size) -> Iterator[Row]:
    """Peak memory while streaming."""

    def measure() -> Ratio:
        with serving(size.streamed) as server:
            command = [sys.executable, "-c", STREAMING, server.base_url]
            times = 1 if size is QUICK else 3
            grown = sorted(float(subprocess.check_output(command)) for _ in range(times))
        return Ratio(grown[0], grown[times // 2], grown[-1])

    name = f"peak memory while streaming {size.streamed:,}"
    yield Row(name, "MB above one page", measure, 8, 3, at_most=True)


def bulk_rows(size: Size) -> Iterator[Row]:
    """Creation, provisioning and fleets."""
    specs = [HandlerSpec(f"n{n}", SlackSettings(URL)) for n in range(size.many)]
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(0)))

        async def create_many() -> None:
            async for outcome in stage.handlers.create_many(specs):
                assert outcome.ok

        def bare_loop() -> Run:
            ready = stage.peer(partial(raw_aiohttp, ready_made=True))
            return stage.calls(ready.create, size.many, 16)

        yield Row(
            f"create_many of {size.many:,} / a bare worker loop over ready-made bytes",
            HANDLERS_PER_CPU,
            lambda: compare(stage.run(create_many), bare_loop(), min(5, size.rounds)),
            1.3,
            1.5,
        )
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(0, keeps=True)))
        spec = HandlerSpec("n", SlackSettings(URL))
        keys = (f"key-{n}" for n in count())

        async def provision_fleet() -> None:
            accounts = [Account(key, key, [spec]) for key in islice(keys, size.accounts)]
            async with Fleet(accounts, base_url=stage.server.base_url, in_flight=100) as fleet:
                report = await fleet.provision(keep_outcomes=False)
            assert report.totals == {"created": size.accounts}

        def same_requests() -> Run:
            """What a fleet sends, by one session: a listing, a create, a listing to verify."""
            peer = stage.peer(partial(raw_aiohttp, ready_made=True))

            async def run() -> None:
                await in_flight(peer.get, 2 * size.accounts, 100)
                await in_flight(peer.create, size.accounts, 100)

            return stage.run(run)

        yield Row(
            f"fleet of {size.accounts:,} accounts of one handler / its requests by aiohttp",
            CPU,
            lambda: compare(same_requests(), stage.run(provision_fleet), min(5, size.rounds)),
            FLEET_BAR,
            FLEET_AIM,
            at_most=True,
        )
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(size.many)))
        seen = stage.runner.run(stage.everything())
        desired = [HandlerSpec(each.name, each.settings, each.is_enabled) for each in seen]

        async def provision() -> None:
            assert (await stage.client.provision(desired)).ok

        yield Row(
            f"provision of {size.many:,} already in place / listing them",
            CPU,
            lambda: compare(stage.run(stage.everything), stage.run(provision), min(7, size.rounds)),
            2.5,
            2.0,
            at_most=True,
        )


def growth_rows(size: Size) -> Iterator[Row]:
    """Whether a handler costs more among many."""
    few = 1000
    times = size.grown // few
    now = dt.datetime.now(dt.UTC)

    def row(what: str, make: Callable[[int], Run], bar: float = 1.2) -> Row:
        def measure() -> Ratio:
            small, large = make(few), make(size.grown)

            def repeated() -> None:
                for _ in range(times):
                    small()

            return compare(repeated, large, max(3, size.rounds // 5))

        name = f"cost per handler at {size.grown:,} / at {few:,}: {what}"
        return Row(name, CPU, measure, bar, 1.0, at_most=True)

    def planning(count: int) -> Run:
        specs = [HandlerSpec(f"n{n}", EmailSettings(f"{n}@example.com")) for n in range(count)]
        there = [
            NotificationHandler(n, f"n{n + count // 2}", EmailSettings("a@b.cc"), True, None, now)
            for n in range(1, count + 1)
        ]

        async def existing() -> AsyncIterator[Page[NotificationHandler]]:
            for start in range(0, count, 1000):
                yield Page(tuple(there[start : start + 1000]), PageMeta(1, 1000, count, 1))

        return lambda: asyncio.run(make_plan(specs, existing(), prune="*"))

    yield row("plan", planning)
    with ExitStack() as stack:
        stages = {
            count: Stage(stack, stack.enter_context(serving(count))) for count in (few, size.grown)
        }

        def listing(count: int) -> Run:
            return stages[count].run(stages[count].everything)

        def provisioning(count: int) -> Run:
            stage = stages[count]
            seen = stage.runner.run(stage.everything())
            desired = [HandlerSpec(each.name, each.settings, each.is_enabled) for each in seen]
            return stage.run(lambda: stage.client.provision(desired))

        yield row("iterate", lambda count: stages[count].run(stages[count].iterate))
        yield row("list, all records kept", listing, 1.5)
        yield row("provision", provisioning)
