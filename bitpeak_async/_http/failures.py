"""Why an exchange brought no reply → our error, by what it says of the request."""

from __future__ import annotations

from bitpeak_async.errors import (
    BitPeakError,
    NotSentError,
    ReplyError,
    RequestTimeoutError,
    TransportError,
)


class ExchangeError(Exception):
    """No whole reply arrived; the request may have been executed.

    Attributes:
        reason: what happened, without secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed so."""
        return TransportError(
            f"{operation}: {self.reason}; the connection failed before a whole reply came"
        )


class ConnectionFailedError(ExchangeError):
    """The request was never sent.

    Attributes:
        temporary: whether another try may succeed.
    """

    def __init__(self, reason: str, *, temporary: bool = True) -> None:
        super().__init__(reason)
        self.temporary = temporary

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed so."""
        return NotSentError(f"{operation}: {self.reason}; not sent", temporary=self.temporary)


class ExchangeTimeoutError(ExchangeError):
    """The whole reply did not arrive in time."""

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed so."""
        return RequestTimeoutError(f"{operation}: {self.reason}; no whole reply in time")


class ReplyTooLargeError(ExchangeError):
    """A reply was larger than the cap.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, limit: int, status: int) -> None:
        super().__init__(
            f"the reply is larger than {limit} bytes; BitPeak(max_reply_bytes=) sets the cap"
        )
        self.status = status

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed so."""
        return ReplyError(f"{operation}: {self.reason}", status=self.status)
