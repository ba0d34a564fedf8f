"""The key goes to the base URL's origin alone: another host gets 0 bytes, wherever one points."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bitpeak_async import BitPeak, BitPeakError, RedirectError, Retry, SlackSettings
from bitpeak_async.sandbox import Fault, Sandbox

CANARY = "canary4711"
HOOK = f"https://hooks.example.com/{CANARY}"
REDIRECTS = [301, 302, 303, 307, 308]
CALLS = {
    "list": lambda handlers: handlers.list(),
    "get": lambda handlers: handlers.get(1),
    "create": lambda handlers: handlers.create("Ops", SlackSettings(HOOK)),
    "update": lambda handlers: handlers.update(1, settings=SlackSettings(HOOK)),
    "delete": lambda handlers: handlers.delete(1),
}


class Recorder:
    """Another host: it takes whatever comes, and answers as the API would."""

    def __init__(self) -> None:
        self.received = b""
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.received += await reader.read(65536)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"data": {"id": 1}}')
        await writer.drain()
        writer.close()


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    async with server:
        yield recorder


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(api_key=CANARY) as sandbox:
        yield sandbox


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_redirect_sends_nothing_to_another_host(
    status: int, call: Any, sandbox: Sandbox, recorder: Recorder
):
    location = f"http://localhost:{recorder.port}/api/notification-handlers"
    sandbox.inject(Fault.redirect(location, status=status), times=None)
    async with BitPeak(CANARY, base_url=sandbox.base_url, retry=Retry(base_delay=0)) as bitpeak:
        with pytest.raises(RedirectError) as caught:
            await call(bitpeak.notification_handlers)
    assert status == caught.value.status
    assert (0, b"") == (recorder.connections, recorder.received)
    assert 1 == len(sandbox.requests)


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_given_session_follows_none_either(
    status: int, sandbox: Sandbox, recorder: Recorder
):
    sandbox.inject(Fault.redirect(f"http://localhost:{recorder.port}/", status=status), times=None)
    async with aiohttp.ClientSession() as session:
        bitpeak = BitPeak(CANARY, base_url=sandbox.base_url, session=session)
        with pytest.raises(RedirectError):
            await bitpeak.notification_handlers.get(1)
        assert "Authorization" not in session.headers
        # The same session, used for something else, has nothing of the key.
        await (await session.get(f"http://localhost:{recorder.port}/")).read()
    assert 1 == recorder.connections
    assert 0 == recorder.received.count(CANARY.encode())
    assert b"authorization" not in recorder.received.lower()


@pytest.mark.parametrize("status", REDIRECTS)
async def test_provisioning_follows_none_either(status: int, sandbox: Sandbox, recorder: Recorder):
    location = f"http://localhost:{recorder.port}/"
    sandbox.inject(Fault.redirect(location, status=status), times=None)
    async with BitPeak(CANARY, base_url=sandbox.base_url) as bitpeak:
        with pytest.raises(RedirectError):
            await bitpeak.plan([])
    assert (0, b"") == (recorder.connections, recorder.received)


async def test_the_servers_links_are_never_followed(sandbox: Sandbox, recorder: Recorder):
    """Pages are counted by ``meta``: what ``links`` point to may be anywhere."""
    elsewhere = f"http://localhost:{recorder.port}/api/notification-handlers/?page=2"
    links = f'{{"first": "{elsewhere}", "next": "{elsewhere}", "last": "{elsewhere}"}}'
    meta = '{"page": 1, "results_per_page": 1000, "total": 0, "total_pages": 1}'
    body = f'{{"data": [], "meta": {meta}, "links": {links}}}'.encode()
    sandbox.inject(Fault(body=body), times=None)
    async with BitPeak(CANARY, base_url=sandbox.base_url) as bitpeak:
        assert [] == [each async for each in bitpeak.notification_handlers.iterate()]
        page = await bitpeak.notification_handlers.list()
    assert elsewhere == page.links.next
    assert (0, b"") == (recorder.connections, recorder.received)


@pytest.mark.parametrize(
    "path", ["//{host}/x", "/\\{host}/x", "http://{host}/", "@{host}/", "?/../{host}"]
)
async def test_no_argument_moves_a_call_to_another_host(
    path: str, sandbox: Sandbox, recorder: Recorder
):
    """Ids are whole numbers, and queries are encoded."""
    there = path.format(host=f"localhost:{recorder.port}")
    async with BitPeak(CANARY, base_url=sandbox.base_url, retry=Retry(attempts=1)) as bitpeak:
        handlers = bitpeak.notification_handlers
        with pytest.raises(BitPeakError):
            await handlers.get(there)  # type: ignore[arg-type]
        await handlers.list(extra_query={"search": there})
        await handlers.list(extra_query={there: "1"})
    assert (0, b"") == (recorder.connections, recorder.received)
    assert 2 == len(sandbox.requests)


async def test_the_recorder_sees_the_key_where_it_does_go(recorder: Recorder):
    """Else 0 bytes would mean nothing."""
    async with BitPeak(CANARY, base_url=f"http://127.0.0.1:{recorder.port}") as bitpeak:
        await bitpeak.notification_handlers.delete(1)
    assert 1 == recorder.received.count(CANARY.encode())
