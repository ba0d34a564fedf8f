"""How much to measure, and what a measurement runs on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack

from attrs import frozen
from generated import NotUsableError
from measure import Ratio, Run, compare, in_flight
from peers import NAME, URL, Peer
from server import KEY, Served

from bitpeak_async import BitPeak, NotificationHandler, SlackSettings

MakePeer = Callable[[Served], AbstractAsyncContextManager[Peer]]
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@frozen
class Size:
    """How much to do.

    Attributes:
        rounds: of each comparison.
        seconds: of processor time in each slice of a round of requests.
        calls: in each slice of a round of synchronous requests.
        listed: handlers in a long list.
        grown: handlers in the list that a short one is compared with.
        streamed: handlers in the list whose memory is measured.
        many: handlers in bulk.
        accounts: of a fleet.
    """

    rounds: int
    seconds: float
    calls: int
    listed: int
    grown: int
    streamed: int
    many: int
    accounts: int


FULL = Size(9, 0.06, 500, 100_000, 100_000, 1_000_000, 10_000, 2_000)
QUICK = Size(3, 0.01, 100, 20_000, 5_000, 50_000, 1_000, 200)


class Stage:
    """A loop to run coroutines on, our client of a server, and others'."""

    def __init__(self, stack: ExitStack, server: Served, new_loop: NewLoop | None = None) -> None:
        self.server = server
        self.client = BitPeak(KEY, base_url=server.base_url, ssl=server.context)
        self.handlers = self.client.notification_handlers
        self.ours = Peer(
            lambda: self.handlers.get(1),
            lambda: self.handlers.create(NAME, SlackSettings(URL)),
            lambda: self.handlers.list(results_per_page=1000),
        )
        self.runner = stack.enter_context(asyncio.Runner(loop_factory=new_loop))
        stack.callback(lambda: self.runner.run(self.client.close()))
        self._stack = stack
        self._peers: dict[MakePeer, Peer | NotUsableError] = {}

    def run(self, coroutine: Callable[[], Awaitable[object]]) -> Run:
        """Return a run of a coroutine function."""
        return lambda: self.runner.run(coroutine())  # type: ignore[arg-type]

    def calls(self, call: Callable[[], Awaitable[object]], total: int, workers: int) -> Run:
        """Return a run of many calls, so many at once."""
        return self.run(lambda: in_flight(call, total, workers))

    def peer(self, make: MakePeer) -> Peer:
        """Return another client on the loop, opened when first asked for.

        Raises:
            NotUsableError: it cannot be opened here.
        """
        if make not in self._peers:
            opened = make(self.server)
            try:
                self._peers[make] = self.runner.run(opened.__aenter__())
            except NotUsableError as error:
                self._peers[make] = error
            else:
                self._stack.callback(lambda: self.runner.run(opened.__aexit__(None, None, None)))
        if isinstance(peer := self._peers[make], NotUsableError):
            raise peer
        return peer

    async def iterate(self) -> None:
        """Iterate over all handlers of the server, and keep none."""
        async for _ in self.handlers.iterate():
            pass

    async def everything(self) -> list[NotificationHandler]:
        """Return all handlers of the server."""
        return [each async for each in self.handlers.iterate()]


def compare_calls(
    ours: tuple[Stage, Peer], theirs: tuple[Stage, Peer], what: str, workers: int, size: Size
) -> Ratio:
    """Return their processor time / our processor time of calls, so many at once.

    Connections are open before what is counted: a create of ours takes none that was idle for long.
    """

    def run(side: tuple[Stage, Peer], what: str, total: int) -> Run:
        stage, peer = side
        return stage.calls(getattr(peer, what), total, workers)

    few = 2 * workers
    run(theirs, "get", few)()
    began = time.process_time()
    run(theirs, what, few)()
    each = (time.process_time() - began) / few
    total = max(few, min(1000, int(size.seconds / each)))
    runs = {run(side, what, total): run(side, "get", workers) for side in (ours, theirs)}
    return compare(*runs, size.rounds, prepare=runs)
