"""The wire without I/O: a call → request bytes; status + headers + body → a result or an error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen
from yarl import URL

from bitpeak_async._http.decode import Decoder, ShapeError
from bitpeak_async._http.multipart import encode_multipart
from bitpeak_async._http.replies import error_titles, excerpt, retry_after
from bitpeak_async.errors import (
    APIError,
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReplyError,
    ServerError,
    ValidationError,
)
from bitpeak_async.settings import WIRE_FIELDS

T = TypeVar("T")


class RetrySafety(Enum):
    """How safe it is to send a call again when nobody knows whether it was executed."""

    READ = "changes nothing"
    IDEMPOTENT = "leads to the same state"
    CREATE = "makes another handler"


@define(eq=False)
class Call(Generic[T]):
    """One request of the API and how to read its reply.

    Attributes:
        operation: what it does, for messages: ``"get notification handler 7"``.
        method: the HTTP verb.
        path: below the base URL, with a leading slash and, if any, an encoded query.
        repeat: how safe it is to repeat.
        read: body → result; raises ShapeError where the body is not as promised.
        form: fields to send as multipart/form-data. Never shown: they hold secrets.
        name: the name of the handler to be created, for errors.
    """

    operation: str
    method: str
    path: str
    repeat: RetrySafety
    read: Callable[[Decoder, bytes], T]
    form: Mapping[str, str] | None = field(default=None, repr=False)
    name: str = ""


@define(eq=False)
class Request:
    """What leaves for the wire, besides the headers of every request. Never shown: the form."""

    method: str
    url: URL
    headers: Mapping[str, str] | None
    body: bytes | None = field(repr=False)


@define(eq=False)
class Reply:
    """What came back. ``headers`` compares names without regard to case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class Wire:
    """Encodes calls and reads replies for one base URL and key.

    Attributes:
        base_url: without a trailing slash.
        api_key: sent as a Bearer token.
        user_agent: sent as User-Agent.
        decoder: JSON → records.
        now: seconds since the epoch, for dates in ``Retry-After``.
    """

    base_url: str
    api_key: str = field(repr=False)
    user_agent: str
    decoder: Decoder = field(repr=False)
    now: Callable[[], float] = field(default=time.time, repr=False)

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers of every request. They hold the key."""
        return {
            "Authorization": f"Bearer {self.api_key}",
            "Accept": "application/json",
            "User-Agent": self.user_agent,
        }

    def request(self, call: Call[Any]) -> Request:
        """Return the request for a call; a form gets a fresh boundary each time."""
        url = URL(self.base_url + call.path, encoded=True)
        if call.form is None:
            return Request(call.method, url, None, None)
        content_type, body = encode_multipart(call.form)
        return Request(call.method, url, {"Content-Type": content_type}, body)

    def read(self, call: Call[T], reply: Reply, *, repeated: bool = False) -> T:
        """Return what the reply means.

        Args:
            call: what was asked.
            reply: what came back.
            repeated: whether an earlier attempt may have been executed; then a 404 to a delete
                means that it was.

        Raises:
            APIError: any status but 2xx, by status.
            ReplyError: a 2xx whose body is not what the API promises.
        """
        gone = reply.status == 404 and repeated and call.method == "DELETE"
        if not (200 <= reply.status < 300 or gone):
            raise self._api_error(call, reply)
        try:
            return call.read(self.decoder, reply.body)
        except ShapeError as error:
            path, problem = error.path, error.problem
        shown = excerpt(reply.body, partial(self.redact, call=call))
        raise ReplyError(
            f"{call.operation}: a reply with status {reply.status} is not as promised: "
            f"{problem} at {path}; it starts {shown!r}",
            status=reply.status,
            path=path,
            excerpt=shown,
        )

    def _api_error(self, call: Call[Any], reply: Reply) -> APIError:
        titles = [self.redact(title, call)[:500] for title in error_titles(reply.body)]
        title = titles[0] if titles else _phrase(reply.status)
        return _error_class(reply.status)(
            f"{call.operation}: {reply.status} {title}",
            status=reply.status,
            title=title,
            errors=tuple(titles),
            request_id=reply.headers.get("CF-Ray") or reply.headers.get("X-Request-Id"),
            retry_after=retry_after(reply.headers, self.now()),
        )

    def redact(self, text: str, call: Call[Any]) -> str:
        """Return text from the server without what we sent in confidence, should it echo it."""
        return _without(text, [self.api_key, *_form_secrets(call.form or {})])


def _form_secrets(form: Mapping[str, str]) -> Iterable[str]:
    for name, value in form.items():
        wire = WIRE_FIELDS.get(name)
        if name not in {"name", "type", "is_enabled"} and (wire is None or wire.secret):
            yield value


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):  # one may be part of another
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
