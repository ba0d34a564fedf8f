"""Failures of an exchange, and the public error that each becomes."""

from __future__ import annotations

from bitpeak_async.errors import (
    BitPeakError,
    NotSentError,
    ReplyError,
    RequestTimeoutError,
    TransportError,
)


class ExchangeError(Exception):
    """No complete reply arrived; the server may have processed the request.

    Attributes:
        reason: what happened, without secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed like this."""
        return TransportError(
            f"{operation}: {self.reason}; the connection failed before a complete reply arrived"
        )


class ConnectionFailedError(ExchangeError):
    """The request was never sent.

    Attributes:
        temporary: whether a retry may succeed.
    """

    def __init__(self, reason: str, *, temporary: bool = True) -> None:
        super().__init__(reason)
        self.temporary = temporary

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed like this."""
        return NotSentError(
            f"{operation}: {self.reason}; the request was not sent", temporary=self.temporary
        )


class ExchangeTimeoutError(ExchangeError):
    """The complete reply did not arrive in time."""

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed like this."""
        return RequestTimeoutError(f"{operation}: {self.reason}; no complete reply in time")


class ReplyTooLargeError(ExchangeError):
    """A reply was larger than the limit.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, limit: int, status: int) -> None:
        super().__init__(
            f"the reply is larger than {limit} bytes; BitPeak(max_reply_bytes=) sets the limit"
        )
        self.status = status

    def as_error(self, operation: str) -> BitPeakError:
        """Return the error of a call that failed like this."""
        return ReplyError(f"{operation}: {self.reason}", status=self.status)
