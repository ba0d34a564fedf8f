"""The loop thread: one for all blocking calls of a process.

It starts with the first call and ends with ``shutdown()`` or at exit. After a fork the child
starts its own, and the parent's goes on.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import threading
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from typing import Any, Final, Generic, TypeVar, cast

from bitpeak_async.errors import ClosedError
from bitpeak_async.sync.mailbox import END, CallerMailbox, Job

T = TypeVar("T")

Begin = Callable[[], Coroutine[Any, Any, T]]
Close = Callable[[], Coroutine[Any, Any, None]]

_EXIT_PATIENCE: Final = 2.0  # seconds that calls have to clean up while the interpreter exits


class Call(Generic[T]):
    """A coroutine on the loop thread and the caller that waits for it."""

    def __init__(self, portal: Portal, begin: Begin[T], caller: CallerMailbox) -> None:
        self.portal = portal
        self._begin = begin
        self._caller = caller
        self._result: Any = None
        self._error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None

    # On the loop thread.

    def start(self) -> None:
        """Begin, in the caller's context."""
        if self.portal.is_stopping:
            self.fail()
            return
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            self._result = await self._begin()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._error = error
        self.portal.ended(self)

    def stop(self) -> None:
        """Cancel."""
        if self.task is None:
            self.fail()
        else:
            # Before its first step a task would be cancelled without running at all.
            asyncio.get_running_loop().call_soon(self.task.cancel)

    def fail(self) -> None:
        """End what will not run."""
        self._error = asyncio.CancelledError()
        self.portal.ended(self)

    # In the caller's thread.

    def cancel(self) -> None:
        """Ask for the end without waiting for it."""
        self.portal.soon(self.stop)

    def receive(self) -> Any:
        """Wait for the next message to the caller and return it; run the jobs before it."""
        while isinstance(message := self._caller.receive(), Job):
            message.run()
            self.portal.check()  # a job may have forked
        if message is END:
            self._caller.release()
        return message

    def end(self) -> None:
        """Wake whoever waits."""
        self._caller.end()

    def wait(self) -> None:
        """Wait for the end."""
        while self.receive() is not END:
            pass

    def interrupt(self, interruption: BaseException) -> None:
        """Cancel because of an exception in the caller's thread, and wait for the cleanup.

        What the call ended with, such as a ProvisionCancelledError, becomes its ``__cause__``.
        A second Ctrl-C ends the waiting.
        """
        self._caller.release()
        if self.portal.is_lost:
            return
        self.cancel()
        self.wait()
        if type(self._error) is not asyncio.CancelledError:
            interruption.__cause__ = self._error

    def result(self) -> T:
        """Return what the coroutine returned, or raise what it raised."""
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._result)
        try:
            if type(error) is asyncio.CancelledError and self.portal.is_stopping:
                raise ClosedError("the loop thread was shut down while a call was under way")
            raise error
        finally:
            del error  # whose traceback holds this frame


class Portal:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.is_stopping: bool = False
        self._at_exit = False
        self._is_over = False
        self._calls: set[Call[Any]] = set()
        self._clients: set[Close] = set()
        try:
            self._selector = selectors.DefaultSelector()
            self._loop = _Loop(self._selector)
            self._thread = threading.Thread(target=self._serve, name="bitpeak_async", daemon=True)
            with ExitStack() as undo:
                undo.callback(self._loop.close)
                self._thread.start()
                undo.pop_all()
        except (RuntimeError, OSError) as error:
            raise ClosedError(f"the loop thread cannot start: {error}") from error

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop()  # so that leaving ends its tasks and generators and closes it
            while not self.is_stopping:
                # They end a loop, also out of a task that a call made; the call gets them too.
                with suppress(SystemExit, KeyboardInterrupt):
                    self._loop.run_forever()
        self._is_over = True
        for call in list(self._calls):
            call.fail()

    @property
    def is_lost(self) -> bool:
        """Whether it is of the process that this one forked from."""
        return self._loop.is_lost

    @property
    def is_closed(self) -> bool:
        """Whether its loop is over, or lost."""
        return self._loop.is_closed()

    @property
    def is_usable(self) -> bool:
        """Whether calls may be begun."""
        return not (self.is_stopping or self.is_lost)

    def check(self) -> None:
        """Raise ClosedError where waiting would never end."""
        if self.is_lost:
            raise ClosedError("this was begun before the process forked; begin it again")
        if threading.get_ident() == self._thread.ident:
            raise ClosedError(
                "a blocking call on the SDK's own loop thread, as from a hook, would wait for "
                "itself; make it from another thread"
            )

    def run(self, begin: Begin[T], caller: CallerMailbox | None = None) -> T:
        """Run a coroutine for the calling thread, in its context; return the result.

        Whatever interrupts the waiting (Ctrl-C, another signal handler's exception, one of the
        caller's own iterator) cancels the coroutine and is raised when that has cleaned up.

        Raises:
            ClosedError: on the loop thread itself, or when it is shut down.
        """
        self.check()
        call = Call(self, begin, caller or CallerMailbox())
        try:
            self.start(call)
            call.wait()
        except BaseException as interruption:
            call.interrupt(interruption)
            raise
        return call.result()

    def begin(self, begin: Begin[Any]) -> None:
        """Run a coroutine that nobody waits for."""
        self.start(Call(self, begin, CallerMailbox()))

    def start(self, call: Call[Any]) -> None:
        """Start a call without waiting for it."""
        self._calls.add(call)
        self.soon(call.start)
        if self._is_over and call in self._calls:
            call.fail()

    def soon(self, function: Callable[[], object]) -> None:
        """Run a function on the loop thread, unless that is gone."""
        if not self.is_lost:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)

    def ended(self, call: Call[Any]) -> None:
        """Let the caller go on.

        At exit only daemon threads still wait. They are left to it, as whatever else daemon
        threads do: an error there would be noise.
        """
        self._calls.discard(call)
        if not self._at_exit:
            call.end()

    def adopt(self, close: Close) -> None:
        """Await ``close`` when the thread stops."""
        self._clients.add(close)

    def has_adopted(self, close: Close) -> bool:
        """Return whether ``close`` is to be awaited when the thread stops."""
        return close in self._clients

    def disown(self, close: Close) -> None:
        """Forget what was adopted."""
        self._clients.discard(close)

    def stop(self, patience: float | None = None, *, at_exit: bool = False) -> None:
        """Cancel all calls, close all clients, end the thread; wait for it so many seconds."""
        self.check()
        self._at_exit = at_exit
        self.soon(lambda: self._loop.create_task(self._wind_down()))
        self._thread.join(patience)

    async def _wind_down(self) -> None:
        self.is_stopping = True
        try:
            calls = list(self._calls)
            for call in calls:
                call.stop()
            tasks = [call.task for call in calls if call.task]
            await asyncio.gather(*tasks, return_exceptions=True)
            closing = [close() for close in list(self._clients)]
            await asyncio.gather(*closing, return_exceptions=True)
        finally:
            self._loop.stop()

    def lose(self) -> None:
        """Let go, in a forked child, of what the parent goes on using.

        The epoll instance and the connections are shared with the parent: closing one here, if
        only by collecting garbage, would break the parent's requests under way.
        """
        self._loop.is_lost = True
        shared = [key.fd for key in self._selector.get_map().values()]
        if isinstance(self._selector, getattr(selectors, "EpollSelector", ())):
            shared.append(self._selector.fileno())
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in shared:
            os.dup2(null, descriptor, inheritable=False)
        os.close(null)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that a forked child can lose: what is left of it there then keeps quiet."""

    is_lost = False

    def is_closed(self) -> bool:
        return self.is_lost or super().is_closed()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_lost:
            super().call_exception_handler(context)


_portal: Portal | None = None
_lock = threading.RLock()  # a signal handler may call in the middle of the first call
_has_exited = False


def ensure_portal() -> Portal:
    """Return the portal of this process, started if need be."""
    global _portal  # noqa: PLW0603 - one for the process is the point
    with _lock:
        if _has_exited:
            raise ClosedError("the interpreter is exiting")
        if (portal := running_portal()) is None:
            portal = Portal()
            if (other := running_portal()) is not None:  # of a signal handler
                portal.stop()
                return other
            _portal = portal
        return portal


def running_portal() -> Portal | None:
    """Return the portal of this process if there is one."""
    return _portal if _portal is not None and _portal.is_usable else None


def shutdown() -> None:
    """Close every synchronous client and end their thread; calls under way raise ClosedError.

    Only needed where no thread may be left, as in tests of leaks: the thread is a daemon, and
    ends by itself at exit. A client made later starts a new one.
    """
    if _portal is not None and not _portal.is_lost:
        _portal.stop()


def _stop_at_exit() -> None:
    global _has_exited  # noqa: PLW0603
    _has_exited = True
    if (portal := running_portal()) is not None:
        portal.stop(_EXIT_PATIENCE, at_exit=True)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()  # which another thread of the parent may hold
    # One that has ended, or was lost by an earlier fork, holds no descriptor any more: those
    # numbers may be the application's by now.
    if _portal is not None and not _portal.is_closed:
        _portal.lose()


atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
