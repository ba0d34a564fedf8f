"""The client: configuration, environment, life cycle."""

from __future__ import annotations

import copy
import datetime as dt
import platform
import ssl as tls
from collections.abc import Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from bitpeak_async._bulk.create_run import CreateRun
from bitpeak_async._checks import (
    check_listener,
    check_store,
    check_type,
    checked_base_url,
    checked_hooks,
    checked_key,
    checked_url,
    environment_proxy,
)
from bitpeak_async._http.decode import decoder
from bitpeak_async._http.lifecycle import Lifecycle, Network
from bitpeak_async._http.pagination import SeenIds
from bitpeak_async._http.protocol import SessionOptions, Wire
from bitpeak_async._http.replies import ReplyReader
from bitpeak_async._http.retry import Budget
from bitpeak_async._http.session import (
    AIOHTTP_VERSION,
    SessionNetwork,
    check_session,
)
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async._rate.factory import LimiterFactory
from bitpeak_async._rate.store import PaceStore
from bitpeak_async._version import __version__
from bitpeak_async.events import Emitter, Hook
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.options import Pace, Retry, Timeout, check_number
from bitpeak_async.provisioning.apply import Outcome, Report, apply_plan
from bitpeak_async.provisioning.changes import Delete
from bitpeak_async.provisioning.plan import Plan, make_plan, refuse_unsafe, still_valid
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import Hidden

if TYPE_CHECKING:
    import aiohttp

__all__ = ["BitPeak"]

MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
_USER_AGENT: Final = (
    f"bitpeak_async/{__version__} Python/{platform.python_version()} aiohttp/{AIOHTTP_VERSION}"
)


class BitPeak:
    """An asynchronous client of the BitPeak API.

    Use it as ``async with BitPeak(api_key) as bitpeak:``, or call ``close()`` when done. One
    client serves any number of tasks of one event loop; another may use it when that is closed.

    Args:
        api_key: the key; by default the environment variable ``BITPEAK_API_KEY``.
        base_url: by default ``BITPEAK_BASE_URL``, else ``https://bitpeak.ru/api``.
        timeout: of one attempt, in seconds.
        retry: when to try again.
        pace: how many requests at once, and how many a minute.
        session: an aiohttp session to use; it is never closed. Its own default headers go along.
        proxy: URL of an HTTP proxy. By default what ``HTTPS_PROXY``/``HTTP_PROXY`` and
            ``NO_PROXY`` say when the client is made; loopback is never proxied so.
        ssl: a TLS context, for certificates of one's own.
        max_reply_bytes: larger replies, after decompression, are refused; by default 32 MiB.
        allow_insecure: allow plain http to hosts other than loopback.
        hooks: called with each event; see ``bitpeak_async.events``.
        pace_store: where all processes that use the key meet, so that they share one pace, such
            as ``bitpeak_async.redis.RedisPaceStore``. By default each process keeps its own.
        timezone: of the wire's datetimes, which have no offset. That it is UTC is an assumption.

    Attributes:
        notification_handlers: the notification handlers of the key.

    Raises:
        ConfigurationError: an argument is unusable; it says which and what would be right.
    """

    notification_handlers: NotificationHandlers

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: Timeout = Timeout(),  # noqa: B008 - frozen
        retry: Retry = Retry(),  # noqa: B008 - frozen
        pace: Pace = Pace(),  # noqa: B008 - frozen
        session: aiohttp.ClientSession | None = None,
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
        if session is not None:
            check_session(session)
        base_url = checked_base_url(base_url, allow_insecure=allow_insecure)
        check_number("BitPeak(max_reply_bytes=)", max_reply_bytes, 1, integer=True)
        check_type("timezone", timezone, dt.tzinfo)
        check_type("pace", pace, Pace)
        options = _call_options(timeout, retry, None)
        check_store(pace_store)
        if ssl is not None:
            check_type("ssl", ssl, tls.SSLContext)
        if proxy is not None:
            checked_url("proxy", proxy)
        elif session is None:
            proxy = environment_proxy(base_url)
        wire = Wire(base_url=base_url, api_key=checked_key(secret), user_agent=_USER_AGENT)
        emit = Emitter(checked_hooks(hooks))
        limiters = LimiterFactory(
            pace, retry.max_delay, f"{base_url}\0{wire.api_key}", emit, pace_store
        )
        network = self._network(session)
        session_options = SessionOptions(max_reply_bytes, proxy, True if ssl is None else ssl)
        self._transport = Transport(
            wire,
            ReplyReader(decoder(timezone), wire.api_key),
            Lifecycle(
                network.connections(wire.headers, session_options),
                network.new_limiter(limiters),
                pace.in_flight,
            ),
            Budget(retry.budget),
            emit,
        )
        self._owns_transport = True
        self._use(options)

    def _network(self, session: aiohttp.ClientSession | None) -> Network:
        return SessionNetwork(session)

    def _use(self, options: CallOptions) -> None:
        self._options = options
        self.notification_handlers = NotificationHandlers(self._transport, options)

    def with_options(
        self,
        *,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        deadline: float | None = None,
    ) -> Self:
        """Return a client on the same session and pace with other options for its calls.

        Args:
            timeout: of one attempt.
            retry: when to try again. The budget stays the shared one.
            deadline: seconds for each call with all its waits and tries; None keeps what is set.
        """
        if deadline is not None:
            check_number("with_options(deadline=)", deadline, 0, above=True)
        current = self._options
        derived = copy.copy(self)
        derived._owns_transport = False  # noqa: SLF001 - a client of this very class
        derived._use(  # noqa: SLF001 - likewise
            _call_options(
                timeout or current.timeout, retry or current.retry, deadline or current.deadline
            )
        )
        return derived

    async def plan(self, specs: Iterable[HandlerSpec], *, prune: str | None = None) -> Plan:
        """Compare desired handlers with the server's; reads only.

        Args:
            specs: the desired handlers; a handler's name is its key.
            prune: a pattern of names as in a shell (``"team-a *"``, ``"*"``): handlers that
                match it and are not desired are to be deleted. By default none is.

        Raises:
            PlanError: two specs of one name, or specs that cannot be sent; it names them all. Or
                pruning with no specs at all.
            BitPeakError: a page of the listing failed.
        """
        return await self._plan(specs, prune=prune)

    async def apply(
        self,
        plan: Plan,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        remove_duplicates: bool = False,
        max_deletes: int | None = None,
        force: bool = False,
        grace: float = 5.0,
    ) -> Report:
        """Carry out a plan concurrently. One failed change never stops the others.

        The list is read again first. A create whose reply was lost is resolved at the end: after
        ``Retry.unknown_outcome_delay`` another listing shows whether it happened. If so it is
        adopted, if not it is sent again.
        Deletions come last, and only if all other changes were made.

        Args:
            plan: from ``plan()``.
            on_outcome: called once for each change, as it ends. What it raises is logged only.
            remove_duplicates: delete copies that creates of this very run made late.
            max_deletes: refuse a plan that deletes more.
            force: carry out even a plan that deletes more than 30 % of ten or more handlers
                that match its ``prune``.
            grace: seconds that changes under way have to end when the task is cancelled.

        Returns:
            One outcome for each change, in the plan's order.

        Raises:
            PlanError: it deletes too much, or a handler that the plan touches changed since;
                nothing was written.
            BitPeakError: the list could not be read; nothing was written.
            ProvisionCancelledError: the task was cancelled; it is a CancelledError that holds
                the partial report. In the synchronous client it is the ``__cause__`` of the
                KeyboardInterrupt.
        """
        check_type("plan", plan, Plan)
        check_application(on_outcome, max_deletes, grace)
        creation = self._creation(remove_duplicates=remove_duplicates)
        specs = [change.spec for change in plan.changes if not isinstance(change, Delete)]
        now = await self._plan(specs, creation.existing, prune=plan.prune, salt=plan.salt)
        left = still_valid(plan, now, creation.existing)
        refuse_unsafe(left, max_deletes, force=force)
        return await apply_plan(
            self.notification_handlers, left, creation, on_outcome=on_outcome, grace=grace
        )

    async def provision(
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
        """Bring the handlers to the desired state: ``plan()`` and ``apply()`` with one listing.

        Running it again writes nothing, so a run that broke off is resumed by running again.
        """
        check_application(on_outcome, max_deletes, grace)
        creation = self._creation(remove_duplicates=remove_duplicates)
        plan = await self._plan(specs, creation.existing, prune=prune)
        refuse_unsafe(plan, max_deletes, force=force)
        return await apply_plan(
            self.notification_handlers, plan, creation, on_outcome=on_outcome, grace=grace
        )

    async def _plan(
        self,
        specs: Iterable[HandlerSpec],
        seen: SeenIds | None = None,
        *,
        prune: str | None,
        salt: str | None = None,
    ) -> Plan:
        server = self._transport.wire.base_url
        async with aclosing(self.notification_handlers.iterate()) as existing:
            return await make_plan(specs, existing, seen, prune=prune, server=server, salt=salt)

    def _creation(self, *, remove_duplicates: bool) -> CreateRun:
        return CreateRun.over(
            self._transport,
            self._options,
            self.notification_handlers,
            remove_duplicates=remove_duplicates,
        )

    async def close(self) -> None:
        """Close the session, unless it was given or is another client's. Closing twice is fine."""
        if self._owns_transport:
            await self._transport.lifecycle.close()

    async def __aenter__(self) -> Self:
        self._transport.lifecycle.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # a traceback with locals, as it refuses an argument
            return "BitPeak()"
        return f"BitPeak(base_url={self._transport.wire.base_url!r})"


class _ClientOver(BitPeak):
    def __init__(self, network: Network, api_key: str | None, **options: Any) -> None:
        secret = Hidden(api_key)
        del api_key  # no traceback with locals is to show it
        self._given_network = network
        super().__init__(secret.value, **options)

    def _network(self, session: aiohttp.ClientSession | None) -> Network:  # noqa: ARG002 - as above
        return self._given_network


def client_over(network: Network, api_key: str | None = None, **options: Any) -> BitPeak:
    """Return a client whose requests go over a network of the caller's.

    Args:
        network: instead of an aiohttp session of the client's own.
        api_key: as for ``BitPeak``.
        **options: as for ``BitPeak``.
    """
    secret = Hidden(api_key)
    del api_key  # no traceback with locals is to show it
    return _ClientOver(network, secret.value, **options)


def _call_options(timeout: Timeout, retry: Retry, deadline: float | None) -> CallOptions:
    check_type("timeout", timeout, Timeout)
    check_type("retry", retry, Retry)
    return CallOptions(timeout, retry, deadline)


def check_application(on_outcome: object, max_deletes: int | None, grace: float) -> None:
    """Raise ConfigurationError unless the arguments of an application can be used."""
    check_listener("on_outcome", on_outcome)
    if max_deletes is not None:
        check_number("max_deletes", max_deletes, 0, integer=True)
    check_number("grace", grace, 0)
