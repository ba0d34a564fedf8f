"""Handlers as those who hold the sandbox put them in and see them."""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import orjson

from bitpeak_async.sandbox.store import Draft, StoredHandler


class NewHandler(TypedDict):
    """A handler to put into the database; `last_datetime` is `YYYY-mm-dd HH:MM:SS` in UTC.

    It belongs to the first key, unless `api_key` tells another one.
    """

    name: str
    type: str
    settings: Mapping[str, str]
    is_enabled: NotRequired[bool]
    last_datetime: NotRequired[str]
    api_key: NotRequired[str]


def draft(handler: NewHandler) -> Draft:
    """Return what the database takes of a handler."""
    return Draft(
        handler["type"],
        handler["name"],
        orjson.dumps(handler["settings"]).decode(),
        handler.get("is_enabled", True),
        handler.get("last_datetime"),
    )


def shown(row: StoredHandler) -> dict[str, Any]:
    """Return a handler of the database with its settings as a dict."""
    return {
        **row._asdict(),
        "settings": orjson.loads(row.settings),
        "is_enabled": bool(row.is_enabled),
    }
