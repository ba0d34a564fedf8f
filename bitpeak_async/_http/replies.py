"""Replies as servers really send them: JSON behind PHP's noise, error texts, waits asked for."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

import orjson

from bitpeak_async._http.decode import ShapeError

# A PHP warning or a byte-order mark may stand before the JSON object: look for its first key.
_ENVELOPE: Final = re.compile(rb'\{\s*"(?:data|errors|error|message)"\s*:')
# Strings that are no keys, also where the text is cut off inside one, and long numbers.
_JSON_VALUE: Final = re.compile(
    r'("(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\d{7,}[\d.eE+-]*'
)
_JSON_START: Final = re.compile(r'[{\[]\s*[{\["]')


def parse_json(body: bytes) -> Any:
    """Return the JSON value in a body.

    Raises:
        ShapeError: there is none, even after what PHP may print before it.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = f"not JSON ({error.msg})" if body.strip() else "an empty body"
    for start in islice(_ENVELOPE.finditer(body), 5):
        try:
            return orjson.loads(body[start.start() :])
        except orjson.JSONDecodeError:
            continue
    raise ShapeError("$", problem)


def excerpt(body: bytes, redact: Callable[[str], str]) -> str:
    """Return the first 200 characters of a body, redacted, the values of JSON strings masked.

    It is redacted before it is cut: half a secret would not be recognised.
    """
    text = redact(body[:20_000].decode("utf-8", "replace")).removeprefix("\ufeff")
    return _masked(text[:2_000])[:200]


def _masked(text: str) -> str:
    begin = _JSON_START.search(text)
    if begin is None:
        return text
    prose, json = text[: begin.start()], text[begin.start() :]
    return prose + _JSON_VALUE.sub(lambda found: found.group(1) or '"***"', json)


def error_titles(body: bytes) -> list[str]:
    """Return the messages of an error body in whichever shape the platform gave it."""
    try:
        envelope = parse_json(body)
    except ShapeError:
        return []
    if not isinstance(envelope, dict):
        return []
    errors = envelope.get("errors")
    items = errors if isinstance(errors, list) else [errors]
    found = [_title(item) for item in [*items, envelope]]
    return [title for title in found if title]


def _title(item: object) -> str:
    if isinstance(item, dict):
        texts = (item.get(key) for key in ("title", "message", "error", "detail"))
        return next((text for text in texts if isinstance(text, str) and text), "")
    return item if isinstance(item, str) else ""


_EPOCH_FROM: Final = 1_000_000_000  # a smaller X-RateLimit-Reset counts seconds from now


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds a reply asks to wait, or None.

    Reads ``retry-after-ms``, ``Retry-After`` (seconds or an HTTP date, RFC 9110) and
    ``X-RateLimit-Reset`` (epoch or seconds from now), in this order; ``now`` is epoch seconds.
    """
    readers: tuple[tuple[str, Callable[[str], float]], ...] = (
        ("retry-after-ms", lambda value: float(value) / 1000),
        ("Retry-After", float),
        ("Retry-After", lambda value: _http_date(value) - now),
        ("X-RateLimit-Reset", lambda value: _reset(float(value), now)),
    )
    for name, read in readers:
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = read(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _http_date(value: str) -> float:
    moment = email.utils.parsedate_to_datetime(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _reset(value: float, now: float) -> float:
    return value - now if value >= _EPOCH_FROM else value
