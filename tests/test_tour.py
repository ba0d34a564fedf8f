"""A tour of what a new user reaches for, in the order in which they would meet it."""

import importlib
import io
import logging
import pickle
import re
import time
from typing import Any

import pytest
from builders import Connect

from bitpeak_async import (
    BitPeak,
    BitPeakError,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    InvalidRequestError,
    OutcomeUnknownError,
    PlanError,
    ServerError,
    SlackSettings,
    SyncBitPeak,
    UnknownSettings,
    ValidationError,
    pytest_plugin,
)
from bitpeak_async._log import EventFormatter
from bitpeak_async.sandbox import Dialect, Fault, Sandbox, TokenBucket
from bitpeak_async.sync.client import sync_client_over

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
    with pytest.raises(PlanError, match=r'read_specs\("handlers.yaml"\) reads them from a file'):
        await bitpeak.provision("handlers.yaml")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="spec 1 and 2 more: must be a HandlerSpec, not dict"):
        await bitpeak.provision([{}, {}, {}])  # type: ignore[list-item]


async def test_calls_return_status_and_headers_with_the_value(bitpeak: BitPeak, sandbox: Sandbox):
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


async def test_a_notebook_shows_tables_without_secrets(bitpeak: BitPeak, sandbox: Sandbox):
    sandbox.add(name="<b>Ops</b>", type="slack", settings={"slack": HOOK})
    page = (await bitpeak.notification_handlers.list())._repr_html_()
    assert "<td>&lt;b&gt;Ops&lt;/b&gt;</td>" in page
    assert "https://hooks.slack.com/***" in page
    specs = [HandlerSpec(f"n{i}", SlackSettings(f"{HOOK}{i}")) for i in range(120)]
    plan = (await bitpeak.plan(specs))._repr_html_()
    assert 101 == plan.count("<tr>")
    assert "… and 20 more" in plan
    sandbox.inject(Fault.api_error(422, "No <more>."), method="POST", after=2)
    report = await bitpeak.provision(specs[:3])
    assert "No &lt;more&gt;." in report._repr_html_()
    assert "canary" not in page + plan + report._repr_html_() + str(report)
    first, last = str(report).splitlines()
    assert re.match(r"! 'n\d': create notification handler 'n\d': 422 No <more>\.", first)
    assert last == report.summary


def test_the_client_of_the_pytest_fixtures_waits_in_virtual_time():
    """The sandbox's clock jumps with the client's, so that its own limit is kept too."""
    began = time.monotonic()
    with (
        Sandbox(limit=TokenBucket(rate=0.1, burst=2)) as sandbox,
        sync_client_over(pytest_plugin._client(sandbox)) as bitpeak,
    ):
        assert bitpeak.provision([HandlerSpec(f"n{i}", MAIL) for i in range(10)]).ok
        assert sandbox.counts["POST", 429]
    assert time.monotonic() - began < 60  # of the 100 s that the limit demands


def test_progress_is_shown_on_request(
    threaded_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
):
    url = threaded_sandbox.base_url
    specs = [HandlerSpec(f"n{i}", MAIL) for i in range(20)]
    with SyncBitPeak(threaded_sandbox.api_key, base_url=url) as bitpeak:
        seen: list[object] = []
        bitpeak.provision(specs, progress=True, on_outcome=seen.append)
        assert 20 == len(seen)
        lines = capsys.readouterr().err.splitlines()
        assert ("Provisioning: 2 of 20", "Provisioning: 20 of 20") == (lines[0], lines[-1])
        list(bitpeak.notification_handlers.create_many(specs, progress=True))
        assert "Creating: 20 of 20" == capsys.readouterr().err.splitlines()[-1]
        list(bitpeak.notification_handlers.create_many(specs))
        assert "" == capsys.readouterr().err


async def test_the_environment_switches_a_readable_log_on(
    sandbox: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    log = logging.getLogger("bitpeak_async")
    monkeypatch.setattr(log, "propagate", False)  # as if nobody had configured logging
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("BITPEAK_LOG", "loud")
    with pytest.raises(ConfigurationError, match="BITPEAK_LOG must be debug or info, not 'loud'"):
        connect(sandbox)
    monkeypatch.setenv("BITPEAK_LOG", "debug")
    try:
        for name in ("a", "b\nc"):
            async with connect(sandbox) as bitpeak:
                await bitpeak.notification_handlers.create(name, SlackSettings(HOOK))
    finally:
        [handler] = log.handlers
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    sent, received, *others = stderr.getvalue().splitlines()
    assert 2 == len(others)
    assert "DEBUG   create notification handler 'a': request sent method=POST path=/not" in sent
    assert "create notification handler 'a': reply received attempt=1 status=200 sec" in received
    forged = logging.makeLogRecord({"msg": "a\nDEBUG b"})
    assert "a\\nDEBUG b" == EventFormatter("%(message)s").format(forged)
    assert not {"canary", sandbox.api_key} & set(re.split(r"\W", stderr.getvalue()))


async def test_numbers_and_booleans_of_numpy_mean_the_same(bitpeak: BitPeak, sandbox: Sandbox):
    np = importlib.import_module("numpy")  # bokeh brings it
    quick = bitpeak.with_options(timeout=np.int64(20), deadline=np.float64(20))
    handlers = quick.notification_handlers
    handler_id = np.int64(await handlers.create("a", MAIL, is_enabled=np.False_))
    await handlers.update(handler_id, name="b", is_enabled=np.True_)
    assert ("b", True) == ((found := await handlers.get(handler_id)).name, found.is_enabled)
    page = await handlers.list(page=np.int8(1), results_per_page=np.int16(10), is_enabled=np.True_)
    assert [found] == [*page]
    spec = HandlerSpec("b", MAIL, is_enabled=np.False_)
    assert HandlerSpec("b", MAIL, is_enabled=False) == spec
    assert not (await handlers.ensure(spec)).is_enabled
    await handlers.delete(handler_id)


async def test_arguments_of_quite_another_kind_are_typed_errors(bitpeak: BitPeak, sandbox: Sandbox):
    handlers: Any = bitpeak.notification_handlers
    client: Any = bitpeak
    for wrong in (
        lambda: client.plan(None),
        lambda: client.apply(None),
        lambda: client.provision(5),
        lambda: handlers.create_many(5),
        lambda: handlers.create_many("handlers.yaml"),
        lambda: handlers.get(10**5000),
        lambda: handlers.find(None),
        lambda: handlers.ensure(None),
        lambda: handlers.create("a", MAIL, is_enabled="no"),
        lambda: handlers.list(extra_query={"search": "\ud800"}),
        lambda: handlers.list(search="\ud800"),
        lambda: handlers.list(page=10**5000),
        lambda: UnknownSettings("t", [1]),  # type: ignore[arg-type]
        lambda: client.with_options(headers=5),
        lambda: client.with_options(timeout="5"),
    ):
        with pytest.raises(BitPeakError):
            await wrong()
    assert not sandbox.requests
