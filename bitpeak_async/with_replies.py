"""Calls that also return the status, the headers, the attempts and the time of a reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import update_wrapper
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from attrs import field, frozen

from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async._secret import Secret
from bitpeak_async.events import Event, ReplyReceived
from bitpeak_async.notification_handlers import NotificationHandlers

__all__ = ["HandlersWithReplies", "Reply", "WithReplies"]

H = TypeVar("H")
P = ParamSpec("P")
T = TypeVar("T")


@frozen
class Reply(Generic[T]):
    """The result of a call, and its reply.

    Attributes:
        value: what the call returns without ``with_replies()``.
        status: the HTTP status of the last reply.
        headers: the headers of the last reply that are safe to log, by lower-case name.
        request_id: the request's id on the server (``CF-Ray``, ``X-Request-Id``), or None.
        attempts: the number of attempts of the last request.
        seconds: the duration of the whole call, with all retries and waits.
    """

    value: T
    status: int
    headers: Mapping[str, str] = field(hash=False)
    request_id: str | None
    attempts: int
    seconds: float


class _LastReply:
    """A hook that remembers the last reply."""

    event: ReplyReceived

    def __call__(self, event: Event) -> None:
        if isinstance(event, ReplyReceived):
            self.event = event


async def _reply(last: _LastReply, call: Coroutine[Any, Any, T]) -> Reply[T]:
    began = time.perf_counter()
    value = await call
    headers = last.event.headers
    return Reply(
        value,
        last.event.status,
        headers,
        headers.get("cf-ray") or headers.get("x-request-id"),
        last.event.attempt,
        time.perf_counter() - began,
    )


def _replying(
    method: Callable[Concatenate[NotificationHandlers, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[HandlersWithReplies, P], Coroutine[Any, Any, Reply[T]]]:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        given = Secret((args, kwargs))
        args, kwargs = (), {}  # hidden from tracebacks that show locals
        last = _LastReply()
        handlers = NotificationHandlers(self._transport.listened_to(last), self._options)
        return _reply(last, method(handlers, *given.reveal()[0], **given.reveal()[1]))

    return update_wrapper(call, method)


class HandlersWithReplies:
    """The calls of ``NotificationHandlers`` that send one request, returning a ``Reply`` each.

    Reached as ``BitPeak.with_replies().notification_handlers``.
    """

    def __init__(self, transport: Transport, options: CallOptions) -> None:
        self._transport = transport
        self._options = options

    list: Final = _replying(NotificationHandlers.list)
    get: Final = _replying(NotificationHandlers.get)
    create: Final = _replying(NotificationHandlers.create)
    update: Final = _replying(NotificationHandlers.update)
    enable: Final = _replying(NotificationHandlers.enable)
    disable: Final = _replying(NotificationHandlers.disable)
    delete: Final = _replying(NotificationHandlers.delete)


@frozen
class WithReplies(Generic[H]):
    """A client whose calls return a ``Reply``; see ``BitPeak.with_replies``.

    Attributes:
        notification_handlers: the notification handlers of the key.
    """

    notification_handlers: H
