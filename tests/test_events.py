"""Hooks and the log: what happened, in order, without secrets."""

import asyncio
import logging

import pytest
from builders import Connect

from bitpeak_async import (
    BitPeak,
    ConfigurationError,
    EmailSettings,
    Event,
    HandlerSpec,
    OutcomeKnown,
    Paused,
    RateChanged,
    ReplyReceived,
    RequestAbandoned,
    RequestFailed,
    RequestSent,
    RequestTimeoutError,
    Retrying,
    SlackSettings,
)
from bitpeak_async.sandbox import Fault, Sandbox

CANARY = "canary-4711"


async def test_a_call_emits_events_for_each_attempt(sandbox: Sandbox, connect: Connect):
    events: list[Event] = []
    sandbox.seed_handlers(1)
    sandbox.inject(Fault.disconnect_before_commit(), method="POST")
    headers = {"X-Request-Id": "r1", "Set-Cookie": CANARY}
    sandbox.inject(Fault(status=502, headers=headers), method="GET")
    async with connect(sandbox, hooks=[events.append]) as bitpeak:
        await bitpeak.notification_handlers.update(1, name="b")
        await bitpeak.notification_handlers.get(1)
    update = [RequestSent, RequestFailed, Retrying, RequestSent, ReplyReceived]
    get = [RequestSent, ReplyReceived, Retrying, RequestSent, ReplyReceived]
    assert update + get == [type(event) for event in events]
    failed = events[6]
    assert isinstance(failed, ReplyReceived)
    assert (502, "r1", 1) == (failed.status, failed.headers["x-request-id"], failed.attempt)
    assert CANARY not in str(events)


async def test_each_attempt_has_an_id_of_its_own(sandbox: Sandbox, connect: Connect):
    """The same operation may run twice at once, also by two clients."""
    events: list[Event] = []
    sandbox.seed_handlers(1)
    sandbox.inject(Fault(status=502), times=3)
    async with (
        connect(sandbox, hooks=[events.append]) as one,
        connect(sandbox, hooks=[events.append]) as two,
    ):
        await asyncio.gather(*(c.notification_handlers.get(1) for c in (one, two) * 4))
    sent = [event for event in events if isinstance(event, RequestSent)]
    ended = [event for event in events if isinstance(event, ReplyReceived)]
    assert {sandbox.base_url} == {event.base_url for event in sent}
    assert 11 == len({event.attempt_id for event in sent})
    assert {e.attempt_id: e.attempt for e in sent} == {e.attempt_id: e.attempt for e in ended}


async def test_a_cancelled_attempt_is_reported(sandbox: Sandbox, connect: Connect):
    events: list[Event] = []
    sandbox.inject(Fault.stall(), times=None)
    async with connect(sandbox, hooks=[events.append]) as bitpeak:
        call = asyncio.create_task(bitpeak.notification_handlers.get(1))
        while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    [sent, abandoned] = events
    assert isinstance(sent, RequestSent)
    assert isinstance(abandoned, RequestAbandoned)
    assert (sent.attempt_id, 1, "CancelledError") == (
        abandoned.attempt_id,
        abandoned.attempt,
        abandoned.reason,
    )
    assert 0 < abandoned.seconds


async def test_an_attempt_cut_off_by_a_deadline_is_reported(sandbox: Sandbox, connect: Connect):
    events: list[Event] = []
    sandbox.inject(Fault.stall(), times=None)
    async with connect(sandbox, hooks=[events.append]) as bitpeak:
        with pytest.raises(RequestTimeoutError):
            await bitpeak.with_options(deadline=0.05).notification_handlers.get(1)
    assert [RequestSent, RequestAbandoned] == [type(event) for event in events]


async def test_pauses_and_rates_are_reported(sandbox: Sandbox, connect: Connect):
    events: list[Event] = []
    sandbox.inject(Fault(status=429, headers={"Retry-After": "0.05"}))
    async with connect(sandbox, hooks=[events.append]) as bitpeak:
        await bitpeak.notification_handlers.list()
    [paused] = [event for event in events if isinstance(event, Paused)]
    assert 0 < paused.seconds <= 0.05
    assert 1 == sum(isinstance(event, RateChanged) for event in events)


@pytest.mark.parametrize("bulk", ["create_many", "provision"])
async def test_the_outcome_of_each_handler_is_reported(
    bulk: str, sandbox: Sandbox, connect: Connect
):
    events: list[Event] = []
    sandbox.inject(Fault(status=422), when=lambda r: r.fields.get("name") == "n1")
    specs = [HandlerSpec(f"n{i}", SlackSettings(f"https://a.example/{CANARY}")) for i in range(3)]
    async with connect(sandbox, hooks=[events.append]) as bitpeak:
        if bulk == "provision":
            await bitpeak.provision(specs)
        else:
            _ = [o async for o in bitpeak.notification_handlers.create_many(specs)]
    outcomes = {event.name: event for event in events if isinstance(event, OutcomeKnown)}
    assert {"n0", "n1", "n2"} == set(outcomes)
    assert outcomes["n1"].error is not None
    assert CANARY not in str(events)


async def test_a_hook_that_raises_fails_no_request(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
):
    def broken(event: Event) -> None:
        raise ValueError("no")

    async with connect(sandbox, hooks=[broken]) as bitpeak:
        assert 1 == await bitpeak.notification_handlers.create("a", EmailSettings("a@b.example"))
    assert "broken failed on RequestSent" in caplog.text


async def test_the_log_has_the_same_events_without_bodies_or_keys(
    sandbox: Sandbox, connect: Connect, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, "bitpeak_async")
    async with connect(sandbox) as bitpeak:
        await bitpeak.notification_handlers.create("a", SlackSettings(f"https://a.b/{CANARY}"))
    messages = [r.message for r in caplog.records if r.name == "bitpeak_async"]
    assert ["RequestSent(operation=\"create notification handler 'a'\"", "ReplyReceived("] == [
        messages[0].partition(",")[0],
        messages[1][:14],
    ]
    assert CANARY not in caplog.text
    assert sandbox.api_key not in "".join(messages)


async def test_no_events_are_built_without_listeners(sandbox: Sandbox, bitpeak: BitPeak):
    assert not bitpeak._transport.emit.has_listeners


@pytest.mark.parametrize("hooks", [42, [42], print])
def test_hooks_must_be_callables(hooks: object):
    with pytest.raises(ConfigurationError, match="hooks must be"):
        BitPeak("key", hooks=hooks)
