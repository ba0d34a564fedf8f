"""Applying plans over real sockets: the desired state, a report, a second run without writes."""

import asyncio
import pickle
from typing import Any

import pytest
from attrs import evolve
from builders import DIALECT, Connect

from bitpeak_async import (
    BitPeak,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    Outcome,
    Pace,
    PermissionDeniedError,
    Plan,
    PlanError,
    ProvisionError,
    Result,
    ServerError,
    SlackSettings,
    TelegramSettings,
    ValidationError,
    partial_report,
)
from bitpeak_async.sandbox import Dialect, Fault, Sandbox


def specs(count: int) -> list[HandlerSpec]:
    return [
        HandlerSpec(f"n{i}", TelegramSettings(f"{i}:secret", f"-{i}"), is_enabled=i % 3 > 0)
        for i in range(1, count + 1)
    ]


def state(sandbox: Sandbox) -> dict[str, tuple[Any, Any]]:
    return {each["name"]: (each["settings"], each["is_enabled"]) for each in sandbox.handlers}


def desired_state(wanted: list[HandlerSpec]) -> dict[str, tuple[Any, Any]]:
    return {
        spec.name: (
            {"telegram": spec.settings.api_token, "telegram_chat_id": spec.settings.chat_id},
            spec.is_enabled,
        )
        for spec in wanted
        if isinstance(spec.settings, TelegramSettings)
    }


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(secrets="masked"),
        Dialect(secrets="hidden"),
        Dialect(settings_update="replace", omitted_is_enabled="disable"),
        Dialect(ids="string", booleans="string", max_results_per_page=250, order="descending"),
        Dialect.platform(),
    ],
    ids=[
        "documented",
        "masked secrets",
        "hidden secrets",
        "replacing updates",
        "strings",
        "platform",
    ],
)
async def test_the_desired_state_is_reached_and_a_second_run_writes_nothing(
    dialect: Dialect, connect: Connect
):
    wanted = specs(60)
    mail = {"email": "x@example.com"}
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        sandbox.add(name="not ours", type="email", settings=mail)
        other_chat = {"telegram": "1:secret", "telegram_chat_id": "0"}
        sandbox.add(name="n1", type="telegram", settings=other_chat)
        sandbox.add(name="n2", type="email", settings=mail)
        report = await bitpeak.provision(wanted)
        results = report.created, report.updated, report.unchanged, report.failed
        assert (58, 2, 0, 0) == tuple(map(len, results))
        assert report.ok
        assert {**desired_state(wanted), "not ours": (mail, True)} == state(sandbox)
        before = sandbox.counts.copy()
        again = await bitpeak.provision(wanted)
        assert "0 created, 0 updated, 60 unchanged, 0 failed" == again.summary
        assert {"GET"} == {method for method, _ in sandbox.counts - before}
        again.raise_for_failures()


async def test_one_failure_never_stops_the_others(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault(status=422), when=lambda request: request.fields.get("name") == "n7")
    sandbox.inject(Fault.disconnect_after_commit(), when=lambda r: r.fields.get("name") == "n8")
    for _ in range(2):
        sandbox.add(name="n9", type="email", settings={"email": "x@example.com"})
    seen: list[Outcome] = []
    report = await bitpeak.provision(specs(20), on_outcome=seen.append)
    assert [f"n{i}" for i in range(1, 21)] == [each.change.spec.name for each in report.outcomes]
    assert {"n7": ValidationError, "n9": PlanError} == {
        each.change.spec.name: type(each.error) for each in report.failed
    }
    assert 18 == len(report.created)
    assert 1 == [each["name"] for each in sandbox.handlers].count("n8")
    assert sorted(map(id, report.outcomes)) == sorted(map(id, seen))
    with pytest.raises(ProvisionError, match="2 of 20 changes failed; the first: ") as caught:
        report.raise_for_failures()
    assert {ValidationError, PlanError} == set(map(type, caught.value.errors))
    assert "18 created, 0 updated, 0 unchanged, 2 failed" == report.summary


async def test_a_crashed_run_is_resumed_by_running_again(sandbox: Sandbox, connect: Connect):
    wanted = specs(50)
    sandbox.inject(Fault(status=400), after=25, times=None, method="POST")
    async with connect(sandbox) as bitpeak:
        assert not (await bitpeak.provision(wanted)).ok
        sandbox.clear_faults()
        assert (await bitpeak.provision(wanted)).ok
        assert 50 == len((await bitpeak.provision(wanted)).unchanged)
    assert desired_state(wanted) == state(sandbox)
    assert 50 == len(sandbox.handlers)


async def test_planning_writes_nothing(sandbox: Sandbox, bitpeak: BitPeak):
    plan = await bitpeak.plan(specs(10))
    assert 10 == len(plan.changes)
    assert {"GET"} == {request.method for request in sandbox.requests}


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_a_failed_page_fails_the_plan(page: int, sandbox: Sandbox, bitpeak: BitPeak):
    """Half a listing would make everything on the other half again."""
    sandbox.seed_handlers(2500)
    sandbox.inject(Fault(status=501), when=lambda r: r.query.get("page") == str(page))
    with pytest.raises(ServerError):
        await bitpeak.provision(specs(10))
    assert {"GET"} == {request.method for request in sandbox.requests}


async def test_what_cannot_be_sent_fails_before_anything_is_read(
    sandbox: Sandbox, bitpeak: BitPeak
):
    twice = [HandlerSpec("a", EmailSettings("a@example.com")), HandlerSpec("a", SlackSettings("x"))]
    with pytest.raises(PlanError):
        await bitpeak.provision(twice)
    assert 0 == len(sandbox.requests)


async def test_a_new_handler_that_cannot_be_disabled_is_failed_but_named(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(Fault(status=422), path="/notification-handlers/1")
    spec = HandlerSpec("a", EmailSettings("a@example.com"), is_enabled=False)
    [outcome] = (await bitpeak.provision([spec])).outcomes
    assert (Result.FAILED, 1) == (outcome.result, outcome.handler_id)
    [outcome] = (await bitpeak.provision([spec])).outcomes
    assert (Result.UPDATED, 1) == (outcome.result, outcome.handler_id)
    assert [False] == [each["is_enabled"] for each in sandbox.handlers]


async def test_a_plan_gone_stale_is_refused_before_anything_is_written(
    sandbox: Sandbox, bitpeak: BitPeak
):
    mail = {"email": "x@example.com"}
    sandbox.add(name="n1", type="email", settings=mail)
    plan = await bitpeak.plan(specs(3))
    await bitpeak.notification_handlers.update(1, settings=EmailSettings("y@example.com"))
    sandbox.add(name="n2", type="email", settings=mail)
    before = sandbox.handlers
    with pytest.raises(PlanError, match="the plan is stale: 'n1', 'n2' changed since") as caught:
        await bitpeak.apply(plan)
    assert 2 == len(caught.value.problems)
    assert before == sandbox.handlers


async def test_what_somebody_did_meanwhile_as_planned_is_fine(sandbox: Sandbox, bitpeak: BitPeak):
    plan = await bitpeak.plan(specs(3))
    await bitpeak.provision(specs(2))
    report = await bitpeak.apply(plan)
    assert "1 created, 0 updated, 2 unchanged, 0 failed" == report.summary


async def test_cancelling_lets_what_is_under_way_end_and_tells_what_was_done(
    sandbox: Sandbox, connect: Connect
):
    sandbox.inject(Fault.slow(0.2), method="POST", times=None)
    async with connect(sandbox, pace=Pace(in_flight=4)) as bitpeak:
        task = asyncio.create_task(bitpeak.provision(specs(40), grace=5))
        while sandbox.in_flight < 4:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    report = partial_report(caught.value)
    assert report is not None
    assert 4 == len(report.created) == len(sandbox.handlers)
    assert not report.is_verified


async def test_a_second_cancellation_ends_the_grace(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault.stall(), method="POST", times=None)
    async with connect(sandbox) as bitpeak:
        task = asyncio.create_task(bitpeak.provision(specs(40), grace=3600))
        for _ in range(2):
            while not sandbox.in_flight:  # noqa: ASYNC110 - the sandbox has no event for it
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


async def test_what_the_plan_calls_unchanged_is_not_written(sandbox: Sandbox, bitpeak: BitPeak):
    mail = EmailSettings("a@example.com")
    sandbox.add(name="a", type="email", settings={"email": mail.email})
    plan = await bitpeak.plan([HandlerSpec("a", mail)])
    await bitpeak.notification_handlers.update(1, settings=EmailSettings("b@example.com"))
    before = sandbox.handlers
    with pytest.raises(PlanError, match="'a' changed since"):
        await bitpeak.apply(plan)
    assert before == sandbox.handlers


@pytest.mark.parametrize(
    ("fault", "method", "after"),
    [(Fault.stall(commits=True), "POST", 0), (Fault.stall(), "GET", 1)],
    ids=["under way", "while it is settled"],
)
async def test_a_cancelled_run_names_the_creates_it_knows_nothing_of(
    fault: Fault, method: str, after: int, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(fault, method=method, after=after, times=None)
    if method == "GET":
        sandbox.inject(Fault.disconnect_after_commit(), method="POST")
    task = asyncio.create_task(bitpeak.provision(specs(1), grace=0.05))
    while not sandbox.in_flight or not sandbox.handlers:  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    report = partial_report(caught.value)
    assert report is not None
    [outcome] = report.unresolved
    assert "n1" == outcome.change.spec.name
    copy = partial_report(pickle.loads(pickle.dumps(caught.value)))
    assert copy is not None
    assert report.summary == copy.summary


async def test_a_broken_on_outcome_stops_nothing(
    sandbox: Sandbox, bitpeak: BitPeak, caplog: pytest.LogCaptureFixture
):
    def broken(_: Outcome) -> None:
        raise KeyError("no")

    assert (await bitpeak.provision(specs(20), on_outcome=broken)).ok
    assert "broken failed on Outcome" in caplog.text


# Pruning


async def test_pruning_deletes_the_leftovers_and_nothing_else(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.seed_handlers(30)
    await bitpeak.provision(specs(3))
    report = await bitpeak.provision(specs(2), prune="n*")
    assert ["n3"] == [outcome.change.name for outcome in report.deleted]
    assert "0 created, 0 updated, 1 deleted, 2 unchanged, 0 failed" == report.summary
    assert 32 == len(sandbox.handlers)


async def test_nothing_is_deleted_if_a_page_fails(sandbox: Sandbox, connect: Connect):
    sandbox.seed_handlers(2500)
    sandbox.inject(Fault(status=500), method="GET", after=1, times=None)
    async with connect(sandbox) as bitpeak:
        with pytest.raises(ServerError):
            await bitpeak.provision(specs(1), prune="*", force=True)
    assert 2500 == len(sandbox.handlers)
    assert 0 == sandbox.counts["DELETE", 200] + sandbox.counts["POST", 200]


@pytest.mark.parametrize("way", ["apply", "provision"])
async def test_too_many_deletions_are_refused_before_any_write(
    way: str, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.seed_handlers(30)
    plan = await bitpeak.plan(specs(1), prune="Handler 1*")
    for options in ({}, {"force": True, "max_deletes": 5}):
        with pytest.raises(PlanError, match="the plan deletes 11"):
            if way == "apply":
                await bitpeak.apply(plan, **options)
            else:
                await bitpeak.provision(specs(1), prune="Handler 1*", **options)
    assert 30 == len(sandbox.handlers)
    assert 11 == len((await bitpeak.apply(plan, force=True)).deleted)


async def test_nothing_is_deleted_where_other_changes_failed(sandbox: Sandbox, bitpeak: BitPeak):
    """So what is renamed in the specs is never gone under both names."""
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(status=422), method="POST")
    report = await bitpeak.provision(specs(1), prune="*")
    assert [Result.FAILED, Result.FAILED] == [outcome.result for outcome in report.outcomes]
    assert "'Handler 1' was not deleted, because other changes failed" in str(
        report.outcomes[1].error
    )
    assert 1 == len(sandbox.handlers)
    assert 1 == len((await bitpeak.provision(specs(1), prune="*")).deleted)


async def test_a_deletion_that_fails_is_reported_and_one_done_by_others_is_not(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.seed_handlers(3)
    await bitpeak.provision(specs(1))
    plan = await bitpeak.plan(specs(1), prune="Handler*")
    await bitpeak.notification_handlers.delete(1)
    sandbox.inject(Fault(status=403), method="DELETE", path="*/2")
    report = await bitpeak.apply(plan)
    assert [Result.UNCHANGED, Result.UNCHANGED, Result.FAILED, Result.DELETED] == [
        outcome.result for outcome in report.outcomes
    ]
    assert isinstance(report.failed[0].error, PermissionDeniedError)


async def test_a_handler_deleted_meanwhile_counts_as_deleted(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(status=404, commits=True), method="DELETE")
    assert 1 == len((await bitpeak.provision(specs(1), prune="Handler*")).deleted)


async def test_a_deletion_that_the_server_only_pretends_is_not_reported_as_done(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(body=b"{}"), method="DELETE")
    [outcome] = (await bitpeak.provision(specs(1), prune="Handler*")).failed
    assert "'Handler 1' is still listed after it was deleted" == str(outcome.error)


@pytest.mark.parametrize(
    "options",
    [
        {"max_deletes": -1},
        {"max_deletes": "5"},
        {"grace": -1},
        {"grace": "x"},
        {"force": "no"},
        {"force": 1},
    ],
)
async def test_limits_that_make_no_sense_are_refused(options: dict[str, Any], bitpeak: BitPeak):
    for call in (bitpeak.apply(Plan(()), **options), bitpeak.provision([], **options)):
        with pytest.raises(ConfigurationError, match=r"must be (a|True)"):
            await call


@pytest.mark.parametrize("plan", [None, "plan"])
async def test_only_a_plan_can_be_applied(plan: object, bitpeak: BitPeak):
    with pytest.raises(ConfigurationError, match="plan must be a bitpeak_async Plan"):
        await bitpeak.apply(plan)


# Servers that show something else than the documentation


async def test_a_handler_that_awaits_confirmation_is_not_fought(connect: Connect):
    wanted = [
        HandlerSpec("on", EmailSettings("on@example.com")),
        HandlerSpec("off", EmailSettings("off@example.com"), is_enabled=False),
    ]
    dialect = evolve(DIALECT, unconfirmed_emails=True)
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        report = await bitpeak.provision(wanted)
        assert (True, 2) == (report.ok, len(report.created))
        assert (await bitpeak.plan(wanted)).is_empty
        moved = [HandlerSpec("on", EmailSettings("new@example.com")), wanted[1]]
        assert ["on"] == [each.change.name for each in (await bitpeak.provision(moved)).updated]
        assert (await bitpeak.plan(moved)).is_empty


async def test_a_plan_stays_valid_when_a_handler_is_confirmed_meanwhile(connect: Connect):
    dialect = evolve(DIALECT, unconfirmed_emails=True)
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        await bitpeak.provision([HandlerSpec("a", EmailSettings("a@example.com"))])
        wanted = [HandlerSpec("a", SlackSettings("https://hooks.slack.com/1"))]
        plan = await bitpeak.plan(wanted)
        sandbox.confirm(1)
        assert (await bitpeak.apply(plan)).ok


@pytest.mark.parametrize("lost", ["", None])
async def test_an_update_after_which_the_type_is_lost_is_not_reported_as_done(
    lost: Any, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.add(name="a", type="email", settings={"email": "a@example.com"})
    sandbox.inject(Fault.lost_type(lost), method="POST")
    report = await bitpeak.provision([HandlerSpec("a", EmailSettings("b@example.com"))])
    [outcome] = report.failed
    assert "shows other values than were sent for type" in str(outcome.error)
    [handler] = [each async for each in bitpeak.notification_handlers.iterate(strict=True)]
    assert "" == handler.type


UNREADABLE = [
    ({"settings": "broken"}, "handler 1 ('a&amp;b') cannot be read: expected an object"),
    ({"id": None}, "handler ('a&amp;b') cannot be read: expected an integer"),
]


@pytest.mark.parametrize(("shown", "problem"), UNREADABLE)
async def test_a_handler_that_cannot_be_read_is_neither_pruned_nor_created_again(
    shown: Any, problem: str, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.add(name="a&amp;b", type="email", settings={"email": "a@example.com"})
    sandbox.inject(Fault.unreadable_handler(1, shown), times=None)
    other = HandlerSpec("c", EmailSettings("c@example.com"))
    same = HandlerSpec("a&b", EmailSettings("a@example.com"))
    for call in (bitpeak.plan([other], prune="*"), bitpeak.provision([same, other])):
        with pytest.raises(PlanError) as caught:
            await call
        [text] = caught.value.problems
        assert text.startswith(problem)
    assert "it may be 'a&b', which must not be created twice" in text
    assert not sandbox.counts.keys() & {("POST", 200), ("DELETE", 204)}
    assert (await bitpeak.provision([other])).ok


async def test_a_handler_without_a_readable_name_may_be_any_that_is_to_be_created(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.add(name="a", type="email", settings={"email": "a@example.com"})
    await bitpeak.provision([HandlerSpec("b", EmailSettings("b@example.com"))])
    sandbox.inject(Fault.unreadable_handler(1, "broken"), times=None)
    made = [HandlerSpec("b", EmailSettings("b@example.com"))]
    assert (await bitpeak.plan(made)).is_empty
    new = [HandlerSpec(name, EmailSettings("c@example.com")) for name in ("c", "d")]
    with pytest.raises(
        PlanError, match="it may be 'c' or 1 others, which must not be created twice"
    ):
        await bitpeak.plan([*made, *new])


async def test_the_advice_for_a_conflict_fits_what_is_ambiguous(sandbox: Sandbox, bitpeak: BitPeak):
    mail = EmailSettings("a@example.com")
    for name in ("twin", "twin", "x" * 64):
        sandbox.add(name=name, type="email", settings={"email": "a@example.com"})
    wanted = [HandlerSpec(name, mail) for name in ("twin", "x" * 64 + " one", "x" * 64 + " two")]
    report = await bitpeak.provision(wanted)
    assert [
        "'twin': several handlers have this name (ids 1, 2); keep one of them",
        *(
            f"'{'x' * 64} {end}': the handler with id 3 may match several specs; "
            f"keep one of these specs"
            for end in ("one", "two")
        ),
    ] == [str(outcome.error) for outcome in report.outcomes]
    assert 3 == len(sandbox.handlers)
