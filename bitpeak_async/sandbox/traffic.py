"""Record requests and count responses."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field


@define(kw_only=True)
class RequestRecord:
    """One received request.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL, such as `/notification-handlers/7`; a path outside it
            starts with `..`.
        query: The query parameters, as PHP reads them.
        fields: The form fields, as PHP reads them.
        authorization: The `Authorization` header; empty if missing.
        started: When the request had arrived, in seconds of the event loop's clock.
        status: The response's status; None until then, and if the connection was closed instead.
        duration: Seconds from `started` to the end of the response; None until then.
    """

    method: str
    path: str
    query: dict[str, str]
    fields: dict[str, str]
    authorization: str = field(repr=False)
    started: float
    status: int | None = None
    duration: float | None = None


class Traffic:
    """Keep the latest requests and count all of them.

    Attributes:
        requests: The latest requests, in order of arrival.
        counts: Finished requests by (method, status); the status is None if the connection was
            closed instead.
        in_flight: Requests being answered now.
        peak_in_flight: The maximum of `in_flight` so far.
    """

    def __init__(self, *, keep: int) -> None:
        self.requests: deque[RequestRecord] = deque(maxlen=keep)
        self.counts: Counter[tuple[str, int | None]] = Counter()
        self.in_flight: int = 0
        self.peak_in_flight: int = 0

    @contextmanager
    def track(self, record: RequestRecord, time: Callable[[], float]) -> Iterator[None]:
        """Track a request while it is being answered; `time` is the clock of `started`."""
        self.requests.append(record)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            record.duration = time() - record.started
            self.counts[record.method, record.status] += 1
