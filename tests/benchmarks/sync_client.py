"""Measure the synchronous client against the asynchronous one and against ``requests``.

The server runs in a process of its own. Slices alternate and each row is the median of the
ratios of neighbours, so that a noisy machine hits both sides alike.

Usage: python tests/benchmarks/sync_client.py [--quick]
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import requests
from server import KEY, serving

from bitpeak_async import BitPeak, SyncBitPeak, _portal

Run = Callable[[], object]


def ratio(ours: Run, theirs: Run, rounds: int) -> str:
    """Return median and quartiles of (their time / our time): above 1, ours is faster."""

    def timed(run: Run) -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    ours(), theirs()
    ratios = []
    for turn in range(rounds):
        if turn % 2:
            first, second = timed(ours), timed(theirs)
        else:
            second, first = timed(theirs), timed(ours)
        ratios.append(second / first)
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


@contextmanager
def alone_on_a_thread(base_url: str) -> Iterator[SyncBitPeak]:
    """Make a client that shares its loop thread with none."""
    client, portal = SyncBitPeak(KEY, base_url=base_url), _portal.Portal()
    client._bridge.portal = lambda: portal
    yield client
    portal.run(client._bitpeak.close)
    portal.stop()


def get(client: SyncBitPeak, calls: int) -> None:
    for _ in range(calls):
        client.notification_handlers.get(1)


async def get_asynchronously(client: BitPeak, calls: int) -> None:
    for _ in range(calls):
        await client.notification_handlers.get(1)


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


def measure(base_url: str, handlers: int, rounds: int, calls: int) -> None:
    """Print each row."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        client = BitPeak(KEY, base_url=base_url)
        stack.callback(lambda: runner.run(client.close()))
        ours = stack.enter_context(SyncBitPeak(KEY, base_url=base_url))
        session = stack.enter_context(requests.Session())
        session.headers["Authorization"] = f"Bearer {KEY}"
        alone = [stack.enter_context(alone_on_a_thread(base_url)) for _ in range(8)]
        rows: dict[str, tuple[Run, Run]] = {
            "one at a time, against the asynchronous client": (
                lambda: get(ours, calls),
                lambda: runner.run(get_asynchronously(client, calls)),
            ),
            "one at a time, against requests": (
                lambda: get(ours, calls),
                lambda: get_with_requests(session, f"{base_url}/notification-handlers/1", calls),
            ),
            f"iterating {handlers:,}, against the asynchronous client": (
                lambda: iterate(ours),
                lambda: runner.run(iterate_asynchronously(client)),
            ),
            "8 threads, against one loop thread for each": (
                lambda: get_in_threads([ours] * 8, calls // 4),
                lambda: get_in_threads(alone, calls // 4),
            ),
        }
        for name, (run, other) in rows.items():
            print(f"{name}: {ratio(run, other, rounds)}")


def main() -> None:
    quick = "--quick" in sys.argv
    handlers = 20_000 if quick else 100_000
    with serving(handlers) as base_url:
        measure(base_url, handlers, rounds=6 if quick else 12, calls=200 if quick else 800)


if __name__ == "__main__":
    main()
