"""What the API returns and what callers describe: plain records that know no JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Generic, TypeVar

from attrs import field, frozen

from bitpeak_async._secret import Secret
from bitpeak_async.settings import Settings

__all__ = ["HandlerSpec", "NotificationHandler", "Page", "PageLinks", "PageMeta"]

T = TypeVar("T")


@frozen(weakref_slot=False)  # so _assembly can fill it fast
class NotificationHandler:
    """A place where alerts go, as the server holds it.

    Attributes:
        id: given by the server, positive.
        name: as users see it; not necessarily unique on the server.
        settings: of the class for its type. A field the server does not return is ``""``.
        is_enabled: whether alerts are delivered.
        last_datetime: when it last delivered, aware, or None.
        datetime: when it was created, aware. The wire has no offset: see ``BitPeak(timezone=)``.
    """

    id: int
    name: str
    settings: Settings
    is_enabled: bool
    last_datetime: dt.datetime | None
    datetime: dt.datetime

    @property
    def type(self) -> str:
        """The type of its settings, so that the two cannot disagree."""
        return self.settings.type


def _repr(settings: object) -> str:
    return repr(settings if isinstance(settings, Settings) else Secret(settings))


@frozen
class HandlerSpec:
    """A handler as it should be. In a desired set the name is its key.

    Attributes:
        name: non-empty.
        settings: of the class for its type.
        is_enabled: False is created enabled and then switched off, for the API's create has no
            such parameter.
    """

    name: str
    settings: Settings = field(repr=_repr)
    is_enabled: bool = True


@frozen
class PageMeta:
    """Where a page stands in the whole list.

    Attributes:
        page: counted from 1.
        results_per_page: the size really used, which may be smaller than the one asked for.
        total: handlers in the whole list.
        total_pages: pages in the whole list.
    """

    page: int
    results_per_page: int
    total: int
    total_pages: int


@frozen
class PageLinks:
    """The server's links to other pages. Informative only: they differ between builds."""

    first: str | None = None
    last: str | None = None
    next: str | None = None
    prev: str | None = None
    self_: str | None = field(default=None, alias="self_")


@frozen
class Page(Generic[T]):
    """One page of a list; iterating it iterates ``data``."""

    data: tuple[T, ...]
    meta: PageMeta
    links: PageLinks = PageLinks()

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
