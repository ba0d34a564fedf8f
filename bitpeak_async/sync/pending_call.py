"""A coroutine on the loop thread, and the blocked thread that waits for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from bitpeak_async.errors import ClosedError
from bitpeak_async.sync.mailbox import END, Callback, CallerMailbox

if TYPE_CHECKING:
    from bitpeak_async.sync.portal import Portal

T = TypeVar("T")

Begin = Callable[[], Coroutine[Any, Any, T]]


class PendingCall(Generic[T]):
    """One blocking call.

    Args:
        portal: the loop thread that runs it.
        begin: returns the coroutine.
        caller: receives what the loop thread sends to the caller's thread.
    """

    def __init__(self, portal: Portal, begin: Begin[T], caller: CallerMailbox) -> None:
        self.portal = portal
        self._begin = begin
        self._caller = caller
        self._result: Any = None
        self._error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None

    # On the loop thread.

    def start(self) -> None:
        """Start the coroutine in the caller's context."""
        if self.portal.is_stopping:
            self.fail()
            return
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            self._result = await self._begin()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
        self.portal.finish(self)

    def stop(self) -> None:
        """Cancel the coroutine."""
        if self.task is None:
            self.fail()
        else:
            # Later, because a task that is cancelled before its first step skips its cleanup.
            asyncio.get_running_loop().call_soon(self.task.cancel)

    def fail(self) -> None:
        """End a call whose coroutine will not run."""
        self._error = asyncio.CancelledError()
        self.portal.finish(self)

    # In the caller's thread.

    def cancel(self) -> None:
        """Request cancellation without waiting for it."""
        self.portal.call_soon(self.stop)

    def receive(self) -> Any:
        """Wait for the next message to the caller and return it; run callbacks while waiting."""
        while isinstance(message := self._caller.receive(), Callback):
            message.run()
            self.portal.check()  # a callback may have forked
        if message is END:
            self._caller.release()
        return message

    def end(self) -> None:
        """Wake the waiting thread."""
        self._caller.end()

    def wait(self) -> None:
        """Wait for the end."""
        while self.receive() is not END:
            pass

    def interrupt(self, interruption: BaseException) -> None:
        """Cancel because of an exception in the caller's thread, and wait for the cleanup.

        If the coroutine ends with an error, this becomes the exception's ``__cause__``. If it
        finishes, its result becomes ``report``, where ``partial_report`` finds it. A second Ctrl-C
        ends the wait.
        """
        self._caller.release()
        if self.portal.is_lost:
            return
        self.cancel()
        try:
            self.wait()
        finally:
            interruption.__cause__ = self._error
            if self._error is None:
                vars(interruption)["report"] = self._result

    def result(self) -> T:
        """Return what the coroutine returned, or raise what it raised."""
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._result)
        try:
            if type(error) is asyncio.CancelledError and self.portal.is_stopping:
                failure = self.portal.failure
                reason = f"failed: {failure!r}" if failure else "was shut down"
                raise ClosedError(f"the loop thread {reason} while a call was in flight")
            raise error
        finally:
            del error  # its traceback holds this frame
