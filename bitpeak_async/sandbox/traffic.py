"""What the sandbox received and how it answered."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field


@define(kw_only=True)
class RequestRecord:
    """One received request.

    Attributes:
        method: The HTTP verb.
        path: The path below the base URL, such as `/notification-handlers/7`; one that is not
            below it starts with `..`.
        query: The query's parameters as PHP reads them.
        fields: The form's fields as PHP reads them.
        authorization: The header of this name; empty when there was none.
        started: When it had arrived, in seconds of the event loop's clock.
        status: The status answered; None while unanswered, and for good when the connection
            was closed instead.
        duration: Seconds from `started` to the answer's end; None until then.
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
    """Keep the latest requests, and counts over all of them.

    Attributes:
        requests: The latest requests, in order of arrival.
        counts: How many ended, by (method, status); the status is None where the connection
            was closed instead.
        in_flight: How many are being answered now.
        peak_in_flight: The most there ever were at once.
    """

    def __init__(self, *, keep: int) -> None:
        self.requests: deque[RequestRecord] = deque(maxlen=keep)
        self.counts: Counter[tuple[str, int | None]] = Counter()
        self.in_flight: int = 0
        self.peak_in_flight: int = 0

    @contextmanager
    def follow(self, record: RequestRecord, time: Callable[[], float]) -> Iterator[None]:
        """Log a request for as long as it is being answered; `time` is that of `started`."""
        self.requests.append(record)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            record.duration = time() - record.started
            self.counts[record.method, record.status] += 1
