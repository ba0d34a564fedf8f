"""Attempt calls over any ``Exchange`` until there is a result or one typed error."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from typing import Any, Final, TypeVar

from attrs import frozen

from bitpeak_async._http.failures import ExchangeError
from bitpeak_async._http.lifecycle import Binding, Lifecycle
from bitpeak_async._http.protocol import Call, Reply, Request, RetrySafety, Wire
from bitpeak_async._http.replies import ReplyReader
from bitpeak_async._http.retry import Attempts, Budget, throttles, was_not_executed
from bitpeak_async._rate.lease import Permit
from bitpeak_async._secret import Secret
from bitpeak_async.errors import (
    APIError,
    BitPeakError,
    OutcomeUnknownError,
    RateLimitError,
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
from bitpeak_async.options import Retry, Timeout

T = TypeVar("T")

_ATTEMPT_IDS: Final = count(1)  # shared by the process, because a hook may serve several clients


@frozen
class CallOptions:
    """Options that ``with_options`` can change.

    Attributes:
        timeout: the timeout of one attempt.
        retry: the retry policy.
        deadline: seconds for a call with all its retries and waits, or None.
        headers: sent in addition to those of every request.
    """

    timeout: Timeout
    retry: Retry
    deadline: float | None = None
    headers: Secret[Mapping[str, str]] | None = None


class Transport:
    """Sends the calls of one client and of all clients derived from it.

    Args:
        wire: encodes calls.
        reader: reads their replies.
        lifecycle: the connections and the limiter.
        budget: the retries that all calls share.
        emit: receives the events of each attempt.
        jitter: returns a random number from 0 to 1, for the delays between attempts.
    """

    def __init__(
        self,
        wire: Wire,
        reader: ReplyReader,
        lifecycle: Lifecycle,
        budget: Budget,
        emit: Emitter,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.wire = wire
        self.lifecycle = lifecycle
        self.emit = emit
        self._reader = reader
        self._budget = budget
        self._jitter = jitter
        self._key_works = False  # until a first success

    @property
    def slots(self) -> int:
        """Requests that may be in flight at once."""
        return self.lifecycle.slots

    def listened_to(self, hook: Hook) -> Transport:
        """Return a transport of the same client whose events a hook sees too."""
        other = copy.copy(self)
        other.emit = self.emit.extended_by(hook)
        return other

    def send(self, call: Call[T], options: CallOptions) -> Coroutine[Any, Any, T]:
        """Return the result of a call, after as many attempts as are safe.

        Raises:
            BitPeakError: the error of the last attempt; OutcomeUnknownError if a create was sent
                and its reply was lost or unreadable.
        """
        # Not a coroutine itself, because each level of ``await`` costs every request some time.
        binding = self.lifecycle.open()
        if options.deadline is None:
            return self._attempt_until_done(binding, call, options, Attempts())
        return self._attempt_in_time(binding, call, options, options.deadline)

    async def _attempt_in_time(
        self, binding: Binding, call: Call[T], options: CallOptions, deadline: float
    ) -> T:
        attempts = Attempts()
        scope = asyncio.timeout(deadline)
        try:
            async with scope:
                return await self._attempt_until_done(binding, call, options, attempts)
        except TimeoutError:
            if not scope.expired():
                raise
        late = RequestTimeoutError(
            f"{call.operation}: not done within the deadline of {deadline:g} s "
            f"({attempts.total} attempts failed)"
        )
        late.attempts = attempts.total + attempts.in_flight
        if attempts.in_flight and call.safety is RetrySafety.CREATE:
            raise _unknown(call, late) from late
        raise late

    async def _attempt_until_done(
        self, binding: Binding, call: Call[T], options: CallOptions, attempts: Attempts
    ) -> T:
        request = self.wire.request(call, options.headers)
        while True:
            try:
                return await self._attempt(binding, call, request, options, attempts)
            except BitPeakError as error:
                if not attempts.in_flight:  # nothing was sent: the limiter raised
                    raise
                error.attempts = attempts.total + 1
                delay = attempts.next_delay(
                    error, call.safety, options.retry, self._budget, self._jitter
                )
                if delay is None:
                    if error.attempts > 1:
                        error.args = (f"{error} (tried {error.attempts} times)",)
                    if call.safety is RetrySafety.CREATE and not was_not_executed(error):
                        raise _unknown(call, error) from error
                    raise
                self.emit(Retrying(call.operation, attempts.total, delay, error))
            if delay:
                await asyncio.sleep(delay)

    async def _attempt(
        self,
        binding: Binding,
        call: Call[T],
        request: Request,
        options: CallOptions,
        attempts: Attempts,
    ) -> T:
        limiter = binding.limiter
        permit = limiter.try_enter() or await limiter.enter()
        attempts.in_flight = True
        try:
            if self.emit.has_listeners:
                number = attempts.total + 1
                reply = await self._observed(binding, call, request, options.timeout, number)
            else:
                reply = await self._exchange(binding, call, request, options.timeout)
            attempts.maybe_executed |= reply.was_resent
            result = self._reader.read(
                call, reply, repeated=attempts.maybe_executed, key_works=self._key_works
            )
        except APIError as error:
            if throttles(error):
                self._throttled(binding, call, permit, error)
            else:
                self._accepted(binding, permit)
            raise
        else:
            self._accepted(binding, permit)
        finally:
            limiter.leave(permit)
        self._budget.give_back()
        self._key_works = True
        return result

    def _accepted(self, binding: Binding, permit: Permit) -> None:
        lease = binding.limiter.lease
        if lease.accepted(permit):
            self.emit(RateChanged(lease.rate))

    def _throttled(
        self, binding: Binding, call: Call[Any], permit: Permit, error: APIError
    ) -> None:
        lease = binding.limiter.lease
        is_limit = isinstance(error, RateLimitError)
        if lease.refused(permit, error.retry_after, is_limit=is_limit):
            self.emit(Paused(call.operation, lease.paused_until - binding.clock()))

    async def _exchange(
        self, binding: Binding, call: Call[Any], request: Request, timeout: Timeout
    ) -> Reply:
        try:
            return await binding.exchange.exchange(request, timeout)
        except ExchangeError as failure:
            error = failure.as_error(call.operation)
        raise error  # outside of the handler, because frames of the exchange may hold the key

    async def _observed(
        self,
        binding: Binding,
        call: Call[Any],
        request: Request,
        timeout: Timeout,
        attempt: int,
    ) -> Reply:
        clock, attempt_id = binding.clock, next(_ATTEMPT_IDS)
        sent = (call.operation, call.method, call.path, attempt, self.wire.base_url, attempt_id)
        self.emit(RequestSent(*sent))
        began = clock()
        try:
            reply = await self._exchange(binding, call, request, timeout)
        except BitPeakError as error:
            self.emit(RequestFailed(call.operation, attempt, clock() - began, error, attempt_id))
            raise
        except BaseException as end:
            reason, seconds = type(end).__name__, clock() - began
            self.emit(RequestAbandoned(call.operation, attempt, seconds, reason, attempt_id))
            raise
        headers = loggable_headers(reply.headers)
        seconds = clock() - began
        self.emit(
            ReplyReceived(call.operation, attempt, reply.status, seconds, headers, attempt_id)
        )
        return reply


def _unknown(call: Call[Any], error: BitPeakError) -> OutcomeUnknownError:
    unknown = OutcomeUnknownError(
        f"{error}. It is unknown whether the server processed it: find(name) shows whether the "
        f"handler exists, and ensure() creates the handler only if it does not",
        name=call.name,
    )
    unknown.attempts = error.attempts
    return unknown
