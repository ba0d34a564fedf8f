"""The synchronous client, and what importing costs."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

from measure import Ratio, Run, compare
from peers import HEADERS, TIMEOUT, installed
from results import Row
from server import KEY, serving
from stage import Size, Stage

from bitpeak_async import SyncBitPeak
from bitpeak_async.sync import portal

WALL = "per second, theirs = 1"
WALL_TIME = "wall time, theirs = 1"


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


def get_in_threads(clients: list[SyncBitPeak], calls: int) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(partial(get, calls=calls), clients))


def iterate(client: SyncBitPeak) -> None:
    for _ in client.notification_handlers.iterate():
        pass


def sync_rows(size: Size) -> Iterator[Row]:
    """The synchronous client."""
    with ExitStack() as stack:
        stage = Stage(stack, stack.enter_context(serving(size.listed)))
        base_url = stage.server.base_url
        ours = stack.enter_context(SyncBitPeak(KEY, base_url=base_url))

        def timed(run: Run, other: Run, rounds: int = size.rounds) -> Ratio:
            return compare(run, other, rounds, time.perf_counter)

        def with_requests() -> Run:
            session = stack.enter_context(installed("requests").Session())
            session.headers.update(HEADERS)
            url = f"{base_url}/notification-handlers/1"

            def run() -> None:
                for _ in range(size.calls):
                    session.get(url, timeout=TIMEOUT).json()

            return run

        def on_one_thread() -> Ratio:
            alone = [stack.enter_context(alone_on_a_thread(base_url)) for _ in range(8)]
            few = size.calls // 4
            return timed(
                lambda: get_in_threads([ours] * 8, few), lambda: get_in_threads(alone, few)
            )

        async def iterate_asynchronously() -> None:
            async for _ in stage.handlers.iterate():
                pass

        one_by_one = partial(get, ours, size.calls)
        asynchronous = stage.calls(stage.ours.get, size.calls, 1)
        yield Row(
            "sync, one at a time / async", WALL, lambda: timed(one_by_one, asynchronous), 0.55, 0.65
        )
        yield Row(
            "sync, one at a time / requests",
            WALL,
            lambda: timed(one_by_one, with_requests()),
            2.5,
            3.5,
        )
        yield Row(
            f"sync, iterating {size.listed:,} / async",
            WALL_TIME,
            lambda: timed(
                stage.run(iterate_asynchronously), partial(iterate, ours), max(3, size.rounds // 3)
            ),
            1.2,
            at_most=True,
        )
        yield Row("sync, 8 threads / one loop thread for each", WALL, on_one_thread, 1.5)


def import_rows(size: Size) -> Iterator[Row]:
    """What importing costs."""

    def importing(statement: str) -> Run:
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    def children_time() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    yield Row(
        "import of BitPeak / import aiohttp",
        "CPU time, theirs = 1",
        lambda: compare(
            importing("import aiohttp"),
            importing("from bitpeak_async import BitPeak"),
            size.rounds,
            children_time,
        ),
        1.25,
        1.15,
        at_most=True,
    )
