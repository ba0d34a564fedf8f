"""Describe failures of a server, or of a proxy in front of it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import msgspec
from attrs import Factory, field, frozen, validators

Delivery = Literal["whole", "raw", "truncated", "dripping", "disconnect", "reset", "stall"]

_HTML_PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_MESSAGE = "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"


@frozen(kw_only=True)
class Fault:
    """One failure: whether to execute the request, what to respond and how to send it.

    Attributes:
        delay: Seconds to wait before anything else.
        commits: Execute the request. By default true if the API's own response is sent, and
            false if `status` or `body` replace it or the connection is closed or stalled.
        commit_delay: Respond with `status` and `body` first, and execute the request this many
            seconds later.
        stores: Columns that a create or update stores wrongly, such as `{"type": None}`.
        edits: Changes the JSON of a successful response; takes and returns the parsed JSON.
        status: The status to send instead of the API's.
        body: The body to send instead of the API's.
        headers: Headers to add or override.
        delivery: Send the response whole; raw, with `body` as the complete HTTP message;
            truncated, with a Content-Length for all of it; dripping byte by byte; or not at
            all, and close the connection (disconnect), reset it (RST) or leave it open until
            the sandbox closes (stall).
        interval: Seconds between the bytes of a dripping body, or before `afterwards`.
        afterwards: Bytes to send on the idle connection after a whole response.

    Raises:
        ValueError: A duration is negative.
    """

    delay: float = field(default=0.0, validator=validators.ge(0.0))
    stores: Mapping[str, Any] = Factory(dict)
    edits: Callable[[Any], Any] | None = None
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = Factory(dict)
    delivery: Delivery = "whole"
    commits: bool = Factory(
        lambda self: self.answers and not self.replaces_response, takes_self=True
    )
    commit_delay: float = field(default=0.0, validator=validators.ge(0.0))
    interval: float = field(default=0.01, validator=validators.ge(0.0))
    afterwards: bytes = b""

    @property
    def answers(self) -> bool:
        """Whether at least the head of a response is sent."""
        return self.delivery in ("whole", "raw", "truncated", "dripping")

    @property
    def replaces_response(self) -> bool:
        """Whether `status` or `body` replace the API's own response."""
        return self.status is not None or self.body is not None

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """Execute and respond as usual, `seconds` later."""
        return cls(delay=seconds)

    @classmethod
    def api_error(cls, status: int, title: str, *, retry_after: int | None = None) -> Self:
        """Respond with a JSON error of the API without executing the request."""
        body = msgspec.json.encode({"errors": [{"title": title, "status": status}]})
        headers = {"Content-Type": "application/json", **_retry_after(retry_after)}
        return cls(status=status, body=body, headers=headers)

    @classmethod
    def rate_limited(cls, *, retry_after: int | None = None) -> Self:
        """Respond with 429 without executing the request."""
        return cls.api_error(429, "Too many requests.", retry_after=retry_after)

    @classmethod
    def gateway_error(
        cls, status: int = 502, *, commits: bool = False, retry_after: str | None = None
    ) -> Self:
        """Respond with a proxy's HTML error page, with or without executing the request.

        With `commits=True`, statuses such as 408 and 425 hide that the request was executed.
        """
        page = _HTML_PAGE.format(f"{status} Gateway error").encode()
        return cls(status=status, body=page, headers=_retry_after(retry_after), commits=commits)

    @classmethod
    def html_page(cls, *, commits: bool = False) -> Self:
        """Respond with an HTML page and status 200, with or without executing the request."""
        return cls(status=200, body=_HTML_PAGE.format("Please wait").encode(), commits=commits)

    @classmethod
    def odd_status(cls, status: str, *, commits: bool = False) -> Self:
        """Respond with any three digits for a status, such as `000`, `099`, `101` or `999`."""
        message = _MESSAGE.format(status, "Odd", 0, "").encode()
        return cls(status=int(status), body=message, delivery="raw", commits=commits)

    @classmethod
    def late_commit(cls, seconds: float, *, status: int = 524) -> Self:
        """Respond with a timeout immediately, and execute the request `seconds` later."""
        return cls(status=status, commits=True, commit_delay=seconds)

    @classmethod
    def redirect(cls, location: str, *, status: int = 301) -> Self:
        """Redirect the client without executing the request."""
        return cls(status=status, headers={"Location": location})

    @classmethod
    def disconnect_before_commit(cls) -> Self:
        """Close the connection without executing the request."""
        return cls(delivery="disconnect")

    @classmethod
    def disconnect_after_commit(cls) -> Self:
        """Execute the request, then close the connection without a response."""
        return cls(delivery="disconnect", commits=True)

    @classmethod
    def truncated_body(cls) -> Self:
        """Execute the request, announce the whole response, send half of it and close."""
        return cls(delivery="truncated")

    @classmethod
    def slow_body(cls, interval: float) -> Self:
        """Execute the request and send one byte of the response every `interval` seconds."""
        return cls(delivery="dripping", interval=interval)

    @classmethod
    def stall(cls, *, commits: bool = False) -> Self:
        """Never respond."""
        return cls(delivery="stall", commits=commits)

    @classmethod
    def unsolicited_response(
        cls, body: str = '{"data":{"id":1}}', *, interval: float = 0.01
    ) -> Self:
        """Execute and respond, then send one more response on the idle connection.

        A client that does not notice takes it for the response to its next request.
        """
        message = _MESSAGE.format(200, "OK", len(body.encode()), body).encode()
        return cls(afterwards=message, interval=interval)

    @classmethod
    def lost_type(cls, value: Literal[""] | None = None) -> Self:
        """Execute an update and respond as usual, but store an empty or no type."""
        return cls(stores={"type": value})

    @classmethod
    def unreadable_handler(cls, handler_id: int, shown: object) -> Self:
        """Show one handler in lists and by itself in a form that no client can read.

        Args:
            handler_id: The handler.
            shown: Keys to overwrite, such as `{"id": None}`, or a value such as `"broken"` to
                show in its place.
        """

        def broken(record: Any) -> Any:
            if "settings" not in record or str(record["id"]) != str(handler_id):
                return record
            return {**record, **shown} if isinstance(shown, Mapping) else shown

        def edit(content: Any) -> Any:
            data = content["data"]
            data = list(map(broken, data)) if isinstance(data, list) else broken(data)
            return {**content, "data": data}

        return cls(edits=edit)

    @classmethod
    def overstated_total(cls, extra: int) -> Self:
        """Show a page whose `meta` promises `extra` handlers more than exist."""

        def edit(content: Any) -> Any:
            meta = content.get("meta", {})
            for key in meta.keys() & {"total", "total_results"}:
                meta[key] = type(meta[key])(int(meta[key]) + extra)  # an int or a string
            return content

        return cls(edits=edit)

    @classmethod
    def empty_page(cls) -> Self:
        """Show a page without its handlers; `meta` and `links` stay as they are."""
        return cls(edits=lambda content: {**content, "data": []} if "meta" in content else content)


def _retry_after(value: object) -> dict[str, str]:
    return {} if value is None else {"Retry-After": str(value)}
