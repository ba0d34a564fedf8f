"""Runs the coroutines of one client on the loop thread, and closes the client there."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial, update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

from bitpeak_async._secret import Secret
from bitpeak_async.client import BitPeak
from bitpeak_async.errors import ClosedError
from bitpeak_async.sync.mailbox import CallerMailbox
from bitpeak_async.sync.portal import Close, Portal, ensure_portal, running_portal
from bitpeak_async.sync.stream import Stream

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class SyncRunner:
    """Connects one client and its parts to the loop thread.

    When it and all parts of the client are garbage, the connections are closed on the loop thread.
    """

    def __init__(self, bitpeak: BitPeak) -> None:
        self._close = bitpeak.close
        self._abandon = bitpeak._transport.lifecycle.abandon  # noqa: SLF001 - not for users
        self._is_closed = False
        self._unattended = weakref.finalize(self, _close_unattended, self._close)
        self._unattended.atexit = False  # the end of the thread closes all clients

    def check(self) -> None:
        """Raise ClosedError if the client was closed."""
        if self._is_closed:
            raise ClosedError("the client is closed; make a new one")

    def portal(self) -> Portal:
        """Return the portal, which closes the client when it ends."""
        self.check()
        portal = ensure_portal()
        portal.adopt(self._close, self._abandon)
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
            with suppress(ClosedError):  # a concurrent shutdown closes it, as it is not disowned
                portal.run(partial(_close_and_disown, portal, self._close))
        self._is_closed = True


def _close_unattended(close: Close) -> None:
    portal = running_portal()
    if portal is not None and portal.has_adopted(close):
        portal.run_detached(partial(_close_and_disown, portal, close))


async def _close_and_disown(portal: Portal, close: Close) -> None:
    await close()
    portal.disown(close)


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """Return a blocking mirror of a coroutine method, with its signature and docstring.

    Its class must have ``_handlers``, the object with the method, and ``_runner``.
    """
    name = method.__name__

    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        given = Secret((args, kwargs))
        args, kwargs = (), {}  # hidden from tracebacks that show locals
        mirrored = getattr(self._handlers, name)
        return self._runner.run(lambda: mirrored(*given.reveal()[0], **given.reveal()[1]))

    # Do not copy the method's attributes, because one of them marks a coroutine function.
    return update_wrapper(call, method, updated=())
