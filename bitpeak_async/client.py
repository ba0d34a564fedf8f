"""The client: configuration, life cycle, desired state."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Self, Unpack

from bitpeak_async._checks import check_flag, check_listener, check_number, check_type
from bitpeak_async._http.endpoint import checked_headers
from bitpeak_async._http.factory import new_transport
from bitpeak_async._http.lifecycle import Network
from bitpeak_async._http.network import SessionNetwork
from bitpeak_async._http.session import check_session
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async._secret import Secret, hides
from bitpeak_async.events import RateSnapshot
from bitpeak_async.keywords import (
    ApplyOptions,
    ClientConfig,
    ClientOptions,
    PlanOptions,
    ProvisionConfig,
    ProvisionOptions,
    refuse_unknown,
    takes,
)
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.options import Retry, Timeout, as_timeout
from bitpeak_async.records import HandlerSpec

if TYPE_CHECKING:
    import aiohttp

    from bitpeak_async.provisioning.plan import Plan
    from bitpeak_async.provisioning.report import Outcome, Report
    from bitpeak_async.provisioning.run import Run
    from bitpeak_async.with_replies import HandlersWithReplies, WithReplies

__all__ = ["BitPeak"]


@takes(ClientOptions, ClientConfig)
class BitPeak:
    """An asynchronous client of the BitPeak API.

    Use it as ``async with BitPeak(api_key) as bitpeak:``, or call ``close()`` when done. Any
    number of tasks of one event loop can share a client. Once that loop is closed, another loop can
    use it.

    Args:
        api_key: the key; by default the environment variable ``BITPEAK_API_KEY``.
        session: an aiohttp session to use. The client never closes it, and sends its default
            headers too.
        **options: see ``ClientOptions``.

    Attributes:
        notification_handlers: the notification handlers of the key.

    Raises:
        ConfigurationError: an argument is invalid; the message names it and a valid value.
    """

    notification_handlers: NotificationHandlers

    @hides("api_key", "proxy", "headers")
    def __init__(
        self,
        api_key: str | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        refuse_unknown("BitPeak", options, ClientOptions)
        config = ClientConfig(**options)
        if session is not None:
            check_session(session)
        network = SessionNetwork(session)
        self._begin(
            new_transport(network, Secret.of(api_key), config, is_direct=session is not None),
            config,
        )

    def _begin(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self._owns_transport = True
        headers = checked_headers(config.headers)
        self._use(CallOptions(config.timeout, config.retry, headers=headers))

    def _use(self, options: CallOptions) -> None:
        self._options = options
        self.notification_handlers = NotificationHandlers(self._transport, options)

    @hides("headers")
    def with_options(
        self,
        *,
        timeout: Timeout | float | None = None,
        retry: Retry | None = None,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client with other options that shares the session and the pace.

        Args:
            timeout: the timeout of one attempt; a number is the total in seconds.
            retry: the retry policy. Its ``budget`` has no effect: the new client shares this one's.
            deadline: seconds for each call with all its retries and waits; ``plan``, ``apply``,
                ``provision`` and ``create_many`` are one call each. None keeps the present value.
            headers: sent with each request, in addition to the present ones; a header with the
                same name replaces the present one.
        """
        if retry is not None:
            check_type("retry", retry, Retry)
        if deadline is not None:
            check_number("with_options(deadline=)", deadline, 0, above=True)
        current = self._options
        derived = copy.copy(self)
        derived._owns_transport = False  # noqa: SLF001 - a client of this very class
        derived._use(  # noqa: SLF001 - the same
            CallOptions(
                current.timeout if timeout is None else as_timeout(timeout),
                retry or current.retry,
                deadline or current.deadline,
                checked_headers(Secret.of(headers), current.headers),
            )
        )
        return derived

    def with_replies(self) -> WithReplies[HandlersWithReplies]:
        """Return a client whose calls return a ``Reply``: the value, the status and the headers.

        It has the calls that send one request. It shares this client's session, pace and options.
        """
        # Imported here, because creating its classes takes time.
        from bitpeak_async.with_replies import (  # noqa: PLC0415
            HandlersWithReplies,
            WithReplies,
        )

        return WithReplies(HandlersWithReplies(self._transport, self._options))

    @takes(PlanOptions, ProvisionConfig)
    async def plan(self, specs: Iterable[HandlerSpec], **options: Unpack[PlanOptions]) -> Plan:
        """Compare desired handlers with the server's; reads only.

        Args:
            specs: the desired handlers, each identified by its name.
            **options: see ``PlanOptions``.

        Raises:
            PlanError: specs have the same name or cannot be sent; the error names all of them. Also
                if there is ``prune`` and no spec.
            BitPeakError: a page of the listing failed.
        """
        refuse_unknown("BitPeak.plan", options, PlanOptions)
        return await self._run(ProvisionConfig(**options)).plan(specs)

    @takes(ApplyOptions, ProvisionConfig)
    async def apply(
        self,
        plan: Plan,
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        **options: Unpack[ApplyOptions],
    ) -> Report:
        """Apply a plan concurrently. A failed change does not stop other creates and updates.

        The list is read again first. A create whose reply was lost is resolved at the end: after
        ``Retry.unknown_outcome_delay`` another listing shows whether it happened. If it did, the
        handler counts as created; if not, the create is sent again. Deletions come last, and only
        if all other changes were made.

        Args:
            plan: the result of ``plan()``.
            on_outcome: called with each outcome when the reply arrives, and again if a listing
                shows another outcome. Exceptions that it raises are only logged.
            **options: see ``ApplyOptions``.

        Returns:
            One outcome for each change, in the plan's order.

        Raises:
            PlanError: the plan deletes too much, or a handler that it touches has changed;
                nothing was written.
            BitPeakError: the list could not be read; nothing was written.
            RequestTimeoutError: the deadline of ``with_options`` passed.
                ``partial_report(error)`` returns what was done, also for the CancelledError of a
                cancelled task and the KeyboardInterrupt in the synchronous client.
        """
        refuse_unknown("BitPeak.apply", options, ApplyOptions)
        from bitpeak_async.provisioning.plan import Plan  # noqa: PLC0415 - slow to import

        config = ProvisionConfig(**options)
        check_type("plan", plan, Plan)
        check_listener("on_outcome", on_outcome)
        return await self._run(config).apply(plan, on_outcome)

    @takes(ProvisionOptions, ProvisionConfig)
    async def provision(
        self,
        specs: Iterable[HandlerSpec],
        *,
        on_outcome: Callable[[Outcome], object] | None = None,
        progress: bool = False,
        **options: Unpack[ProvisionOptions],
    ) -> Report:
        """Bring the handlers to the desired state: ``plan()`` and ``apply()`` with one listing.

        A run changes only what differs, so run it again to resume an interrupted run.

        Args:
            specs: the desired handlers, each identified by its name.
            on_outcome: called with each outcome when the reply arrives, and again if a listing
                shows another outcome. Exceptions that it raises are only logged.
            progress: show progress on stderr, also in notebooks: a bar if rich is installed, else
                lines.
            **options: see ``PlanOptions`` and ``ApplyOptions``.
        """
        refuse_unknown("BitPeak.provision", options, ProvisionOptions)
        config = ProvisionConfig(**options)
        check_listener("on_outcome", on_outcome)
        check_flag("progress", progress)
        run = self._run(config)
        return await run.provision(specs, on_outcome, shows_progress=progress)

    def _run(self, config: ProvisionConfig) -> Run:
        from bitpeak_async.provisioning.run import Run  # noqa: PLC0415 - slow to import

        return Run(self._transport, self._options, self.notification_handlers, config)

    @property
    def rate(self) -> RateSnapshot:
        """A snapshot of the learnt rate, the current pause and the number of waiting requests.

        Reading it sends nothing.
        """
        return self._transport.lifecycle.rate

    async def close(self) -> None:
        """Close the session if it is the client's own. Closing twice is fine."""
        if self._owns_transport:
            await self._transport.lifecycle.close()

    async def __aenter__(self) -> Self:
        self._transport.lifecycle.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # a traceback shows locals after __init__ raised
            return "BitPeak()"
        return f"BitPeak(base_url={self._transport.wire.base_url!r})"


@hides("api_key", "proxy", "headers")
def client_over(
    network: Network,
    api_key: str | None = None,
    *,
    is_direct: bool = False,
    **options: Unpack[ClientOptions],
) -> BitPeak:
    """Return a client whose requests go over the caller's network.

    Args:
        network: carries the requests instead of the client's own aiohttp session.
        api_key: as for ``BitPeak``.
        is_direct: whether to ignore the environment's proxy.
        **options: see ``ClientOptions``.
    """
    config = ClientConfig(**options)
    client = BitPeak.__new__(BitPeak)
    transport = new_transport(network, Secret.of(api_key), config, is_direct=is_direct)
    client._begin(transport, config)  # noqa: SLF001 - as in BitPeak
    return client
