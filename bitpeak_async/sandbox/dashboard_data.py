"""Convert between the dashboard's JSON and the sandbox's state, without any network."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec

from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.handler_types import ADDRESSES
from bitpeak_async.sandbox.injection import Injection
from bitpeak_async.sandbox.store import Selection, Store, StoredHandler
from bitpeak_async.sandbox.traffic import RequestRecord, Traffic

#: The number of handlers and of requests to show.
SHOWN = 200
#: Per text; the browser polls every second.
_MAX_CHARACTERS = 1000
_MAX_TIMES = 1000
_MAX_RETRY_AFTER = 3600
_METHODS = (None, "GET", "POST", "DELETE")
#: Fields that are not secret; unknown fields may be.
_PLAIN = ADDRESSES | {"name", "type", "is_enabled", "page", "results_per_page"}
_SLOW = 2.0

_TITLES = {
    401: "The API key is missing or wrong.",
    404: "The notification handler was not found.",
    422: "The fields are not valid.",
    429: "Too many requests.",
}
_OTHERS: Mapping[str, Callable[[], Fault]] = {
    "500": lambda: Fault.gateway_error(500),
    "502": lambda: Fault.gateway_error(502),
    "503": lambda: Fault.gateway_error(503),
    "disconnect_before_commit": Fault.disconnect_before_commit,
    "disconnect_after_commit": Fault.disconnect_after_commit,
    "truncated_body": Fault.truncated_body,
    "slow": lambda: Fault.slow(_SLOW),
    "stall": Fault.stall,
}
#: The faults that the dashboard can inject.
NAMES = (*map(str, _TITLES), *_OTHERS)


def read_injection(body: bytes) -> Injection:
    """Read a request for a fault.

    Args:
        body: A JSON object: `fault` is one of `NAMES`, `method` an HTTP method or null for any,
            `times` a number or null for all requests, `retry_after` the seconds of a 429.

    Raises:
        ValueError: The body is anything else.
    """
    wanted = msgspec.json.decode(body)
    if not isinstance(wanted, dict):
        raise ValueError("The body must be a JSON object.")  # noqa: TRY004 - wrong JSON
    name, method, times = wanted.get("fault"), wanted.get("method"), wanted.get("times", 1)
    if name not in NAMES:
        raise ValueError(f"fault must be one of: {', '.join(NAMES)}.")
    if method not in _METHODS:
        raise ValueError("method must be GET, POST, DELETE or null.")
    if times is not None and not _is_within(times, 1, _MAX_TIMES):
        raise ValueError(f"times must be a number from 1 to {_MAX_TIMES}, or null.")
    if name in _OTHERS:
        return Injection(fault=_OTHERS[name](), method=method, times=times)
    status = int(name)
    seconds = wanted.get("retry_after", 1) if status == 429 else None
    if status == 429 and not _is_within(seconds, 0, _MAX_RETRY_AFTER):
        raise ValueError(f"retry_after must be a number from 0 to {_MAX_RETRY_AFTER}.")
    fault = Fault.api_error(status, _TITLES[status], retry_after=seconds)
    return Injection(fault=fault, method=method, times=times)


def read_state(
    store: Store, traffic: Traffic, injections: Iterable[Injection], *, epoch: float
) -> dict[str, Any]:
    """Return everything that the dashboard shows, newest first, without any API key.

    Args:
        store: The handlers.
        traffic: The requests.
        injections: The faults; exhausted ones are left out.
        epoch: The Unix time at which the clock of `RequestRecord.started` was 0.
    """
    total = sum(traffic.counts.values()) + traffic.in_flight
    latest = islice(reversed(traffic.requests), SHOWN)
    return {
        "handlers": [_handler(row) for row in store.page(Selection(order="id DESC"), limit=SHOWN)],
        "handlers_total": store.count(),
        "requests": [
            {"id": total - age, **_request(record, epoch)} for age, record in enumerate(latest)
        ],
        "requests_total": total,
        "in_flight": traffic.in_flight,
        "faults": [_injection(one) for one in injections if one.left != 0],
    }


def describe(fault: Fault) -> str:
    """Describe a fault in a few words, such as `disconnect after commit`."""
    words = [f"{fault.delay:g} s late"] if fault.delay else []
    if fault.answers and fault.status is not None:
        words.append(str(fault.status))
    if fault.delivery in ("truncated", "dripping"):
        words.append(f"{fault.delivery} body")
    elif not fault.answers:
        words.append(fault.delivery)
    if fault.edits:
        words.append("changed JSON")
    if fault.stores:
        words.append(f"wrong {', '.join(fault.stores)} stored")
    if fault.afterwards:
        words.append("unsolicited response")
    words = words or ["changed response"]
    if fault.commits and (fault.replaces_response or not fault.answers):
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
        "is_enabled": row.is_enabled,
        "last_datetime": row.last_datetime,
        "settings": _fields(msgspec.json.decode(row.settings)),
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
        "left": injection.left,
    }


def _fields(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"name": _clip(name), "value": _clip(value), "secret": name not in _PLAIN}
        for name, value in fields.items()
    ]


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _is_within(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
