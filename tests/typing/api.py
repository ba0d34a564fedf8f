"""The public API as type checkers see it; checked by ``nox -s typing``, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import assert_never, assert_type

from bitpeak_async import (
    BitPeak,
    Change,
    Conflict,
    Create,
    CreateOutcome,
    Delete,
    DiscordSettings,
    EmailSettings,
    GoogleChatSettings,
    HandlerSpec,
    InternalNotificationSettings,
    MicrosoftTeamsSettings,
    NotificationHandler,
    Outcome,
    Page,
    Plan,
    Report,
    Result,
    Settings,
    SlackSettings,
    Stream,
    SyncBitPeak,
    SyncNotificationHandlers,
    TelegramSettings,
    Unchanged,
    UnknownSettings,
    Update,
    WebhookSettings,
    XSettings,
)


async def calls(bitpeak: BitPeak, specs: list[HandlerSpec]) -> None:
    """Each call has an exact type."""
    handlers = bitpeak.notification_handlers
    assert_type(await handlers.create("a", EmailSettings("a@example.com")), int)
    assert_type(await handlers.get(1), NotificationHandler)
    assert_type(await handlers.list(page=1, results_per_page=25), Page[NotificationHandler])
    assert_type(await handlers.update(1, settings={"telegram_chat_id": "-1"}), None)
    assert_type(await handlers.delete(1), None)
    assert_type(handlers.iterate(), AsyncGenerator[NotificationHandler, None])
    assert_type(handlers.pages(), AsyncGenerator[Page[NotificationHandler], None])
    assert_type(handlers.create_many(specs), AsyncGenerator[CreateOutcome, None])
    assert_type(bitpeak.with_options(deadline=1), BitPeak)
    plan = await bitpeak.plan(specs)
    assert_type(plan, Plan)
    report = await bitpeak.apply(plan)
    assert_type(report, Report)
    assert_type(report.failed, tuple[Outcome, ...])
    assert_type(report.outcomes[0].result, Result)
    assert_type(await bitpeak.provision(specs), Report)
    async with bitpeak as entered:
        assert_type(entered, BitPeak)


def records(handler: NotificationHandler, page: Page[NotificationHandler]) -> None:
    """Records keep their types."""
    assert_type(handler.type, str)
    assert_type(page.data, tuple[NotificationHandler, ...])
    assert_type(list(page), list[NotificationHandler])


def every_settings_class(settings: Settings) -> str:  # noqa: PLR0911 - one for each class
    """``match`` over ``Settings`` is exhaustive."""
    match settings:
        case EmailSettings(email):
            return assert_type(email, str)
        case WebhookSettings(url):
            return url
        case SlackSettings(url) | DiscordSettings(url) | GoogleChatSettings(url):
            return url
        case MicrosoftTeamsSettings(webhook_url=url):
            return url
        case TelegramSettings(api_token, chat_id):
            return api_token + chat_id
        case XSettings(key, secret, token, token_secret):
            return key + secret + token + token_secret
        case InternalNotificationSettings():
            return ""
        case UnknownSettings(type=name):
            return name
        case _:
            assert_never(settings)


def every_change(change: Change) -> HandlerSpec | None:
    """``match`` over ``Change`` is exhaustive."""
    assert_type(change.name, str)
    match change:
        case Create() | Update() | Unchanged() | Conflict():
            return change.spec
        case Delete():
            return None
        case _:
            assert_never(change)


def refused(bitpeak: BitPeak) -> None:
    """What would fail at run time fails here; an ignore that is not needed is an error too."""
    EmailSettings()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    HandlerSpec("a", "email")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _ = bitpeak.notification_handlers.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def blocking_calls(bitpeak: SyncBitPeak, specs: list[HandlerSpec]) -> None:
    """Each blocking call has the type that awaiting its original has."""
    handlers = bitpeak.notification_handlers
    assert_type(handlers, SyncNotificationHandlers)
    assert_type(handlers.create("a", EmailSettings("a@example.com")), int)
    assert_type(handlers.get(1), NotificationHandler)
    assert_type(handlers.list(page=1, results_per_page=25), Page[NotificationHandler])
    assert_type(handlers.iterate(), Stream[NotificationHandler])
    assert_type(handlers.pages(), Stream[Page[NotificationHandler]])
    assert_type(handlers.create_many(specs), Stream[CreateOutcome])
    assert_type(list(handlers.iterate()), list[NotificationHandler])
    for page in handlers.pages():
        assert_type(page, Page[NotificationHandler])
    assert_type(bitpeak.with_options(deadline=1), SyncBitPeak)
    assert_type(bitpeak.plan(specs), Plan)
    assert_type(bitpeak.apply(bitpeak.plan(specs)), Report)
    assert_type(bitpeak.provision(specs), Report)
    with bitpeak as entered, handlers.create_many(specs) as outcomes:
        assert_type(entered, SyncBitPeak)
        assert_type(next(outcomes), CreateOutcome)
    handlers.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
