"""Convert handlers between the database and the sandbox's Python API."""

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

import msgspec

from bitpeak_async.sandbox.store import UNCONFIRMED, Draft, StoredHandler


class NewHandler(TypedDict):
    """A handler to insert into the database.

    `is_enabled` may be 2 for an email handler whose address is not confirmed. `last_datetime` is
    `YYYY-mm-dd HH:MM:SS` in UTC. The handler belongs to `api_key`, by default the first key.
    """

    name: str
    type: str
    settings: Mapping[str, str]
    is_enabled: NotRequired[bool | Literal[2]]
    last_datetime: NotRequired[str]
    api_key: NotRequired[str]


def to_draft(handler: NewHandler) -> Draft:
    """Return the database columns of a new handler."""
    return Draft(
        handler["type"],
        handler["name"],
        msgspec.json.encode(handler["settings"]).decode(),
        handler.get("is_enabled", True),
        handler.get("last_datetime"),
    )


def to_dict(row: StoredHandler) -> dict[str, Any]:
    """Return a stored handler as a dict, with its settings in clear."""
    return {
        **row._asdict(),
        "settings": msgspec.json.decode(row.settings),
        "is_enabled": UNCONFIRMED if row.is_enabled == UNCONFIRMED else bool(row.is_enabled),
    }
