"""One simulated day, drawn from a seed: runs, faults, people, other provisioners; and an oracle.

Everything is drawn from the seed, and time is virtual: a seed always tells the same story.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any, Final

import virtual_time
from attrs import asdict, define, evolve, field, frozen

from bitpeak_async import (
    BitPeak,
    BitPeakError,
    CreateOutcome,
    Delete,
    DuplicateError,
    EmailSettings,
    HandlerSpec,
    OutcomeUnknownError,
    Pace,
    Report,
    Result,
    Retry,
    Settings,
    SlackSettings,
    TelegramSettings,
    Timeout,
    partial_report,
)
from bitpeak_async._bulk.identity import text_key
from bitpeak_async.client import client_over
from simulation.model import CALM, Dialect, Kept, ModelExchange, ModelServer, State, Weather

TOTAL: Final = 30.0  # the default timeout
LAG: Final = 3.0
PATIENCE: Final = 12 * 3600.0  # virtual seconds that a run may take

NAMES: Final = (
    "ops", "mail", "R&D", "o'rni", " padded ", "a  b", "Qo'ng'iroq <1>", "Тревога & сбой", "Ops",
    "cafe\u0301", "x" * 80, "Bildirishnoma & ogohlantirish " * 5, "team &amp; co", "n1", "n2",
)  # fmt: skip


FATES: Final = (
    "refused", "lost_before", "lost_after", "late", "stalled", "truncated", "failed", "throttled",
)  # fmt: skip


class ViolationError(AssertionError):
    """A promise was broken."""


@frozen
class Draw:
    """All that a seed decides before the story begins."""

    dialect: Dialect
    weather: Weather
    specs: list[HandlerSpec]
    rivals: str
    rival_specs: list[HandlerSpec]
    prune: str | None
    people: int
    interruptions: list[tuple[str, float]]
    streams: bool


def draw(rng: random.Random) -> Draw:
    """Draw a story."""
    width = rng.choice((None, None, None, 64, 255))
    lag = rng.choice((0.0, 0.0, 0.0, LAG))
    dialect = Dialect(
        trims=rng.random() < 0.5,
        squeezes=rng.random() < 0.3,
        escapes=rng.choice((0, 0, 1, 2)),
        composes=rng.random() < 0.3,
        width=width,
        lowers_emails=rng.random() < 0.3,
        secrets=rng.choice(("clear", "clear", "masked", "hidden")),
        lag=lag,
        newest_first=rng.random() < 0.3,
        # Pages of replicas that disagree may miss a handler while others are deleted: a bound.
        page_size=1000 if lag else rng.choice((1000, 1000, 3)),
        omitted_switches_off=rng.random() < 0.3,
    )
    bad = rng.choice((0.0, 0.02, 0.05, 0.1))
    fates = {fate: bad * rng.random() for fate in FATES}
    if rng.random() < 0.3:  # one fault alone, and often
        fates = {rng.choice(FATES): rng.uniform(0.05, 0.25)}
    weather = Weather(latency=rng.choice((0.02, 0.3)), **fates)
    names = rng.sample(NAMES, rng.randint(1, 8))
    specs = [HandlerSpec(name, _settings(rng), rng.random() < 0.7) for name in names]
    streams = rng.random() < 0.15
    rivals = "" if streams else rng.choice(("", "", "", "B", "BCDE"))
    rival_specs = [spec for spec in specs if rng.random() < 0.8]
    if rng.random() < 0.15:
        rival_specs = [evolve(spec, settings=_settings(rng)) for spec in rival_specs]
    interruptions = [
        (rng.choice(("cancel", "crash", "deadline")), rng.uniform(0.01, 5) ** 2)
        for _ in range(rng.choice((0, 0, 0, 1, 2)))
        if not streams
    ]
    return Draw(
        dialect,
        weather,
        specs * rng.choice((1, 2)) if streams else specs,
        rivals if rival_specs else "",
        rival_specs,
        "old*" if rng.random() < 0.3 and not streams else None,
        0 if streams else rng.choice((0, 0, 0, 1, 3)),
        interruptions,
        streams,
    )


def _settings(rng: random.Random) -> Settings:
    number = rng.randint(1, 9)
    return rng.choice(
        (
            EmailSettings(f"Ops.{number}@Example.com"),
            SlackSettings(f"https://hooks.slack.com/{number}?a=1&b=2"),
            TelegramSettings(f"{number}:abc", f"-{number}"),
        )
    )


@define(eq=False)
class _Network:
    exchange: ModelExchange
    can_rebind = False
    limit = None

    def connections(self, headers: object, options: object) -> Any:
        return self

    def new_limiter(self, limiters: Any) -> Any:
        return limiters.make

    def open(self, slots: int) -> ModelExchange:
        return self.exchange

    def check(self) -> None: ...

    async def close(self) -> None: ...


@define(eq=False)
class Scene:
    """A story as it unfolds."""

    seed: int
    rng: random.Random = field(init=False)
    story: Draw = field(init=False)
    server: ModelServer = field(init=False)
    is_disturbed: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        random.seed(self.seed)  # the SDK's jitter
        self.story = draw(self.rng)
        # What a lost create made cannot be told from a rival's handler where secrets are hidden.
        self.is_disturbed = bool(self.story.rivals) and self.story.dialect.secrets != "clear"
        self.server = ModelServer(self.story.dialect, self.rng, self.story.weather)

    def client(self, who: str) -> BitPeak:
        retry = Retry(duplicate_check_delay=0, base_delay=self.rng.choice((0.5, 0.5, 10.0)))
        exchange = ModelExchange(self.server, who)
        pace = Pace(in_flight=self.rng.choice((1, 3, 16)))
        return client_over(
            _Network(exchange),
            "key",
            base_url="http://localhost/api",
            retry=retry,
            pace=pace,
            timeout=Timeout(total=TOTAL),
        )

    async def play(self) -> None:
        """Live through it; raise ViolationError where a promise is broken."""
        story = self.story
        self._furnish()
        await asyncio.sleep(LAG + 1)
        if story.streams:
            await self._stream()
        else:
            people = [asyncio.create_task(self._meddle()) for _ in range(story.people)]
            rivals = [asyncio.create_task(self._rival(who)) for who in story.rivals]
            for kind, after in story.interruptions:
                await self._interrupted(kind, after)
            await self._run("A")
            for other in (*people, *rivals):
                await other
        await self._calm_down()
        if not story.streams:
            await self._quiet()
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            raise ViolationError(f"tasks are left: {left}")

    def _furnish(self) -> None:
        for number in range(self.rng.choice((0, 2, 12))):
            form = {"name": f"old {number}", "type": "email", "email": f"{number}@example.com"}
            self.server.create("people", form)
        for spec in self.story.specs:
            if self.rng.random() < 0.25 and not self.story.streams:
                settings = spec.settings if self.rng.random() < 0.5 else _settings(self.rng)
                self.server.create("people", form_of(spec.name, settings))

    # Actors

    async def _run(self, who: str, specs: list[HandlerSpec] | None = None) -> None:
        """One provisioning to its end, checked."""
        client = self.client(who)
        specs = self.story.specs if specs is None else specs
        prune = self.story.prune if who == "A" else None
        began = self.server.now
        try:
            async with client:
                report = await self._bounded(client.provision(specs, prune=prune, force=True))
        except BitPeakError as error:
            self.server.tell(who, f"refused: {error}")
            return
        self._report(who, report)
        self._check(who, specs, report, began)

    async def _bounded(self, run: Coroutine[Any, Any, Report]) -> Report:
        began = self.server.now
        report = await run
        if self.server.now - began > PATIENCE:
            raise ViolationError("a run took hours")
        return report

    async def _rival(self, who: str) -> None:
        await asyncio.sleep(self.rng.choice((0.0, self.rng.uniform(0, 3))))
        await self._run(who, self.story.rival_specs)

    async def _interrupted(self, kind: str, after: float) -> None:
        """A run that is cancelled, or killed, after some seconds; the next waits a timeout."""
        self.is_disturbed = True
        client = self.client("A")
        grace = 0.0 if kind == "crash" else 2.0
        caught: BaseException | None = None
        async with client:
            if kind == "deadline":
                client = client.with_options(deadline=after)
            run = client.provision(self.story.specs, grace=grace)
            task = asyncio.ensure_future(run)
            if kind != "deadline":
                await asyncio.wait({task}, timeout=after)
                task.cancel()
            try:
                await task
            except (asyncio.CancelledError, BitPeakError) as error:
                caught = error
        self.server.tell("A", f"{kind}: {caught!r}")
        report = partial_report(caught)
        if report is not None and kind != "crash":
            self._report("A", report)
            self._check_partial(report)
        await asyncio.sleep(TOTAL + LAG)

    async def _meddle(self) -> None:
        """A person edits, renames or deletes something."""
        await asyncio.sleep(self.rng.expovariate(1 / 10))
        state = self.server.state
        if not state:
            return
        self.is_disturbed = True
        kept = state[self.rng.choice(sorted(state))]
        match self.rng.choice(("edit", "switch", "rename", "delete", "add")):
            case "edit":
                self.server.update(
                    "people", kept.id, form_of(None, _settings(self.rng)) | _on(kept)
                )
            case "switch":
                self.server.update("people", kept.id, {"is_enabled": str(int(not kept.is_enabled))})
            case "rename":
                self.server.update("people", kept.id, {"name": f"mine {kept.id}"} | _on(kept))
            case "delete":
                self.server.delete("people", kept.id)
            case "add":
                form = {"name": "someone's", "type": "email", "email": "s@example.com"}
                self.server.create("people", form)

    # The oracle

    @property
    def _is_storm(self) -> bool:
        weather = asdict(self.story.weather)
        return sum(weather.values()) - self.story.weather.latency > 0.3

    def _report(self, who: str, report: Report) -> None:
        self.server.tell(who, f"REPORT verified={report.is_verified} {report.summary}")
        for outcome in report.outcomes:
            if outcome.error:
                self.server.tell(who, f"  {outcome.change.name[:30]!r}: {outcome.error}")

    def _check(self, who: str, specs: list[HandlerSpec], report: Report, began: float) -> None:
        """Each outcome was so at some moment after the last write, as far as replicas lag."""
        # In a storm a run may give up before it has removed its copies, and says so.
        allowed = OutcomeUnknownError | DuplicateError if self._is_storm else OutcomeUnknownError
        unknown = any(isinstance(o.error, allowed) for o in report.outcomes)
        self.is_disturbed |= unknown or not report.is_verified
        since = max(began, self.server.written.get(who, began)) - LAG
        gone = {kept.id for _, actor, kept in self.server.deletions if actor == who}
        states = [
            {key: kept for key, kept in state.items() if key not in gone}
            for state in self._states(since)
        ]
        for outcome in report.outcomes:
            if isinstance(outcome.change, Delete):
                is_gone = outcome.handler_id not in self.server.state
                if outcome.result is Result.DELETED and not is_gone:
                    raise ViolationError(f"{outcome} is still there")
            elif outcome.error is None and report.is_verified:
                spec = outcome.change.spec
                # What is hidden is not compared, nor seen when somebody else overwrites it.
                has_others = self.story.rivals or self.story.people
                is_shown = outcome.result is Result.UNCHANGED or bool(has_others)
                handler_id = outcome.handler_id
                is_alone = any(self._is_alone(spec, handler_id, state) for state in states)
                # The page of a handler and the page of its copy are read at two moments.
                is_one_page = self.story.dialect.page_size > len(self.server.state)
                is_so = any(
                    self._is_as(spec, state[handler_id], shown=is_shown)
                    for state in states
                    if handler_id in state
                    if not is_one_page or self._is_alone(spec, handler_id, state)
                )
                if not (is_alone and is_so):
                    raise ViolationError(
                        f"{who}: {outcome.result} {spec.name!r} {outcome.handler_id}"
                    )
        self._check_deletions(who)

    def _states(self, since: float, until: float = math.inf) -> Iterator[State]:
        yield self.server.state_at(since)
        for moment, state in self.server.history:
            if since < moment <= until:
                yield state

    def _is_so(
        self, spec: HandlerSpec, handler_id: int | None, state: State, *, shown: bool
    ) -> bool:
        return self._is_alone(spec, handler_id, state) and self._is_as(
            spec, state[handler_id or 0], shown=shown
        )

    def _is_alone(self, spec: HandlerSpec, handler_id: int | None, state: State) -> bool:
        return [handler_id] == [k.id for k in state.values() if self._stands_for(spec, k)]

    def _stands_for(self, spec: HandlerSpec, kept: Kept) -> bool:
        return kept.name in (self.server.dialect.name(spec.name), spec.name)

    def _is_as(self, spec: HandlerSpec, kept: Kept, *, shown: bool = False) -> bool:
        """Whether a handler is as its spec says, or at least what is shown of it."""
        form, dialect = form_of(None, spec.settings), self.server.dialect
        if kept.type != form.pop("type") or spec.is_enabled not in (None, kept.is_enabled):
            return False
        sent = {key: dialect.value(key, value) for key, value in form.items()}
        if not shown:
            return sent == kept.settings
        return all(
            dialect.shown(k, sent[k]) == dialect.shown(k, kept.settings.get(k, "")) for k in sent
        )

    def _check_deletions(self, who: str) -> None:
        """A run deletes what it made; and twins of what it may have made, its reply being lost."""
        for moment, actor, kept in self.server.deletions:
            if actor == who and (who, kept.id) not in self.server.looked_at:
                raise ViolationError(f"{who} deleted {kept.id} without looking at it again")
            # No request deletes on a condition: what was read may have changed since.
            before = [*self._states(moment - LAG - 2 * TOTAL, moment)]
            names = [state[kept.id].name for state in before if kept.id in state]
            is_pruned = any(name.startswith("old") for name in names)
            if actor != who or kept.maker == who or is_pruned:
                continue
            has_twin = any(
                (each.name, each.type, each.settings) == (kept.name, kept.type, kept.settings)
                and each.id < kept.id
                for state in before
                for each in state.values()
            )
            lost = {self.server.dialect.name(n) for w, n in self.server.unanswered if w == who}
            if not has_twin or kept.name not in lost:
                raise ViolationError(
                    f"{who} deleted {kept.id} {kept.name!r}, which {kept.maker} made"
                )

    def _check_partial(self, report: Report) -> None:
        for outcome in report.outcomes:
            if outcome.result is Result.CREATED and outcome.error is None:
                maker = [kept for _, state in self.server.history for kept in state.values()]
                if outcome.handler_id not in {kept.id for kept in maker}:
                    raise ViolationError(
                        f"a partial report names {outcome.handler_id}, which never was"
                    )

    # Afterwards

    async def _calm_down(self) -> None:
        self.server.weather = CALM
        self.server.paused_until = 0.0
        while self.server.pending:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(1)
        await asyncio.sleep(LAG + 1)

    async def _quiet(self) -> None:
        """With nobody else about, one run reaches the desired state, and the next writes nothing.

        Where a run died, or people meddled, a name may be there twice: then every run says so.
        """
        specs = self.story.specs
        for attempt in range(2):
            before = self.server.writes
            async with self.client("A") as client:
                report = await client.provision(specs, prune=self.story.prune, force=True)
            self._report("A", report)
            for outcome in report.outcomes:
                if isinstance(outcome.change, Delete):
                    continue
                spec, state = outcome.change.spec, self.server.state
                if outcome.error is None:
                    if not self._is_so(spec, outcome.handler_id, state, shown=True):
                        raise ViolationError(f"quiet: {spec.name!r} is not as desired: {outcome}")
                    continue
                if not self.is_disturbed:
                    raise ViolationError(f"quiet: {spec.name!r}: {outcome.error}")
            if attempt and self.server.writes != before:
                raise ViolationError("the third run writes")
            await asyncio.sleep(LAG + 1)  # what the next run lists shows what this one wrote
        self._check_deletions("A")

    async def _stream(self) -> None:
        """``create_many``: as many handlers as specs, none twice."""
        outcomes: list[CreateOutcome] = []
        async with self.client("A") as client:
            try:
                async for outcome in client.notification_handlers.create_many(self.story.specs):
                    outcomes.append(outcome)  # noqa: PERF401 - kept if it fails
            except BitPeakError as error:
                self.server.tell("A", f"refused: {error}")
                if any(kept.maker == "A" for kept in self.server.state.values()):
                    raise ViolationError("it began to create and raised") from error
                return
        await self._calm_down()
        for outcome in outcomes:
            self.server.tell(
                "A", f"{outcome.spec.name[:20]!r} {outcome.handler_id} {outcome.error}"
            )
        self._check_stream(outcomes)

    def _check_stream(self, outcomes: list[CreateOutcome]) -> None:
        if len(outcomes) != len(self.story.specs):
            raise ViolationError("an outcome is missing")
        ids = Counter(o.handler_id for o in outcomes if o.handler_id is not None)
        made = {k.id: k for k in self.server.state.values() if k.maker == "A"}
        if any(count > 1 for count in ids.values()):
            raise ViolationError("two outcomes of one handler")
        for outcome in outcomes:
            if outcome.error is None:
                kept = made.get(outcome.handler_id or 0)
                if kept is None or not self._is_as(outcome.spec, kept):
                    raise ViolationError(
                        f"{outcome.spec.name!r} is not there as {outcome.handler_id}"
                    )
        known = {text_key(o.spec.name) for o in outcomes if o.error is not None}
        for kept in made.values():
            if kept.id not in ids and not known:
                raise ViolationError(
                    f"{kept.id} {kept.name!r} was made, and no outcome tells of it"
                )


def _on(kept: Kept) -> dict[str, str]:
    return {"is_enabled": str(int(kept.is_enabled))}


def form_of(name: str | None, settings: Settings) -> dict[str, str]:
    match settings:
        case EmailSettings(email):
            fields = {"email": email}
        case SlackSettings(url):
            fields = {"slack": url}
        case TelegramSettings(token, chat):
            fields = {"telegram": token, "telegram_chat_id": chat}
    return {**({"name": name} if name else {}), "type": str(settings.type), **fields}


def simulate(seed: int) -> Scene:
    """Live through a seed's story; raise ViolationError where a promise is broken."""
    scene = Scene(seed)
    virtual_time.run(scene.play())
    return scene


def violation_of(seed: int) -> tuple[BaseException, Scene] | None:
    """Return what a seed broke, with the scene it broke it in."""
    scene = Scene(seed)
    try:
        virtual_time.run(scene.play())
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - any is a violation
        return error, scene
    return None
