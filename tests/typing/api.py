"""The public API as type checkers see it; checked by ``nox -s typing``, never run."""

from __future__ import annotations

import datetime as dt
import ssl
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Unpack, assert_never, assert_type

import aiohttp

from bitpeak_async import (
    ApplyOptions,
    BitPeak,
    BitPeakError,
    Change,
    ClientOptions,
    Conflict,
    Create,
    CreateOutcome,
    Delete,
    DiscordSettings,
    EmailSettings,
    Event,
    GoogleChatSettings,
    HandlerSpec,
    HandlersWithReplies,
    HandlerType,
    Hook,
    InternalNotificationSettings,
    ListFilters,
    MicrosoftTeamsSettings,
    NotificationHandler,
    Outcome,
    Pace,
    Page,
    Plan,
    PlanOptions,
    PortableOptions,
    ProvisionOptions,
    RateSnapshot,
    RateStore,
    Reply,
    Report,
    Result,
    Retry,
    Settings,
    SlackSettings,
    Stream,
    SyncBitPeak,
    SyncHandlersWithReplies,
    SyncNotificationHandlers,
    TelegramSettings,
    Timeout,
    Unchanged,
    UnknownSettings,
    UnreadableHandler,
    Update,
    WebhookSettings,
    WithReplies,
    XSettings,
    partial_report,
    settings_from_dict,
    spec_from_dict,
    specs_from_rows,
    to_dict,
)
from bitpeak_async.fleet import (
    Account,
    AccountReport,
    EnvironmentKey,
    FileKey,
    Fleet,
    FleetPlan,
    FleetReport,
    KeySource,
    LiteralKey,
    partial_fleet_report,
    read_accounts,
)
from bitpeak_async.fleet.dask import DaskFleet
from bitpeak_async.provisioning.files import (
    dump_environ,
    dump_specs,
    read_environ,
    read_specs,
    spec_file_schema,
)
from bitpeak_async.redis import RedisPaceStore
from bitpeak_async.sandbox import (
    Cleaning,
    Dialect,
    Fault,
    FixedWindow,
    Injection,
    Limit,
    RequestRecord,
    Sandbox,
    SecondWriter,
    TokenBucket,
)
from bitpeak_async.sandbox.limits import Verdict
from bitpeak_async.sync import shutdown
from bitpeak_async.telemetry import Telemetry


async def calls(bitpeak: BitPeak, specs: list[HandlerSpec]) -> None:
    """Each call has an exact type."""
    handlers = bitpeak.notification_handlers
    assert_type(await handlers.create("a", EmailSettings("a@example.com")), int)
    assert_type(await handlers.create("a", EmailSettings("a@example.com"), is_enabled=False), int)
    assert_type(await handlers.find("a"), NotificationHandler | None)
    assert_type(await handlers.ensure(specs[0]), NotificationHandler)
    assert_type(await handlers.enable(1), None)
    assert_type(await handlers.disable(1), None)
    filters: ListFilters = {"search": "a", "type": HandlerType.SLACK, "is_enabled": True}
    assert_type(await handlers.list(page=2, **filters), Page[NotificationHandler])
    await handlers.list(serach="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    handlers.iterate(search=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    handlers.pages(order_by="name", extra_query={"flag": True, "number": 1, "text": "a"})
    assert_type(await handlers.get(1), NotificationHandler)
    assert_type(await handlers.list(page=1, results_per_page=25), Page[NotificationHandler])
    assert_type(await handlers.update(1, settings={"telegram_chat_id": "-1"}), None)
    assert_type(await handlers.delete(1), None)
    assert_type(handlers.iterate(), AsyncGenerator[NotificationHandler, None])
    assert_type(handlers.iterate(strict=True), AsyncGenerator[NotificationHandler, None])
    page = await handlers.list()
    assert_type(page.meta.total, int | None)
    assert_type(page.unreadable, tuple[UnreadableHandler, ...])
    assert_type(page.data[0].is_pending, bool)
    assert_type(handlers.pages(), AsyncGenerator[Page[NotificationHandler], None])
    assert_type(handlers.create_many(specs, progress=True), AsyncGenerator[CreateOutcome, None])
    assert_type(bitpeak.with_options(deadline=1), BitPeak)
    assert_type(bitpeak.with_options(timeout=2.5, headers={"X-Request": "1"}), BitPeak)
    assert_type(bitpeak.rate, RateSnapshot)
    assert_type(bitpeak.rate.paused_for, float)
    plan = await bitpeak.plan(specs)
    assert_type(plan, Plan)
    report = await bitpeak.apply(plan)
    assert_type(report, Report)
    assert_type(report.failed, tuple[Outcome, ...])
    assert_type(report.outcomes[0].result, Result)
    assert_type(await bitpeak.provision(specs, progress=True), Report)
    assert_type(await bitpeak.plan(specs, prune="team-a *"), Plan)
    assert_type(await bitpeak.provision(specs, prune="*", max_deletes=3, force=True), Report)
    assert_type(await bitpeak.close(), None)
    async with bitpeak as entered:
        assert_type(entered, BitPeak)
    async for outcome in handlers.create_many(specs, remove_duplicates=True):
        assert_type(outcome.ok, bool)
        assert_type(outcome.handler_id, int | None)
        assert_type(outcome.error, BitPeakError | None)
        assert_type((outcome.error or BitPeakError()).docs_url, str)


async def replies(bitpeak: BitPeak) -> None:
    """A call with its reply keeps its parameters and its type."""
    replying = bitpeak.with_replies().notification_handlers
    assert_type(bitpeak.with_replies(), WithReplies[HandlersWithReplies])
    assert_type(await replying.get(1), Reply[NotificationHandler])
    assert_type(await replying.list(page=2, search="a"), Reply[Page[NotificationHandler]])
    assert_type(await replying.create("a", EmailSettings("a@b.cc"), is_enabled=False), Reply[int])
    assert_type((await replying.update(1, name="a")).status, int)
    assert_type((await replying.delete(1)).request_id, str | None)
    await replying.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await replying.list(serach="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def plans(plan: Plan, report: Report, specs: list[HandlerSpec]) -> None:
    """What is planned and done keeps its types."""
    assert_type(plan.changes, tuple[Change, ...])
    assert_type(plan.deletes, tuple[Delete, ...])
    assert_type(plan.warnings, tuple[str, ...])
    assert_type(plan.is_empty, bool)
    assert_type(plan.summary, str)
    assert_type(plan.uncompared, tuple[Unchanged, ...])
    assert_type(plan.to_json(), str)
    assert_type(plan.to_markdown(place="production"), str)
    assert_type(plan.markdown_table("a"), tuple[str, tuple[Change, ...], list[str]])
    assert_type(Plan.from_json(plan.to_json(), specs), Plan)
    assert_type(report.created, tuple[Outcome, ...])
    assert_type(report.updated, tuple[Outcome, ...])
    assert_type(report.adopted, tuple[Outcome, ...])
    assert_type(report.is_verified, bool)
    assert_type(partial_report(TimeoutError()), Report | None)
    assert_type(report.deleted, tuple[Outcome, ...])
    assert_type(report.unchanged, tuple[Outcome, ...])
    assert_type(report.summary, str)
    assert_type(report.ok, bool)
    assert_type(report.unresolved, tuple[Outcome, ...])
    assert_type(report.raise_for_failures(), None)


async def fleets(fleet: Fleet, own_key: KeySource, specs: list[HandlerSpec]) -> None:
    """A fleet, its accounts and their keys have exact types."""
    keys: list[KeySource] = [EnvironmentKey("KEY"), FileKey("acme.key"), LiteralKey("key"), own_key]
    assert_type([key.resolve() for key in keys], list[str])
    assert_type(EnvironmentKey("KEY").resolve(), str)
    assert_type(read_accounts("a.yaml", Path("specs"), environ={}), list[Account])
    account = Account("acme", own_key, [*specs, "specs/acme.yaml"])
    assert_type(account.title, str)
    assert_type(account.with_specs(specs), Account)
    assert_type(await fleet.plan(prune="team-a *"), FleetPlan)
    assert_type(await fleet.apply(await fleet.plan()), FleetReport)
    assert_type(await fleet.provision(on_outcome=print, keep_outcomes=False), FleetReport)
    assert_type(await fleet.provision_account(account, on_outcome=print), Report)
    assert_type(await fleet.close(), None)
    async with Fleet([account], in_flight=50) as entered:
        assert_type(entered, Fleet)
    Account("acme", specs=specs)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Fleet(["acme"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def fleet_reports(plan: FleetPlan, report: FleetReport) -> None:
    """So has what is told of them."""
    assert_type(plan.is_empty, bool)
    assert_type(plan.summary, str)
    assert_type(iter(report), Iterator[AccountReport])
    assert_type(report.ok, bool)
    assert_type(report.failed, tuple[AccountReport, ...])
    assert_type(report.totals, Mapping[Result, int])
    assert_type(report.summary, str)
    assert_type(report.raise_for_failures(), None)
    assert_type(report.accounts["acme"].ok, bool)
    assert_type(report.accounts["acme"].errors, tuple[BitPeakError, ...])
    assert_type(report.accounts["acme"].summary, str)
    assert_type(partial_fleet_report(TimeoutError()), FleetReport | None)


def client_options(
    store: RateStore, tls: ssl.SSLContext, session: aiohttp.ClientSession, account: Account
) -> None:
    """Each client takes each option with its type."""
    portable: PortableOptions = {
        "base_url": "https://bitpeak.ru/api",
        "timeout": Timeout(total=5),
        "retry": Retry(attempts=1),
        "pace": Pace(in_flight=1),
        "proxy": None,
        "max_reply_bytes": 1000,
        "allow_insecure": True,
        "pace_store": store,
        "timezone": dt.UTC,
        "app_info": "acme-bot/2.1",
    }
    options: ClientOptions = {**portable, "ssl": tls, "hooks": [print], "headers": {"X-Team": "a"}}
    assert_type(BitPeak("key", session=session, **options), BitPeak)
    assert_type(SyncBitPeak("key", **options), SyncBitPeak)
    assert_type(Fleet([account], in_flight=50, **options), Fleet)
    assert_type(DaskFleet([account], workers=2, in_flight=50, **portable), DaskFleet)
    BitPeak(base_url=None, timeout=Timeout(), retry=Retry(), pace=Pace(), proxy=None, ssl=tls)
    BitPeak(
        hooks=[print], max_reply_bytes=1, allow_insecure=False, pace_store=None, timezone=dt.UTC
    )

    BitPeak(timeuot=Timeout())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    SyncBitPeak(timeuot=Timeout())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    SyncBitPeak(session=session)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Fleet([account], timeuot=Timeout())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    DaskFleet([account], timeuot=Timeout())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    DaskFleet([account], hooks=[print])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    BitPeak(base_url=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(timeout=5, headers=None, app_info=None)
    BitPeak(headers=["X-Team"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(app_info=2.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(pace=16)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(proxy=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(max_reply_bytes="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(allow_insecure="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(pace_store="redis://")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(timezone="UTC")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(ssl=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    BitPeak(hooks=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SyncBitPeak(pace=16)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Fleet([account], pace=16)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DaskFleet([account], pace=16)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def provision_options(
    bitpeak: BitPeak, specs: list[HandlerSpec], fleet: Fleet, dask: DaskFleet, account: Account
) -> None:
    """Whatever plans or applies takes each option with its type."""
    planning: PlanOptions = {"prune": "team-a *"}
    applying: ApplyOptions = {
        "verify": False,
        "max_deletes": 3,
        "force": True,
        "grace": 1.5,
    }
    both: ProvisionOptions = {**planning, **applying}
    assert_type(await bitpeak.plan(specs, **planning), Plan)
    assert_type(await bitpeak.apply(Plan(()), on_outcome=print, **applying), Report)
    assert_type(await bitpeak.provision(specs, on_outcome=print, **both), Report)
    assert_type(await fleet.plan(**planning), FleetPlan)
    assert_type(await fleet.apply(FleetPlan({}), keep_outcomes=False, **applying), FleetReport)
    assert_type(await fleet.provision(keep_outcomes=False, **both), FleetReport)
    assert_type(await fleet.provision_account(account, on_outcome=print, **both), Report)
    assert_type(await dask.provision(on_account=print, keep_outcomes=True, **both), FleetReport)

    await bitpeak.plan(specs, force=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await bitpeak.apply(Plan(()), prune="*")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await bitpeak.provision(specs, graze=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await fleet.plan(force=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await fleet.apply(FleetPlan({}), prune="*")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await fleet.provision(graze=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await fleet.provision_account(account, graze=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await dask.provision(graze=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await bitpeak.plan(specs, prune=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await bitpeak.provision(specs, verify="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await bitpeak.provision(specs, max_deletes=0.3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await bitpeak.provision(specs, force="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await bitpeak.provision(specs, grace="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fleet.provision(grace="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await dask.provision(grace="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def passed_on(**options: Unpack[ClientOptions]) -> BitPeak:
    """A function of one's own can pass the options on."""
    return BitPeak("key", **options)


def faults() -> None:
    """Each way to make a fault makes one."""
    assert_type(Fault.slow(1), Fault)
    assert_type(Fault.api_error(422, "a", retry_after=1), Fault)
    assert_type(Fault.rate_limited(retry_after=2), Fault)
    assert_type(Fault.html_page(commits=True), Fault)
    assert_type(Fault.odd_status("099", commits=True), Fault)
    assert_type(Fault.unsolicited_response("{}", interval=0.1), Fault)
    assert_type(Fault.lost_type(""), Fault)
    assert_type(Fault.unreadable_handler(7, {"id": None}), Fault)
    assert_type(Fault.overstated_total(350), Fault)
    assert_type(Fault.empty_page(), Fault)
    assert_type(Fault.gateway_error(502, commits=True, retry_after="1"), Fault)
    assert_type(Fault.late_commit(0.5), Fault)
    assert_type(Fault.redirect("https://example.com", status=308), Fault)
    assert_type(Fault.disconnect_before_commit(), Fault)
    assert_type(Fault.disconnect_after_commit(), Fault)
    assert_type(Fault.truncated_body(), Fault)
    assert_type(Fault.slow_body(0.01), Fault)
    assert_type(Fault.stall(commits=True), Fault)
    assert_type(Fault.stall().answers, bool)
    assert_type(Fault.stall().replaces_response, bool)


async def sandboxes(own_limit: Limit) -> None:
    """The sandbox, in both ways to enter it, tells and does what has a type."""
    assert_type(Dialect.platform(), Dialect)
    assert_type(Cleaning(trims=True).clean({"name": " a"}), dict[str, str])
    writer = SecondWriter(rate=20, actions=["insert"])
    assert_type(writer.inserted, set[int])
    sandbox = Sandbox(limit=own_limit, dialect=Dialect(), second_writer=writer)
    with sandbox as entered:
        assert_type(entered, Sandbox)
    async with Sandbox(limit=TokenBucket(rate=10, burst=2)) as awaited:
        assert_type(awaited, Sandbox)
    assert_type(await sandbox.start(), None)
    assert_type(sandbox.base_url, str)
    assert_type(sandbox.dashboard_url, str)
    assert_type(sandbox.handlers, list[dict[str, Any]])
    assert_type(sandbox.handlers_of("key"), list[dict[str, Any]])
    assert_type(sandbox.requests, deque[RequestRecord])
    assert_type(sandbox.counts, Counter[tuple[str, int | None]])
    assert_type(sandbox.in_flight, int)
    assert_type(sandbox.peak_in_flight, int)
    assert_type(sandbox.add(name="a", type="email", settings={"email": "a@example.com"}), int)
    assert_type(sandbox.add_many([{"name": "a", "type": "email", "settings": {}}]), None)
    assert_type(sandbox.seed_handlers(3), None)
    assert_type(sandbox.inject(Fault.stall(), method="GET", times=None), Injection)
    assert_type(sandbox.inject(Fault.stall()).left, int | None)
    assert_type(sandbox.clear_faults(), None)
    assert_type(sandbox.confirm(1), None)
    assert_type(sandbox.sync_replica(), None)
    assert_type(sandbox.skip(60), None)
    assert_type(await sandbox.settled(), None)
    assert_type(await sandbox.close(), None)
    assert_type(own_limit.admit(1.0), Verdict)
    assert_type(FixedWindow(10, 1).admit(1.0), Verdict)
    assert_type(TokenBucket(rate=10, burst=2).admit(1.0), Verdict)
    sandbox.add(name="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def spec_files(specs: list[HandlerSpec]) -> None:
    """So does what is read from files and written to them."""
    assert_type(read_specs("handlers.yaml", Path("more")), list[HandlerSpec])
    environ: dict[str, str] = {}
    assert_type(dump_specs(specs, "toml", environ=environ), str)
    assert_type(dump_environ(environ), str)
    assert_type(read_environ(".env"), dict[str, str])
    assert_type(spec_file_schema(), dict[str, Any])


def hooks(telemetry: Telemetry, event: Event) -> None:
    """Telemetry is a hook."""
    assert_type(Telemetry(), Telemetry)
    assert_type(telemetry(event), None)
    hook: Hook = telemetry
    assert_type(BitPeak(hooks=[hook, print]), BitPeak)
    assert_type(SyncBitPeak(hooks=[telemetry]), SyncBitPeak)


async def shared_rate(store: RedisPaceStore, own: RateStore) -> None:
    """A store of one's own is any that keeps records and swaps them."""
    assert_type(BitPeak(pace_store=store), BitPeak)
    assert_type(BitPeak(pace_store=own), BitPeak)
    assert_type(own.connect(), AbstractAsyncContextManager[object])
    assert_type(await own.read("a"), tuple[float, bytes])
    assert_type(await own.swap("a", b"", b"b"), tuple[float, bytes | None])


def records(handler: NotificationHandler, page: Page[NotificationHandler]) -> None:
    """Records keep their types."""
    assert_type(handler.type, str)
    assert_type(page.data, tuple[NotificationHandler, ...])
    assert_type(list(page), list[NotificationHandler])
    assert_type(to_dict(handler), dict[str, Any])
    assert_type(to_dict(page, secrets=True), dict[str, Any])
    assert_type(to_dict(handler.settings), dict[str, Any])
    spec = HandlerSpec("a", EmailSettings("a@example.com"))
    assert_type(spec_from_dict({"name": "a", "type": "internal_notification"}), HandlerSpec)
    assert_type(to_dict(spec), dict[str, Any])
    assert_type(settings_from_dict("slack", {"slack": "https://example.com"}), Settings)
    assert_type(
        specs_from_rows([{"name": "a", "type": "internal_notification"}]), list[HandlerSpec]
    )
    to_dict("record")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


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
    if isinstance(change, Update):
        assert_type(change.fields, tuple[str, ...])
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
    assert_type(handlers.create("a", EmailSettings("a@example.com"), is_enabled=False), int)
    assert_type(handlers.find("a"), NotificationHandler | None)
    assert_type(handlers.ensure(specs[0]), NotificationHandler)
    assert_type(handlers.enable(1), None)
    assert_type(handlers.disable(1), None)
    assert_type(handlers.list(search="a", is_enabled=True), Page[NotificationHandler])
    handlers.list(serach="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(handlers.get(1), NotificationHandler)
    assert_type(handlers.list(page=1, results_per_page=25), Page[NotificationHandler])
    assert_type(handlers.update(1, settings={"telegram_chat_id": "-1"}), None)
    assert_type(handlers.delete(1), None)
    assert_type(handlers.iterate(), Stream[NotificationHandler])
    assert_type(handlers.pages(), Stream[Page[NotificationHandler]])
    assert_type(handlers.create_many(specs), Stream[CreateOutcome])
    assert_type(list(handlers.iterate()), list[NotificationHandler])
    for page in handlers.pages():
        assert_type(page, Page[NotificationHandler])
    assert_type(bitpeak.with_options(timeout=2, headers={"X-Request": "1"}), SyncBitPeak)
    replying = bitpeak.with_replies().notification_handlers
    assert_type(replying, SyncHandlersWithReplies)
    assert_type(replying.get(1), Reply[NotificationHandler])
    assert_type(replying.list(search="a"), Reply[Page[NotificationHandler]])
    assert_type(replying.create("a", EmailSettings("a@b.cc")), Reply[int])
    assert_type(replying.delete(1), Reply[None])
    replying.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(bitpeak.plan(specs), Plan)
    assert_type(bitpeak.apply(bitpeak.plan(specs)), Report)
    assert_type(bitpeak.provision(specs), Report)
    assert_type(bitpeak.plan(specs, prune="team-a *"), Plan)
    assert_type(bitpeak.provision(specs, prune="*", max_deletes=3, force=True), Report)
    assert_type(bitpeak.close(), None)
    with bitpeak as entered, handlers.create_many(specs) as outcomes:
        assert_type(entered, SyncBitPeak)
        assert_type(next(outcomes), CreateOutcome)
    stream = handlers.iterate()
    assert_type(stream.close(), None)
    assert_type(shutdown(), None)
    handlers.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
