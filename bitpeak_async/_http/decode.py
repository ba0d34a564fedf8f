"""Decode replies into records, or find the path and the reason why that fails.

msgspec decodes the documented shape. ``lenient`` decodes everything else and explains what cannot
be read. A handler that cannot be read does not affect the others of its page. Over 300 lines,
because the wire shapes and the records built from them belong side by side.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cached_property, lru_cache
from operator import attrgetter, itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar, cast

import attrs
import msgspec

from bitpeak_async._gc import gc_paused
from bitpeak_async._http.json_body import ShapeError, parse_json
from bitpeak_async._http.switch import Switch, switch_of
from bitpeak_async._structure import kind
from bitpeak_async.records import (
    NotificationHandler,
    Page,
    PageLinks,
    PageMeta,
    UnreadableHandler,
)
from bitpeak_async.settings import CLASSES, FIELDS, KnownSettings, UnknownSettings

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")

HandlerPage: TypeAlias = Page[NotificationHandler]

_BLANK: Final = b" \t\r\n\xef\xbb\xbf"


@attrs.frozen
class HandlerReply:
    """The body of a retrieve."""

    data: NotificationHandler


@attrs.frozen
class HandlerId:
    """The id in the body of a create or update."""

    id: int = attrs.field(validator=attrs.validators.ge(1))


@attrs.frozen
class IdReply:
    """The body of a create or update."""

    data: HandlerId


@attrs.frozen
class WireMeta:
    """``meta`` as different builds of the platform write it."""

    page: int
    results_per_page: int
    total: int | None = None
    total_results: int | None = None
    total_pages: int | None = None


@attrs.frozen
class LenientPage:
    """The body of a list whose handlers are not decoded yet."""

    data: list[Any]
    meta: WireMeta
    links: PageLinks = attrs.field(factory=PageLinks)


# The documented shapes for msgspec. They accept less than the records, never more.


class _Handler(msgspec.Struct, gc=False, kw_only=True):
    id: int
    type: str | None = None
    name: str
    settings: dict[str, str] | list[None]  # PHP writes an empty object as []
    is_enabled: bool | int | str
    last_datetime: dt.datetime | None
    datetime: dt.datetime


class _HandlerBody(msgspec.Struct):
    data: _Handler


class _Id(msgspec.Struct):
    id: Annotated[int, msgspec.Meta(ge=1)]


class _IdBody(msgspec.Struct):
    data: _Id


class _Links(msgspec.Struct, rename={"self_": "self"}):
    first: str | None = None
    last: str | None = None
    next: str | None = None
    prev: str | None = None
    self_: str | None = None


class _PageBody(msgspec.Struct):
    data: list[_Handler]
    meta: WireMeta
    links: _Links | None = None


@attrs.frozen
class _Format:
    """The decoders of one type of result.

    Attributes:
        documented: decodes the documented shape.
        build: turns the result of ``documented`` into the record.
        shape: the class of the body for the lenient converter.
        unwrap: turns the result of the lenient converter into the record.
    """

    documented: msgspec.json.Decoder[Any]
    build: Callable[[Any], Any]
    shape: Any
    unwrap: Callable[[Any], Any]


class Decoder:
    """Decodes replies with one assumed timezone."""

    def __init__(self, timezone: dt.tzinfo) -> None:
        self._timezone = timezone
        self._formats: dict[Any, _Format] = {
            NotificationHandler: _Format(
                msgspec.json.Decoder(_HandlerBody),
                lambda body: self._handler(body.data),
                HandlerReply,
                attrgetter("data"),
            ),
            int: _Format(
                msgspec.json.Decoder(_IdBody),
                attrgetter("data.id"),
                IdReply,
                attrgetter("data.id"),
            ),
            HandlerPage: _Format(
                msgspec.json.Decoder(_PageBody), self._page, LenientPage, self._lenient_page
            ),
        }

    def decode(self, body: bytes, returns: type[T]) -> T:
        """Return the result in a body.

        Args:
            body: the decompressed body.
            returns: ``NotificationHandler``, ``Page[NotificationHandler]``, ``int`` for the id
                in the reply to a create or update, or ``NoneType`` for nothing or any JSON.

        Raises:
            ShapeError: the body has another shape; the error holds the path and problem, no value.
        """
        if returns is NoneType:
            if body.strip(_BLANK):
                parse_json(body)
            return cast("T", None)
        form = self._formats[returns]
        if form.shape is LenientPage:
            with gc_paused():
                return cast("T", self._decode(body, form))
        return cast("T", self._decode(body, form))

    def _decode(self, body: bytes, form: _Format) -> Any:
        try:
            return form.build(form.documented.decode(body))
        except (ValueError, LookupError, TypeError, RecursionError):
            pass
        raw = parse_json(body)
        try:
            structured = self._converter.structure(raw, form.shape)
        except Exception:  # noqa: BLE001 - _explain() finds the reason
            structured = None
        if structured is None:
            raise self._explain(raw, form.shape, "$")
        return form.unwrap(structured)

    def _page(self, body: _PageBody) -> HandlerPage:
        handlers = tuple([self._handler(each) for each in body.data])
        meta = _page_meta(body.meta, len(handlers))
        links = body.links
        if links is None:
            return Page(handlers, meta)
        return Page(
            handlers,
            meta,
            PageLinks(links.first, links.last, links.next, links.prev, links.self_),
        )

    def _lenient_page(self, body: LenientPage) -> HandlerPage:
        handlers: list[NotificationHandler] = []
        unreadable: list[UnreadableHandler] = []
        for place, raw in enumerate(body.data):
            try:
                handlers.append(self._lenient_handler(raw))
            except Exception:  # noqa: BLE001 - _explain() finds the reason
                unreadable.append(self._unreadable(raw, place))
        meta = _page_meta(body.meta, len(body.data))
        return Page(tuple(handlers), meta, body.links, tuple(unreadable))

    def _lenient_handler(self, raw: Any) -> NotificationHandler:
        try:
            return self._handler(msgspec.convert(raw, _Handler))
        except (LookupError, TypeError, ValueError):
            return self._converter.structure(raw, NotificationHandler)

    def _unreadable(self, raw: object, place: int) -> UnreadableHandler:
        why = self._explain(raw, NotificationHandler, f"$.data[{place}]")
        handler_id, name = self._known(raw, "id", int), self._known(raw, "name", str)
        return UnreadableHandler(handler_id, name, why.path, why.problem)

    def _known(self, raw: object, key: str, cls: type[T]) -> T | None:
        try:
            return self._converter.structure(raw[key], cls) if isinstance(raw, dict) else None
        except (LookupError, ValueError):
            return None

    def _handler(self, raw: _Handler) -> NotificationHandler:
        # Runs for each handler of a page, so the usual cases come first and inline.
        build = _BUILDERS.get(raw.type)
        settings = build(raw.settings) if build is not None else _unknown(raw.type, raw.settings)
        made = raw.datetime
        if made.tzinfo is None:
            # Takes half the time of replace(tzinfo=) before Python 3.13.
            made = _combine(made, made.time(), self._timezone)
        last = raw.last_datetime
        if last is not None and last.tzinfo is None:
            last = _combine(last, last.time(), self._timezone)
        is_enabled = raw.is_enabled
        if is_enabled is True or is_enabled is False:
            return NotificationHandler(raw.id, raw.name, settings, is_enabled, last, made)
        switch = switch_of(is_enabled)
        is_on, is_pending = switch is Switch.ON, switch is Switch.PENDING
        return NotificationHandler(raw.id, raw.name, settings, is_on, last, made, is_pending)

    @cached_property
    def _converter(self) -> Converter:
        # Only undocumented shapes need cattrs, and it takes a tenth of the import time.
        from bitpeak_async._http.lenient import converter_of  # noqa: PLC0415

        return converter_of(self._timezone, detailed=False)

    @cached_property
    def _detailed_converter(self) -> Converter:
        from bitpeak_async._http.lenient import converter_of  # noqa: PLC0415 - as above

        return converter_of(self._timezone, detailed=True)

    def _explain(self, raw: object, shape: Any, path: str) -> ShapeError:
        from bitpeak_async._structure import first_problem  # noqa: PLC0415 - as above

        if type(raw) is not dict:
            return ShapeError(path, f"expected an object, got {kind(raw)}")
        try:
            self._detailed_converter.structure(raw, shape)
        except Exception as error:  # noqa: BLE001 - hooks fail only on wrong shapes
            return ShapeError(*first_problem(error, path))
        raise AssertionError("the detailed converter accepts what the fast one refused")


def _builder(cls: type[KnownSettings]) -> Callable[[Any], KnownSettings]:
    build: Any = cls  # its fields differ from class to class
    wires = [wire.name for wire in FIELDS[cls].values()]
    if not wires:
        return lambda _: build()
    take = itemgetter(*wires)
    if len(wires) == 1:
        return lambda fields: build(take(fields))
    return lambda fields: build(*take(fields))


_BUILDERS: Final[dict[str | None, Callable[[Any], KnownSettings]]] = {
    name: _builder(cls) for name, cls in CLASSES.items()
}
_combine: Final = dt.datetime.combine


def _unknown(handler_type: str | None, fields: dict[str, str] | list[None]) -> UnknownSettings:
    if isinstance(fields, list):
        raise TypeError
    return UnknownSettings(handler_type or "", fields)


def _page_meta(meta: WireMeta, rows: int) -> PageMeta:
    """Return the metadata of a page with this many rows; derive missing values if possible."""
    size = meta.results_per_page
    total = meta.total if meta.total is not None else meta.total_results
    pages = meta.total_pages
    if pages is None:
        if total is None or size < 1:
            raise ShapeError("$.meta.total_pages", "missing")
        pages = -(-total // size)
    if total is None and meta.page >= pages:
        total = (meta.page - 1) * size + rows
    return PageMeta(meta.page, size, total, pages)


@lru_cache(maxsize=8)
def decoder(timezone: dt.tzinfo) -> Decoder:
    """Return the decoder for an assumed timezone; cached, because compiling takes milliseconds."""
    return Decoder(timezone)
