"""``HandlersWithReplies`` for callers without an event loop."""

from __future__ import annotations

from typing import Final

from bitpeak_async.sync.runner import SyncRunner, blocking
from bitpeak_async.with_replies import HandlersWithReplies

__all__ = ["SyncHandlersWithReplies"]


class SyncHandlersWithReplies:
    """``HandlersWithReplies`` without an event loop.

    Reached as ``SyncBitPeak.with_replies().notification_handlers``.
    """

    def __init__(self, handlers: HandlersWithReplies, runner: SyncRunner) -> None:
        self._handlers = handlers
        self._runner = runner

    list: Final = blocking(HandlersWithReplies.list)
    get: Final = blocking(HandlersWithReplies.get)
    create: Final = blocking(HandlersWithReplies.create)
    update: Final = blocking(HandlersWithReplies.update)
    enable: Final = blocking(HandlersWithReplies.enable)
    disable: Final = blocking(HandlersWithReplies.disable)
    delete: Final = blocking(HandlersWithReplies.delete)
