"""Members that share a pace in virtual time, over a store in memory, against a server's limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.lease import Permit
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.stored import Link
from bitpeak_async._secret import Secret
from bitpeak_async.events import Emitter
from bitpeak_async.options import Pace, Retry

ROUND_TRIP = 0.0005  # seconds of one command


class Store:
    """Records in memory that can go away, hang and forget.

    Attributes:
        records: by place.
        fails: whether every command is refused.
        hangs: whether no command is ever answered.
        ahead: seconds that its clock is ahead of the members'.
        commands: how many there were.
        connections: how many are open.
    """

    def __init__(self, records: dict[str, bytes] | None = None) -> None:
        self.records: dict[str, bytes] = {} if records is None else records
        self.fails = False
        self.hangs = False
        self.ahead = 1e9
        self.commands = 0
        self.connections = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[None]:
        self.connections += 1
        try:
            yield
        finally:
            self.connections -= 1

    async def _travel(self) -> float:
        self.commands += 1
        await asyncio.sleep(3600 if self.hangs else ROUND_TRIP / 2)
        if self.fails:
            raise ConnectionError("gone")
        return self.ahead + asyncio.get_running_loop().time()

    async def read(self, place: str) -> tuple[float, bytes]:
        now, kept = await self.swap(place, b"", b"")
        return now, kept or b""

    async def swap(self, place: str, seen: bytes, new: bytes) -> tuple[float, bytes | None]:
        now = await self._travel()
        kept: bytes | None = self.records.get(place, b"")
        if new and seen == kept:
            self.records[place], kept = new, None
        await asyncio.sleep(ROUND_TRIP / 2)
        return now, kept

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

    def accepted(self, begin=0.0, end=float("inf"), member=None) -> int:
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
        self,
        number: int,
        store,
        server: Server,
        *,
        slots=16,
        gate=Limiter,
        link=None,
        place="place",
        give_up_after=600.0,
        ahead=0.0,
        **pace,
    ) -> None:
        self.number = number
        self.server = server
        self.slots = slots
        self.events: list[object] = []
        self.waits: list[float] = []  # of each request of ``trickle``
        self.permits = set[Permit]()  # of requests under way
        factory = LimiterFactory(
            Pace(**pace),
            Retry(give_up_after=give_up_after),
            Secret(place),
            Emitter([self.events.append]),
        )
        clock = asyncio.get_running_loop().time
        self.gate = factory.make(
            lambda: ahead + clock(), slots, link=link or Link(store), limiter=gate
        )

    async def request(self) -> bool:
        gate = self.gate
        permit = gate.try_enter() or await gate.enter()
        self.permits.add(permit)
        try:
            admitted, wait = await self.server.ask(self.number)
            if admitted:
                gate.lease.accepted(permit)
            else:
                gate.lease.refused(permit, wait)
        finally:
            self.permits.discard(permit)
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
        clock = asyncio.get_running_loop().time
        for _ in range(round(per_second * seconds)):
            asked_at = clock()
            await self.request()
            self.waits.append(clock() - asked_at - self.server.latency)
            await asyncio.sleep(1 / per_second)
        await self.gate.close()
