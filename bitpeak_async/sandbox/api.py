"""The notification-handlers API: turn a request into a response, without any network."""

from collections.abc import Iterable, Mapping

import orjson

from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.rendering import RawResponse, Renderer
from bitpeak_async.sandbox.store import Draft, Store, StoredHandler
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
        renderer: Renders the responses.
        dialect: How to behave where the documentation is silent.
        types: Handler type → settings fields.
        accounts: API key → account.
    """

    def __init__(
        self,
        store: Store,
        renderer: Renderer,
        *,
        dialect: Dialect,
        types: Mapping[str, tuple[str, ...]],
        accounts: Mapping[str, str],
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._dialect = dialect
        self._types = types
        self._accounts = {f"Bearer {key}": account for key, account in accounts.items()}

    def answer(self, request: RequestRecord) -> RawResponse:
        """Execute one request and commit its changes."""
        try:
            return self._route(request)
        except _RefusedError as refusal:
            return self._renderer.error(refusal.status, refusal.title)

    def _route(self, request: RequestRecord) -> RawResponse:
        path, slash, tail = request.path.removeprefix(COLLECTION).partition("/")
        if path or not request.path.startswith(COLLECTION):
            raise _RefusedError(404, "The page was not found.")
        wanted_slash = {"either": slash, "with": "/", "without": ""}[self._dialect.trailing_slash]
        if not tail and slash != wanted_slash:
            return self._renderer.moved(wanted_slash, request.query)
        account = self._accounts.get(request.authorization)
        if account is None:
            raise _RefusedError(401, "The API key is missing or wrong.")
        if tail:
            return self._answer_one(request, tail, account)
        return self._answer_all(request, account)

    def _answer_all(self, request: RequestRecord, account: str) -> RawResponse:
        match request.method:
            case "GET":
                return self._list(request.query, account)
            case "POST":
                return self._create(request.fields, account)
            case _:
                return self._wrong_method("GET, POST")

    def _answer_one(self, request: RequestRecord, tail: str, account: str) -> RawResponse:
        if request.method not in ("GET", "POST", "DELETE"):
            return self._wrong_method("GET, POST, DELETE")
        handler_id = _whole_number(tail)
        handler = None if handler_id is None else self._store.get(handler_id, account)
        if handler is None:
            raise _RefusedError(404, "The notification handler was not found.")
        match request.method:
            case "GET":
                return self._renderer.handler(handler)
            case "POST":
                return self._update(handler, request.fields)
            case _:
                self._store.delete(handler.id, account)
                return self._renderer.deleted(handler.id)

    def _wrong_method(self, allowed: str) -> RawResponse:
        return self._renderer.error(405, "The method is not allowed.", {"Allow": allowed})

    def _list(self, query: Mapping[str, str], account: str) -> RawResponse:
        size = _whole_number(query.get("results_per_page", str(DEFAULT_PAGE_SIZE)))
        if size not in PAGE_SIZES:
            if self._dialect.bad_results_per_page == "error":
                raise _RefusedError(400, "The results per page are not an allowed number.")
            size = DEFAULT_PAGE_SIZE
        size = min(size, self._dialect.max_results_per_page or size)
        number = max(1, _whole_number(query.get("page", "1")) or 1)
        offset = (number - 1) * size
        total = self._store.count(account)
        if offset >= max(1, total) and self._dialect.page_out_of_range == "not_found":
            raise _RefusedError(404, "The page was not found.")
        order = self._dialect.order
        rows = self._store.page(order, limit=size, offset=offset, account=account)
        return self._renderer.page(rows, number=number, size=size, total=total)

    def _create(self, fields: Mapping[str, str], account: str) -> RawResponse:
        _require(fields, ("name", "type"))
        handler_type = fields["type"]
        own = self._fields_of(handler_type)
        _require(fields, own)
        draft = Draft(handler_type, fields["name"], _dump(_pick(fields, own)))
        return self._renderer.written(self._store.insert(draft, account))

    def _update(self, handler: StoredHandler, fields: Mapping[str, str]) -> RawResponse:
        handler_type = fields.get("type", handler.type)
        own = self._fields_of(handler_type)
        settings = _pick(fields, own)
        _require(fields, _pick(fields, ("name",)))
        _require(fields, own if handler_type != handler.type else settings)
        if handler_type == handler.type and (
            not settings or self._dialect.settings_update == "merge"
        ):
            settings = {**orjson.loads(handler.settings), **settings}
        draft = Draft(
            type=handler_type,
            name=fields.get("name", handler.name),
            settings=_dump(settings),
            is_enabled=self._is_enabled(handler, fields),
            last_datetime=handler.last_datetime,
        )
        self._store.update(handler.id, draft)
        return self._renderer.written(handler.id)

    def _is_enabled(self, handler: StoredHandler, fields: Mapping[str, str]) -> bool:
        if "is_enabled" in fields:
            return not _is_empty(fields["is_enabled"])
        return self._dialect.omitted_is_enabled == "keep" and bool(handler.is_enabled)

    def _fields_of(self, handler_type: str) -> tuple[str, ...]:
        if handler_type not in self._types:
            raise _RefusedError(400, f"The type is not one of: {', '.join(self._types)}.")
        return self._types[handler_type]


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
    return orjson.dumps(settings).decode()
