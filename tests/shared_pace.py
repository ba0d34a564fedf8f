"""Members that share a pace in virtual time, over counters in memory, against a server's limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import virtual_time
from limits.aio.storage import MemoryStorage, memory

from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import Link
from bitpeak_async._rate.shared_limiter import SharedLimiter
from bitpeak_async.events import Emitter
from bitpeak_async.options import Pace

ROUND_TRIP = 0.0005  # seconds of one command


class VirtualClock:
    """Stands for the module ``time`` in the library's storage in memory."""

    def time(self) -> float:
        return 1e9 + asyncio.get_running_loop().time()


class Store:
    """Counters in memory that can go away, hang and forget.

    Attributes:
        fails: whether every command is refused.
        hangs: whether no command is ever answered.
        commands: how many there were.
        connections: how many are open.
    """

    def __init__(self) -> None:
        self.counters = MemoryStorage()
        self.fails = False
        self.hangs = False
        self.commands = 0
        self.connections = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Store]:
        self.connections += 1
        try:
            yield self
        finally:
            self.connections -= 1

    async def _travel(self) -> None:
        self.commands += 1
        await asyncio.sleep(3600 if self.hangs else ROUND_TRIP)
        if self.fails:
            raise ConnectionError("gone")

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        await self._travel()
        return await self.counters.incr(key, expiry, amount)

    async def get(self, key: str) -> int:
        await self._travel()
        return await self.counters.get(key)

    async def clear(self, key: str) -> None:
        await self._travel()
        await self.counters.clear(key)

    def __repr__(self) -> str:
        return "Store()"


class Server:
    """Lets through what a limit admits.

    Attributes:
        answers: seconds, member and whether it was let through, of each request.
    """

    def __init__(self, limit, *, latency=0.005) -> None:
        self.limit = limit
        self.latency = latency
        self.answers: list[tuple[float, int, bool]] = []

    async def ask(self, member: int) -> tuple[bool, float | None]:
        await asyncio.sleep(self.latency / 2)
        now = asyncio.get_running_loop().time()
        verdict = self.limit.admit(now)
        self.answers.append((now, member, verdict.admitted))
        await asyncio.sleep(self.latency / 2)
        wait = verdict.headers.get("Retry-After")
        return verdict.admitted, float(wait) if wait else None

    def let_through(self, begin=0.0, end=float("inf"), member=None) -> int:
        return sum(
            admitted and begin <= at < end and member in (None, who)
            for at, who, admitted in self.answers
        )

    @property
    def share_of_429s(self) -> float:
        return sum(not admitted for _, _, admitted in self.answers) / len(self.answers)


class Member:
    """A process with tasks that ask the server as fast as they may."""

    def __init__(
        self, number: int, store, server: Server, *, slots=16, gate=Limiter, link=None, **pace
    ) -> None:
        self.number = number
        self.server = server
        self.slots = slots
        self.events: list[object] = []
        clock = asyncio.get_running_loop().time
        self.gate = SharedLimiter(
            Pace(**pace),
            clock,
            60.0,
            slots,
            link=link or Link(store),
            place="place",
            emit=Emitter([self.events.append]),
            gate=gate,
        )

    async def request(self) -> bool:
        gate = self.gate
        permit = gate.try_enter() or await gate.enter()
        try:
            admitted, wait = await self.server.ask(self.number)
            if admitted:
                gate.pacer.let_through(permit)
            else:
                gate.pacer.refused(permit, wait)
        finally:
            gate.leave(permit)
        return admitted

    async def work(self, todo: Iterator[object]) -> None:
        """Do all that is to do, each until it is let through; then leave."""

        async def do() -> None:
            for _ in todo:
                while not await self.request():
                    pass

        tasks = [asyncio.create_task(do()) for _ in range(self.slots)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.gate.close()

    async def work_for(self, seconds: float, todo: Iterator[object]) -> None:
        """Work for a time, then leave as a closed client does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.work(todo)

    async def trickle(self, per_second: float, seconds: float) -> None:
        """Ask only now and then."""
        for _ in range(round(per_second * seconds)):
            await self.request()
            await asyncio.sleep(1 / per_second)
        await self.gate.close()


def run(scene, monkeypatch):
    """Run a scene in virtual time, the counters' expiry included."""
    monkeypatch.setattr(memory, "time", VirtualClock())
    return virtual_time.run(scene)
