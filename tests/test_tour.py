"""A tour of what a new user reaches for, in the order in which they would meet it."""

import pickle

import pytest
from builders import Connect

from bitpeak_async import (
    BitPeak,
    EmailSettings,
    HandlerSpec,
    InvalidRequestError,
    OutcomeUnknownError,
    PlanError,
    ServerError,
    SlackSettings,
    SyncBitPeak,
    ValidationError,
)
from bitpeak_async.sandbox import Dialect, Fault, Sandbox

MAIL = EmailSettings("hey@example.com")
HOOK = "https://hooks.slack.com/services/T0/B0/canary"


async def test_a_handler_is_found_by_its_name(bitpeak: BitPeak, sandbox: Sandbox):
    handlers = bitpeak.notification_handlers
    assert None is await handlers.find("Ops")
    handler_id = await handlers.create("Ops", MAIL)
    found = await handlers.find("Ops")
    assert found == await handlers.get(handler_id)


async def test_it_is_found_under_the_name_that_the_server_made_of_it(
    bitpeak: BitPeak, sandbox: Sandbox
):
    sandbox.add(name="Ops &amp; more", type="email", settings={"email": "a@example.com"})
    found = await bitpeak.notification_handlers.find("Ops & more")
    assert found is not None
    assert "Ops &amp; more" == found.name


async def test_finding_reads_no_more_pages_than_it_must(bitpeak: BitPeak, sandbox: Sandbox):
    sandbox.seed_handlers(2500)
    first = (await bitpeak.notification_handlers.list(results_per_page=10)).data[0]
    before = len(sandbox.requests)
    assert first == await bitpeak.notification_handlers.find(first.name)
    assert 1 == len(sandbox.requests) - before


async def test_ensure_makes_a_handler_once_and_keeps_it_as_its_spec_says(
    bitpeak: BitPeak, sandbox: Sandbox
):
    handlers = bitpeak.notification_handlers
    made = await handlers.ensure(HandlerSpec("Ops", MAIL))
    assert made == await handlers.ensure(HandlerSpec("Ops", MAIL))
    changed = await handlers.ensure(HandlerSpec("Ops", SlackSettings(HOOK), is_enabled=False))
    assert (made.id, "slack", False) == (changed.id, changed.type, changed.is_enabled)
    assert {("POST", 200): 2} == {key: n for key, n in sandbox.counts.items() if key[0] == "POST"}


async def test_ensure_is_safe_where_the_reply_to_a_create_is_lost(
    bitpeak: BitPeak, sandbox: Sandbox
):
    handlers = bitpeak.notification_handlers
    sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=2)
    with pytest.raises(OutcomeUnknownError, match=r"find\(name\) .* ensure\(\)"):
        await handlers.create("Once", MAIL)
    await handlers.ensure(HandlerSpec("Once", MAIL))
    await handlers.ensure(HandlerSpec("Twice", MAIL))
    assert ["Once", "Twice"] == sorted(handler["name"] for handler in sandbox.handlers)


async def test_ensure_raises_what_went_wrong(bitpeak: BitPeak, sandbox: Sandbox):
    handlers = bitpeak.notification_handlers
    sandbox.inject(Fault.api_error(422, "The name is taken."), method="POST")
    with pytest.raises(ValidationError, match="The name is taken"):
        await handlers.ensure(HandlerSpec("Ops", MAIL))
    with pytest.raises(PlanError, match="settings must be one of"):
        await handlers.ensure(HandlerSpec("Ops", "mail"))  # type: ignore[arg-type]


async def test_a_handler_is_switched_off_and_on_or_made_switched_off(
    bitpeak: BitPeak, sandbox: Sandbox
):
    handlers = bitpeak.notification_handlers
    handler_id = await handlers.create("Off", MAIL, is_enabled=False)
    assert not (await handlers.get(handler_id)).is_enabled
    await handlers.enable(handler_id)
    assert (await handlers.get(handler_id)).is_enabled
    await handlers.disable(handler_id)
    assert not (await handlers.get(handler_id)).is_enabled


async def test_an_error_says_which_half_of_a_disabled_create_failed(
    bitpeak: BitPeak, sandbox: Sandbox
):
    handlers = bitpeak.with_options(deadline=30).notification_handlers
    sandbox.inject(Fault.gateway_error(503), method="POST", after=1, times=None)
    with pytest.raises(ServerError, match="'Off': it has the id 1, but was not disabled") as caught:
        await handlers.create("Off", MAIL, is_enabled=False)
    assert 1 == caught.value.created_id
    sandbox.clear_faults()
    sandbox.inject(Fault.api_error(422, "No."), method="POST")
    with pytest.raises(ValidationError) as refused:
        await handlers.create("Off", MAIL, is_enabled=False)
    assert None is refused.value.created_id


async def test_lists_are_filtered_by_servers_that_can(connect: Connect):
    async with Sandbox(dialect=Dialect(filters=True)) as sandbox, connect(sandbox) as bitpeak:
        handlers = bitpeak.notification_handlers
        await handlers.create("Mail", MAIL)
        await handlers.create("Mail off", MAIL, is_enabled=False)
        await handlers.create("Chat", SlackSettings(HOOK))
        page = await handlers.list(search="Mail", is_enabled=False)
        assert ["Mail off"] == [handler.name for handler in page]
        by_name = handlers.iterate(order_by="name", order_type="DESC", type=None)
        assert ["Mail off", "Mail", "Chat"] == [handler.name async for handler in by_name]
        assert {"search": "Mail", "is_enabled": "0"}.items() <= sandbox.requests[-2].query.items()
        await handlers.list(extra_query={"flag": True, "number": 7})
        assert {"flag": "1", "number": "7"}.items() <= sandbox.requests[-1].query.items()
        with pytest.raises(InvalidRequestError, match="search must be a text or a boolean"):
            await handlers.list(search=["Mail"])  # type: ignore[arg-type]


def test_the_synchronous_client_does_all_of_it_too(threaded_sandbox: Sandbox):
    url = threaded_sandbox.base_url
    with SyncBitPeak(threaded_sandbox.api_key, base_url=url, timeout=20) as bitpeak:
        handlers = bitpeak.with_options(timeout=5).notification_handlers
        handler = handlers.ensure(HandlerSpec("Ops", MAIL, is_enabled=False))
        handlers.enable(handler.id)
        found = handlers.find("Ops")
        assert found is not None
        assert found.is_enabled
        handlers.disable(handler.id)
        off = handlers.get(handlers.create("Off", MAIL, is_enabled=False))
        assert not off.is_enabled
        assert 2 == len(handlers.list(search="Ops"))  # this server ignores filters
        reply = bitpeak.with_replies().notification_handlers.get(handler.id)
        assert (200, handler.id) == (reply.status, reply.value.id)


async def test_a_mistake_gets_one_message(bitpeak: BitPeak):
    for wrong in ("handlers.yaml", [{}, {}, {}], None, {"name": "Ops"}, b"Ops"):
        with pytest.raises(PlanError) as caught:
            await bitpeak.plan(wrong)  # type: ignore[arg-type]
        assert 1 >= len(caught.value.problems)
    with pytest.raises(PlanError, match=r'give specs; for files: read_specs\("handlers.yaml"\)'):
        await bitpeak.provision("handlers.yaml")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="spec 1 and 2 more: must be a HandlerSpec, not dict"):
        await bitpeak.provision([{}, {}, {}])  # type: ignore[list-item]


async def test_calls_tell_what_came_back_beside_the_value(bitpeak: BitPeak, sandbox: Sandbox):
    handlers = bitpeak.with_replies().notification_handlers
    created = await handlers.create("Ops", MAIL)
    sandbox.inject(Fault.gateway_error(502), times=2)
    sandbox.inject(Fault(headers={"CF-Ray": "4711-TAS", "Set-Cookie": "canary"}))
    reply = await handlers.get(created.value)
    assert ("Ops", 200, "4711-TAS", 3) == (
        reply.value.name,
        reply.status,
        reply.request_id,
        reply.attempts,
    )
    assert {"cf-ray", "content-type"} <= reply.headers.keys()
    assert "canary" not in repr(reply)
    assert 0 < reply.seconds < 30
    assert ["Ops"] == [handler.name for handler in (await handlers.list(search="O")).value]
    assert None is (await handlers.delete(created.value)).value


async def test_an_error_tells_all_that_the_server_said(bitpeak: BitPeak, sandbox: Sandbox):
    body = b'{"errors": [{"title": "No name."}, {"title": "No type."}]}'
    fault = Fault(status=422, body=body, headers={"X-Request-Id": "4711"})
    sandbox.inject(fault, method="POST")
    with pytest.raises(ValidationError) as caught:
        await bitpeak.notification_handlers.create("Ops", MAIL)
    assert "create notification handler 'Ops': 422 No name.; No type. (request 4711)" == str(
        caught.value
    )
    sandbox.inject(Fault.gateway_error(502), times=None)
    with pytest.raises(ServerError, match=r"502 Bad Gateway \(tried 5 times\)") as outage:
        await bitpeak.notification_handlers.list()
    assert (1, 5) == (caught.value.attempts, outage.value.attempts)
    assert 5 == pickle.loads(pickle.dumps(outage.value)).attempts
