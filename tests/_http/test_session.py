"""Whatever aiohttp can raise becomes an error of the tree, and takes no secret along."""

import errno
import pickle
import socket
import ssl
import traceback

import pytest
from aiohttp import client_exceptions, http_exceptions
from aiohttp.client_reqrep import ConnectionKey, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bitpeak_async._http.network import SessionNetwork
from bitpeak_async.client import client_over
from bitpeak_async.errors import NotSentError, RequestTimeoutError, TransportError
from bitpeak_async.options import Retry

CANARY = "canary-4711"
HEADERS = CIMultiDict({"Authorization": f"Bearer {CANARY}", "Set-Cookie": CANARY})
TARGET = URL(f"https://user:{CANARY}@bitpeak.ru/api/{CANARY}?q={CANARY}")
INFO = RequestInfo(TARGET, "POST", CIMultiDictProxy(HEADERS), TARGET)
KEY = ConnectionKey(
    "bitpeak.ru", 443, True, True, URL(f"http://user:{CANARY}@proxy:3128"), None, None, None
)
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('192.0.2.1', 443)")
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed (_ssl.c:1000)")
UNTRUSTED.verify_message = "self-signed certificate"
HANDSHAKE = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)")
HANDSHAKE.reason = "WRONG_VERSION_NUMBER"
OF_PYTHON = ssl.SSLError(1, "without the attributes that OpenSSL's errors have")
UNKNOWN_HOST = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
WORDS = f"Can not write request body for {TARGET}"

NEVER_CONNECTED = (NotSentError, {"temporary": True})
NEVER_WILL = (NotSentError, {"temporary": False})
LATE = (RequestTimeoutError, {})
BROKEN = (TransportError, {})


def answered(cls):
    return cls(INFO, (), status=407, message=CANARY, headers=HEADERS)


def plain(cls):
    return cls(CANARY)


def connecting(os_error):
    return lambda cls: cls(KEY, os_error)


# class → how to make one as aiohttp does, what it must become, and why it happened in its words.
AIOHTTP = {
    "ClientError": (plain, BROKEN, ""),
    "ClientResponseError": (answered, BROKEN, "407"),
    "ContentTypeError": (answered, BROKEN, "407"),
    "WSServerHandshakeError": (answered, BROKEN, "407"),
    "ClientHttpProxyError": (answered, NEVER_WILL, "407, the proxy refused the credentials"),
    "TooManyRedirects": (answered, BROKEN, "407"),
    "ClientConnectionError": (plain, BROKEN, ""),
    "ClientConnectionResetError": (plain, BROKEN, ""),
    # Raised before aiohttp began to send the body; once it has, the outcome is unknown.
    "ClientOSError": (lambda cls: cls(errno.EPIPE, WORDS), NEVER_CONNECTED, "Broken pipe"),
    "ClientConnectorError": (connecting(REFUSED), NEVER_CONNECTED, "Connect call failed"),
    "ClientConnectorDNSError": (connecting(UNKNOWN_HOST), NEVER_CONNECTED, "not known"),
    "ClientProxyConnectionError": (connecting(REFUSED), NEVER_CONNECTED, "Connect call failed"),
    "UnixClientConnectorError": (
        lambda cls: cls(f"/{CANARY}", KEY, REFUSED),
        NEVER_CONNECTED,
        "Connect call failed",
    ),
    "ServerConnectionError": (plain, BROKEN, ""),
    "ServerDisconnectedError": (plain, BROKEN, ""),
    "ServerTimeoutError": (plain, LATE, ""),
    "ConnectionTimeoutError": (plain, NEVER_CONNECTED, ""),
    "SocketTimeoutError": (plain, LATE, ""),
    "ServerFingerprintMismatch": (
        lambda cls: cls(CANARY.encode(), CANARY.encode(), CANARY, 443),
        NEVER_WILL,
        "",
    ),
    "ClientPayloadError": (plain, BROKEN, ""),
    "UploadAbortedError": (plain, BROKEN, ""),
    "InvalidURL": (lambda cls: cls(TARGET, CANARY), NEVER_WILL, ""),
    "InvalidUrlClientError": (lambda cls: cls(TARGET, CANARY), NEVER_WILL, ""),
    "RedirectClientError": (plain, BROKEN, ""),
    "NonHttpUrlClientError": (plain, NEVER_WILL, ""),
    "InvalidUrlRedirectClientError": (lambda cls: cls(TARGET, CANARY), NEVER_WILL, ""),
    "NonHttpUrlRedirectClientError": (plain, NEVER_WILL, ""),
    "ClientSSLError": (connecting(OF_PYTHON), NEVER_CONNECTED, "without the attributes"),
    "ClientConnectorSSLError": (connecting(HANDSHAKE), NEVER_CONNECTED, "WRONG_VERSION_NUMBER"),
    "ClientConnectorCertificateError": (connecting(UNTRUSTED), NEVER_WILL, "self-signed"),
    "HttpProcessingError": (lambda cls: cls(code=400, message=CANARY, headers=HEADERS), BROKEN, ""),
    "BadHttpMessage": (lambda cls: cls(CANARY, headers=HEADERS), BROKEN, ""),
    "HttpBadRequest": (lambda cls: cls(CANARY, headers=HEADERS), BROKEN, ""),
    "PayloadEncodingError": (plain, BROKEN, ""),
    "ContentEncodingError": (plain, BROKEN, ""),
    "TransferEncodingError": (plain, BROKEN, ""),
    "ContentLengthError": (plain, BROKEN, ""),
    "DecompressSizeError": (plain, BROKEN, ""),
    "LineTooLong": (lambda cls: cls(CANARY, CANARY, CANARY), BROKEN, ""),
    "InvalidHeader": (plain, BROKEN, ""),
    "BadStatusLine": (plain, BROKEN, ""),
    "BadHttpMethod": (plain, BROKEN, ""),
    "InvalidURLError": (plain, BROKEN, ""),
}
BUILTIN = {
    "OSError": (OSError(errno.ENETDOWN, "Network is down"), BROKEN, "Network is down"),
    "OSError without words": (OSError(), BROKEN, ""),
    "ConnectionResetError": (ConnectionResetError(errno.ECONNRESET, "reset"), BROKEN, "reset"),
    "BrokenPipeError": (BrokenPipeError(errno.EPIPE, "Broken pipe"), BROKEN, "Broken pipe"),
    "TimeoutError": (TimeoutError(CANARY), LATE, ""),
    "SSLError": (HANDSHAKE, BROKEN, "WRONG_VERSION_NUMBER"),
    "SSLCertVerificationError": (UNTRUSTED, NEVER_WILL, "self-signed certificate"),
    "a closed session": (RuntimeError("Session is closed"), NEVER_WILL, "Session is closed"),
    "bad options": (ValueError("no such proxy"), NEVER_WILL, "no such proxy"),
}
# An error of websockets and of their user, not of a request.
NOT_OURS = {"WSMessageTypeError"}


def exceptions_of_aiohttp():
    found = {**vars(client_exceptions), **vars(http_exceptions)}
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, type) and issubclass(value, Exception) and name not in NOT_OURS
    }


CLASSES = exceptions_of_aiohttp()
CASES = {
    **{
        name: (AIOHTTP[name][0](cls), *AIOHTTP[name][1:])
        for name, cls in CLASSES.items()
        if name in AIOHTTP
    },
    **BUILTIN,
}


def test_every_exception_of_aiohttp_is_here():
    """A new release may bring a new one: decide what it says of the request, and add it."""
    assert set(AIOHTTP) == set(CLASSES)


def failing(cause):
    """A session whose every request fails so."""

    class Session:
        connector = None
        closed = False

        def request(self, *_, **__):
            raise cause

    return Session()


@pytest.mark.parametrize(("cause", "expected", "reason"), CASES.values(), ids=CASES)
async def test_a_failure_says_what_became_of_the_request_without_its_cause(cause, expected, reason):
    """The cause holds the request's headers, and so the key: nothing may lead to it."""
    network = SessionNetwork(failing(cause))
    base_url, once = f"https://bitpeak.ru/{CANARY}", Retry(attempts=1)
    async with client_over(network, CANARY, base_url=base_url, retry=once) as bitpeak:
        with pytest.raises(TransportError) as caught:
            await bitpeak.notification_handlers.update(1, settings={"x_consumer_key": CANARY})
    error = caught.value
    kind, attributes = expected
    assert (kind, {**attributes, "attempts": 1}) == (type(error), vars(error))
    assert str(error).startswith(f"update notification handler 1: {type(cause).__name__}")
    assert reason in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = f"{error} {error!r} {error.args} {vars(error)} {pickle.dumps(error)}"
    shown += "".join(traceback.format_exception(error))
    assert CANARY not in shown
