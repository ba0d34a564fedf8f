"""Read replies, as real servers send them, into a result or a typed error."""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from bitpeak_async._http.caches import cache_evidence
from bitpeak_async._http.decode import Decoder
from bitpeak_async._http.json_body import ShapeError, parse_json
from bitpeak_async._http.protocol import Call, Reply, RetrySafety
from bitpeak_async._secret import Secret
from bitpeak_async.errors import (
    APIError,
    AuthenticationError,
    BitPeakError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReplyError,
    ServerError,
    TransportError,
    ValidationError,
)
from bitpeak_async.settings import WIRE_FIELDS

T = TypeVar("T")

# Matches long numbers, and JSON strings that are not keys, even if the text is cut inside one.
_JSON_VALUE: Final = re.compile(
    r'("(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\d{7,}[\d.eE+-]*'
)
_TOLD: Final = 10  # messages of the server in one error message; ``errors`` has all of them
_JSON_START: Final = re.compile(r'[{\[]\s*[{\["]')


@frozen
class ReplyReader:
    """Reads the replies to one client's calls.

    Attributes:
        decoder: decodes JSON into records.
        api_key: the key, to mask it if the server echoes it.
        now: returns the seconds since the epoch, for dates in ``Retry-After``.
    """

    decoder: Decoder = field(repr=False)
    api_key: Secret[str]
    now: Callable[[], float] = field(default=time.time, repr=False)

    def read(
        self, call: Call[T], reply: Reply, *, repeated: bool = False, key_works: bool = False
    ) -> T:
        """Return the result in a reply.

        Args:
            call: the call.
            reply: the reply to it.
            repeated: whether the server may have processed an earlier attempt; then a 404 to a
                delete means success.
            key_works: whether an earlier reply showed that the server accepts the key.

        Raises:
            APIError: the status is an error; its class depends on the status.
            TransportError: the status is not a final status of HTTP.
            ReplyError: a 2xx reply does not have the documented shape, or a cache stored it.
        """
        if reply.status == 404 and repeated and call.method == "DELETE":
            return self.decoder.decode(b"", call.returns)
        if not 200 <= reply.status < 300:
            raise self._error(call, reply, key_works=key_works)
        # Passed as a whole, because error trackers evaluate ``reply.headers`` in nearby lines.
        if call.method == "GET" and (evidence := cache_evidence(reply)):
            raise ReplyError(
                f"{call.operation}: a cache answered ({self.redact(evidence, call)[:100]}), so the "
                f"reply may be out of date; configure it not to store replies of the API",
                status=reply.status,
            )
        try:
            return self.decoder.decode(reply.body.reveal(), call.returns)
        except ShapeError as error:
            path, problem = error.path, error.problem
        shown = excerpt(reply.body.reveal(), partial(self.redact, call=call))
        raise ReplyError(
            f"{call.operation}: the reply with status {reply.status} has an unexpected shape: "
            f"{problem} at {path}; it starts {shown!r}",
            status=reply.status,
            path=path,
            excerpt=shown,
        )

    def _error(self, call: Call[Any], reply: Reply, *, key_works: bool) -> BitPeakError:
        if not 300 <= reply.status < 600:
            return TransportError(
                f"{call.operation}: the reply has the invalid status {reply.status:03}"
            )
        titles = [self.redact(title, call)[:500] for title in error_titles(reply.body.reveal())]
        title = titles[0] if titles else _phrase(reply.status)
        told = "; ".join(dict.fromkeys(titles[:_TOLD])) or title
        request_id = reply.headers.get("CF-Ray") or reply.headers.get("X-Request-Id")
        if request_id is not None:
            told += f" (request {request_id[:100]})"
        cls = _error_class(reply.status)
        if (
            cls is AuthenticationError
            and key_works
            and titles
            and call.safety is RetrySafety.CREATE
        ):
            cls = PermissionDeniedError  # the plan allows no more handlers
        message = f"{call.operation}: {reply.status} {told}"
        if location := _location(reply):
            message += f"; it redirects to {self.redact(location, call)[:500]}, which is refused"
        return cls(
            message,
            status=reply.status,
            title=title,
            errors=tuple(titles),
            request_id=request_id,
            retry_after=retry_after(reply.headers, self.now()),
        )

    def redact(self, text: str, call: Call[Any]) -> str:
        """Mask the secrets that the server may have echoed in a text."""
        return _without(
            text, [self.api_key.reveal(), *_form_secrets(call.form.reveal() if call.form else {})]
        )


def _location(reply: Reply) -> str:
    """Return the target of a redirect without its query, which may hold a token."""
    if not 300 <= reply.status < 400:
        return ""
    try:
        parts = urlsplit(reply.headers.get("Location", ""))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _form_secrets(form: Mapping[str, str]) -> Iterable[str]:
    for name, value in form.items():
        wire = WIRE_FIELDS.get(name)
        if name not in {"name", "type", "is_enabled"} and (wire is None or wire.secret):
            yield value


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):  # a secret may contain another
        for form in (secret, secret.replace("/", "\\/"), secret.replace("&", "&amp;")):
            text = text.replace(form, "***") if form else text
    return text


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "without a message"


def _error_class(status: int) -> type[APIError]:
    if status >= 500:
        return ServerError
    if 300 <= status < 400:
        return RedirectError
    return {
        400: ValidationError,
        401: AuthenticationError,
        403: PermissionDeniedError,
        404: NotFoundError,
        422: ValidationError,
        429: RateLimitError,
    }.get(status, APIError)


def excerpt(body: bytes, redact: Callable[[str], str]) -> str:
    """Return the first 200 characters of a body with secrets and JSON values masked.

    Secrets are masked before the text is cut, because half a secret would not be recognised.
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
    """Return the messages of an error body in any of the platform's shapes."""
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


_EPOCH_FROM: Final = 1_000_000_000  # a smaller X-RateLimit-Reset is in seconds from now


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a reply asks to wait, or None.

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
