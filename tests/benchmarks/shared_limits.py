"""How well processes on one key use its limit, together or each alone, in virtual time."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import virtual_time
from shared_pace import Member, Server, Store

from bitpeak_async.sandbox import FixedWindow, TokenBucket

LATENCY = 0.01  # seconds
LIMITS = (
    ("200/s, burst 50", 200, 60, lambda: TokenBucket(200, burst=50)),
    ("200 in each second", 200, 60, lambda: FixedWindow(200, 1.0)),
    ("10 in each second", 10, 120, lambda: FixedWindow(10, 1.0)),
    ("600 a minute, told", 10, 600, lambda: FixedWindow(600, 60.0, announce="retry_after")),
)


async def scene(limit, members: int, seconds: float, *, shared: bool) -> Server:
    server, store = Server(limit, latency=LATENCY), Store()
    team = [Member(n, store if shared else Store(), server) for n in range(members)]
    await asyncio.gather(*(member.work_for(seconds, count()) for member in team))
    return server


def main() -> None:
    print(f"{'limit':20} {'processes':>9} {'':>6} {'used':>6} {'429':>7}")
    for name, rate, seconds, limit in LIMITS:
        for members in (3, 10):
            for shared in (True, False):
                server = virtual_time.run(scene(limit(), members, seconds, shared=shared))
                begin = seconds / 3
                used = server.accepted(begin) / (seconds - begin) / rate
                later = [admitted for at, _, admitted in server.answers if at >= begin]
                refused = later.count(False) / len(later)
                way = "shared" if shared else "alone"
                print(f"{name:20} {members:9} {way:>6} {used:6.0%} {refused:7.2%}")


if __name__ == "__main__":
    main()
