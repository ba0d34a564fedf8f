"""The synchronous client: every coroutine mirrored for callers without an event loop."""

from __future__ import annotations

import copy
import datetime as dt
import ssl as tls
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Iterable,
)
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from bitpeak_async._bulk.create_run import CreateOutcome
from bitpeak_async._rate.store import PaceStore
from bitpeak_async.client import MAX_REPLY_BYTES, BitPeak
from bitpeak_async.errors import ClosedError
from bitpeak_async.events import Hook
from bitpeak_async.notification_handlers import NotificationHandlers, Query
from bitpeak_async.options import Pace, Retry, Timeout
from bitpeak_async.provisioning.apply import Outcome, Report
from bitpeak_async.provisioning.plan import Plan, listed
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page
from bitpeak_async.settings import Hidden, Settings, SettingsFields, masked
from bitpeak_async.sync.mailbox import CallerMailbox
from bitpeak_async.sync.portal import Portal, ensure_portal, running_portal, shutdown
from bitpeak_async.sync.stream import Stream

__all__ = ["Stream", "SyncBitPeak", "SyncNotificationHandlers", "shutdown"]

S = TypeVar("S")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])

# Outcomes come one by one; handing over several at a time saves the threads half their meetings.
_OUTCOMES_AHEAD: Final = 16


def _mirrors(original: Callable[..., object]) -> Callable[[F], F]:
    """Give a mirror the docstring of what it mirrors."""

    def document(mirror: F) -> F:
        mirror.__doc__ = original.__doc__
        return mirror

    return document


class SyncNotificationHandlers:
    """The notification handlers of a key; reached as ``SyncBitPeak.notification_handlers``.

    Calls block the calling thread only. Any number of threads may share it.
    """

    def __init__(self, handlers: NotificationHandlers, bridge: SyncRunner) -> None:
        self._handlers = handlers
        self._bridge = bridge

    @_mirrors(NotificationHandlers.list)
    def list(
        self, *, page: int = 1, results_per_page: int = 25, extra_query: Query | None = None
    ) -> Page[NotificationHandler]:
        return self._bridge.run(
            partial(
                self._handlers.list,
                page=page,
                results_per_page=results_per_page,
                extra_query=extra_query,
            )
        )

    @_mirrors(NotificationHandlers.pages)
    def pages(
        self, *, results_per_page: int = 1000, extra_query: Query | None = None
    ) -> Stream[Page[NotificationHandler]]:
        pages = self._handlers.pages(results_per_page=results_per_page, extra_query=extra_query)
        return self._bridge.stream(pages, _itself)

    @_mirrors(NotificationHandlers.iterate)
    def iterate(
        self, *, results_per_page: int = 1000, extra_query: Query | None = None
    ) -> Stream[NotificationHandler]:
        pages = self._handlers.pages(results_per_page=results_per_page, extra_query=extra_query)
        return self._bridge.stream(pages, iter)

    @_mirrors(NotificationHandlers.get)
    def get(self, handler_id: int) -> NotificationHandler:
        return self._bridge.run(partial(self._handlers.get, handler_id))

    @_mirrors(NotificationHandlers.create)
    def create(self, name: str, settings: Settings) -> int:
        settings = masked(settings)
        return self._bridge.run(partial(self._handlers.create, name, settings))

    @_mirrors(NotificationHandlers.update)
    def update(
        self,
        handler_id: int,
        *,
        name: str | None = None,
        settings: Settings | SettingsFields | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        settings = masked(settings)
        self._bridge.run(
            partial(
                self._handlers.update,
                handler_id,
                name=name,
                settings=settings,
                is_enabled=is_enabled,
            )
        )

    @_mirrors(NotificationHandlers.delete)
    def delete(self, handler_id: int) -> None:
        self._bridge.run(partial(self._handlers.delete, handler_id))

    @_mirrors(NotificationHandlers.create_many)
    def create_many(
        self,
        specs: Iterable[HandlerSpec] | AsyncIterable[HandlerSpec],
        *,
        remove_duplicates: bool = False,
    ) -> Stream[CreateOutcome]:
        caller = CallerMailbox()
        if isinstance(specs, Iterable):
            specs = caller.pulling(specs)
        outcomes = self._handlers.create_many(specs, remove_duplicates=remove_duplicates)
        return self._bridge.stream(outcomes, _itself, ahead=_OUTCOMES_AHEAD, caller=caller)


class SyncBitPeak:
    """A client of the BitPeak API for callers without an event loop.

    It does what ``BitPeak`` does, name for name, on one background thread that all synchronous
    clients of the process share. Use it as ``with SyncBitPeak(api_key) as bitpeak:``, or call
    ``close()`` when done. Any number of threads may share one; after a fork, the child may go on
    using it and has connections of its own.

    Ctrl-C cancels the call it meets, waits until that has cleaned up, and is raised.

    Iterators of specs and ``on_outcome`` run in the thread that made the call. Hooks run on the
    background thread: they see the caller's context variables, and must not make blocking calls.

    Args:
        api_key: and all others: as for ``BitPeak``. There is no ``session``: aiohttp's belong to
            the event loop they are made in.

    Attributes:
        notification_handlers: the notification handlers of the key.

    Raises:
        ConfigurationError: an argument is unusable; it says which and what would be right.
    """

    notification_handlers: SyncNotificationHandlers

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        retry: Retry = Retry(),  # noqa: B008 - frozen
        pace: Pace = Pace(),  # noqa: B008 - frozen
        proxy: str | None = None,
        ssl: tls.SSLContext | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        allow_insecure: bool = False,
        hooks: Iterable[Hook] = (),
        pace_store: PaceStore | None = None,
        timezone: dt.tzinfo = dt.UTC,
    ) -> None:
        secret = Hidden(api_key)
        del api_key  # no traceback with locals is to show it
        bitpeak = BitPeak(
            secret.value,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            pace=pace,
            proxy=proxy,
            ssl=ssl,
            max_reply_bytes=max_reply_bytes,
            allow_insecure=allow_insecure,
            hooks=hooks,
            pace_store=pace_store,
            timezone=timezone,
        )
        self._owns_bridge = True
        self._use(bitpeak, SyncRunner(bitpeak))

    def _use(self, bitpeak: BitPeak, bridge: SyncRunner) -> None:
        self._bitpeak = bitpeak
        self._bridge = bridge
        self.notification_handlers = SyncNotificationHandlers(bitpeak.notification_handlers, bridge)

    @_mirrors(BitPeak.with_options)
    def with_options(
        self,
        *,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        deadline: float | None = None,
    ) -> Self:
        derived = copy.copy(self)
        derived._owns_bridge = False  # noqa: SLF001 - a client of this very class
        bitpeak = self._bitpeak.with_options(timeout=timeout, retry=retry, deadline=deadline)
        derived._use(bitpeak, self._bridge)  # noqa: SLF001 - likewise
        return derived

    @_mirrors(BitPeak.plan)
    def plan(self, specs: Iterable[HandlerSpec], *, prune: str | None = None) -> Plan:
        return self._bridge.run(partial(self._bitpeak.plan, listed(specs), prune=prune))

    @_mirrors(BitPeak.apply)
    def apply(
        self,
        plan: Plan,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        remove_duplicates: bool = False,
        max_deletes: int | None = None,
        force: bool = False,
        grace: float = 5.0,
    ) -> Report:
        caller = CallerMailbox()
        return self._bridge.run(
            partial(
                self._bitpeak.apply,
                plan,
                on_outcome=caller.telling(on_outcome),
                remove_duplicates=remove_duplicates,
                max_deletes=max_deletes,
                force=force,
                grace=grace,
            ),
            caller,
        )

    @_mirrors(BitPeak.provision)
    def provision(
        self,
        specs: Iterable[HandlerSpec],
        *,
        prune: str | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        remove_duplicates: bool = False,
        max_deletes: int | None = None,
        force: bool = False,
        grace: float = 5.0,
    ) -> Report:
        caller = CallerMailbox()
        return self._bridge.run(
            partial(
                self._bitpeak.provision,
                listed(specs),
                prune=prune,
                on_outcome=caller.telling(on_outcome),
                remove_duplicates=remove_duplicates,
                max_deletes=max_deletes,
                force=force,
                grace=grace,
            ),
            caller,
        )

    @_mirrors(BitPeak.close)
    def close(self) -> None:
        if self._owns_bridge:
            self._bridge.close()

    def __enter__(self) -> Self:
        self._bridge.check()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_bitpeak"):  # a traceback with locals, as it refuses an argument
            return "SyncBitPeak()"
        return f"Sync{self._bitpeak!r}"


class SyncRunner:
    """The way of one client and all its parts to the loop thread.

    Whichever part is left last keeps it alive; when it goes, the connections are closed, on the
    thread they belong to.
    """

    def __init__(self, bitpeak: BitPeak) -> None:
        self._close = bitpeak.close
        self._is_closed = False
        self._unattended = weakref.finalize(self, _close_unattended, self._close)
        self._unattended.atexit = False  # the thread's own end closes all

    def check(self) -> None:
        """Raise ClosedError if the client was closed."""
        if self._is_closed:
            raise ClosedError("the client is closed; make a new one")

    def portal(self) -> Portal:
        """Return the portal, which closes the client when it ends itself."""
        self.check()
        portal = ensure_portal()
        portal.adopt(self._close)
        return portal

    def run(
        self, begin: Callable[[], Coroutine[Any, Any, T]], caller: CallerMailbox | None = None
    ) -> T:
        """Run a coroutine; see ``Portal.run``."""
        return self.portal().run(begin, caller)

    def stream(
        self,
        batches: AsyncGenerator[S, None],
        items: Callable[[S], Iterable[T]],
        *,
        ahead: int = 1,
        caller: CallerMailbox | None = None,
    ) -> Stream[T]:
        """Iterate over batches; see ``Stream``."""
        return Stream(self.portal, batches, items, ahead=ahead, caller=caller)

    def close(self) -> None:
        """Close the client. Closing twice is fine."""
        portal = running_portal()
        if portal is not None and portal.has_adopted(self._close):
            portal.check()
            with suppress(ClosedError):  # a shutdown meanwhile closes it as well
                portal.run(self._close)
            portal.disown(self._close)
        self._is_closed = True


def _close_unattended(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    portal = running_portal()
    if portal is not None and portal.has_adopted(close):
        portal.disown(close)
        portal.begin(close)


def _itself(item: T) -> tuple[T]:
    return (item,)
