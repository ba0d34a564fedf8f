"""Records: handlers that the API returns, and handlers that you describe. They know no JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Generic, TypeVar

from attrs import field, frozen

from bitpeak_async._checks import as_bool
from bitpeak_async._display import table
from bitpeak_async._secret import Secret
from bitpeak_async.settings import Settings, shown_fields

__all__ = [
    "HandlerSpec",
    "NotificationHandler",
    "Page",
    "PageLinks",
    "PageMeta",
    "UnreadableHandler",
]

T = TypeVar("T")


@frozen
class NotificationHandler:
    """A notification handler as the server returns it.

    Attributes:
        id: assigned by the server, positive.
        name: shown to users; not necessarily unique on the server.
        settings: an instance of the class for its type. Fields that the server does not return
            are ``""``.
        is_enabled: whether alerts are delivered.
        last_datetime: when it last delivered an alert, timezone-aware, or None.
        datetime: when it was created, timezone-aware. The API sends no offset; see
            ``BitPeak(timezone=)``.
        is_pending: whether it awaits a confirmation, for example of its email address. It is then
            neither on nor off: ``is_enabled`` is False, and no API call can change it.
    """

    id: int
    name: str
    settings: Settings
    is_enabled: bool
    last_datetime: dt.datetime | None
    datetime: dt.datetime
    is_pending: bool = False

    @property
    def type(self) -> str:
        """The type of the settings."""
        return self.settings.type


def _repr(settings: object) -> str:
    # Anything but a settings object may be a secret that was passed by mistake.
    return repr(settings if isinstance(settings, Settings) else Secret(settings))


def _switch(value: bool | None) -> bool | None:  # noqa: FBT001 - a converter
    if value is True or value is False or value is None:
        return value
    return value if (flag := as_bool(value)) is None else flag  # other values are refused later


@frozen
class HandlerSpec:
    """A desired handler. Its name identifies it among the desired handlers.

    Attributes:
        name: not empty.
        settings: an instance of the class for its type.
        is_enabled: whether alerts are delivered. None leaves the switch of an existing handler
            unchanged, and creates new handlers enabled. The API creates only enabled handlers, so
            a disabled one is created and then updated.
        renamed_from: its former name. A handler with that name is renamed, unless a handler with
            the new name exists.
    """

    name: str
    settings: Settings = field(repr=_repr)
    is_enabled: bool | None = field(default=True, converter=_switch)
    renamed_from: str | None = field(default=None, kw_only=True)


@frozen
class UnreadableHandler:
    """A handler of a page that does not have the documented shape. It contains no secrets.

    Attributes:
        id: None if it cannot be read either.
        name: None if it cannot be read either; the handler may then have any name.
        path: the place in the reply, such as ``"$.data[3].settings.email"``.
        problem: the problem there, such as ``"expected a string, got an array"``.
    """

    id: int | None
    name: str | None
    path: str
    problem: str

    def __str__(self) -> str:
        known = [str(self.id)] if self.id is not None else []
        known += [f"({self.name!r})"] if self.name is not None else []
        which = " ".join(["handler", *(known or ["without a readable id and name"])])
        return f"{which} cannot be read: {self.problem} at {self.path}"


@frozen
class PageMeta:
    """The position of a page in the list.

    Attributes:
        page: the page number, from 1.
        results_per_page: the page size that the server used; it may be smaller than requested.
        total: the number of handlers on all pages; None if the server does not return it.
        total_pages: the number of pages.
    """

    page: int
    results_per_page: int
    total: int | None
    total_pages: int


@frozen
class PageLinks:
    """The server's links to other pages. The SDK does not follow them: servers differ here."""

    first: str | None = None
    last: str | None = None
    next: str | None = None
    prev: str | None = None
    self_: str | None = field(default=None, alias="self_")


def _cells(handler: object) -> tuple[object, ...]:
    if not isinstance(handler, NotificationHandler):
        return (handler,)
    enabled = "pending" if handler.is_pending else "yes" if handler.is_enabled else "no"
    settings = ", ".join(shown_fields(handler.settings).values())
    return handler.id, handler.type, handler.name, enabled, settings


@frozen
class Page(Generic[T]):
    """One page of a list. Iterating over it iterates over ``data``.

    Attributes:
        data: the page's items.
        meta: the position of the page.
        links: the server's links to other pages.
        unreadable: handlers of this page that could not be read; they are not in ``data``.
    """

    data: tuple[T, ...]
    meta: PageMeta
    links: PageLinks = PageLinks()
    unreadable: tuple[UnreadableHandler, ...] = ()

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def _repr_html_(self) -> str:
        """Return a table for notebooks, with secrets masked."""
        meta = self.meta
        caption = f"page {meta.page} of {meta.total_pages}: {len(self)} handlers"
        header = ("id", "type", "name", "enabled", "settings")
        return table(caption, header, map(_cells, self.data))

    def __len__(self) -> int:
        return len(self.data)
