"""Translates the exceptions of aiohttp, and of connectors for it, into exchange errors."""

from __future__ import annotations

import os
import re
import ssl as tls
from typing import Final

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, HttpProcessingError

from bitpeak_async._http.failures import ConnectionFailedError, ExchangeError, ExchangeTimeoutError

# RuntimeError and ValueError come from a closed session or contradictory options.
_KNOWN: Final = (aiohttp.ClientError, HttpProcessingError, OSError, RuntimeError, ValueError)
_KNOWN_MODULES: Final = ("aiohttp", "builtins", "socket", "ssl")
_NOT_HTTP: Final = (HttpProcessingError, BadHttpMessage, BadStatusLine)
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
_REFUSED_BY_PROXY: Final = {
    403: "the proxy refuses this destination",
    407: "the proxy refused the credentials",
}
# TLS alerts that refuse a handshake. With TLS 1.3 they arrive after the request was written, but
# before the server could have read it.
_REFUSED_BY_PEER: Final = re.compile(
    r"ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE|PROTOCOL_VERSION|"
    r"INSUFFICIENT_SECURITY|UNRECOGNIZED_NAME|NO_APPLICATION_PROTOCOL)"
)


def is_foreign(cause: BaseException) -> bool:
    """Return whether an exception may come from a connector, not from aiohttp or Python."""
    if type(cause) is aiohttp.ClientOSError:  # aiohttp turns every OSError into one
        return _tls_problem(cause) is None
    module = type(cause).__module__.partition(".")[0]
    return not isinstance(cause, _KNOWN) or module not in _KNOWN_MODULES


def exchange_error(cause: BaseException) -> ExchangeError:
    """Translate an exception of aiohttp.

    aiohttp's exception holds the request's headers, and so the key. It is never chained, and the
    message contains only its class and the operating system's reason.
    """
    reason = reason_of(cause)
    if isinstance(cause, _NEVER_WILL) or _is_refusal(cause):
        return ConnectionFailedError(reason, temporary=False)
    if isinstance(cause, _NEVER_CONNECTED):
        return ConnectionFailedError(reason)
    if isinstance(cause, TimeoutError):
        return ExchangeTimeoutError(reason)
    return ExchangeError(reason)


def _is_refusal(cause: BaseException) -> bool:
    """Return whether the proxy or the TLS peer refuses permanently."""
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return cause.status in _REFUSED_BY_PROXY
    problem = _tls_problem(cause)
    return problem is not None and bool(
        _REFUSED_BY_PEER.search(getattr(problem, "reason", None) or "")
    )


def _tls_problem(cause: BaseException) -> tls.SSLError | None:
    for each in (cause, cause.__cause__, getattr(cause, "os_error", None)):
        if isinstance(each, tls.SSLError):
            return each
    return None


def reason_of(cause: BaseException) -> str:
    cls = type(cause).__name__
    detail = _detail(cause)
    return f"{cls} ({detail})" if detail else cls


def _detail(cause: BaseException) -> object:
    """Return what happened, without any text that may contain a secret."""
    detail: object = None
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        detail = _tls_words(cause.certificate_error)
    elif (problem := _tls_problem(cause)) is not None:
        detail = _tls_words(problem)
    elif isinstance(cause, aiohttp.ClientConnectorError):
        detail = cause.os_error
    elif isinstance(cause, aiohttp.ClientHttpProxyError):
        detail = f"{cause.status}, {_REFUSED_BY_PROXY.get(cause.status, 'by the proxy')}"
    elif type(cause.__cause__ or cause) in _NOT_HTTP:
        detail = "the peer does not answer in HTTP/1"
    elif isinstance(cause, aiohttp.ClientResponseError):
        detail = cause.status or None
    elif isinstance(cause, aiohttp.ClientOSError):  # aiohttp's message contains the URL
        detail = os.strerror(cause.errno) if cause.errno else None
    elif isinstance(cause, OSError):
        detail = cause.strerror
    elif type(cause) in (RuntimeError, ValueError):
        detail = cause
    return detail


def _tls_words(problem: Exception) -> object:
    words = (getattr(problem, name, None) for name in ("verify_message", "reason", "strerror"))
    return next(filter(None, words), None)
