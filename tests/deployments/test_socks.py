"""A session of aiohttp-socks, whose connector raises exceptions of its own."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp_socks import ProxyConnector
from deployments.processes import free_port

from bitpeak_async import (
    BitPeak,
    BitPeakError,
    EmailSettings,
    HandlerSpec,
    NotSentError,
    OutcomeUnknownError,
    Retry,
)
from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments

SETTINGS = EmailSettings("a@example.com")
CREDENTIALS = b"\x01\x04user\x04pass"


@asynccontextmanager
async def socks5(*, cuts: bool = False) -> AsyncIterator[int]:
    """Run a SOCKS5 server, perhaps one that cuts connections with creates; yield its port."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if cuts and data.startswith(b"POST"):
                break
            writer.write(data)
        writer.close()

    connections = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            _, count = await reader.readexactly(2)
            await reader.readexactly(count)
            writer.write(b"\x05\x02")  # asks for a user name and a password
            is_right = await reader.readexactly(len(CREDENTIALS)) == CREDENTIALS
            writer.write(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
            address = (await reader.readexactly(10))[4:]  # an IPv4 address and a port
            host = ".".join(map(str, address[:4]))
            there = await asyncio.open_connection(host, int.from_bytes(address[4:]))
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*connections)  # clients have closed their connections


@asynccontextmanager
async def through(port: int, sandbox: Sandbox, password: str = "pass") -> AsyncIterator[BitPeak]:
    connector = ProxyConnector.from_url(f"socks5://user:{password}@127.0.0.1:{port}")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        BitPeak(
            sandbox.api_key,
            base_url=sandbox.base_url,
            session=session,
            retry=Retry(attempts=1, unknown_outcome_delay=0, duplicate_check_delay=0),
        ) as bitpeak,
    ):
        yield bitpeak


def assert_hides_the_key(error: BaseException, key: str) -> None:
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    sdk = [frame for frame in told.stack if "bitpeak_async" in frame.filename]
    assert sdk
    assert key not in repr(error) + repr([frame.locals for frame in sdk])
    assert error.__cause__ is None or key not in repr(vars(error.__cause__))


async def failure(bitpeak: BitPeak, key: str) -> BitPeakError:
    with pytest.raises(BitPeakError) as caught:
        await bitpeak.notification_handlers.create("a", SETTINGS)
    assert_hides_the_key(caught.value, key)
    return caught.value


async def test_calls_pass_the_proxy(threaded_sandbox: Sandbox):
    async with socks5() as port, through(port, threaded_sandbox) as bitpeak:
        await bitpeak.notification_handlers.create("a", SETTINGS)
        report = await bitpeak.provision([HandlerSpec("b", SETTINGS)])
    assert report.ok


async def test_a_proxy_that_does_not_listen_means_not_sent(threaded_sandbox: Sandbox):
    async with through(free_port(), threaded_sandbox) as bitpeak:
        assert isinstance(await failure(bitpeak, threaded_sandbox.api_key), NotSentError)


async def test_refused_credentials_mean_not_sent(threaded_sandbox: Sandbox):
    async with socks5() as port, through(port, threaded_sandbox, "wrog") as bitpeak:
        assert isinstance(await failure(bitpeak, threaded_sandbox.api_key), NotSentError)


async def test_a_connection_cut_after_the_request_means_unknown(threaded_sandbox: Sandbox):
    async with socks5(cuts=True) as port, through(port, threaded_sandbox) as bitpeak:
        error = await failure(bitpeak, threaded_sandbox.api_key)
        report = await bitpeak.provision([HandlerSpec("b", SETTINGS)])
    assert isinstance(error, OutcomeUnknownError)
    assert not report.ok
