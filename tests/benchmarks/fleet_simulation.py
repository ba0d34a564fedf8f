"""Fleets in simulated time: how long a process takes for its accounts, and how many at once.

An account is one unit: it lists, holding one slot of the fleet, and then creates as fast as its
key, its slots and its part of the process allow. Only the ends of listings and of accounts are
events, so a million accounts take seconds. No clock is read: time is what the events say.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from attrs import frozen

from bitpeak_async.fleet._run import MAX_OPEN

PAGE = 1000  # handlers on a page of a listing
_TIE = 1e-6  # of a request: accounts that end so close together end at once


@frozen
class Costs:
    """What one process spends.

    Attributes:
        account: seconds of the processor for each account: its client, listing, plan and report.
        create: seconds of the processor for each handler that is created.
        unchanged: seconds of the processor for each handler that is there already.
        process: bytes of a process without accounts.
        account_bytes: of memory for each account.
        spec_bytes: of memory for each desired handler, unless accounts share them.
        open_bytes: of memory for each account under way.
    """

    account: float
    create: float
    unchanged: float
    process: int
    account_bytes: int
    spec_bytes: int
    open_bytes: int


@frozen
class Account:
    """What a key has to do.

    Attributes:
        creates: handlers to create.
        unchanged: handlers that are there already.
    """

    creates: int
    unchanged: int = 0

    @property
    def after_listing(self) -> int:
        """Requests after the first page of the listing."""
        return self.creates + max(0, math.ceil(self.unchanged / PAGE) - 1)


@frozen
class Process:
    """A worker.

    Attributes:
        latency: seconds from a request to its reply.
        per_minute: requests of each key.
        in_flight: requests of all keys at once.
        slots: requests of one key at once.
    """

    latency: float = 0.05
    per_minute: float = math.inf
    in_flight: int = 100
    slots: int = 16


@frozen
class Simulated:
    """What became of it.

    Attributes:
        seconds: until the last reply.
        processor: seconds of it.
        peak: bytes, where each account has specs of its own.
        peak_shared: bytes, where all accounts share their specs.
        open: accounts under way at once, at most.
    """

    seconds: float
    processor: float
    peak: float
    peak_shared: float
    open: int


def simulate_fleet(
    accounts: Sequence[Account], process: Process, costs: Costs, workers: int = 1
) -> Simulated:
    """Return what becomes of the worker that is busy longest; each has a core of its own.

    The accounts go round the workers. What several have alike is simulated once.
    """
    parts = {tuple(accounts[first::workers]) for first in range(workers)}
    runs = [simulate(part, process, costs) for part in parts]
    return max(runs, key=lambda run: run.seconds)


def simulate(accounts: Sequence[Account], process: Process, costs: Costs) -> Simulated:
    """Return what becomes of one process."""
    kinds = Counter(accounts)
    handlers = sum((each.creates + each.unchanged) * many for each, many in kinds.items())
    requests = sum((1 + each.after_listing) * many for each, many in kinds.items())
    processor = len(accounts) * costs.account + sum(
        (each.creates * costs.create + each.unchanged * costs.unchanged) * many
        for each, many in kinds.items()
    )
    seconds, opened = play(
        (each.after_listing for each in accounts), process, processor / max(1, requests)
    )
    shared = costs.process + len(accounts) * costs.account_bytes + opened * costs.open_bytes
    longest = max((each.creates + each.unchanged for each in kinds), default=0)
    return Simulated(
        seconds,
        processor,
        shared + handlers * costs.spec_bytes,
        shared + longest * costs.spec_bytes,
        opened,
    )


def play(after_listing: Iterable[int], process: Process, cost: float) -> tuple[float, int]:
    """Return the seconds a process takes, and the accounts it had under way at once.

    The fleet assigns its slots so that no key has more than it can use while another waits:
    accounts under way have equal parts of what the listings leave. So all that create get the
    same number of requests in a time, and who ends first is told by a heap of those numbers.

    Args:
        after_listing: requests of each account after its first.
        process: what it may do at once.
        cost: seconds of the processor for a request.
    """
    # A request holds its slot until all others had their turn of the processor.
    turn = max(process.latency + cost, process.in_flight * cost)
    limit = process.per_minute / 60
    alone = min(limit, process.slots / (process.latency + cost))
    slots = min(process.slots, limit * turn)
    waiting = iter(after_listing)
    upcoming = next(waiting, None)
    listing = deque[tuple[float, int]]()  # when it ends, and the requests that follow
    creating: list[float] = []  # what ``given`` is when one ends
    now = given = 0.0  # seconds; requests that an account had which creates since the beginning
    most = 0
    while True:
        busy = len(listing) + len(creating) * slots
        under_way = len(listing) + len(creating)
        while upcoming is not None and busy < process.in_flight and under_way < MAX_OPEN:
            listing.append((now + turn, upcoming))
            upcoming = next(waiting, None)
            busy += 1
            under_way += 1
        most = max(most, under_way)
        if not under_way:
            return now + max(0.0, process.latency - 1 / alone), most
        rate = 0.0
        if creating:
            rate = min(alone, (process.in_flight - len(listing)) / turn / len(creating))
        listed = listing[0][0] if listing else math.inf
        ended = now + (creating[0] - given) / rate if rate else math.inf
        given += rate * (min(listed, ended) - now)
        now = min(listed, ended)
        while listing and listing[0][0] <= now:
            _, requests = listing.popleft()
            if requests:
                heappush(creating, given + requests)
        while creating and creating[0] <= given + _TIE:
            heappop(creating)
