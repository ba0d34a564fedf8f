"""The resource over real sockets: every type, every call, every dialect, bad input."""

import json
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from builders import Connect

from bitpeak_async import (
    BitPeak,
    ConfigurationError,
    DiscordSettings,
    EmailSettings,
    Event,
    GoogleChatSettings,
    HandlerSpec,
    HandlerType,
    InternalNotificationSettings,
    InvalidRequestError,
    MicrosoftTeamsSettings,
    NotFoundError,
    ReplyError,
    RequestSent,
    Settings,
    SlackSettings,
    TelegramSettings,
    UnknownSettings,
    ValidationError,
    WebhookSettings,
    XSettings,
)
from bitpeak_async.sandbox import Dialect, Fault, Sandbox

SAMPLES = sorted((Path(__file__).parent / "samples" / "handlers").glob("*.json"))
HANDLER = json.loads((Path(__file__).parent / "samples/handlers/email.json").read_bytes())

BEFORE_AND_AFTER: dict[str, tuple[Settings, Settings]] = {
    "email": (EmailSettings("a@example.com"), EmailSettings("b@example.com")),
    "webhook": (WebhookSettings("https://a.example/1"), WebhookSettings("http://b.example/2?x=1")),
    "slack": (SlackSettings("https://a.example/1"), SlackSettings("https://b.example/2")),
    "discord": (DiscordSettings("https://a.example/1"), DiscordSettings("https://b.example/2")),
    "telegram": (TelegramSettings("1:a", "-100"), TelegramSettings("2:b", "@channel")),
    "microsoft_teams": (
        MicrosoftTeamsSettings("https://a.example/1"),
        MicrosoftTeamsSettings("https://b.example/2"),
    ),
    "x": (XSettings("a", "b", "c", "d"), XSettings("e", "f", "g", "h")),
    "google_chat": (
        GoogleChatSettings("https://a.example/1"),
        GoogleChatSettings("https://b.example/2"),
    ),
    "internal_notification": (InternalNotificationSettings(), InternalNotificationSettings()),
    "twilio": (
        UnknownSettings("twilio", {"twilio": "+998"}),
        UnknownSettings("twilio", {"twilio": "+7"}),
    ),
}

DIALECTS = {
    "documented": Dialect(),
    "numbers as strings": Dialect(ids="string", booleans="string", error_status="string"),
    "booleans as integers": Dialect(booleans="integer"),
    "PHP's empty array": Dialect(empty_settings="list"),
    "null settings": Dialect(empty_settings="null"),
    "200 and empty": Dialect(delete_reply="empty", write_status=200),
    "201 and blank": Dialect(delete_reply="blank", write_status=201),
    "more keys": Dialect(delete_reply="json", extra_keys=True, links_with_size=True),
    "byte-order mark": Dialect(byte_order_mark=True),
    "PHP warnings": Dialect(php_warning=True),
    "newest first": Dialect(order="descending"),
    "by name": Dialect(order="name", settings_update="replace"),
}


def test_every_type_is_covered():
    assert {*HandlerType, "twilio"} == set(BEFORE_AND_AFTER)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("handler_type", BEFORE_AND_AFTER)
async def test_a_handler_is_created_read_listed_updated_and_deleted(
    handler_type: str, dialect: Dialect, connect: Connect
):
    before, after = BEFORE_AND_AFTER[handler_type]
    extra_types = {"twilio": ("twilio",)}
    async with (
        Sandbox(dialect=dialect, extra_types=extra_types) as sandbox,
        connect(sandbox) as bitpeak,
    ):
        handlers = bitpeak.notification_handlers
        handler_id = await handlers.create("Bo'lim ⚡ «дежурные»", before)
        created = await handlers.get(handler_id)
        assert (handler_id, "Bo'lim ⚡ «дежурные»", before, True, handler_type) == (
            created.id,
            created.name,
            created.settings,
            created.is_enabled,
            created.type,
        )
        assert [created] == list(await handlers.list())
        await handlers.update(handler_id, name="Ops", settings=after, is_enabled=False)
        updated = await handlers.get(handler_id)
        assert ("Ops", after, False) == (updated.name, updated.settings, updated.is_enabled)
        await handlers.delete(handler_id)
        with pytest.raises(NotFoundError):
            await handlers.get(handler_id)
        assert () == (await handlers.list()).data


@pytest.mark.parametrize(
    "sample", [json.loads(path.read_text()) for path in SAMPLES], ids=lambda sample: sample["type"]
)
async def test_what_is_sent_for_a_sample_is_what_the_samples_settings_say(
    sample: dict[str, Any], connect: Connect
):
    """Both sides are held to the same JSON: decoded, sent and stored, it is the same again."""
    extra_types = {"twilio": ("twilio",)}
    async with Sandbox(extra_types=extra_types) as sandbox, connect(sandbox) as bitpeak:
        sandbox.add(**{key: sample[key] for key in ("name", "type", "settings", "is_enabled")})
        handlers = bitpeak.notification_handlers
        original = await handlers.get(1)
        await handlers.create(original.name, original.settings)
        stored = sandbox.handlers[1]
    assert (sample["name"], sample["type"], sample["settings"]) == (
        stored["name"],
        stored["type"],
        stored["settings"],
    )


async def test_only_what_is_given_is_updated(sandbox: Sandbox, bitpeak: BitPeak):
    handlers = bitpeak.notification_handlers
    handler_id = await handlers.create("a", TelegramSettings("1:a", "-100"))
    for change in ({"name": "b"}, {"is_enabled": False}, {"settings": {"telegram_chat_id": "-7"}}):
        await handlers.update(handler_id, **change)
    sent = [request.fields for request in list(sandbox.requests)[1:]]
    assert [{"name": "b"}, {"is_enabled": "0"}, {"telegram_chat_id": "-7"}] == sent
    assert TelegramSettings("1:a", "-7") == (await handlers.get(handler_id)).settings


async def test_a_handler_may_change_its_type(bitpeak: BitPeak):
    handlers = bitpeak.notification_handlers
    handler_id = await handlers.create("a", EmailSettings("a@example.com"))
    await handlers.update(handler_id, settings=SlackSettings("https://hooks.slack.com/a"))
    assert HandlerType.SLACK == (await handlers.get(handler_id)).type


@pytest.mark.parametrize("secrets", ["masked", "hidden"])
async def test_secrets_that_the_server_keeps_do_not_break_reading(secrets: Any, connect: Connect):
    async with Sandbox(dialect=Dialect(secrets=secrets)) as sandbox, connect(sandbox) as bitpeak:
        handlers = bitpeak.notification_handlers
        handler = await handlers.get(await handlers.create("a", TelegramSettings("1:abcdef", "-1")))
    assert isinstance(handler.settings, TelegramSettings)
    assert "1:abcdef" != handler.settings.api_token


@pytest.mark.parametrize(
    "handler_id", [0, -1, "x", "1", 1.0, True, None, pytest.param(10**5000, id="large")]
)
@pytest.mark.parametrize("verb", ["get", "update", "delete"])
async def test_an_id_is_a_positive_whole_number(
    verb: str, handler_id: Any, sandbox: Sandbox, bitpeak: BitPeak
):
    arguments = {"name": "a"} if verb == "update" else {}
    with pytest.raises(InvalidRequestError, match="handler_id must be a positive") as caught:
        await getattr(bitpeak.notification_handlers, verb)(handler_id, **arguments)
    assert "handler_id" == caught.value.argument
    assert 0 == len(sandbox.requests)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"page": 0}, "page"),
        ({"page": "1"}, "page"),
        pytest.param({"page": 10**5000}, "page", id="large"),
        ({"page": True}, "page"),
        ({"results_per_page": 7}, "results_per_page"),
        ({"results_per_page": "25"}, "results_per_page"),
    ],
)
async def test_a_page_must_exist(arguments: Any, argument: str, sandbox: Sandbox, bitpeak: BitPeak):
    with pytest.raises(InvalidRequestError, match=f"^{argument} must be") as caught:
        await bitpeak.notification_handlers.list(**arguments)
    assert argument == caught.value.argument
    assert 0 == len(sandbox.requests)


async def test_iterating_refuses_another_page_size(sandbox: Sandbox, bitpeak: BitPeak):
    for iterate in (bitpeak.notification_handlers.pages, bitpeak.notification_handlers.iterate):
        with pytest.raises(InvalidRequestError, match="must be one of 10, 25, 50, 100"):
            await anext(iterate(results_per_page=7))
    assert 0 == len(sandbox.requests)


@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        ("", EmailSettings("a@example.com"), "name must not be empty"),
        (None, EmailSettings("a@example.com"), "name must be a string"),
        ("a", "a@example.com", "settings must be one of EmailSettings"),
        ("a", WebhookSettings("example.com/hook"), "settings.url must be an absolute http"),
        ("a", SlackSettings("ftp://example.com"), "settings.webhook_url must be an absolute http"),
        ("a", TelegramSettings("", "-1"), "settings.api_token must not be empty"),
    ],
)
async def test_what_cannot_be_created_is_refused_before_sending(
    name: Any, settings: Any, problem: str, sandbox: Sandbox, bitpeak: BitPeak
):
    with pytest.raises(InvalidRequestError, match=problem):
        await bitpeak.notification_handlers.create(name, settings)
    assert 0 == len(sandbox.requests)


async def test_the_servers_own_refusal_is_a_validation_error(sandbox: Sandbox, bitpeak: BitPeak):
    with pytest.raises(ValidationError, match="create notification handler 'a': 400 ") as caught:
        await bitpeak.notification_handlers.create("a", UnknownSettings("pager", {"pager": "1"}))
    assert 400 == caught.value.status
    assert [] == sandbox.handlers


async def test_extra_query_parameters_are_passed_on(sandbox: Sandbox, bitpeak: BitPeak):
    handlers = bitpeak.notification_handlers
    await handlers.list(extra_query={"search": "ops & «b»", "is_enabled": 1})
    _ = [handler async for handler in handlers.iterate(extra_query={"search": "ops & «b»"})]
    for request in sandbox.requests:
        assert "ops & «b»" == request.query["search"]


async def test_an_extra_query_parameter_replaces_one_of_the_same_name(
    sandbox: Sandbox, connect: Connect
):
    events: list[Event] = []
    async with connect(sandbox, hooks=[events.append]) as bitpeak:
        await bitpeak.notification_handlers.list(extra_query={"results_per_page": 50})
    [path] = [event.path for event in events if isinstance(event, RequestSent)]
    assert path.endswith("?page=1&results_per_page=50")


@pytest.mark.parametrize("deleted", [True, False])
async def test_a_page_in_reply_to_a_delete_is_checked_by_reading_the_handler(
    deleted: bool, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.seed_handlers(1)
    sandbox.inject(Fault.html_page(commits=deleted), method="DELETE")
    with nullcontext() if deleted else pytest.raises(ReplyError, match="not JSON"):
        await bitpeak.notification_handlers.delete(1)
    assert deleted == (not sandbox.handlers)
    assert ["DELETE", "GET"] == [request.method for request in sandbox.requests]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (["search"], "must be a mapping of parameters, not list"),
        ("search=a", "must be a mapping of parameters, not str"),
        ({"search": "\ud800"}, "has a parameter that cannot be sent: 'search'"),
        ({"\udfff": "a"}, "has a parameter that cannot be sent"),
        ({"search": 10**5000}, "has a parameter that cannot be sent"),
        ({"search": None}, "must map texts to texts, numbers or booleans, not 'search' to None"),
        ({7: "a"}, "must map texts to texts"),
    ],
    ids=["list", "text", "surrogate", "name", "digits", "null", "number"],
)
async def test_a_query_that_cannot_be_sent_is_refused(
    query: Any, problem: str, sandbox: Sandbox, bitpeak: BitPeak
):
    handlers = bitpeak.notification_handlers
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        await handlers.list(extra_query=query)
    assert "extra_query" == caught.value.argument
    with pytest.raises(InvalidRequestError, match=problem):
        handlers.pages(extra_query=query)
    with pytest.raises(InvalidRequestError, match=problem):
        _ = [each async for each in handlers.iterate(extra_query=query)]
    assert not sandbox.requests


def test_create_many_refuses_a_text_for_a_flag(bitpeak: BitPeak):
    with pytest.raises(ConfigurationError, match="remove_duplicates must be True or False"):
        bitpeak.notification_handlers.create_many([], remove_duplicates="no")  # type: ignore[arg-type]


UNREADABLE_PAGE = json.dumps(
    {
        "data": [
            {**HANDLER, "id": 1},
            {**HANDLER, "id": 2, "name": "Ops", "settings": {"email": ["canary"]}},
            {**HANDLER, "id": 3},
        ],
        "meta": {"page": 1, "results_per_page": 1000, "total": 3, "total_pages": 1},
    }
).encode()
PROBLEM = "expected a string, got an array at $.data[1].settings.email"


async def test_iterating_logs_and_skips_a_handler_that_cannot_be_read(
    sandbox: Sandbox, bitpeak: BitPeak, caplog: pytest.LogCaptureFixture
):
    sandbox.inject(Fault(body=UNREADABLE_PAGE))
    ids = [handler.id async for handler in bitpeak.notification_handlers.iterate()]
    assert [1, 3] == ids
    [record] = [each for each in caplog.records if each.levelname == "WARNING"]
    assert f"handler 2 ('Ops') cannot be read: {PROBLEM}" in record.getMessage()
    assert "canary" not in record.getMessage()


async def test_iterating_strictly_raises_for_a_handler_that_cannot_be_read(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(Fault(body=UNREADABLE_PAGE))
    with pytest.raises(ReplyError, match=re.escape(PROBLEM)) as caught:
        _ = [handler async for handler in bitpeak.notification_handlers.iterate(strict=True)]
    assert "$.data[1].settings.email" == caught.value.path


async def test_create_many_yields_each_outcome_and_survives_failures(
    sandbox: Sandbox, bitpeak: BitPeak
):
    specs = [HandlerSpec(f"n{i}", EmailSettings(f"{i}@example.com"), i % 2 == 0) for i in range(40)]
    bad = HandlerSpec("bad", WebhookSettings("nowhere"))
    sandbox.inject(Fault(status=422), when=lambda request: request.fields.get("name") == "n7")
    outcomes = [o async for o in bitpeak.notification_handlers.create_many([*specs, bad])]
    failed = {outcome.spec.name: type(outcome.error) for outcome in outcomes if not outcome.ok}
    assert {"bad": InvalidRequestError, "n7": ValidationError} == failed
    assert {spec.name: spec.is_enabled for spec in specs if spec.name != "n7"} == {
        handler["name"]: handler["is_enabled"] for handler in sandbox.handlers
    }
    assert {handler["id"] for handler in sandbox.handlers} == {
        outcome.handler_id for outcome in outcomes if outcome.ok
    }


async def test_create_many_tells_of_a_handler_that_could_not_be_disabled(
    sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(Fault(status=422), path="/notification-handlers/1")
    spec = HandlerSpec("a", EmailSettings("a@example.com"), is_enabled=False)
    [outcome] = [o async for o in bitpeak.notification_handlers.create_many([spec])]
    assert (1, ValidationError) == (outcome.handler_id, type(outcome.error))


async def test_create_many_takes_an_async_iterator_and_names_what_is_no_spec(
    sandbox: Sandbox, bitpeak: BitPeak
):
    async def specs():
        yield HandlerSpec("a", EmailSettings("a@example.com"))
        yield {"name": "b"}

    outcomes = [o async for o in bitpeak.notification_handlers.create_many(specs())]
    assert ["specs must hold HandlerSpec, not dict"] == [str(o.error) for o in outcomes if o.error]
    assert ["a"] == [handler["name"] for handler in sandbox.handlers]
