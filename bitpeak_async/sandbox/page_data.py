"""What the sandbox's page shows and may ask for, as JSON; no network."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import orjson
from attrs import evolve

from bitpeak_async.sandbox.faults import Fault, Injection
from bitpeak_async.sandbox.handler_types import ADDRESSES
from bitpeak_async.sandbox.replies import Replies
from bitpeak_async.sandbox.store import Store, StoredHandler
from bitpeak_async.sandbox.traffic import RequestRecord, Traffic

#: How many handlers, and how many requests, the page shows.
SHOWN = 200
#: Of a text; the page is asked for every second.
_MAX_CHARACTERS = 1000
_MAX_TIMES = 1000
_MAX_RETRY_AFTER = 3600
_METHODS = (None, "GET", "POST", "DELETE")
#: Fields that are no secret; what is not known may be one.
_PLAIN = ADDRESSES | {"name", "type", "is_enabled", "page", "results_per_page"}
_SLOW = 2.0

_TITLES = {
    401: "The API key is missing or wrong.",
    404: "The notification handler was not found.",
    422: "The fields are not valid.",
    429: "Too many requests.",
}
_BROKEN: Mapping[str, Callable[[], Fault]] = {
    "500": lambda: Fault.gateway_error(500),
    "502": lambda: Fault.gateway_error(502),
    "503": lambda: Fault.gateway_error(503),
    "disconnect_before_commit": Fault.disconnect_before_commit,
    "disconnect_after_commit": Fault.disconnect_after_commit,
    "truncated_body": Fault.truncated_body,
    "slow": lambda: Fault.slow(_SLOW),
    "stall": Fault.stall,
}
#: The names of the faults the page can inject.
NAMES = (*map(str, _TITLES), *_BROKEN)


def read_injection(body: bytes, replies: Replies) -> Injection:
    """Read which fault is wanted.

    Args:
        body: A JSON object: `fault` is one of `NAMES`, `method` a verb or null for any, `times`
            a number or null for no end, and `retry_after` the seconds a 429 tells.
        replies: Words the API's own errors.

    Raises:
        ValueError: The body is anything else.
    """
    wanted = orjson.loads(body)
    if not isinstance(wanted, dict):
        raise ValueError("The body is a JSON object.")  # noqa: TRY004 - JSON of the wrong shape
    name, method, times = wanted.get("fault"), wanted.get("method"), wanted.get("times", 1)
    if name not in NAMES:
        raise ValueError(f"fault is one of: {', '.join(NAMES)}.")
    if method not in _METHODS:
        raise ValueError("method is GET, POST, DELETE or null.")
    if times is not None and not _is_within(times, 1, _MAX_TIMES):
        raise ValueError(f"times is a number from 1 to {_MAX_TIMES}, or null.")
    if name in _BROKEN:
        return Injection(fault=_BROKEN[name](), method=method, times=times)
    error = replies.error(int(name), _TITLES[int(name)])
    fault = Fault(status=error.status, body=error.body, headers=error.headers)
    if fault.status == 429:
        seconds = wanted.get("retry_after", 1)
        if not _is_within(seconds, 0, _MAX_RETRY_AFTER):
            raise ValueError(f"retry_after is a number from 0 to {_MAX_RETRY_AFTER}.")
        fault = evolve(fault, headers={**fault.headers, "Retry-After": str(seconds)})
    return Injection(fault=fault, method=method, times=times)


def state(
    store: Store, traffic: Traffic, injections: Iterable[Injection], *, epoch: float
) -> dict[str, Any]:
    """Tell all that the page shows, the newest first; no authorization is in it.

    Args:
        store: Where the handlers are.
        traffic: Where the requests are.
        injections: The faults; those that cannot fire any more are left out.
        epoch: What to add to a request's `started` for seconds since 1970.
    """
    total = sum(traffic.counts.values()) + traffic.in_flight
    latest = islice(reversed(traffic.requests), SHOWN)
    return {
        "handlers": [_handler(row) for row in store.page("descending", limit=SHOWN)],
        "handlers_total": len(store),
        "requests": [
            {"id": total - age, **_request(record, epoch)} for age, record in enumerate(latest)
        ],
        "requests_total": total,
        "in_flight": traffic.in_flight,
        "faults": [_injection(one) for one in injections if one.times is None or _left(one)],
    }


def describe(fault: Fault) -> str:
    """Name a fault in a few words, such as `disconnect after commit`."""
    words = [f"{fault.delay:g} s late"] if fault.delay else []
    if fault.answers and fault.status is not None:
        words.append(str(fault.status))
    if fault.delivery in ("truncated", "dripping"):
        words.append(f"{fault.delivery} body")
    elif not fault.answers:
        words.append(fault.delivery)
    words = words or ["changed reply"]
    if fault.commits and (fault.replaces_reply or not fault.answers):
        words.append("after commit")
    elif fault.delivery in ("disconnect", "reset"):
        words.append("before commit")
    if "Retry-After" in fault.headers:
        words.append(f"Retry-After {fault.headers['Retry-After']}")
    return " ".join(words)


def _handler(row: StoredHandler) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "name": _clip(row.name),
        "is_enabled": bool(row.is_enabled),
        "last_datetime": row.last_datetime,
        "settings": _fields(orjson.loads(row.settings)),
    }


def _request(record: RequestRecord, epoch: float) -> dict[str, Any]:
    return {
        "time": record.started + epoch,
        "method": record.method,
        "path": _clip(record.path),
        "fields": _fields({**record.query, **record.fields}),
        "status": record.status,
        "duration": record.duration,
    }


def _injection(injection: Injection) -> dict[str, Any]:
    return {
        "fault": describe(injection.fault),
        "method": injection.method,
        "path": injection.path,
        "left": None if injection.times is None else _left(injection),
    }


def _left(injection: Injection) -> int:
    return (injection.times or 0) - injection.fired


def _fields(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": _clip(name), "value": _clip(value), "secret": name not in _PLAIN}
        for name, value in fields.items()
    ]


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _is_within(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
