"""Render the API's responses in the sandbox's dialect."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any
from urllib.parse import urlencode

import msgspec
from attrs import evolve, field, frozen

from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.handler_types import ADDRESSES
from bitpeak_async.sandbox.store import StoredHandler

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PHP_WARNING = (
    b"<br />\n<b>Warning</b>:  Undefined array key &quot;user&quot; in "
    b"<b>/var/www/app/controllers/ApiNotificationHandlers.php</b> on line <b>42</b><br />\n"
)
_JSON = {"Content-Type": "application/json"}
_FLAGS = {"boolean": (False, True, 2), "integer": (0, 1, 2), "string": ("0", "1", "2")}
_EMPTY_SETTINGS: dict[str, Any] = {"object": {}, "list": [], "null": None}
_EXTRA = {"undocumented": {"user_id": 1}}
#: A URL up to the first part of its path.
_URL_START = re.compile(r"(\w+://[^/]*/(?:[^/]*/)?).*")
_MASKS: Mapping[str, Callable[[str], str]] = {
    "masked": lambda secret: f"{secret[:3]}****",
    "starred": lambda _: "***",
    "shortened": lambda secret: _URL_START.sub(r"\1...", secret) if "://" in secret else "...",
}


@frozen
class RawResponse:
    """A complete HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)

    def edited(self, edit: Callable[[Any], Any]) -> "RawResponse":
        """Return a copy with its JSON changed; errors and empty bodies stay as they are."""
        start = self.body.find(b"{")  # a PHP warning may come first
        if start < 0 or self.status >= 300:
            return self
        content = edit(msgspec.json.decode(self.body[start:]))
        return evolve(self, body=self.body[:start] + msgspec.json.encode(content))


class Renderer:
    """Render every response of the API.

    Args:
        dialect: How to render what the documentation leaves open.
        list_url: The base of the URLs in `links`.
    """

    def __init__(self, dialect: Dialect, list_url: str) -> None:
        self._dialect = dialect
        self._list_url = list_url
        self._prefix = (_BYTE_ORDER_MARK if dialect.byte_order_mark else b"") + (
            _PHP_WARNING if dialect.php_warning else b""
        )
        self._extra = _EXTRA if dialect.extra_keys else {}
        self._flags = _FLAGS[dialect.booleans]
        self._deleted = {
            "no_content": RawResponse(204),
            "empty": RawResponse(200),
            "blank": RawResponse(200, b" \n"),
        }

    def handler(self, row: StoredHandler) -> RawResponse:
        """Render one handler."""
        return self._data(200, self._handler(row))

    def written(self, handler_id: int) -> RawResponse:
        """Confirm a create or an update."""
        return self._data(self._dialect.write_status, {"id": self._number(handler_id)})

    def deleted(self, handler_id: int) -> RawResponse:
        """Confirm a delete."""
        bare = self._deleted.get(self._dialect.delete_reply)
        return bare or self._data(200, {"id": self._number(handler_id)})

    def page(
        self, rows: Sequence[StoredHandler], *, number: int, size: int, total: int
    ) -> RawResponse:
        """Render page `number` (from 1) of at most `size` handlers, out of `total`."""
        last = ceil(total / size)
        totals: dict[str, int | str] = {}
        if self._dialect.total != "absent":
            totals[self._dialect.total] = self._number(total)
        content = {
            "data": [self._handler(row) for row in rows],
            "meta": {
                "page": self._number(number),
                "results_per_page": self._number(size),
                **totals,
                "total_pages": self._number(last),
                **self._extra,
            },
            "links": {
                "first": self._link(1, size),
                "last": self._link(max(1, last), size),
                "next": self._link(number + 1, size) if number < last else None,
                "prev": self._link(number - 1, size) if number > 1 else None,
                "self": self._link(number, size),
                **self._extra,
            },
        }
        return self._json(200, content)

    def moved(self, slash: str, query: Mapping[str, str]) -> RawResponse:
        """Redirect to the list's URL with or without its trailing slash."""
        location = f"{self._list_url}{slash}" + (f"?{urlencode(query)}" if query else "")
        return RawResponse(301, headers={"Location": location})

    def error(
        self, status: int, title: str, headers: Mapping[str, str] | None = None
    ) -> RawResponse:
        """Render an error."""
        written = str(status) if self._dialect.error_status == "string" else status
        error = {"title": title, "status": written, **self._extra}
        shapes: dict[str, dict[str, Any]] = {
            "list": {"errors": [error]},
            "object": {"errors": error},
            "message": {"message": title},
            "error": {"error": title},
            "empty": {"errors": []},
        }
        response = self._json(status, shapes[self._dialect.error_shape])
        return evolve(response, headers={**response.headers, **(headers or {})})

    def _data(self, status: int, data: dict[str, Any]) -> RawResponse:
        return self._json(status, {"data": {**data, **self._extra}})

    def _json(self, status: int, content: dict[str, Any]) -> RawResponse:
        return RawResponse(
            status, self._prefix + msgspec.json.encode({**content, **self._extra}), _JSON
        )

    def _handler(self, row: StoredHandler) -> dict[str, Any]:
        return {
            "id": self._number(row.id),
            "type": row.type,
            "name": row.name,
            "settings": self._settings(row.settings),
            "is_enabled": self._flags[row.is_enabled],
            "last_datetime": row.last_datetime,
            "datetime": row.datetime,
            **self._extra,
        }

    def _number(self, number: int) -> int | str:
        return str(number) if self._dialect.ids == "string" else number

    def _settings(self, text: str) -> Any:
        secrets = self._dialect.secrets
        if text == "{}":
            return _EMPTY_SETTINGS[self._dialect.empty_settings]
        if secrets == "clear":
            return msgspec.Raw(text.encode())
        settings = msgspec.json.decode(text)
        if secrets == "hidden":
            shown = {key: value for key, value in settings.items() if key in ADDRESSES}
            return shown or _EMPTY_SETTINGS[self._dialect.empty_settings]
        mask = _MASKS[secrets]
        return {key: value if key in ADDRESSES else mask(value) for key, value in settings.items()}

    def _link(self, page: int, size: int) -> str:
        query = {"page": page}
        if self._dialect.links_with_size:
            query["results_per_page"] = size
        return f"{self._list_url}?{urlencode(query)}"
