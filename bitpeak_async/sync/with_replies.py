"""``HandlersWithReplies`` for callers without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from bitpeak_async._secret import Secret
from bitpeak_async.sync.runner import SyncRunner
from bitpeak_async.with_replies import HandlersWithReplies

__all__ = ["SyncHandlersWithReplies"]

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[HandlersWithReplies, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncHandlersWithReplies, P], T]:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        given = Secret((args, kwargs))
        args, kwargs = (), {}  # a traceback with locals would show them
        run, handlers = self._runner.run, self._handlers
        return run(lambda: method(handlers, *given.reveal()[0], **given.reveal()[1]))

    return update_wrapper(call, method)


class SyncHandlersWithReplies:
    """``HandlersWithReplies`` without an event loop.

    Reached as ``SyncBitPeak.with_replies().notification_handlers``.
    """

    def __init__(self, handlers: HandlersWithReplies, runner: SyncRunner) -> None:
        self._handlers = handlers
        self._runner = runner

    list: Final = _blocking(HandlersWithReplies.list)
    get: Final = _blocking(HandlersWithReplies.get)
    create: Final = _blocking(HandlersWithReplies.create)
    update: Final = _blocking(HandlersWithReplies.update)
    enable: Final = _blocking(HandlersWithReplies.enable)
    disable: Final = _blocking(HandlersWithReplies.disable)
    delete: Final = _blocking(HandlersWithReplies.delete)
