"""Creates whose reply was lost: adopted, sent again or reported, never guessed."""

import asyncio
from collections import Counter

import pytest
from attrs import evolve
from builders import DIALECT, Connect, specs

from bitpeak_async import (
    BitPeak,
    DuplicateError,
    EmailSettings,
    HandlerSpec,
    OutcomeUnknownError,
    Pace,
    PlanError,
    Retry,
    SlackSettings,
    Timeout,
    ValidationError,
)
from bitpeak_async.sandbox import Fault, Sandbox

MAIL = EmailSettings("a@example.com")
LIMITS = {"base_delay": 0, "unknown_outcome_delay": 0, "duplicate_check_delay": 0}


def names(sandbox: Sandbox) -> Counter[str]:
    return Counter(each["name"] for each in sandbox.handlers)


def posts(sandbox: Sandbox) -> int:
    return sum(count for (method, _), count in sandbox.counts.items() if method == "POST")


@pytest.mark.parametrize("secrets", ["clear", "masked", "hidden"])
async def test_a_create_that_happened_is_adopted(secrets: str, connect: Connect):
    dialect = evolve(DIALECT, secrets=secrets)
    async with Sandbox(dialect=dialect) as sandbox, connect(sandbox) as bitpeak:
        sandbox.inject(Fault.disconnect_after_commit(), method="POST")
        spec = HandlerSpec("a", SlackSettings("https://hooks.slack.com/abc"), is_enabled=False)
        [outcome] = [o async for o in bitpeak.notification_handlers.create_many([spec])]
        assert (1, True) == (outcome.handler_id, outcome.ok)
        assert [("a", False)] == [(each["name"], each["is_enabled"]) for each in sandbox.handlers]


async def test_a_create_that_did_not_happen_is_sent_again(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault.disconnect_before_commit(), method="POST")
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert (1, True) == (outcome.handler_id, outcome.ok)
    assert 1 == len(sandbox.handlers)


async def test_a_handler_that_was_there_before_is_not_taken_for_ones_own(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.add(name="n0", type="email", settings={"email": "0@example.com"})
    sandbox.inject(Fault.disconnect_before_commit(), method="POST")
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert 2 == outcome.handler_id
    assert {"n0": 2} == names(sandbox)


async def test_several_specs_of_one_name_are_each_settled(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=2)
    sandbox.inject(Fault.disconnect_before_commit(), method="POST", times=2, after=2)
    same = [HandlerSpec("a", MAIL)] * 6
    outcomes = [o async for o in bitpeak.notification_handlers.create_many(same)]
    assert all(outcome.ok for outcome in outcomes)
    assert set(range(1, 7)) == {outcome.handler_id for outcome in outcomes}
    assert {"a": 6} == names(sandbox)


async def test_one_listing_serves_all_that_are_in_doubt(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=30)
    outcomes = [o async for o in bitpeak.notification_handlers.create_many(specs(100))]
    assert all(outcome.ok for outcome in outcomes)
    assert {f"n{i}": 1 for i in range(100)} == names(sandbox)
    assert 2 == sum(1 for request in sandbox.requests if request.method == "GET")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_lost_and_nothing_twice_under_mixed_faults(seed: int, connect: Connect):
    retry = Retry(**LIMITS)
    async with (
        Sandbox(dialect=DIALECT, seed=seed) as sandbox,
        connect(sandbox, retry=retry, timeout=Timeout(total=0.5)) as bitpeak,
    ):
        for fault, probability in [
            (Fault.disconnect_after_commit(), 0.05),
            (Fault.disconnect_before_commit(), 0.05),
            (Fault.gateway_error(502), 0.01),
            (Fault.gateway_error(502, commits=True), 0.01),
            (Fault.stall(commits=True), 0.005),
        ]:
            sandbox.inject(fault, times=None, probability=probability)
        report = await bitpeak.provision(specs(500))
        assert report.ok, (seed, report.summary)
        sandbox.clear_faults()
        assert 500 == len((await bitpeak.provision(specs(500))).unchanged)
        assert {f"n{i}": 1 for i in range(500)} == names(sandbox), seed


async def late_copy(sandbox: Sandbox, bitpeak: BitPeak, *, remove: bool):
    """A create is answered 524 and carried out only after it was sent again."""
    sandbox.inject(Fault.late_commit(0.2), method="POST")
    handlers = bitpeak.notification_handlers
    spec = specs(1)
    return [o async for o in handlers.create_many(spec, remove_duplicates=remove)]


async def test_a_late_copy_is_named(sandbox: Sandbox, connect: Connect):
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0.4)
    ) as bitpeak:
        [outcome] = await late_copy(sandbox, bitpeak, remove=False)
    assert isinstance(outcome.error, DuplicateError)
    assert ("n0", 1, (2,)) == (
        outcome.error.name,
        outcome.error.handler_id,
        outcome.error.duplicates,
    )
    assert 1 == outcome.handler_id


async def test_a_late_copy_is_removed_on_demand(sandbox: Sandbox, connect: Connect):
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0.4)
    ) as bitpeak:
        [outcome] = await late_copy(sandbox, bitpeak, remove=True)
    assert outcome.ok
    assert [1] == [each["id"] for each in sandbox.handlers]


async def test_a_copy_that_cannot_be_removed_is_still_named(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(status=403), method="DELETE", times=None)
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0.4)
    ) as bitpeak:
        [outcome] = await late_copy(sandbox, bitpeak, remove=True)
    assert isinstance(outcome.error, DuplicateError)


async def test_a_longer_settle_time_makes_no_copy(sandbox: Sandbox, connect: Connect):
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0.4, duplicate_check_delay=0)
    ) as bitpeak:
        [outcome] = await late_copy(sandbox, bitpeak, remove=False)
    assert outcome.ok
    assert 1 == len(sandbox.handlers)


async def test_somebody_elses_handler_of_the_name_is_reported_not_taken(
    sandbox: Sandbox, bitpeak: BitPeak
):
    def meddle(request) -> bool:
        if request.method == "POST":
            sandbox.add(name="n0", type="email", settings={"email": "else@example.com"})
        return request.method == "POST"

    sandbox.inject(Fault.disconnect_before_commit(), when=meddle)
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert isinstance(outcome.error, OutcomeUnknownError)
    assert "another program created handlers with this name since" in str(outcome.error)
    assert "(ids 1)" in str(outcome.error)
    assert 1 == posts(sandbox)


async def test_an_outage_ends_with_a_clear_error(sandbox: Sandbox, connect: Connect):
    retry = Retry(attempts=2, **LIMITS)
    async with connect(sandbox, retry=retry) as bitpeak:
        handlers = bitpeak.notification_handlers
        outcomes = handlers.create_many(specs(5))
        sandbox.inject(Fault(status=503), times=None, after=1)
        errors = [outcome.error async for outcome in outcomes]
    assert [OutcomeUnknownError] * 5 == [type(error) for error in errors]
    assert [] == sandbox.handlers


async def test_a_run_that_outlives_the_outage_goes_on_by_itself(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault(status=503), times=20, after=1)
    outcomes = [o async for o in bitpeak.notification_handlers.create_many(specs(10))]
    assert all(outcome.ok for outcome in outcomes)
    assert {f"n{i}": 1 for i in range(10)} == names(sandbox)


async def test_copies_that_could_not_be_looked_for_are_said_to_be_unknown(
    sandbox: Sandbox, connect: Connect
):
    async with connect(sandbox, retry=Retry(attempts=1, **LIMITS)) as bitpeak:
        sandbox.inject(Fault.disconnect_before_commit(), method="POST")
        sandbox.inject(Fault(status=501), method="GET", after=2, times=None)
        [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert 1 == outcome.handler_id
    assert isinstance(outcome.error, OutcomeUnknownError)
    assert "it is unknown whether an earlier attempt created another" in str(outcome.error)


async def test_what_was_begun_is_settled_before_an_error_of_the_specs_is_raised(
    sandbox: Sandbox, bitpeak: BitPeak
):
    def broken():
        yield from specs(2)
        raise ValueError("line 3")

    sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=2)
    outcomes = []
    with pytest.raises(ValueError, match="line 3"):
        async for outcome in bitpeak.notification_handlers.create_many(broken()):
            outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts
    assert [(True, "n0"), (True, "n1")] == sorted((o.ok, o.spec.name) for o in outcomes)
    assert {"n0": 1, "n1": 1} == names(sandbox)


async def test_a_lost_create_is_still_looked_for_where_sending_it_again_fails(
    sandbox: Sandbox, connect: Connect
):
    sandbox.inject(Fault.late_commit(0.2), method="POST")
    sandbox.inject(Fault(status=422), method="POST")
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0.4)
    ) as bitpeak:
        [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert (1, None) == (outcome.handler_id, outcome.error)


async def test_a_lost_create_that_is_never_found_stays_unknown(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault.disconnect_before_commit(), method="POST")
    sandbox.inject(Fault(status=422), method="POST")
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert isinstance(outcome.error, OutcomeUnknownError)
    assert isinstance(outcome.error.__cause__, ValidationError)


async def test_a_cancelled_error_of_the_specs_ends_the_iteration(
    sandbox: Sandbox, bitpeak: BitPeak
):
    async def broken():
        yield specs(1)[0]
        raise asyncio.CancelledError

    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            _ = [o async for o in bitpeak.notification_handlers.create_many(broken())]


async def test_settling_ends_at_once_where_looking_again_cannot_help(
    sandbox: Sandbox, connect: Connect
):
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0.05, attempts=50)
    ) as bitpeak:
        sandbox.inject(Fault.disconnect_before_commit(), method="POST")
        sandbox.inject(Fault(status=401), method="GET", after=1, times=None)
        async with asyncio.timeout(5):
            [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert isinstance(outcome.error, OutcomeUnknownError)


@pytest.mark.parametrize("is_enabled", ["false", 0])
async def test_a_switch_that_is_no_boolean_is_refused(
    is_enabled: object, sandbox: Sandbox, bitpeak: BitPeak
):
    spec = HandlerSpec("a", MAIL, is_enabled)
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many([spec])]
    assert "is_enabled must be True, False or None" in str(outcome.error)
    with pytest.raises(PlanError, match="is_enabled must be True, False or None"):
        await bitpeak.plan([spec])
    assert [] == sandbox.handlers


@pytest.mark.parametrize("number", [0, -7])
async def test_an_id_that_cannot_be_is_an_unknown_outcome(
    number: int, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(Fault(body=b'{"data": {"id": %d}}' % number))
    with pytest.raises(OutcomeUnknownError):
        await bitpeak.notification_handlers.create("a", MAIL)


async def test_a_lost_create_found_late_that_cannot_be_disabled_says_so(
    sandbox: Sandbox, connect: Connect
):
    sandbox.inject(Fault.late_commit(0.2), method="POST")
    sandbox.inject(Fault(status=422), method="POST", times=2)
    spec = HandlerSpec("a", MAIL, is_enabled=False)
    async with connect(
        sandbox, retry=Retry(base_delay=0, unknown_outcome_delay=0, duplicate_check_delay=0.4)
    ) as bitpeak:
        [outcome] = [o async for o in bitpeak.notification_handlers.create_many([spec])]
    assert (1, ValidationError) == (outcome.handler_id, type(outcome.error))


async def test_a_lost_create_that_may_have_made_something_unreadable_is_not_sent_again(
    sandbox: Sandbox, connect: Connect
):
    sandbox.add(name="old", type="email", settings={"email": "0@example.com"})
    sandbox.inject(Fault.unreadable_handler(1, {"settings": "broken"}), method="GET", times=1)
    sandbox.inject(Fault.unreadable_handler(2, {"name": []}), method="GET", times=None)
    sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=1)
    async with connect(sandbox, retry=Retry(attempts=3, **LIMITS)) as bitpeak:
        [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert isinstance(outcome.error, OutcomeUnknownError)
    assert 2 == len(sandbox.handlers)


async def test_an_unreadable_handler_that_was_there_before_is_no_lost_create(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.add(name="n0", type="email", settings={"email": "0@example.com"})
    sandbox.inject(Fault.unreadable_handler(1, {"name": []}), method="GET", times=None)
    sandbox.inject(Fault.disconnect_before_commit(), method="POST", times=1)
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert (2, True) == (outcome.handler_id, outcome.ok)


@pytest.mark.parametrize("executed", [True, False])
async def test_a_reply_that_names_a_handler_that_was_there_is_not_believed(
    executed: bool, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.add(name="old", type="email", settings={"email": "old@example.com"})
    fault = Fault(body=b'{"data": {"id": 1}}', commits=executed)
    sandbox.inject(fault, method="POST")
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many(specs(1))]
    assert (2, True) == (outcome.handler_id, outcome.ok)
    assert Counter(old=1, n0=1) == names(sandbox)


async def test_an_id_that_comes_twice_is_believed_once(sandbox: Sandbox, connect: Connect):
    fault = Fault(body=b'{"data": {"id": 1}}')
    sandbox.inject(fault, method="POST", after=1, times=1)
    async with connect(sandbox, pace=Pace(in_flight=1)) as bitpeak:
        outcomes = [o async for o in bitpeak.notification_handlers.create_many(specs(3))]
    assert {1, 2, 3} == {outcome.handler_id for outcome in outcomes if outcome.ok}
    assert Counter(n0=1, n1=1, n2=1) == names(sandbox)
