"""The resource: every path and verb of the notification-handlers API.

Over 300 lines, because one resource is one file, documented for users.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from urllib.parse import urlencode

from attrs import evolve

from bitpeak_async._checks import as_int, check_flag, shown
from bitpeak_async._display import with_progress
from bitpeak_async._http.form import (
    TOO_LARGE,
    Query,
    checked_flag,
    checked_page,
    checked_query,
    create_form,
    name_problems,
    refuse,
    update_form,
)
from bitpeak_async._http.protocol import Call, RetrySafety
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import (
    BitPeakError,
    DuplicateError,
    InvalidRequestError,
    NotFoundError,
    ReplyError,
)
from bitpeak_async.keywords import ListFilters, ProvisionConfig, refuse_unknown, takes
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page, UnreadableHandler
from bitpeak_async.settings import Settings, SettingsFields

if TYPE_CHECKING:
    from bitpeak_async._bulk.driver import CreateOutcome

__all__ = ["NotificationHandlers"]

T = TypeVar("T")

_COLLECTION: Final = "/notification-handlers"
_LOG: Final = logging.getLogger("bitpeak_async")

READ: Final = RetrySafety.READ
IDEMPOTENT: Final = RetrySafety.IDEMPOTENT


class NotificationHandlers:
    """The notification handlers of a key; reached as ``BitPeak.notification_handlers``."""

    def __init__(self, transport: Transport, options: CallOptions) -> None:
        self._transport = transport
        self._options = options

    @takes(ListFilters)
    async def list(
        self,
        *,
        page: int = 1,
        results_per_page: int = 25,
        extra_query: Query | None = None,
        **filters: Unpack[ListFilters],
    ) -> Page[NotificationHandler]:
        """Return one page of the handlers.

        Args:
            page: the page number, from 1.
            results_per_page: 10, 25, 50, 100, 250, 500 or 1000; ``meta.results_per_page`` is the
                size that the server really used.
            extra_query: more query parameters: strings, integers, and booleans as 1 and 0.
            **filters: see ``ListFilters``.

        Raises:
            InvalidRequestError: a page below 1, another page size, or a query that cannot be sent.
            BitPeakError: the request failed.
        """
        refuse_unknown("NotificationHandlers.list", filters, ListFilters)
        number, size = checked_page(page, results_per_page)
        return await self._page(number, size, checked_query(extra_query, filters))

    def _page(
        self, page: int, size: int, filters: Mapping[str, str | int]
    ) -> Coroutine[Any, Any, Page[NotificationHandler]]:
        query = {"page": page, "results_per_page": size, **filters}
        return self._send(
            Call(
                f"list notification handlers, page {page}",
                "GET",
                f"{_COLLECTION}/?{urlencode(query)}",
                READ,
                Page[NotificationHandler],
            )
        )

    @takes(ListFilters)
    def pages(
        self,
        *,
        results_per_page: int = 1000,
        extra_query: Query | None = None,
        **filters: Unpack[ListFilters],
    ) -> AsyncGenerator[Page[NotificationHandler], None]:
        """Iterate over all pages in order, and prefetch a few.

        Each handler is returned once, even if the list changes: the list is read again until every
        handler that existed the whole time was returned. Close the iterator
        (``contextlib.aclosing``; ``with`` in the synchronous client) to stop fetching immediately.

        Args:
            results_per_page: as for ``list()``.
            extra_query: as for ``list()``.
            **filters: see ``ListFilters``.

        Raises:
            InvalidRequestError: the API does not allow this page size.
            ReplyError: the server sends another page than the requested one, or never shows all
                the handlers that it promises.
            BitPeakError: a request failed.
        """
        from bitpeak_async._http.pagination import all_pages  # noqa: PLC0415 - slow to import

        refuse_unknown("NotificationHandlers.pages", filters, ListFilters)
        _, size = checked_page(1, results_per_page)
        query = checked_query(extra_query, filters)
        return all_pages(lambda page: self._page(page, size, query))

    @takes(ListFilters)
    async def iterate(
        self,
        *,
        results_per_page: int = 1000,
        extra_query: Query | None = None,
        strict: bool = False,
        **filters: Unpack[ListFilters],
    ) -> AsyncGenerator[NotificationHandler, None]:
        """Iterate over all handlers, each once, and prefetch a few pages; see ``pages()``.

        Args:
            results_per_page: as for ``list()``.
            extra_query: as for ``list()``.
            strict: raise ReplyError for a handler that cannot be read, instead of logging a
                warning and skipping it. ``pages()`` does neither; see ``Page.unreadable``.
            **filters: see ``ListFilters``.
        """
        pages = self.pages(results_per_page=results_per_page, extra_query=extra_query, **filters)
        async with aclosing(pages):
            async for page in pages:
                for handler in readable(page, strict=strict):
                    yield handler

    async def get(self, handler_id: int) -> NotificationHandler:
        """Return one handler.

        Raises:
            NotFoundError: there is no handler with this id.
            BitPeakError: the request failed.
        """
        return await self._send(self._on("get", "GET", handler_id, READ, NotificationHandler))

    async def find(self, name: str) -> NotificationHandler | None:
        """Return the handler with a name, or None.

        It reads pages of the list until one shows exactly this name. If none does, it returns the
        handler whose name the server may have made from this one, for example by escaping.

        Raises:
            InvalidRequestError: no handler can have this name.
            DuplicateError: several handlers may have this name after the server changed it.
            ReplyError: a handler that cannot be read may be the one.
            BitPeakError: a request failed.
        """
        from bitpeak_async._bulk.identity import Names, kept_as_one_of  # noqa: PLC0415 - as above

        refuse(name_problems(name))
        names, unreadable = Names([name]), list[UnreadableHandler]()
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for handler in page:
                    if handler.name == name:
                        return handler
                    names.add(handler)
                unreadable += page.unreadable
        found = names.of(name).handlers
        if len(found) > 1:
            first, *others = sorted(handler.id for handler in found)
            ids = ", ".join(map(str, (first, *others)))
            raise DuplicateError(
                f"find {name!r}: any of the handlers {ids} may be it",
                name=name,
                handler_id=first,
                duplicates=tuple(others),
            )
        for each in unreadable if not found else ():
            if each.name is None or kept_as_one_of(each.name, [name]):
                raise ReplyError(f"find {name!r}: {each}", status=200, path=each.path)
        return found[0] if found else None

    @hides("settings")
    async def create(self, name: str, settings: Settings, *, is_enabled: bool = True) -> int:
        """Create a handler and return its id.

        It is sent again only if the server certainly did not process it.

        Args:
            name: shown to users. The server accepts an existing name and creates a second handler;
                ``ensure()`` does not.
            settings: the settings, which also set the type.
            is_enabled: False disables the handler with an update right after, because the API
                creates only enabled handlers. If that fails, the error says so, and its
                ``created_id`` is the id.

        Raises:
            InvalidRequestError: an argument cannot be sent.
            OutcomeUnknownError: the reply was lost or unreadable; the handler may exist.
            ValidationError: the server refused a field.
            BitPeakError: the request failed; no handler was created.
        """
        flag = checked_flag(is_enabled)
        hidden: Secret[Settings] = Secret.of(settings)
        call = Call(
            f"create notification handler {name!r}",
            "POST",
            _COLLECTION,
            RetrySafety.CREATE,
            int,
            form=Secret(create_form(name, hidden)),
            name=name,
        )
        if flag:
            return await self._send(call)
        clock = asyncio.get_running_loop().time
        options, began = self._options, clock()
        handler_id = await self._send(call)
        if options.deadline is not None:
            left = max(1e-3, options.deadline - (clock() - began))
            options = evolve(options, deadline=left)
        disable = self._on("", "POST", handler_id, IDEMPOTENT, int)
        disable.operation = f"{call.operation}: it has the id {handler_id}, but was not disabled"
        # All fields, because the effect of omitted fields is not documented.
        disable.form = Secret(update_form(name, hidden, is_enabled=False))
        try:
            return await self._transport.send(disable, options)
        except BitPeakError as error:
            error.created_id = handler_id
            raise

    async def ensure(self, spec: HandlerSpec) -> NotificationHandler:
        """Return the handler of a spec: found by its name and updated if it differs, or created.

        A second call changes nothing. It is ``BitPeak.provision`` of one spec, so it resolves a
        create whose reply was lost, and checks the result against a listing.

        Raises:
            PlanError: the spec cannot be sent, or several handlers may be the one.
            OutcomeUnknownError: a create whose reply was lost could not be resolved.
            DuplicateError: it exists more than once.
            BitPeakError: a request failed.
        """
        from bitpeak_async.provisioning.run import Run  # noqa: PLC0415 - as above

        run = Run(self._transport, self._options, self, ProvisionConfig())
        [outcome] = (await run.provision([spec])).outcomes
        if outcome.error is not None:
            raise outcome.error
        return await self.get(outcome.handler_id or 0)

    @hides("settings")
    async def update(
        self,
        handler_id: int,
        *,
        name: str | None = None,
        settings: Settings | SettingsFields | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """Change a handler; only the arguments that you pass are sent.

        Args:
            handler_id: the id of the handler.
            name: the new name.
            settings: a settings object, which also sets the type; or a mapping of API fields to
                change single fields of one type. The API does not document whether the server
                then keeps the other fields, or accepts fields of another type.
            is_enabled: whether alerts are delivered. The effect of an omitted value is not
                documented either.

        Raises:
            InvalidRequestError: there is nothing to change, or an argument cannot be sent.
            NotFoundError: there is no handler with this id.
            ValidationError: the server refused a field.
            BitPeakError: the request failed.
        """
        call = self._on("update", "POST", handler_id, IDEMPOTENT, int)
        call.form = Secret(update_form(name, Secret.of(settings), is_enabled))
        await self._send(call)

    async def enable(self, handler_id: int) -> None:
        """Let a handler deliver alerts; see ``update()``."""
        await self.update(handler_id, is_enabled=True)

    async def disable(self, handler_id: int) -> None:
        """Stop a handler from delivering alerts; see ``update()``."""
        await self.update(handler_id, is_enabled=False)

    async def delete(self, handler_id: int) -> None:
        """Delete a handler.

        After an unexpected reply, such as a proxy's page, the handler is read to check the result.

        Raises:
            NotFoundError: there was no such handler before the first attempt.
            ReplyError: the reply is unexpected, and the handler still exists.
            BitPeakError: the request failed.
        """
        call = self._on("delete", "DELETE", handler_id, IDEMPOTENT, NoneType)
        try:
            await self._send(call)
        except ReplyError:
            try:
                await self.get(handler_id)
            except NotFoundError:
                return
            raise

    def create_many(
        self,
        specs: Iterable[HandlerSpec] | AsyncIterable[HandlerSpec],
        *,
        remove_duplicates: bool = False,
        progress: bool = False,
    ) -> AsyncGenerator[CreateOutcome, None]:
        """Create handlers concurrently and yield each outcome as it finishes.

        Specs are pulled as they are needed, so any number can stream through. A failure never
        stops the others; it is in its outcome. Names need not be unique here; to bring handlers to
        a desired state, use ``BitPeak.provision``.

        The list is read once before the first create. A create whose reply was lost is resolved
        at the end: after ``Retry.unknown_outcome_delay`` another listing shows whether it
        happened. If it did, the handler counts as created; if not, the create is sent again.

        Args:
            specs: any iterable, including an asynchronous one.
            remove_duplicates: delete the copies that arise when a create seems lost, is sent again
                and then turns out to be late. Otherwise they are reported.
            progress: show progress on stderr, also in notebooks: a bar if rich is installed, else
                lines.

        Raises:
            InvalidRequestError: the specs are not iterable.
            ConfigurationError: ``remove_duplicates`` is neither True nor False.
            BitPeakError: the list could not be read; nothing was created.
        """
        from bitpeak_async._bulk.driver import Driver  # noqa: PLC0415 - as above
        from bitpeak_async._bulk.ledger import Ledger  # noqa: PLC0415 - as above
        from bitpeak_async.provisioning.desired import iterable_problem  # noqa: PLC0415 - as above

        check_flag("remove_duplicates", remove_duplicates)
        check_flag("progress", progress)
        if problem := iterable_problem(specs):
            raise InvalidRequestError(problem, argument="specs")
        retry = self._options.retry
        ledger = Ledger(retry, is_keyed=False, verifies=False, removes_late=remove_duplicates)
        outcomes = Driver.over(self._transport, self._options, self, ledger).create_many(specs)
        return with_progress(outcomes, "Creating", specs) if progress else outcomes

    def _on(
        self, verb: str, method: str, handler_id: int, safety: RetrySafety, returns: type[T]
    ) -> Call[T]:
        """Return a call on one handler."""
        number = as_int(handler_id)
        if number is None or not 0 < number < TOO_LARGE:
            raise InvalidRequestError(
                f"handler_id must be a positive whole number, not {shown(handler_id)}",
                argument="handler_id",
            )
        path = f"{_COLLECTION}/{number}"
        return Call(f"{verb} notification handler {number}", method, path, safety, returns)

    def _send(self, call: Call[T]) -> Coroutine[Any, Any, T]:
        return self._transport.send(call, self._options)


def readable(page: Page[NotificationHandler], *, strict: bool) -> Iterable[NotificationHandler]:
    """Return the handlers of a page, and log those that could not be read.

    Raises:
        ReplyError: ``strict`` is set and a handler could not be read.
    """
    for each in page.unreadable:
        problem = f"list notification handlers: {each}"
        if strict:
            raise ReplyError(problem, status=200, path=each.path)
        _LOG.warning("%s; skipped", problem)
    return page.data
