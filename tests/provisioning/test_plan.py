"""Plans: pure comparison by name, a readable diff, secrets masked."""

import datetime as dt
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from bitpeak_async import (
    Conflict,
    Create,
    EmailSettings,
    HandlerSpec,
    InternalNotificationSettings,
    NotificationHandler,
    Plan,
    PlanError,
    Settings,
    SlackSettings,
    TelegramSettings,
    Unchanged,
    UnknownSettings,
    Update,
    WebhookSettings,
)
from bitpeak_async.provisioning.plan import make_plan
from bitpeak_async.settings import Format

NOW = dt.datetime(2025, 12, 5, tzinfo=dt.UTC)
MAIL = EmailSettings("a@example.com")
OLD_MAIL = EmailSettings("old@example.com")
SLACK = SlackSettings("https://hooks.slack.com/services/secret-1")
BOT = TelegramSettings("1:abcd", "-1")


def handler(
    handler_id: int, name: str, settings: Settings = MAIL, *, is_enabled: bool = True
) -> NotificationHandler:
    return NotificationHandler(handler_id, name, settings, is_enabled, None, NOW)


async def plan(specs: Iterable[Any], *existing: NotificationHandler) -> Plan:
    async def listing() -> AsyncIterator[NotificationHandler]:
        for each in existing:
            yield each

    return await make_plan(specs, listing())


async def test_changes_come_in_the_order_of_the_specs():
    specs = [HandlerSpec(name, MAIL) for name in ("new", "same", "moved", "twice")]
    moved = handler(1, "moved", OLD_MAIL)
    others = handler(2, "same"), handler(4, "twice"), handler(5, "not ours")
    made = await plan(specs, handler(3, "twice"), moved, *others)
    assert (
        Create(specs[0]),
        Unchanged(specs[1], 2),
        Update(specs[2], moved, ("settings.email",)),
        Conflict(specs[3], (3, 4)),
    ) == made.changes
    assert not made.is_empty


async def test_nothing_to_do_is_an_empty_plan():
    made = await plan([HandlerSpec("a", MAIL)], handler(1, "a"))
    assert made.is_empty
    assert "0 to change (0 to create, 0 to update), 1 unchanged" == str(made)


@pytest.mark.parametrize(
    ("desired", "seen", "fields"),
    [
        (MAIL, MAIL, ()),
        (MAIL, OLD_MAIL, ("settings.email",)),
        (MAIL, SLACK, ("type",)),
        (MAIL, EmailSettings("a...@example.com"), ("settings.email",)),
        (BOT, TelegramSettings("", "-1"), ()),
        (BOT, TelegramSettings("", "-2"), ("settings.telegram_chat_id",)),
        (BOT, TelegramSettings("1:a*****", "-1"), ()),
        (BOT, TelegramSettings("•••••••cd", "-1"), ()),
        (BOT, TelegramSettings("2:a*****", "-1"), ("settings.telegram",)),
        (BOT, TelegramSettings("1:…xx", "-1"), ("settings.telegram",)),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("t", {"t": 1, "more": {}}), ()),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("t", {"t": None}), ()),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("t", {"t": "2"}), ("settings.t",)),
        (UnknownSettings("t", {"t": "1"}), UnknownSettings("u", {"t": "1"}), ("type",)),
        (InternalNotificationSettings(), InternalNotificationSettings(), ()),
    ],
)
async def test_what_differs_is_named_and_what_is_hidden_is_not_compared(
    desired: Settings, seen: Settings, fields: tuple[str, ...]
):
    [change] = (await plan([HandlerSpec("a", desired)], handler(1, "a", seen))).changes
    assert fields == (change.fields if isinstance(change, Update) else ())


async def test_a_handler_switched_off_by_hand_is_switched_on_again():
    [change] = (await plan([HandlerSpec("a", MAIL)], handler(1, "a", is_enabled=False))).changes
    assert isinstance(change, Update)
    assert ("is_enabled",) == change.fields


async def test_the_diff_shows_every_change_and_no_secret():
    specs = [
        HandlerSpec("mail", MAIL, is_enabled=False),
        HandlerSpec("#ops", SlackSettings("https://hooks.slack.com/services/secret-2")),
        HandlerSpec("bot", TelegramSettings("secret-3", "-100"), is_enabled=False),
        HandlerSpec("bell", InternalNotificationSettings()),
        HandlerSpec("twice", MAIL),
    ]
    made = await plan(
        specs,
        handler(7, "#ops", SLACK),
        handler(8, "bot", WebhookSettings("https://example.com/secret-4")),
        handler(1, "twice"),
        handler(2, "twice"),
    )
    assert [
        "+ 'mail' (email) 'a@example.com'",
        "    is_enabled: false",
        "~ '#ops' (slack, id 7)",
        "    settings.slack: https://hooks.slack.com/*** → https://hooks.slack.com/***",
        "~ 'bot' (webhook, id 8)",
        "    type: webhook → telegram",
        "    is_enabled: true → false",
        "+ 'bell' (internal_notification)",
        "! 'twice': several handlers have this name (ids 1, 2)",
        "4 to change (2 to create, 2 to update), 0 unchanged, 1 in conflict",
    ] == str(made).splitlines()
    assert "secret" not in str(made) + repr(made)


async def test_a_name_cannot_forge_lines_of_the_diff():
    made = await plan([HandlerSpec("a\n+ 'b' (email)\x1b[31m", MAIL)])
    assert 2 == len(str(made).splitlines())
    assert "\x1b" not in str(made)


async def test_all_that_is_wrong_with_the_specs_is_told_at_once():
    specs = [
        HandlerSpec("a", MAIL),
        HandlerSpec("", MAIL),
        HandlerSpec("hook", WebhookSettings("example.com/secret-5")),
        {"name": "b"},
        HandlerSpec("a", SLACK),
        HandlerSpec("x", "email"),
    ]
    with pytest.raises(PlanError) as caught:
        await plan(specs)
    *first, last = caught.value.problems
    assert [
        "spec 2 (''): name must not be empty",
        f"spec 3 ('hook'): settings.url must be {Format.URL.value}",
        "spec 4: must be a HandlerSpec, not dict",
        "specs 1 and 5 share the name 'a'",
    ] == first
    assert last.startswith("spec 6 ('x'): settings must be one of EmailSettings")
    assert "secret-5" not in str(caught.value)


async def test_a_type_of_the_server_cannot_forge_lines_of_the_diff():
    forged = UnknownSettings("x\n+ 'b' (email)", {})
    made = await plan([HandlerSpec("a", MAIL)], handler(1, "a", forged))
    assert 3 == len(str(made).splitlines())
