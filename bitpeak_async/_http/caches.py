"""Detect replies from a cache's store, even though every request asks it to revalidate."""

from __future__ import annotations

import re
from typing import Final

from bitpeak_async._http.protocol import Reply

_STATES: Final = ("X-Cache", "X-Cache-Status", "CF-Cache-Status")
# A "refresh hit" was revalidated with the origin, so it counts as a miss.
_STORED: Final = re.compile(
    r"(?<!refresh)(?<!refresh_)hit\b(?!-)|\b(stale|updating)\b", re.IGNORECASE
)


def cache_evidence(reply: Reply) -> str | None:
    """Return the header, with its value, that shows a stored reply; None if there is none."""
    headers = reply.headers
    age = headers.get("Age", "").strip()
    if age.isdecimal() and age.strip("0"):
        return f"Age: {age}"
    for name in _STATES:
        value = headers.get(name, "")
        if _STORED.search(value):
            return f"{name}: {value}"
    # Varnish names two requests on a hit: this one, and the one that filled the cache.
    value = headers.get("X-Varnish", "")
    return f"X-Varnish: {value}" if len(value.split()) > 1 else None
