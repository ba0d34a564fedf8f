"""Specs → handlers, each exactly once, though the API has no idempotency keys.

A create whose reply was lost may have happened or not. It is put aside; once the server had time
to settle, one listing tells of all that were: found → adopted, not found → sent again. What was
there before the run is known from a listing, and is never taken for the run's own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from functools import partial
from typing import Protocol

from attrs import define, evolve, field, frozen

from bitpeak_async._bulk.candidates import Candidates
from bitpeak_async._bulk.workers import as_finished
from bitpeak_async._http.form import spec_problems
from bitpeak_async._http.pagination import SeenIds
from bitpeak_async._http.retry import is_temporary
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async.errors import (
    BitPeakError,
    DuplicateError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
)
from bitpeak_async.events import Emitter, OutcomeKnown
from bitpeak_async.options import Retry
from bitpeak_async.records import HandlerSpec, NotificationHandler
from bitpeak_async.settings import Settings

__all__ = ["CreateOutcome"]


class Handlers(Protocol):
    """What creating from specs needs of the resource."""

    async def create(self, name: str, settings: Settings) -> int: ...

    async def update(
        self, handler_id: int, *, name: str, settings: Settings, is_enabled: bool
    ) -> None: ...

    async def delete(self, handler_id: int) -> None: ...

    def iterate(self) -> AsyncGenerator[NotificationHandler, None]: ...


@frozen
class CreateOutcome:
    """What became of one spec.

    Attributes:
        spec: as given.
        handler_id: the id of the handler, or None if it is not known to exist.
        error: None where all went well. With a handler_id: it exists, but could not be disabled
            (the error of the update), or exists more than once (DuplicateError).
    """

    spec: HandlerSpec
    handler_id: int | None
    error: BitPeakError | None = None

    @property
    def ok(self) -> bool:
        """Whether the handler is as its spec says, and there once."""
        return self.error is None


@define(eq=False)
class UnresolvedCreate:
    """A spec with creates that nobody knows the outcome of.

    Attributes:
        unknown: how many such creates, each of which may yet turn out to have happened.
        outcome: what is known meanwhile.
    """

    unknown: int
    outcome: CreateOutcome

    @property
    def spec(self) -> HandlerSpec:
        return self.outcome.spec


@define(eq=False)
class CreateRun:
    """One run of creates.

    Attributes:
        handlers: the resource.
        retry: how long to let the server settle, and how often to look.
        workers: creates at once.
        emit: told of each outcome.
        existing: ids that were there before the run.
        remove_duplicates: whether copies that late creates of this run made are deleted.
    """

    handlers: Handlers
    retry: Retry
    workers: int
    emit: Emitter
    existing: SeenIds = field(factory=SeenIds)
    remove_duplicates: bool = False
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _own: SeenIds = field(init=False, factory=SeenIds)
    _open: dict[str, CreateOutcome] = field(init=False, factory=dict)
    _doubts: list[UnresolvedCreate] = field(init=False, factory=list)
    _resent: list[UnresolvedCreate] = field(init=False, factory=list)

    @classmethod
    def over(
        cls,
        transport: Transport,
        options: CallOptions,
        handlers: Handlers,
        *,
        remove_duplicates: bool,
    ) -> CreateRun:
        """Return a run with as many workers as the transport has slots."""
        return cls(
            handlers,
            options.retry,
            transport.slots,
            transport.emit,
            remove_duplicates=remove_duplicates,
        )

    async def run(
        self, specs: Iterable[HandlerSpec] | AsyncIterable[HandlerSpec]
    ) -> AsyncGenerator[CreateOutcome, None]:
        """List what exists, create from all specs, settle; yield each outcome as it is known.

        An exception of ``specs`` itself is raised at the end, when what was begun is settled.
        """
        async with aclosing(self.handlers.iterate()) as existing:
            async for handler in existing:
                self.existing.add(handler.id)
        failure: Exception | None = None
        try:
            async with aclosing(as_finished(self.create, specs, self.workers)) as created:
                async for outcome in created:
                    if outcome is not None:
                        self._tell(outcome)
                        yield outcome
        except Exception as error:  # noqa: BLE001 - whatever a caller's iterator raises
            failure = error
        async with aclosing(self.settle()) as settled:
            async for outcome in settled:
                self._tell(outcome)
                yield outcome
        if failure is not None:
            raise failure

    def _tell(self, outcome: CreateOutcome) -> None:
        if self.emit.has_listeners:
            self.emit(OutcomeKnown(_name(outcome), outcome.handler_id, outcome.error))

    async def create(self, spec: HandlerSpec) -> CreateOutcome | None:
        """Return the outcome of a spec; None if ``settle()`` will tell it."""
        if not isinstance(spec, HandlerSpec):
            problem = f"specs must hold HandlerSpec, not {type(spec).__name__}"
            return CreateOutcome(spec, None, InvalidRequestError(problem, argument="specs"))
        if not isinstance(spec.name, str) or not isinstance(spec.is_enabled, bool):
            for argument, problem in spec_problems(spec):  # create() checks all the rest
                error = InvalidRequestError(f"{argument} {problem}", argument=argument)
                return CreateOutcome(spec, None, error)
        return await self._create(spec, unknown=0)

    async def _create(self, spec: HandlerSpec, unknown: int) -> CreateOutcome | None:
        self._open[spec.name] = CreateOutcome(spec, None)
        try:
            handler_id = await self.handlers.create(spec.name, spec.settings)
        except OutcomeUnknownError as error:
            self._put_aside(self._doubts, unknown + 1, CreateOutcome(spec, None, error))
            return None
        except BitPeakError as error:
            return self._ended(CreateOutcome(spec, None, error), unknown)
        return await self._created(spec, handler_id, unknown)

    async def _created(
        self, spec: HandlerSpec, handler_id: int, unknown: int
    ) -> CreateOutcome | None:
        """Disable what is to be disabled, for a create cannot.

        The update sends everything: what a server makes of omitted fields is not documented.
        """
        self._own.add(handler_id)
        outcome = CreateOutcome(spec, handler_id)
        if not spec.is_enabled:
            self._open[spec.name] = outcome
            try:
                await self.handlers.update(
                    handler_id, name=spec.name, settings=spec.settings, is_enabled=False
                )
            except BitPeakError as error:
                outcome = evolve(outcome, error=error)
        return self._ended(outcome, unknown)

    def _ended(self, outcome: CreateOutcome, unknown: int) -> CreateOutcome | None:
        """Return the outcome of the last create; put it aside if earlier ones may yet come."""
        if not unknown:
            return self._told(outcome)
        self._put_aside(self._resent, unknown, outcome)
        return None

    def _put_aside(
        self, where: list[UnresolvedCreate], unknown: int, outcome: CreateOutcome
    ) -> None:
        self._open[outcome.spec.name] = outcome
        where.append(UnresolvedCreate(unknown, outcome))

    def _told(self, outcome: CreateOutcome) -> CreateOutcome:
        self._open.pop(outcome.spec.name, None)
        return outcome

    async def settle(self) -> AsyncGenerator[CreateOutcome, None]:
        """Yield the outcomes of all that was put aside, round by round.

        ``retry.attempts`` rounds in a row that settle nothing (the listing fails, every create
        is lost again) end it; what is left then keeps its OutcomeUnknownError.
        """
        fruitless = 0
        while self._doubts and fruitless < self.retry.attempts:
            await self.sleep(self.retry.unknown_outcome_delay * 2**fruitless)
            doubts, self._doubts = self._doubts, []
            try:
                found = await self._find(doubts)
            except BitPeakError as error:
                self._doubts = doubts
                if not is_temporary(error):
                    break
            else:
                settled = as_finished(partial(self._settle, found), doubts, self.workers)
                async with aclosing(settled):
                    async for outcome in settled:
                        if outcome is not None:
                            yield outcome
            fruitless = fruitless + 1 if len(self._doubts) == len(doubts) else 0
        for doubt in self._doubts:
            yield self._told(doubt.outcome)
        if self._resent:
            await self.sleep(self.retry.duplicate_check_delay)
            async for outcome in self._sweep():
                yield outcome

    def unsettled(self) -> Iterable[CreateOutcome]:
        """Return what is known of all that was begun and not told: a name at most once."""
        return [
            outcome if outcome.error else evolve(outcome, error=_interrupted(outcome))
            for outcome in self._open.values()
        ]

    async def _find(self, doubts: list[UnresolvedCreate]) -> dict[str, Candidates]:
        """List once; return what appeared under the names in doubt."""
        found = defaultdict[str, Candidates](Candidates)
        for doubt in doubts:
            found[doubt.spec.name].wanted.append(doubt.spec.settings)
            found[doubt.spec.name].unknown += doubt.unknown
        async with aclosing(self.handlers.iterate()) as handlers:
            async for handler in handlers:
                known = handler.id in self.existing or handler.id in self._own
                if handler.name in found and not known:
                    found[handler.name].add(handler)
        return found

    async def _settle(
        self, found: dict[str, Candidates], doubt: UnresolvedCreate
    ) -> CreateOutcome | None:
        spec = doubt.spec
        here = found[spec.name]
        if here.foreign or len(here.own) > here.unknown:
            ids = ", ".join(str(handler.id) for handler in here.own + here.foreign)
            error = OutcomeUnknownError(
                f"create notification handler {spec.name!r}: its outcome is unknown, and "
                f"somebody else made handlers of this name meanwhile (ids {ids}); keep one",
                name=spec.name,
            )
            return self._told(CreateOutcome(spec, None, error))
        adopted = here.take(spec.settings)
        if adopted is None:
            return await self._create(spec, doubt.unknown)
        return await self._created(spec, adopted.id, doubt.unknown - 1)

    async def _sweep(self) -> AsyncGenerator[CreateOutcome, None]:
        """Look once more for copies of what was sent again; yield the outcomes held back."""
        try:
            found = await self._find(self._resent)
        except BitPeakError as error:
            for doubt in self._resent:
                unchecked = _unchecked(doubt.outcome, error)
                yield self._told(evolve(doubt.outcome, error=unchecked))
            return
        for doubt in self._resent:
            outcome, here = doubt.outcome, found[doubt.spec.name]
            copies: list[int] = []
            while len(copies) < doubt.unknown and (copy := here.take(doubt.spec.settings)):
                copies.append(copy.id)
            if outcome.handler_id is None:
                outcome = await self._adopt_late(outcome, copies)
            yield self._told(await self._rid(outcome, copies) if copies else outcome)

    async def _adopt_late(self, outcome: CreateOutcome, copies: list[int]) -> CreateOutcome:
        """Settle a create that failed when it was sent again: the lost one may have happened."""
        if not copies:
            return evolve(outcome, error=_unchecked(outcome, outcome.error))
        return await self._created(outcome.spec, copies.pop(0), unknown=0) or outcome

    async def _rid(self, outcome: CreateOutcome, copies: list[int]) -> CreateOutcome:
        """Report copies, or delete them where that was asked for."""
        name, handler_id = outcome.spec.name, outcome.handler_id or 0
        left = list(copies)
        if self.remove_duplicates:
            for copy in copies:
                with suppress(BitPeakError):
                    await self._delete(copy)
                    left.remove(copy)
        if not left:
            return outcome
        listed = ", ".join(map(str, left))
        error = DuplicateError(
            f"create notification handler {name!r}: it exists as {handler_id}, and again as "
            f"{listed}: an earlier attempt was carried out late; delete {listed}",
            name=name,
            handler_id=handler_id,
            duplicates=tuple(left),
        )
        return evolve(outcome, error=error)

    async def _delete(self, handler_id: int) -> None:
        with suppress(NotFoundError):
            await self.handlers.delete(handler_id)


def _name(outcome: CreateOutcome) -> str:
    return outcome.spec.name if isinstance(outcome.spec, HandlerSpec) else ""


def _unchecked(outcome: CreateOutcome, cause: BitPeakError | None) -> OutcomeUnknownError:
    exists = "" if outcome.handler_id is None else f"it exists as {outcome.handler_id}; "
    error = OutcomeUnknownError(
        f"create notification handler {outcome.spec.name!r}: {exists}"
        f"whether an earlier attempt made another is unknown: {cause}",
        name=outcome.spec.name,
    )
    error.__cause__ = cause
    return error


def _interrupted(outcome: CreateOutcome) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"create notification handler {outcome.spec.name!r}: cancelled while it was under way; "
        f"run again to settle it",
        name=outcome.spec.name,
    )
