"""The notification-handlers API: turn a request into a response, without any network."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.filters import select
from bitpeak_async.sandbox.rendering import RawResponse, Renderer
from bitpeak_async.sandbox.replica import Replica
from bitpeak_async.sandbox.store import UNCONFIRMED, Draft, Selection, Store, StoredHandler
from bitpeak_async.sandbox.traffic import RequestRecord

COLLECTION = "/notification-handlers"
PAGE_SIZES = frozenset({10, 25, 50, 100, 250, 500, 1000})
DEFAULT_PAGE_SIZE = 25
#: Longest id or page number; times the largest page it still fits in 64 bits.
_MAX_DIGITS = 15


class _RefusedError(Exception):
    """The request is invalid and has changed nothing."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title


class Api:
    """Answer requests from the store, as documented and in the given dialect.

    Args:
        store: The database.
        replica: A replica to read from; None reads from the database.
        renderer: Renders the responses.
        dialect: How to behave where the documentation is silent.
        types: Handler type → settings fields.
        accounts: API key → account.
    """

    def __init__(
        self,
        store: Store,
        replica: Replica | None,
        renderer: Renderer,
        *,
        dialect: Dialect,
        types: Mapping[str, tuple[str, ...]],
        accounts: Mapping[str, str],
    ) -> None:
        self._store = store
        self._replica = replica
        self._renderer = renderer
        self._dialect = dialect
        self._types = types
        self._accounts = {f"Bearer {key}": account for key, account in accounts.items()}

    def answer(
        self, request: RequestRecord, stores: Mapping[str, Any] | None = None
    ) -> RawResponse:
        """Execute one request and commit its changes.

        Args:
            request: The request.
            stores: Columns that a create or update stores wrongly.
        """
        try:
            return self._route(request, stores or {})
        except _RefusedError as refusal:
            return self._renderer.error(refusal.status, refusal.title)

    def _route(self, request: RequestRecord, stores: Mapping[str, Any]) -> RawResponse:
        path, slash, tail = request.path.removeprefix(COLLECTION).partition("/")
        if path or not request.path.startswith(COLLECTION):
            raise _RefusedError(404, "The page was not found.")
        wanted_slash = {"either": slash, "with": "/", "without": ""}[self._dialect.trailing_slash]
        if not tail and slash != wanted_slash:
            return self._renderer.moved(wanted_slash, request.query)
        account = self._accounts.get(request.authorization)
        if account is None:
            raise _RefusedError(401, "The API key is missing or wrong.")
        return self._execute(request, tail, account, stores)

    def _execute(
        self, request: RequestRecord, tail: str, account: str, stores: Mapping[str, Any]
    ) -> RawResponse:
        fields = self._dialect.cleaning.clean(request.fields)
        match request.method, bool(tail):
            case "GET", False:
                return self._list(request.query, account)
            case "POST", False:
                return self._create(fields, account, stores)
            case "GET", True:
                lags = self._dialect.replica_serves == "reads"
                store = self._listed() if lags else self._store
                return self._renderer.handler(_find(store, tail, account))
            case "POST", True:
                return self._update(_find(self._store, tail, account), fields, stores)
            case "DELETE", True:
                handler = _find(self._store, tail, account)
                self._store.delete(handler.id)
                return self._renderer.deleted(handler.id)
        allowed = "GET, POST, DELETE" if tail else "GET, POST"
        return self._renderer.error(405, "The method is not allowed.", {"Allow": allowed})

    def _listed(self) -> Store:
        return self._store if self._replica is None else self._replica.current()

    def _list(self, query: Mapping[str, str], account: str) -> RawResponse:
        size = _whole_number(query.get("results_per_page", str(DEFAULT_PAGE_SIZE)))
        if size not in PAGE_SIZES:
            if self._dialect.bad_results_per_page == "error":
                raise _RefusedError(400, "The results per page are not an allowed number.")
            size = DEFAULT_PAGE_SIZE
        asked, size = size, min(size, self._dialect.max_results_per_page or size)
        number = max(1, _whole_number(query.get("page", "1")) or 1)
        offset = (number - 1) * size
        store, selection = self._listed(), select(query, account, self._dialect)
        total = store.count(selection)
        if offset >= max(1, total) and self._dialect.page_out_of_range == "not_found":
            raise _RefusedError(404, "The page was not found.")
        rows = store.page(selection, limit=size, offset=offset)
        shown_size = asked if self._dialect.size_in_meta == "asked" else size
        return self._renderer.page(rows, number=number, size=shown_size, total=total)

    def _create(
        self, fields: Mapping[str, str], account: str, stores: Mapping[str, Any]
    ) -> RawResponse:
        _require(fields, ("name", "type"))
        handler_type = fields["type"]
        own = self._fields_of(handler_type)
        _require(fields, own)
        most = self._dialect.max_handlers
        if most is not None and self._store.count(Selection(account)) >= most:
            raise _RefusedError(401, "Your plan's limit of notification handlers is reached.")
        draft = Draft(handler_type, fields["name"], _dump(_pick(fields, own)))
        if self._dialect.unconfirmed_emails and handler_type == "email":
            draft = draft._replace(is_enabled=UNCONFIRMED)
        return self._renderer.written(self._store.insert(draft._replace(**stores), account))

    def _update(
        self, handler: StoredHandler, fields: Mapping[str, str], stores: Mapping[str, Any]
    ) -> RawResponse:
        handler_type = fields.get("type", handler.type)
        own = (
            self._fields_of(handler_type) if "type" in fields else self._types.get(handler_type, ())
        )
        settings = _pick(fields, own)
        _require(fields, _pick(fields, ("name",)))
        _require(fields, own if handler_type != handler.type else settings)
        if handler_type == handler.type and (
            not settings or self._dialect.settings_update == "merge"
        ):
            settings = {**msgspec.json.decode(handler.settings), **settings}
        draft = Draft(
            type=handler_type,
            name=fields.get("name", handler.name),
            settings=_dump(settings),
            is_enabled=self._is_enabled(handler, fields),
            last_datetime=handler.last_datetime,
        )
        is_unconfirmed = handler.is_enabled == UNCONFIRMED or draft.settings != handler.settings
        if self._dialect.unconfirmed_emails and handler_type == "email" and is_unconfirmed:
            draft = draft._replace(is_enabled=UNCONFIRMED)
        self._store.update(handler.id, draft._replace(**stores))
        return self._renderer.written(handler.id)

    def _is_enabled(self, handler: StoredHandler, fields: Mapping[str, str]) -> bool:
        if "is_enabled" in fields:
            is_check_box = self._dialect.sent_is_enabled == "check_box"
            return is_check_box or not _is_empty(fields["is_enabled"])
        return self._dialect.omitted_is_enabled == "keep" and bool(handler.is_enabled)

    def _fields_of(self, handler_type: str) -> tuple[str, ...]:
        if handler_type not in self._types:
            raise _RefusedError(400, f"The type is not one of: {', '.join(self._types)}.")
        return self._types[handler_type]


def _find(store: Store, tail: str, account: str) -> StoredHandler:
    handler_id = _whole_number(tail)
    handler = None if handler_id is None else store.get(handler_id, account)
    if handler is None:
        raise _RefusedError(404, "The notification handler was not found.")
    return handler


def _require(fields: Mapping[str, str], names: Iterable[str]) -> None:
    missing = [name for name in names if _is_empty(fields.get(name, ""))]
    if missing:
        raise _RefusedError(400, f"The required fields are missing: {', '.join(missing)}.")


def _pick(fields: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: fields[name] for name in names if name in fields}


def _is_empty(value: str) -> bool:
    """Return what PHP's `empty()` returns for a string."""
    return value in ("", "0")


def _whole_number(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS:
        return int(text)
    return None


def _dump(settings: Mapping[str, str]) -> str:
    return msgspec.json.encode(settings).decode()
