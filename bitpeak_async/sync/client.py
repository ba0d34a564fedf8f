"""The synchronous client: it mirrors every coroutine for callers without an event loop."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack, cast

from bitpeak_async._bulk.driver import CreateOutcome
from bitpeak_async._checks import check_flag
from bitpeak_async._display import with_progress
from bitpeak_async._http.form import Query
from bitpeak_async._secret import hides
from bitpeak_async.client import BitPeak
from bitpeak_async.events import RateSnapshot
from bitpeak_async.keywords import (
    ApplyOptions,
    ClientConfig,
    ClientOptions,
    ListFilters,
    PlanOptions,
    ProvisionOptions,
    refuse_unknown,
    takes,
)
from bitpeak_async.notification_handlers import NotificationHandlers, readable
from bitpeak_async.options import Retry, Timeout
from bitpeak_async.provisioning.desired import as_list
from bitpeak_async.provisioning.plan import Plan
from bitpeak_async.provisioning.report import Outcome, Report
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page
from bitpeak_async.sync.mailbox import CallerMailbox
from bitpeak_async.sync.portal import shutdown
from bitpeak_async.sync.runner import SyncRunner, blocking
from bitpeak_async.sync.stream import Stream

if TYPE_CHECKING:
    from bitpeak_async.sync.with_replies import SyncHandlersWithReplies
    from bitpeak_async.with_replies import WithReplies

__all__ = ["Stream", "SyncBitPeak", "SyncNotificationHandlers", "shutdown"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

# Passing several outcomes at a time halves the switches between threads.
_OUTCOMES_AHEAD: Final = 16


def _mirrors(original: Callable[..., object]) -> Callable[[F], F]:
    """Give a mirror the docstring of its original, and the signature that ``takes`` made."""

    def document(mirror: F) -> F:
        mirror.__doc__ = original.__doc__
        if signature := getattr(original, "__signature__", None):
            cast(Any, mirror).__signature__ = signature
        return mirror

    return document


class SyncNotificationHandlers:
    """The notification handlers of a key; reached as ``SyncBitPeak.notification_handlers``.

    Calls block the calling thread only. Any number of threads may share it.
    """

    def __init__(self, handlers: NotificationHandlers, runner: SyncRunner) -> None:
        self._handlers = handlers
        self._runner = runner

    list: Final = blocking(NotificationHandlers.list)
    get: Final = blocking(NotificationHandlers.get)
    create: Final = blocking(NotificationHandlers.create)
    find: Final = blocking(NotificationHandlers.find)
    ensure: Final = blocking(NotificationHandlers.ensure)
    enable: Final = blocking(NotificationHandlers.enable)
    disable: Final = blocking(NotificationHandlers.disable)
    update: Final = blocking(NotificationHandlers.update)
    delete: Final = blocking(NotificationHandlers.delete)

    @_mirrors(NotificationHandlers.pages)
    def pages(
        self,
        *,
        results_per_page: int = 1000,
        extra_query: Query | None = None,
        **filters: Unpack[ListFilters],
    ) -> Stream[Page[NotificationHandler]]:
        pages = self._handlers.pages(
            results_per_page=results_per_page, extra_query=extra_query, **filters
        )
        return self._runner.stream(pages, _itself)

    @_mirrors(NotificationHandlers.iterate)
    def iterate(
        self,
        *,
        results_per_page: int = 1000,
        extra_query: Query | None = None,
        strict: bool = False,
        **filters: Unpack[ListFilters],
    ) -> Stream[NotificationHandler]:
        pages = self._handlers.pages(
            results_per_page=results_per_page, extra_query=extra_query, **filters
        )
        return self._runner.stream(pages, partial(readable, strict=strict))

    @_mirrors(NotificationHandlers.create_many)
    def create_many(
        self,
        specs: Iterable[HandlerSpec] | AsyncIterable[HandlerSpec],
        *,
        remove_duplicates: bool = False,
        progress: bool = False,
    ) -> Stream[CreateOutcome]:
        check_flag("progress", progress)
        caller, source = CallerMailbox(), specs
        if isinstance(specs, Iterable):
            specs = caller.pulling(specs)
        outcomes = self._handlers.create_many(specs, remove_duplicates=remove_duplicates)
        if progress:  # here, where the number of specs is known
            outcomes = with_progress(outcomes, "Creating", source)
        return self._runner.stream(outcomes, _itself, ahead=_OUTCOMES_AHEAD, caller=caller)


@takes(ClientOptions, ClientConfig)
class SyncBitPeak:
    """A client of the BitPeak API for callers without an event loop.

    It mirrors ``BitPeak`` name for name. All synchronous clients of a process share one background
    thread. Use it as ``with SyncBitPeak(api_key) as bitpeak:``, or call ``close()`` when done. Any
    number of threads can share a client. After a fork, the child can keep using it, with its own
    connections.

    Ctrl-C cancels the current call, waits until it has cleaned up, and raises KeyboardInterrupt.

    Iterators of specs and ``on_outcome`` run in the thread that made the call. Hooks run on the
    background thread: they see the caller's context variables, and must not make blocking calls.

    It takes no ``session``, because an aiohttp session belongs to the event loop that created it.

    Args:
        api_key: the key; by default the environment variable ``BITPEAK_API_KEY``.
        **options: see ``ClientOptions``.

    Attributes:
        notification_handlers: the notification handlers of the key.

    Raises:
        ConfigurationError: an argument is invalid; the message names it and a valid value.
    """

    notification_handlers: SyncNotificationHandlers

    @hides("api_key", "proxy", "headers")
    def __init__(self, api_key: str | None = None, **options: Unpack[ClientOptions]) -> None:
        refuse_unknown("SyncBitPeak", options, ClientOptions)
        bitpeak = BitPeak(api_key, **options)
        self._owns_runner = True
        self._use(bitpeak, SyncRunner(bitpeak))

    def _use(self, bitpeak: BitPeak, runner: SyncRunner) -> None:
        self._bitpeak = bitpeak
        self._runner = runner
        self.notification_handlers = SyncNotificationHandlers(bitpeak.notification_handlers, runner)

    @_mirrors(BitPeak.with_options)
    @hides("headers")
    def with_options(
        self,
        *,
        timeout: Timeout | float | None = None,
        retry: Retry | None = None,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        derived = copy.copy(self)
        derived._owns_runner = False  # noqa: SLF001 - a client of this very class
        bitpeak = self._bitpeak.with_options(
            timeout=timeout, retry=retry, deadline=deadline, headers=headers
        )
        derived._use(bitpeak, self._runner)  # noqa: SLF001 - the same
        return derived

    @_mirrors(BitPeak.with_replies)
    def with_replies(self) -> WithReplies[SyncHandlersWithReplies]:
        from bitpeak_async.sync.with_replies import (  # noqa: PLC0415 - as in BitPeak
            SyncHandlersWithReplies,
        )
        from bitpeak_async.with_replies import WithReplies  # noqa: PLC0415 - the same

        replying = self._bitpeak.with_replies().notification_handlers
        return WithReplies(SyncHandlersWithReplies(replying, self._runner))

    @_mirrors(BitPeak.plan)
    def plan(self, specs: Iterable[HandlerSpec], **options: Unpack[PlanOptions]) -> Plan:
        refuse_unknown("SyncBitPeak.plan", options, PlanOptions)
        return self._runner.run(partial(self._bitpeak.plan, as_list(specs), **options))

    @_mirrors(BitPeak.apply)
    def apply(
        self,
        plan: Plan,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        **options: Unpack[ApplyOptions],
    ) -> Report:
        refuse_unknown("SyncBitPeak.apply", options, ApplyOptions)
        caller = CallerMailbox()
        calling = caller.calling(on_outcome)
        apply = partial(self._bitpeak.apply, plan, on_outcome=calling, **options)
        return self._runner.run(apply, caller)

    @_mirrors(BitPeak.provision)
    def provision(
        self,
        specs: Iterable[HandlerSpec],
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        progress: bool = False,
        **options: Unpack[ProvisionOptions],
    ) -> Report:
        refuse_unknown("SyncBitPeak.provision", options, ProvisionOptions)
        caller = CallerMailbox()
        calling = caller.calling(on_outcome)
        provision = partial(
            self._bitpeak.provision,
            as_list(specs),
            on_outcome=calling,
            progress=progress,
            **options,
        )
        return self._runner.run(provision, caller)

    @property
    def rate(self) -> RateSnapshot:
        """Like ``BitPeak.rate``; any thread can read it."""
        return self._bitpeak.rate

    @_mirrors(BitPeak.close)
    def close(self) -> None:
        if self._owns_runner:
            self._runner.close()

    def __enter__(self) -> Self:
        self._runner.check()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_bitpeak"):  # a traceback shows locals after __init__ raised
            return "SyncBitPeak()"
        return f"Sync{self._bitpeak!r}"


def sync_client_over(bitpeak: BitPeak) -> SyncBitPeak:
    """Return a synchronous client that runs the calls of an asynchronous one and closes it."""
    client = SyncBitPeak.__new__(SyncBitPeak)
    client._owns_runner = True  # noqa: SLF001 - as in SyncBitPeak
    client._use(bitpeak, SyncRunner(bitpeak))  # noqa: SLF001 - the same
    return client


def _itself(item: T) -> tuple[T]:
    return (item,)
