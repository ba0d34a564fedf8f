"""Reports are what the server shows after the last write, also where it or others change things."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import virtual_time
from attrs import evolve
from builders import DIALECT

from bitpeak_async import (
    BitPeak,
    DuplicateError,
    EmailSettings,
    HandlerSpec,
    OutcomeUnknownError,
    ReplyError,
    RequestTimeoutError,
    Result,
    Retry,
    SlackSettings,
    TelegramSettings,
    Timeout,
    partial_report,
)
from bitpeak_async.sandbox import Dialect, Fault, Sandbox

Connect = Callable[..., BitPeak]
MAIL = EmailSettings("a@example.com")
NAMES = [
    "R&D",
    "o'rni",
    " padded ",
    "a  b",
    "<i>Qo'ng'iroq</i>",
    "x" * 80,
    "Тревога & сбой",
    "cafe\u0301",
]


def specs(count: int = 3) -> list[HandlerSpec]:
    return [HandlerSpec(f"n{n}", EmailSettings(f"{n}@example.com")) for n in range(count)]


def names(sandbox: Sandbox) -> Counter[str]:
    return Counter(each["name"] for each in sandbox.handlers)


def listings(sandbox: Sandbox) -> int:
    return sum("page" in request.query for request in sandbox.requests)


async def test_a_run_that_wrote_is_verified_by_one_listing(sandbox: Sandbox, bitpeak: BitPeak):
    report = await bitpeak.provision(specs(50))
    assert (True, True) == (report.ok, report.is_verified)
    assert 2 == listings(sandbox)
    assert (await bitpeak.provision(specs(50))).is_verified
    assert 3 == listings(sandbox)


async def test_a_run_may_do_without(sandbox: Sandbox, bitpeak: BitPeak):
    report = await bitpeak.provision(specs(), verify=False)
    assert (True, False) == (report.ok, report.is_verified)
    assert 1 == listings(sandbox)


@pytest.mark.parametrize("lost", [0.0, 0.3])
@pytest.mark.parametrize("secrets", ["clear", "masked", "hidden"])
async def test_texts_that_the_server_cleans_make_neither_copies_nor_updates(
    secrets: Any, lost: float, connect: Connect
):
    wanted = [
        HandlerSpec(name, SlackSettings(f"https://hooks.slack.com/{n}?a=1&b=2"), n % 2 > 0)
        for n, name in enumerate(NAMES)
    ]
    dialect = evolve(Dialect.platform(), secrets=secrets)
    async with Sandbox(dialect=dialect, seed=5) as sandbox, connect(sandbox) as bitpeak:
        for fault in (Fault.disconnect_after_commit(), Fault.disconnect_before_commit()):
            sandbox.inject(fault, method="POST", times=None, probability=lost / 2)
        report = await bitpeak.provision(wanted, prune="*")
        assert report.ok, report.failed + report.unresolved
        assert "'R&D' is kept by the server as 'R&amp;D'" in report.warnings
        sandbox.clear_faults()
        assert len(NAMES) == len(sandbox.handlers)
        before = sandbox.counts.copy()
        assert len(NAMES) == len((await bitpeak.provision(wanted, prune="*")).unchanged)
        assert {"GET"} == {method for method, _ in sandbox.counts - before}


async def test_what_the_server_keeps_otherwise_is_reported(connect: Connect):
    """A check box: any ``is_enabled`` in an update switches on."""
    dialect = evolve(DIALECT, sent_is_enabled="check_box")
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        [outcome] = (await bitpeak.provision([HandlerSpec("a", MAIL, is_enabled=False)])).failed
    assert isinstance(outcome.error, ReplyError)
    assert "shows other values than were sent for is_enabled" in str(outcome.error)


async def test_a_type_that_an_update_lost_is_reported(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.add(name="n0", type="slack", settings={"slack": "https://example.com/a"})
    sandbox.inject(Fault(stores={"type": None}), method="POST")
    [outcome] = (await bitpeak.provision(specs(1))).failed
    assert "shows other values than were sent for type" in str(outcome.error)


async def test_a_replica_that_lags_is_waited_for(connect: Connect):
    async with (
        Sandbox(dialect=evolve(DIALECT, replica_lag=0.3)) as sandbox,
        connect(sandbox, retry=Retry(base_delay=0.1)) as bitpeak,
    ):
        report = await bitpeak.provision(specs())
        assert (True, True) == (report.ok, report.is_verified)


async def test_what_never_shows_is_unresolved(connect: Connect):
    async with (
        Sandbox(dialect=evolve(DIALECT, replica_lag=60)) as sandbox,
        connect(sandbox) as bitpeak,
    ):
        report = await bitpeak.provision(specs(1))
    [outcome] = report.unresolved
    assert "the server does not list handler 1" in str(outcome.error)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=501), "501"),
        (Fault(headers={"Age": "3"}), r"a cache answered \(Age: 3\)"),
    ],
)
async def test_a_listing_that_fails_leaves_the_report_unverified(
    fault: Fault, reason: str, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(fault, method="GET", after=1, times=None)
    report = await bitpeak.provision(specs())
    assert (3, False) == (len(report.created), report.is_verified)
    [warning] = report.warnings
    assert re.search(f"the report is not verified: .*{reason}", warning)


async def test_a_run_whose_first_listing_comes_from_a_cache_writes_nothing(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(Fault(headers={"X-Cache": "HIT"}), method="GET")
    with pytest.raises(ReplyError, match="a cache answered"):
        await bitpeak.provision(specs())
    assert [] == sandbox.handlers


async def test_an_update_whose_reply_was_lost_is_what_the_listing_shows(
    sandbox: Sandbox, connect: Connect
):
    sandbox.add(name="n0", type="email", settings={"email": "old@example.com"})
    sandbox.inject(Fault(status=500, commits=True), method="POST", times=None)
    async with connect(sandbox) as bitpeak:
        assert 1 == len((await bitpeak.provision(specs(1))).updated)


# Others


@pytest.mark.parametrize("lost", [0.0, 0.1])
@pytest.mark.parametrize("runs", [2, 5])
def test_runs_that_overlap_end_with_each_name_once(runs: int, lost: float, connect: Connect):
    virtual_time.run(overlapping(runs, lost, connect, seed=runs))


async def overlapping(runs: int, lost: float, connect: Connect, seed: int) -> None:
    retry = Retry(base_delay=10)  # so that each run outlasts what the others settle
    wanted = [HandlerSpec(f"n{n}", TelegramSettings(f"{n}:a", "-1"), n % 3 > 0) for n in range(60)]
    async with Sandbox(dialect=DIALECT, seed=seed) as sandbox:
        for fault in (Fault.disconnect_after_commit(), Fault.disconnect_before_commit()):
            sandbox.inject(fault, method="POST", times=None, probability=lost)

        async def run() -> Any:
            async with connect(sandbox, retry=retry) as bitpeak:
                return await bitpeak.provision(wanted)

        reports = await asyncio.gather(*(run() for _ in range(runs)))
        assert {spec.name: 1 for spec in wanted} == names(sandbox)
        ids = {each["name"]: each["id"] for each in sandbox.handlers}
        for report in reports:
            assert report.ok, report.failed + report.unresolved
            assert ids == {each.change.name: each.handler_id for each in report.outcomes}
        assert any(report.adopted for report in reports)
        async with connect(sandbox) as bitpeak:
            assert (await bitpeak.plan(wanted)).is_empty


async def test_a_copy_that_somebody_changed_is_not_removed(sandbox: Sandbox, bitpeak: BitPeak):
    def meddle(request: Any) -> bool:
        """Somebody else makes the handler first, and edits ours before it is removed."""
        if request.method == "POST" and not sandbox.handlers:
            sandbox.add(name="n0", type="email", settings={"email": "0@example.com"})
        return False

    def edited(body: Any) -> Any:
        body["data"]["settings"] = {"email": "people@example.com"}
        return body

    sandbox.inject(Fault(), when=meddle, times=None)
    sandbox.inject(Fault(edits=edited), method="GET", path="*/2", times=None)
    [outcome] = (await bitpeak.provision(specs(1))).unresolved
    assert isinstance(outcome.error, DuplicateError)
    assert (1, (2,)) == (outcome.error.handler_id, outcome.error.duplicates)
    assert {"n0": 2} == names(sandbox)


async def test_what_somebody_changed_is_not_pruned(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.add(name="old", type="email", settings={"email": "0@example.com"})

    def edited(body: Any) -> Any:
        body["data"]["name"] = "mine"
        return body

    sandbox.inject(Fault(edits=edited), method="GET", path="*/1")
    report = await bitpeak.provision(specs(1), prune="old*")
    assert ["'old' changed during the run and was not deleted; plan again"] == [
        str(outcome.error) for outcome in report.failed
    ]
    assert {"old": 1, "n0": 1} == names(sandbox)


async def test_somebody_elses_handler_is_brought_to_the_spec(sandbox: Sandbox, bitpeak: BitPeak):
    def meddle(request: Any) -> bool:
        if request.method == "POST" and not sandbox.handlers:
            sandbox.add(name="n0", type="email", settings={"email": "other@example.com"})
        return False

    sandbox.inject(Fault(), when=meddle, times=None)
    report = await bitpeak.provision(specs(1))
    [outcome] = report.adopted
    assert (Result.ADOPTED, 1) == (outcome.result, outcome.handler_id)
    assert [{"email": "0@example.com"}] == [each["settings"] for each in sandbox.handlers]
    assert report.summary.startswith("0 created, 1 adopted, ")


# What plans may say


@pytest.mark.parametrize("omitted", ["keep", "disable"])
async def test_a_switch_stays_as_people_set_it(omitted: Any, connect: Connect):
    dialect = evolve(DIALECT, omitted_is_enabled=omitted)
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        for n, is_enabled in enumerate([True, False]):
            settings = {"email": "old@example.com"}
            sandbox.add(name=f"n{n}", type="email", settings=settings, is_enabled=is_enabled)
        wanted = [evolve(spec, is_enabled=None) for spec in specs(3)]
        assert (await bitpeak.provision(wanted)).ok
        assert [True, False, True] == [each["is_enabled"] for each in sandbox.handlers]
        assert (await bitpeak.plan(wanted)).is_empty


async def test_a_rename_keeps_the_id(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.add(name="old", type="email", settings={"email": "0@example.com"})
    wanted = [evolve(specs(1)[0], renamed_from="old")]
    plan = await bitpeak.plan(wanted, prune="*")
    assert 1 == len((await bitpeak.apply(plan)).updated)
    assert [(1, "n0")] == [(each["id"], each["name"]) for each in sandbox.handlers]
    assert (await bitpeak.plan(wanted, prune="*")).is_empty


async def test_hidden_secrets_are_sent_again_on_demand(connect: Connect):
    async with (
        Sandbox(dialect=evolve(DIALECT, secrets="hidden")) as sandbox,
        connect(sandbox) as bitpeak,
    ):
        sandbox.add(
            name="bot", type="telegram", settings={"telegram": "old", "telegram_chat_id": "-1"}
        )
        wanted = [HandlerSpec("bot", TelegramSettings("new", "-1"))]
        assert 1 == len((await bitpeak.plan(wanted)).uncompared)
        assert (await bitpeak.provision(wanted)).updated == ()
        plan = await bitpeak.plan(wanted, resend_secrets="b*")
        assert 1 == len((await bitpeak.apply(plan)).updated)
        assert "new" == sandbox.handlers[0]["settings"]["telegram"]


# Ends


async def test_a_timeout_is_a_timeout_and_holds_the_report(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault.stall(), method="POST", after=2, times=None)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            await bitpeak.provision(specs(3), grace=0.1)
    with pytest.raises(TimeoutError) as waited:
        await asyncio.wait_for(bitpeak.provision(specs(4), grace=0.1), 1)
    for error in (caught.value, waited.value):
        report = partial_report(error)
        assert report is not None
        assert not report.is_verified
        assert report.unresolved
    assert partial_report(ValueError()) is None


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_deadline_bounds_a_run_with_all_its_waits(
    method: str, sandbox: Sandbox, connect: Connect
):
    sandbox.inject(Fault.disconnect_before_commit(), method="POST", times=None)
    async with connect(sandbox, retry=Retry(unknown_outcome_delay=60)) as bitpeak:
        began = asyncio.get_running_loop().time()
        with pytest.raises(RequestTimeoutError, match=r"within the deadline of 0\.5 s") as caught:
            await bitpeak.with_options(deadline=0.5).provision(specs(3))
        assert asyncio.get_running_loop().time() - began < 3
        report = partial_report(caught.value)
        assert report is not None
        assert 3 == len(report.unresolved)


async def test_a_deadline_bounds_a_plan(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.seed_handlers(30)
    sandbox.inject(Fault.slow(0.2), times=None)
    with pytest.raises(RequestTimeoutError):
        await bitpeak.with_options(deadline=0.1).plan(specs(3))


async def test_a_deadline_bounds_create_many(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault.disconnect_before_commit(), method="POST", after=2, times=None)
    async with connect(sandbox, retry=Retry(unknown_outcome_delay=60)) as bitpeak:
        outcomes = []
        with pytest.raises(RequestTimeoutError):
            async for outcome in bitpeak.with_options(
                deadline=0.5
            ).notification_handlers.create_many(specs(5)):
                outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts
    assert [None] * 2 == [outcome.error for outcome in outcomes[:2]]
    assert [OutcomeUnknownError] * 3 == [type(outcome.error) for outcome in outcomes[2:]]


async def test_the_grace_holds_while_lost_creates_are_settled(sandbox: Sandbox, connect: Connect):
    """A create that is sent again while the run is cancelled has its time to end."""
    sandbox.inject(Fault.disconnect_before_commit(), method="POST")
    sandbox.inject(Fault.slow(1), method="POST")
    async with connect(sandbox, timeout=Timeout(total=5)) as bitpeak:
        task = asyncio.create_task(bitpeak.provision(specs(1), grace=5))
        # Recorded as they end: the list, the lost create, the list again; then it is sent again.
        async with asyncio.timeout(30):
            while len(sandbox.requests) < 3 or not sandbox.in_flight:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    report = partial_report(caught.value)
    assert report is not None
    assert [1] == [outcome.handler_id for outcome in report.outcomes]
