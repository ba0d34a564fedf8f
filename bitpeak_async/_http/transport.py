"""The aiohttp session and the attempt loop: a call in, its result or one typed error out."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import ssl as tls
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
from attrs import frozen

from bitpeak_async._http.failures import FAILURES, transport_error
from bitpeak_async._http.protocol import Call, Reply, Request, RetrySafety, Wire
from bitpeak_async._http.retry import Attempts, Budget, throttles, was_not_executed
from bitpeak_async._http.session import Connections, open_session
from bitpeak_async._http.timeouts import Timeouts
from bitpeak_async._rate.controller import Permit, RateController
from bitpeak_async._rate.limiter import Limiter
from bitpeak_async._rate.link import Link
from bitpeak_async._rate.store import PaceStore
from bitpeak_async.errors import (
    APIError,
    BitPeakError,
    ClosedError,
    OutcomeUnknownError,
    RateLimitError,
    ReplyError,
    RequestTimeoutError,
)
from bitpeak_async.events import (
    Emitter,
    Hook,
    Paused,
    RateChanged,
    ReplyReceived,
    RequestAbandoned,
    RequestFailed,
    RequestSent,
    Retrying,
    loggable_headers,
)
from bitpeak_async.options import Pace, Retry, Timeout

if TYPE_CHECKING:
    from bitpeak_async._rate.shared_limiter import SharedLimiter

T = TypeVar("T")

# Of the total timeout; so an attempt that ends while it connects is known never to be sent.
_CONNECTING: Final = 0.95

_EXCHANGES: Final = count(1)  # one for the process: a hook may serve several clients


@frozen
class CallOptions:
    """What ``with_options`` may change from call to call.

    Attributes:
        timeout: for one attempt.
        retry: when to try again.
        deadline: seconds for a call with all its waits and tries, or None.
    """

    timeout: Timeout
    retry: Retry
    deadline: float | None = None

    @cached_property
    def client_timeout(self) -> aiohttp.ClientTimeout:
        """The timeouts of a new connection, as aiohttp takes them. The total one is ours."""
        return aiohttp.ClientTimeout(
            connect=_CONNECTING * self.timeout.total,
            sock_connect=self.timeout.connect,
            ceil_threshold=math.inf,
        )


class Transport:
    """One session, one pace and one retry budget, shared by all clients derived from one."""

    def __init__(
        self,
        wire: Wire,
        *,
        pace: Pace,
        retry: Retry,
        max_reply_bytes: int,
        session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        ssl: tls.SSLContext | None = None,
        hooks: Iterable[Hook] = (),
        pace_store: PaceStore | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.emit: Emitter = Emitter(hooks)
        self.wire = wire
        self._pace = pace
        self._pace_store = pace_store
        self._retry = retry
        self._budget = Budget(retry.budget)
        self._max_reply_bytes = max_reply_bytes
        self._owns_session = session is None
        self._session = session
        self._shared: Connections | None = None
        # A given session's middlewares must run; so there a replayed delete goes unnoticed.
        self._notices_replays = session is None
        self._proxy = proxy
        self._ssl: tls.SSLContext | bool = True if ssl is None else ssl
        self._jitter = jitter
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate: Limiter | SharedLimiter
        self._timeouts: Timeouts
        self._closed = False

    def share(self, connections: Connections) -> None:
        """Use connections that others use too, instead of a session of its own."""
        self._owns_session = False
        self._shared = connections

    @property
    def slots(self) -> int:
        """Requests that may be under way at once.

        Never more than the session has connections: the timeout of a request that waits for one
        would be running already.
        """
        limits = [self._pace.in_flight]
        if self._shared is not None:
            limits.append(self._shared.limit)
        if self._session is not None and (connector := self._session.connector) is not None:
            limits += filter(None, [connector.limit, connector.limit_per_host])
        return min(limits)

    def open(self) -> aiohttp.ClientSession:
        """Return the session, made on first use, in the loop that uses it.

        Raises:
            ClosedError: the client was closed, or another event loop uses it.
        """
        if self._closed:
            raise ClosedError("the client is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._bind(loop)
        session = self._session
        if session is None or (session.closed and not self._owns_session):
            raise ClosedError("the session given to the client is closed")
        return session

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to this loop, as to no other before, or to one that is closed."""
        if self._loop is not None and not (self._owns_session and self._loop.is_closed()):
            raise ClosedError("the client belongs to another event loop; make one for each loop")
        self._loop = loop
        slots = self.slots
        self._timeouts = Timeouts(loop)
        self._gate = self._new_gate(loop.time, slots)
        if self._shared is not None:
            self._session = self._shared.open()
        elif self._owns_session:
            self._session = open_session(slots, self.wire.headers)

    def _new_gate(self, clock: Callable[[], float], slots: int) -> Limiter | SharedLimiter:
        pace, max_pause = self._pace, self._retry.max_delay
        gate: Callable[[RateController, int], Limiter] = Limiter
        link = None if self._pace_store is None else Link(self._pace_store)
        if self._shared is not None:
            gate, link = self._shared.gate, self._shared.link
        if link is None:
            return gate(RateController(pace, clock, max_pause, slots), slots)
        from bitpeak_async._rate.shared_limiter import SharedLimiter  # noqa: PLC0415 - few clients need it

        # The store is to know the place, and not the key.
        secret = f"{self.wire.base_url}\0{self.wire.api_key}".encode()
        place = hashlib.sha256(secret).hexdigest()
        return SharedLimiter(
            pace, clock, max_pause, slots, link=link, place=place, emit=self.emit, gate=gate
        )

    async def close(self) -> None:
        """Close the session if it is ours. Closing twice is fine."""
        self._closed = True
        if self._loop is not None:
            self._timeouts.close()
        try:
            if self._loop is not None:
                await self._gate.close()
        finally:
            if self._owns_session and self._session is not None:
                await self._session.close()

    def send(self, call: Call[T], options: CallOptions) -> Coroutine[Any, Any, T]:
        """Return the result of a call, with as many attempts as it safely may have.

        Raises:
            BitPeakError: of the last attempt; OutcomeUnknownError for a create whose request
                went out and whose reply did not come or make sense.
        """
        # Each coroutine that only awaits the next costs every request as it passes.
        session = self.open()
        if options.deadline is None:
            return self._attempt_until_done(session, call, options, Attempts())
        return self._attempt_in_time(session, call, options, options.deadline)

    async def _attempt_in_time(
        self,
        session: aiohttp.ClientSession,
        call: Call[T],
        options: CallOptions,
        deadline: float,
    ) -> T:
        attempts = Attempts()
        scope = asyncio.timeout(deadline)
        try:
            async with scope:
                return await self._attempt_until_done(session, call, options, attempts)
        except TimeoutError:
            if not scope.expired():
                raise
        late = RequestTimeoutError(
            f"{call.operation}: not done within the deadline of {deadline:g} s "
            f"({attempts.total} attempts failed)"
        )
        if attempts.under_way and call.repeat is RetrySafety.CREATE:
            raise _unknown(call, late) from late
        raise late

    async def _attempt_until_done(
        self, session: aiohttp.ClientSession, call: Call[T], options: CallOptions, state: Attempts
    ) -> T:
        request = self.wire.request(call)
        while True:
            try:
                return await self._attempt(session, call, request, options, state)
            except BitPeakError as error:
                delay = state.next_delay(
                    error, call.repeat, options.retry, self._budget, self._jitter
                )
                if delay is None:
                    if call.repeat is RetrySafety.CREATE and not was_not_executed(error):
                        raise _unknown(call, error) from error
                    raise
                self.emit(Retrying(call.operation, state.total, delay, error))
            if delay:
                await asyncio.sleep(delay)

    async def _attempt(
        self,
        session: aiohttp.ClientSession,
        call: Call[T],
        request: Request,
        options: CallOptions,
        state: Attempts,
    ) -> T:
        gate = self._gate
        permit = gate.try_enter() or await gate.enter()
        state.under_way = True
        try:
            exchange = self._observed if self.emit.wanted else self._exchange
            reply = await exchange(session, call, request, options, state)
            result = self.wire.read(call, reply, repeated=state.maybe_executed)
        except APIError as error:
            if throttles(error):
                self._throttled(call, permit, error)
            else:
                self._let_through(permit)
            raise
        else:
            self._let_through(permit)
        finally:
            gate.leave(permit)
        self._budget.give_back()
        return result

    def _let_through(self, permit: Permit) -> None:
        pacer = self._gate.pacer
        if pacer.let_through(permit):
            self.emit(RateChanged(pacer.rate))

    def _throttled(self, call: Call[Any], permit: Permit, error: APIError) -> None:
        pacer = self._gate.pacer
        is_limit = isinstance(error, RateLimitError)
        if pacer.refused(permit, error.retry_after, is_limit=is_limit):
            self.emit(Paused(call.operation, pacer.paused_until - pacer.clock()))

    async def _observed(
        self,
        session: aiohttp.ClientSession,
        call: Call[Any],
        request: Request,
        options: CallOptions,
        state: Attempts,
    ) -> Reply:
        clock, attempt, exchange = self._gate.pacer.clock, state.total + 1, next(_EXCHANGES)
        base_url = self.wire.base_url
        self.emit(RequestSent(call.operation, call.method, call.path, attempt, base_url, exchange))
        began = clock()
        try:
            reply = await self._exchange(session, call, request, options, state)
        except BitPeakError as error:
            self.emit(RequestFailed(call.operation, attempt, clock() - began, error, exchange))
            raise
        except BaseException as end:
            reason, seconds = type(end).__name__, clock() - began
            self.emit(RequestAbandoned(call.operation, attempt, seconds, reason, exchange))
            raise
        headers = loggable_headers(reply.headers)
        seconds = clock() - began
        self.emit(ReplyReceived(call.operation, attempt, reply.status, seconds, headers, exchange))
        return reply

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        call: Call[Any],
        request: Request,
        options: CallOptions,
        state: Attempts,
    ) -> Reply:
        watched = self._notices_replays and request.method == "DELETE"
        headers = request.headers
        if not self._owns_session:
            headers = {**self.wire.headers, **(headers or {})}
        try:
            with self._timeouts.within(options.timeout.total):
                response = await session.request(
                    request.method,
                    request.url,
                    data=request.body,
                    headers=headers,
                    timeout=options.client_timeout,
                    allow_redirects=False,
                    raise_for_status=False,
                    proxy=self._proxy,
                    ssl=self._ssl,
                    middlewares=(_notice_replay(state),) if watched else None,
                )
                try:
                    body = await self._read(response, call)
                except BaseException:
                    response.release()
                    raise
                return Reply(response.status, response.headers, body)
        except FAILURES as cause:
            error = transport_error(call.operation, cause)
        except asyncio.CancelledError as end:
            # aiohttp's frames hold the request's headers, and so the key.
            end.__context__ = None
            raise end.with_traceback(None)  # noqa: B904 - it is the same one
        raise error

    async def _read(self, response: aiohttp.ClientResponse, call: Call[Any]) -> bytes:
        """Return the decompressed body; stop at the cap, before a gzip bomb fills the memory."""
        chunks: list[bytes] = []
        room = self._max_reply_bytes
        content = response.content
        while not content.at_eof():
            chunk = content.read_nowait() if content.is_eof() else await content.readany()
            chunks.append(chunk)
            room -= len(chunk)
            if room < 0:
                raise ReplyError(
                    f"{call.operation}: the reply is larger than {self._max_reply_bytes} bytes; "
                    f"BitPeak(max_reply_bytes=) sets the cap",
                    status=response.status,
                )
        return b"".join(chunks)


def _notice_replay(state: Attempts) -> aiohttp.ClientMiddlewareType:
    """Return a middleware that sees aiohttp send again, as it does once after a disconnect."""
    sent = False

    async def notice(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal sent
        state.maybe_executed |= sent
        sent = True
        return await handler(request)

    return notice


def _unknown(call: Call[Any], error: BitPeakError) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"{error}. Whether it was executed is unknown: look for the name in iterate() before "
        f"creating it again, or let provision() settle it",
        name=call.name,
    )
