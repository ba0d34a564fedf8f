"""The loop thread: one event loop per process, for all blocking calls.

It starts with the first call and ends with ``shutdown()`` or at exit. After a fork, the child
starts its own thread and the parent's keeps running. The process id reveals a fork, because C code
such as uWSGI's forks without running Python's hooks.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Final, TypeVar

from bitpeak_async.errors import ClosedError
from bitpeak_async.sync.mailbox import CallerMailbox
from bitpeak_async.sync.pending_call import Begin, PendingCall

T = TypeVar("T")

Close = Callable[[], Coroutine[Any, Any, None]]
Abandon = Callable[[], None]

_EXIT_PATIENCE: Final = 2.0  # seconds for calls to clean up while the interpreter exits


class Portal:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.is_stopping: bool = False
        self.failure: BaseException | None = None  # ended the thread, unless ``stop()`` did
        self._pid = os.getpid()
        self._at_exit = False
        self._is_over = False
        self._has_let_go = False
        self._calls: set[PendingCall[Any]] = set()
        self._clients: dict[Close, Abandon] = {}
        try:
            self._selector = selectors.DefaultSelector()
            self._loop = _Loop(self._selector, self._pid)
            self._thread = threading.Thread(target=self._serve, name="bitpeak_async", daemon=True)
            with ExitStack() as undo:
                undo.callback(self._loop.close)
                self._thread.start()
                undo.pop_all()
        except (RuntimeError, OSError) as error:
            raise ClosedError(f"the loop thread cannot start: {error}") from error

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.get_loop()  # without it, leaving would not close the loop
                self._run_forever()
        except BaseException:  # noqa: BLE001 - callers get it
            for abandon in list(self._clients.values()):
                abandon()
        self._is_over = True
        for call in list(self._calls):
            call.fail()

    def _run_forever(self) -> None:
        try:
            while not self.is_stopping:
                # Raised in any task, they also end run_forever(); the task's call gets them too.
                with suppress(SystemExit, KeyboardInterrupt):
                    self._loop.run_forever()
        except BaseException as error:
            self.failure, self.is_stopping = error, True
            raise

    @property
    def is_lost(self) -> bool:
        """Whether it belongs to the parent of a forked process."""
        return self._pid != os.getpid()

    @property
    def is_usable(self) -> bool:
        """Whether it accepts calls."""
        return not (self.is_stopping or self.is_lost)

    def check(self) -> None:
        """Raise ClosedError if a wait would never end."""
        if self.is_lost:
            raise ClosedError("this call began before the process forked; call again")
        if threading.get_ident() == self._thread.ident:
            raise ClosedError(
                "a blocking call on the SDK's own loop thread, for example in a hook, would wait "
                "for itself; make it from another thread"
            )

    def run(self, begin: Begin[T], caller: CallerMailbox | None = None) -> T:
        """Run a coroutine in the caller's context and return its result.

        An exception that interrupts the wait (from Ctrl-C, a signal handler or the caller's
        iterator) cancels the coroutine and is raised after its cleanup.

        Raises:
            ClosedError: called on the loop thread itself, or the thread is shut down.
        """
        self.check()
        call = PendingCall(self, begin, caller or CallerMailbox())
        try:
            self.start(call)
            call.wait()
        except BaseException as interruption:
            call.interrupt(interruption)
            raise
        return call.result()

    def run_detached(self, begin: Begin[Any]) -> None:
        """Run a coroutine without waiting for its result."""
        self.start(PendingCall(self, begin, CallerMailbox()))

    def start(self, call: PendingCall[Any]) -> None:
        """Start a call without waiting for it."""
        self._calls.add(call)
        self.call_soon(call.start)
        if self._is_over and call in self._calls:
            call.fail()

    def call_soon(self, function: Callable[[], object]) -> None:
        """Run a function on the loop thread, unless the thread has ended."""
        if not self.is_lost:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)

    def finish(self, call: PendingCall[Any]) -> None:
        """Wake the caller of a call that has ended.

        At exit, only daemon threads still wait. They stay blocked, because errors there would be
        noise.
        """
        if self.failure is not None and not self._is_over:
            return  # ``_serve`` ends the calls once the loop is closed
        self._calls.discard(call)
        if not self._at_exit:
            call.end()

    def adopt(self, close: Close, abandon: Abandon) -> None:
        """Await ``close`` when the thread stops; call ``abandon`` after a fork."""
        self._clients[close] = abandon

    def has_adopted(self, close: Close) -> bool:
        """Return whether ``close`` will be awaited when the thread stops."""
        return close in self._clients

    def disown(self, close: Close) -> None:
        """Forget an adopted ``close``."""
        self._clients.pop(close, None)

    def stop(self, patience: float | None = None, *, at_exit: bool = False) -> None:
        """Cancel all calls, close all clients and end the thread; wait ``patience`` seconds."""
        self.check()
        self._at_exit = at_exit
        self.call_soon(lambda: self._loop.create_task(self._wind_down()))
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

    def let_go(self) -> None:
        """Release, in a forked child, the files that the parent still uses.

        The epoll instance and the connections are shared with the parent. Closing one here, even
        by garbage collection, would break the parent's requests in flight.
        """
        in_use: Mapping[Any, selectors.SelectorKey] | None = self._selector.get_map()
        if in_use is None or self._has_let_go:
            return  # closed earlier, so the application may have reused the descriptors
        self._has_let_go = True
        shared = [key.fd for key in in_use.values()]
        if isinstance(self._selector, getattr(selectors, "EpollSelector", ())):
            shared.append(self._selector.fileno())
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in shared:
            os.dup2(null, descriptor, inheritable=False)
        os.close(null)
        for abandon in self._clients.values():
            abandon()


class _Loop(asyncio.SelectorEventLoop):
    """A loop that a forked child can abandon: it reports nothing in the child."""

    def __init__(self, selector: selectors.BaseSelector, pid: int) -> None:
        super().__init__(selector)
        self._pid = pid

    def is_closed(self) -> bool:
        return self._pid != os.getpid() or super().is_closed()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._pid == os.getpid():
            super().call_exception_handler(context)


_portal: Portal | None = None
# By process id, because a thread of the parent may have held the lock during the fork. Reentrant,
# because a signal handler may make a call during the first call.
_locks: dict[int, threading.RLock] = {}
_has_exited = False


def ensure_portal() -> Portal:
    """Return the portal of this process; start it if necessary."""
    global _portal  # noqa: PLW0603 - one per process
    with _lock():
        if _has_exited:
            raise ClosedError("the interpreter is exiting")
        if (portal := running_portal()) is None:
            portal = Portal()
            if (other := running_portal()) is not None:  # started by a signal handler
                portal.stop()
                return other
            _portal = portal
        return portal


def _lock() -> threading.RLock:
    return _locks.setdefault(os.getpid(), threading.RLock())


def running_portal() -> Portal | None:
    """Return the portal of this process, or None."""
    if (portal := _portal) is not None and portal.is_lost:
        with _lock():
            portal.let_go()
    return _portal if _portal is not None and _portal.is_usable else None


def shutdown() -> None:
    """Close every synchronous client and end the loop thread; calls in flight raise ClosedError.

    You need it only if the thread must end before exit, for example in tests for leaks. A client
    created later starts a new thread.
    """
    if _portal is not None and not _portal.is_lost:
        _portal.stop()


def _stop_at_exit() -> None:
    global _has_exited  # noqa: PLW0603 - one per process
    _has_exited = True
    if (portal := running_portal()) is not None:
        portal.stop(_EXIT_PATIENCE, at_exit=True)


atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=running_portal)  # before the child's garbage collector
