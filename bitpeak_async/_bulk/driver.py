"""Carry out the decisions of a ledger with requests, listings and waits.

Over 300 lines, because the limits of a run (grace, deadline) must cover all of its waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager
from itertools import takewhile
from typing import Any, Protocol, TypeVar

from attrs import define, field, frozen

from bitpeak_async._bulk import verdicts
from bitpeak_async._bulk.entry import Action, Entry, Task
from bitpeak_async._bulk.ledger import Ledger, Look, may_pass
from bitpeak_async._bulk.workers import as_finished, one_by_one
from bitpeak_async._http.form import spec_problems
from bitpeak_async._http.lifecycle import running_loop
from bitpeak_async._http.seen_ids import ids_of
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async.errors import (
    BitPeakError,
    InvalidRequestError,
    NotFoundError,
    ReplyError,
    RequestTimeoutError,
)
from bitpeak_async.events import Emitter, OutcomeKnown
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page
from bitpeak_async.settings import Settings

__all__ = ["CreateOutcome"]

T = TypeVar("T")
R = TypeVar("R")


class Handlers(Protocol):
    """The methods of the resource that a run needs."""

    async def create(self, name: str, settings: Settings) -> int: ...

    async def get(self, handler_id: int) -> NotificationHandler: ...

    async def update(
        self, handler_id: int, *, name: str, settings: Settings, is_enabled: bool
    ) -> None: ...

    async def delete(self, handler_id: int) -> None: ...

    def pages(self) -> AsyncGenerator[Page[NotificationHandler], None]: ...


@frozen
class CreateOutcome:
    """The outcome of one spec.

    Attributes:
        spec: the spec that you passed.
        handler_id: the id of the handler, or None if it is not known to exist.
        error: None on success. If there is a handler_id too, the handler exists, but could not be
            disabled (the error of the update), or exists more than once (DuplicateError).
    """

    spec: HandlerSpec
    handler_id: int | None
    error: BitPeakError | None = None

    @property
    def ok(self) -> bool:
        """Whether the handler exists once and matches its spec."""
        return self.error is None


@define(eq=False)
class Driver:
    """Carries out one run.

    Attributes:
        handlers: the resource.
        ledger: decides what to do next.
        workers: the most requests in flight at once.
        emit: receives an event for each outcome.
        deadline: seconds for the whole run, starting with ``start()``, or None.
        unseen: why the last listing failed, or None.
    """

    handlers: Handlers
    ledger: Ledger
    workers: int
    emit: Emitter
    deadline: float | None = None
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    unseen: BitPeakError | None = field(init=False, default=None)
    _ends: float | None = field(init=False, default=None)
    _stopping: asyncio.Event = field(init=False, factory=asyncio.Event)

    @classmethod
    def over(
        cls, transport: Transport, options: CallOptions, handlers: Handlers, ledger: Ledger
    ) -> Driver:
        """Return a driver with as many workers as the transport has slots."""
        return cls(handlers, ledger, transport.slots, transport.emit, options.deadline)

    def start(self) -> None:
        """Start the deadline now."""
        loop = running_loop()
        if self.deadline is not None:
            self._ends = loop.time() + self.deadline

    async def create_many(
        self, specs: Iterable[HandlerSpec] | AsyncIterable[HandlerSpec]
    ) -> AsyncGenerator[CreateOutcome, None]:
        """List existing handlers, create all specs, resolve lost creates; yield each outcome.

        An exception of ``specs`` is raised at the end, after all started creates are resolved.
        """
        self.start()
        await self._list_existing()
        failure: Exception | None = None
        try:
            created = self._in_time(as_finished(self._create, specs, self.workers))
            async with aclosing(created):
                async for entry in created:
                    if entry.is_settled:
                        yield self._told(entry)
        except Exception as error:  # noqa: BLE001 - a caller's iterator may raise anything
            failure = error
        try:
            settled = self._in_time(self.settle())
            async with aclosing(settled):
                async for entry in settled:
                    yield self._told(entry)
        except RequestTimeoutError as late:
            for entry in self.ledger.interrupt():
                yield self._told(entry)
            raise failure or late from None
        if failure is not None:
            raise failure

    async def _list_existing(self) -> None:
        async with self.in_time(), aclosing(self.handlers.pages()) as pages:
            async for page in pages:
                self.ledger.existing.add_all(ids_of(page))

    def _in_time(self, items: AsyncGenerator[Entry, None]) -> AsyncGenerator[Entry, None]:
        return items if self._ends is None else self._until_late(items)

    async def _until_late(self, items: AsyncGenerator[Entry, None]) -> AsyncGenerator[Entry, None]:
        async with aclosing(items):
            while True:
                async with self.in_time():
                    item = await anext(items, None)
                if item is None:
                    return
                yield item

    @asynccontextmanager
    async def in_time(self) -> AsyncGenerator[None, None]:
        """Raise RequestTimeoutError when the deadline passes."""
        scope = asyncio.timeout_at(self._ends)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._late() from None

    def _late(self) -> RequestTimeoutError:
        return RequestTimeoutError(f"not done within the deadline of {self.deadline:g} s")

    def _told(self, entry: Entry) -> CreateOutcome:
        if self.emit.has_listeners:
            name = entry.spec.name if isinstance(entry.spec, HandlerSpec) else ""
            self.emit(OutcomeKnown(name, entry.target, entry.error))
        return CreateOutcome(entry.spec, entry.target, entry.error)

    def _create(self, spec: HandlerSpec) -> Awaitable[Entry]:
        entry = Entry(spec, todo=Task.CREATE)
        if problems := _problems(spec):
            argument, problem = problems[0]
            entry.settle(InvalidRequestError(f"{argument} {problem}", argument=argument))
        else:
            self.ledger.add(entry)
        return self.carry_out(entry)

    async def carry_out(self, entry: Entry) -> Entry:
        """Send the requests that an entry needs, one after another."""
        entry.is_begun = True
        while (action := entry.next_action()) is not None:
            try:
                await self._request(entry, action)
            except BitPeakError as error:
                self.ledger.failed(entry, action, error, asyncio.get_running_loop().time())
        self.ledger.rest(entry)
        return entry

    async def _request(self, entry: Entry, action: Action) -> None:
        spec, handler_id = entry.spec, action.handler_id
        if action.task is Task.CREATE:
            handler_id = await self.handlers.create(spec.name, spec.settings)
            if not self.ledger.is_new(handler_id):
                raise verdicts.not_made(entry, handler_id)
            self.ledger.created(entry, handler_id)
        elif action.task is Task.WRITE:
            # Send all fields, because the effect of omitted ones is not documented.
            is_enabled = spec.is_enabled
            if is_enabled is None:
                is_enabled = (await self.handlers.get(handler_id)).is_enabled
            await self.handlers.update(
                handler_id, name=spec.name, settings=spec.settings, is_enabled=is_enabled
            )
            self.ledger.written(entry)
        else:
            await self._remove(entry, handler_id)

    async def _remove(self, entry: Entry, handler_id: int) -> None:
        """Delete a copy if it is unchanged since this run created it."""
        try:
            if not entry.is_as_made(await self.handlers.get(handler_id)):
                self.ledger.left(entry, handler_id)
                return
            await self.handlers.delete(handler_id)
        except NotFoundError:
            self.ledger.skipped(entry, handler_id)
        else:
            self.ledger.removed(entry, handler_id)

    async def settle(self) -> AsyncGenerator[Entry, None]:
        """List, resolve and carry out until all entries are settled; yield them as they settle."""
        while (pause := self.ledger.next_look(asyncio.get_running_loop().time())) is not None:
            await self._pause(pause)
            if self._stopping.is_set():
                return
            try:
                seen = await self._look()
                self.unseen = None
            except BitPeakError as error:
                self.unseen = error
                if may_pass(error):
                    continue
                break
            async with aclosing(self.each(self.ledger.resolve(seen))) as done:
                async for entry in done:
                    if entry.is_settled:
                        yield entry
        for entry in self.ledger.give_up(self.unseen):
            yield entry

    async def _look(self) -> Look:
        """Read the list.

        Raises:
            ReplyError: an unreadable handler may be the result of a lost create.
        """
        seen = self.ledger.look()
        have_doubts = any(entry.is_in_doubt for entry in self.ledger.open)
        async with aclosing(self.handlers.pages()) as pages:
            async for page in pages:
                for handler in page.data:
                    seen.add(handler)
                for each in page.unreadable:
                    if have_doubts and not (each.id and each.id in self.ledger.existing):
                        raise ReplyError(f"{each}", status=200, path=each.path)
        return seen

    def each(self, entries: list[Entry]) -> AsyncGenerator[Entry, None]:
        """Carry out entries concurrently."""
        return self.work(self.carry_out, entries)

    def work(
        self, work: Callable[[T], Awaitable[R]], items: Sequence[T]
    ) -> AsyncGenerator[R, None]:
        """Await ``work(item)`` concurrently, until the run is stopped."""
        going = takewhile(lambda _: not self._stopping.is_set(), items)
        if len(items) <= 1:  # as for most accounts of a fleet; saves a task
            return one_by_one(work, going)
        return as_finished(work, going, min(self.workers, len(items)))

    async def _pause(self, seconds: float) -> None:
        if not seconds:
            return
        stopped = asyncio.ensure_future(self._stopping.wait())
        slept = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait((stopped, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            slept.cancel()

    async def finish(self, run: Coroutine[Any, Any, T], grace: float) -> T:
        """Await a run of this driver.

        When cancelled, it starts nothing more and gives requests in flight ``grace`` seconds to
        finish. A second cancellation ends the grace period. A deadline has no grace period.

        Raises:
            RequestTimeoutError: the deadline passed.
        """
        task = asyncio.ensure_future(run)
        now = asyncio.get_running_loop().time()
        try:
            left = None if self._ends is None else max(0.0, self._ends - now)
            done, _ = await asyncio.wait({task}, timeout=left)
            if done:
                return await task
        except asyncio.CancelledError:
            self._stopping.set()
            await asyncio.wait({task}, timeout=grace)
            raise
        finally:
            self._stopping.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        raise self._late()


def _problems(spec: object) -> list[tuple[str, str]]:
    if not isinstance(spec, HandlerSpec):
        return [("specs", f"must hold HandlerSpec, not {type(spec).__name__}")]
    if not isinstance(spec.name, str) or not isinstance(spec.is_enabled, bool | None):
        return spec_problems(spec)  # create() checks the rest
    return []
