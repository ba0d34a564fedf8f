"""Peers, proxies and connectors that refuse: what the error says, and whether it is retried."""

import errno
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
import trustme
from raw_server import serving

from bitpeak_async import (
    BitPeak,
    ConfigurationError,
    EmailSettings,
    HandlerSpec,
    NotSentError,
    OutcomeUnknownError,
    Retry,
    TransportError,
)
from bitpeak_async.sandbox import Sandbox

EMAIL = EmailSettings("a@example.com")
THRICE = Retry(attempts=3, base_delay=0, unknown_outcome_delay=0)


@pytest.mark.parametrize("way", ["own", "given"])
async def test_a_missing_client_certificate_is_said_once(way: str):
    """With TLS 1.3 the alert comes after the request was written."""
    authority, server_side = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_side)
    authority.configure_trust(server_side)
    server_side.verify_mode = ssl.CERT_REQUIRED
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    tried = 0

    def refuse(listener: socket.socket) -> None:
        nonlocal tried
        with suppress(OSError):  # until the listener is shut down
            while True:
                plain, _ = listener.accept()
                tried += 1
                with plain.dup() as same:
                    with suppress(ssl.SSLError):
                        server_side.wrap_socket(plain, server_side=True)
                    while same.recv(4096):  # else a reset would take the place of the alert
                        pass

    with socket.create_server(("localhost", 0)) as listener:
        threading.Thread(target=refuse, args=[listener], daemon=True).start()
        address = f"localhost:{listener.getsockname()[1]}"
        async with aiohttp.ClientSession() as session:
            given = session if way == "given" else None
            async with BitPeak(
                "key", base_url=f"https://{address}/api", ssl=trust, session=given, retry=THRICE
            ) as bitpeak:
                with pytest.raises(NotSentError, match="ALERT_CERTIFICATE_REQUIRED") as caught:
                    await bitpeak.notification_handlers.create("a", EMAIL)
        listener.shutdown(socket.SHUT_RDWR)
    assert not caught.value.temporary
    assert "Operation not permitted" not in str(caught.value)
    assert 1 == tried


@pytest.mark.parametrize(
    ("status", "words"),
    [(407, "the proxy refused the credentials"), (403, "the proxy refuses this destination")],
)
async def test_a_proxy_that_refuses_is_asked_once(status: int, words: str):
    refusal = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status
    async with serving(lambda _: refusal) as (server, direct):
        proxy = direct._transport.wire.base_url.removesuffix("/api")
        async with BitPeak("key", proxy=proxy, retry=THRICE) as bitpeak:
            with pytest.raises(NotSentError, match=f"{status}, {words}") as caught:
                await bitpeak.notification_handlers.create("a", EMAIL)
    assert not caught.value.temporary
    assert 1 == len(server.requests)


@pytest.mark.parametrize("way", ["own", "given"])
async def test_a_peer_that_speaks_no_http_1_is_said_to(way: str):
    async with aiohttp.ClientSession() as session:
        given = session if way == "given" else None
        async with serving(lambda _: b"SSH-2.0-OpenSSH_9.6\r\n", session=given) as (_, bitpeak):
            with pytest.raises(TransportError, match=re.escape("does not answer in HTTP/1")):
                await bitpeak.notification_handlers.get(1)


class Connector(aiohttp.TCPConnector):
    """Raises plain exceptions for POST before connecting, or after the request was sent."""

    before = after = 0
    error: Exception = Exception("canary4711")  # as of aiohttp-socks

    async def connect(self, request, *args, **kwargs):
        if self.before and request.method == "POST":
            self.before -= 1
            raise self.error
        connection = await super().connect(request, *args, **kwargs)
        if self.after and request.method == "POST":
            self.after -= 1
            protocol, read = connection.protocol, connection.protocol.read

            async def fail():
                protocol.read = read
                await read()
                raise self.error

            protocol.read = fail
        return connection


@pytest.fixture
async def over(sandbox: Sandbox):
    """A client whose given session has a connector that fails."""
    async with (
        aiohttp.ClientSession(connector=Connector()) as session,
        BitPeak(
            sandbox.api_key, base_url=sandbox.base_url, session=session, retry=THRICE
        ) as bitpeak,
    ):
        yield session.connector, bitpeak


async def test_a_connectors_exception_before_the_request_left_is_retried(over, sandbox: Sandbox):
    connector, bitpeak = over
    connector.before = 2
    await bitpeak.notification_handlers.create("a", EMAIL)
    assert 1 == len(sandbox.handlers)
    connector.before = 3
    with pytest.raises(NotSentError) as caught:
        await bitpeak.notification_handlers.create("a", EMAIL)
    expected = (
        "create notification handler 'a': Exception; the request was not sent (tried 3 times)"
    )
    assert expected == str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_a_connectors_os_error_before_the_request_left_is_retried(over, sandbox: Sandbox):
    """aiohttp-socks 0.10 raises such when its proxy refuses the connection."""
    connector, bitpeak = over
    connector.error = ConnectionRefusedError(errno.ECONNREFUSED, "canary4711")
    connector.before = 2
    await bitpeak.notification_handlers.create("a", EMAIL)
    assert 1 == len(sandbox.handlers)
    connector.before = 3
    refused = (
        r"'a': ClientOSError \(Connection refused\); the request was not sent \(tried 3 times\)"
    )
    with pytest.raises(NotSentError, match=refused):
        await bitpeak.notification_handlers.create("a", EMAIL)


@pytest.mark.parametrize("error", [Exception("a"), ConnectionResetError("a")], ids=repr)
async def test_a_connectors_exception_after_it_left_leaves_the_outcome_unknown(
    error: Exception, over, sandbox: Sandbox
):
    connector, bitpeak = over
    connector.error = error
    connector.after = 1
    with pytest.raises(OutcomeUnknownError):
        await bitpeak.notification_handlers.create("a", EMAIL)
    assert 1 == len(sandbox.handlers)


async def test_a_provision_over_a_failing_connector_ends_with_its_report(over, sandbox: Sandbox):
    connector, bitpeak = over
    specs = [HandlerSpec(f"n{number}", EMAIL) for number in range(20)]
    connector.before, connector.after = 2, 2
    report = await bitpeak.provision(specs)
    assert (20, 20) == (len(report.outcomes), len(sandbox.handlers))
    assert report.ok


@pytest.mark.parametrize(
    "call",
    [
        lambda bitpeak: bitpeak.notification_handlers.get(1),
        lambda bitpeak: bitpeak.provision([]),
        lambda bitpeak: bitpeak.__aenter__(),
    ],
)
def test_another_kind_of_event_loop_is_refused(call: Callable[[BitPeak], Awaitable[object]]):
    """As trio does, this steps the coroutine outside of asyncio."""
    with pytest.raises(ConfigurationError, match="BitPeak runs on asyncio, not on trio"):
        call(BitPeak("key")).__await__().send(None)
