"""The resource: every path and verb of the notification-handlers API.

It is over 300 lines because one resource is one file, documented for users.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from types import NoneType
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from bitpeak_async._bulk.driver import CreateOutcome, Driver
from bitpeak_async._bulk.ledger import Ledger
from bitpeak_async._checks import check_flag
from bitpeak_async._http.form import create_form, update_form
from bitpeak_async._http.pagination import all_pages
from bitpeak_async._http.protocol import Call, RetrySafety
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import InvalidRequestError, NotFoundError, ReplyError
from bitpeak_async.records import HandlerSpec, NotificationHandler, Page
from bitpeak_async.settings import Settings, SettingsFields

__all__ = ["NotificationHandlers"]

T = TypeVar("T")

_COLLECTION: Final = "/notification-handlers"
_PAGE_SIZES: Final = (10, 25, 50, 100, 250, 500, 1000)
_LOG: Final = logging.getLogger("bitpeak_async")

Query = Mapping[str, str | int]


class NotificationHandlers:
    """The notification handlers of a key; reached as ``BitPeak.notification_handlers``."""

    def __init__(self, transport: Transport, options: CallOptions) -> None:
        self._transport = transport
        self._options = options

    async def list(
        self, *, page: int = 1, results_per_page: int = 25, extra_query: Query | None = None
    ) -> Page[NotificationHandler]:
        """Return one page of the handlers.

        Args:
            page: counted from 1.
            results_per_page: 10, 25, 50, 100, 250, 500 or 1000; ``meta.results_per_page`` tells
                what the server really used.
            extra_query: further query parameters, for filters that newer builds know.

        Raises:
            InvalidRequestError: a page below 1, another page size, or a query that cannot be sent.
            BitPeakError: the request failed.
        """
        _check_page(page, results_per_page)
        query = {"page": page, "results_per_page": results_per_page, **_checked_query(extra_query)}
        return await self._send(
            Call(
                f"list notification handlers, page {page}",
                "GET",
                f"{_COLLECTION}/?{urlencode(query)}",
                RetrySafety.READ,
                Page[NotificationHandler],
            )
        )

    def pages(
        self, *, results_per_page: int = 1000, extra_query: Query | None = None
    ) -> AsyncGenerator[Page[NotificationHandler], None]:
        """Iterate over all pages in order, fetching a few ahead.

        Each handler comes in one page only, also while the list changes: it is read again until
        all that was there throughout has been shown. Close the iterator (``contextlib.aclosing``;
        ``with`` in the synchronous client) to stop the fetching at once.

        Raises:
            InvalidRequestError: another page size than the API allows.
            ReplyError: the server answers with other pages, or never shows all it promises.
            BitPeakError: a request failed.
        """
        _check_page(1, results_per_page)
        _checked_query(extra_query)

        async def fetch(page: int) -> Page[NotificationHandler]:
            return await self.list(
                page=page, results_per_page=results_per_page, extra_query=extra_query
            )

        return all_pages(fetch)

    async def iterate(
        self,
        *,
        results_per_page: int = 1000,
        extra_query: Query | None = None,
        strict: bool = False,
    ) -> AsyncGenerator[NotificationHandler, None]:
        """Iterate over all handlers, each once, fetching a few pages ahead; see ``pages()``.

        Args:
            results_per_page: as for ``list()``.
            extra_query: as for ``list()``.
            strict: raise ReplyError for a handler that cannot be read, instead of logging a
                warning and skipping it. ``Page.unreadable`` has them without either.
        """
        pages = self.pages(results_per_page=results_per_page, extra_query=extra_query)
        async with aclosing(pages):
            async for page in pages:
                for handler in readable(page, strict=strict):
                    yield handler

    async def get(self, handler_id: int) -> NotificationHandler:
        """Return one handler.

        Raises:
            NotFoundError: there is none with this id.
            BitPeakError: the request failed.
        """
        return await self._send(
            Call(
                f"get notification handler {handler_id!r}",
                "GET",
                _item(handler_id),
                RetrySafety.READ,
                NotificationHandler,
            )
        )

    @hides("settings")
    async def create(self, name: str, settings: Settings) -> int:
        """Create a handler and return its id. It starts enabled.

        It is sent again only where the server surely did not execute it.

        Raises:
            InvalidRequestError: the name or a settings field cannot be sent.
            ValidationError: the server refused a field.
            OutcomeUnknownError: the reply was lost: the handler may exist or not.
            BitPeakError: the request failed.
        """
        return await self._send(
            Call(
                f"create notification handler {name!r}",
                "POST",
                _COLLECTION,
                RetrySafety.CREATE,
                int,
                form=Secret(create_form(name, Secret.of(settings))),
                name=name,
            )
        )

    @hides("settings")
    async def update(
        self,
        handler_id: int,
        *,
        name: str | None = None,
        settings: Settings | SettingsFields | None = None,
        is_enabled: bool | None = None,
    ) -> None:
        """Change a handler; only what is given is sent.

        Args:
            handler_id: of the handler to change.
            name: the new name.
            settings: a settings object, which also sets the type; or a mapping of wire names to
                change single fields. Whether the server then keeps the others is not documented.
            is_enabled: whether alerts are delivered. What the server makes of an omitted one is
                not documented either.

        Raises:
            InvalidRequestError: nothing to change, or something that cannot be sent.
            NotFoundError: there is no handler with this id.
            ValidationError: the server refused a field.
            BitPeakError: the request failed.
        """
        await self._send(
            Call(
                f"update notification handler {handler_id!r}",
                "POST",
                _item(handler_id),
                RetrySafety.IDEMPOTENT,
                int,
                form=Secret(update_form(name, Secret.of(settings), is_enabled)),
            )
        )

    async def delete(self, handler_id: int) -> None:
        """Delete a handler.

        A reply that is not as promised, such as a proxy's page, is checked by reading the handler.

        Raises:
            NotFoundError: there was none with this id before the first attempt.
            ReplyError: the reply is not as promised, and the handler is still there.
            BitPeakError: the request failed.
        """
        call = Call(
            f"delete notification handler {handler_id!r}",
            "DELETE",
            _item(handler_id),
            RetrySafety.IDEMPOTENT,
            NoneType,
        )
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
    ) -> AsyncGenerator[CreateOutcome, None]:
        """Create handlers concurrently and yield each outcome as it finishes.

        Specs are pulled as they are needed, so any number may stream through. One failure never
        stops the others: it stands in its outcome. Names need not be unique here; to bring
        handlers to a desired state, use ``BitPeak.provision``.

        The list is read once before the first create. A create whose reply was lost is resolved
        at the end: after ``Retry.unknown_outcome_delay`` another listing shows whether it
        happened. If so it is adopted, if not it is sent again.

        Args:
            specs: any iterable; an asynchronous one too.
            remove_duplicates: delete copies made by creates that were thought lost, were sent
                again and then turned out to be only late. Without it they are reported.

        Raises:
            InvalidRequestError: specs that cannot be iterated over.
            ConfigurationError: ``remove_duplicates`` is neither True nor False.
            BitPeakError: the list could not be read; nothing was created.
        """
        check_flag("remove_duplicates", remove_duplicates)
        if not isinstance(specs, Iterable | AsyncIterable):
            raise InvalidRequestError(
                f"specs must be an iterable of HandlerSpec, not {type(specs).__name__}",
                argument="specs",
            )
        retry = self._options.retry
        ledger = Ledger(retry, is_keyed=False, verifies=False, removes_late=remove_duplicates)
        return Driver.over(self._transport, self._options, self, ledger).create_many(specs)

    def _send(self, call: Call[T]) -> Coroutine[Any, Any, T]:
        return self._transport.send(call, self._options)


def readable(page: Page[NotificationHandler], *, strict: bool) -> Iterable[NotificationHandler]:
    """Return the handlers of a page, and log those that could not be read.

    Raises:
        ReplyError: ``strict``, and there is one.
    """
    for each in page.unreadable:
        problem = f"list notification handlers: {each}"
        if strict:
            raise ReplyError(problem, status=200, path=each.path)
        _LOG.warning("%s; skipped", problem)
    return page.data


def _item(handler_id: int) -> str:
    if not _is_whole(handler_id) or handler_id < 1:
        raise InvalidRequestError(
            f"handler_id must be a positive whole number, not {handler_id!r}",
            argument="handler_id",
        )
    return f"{_COLLECTION}/{handler_id}"


def _check_page(page: int, results_per_page: int) -> None:
    if not _is_whole(page) or page < 1:
        raise InvalidRequestError(
            f"page must be a whole number from 1 up, not {page!r}", argument="page"
        )
    if not _is_whole(results_per_page) or results_per_page not in _PAGE_SIZES:
        sizes = ", ".join(map(str, _PAGE_SIZES))
        raise InvalidRequestError(
            f"results_per_page must be one of {sizes}, not {results_per_page!r}",
            argument="results_per_page",
        )


def _checked_query(extra_query: object) -> dict[str, str | int]:
    if extra_query is None:
        return {}
    if not isinstance(extra_query, Mapping):
        raise _bad_query(f"must be a mapping of parameters, not {type(extra_query).__name__}")
    query: dict[str, str | int] = dict(extra_query)
    for name, value in query.items():
        if not isinstance(name, str) or not (isinstance(value, str) or _is_whole(value)):
            raise _bad_query(f"must map texts to texts or whole numbers, not {name!r} to {value!r}")
        try:
            f"{name}{value}".encode()
        except ValueError:  # half of a surrogate pair, or thousands of digits
            raise _bad_query(f"has a parameter that cannot be sent: {name!r}") from None
    return query


def _bad_query(problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"extra_query {problem}", argument="extra_query")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
