"""What the law of the rate has to achieve, scene by scene, in virtual time.

``python tests/_rate/scenes.py`` prints the table of ``docs/rate-limits.md`` and draws its
picture; ``test_scenes.py`` holds each scene to its bounds. It is over 300 lines because a scene,
the table and the picture are to stay in step.
"""

import asyncio
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import field, frozen

sys.path.insert(0, str(Path(__file__).parents[1]))

import virtual_time

from bitpeak_async import RateLimitError
from bitpeak_async._rate.law import Bounds
from bitpeak_async._rate.lease import Lease, SharedState
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async.sandbox import FixedWindow, TokenBucket
from bitpeak_async.sandbox.limits import Limit, Verdict

SLOTS = 16
DOCS = Path(__file__).parents[2] / "docs"
ADMITTED = Verdict(admitted=True, headers={})


class AlignedWindow(FixedWindow):
    """A fixed window by the server's clock: it may be almost over when the first request comes."""

    def __init__(self, requests: int, seconds: float, *, left: float) -> None:
        super().__init__(requests, seconds)
        self._ends = left

    def admit(self, now: float) -> Verdict:
        while now >= self._ends:
            self._ends += self.seconds
            self._used = 0
        return super().admit(now)


class NoLimit:
    """Admits everything, but for the n-th request, or for a share of them."""

    def __init__(
        self, *, stray: int = 0, retry_after: int | None = None, share: float = 0.0, seed: int = 0
    ) -> None:
        self._left = stray
        self._share = share
        self._random = random.Random(seed)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._refused = Verdict(admitted=False, headers=headers)

    def admit(self, now: float) -> Verdict:
        self._left -= 1
        is_refused = self._left == 0 or self._random.random() < self._share
        return self._refused if is_refused else ADMITTED


class Changing:
    """One limit until a time, another from then on."""

    def __init__(self, until: float, before: Limit, after: Limit) -> None:
        self._until, self._before, self._after = until, before, after

    def admit(self, now: float) -> Verdict:
        return (self._before if now < self._until else self._after).admit(now)


@frozen
class Played:
    """What came of a scene.

    Attributes:
        answers: seconds and whether it was let through, of each request.
        rates: seconds and requests per second, after each reply.
        tries: of each create that was let through.
        errors: of each that was not.
    """

    answers: list[tuple[float, bool]]
    rates: list[tuple[float, float]]
    tries: list[int]
    errors: list[RateLimitError]

    @property
    def seconds(self) -> float:
        """When the last create was let through."""
        return max((at for at, admitted in self.answers if admitted), default=0.0)

    @property
    def refused(self) -> float:
        """The share of requests that were answered 429."""
        return sum(not admitted for _, admitted in self.answers) / len(self.answers)

    def accepted(self, begin: float, end: float) -> int:
        return sum(admitted for at, admitted in self.answers if begin <= at < end)


async def _play(
    limit: Limit,
    creates: int,
    *,
    latency: float = 0.03,
    jitter: float = 0.1,
    slots: int = SLOTS,
    clients: int = 1,
    is_shared: bool = True,
    seconds: float = math.inf,
    give_up_after: float = math.inf,
    seed: int = 0,
) -> Played:
    loop, todo, chance = asyncio.get_running_loop(), iter(range(creates)), random.Random(seed)
    bounds = Bounds(give_up_after=give_up_after)
    state = SharedState()
    limiters = [
        Limiter(Lease(loop.time, bounds, state if is_shared else None), slots)
        for _ in range(clients)
    ]
    played = Played([], [], [], [])

    def way() -> float:
        return latency / 2 * chance.uniform(1 - jitter, 1 + jitter)

    async def create(limiter: Limiter) -> bool:
        permit = limiter.try_enter() or await limiter.enter()
        await asyncio.sleep(way())
        verdict = limit.admit(loop.time())
        played.answers.append((loop.time(), verdict.admitted))
        await asyncio.sleep(way())
        if verdict.admitted:
            limiter.lease.accepted(permit)
        else:
            wait = verdict.headers.get("Retry-After")
            limiter.lease.refused(permit, None if wait is None else float(wait))
        limiter.leave(permit)
        played.rates.append((loop.time(), limiter.lease.rate))
        return verdict.admitted

    async def work(limiter: Limiter) -> None:
        for _ in todo:
            tries = 1
            try:
                while not await create(limiter):
                    tries += 1
            except RateLimitError as error:
                played.errors.append(error)
            else:
                played.tries.append(tries)
            if loop.time() >= seconds:
                return

    await asyncio.gather(*(work(limiter) for limiter in limiters for _ in range(slots)))
    return played


def play(limit: Limit, creates: int, **options: Any) -> Played:
    """Create so many handlers against a limit, in virtual time."""
    return virtual_time.run(_play(limit, creates, **options))


@frozen(kw_only=True)
class Scene:
    """A limit, and how well it has to be found.

    Attributes:
        name: for the table.
        limit: makes it.
        creates: handlers to be created.
        best: seconds in which a client that knew the limit would be done.
        used: at least this share of the limit.
        seconds: until all are created, at most.
        refused: at most this share of requests.
        options: of ``play``.
    """

    name: str
    limit: Callable[[], Limit]
    creates: int
    best: float = 0.0
    used: float = 0.0
    seconds: float = math.inf
    refused: float = 1.0
    options: dict[str, Any] = field(factory=dict)

    def play(self, **options: Any) -> Played:
        return play(self.limit(), self.creates, **self.options, **options)


def bucket(
    rate: float, burst: int, creates: int, *, used: float, refused: float, **options: Any
) -> Scene:
    return Scene(
        name=f"bucket of {rate:g}/s, burst {burst}",
        limit=lambda: TokenBucket(rate, burst=burst),
        creates=creates,
        best=(creates - burst) / rate,
        used=used,
        refused=refused,
        options=options,
    )


def window(left: float | None, latency: float, refused: float = 0.04) -> Scene:
    place = "begins with" if left is None else f"ends {left:g} s after"
    first = f"the first minute {place} the first request"
    return Scene(
        name=f"60 a minute, {first}, replies after {latency:g} s",
        limit=lambda: FixedWindow(60, 60.0) if left is None else AlignedWindow(60, 60.0, left=left),
        creates=600,
        seconds=11 * 60,
        refused=refused,
        options={"latency": latency, "jitter": 0.0},
    )


def told(requests: int, seconds: float, latency: float) -> Scene:
    return Scene(
        name=f"{requests} in {seconds:g} s with Retry-After, replies after {latency:g} s",
        limit=lambda: FixedWindow(requests, seconds, announce="retry_after"),
        creates=10 * requests,
        seconds=11 * seconds + 25 * latency,
        refused=1.2 * SLOTS / (10 * requests),
        options={"latency": latency, "jitter": 0.0},
    )


SCENES = [
    bucket(400, 100, 5000, used=0.93, refused=0.01, latency=0.005),
    bucket(20, 5, 600, used=0.85, refused=0.03),
    bucket(5, 1, 1000, used=0.8, refused=0.05),
    bucket(10, 1, 1000, used=0.8, refused=0.05),
    bucket(20, 1, 1000, used=0.8, refused=0.05),
    bucket(1, 20, 300, used=0.7, refused=0.1),
    *(
        window(left, latency)
        for left in (None, 5, 10, 20, 30, 45, 57)
        for latency in (0.02, 0.1, 0.3)
    ),
    *(
        told(requests, seconds, latency)
        for requests, seconds in ((60, 60.0), (300, 60.0), (10, 1.0))
        for latency in (0.02, 0.1, 0.3)
    ),
    Scene(
        name="no limit, one 429 with Retry-After: 30",
        limit=lambda: NoLimit(stray=300, retry_after=30),
        creates=1000,
        seconds=30 + 4,
    ),
    Scene(
        name="no limit, one 429 without a header",
        limit=lambda: NoLimit(stray=300),
        creates=1000,
        seconds=2.5,
    ),
    *(
        Scene(
            name=f"no limit, 1 % random 429s, {creates} creates",
            limit=lambda: NoLimit(share=0.01, seed=1),
            creates=creates,
            best=creates * 0.03 / SLOTS,
            used=1 / 3,
        )
        for creates in (2000, 5000)
    ),
    Scene(
        name="bucket of 20/s, burst 5, two clients of one key",
        limit=lambda: TokenBucket(20, burst=5),
        creates=2000,
        best=1995 / 20,
        used=0.85,
        refused=0.03,
        options={"clients": 2},
    ),
    Scene(
        name="bucket of 200/s, burst 50, two clients of one key",
        limit=lambda: TokenBucket(200, burst=50),
        creates=2000,
        best=1950 / 200,
        used=0.85,
        refused=0.03,
        options={"clients": 2, "latency": 0.01},
    ),
]


def table() -> str:
    """Return the table of the docs, in Markdown: of the latencies, the middle one."""
    lines = ["| server | creates | time | of the best | answered 429 |", "|---|---|---|---|---|"]
    for scene in SCENES:
        if "replies after" in scene.name and "after 0.1 s" not in scene.name:
            continue
        played = scene.play()
        best = f"{scene.best / played.seconds:.0%}" if scene.best else ""
        time = f"{played.seconds:,.1f} s"
        lines.append(
            f"| {scene.name} | {scene.creates:,} | {time} | {best} | {played.refused:.1%} |"
        )
    return "\n".join(lines)


WIDTH, HEIGHT, LEFT, TOP = 220, 120, 36, 30
PANELS: list[tuple[str, Callable[[], Limit], float | None, float, float]] = [
    ("100/s, then 200/s", lambda: Changing(40.0, bucket_of(100), bucket_of(200)), None, 100, 1),
    ("60 in each minute", lambda: FixedWindow(60, 60.0), 1.0, 300, 10),
    ("no limit, a 429 for 30 s", lambda: NoLimit(stray=3000, retry_after=30), None, 50, 1),
]


def bucket_of(rate: float) -> TokenBucket:
    return TokenBucket(rate, burst=round(rate / 4))


def picture() -> str:
    """Return the picture of the docs: requests let through per second, and those refused."""
    panels = [_panel(number, *panel) for number, panel in enumerate(PANELS)]
    width = (WIDTH + LEFT) * len(PANELS)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT + 60}">',
            '<g font-family="sans-serif" font-size="11" fill="#808080">',
            "  <title>Requests let through per second (line) and refused (ticks) over time</title>",
            *panels,
            "</g></svg>",
            "",
        ]
    )


def _panel(  # noqa: PLR0917 - one for each column of the list
    number: int,
    title: str,
    limit: Callable[[], Limit],
    known: float | None,
    seconds: float,
    step: float,
) -> str:
    played = play(limit(), 10**9, seconds=seconds)
    rates = [played.accepted(at, at + step) / step for at in _range(0, seconds, step)]
    highest = max(rates) if known is None else 3 * known
    left = LEFT + number * (WIDTH + LEFT)
    bottom = TOP + HEIGHT

    def x(at: float) -> float:
        return round(left + WIDTH * at / seconds, 1)

    def y(rate: float) -> float:
        return round(bottom - HEIGHT * min(rate, highest) / highest, 1)

    points = " ".join(f"{x((n + 0.5) * step)},{y(rate)}" for n, rate in enumerate(rates))
    refused = sorted({x(at) for at, admitted in played.answers if not admitted and at < seconds})
    ticks = "".join(f"M{at} {bottom}v6" for at in refused)
    return f"""  <text x="{left}" y="{TOP - 10}">{title}</text>
  <path d="M{left} {TOP}V{bottom}H{left + WIDTH}" fill="none" stroke="#808080"/>
  <polyline points="{points}" fill="none" stroke="#2f81f7" stroke-width="1.5"/>
  <path d="{ticks}" stroke="#e5534b"/>
  <text x="{left - 4}" y="{TOP + 10}" text-anchor="end">{highest:g}</text>
  <text x="{left - 4}" y="{bottom}" text-anchor="end">0</text>
  <text x="{left + WIDTH}" y="{bottom + 20}" text-anchor="end">{seconds:g} s</text>"""


def _range(begin: float, end: float, step: float) -> list[float]:
    return [begin + n * step for n in range(round((end - begin) / step))]


if __name__ == "__main__":
    print(table())  # noqa: T201 - what it is for
    (DOCS / "rates.svg").write_text(picture(), encoding="utf-8")
