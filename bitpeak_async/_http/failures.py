"""What aiohttp raises → our error, by what it says of the request: never sent, late, or cut off.

An aiohttp exception holds the request's headers, and so the key: only its class and the
operating system's reason go into our message, and it is never chained.
"""

from __future__ import annotations

import os
import ssl
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from bitpeak_async.errors import NotSentError, RequestTimeoutError, TransportError

# RuntimeError and ValueError: a closed session, or options of an injected one that contradict.
FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError, ValueError)

_NEVER_CONNECTED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
)
_NEVER_WILL: Final = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    RuntimeError,
    ValueError,
)


def transport_error(operation: str, cause: BaseException) -> TransportError:
    """Return our error for one of ``FAILURES``."""
    reason = f"{operation}: {_reason(cause)}"
    if isinstance(cause, _NEVER_WILL):
        return NotSentError(f"{reason}; not sent", temporary=False)
    if isinstance(cause, _NEVER_CONNECTED):
        return NotSentError(f"{reason}; not sent")
    if isinstance(cause, TimeoutError):
        return RequestTimeoutError(f"{reason}; no whole reply in time")
    return TransportError(f"{reason}; the connection failed before a whole reply came")


def _reason(cause: BaseException) -> str:
    cls = type(cause).__name__
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        detail: object = cause.certificate_error
    elif isinstance(cause, aiohttp.ClientConnectorError):
        detail = cause.os_error
    elif isinstance(cause, aiohttp.ClientResponseError):
        detail = cause.status or None
    elif isinstance(cause, aiohttp.ClientOSError):  # aiohttp's own words hold the URL
        detail = os.strerror(cause.errno) if cause.errno else None
    elif isinstance(cause, OSError):
        detail = cause.strerror
    elif isinstance(cause, RuntimeError | ValueError) and not isinstance(cause, aiohttp.InvalidURL):
        detail = cause
    else:
        detail = None
    if isinstance(detail, ssl.SSLError):
        words = (getattr(detail, name, None) for name in ("verify_message", "reason", "strerror"))
        detail = next(filter(None, words), None)
    return f"{cls} ({detail})" if detail else cls
