"""The exchange by aiohttp's connector and protocol, over a server that answers byte for byte."""

import asyncio
import os
import subprocess
import sys

import aiohttp
import pytest
from raw_server import reply, serving

from bitpeak_async import BitPeak, EmailSettings, NotSentError
from bitpeak_async._http.failures import ConnectionFailedError
from bitpeak_async._http.lean import LeanExchange
from bitpeak_async.client import client_over
from bitpeak_async.fleet._network import FleetNetwork
from bitpeak_async.sandbox import Sandbox


async def test_a_request_is_its_head_and_body_and_nothing_else():
    async with serving(lambda _: reply(7)) as (server, bitpeak):
        await bitpeak.notification_handlers.get(7)
        await bitpeak.notification_handlers.create("a", EmailSettings("a@example.com"))
    get, create = server.requests
    host = get.partition(b"Host: ")[2].partition(b"\r\n")[0]
    assert get.startswith(b"GET /api/notification-handlers/7 HTTP/1.1\r\nHost: 127.0.0.1:")
    names = [line.partition(b":")[0] for line in get.split(b"\r\n")[1:-2]]
    own = [b"Authorization", b"Accept", b"Cache-Control", b"User-Agent"]
    assert [b"Host", *own, b"Accept-Encoding"] == names
    assert b"Cache-Control: no-cache\r\n" in get
    assert b"Authorization: Bearer key\r\n" in get
    assert create.startswith(b"POST /api/notification-handlers HTTP/1.1\r\nHost: " + host)
    head, _, body = create.partition(b"\r\n\r\n")
    assert b"Content-Type: multipart/form-data; boundary=" in head
    assert f"Content-Length: {len(body)}".encode() in head


async def test_informational_replies_are_passed_over():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with serving(lambda _: early + reply(7)) as (_, bitpeak):
        assert 7 == (await bitpeak.notification_handlers.get(7)).id


async def test_a_reply_that_came_unasked_is_not_the_next_requests():
    """What stands on an idle connection before the request is sent cannot be its reply."""
    async with serving(reply) as (server, bitpeak):
        assert 1 == (await bitpeak.notification_handlers.get(1)).id
        server.connections[0].write(reply(666))
        await server.connections[0].drain()
        await asyncio.sleep(0.05)  # until it has arrived
        assert 2 == (await bitpeak.notification_handlers.get(2)).id
        assert 2 == len(server.connections)


async def test_the_connection_is_kept_and_one_that_broke_is_not():
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"
    async with serving(lambda number: cut if number == 3 else reply(number)) as (server, bitpeak):
        handlers = bitpeak.notification_handlers
        await handlers.get(1)
        await handlers.get(2)
        assert 1 == len(server.connections)
        task = asyncio.create_task(handlers.get(3))
        await server.has_received(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 4 == (await handlers.get(4)).id
        assert 2 == len(server.connections)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_that_exits_has_no_session_to_warn_of(threaded_sandbox: Sandbox):
    code = f"""if True:
        import asyncio, gc, os
        from bitpeak_async import BitPeak
        async def main():
            async with BitPeak({threaded_sandbox.api_key!r},
                               base_url={threaded_sandbox.base_url!r}) as bitpeak:
                await bitpeak.notification_handlers.list()
                child = os.fork()
                if not child:
                    del bitpeak
                    gc.collect()
                    os._exit(0)
                os.waitpid(child, 0)
                await bitpeak.notification_handlers.list()
        asyncio.run(main())
    """
    ended = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (0, "") == (ended.returncode, ended.stderr)


async def test_own_sessions_use_it(sandbox: Sandbox):
    async with BitPeak(sandbox.api_key, base_url=sandbox.base_url) as bitpeak:
        assert type(bitpeak._transport.lifecycle.open().exchange) is LeanExchange
    async with aiohttp.ClientSession() as session:
        given = BitPeak(sandbox.api_key, base_url=sandbox.base_url, session=session)
        assert type(given._transport.lifecycle.open().exchange) is not LeanExchange


@pytest.mark.parametrize("way", ["lean", "session"])
async def test_nothing_is_written_past_a_fence(way: str, sandbox: Sandbox, monkeypatch):
    async def fence() -> None:
        raise ConnectionFailedError("fenced", temporary=False)

    async def patched(session, *args, **kwargs):
        return await request(session, *args, **kwargs)

    request = aiohttp.ClientSession._request
    if way == "session":
        monkeypatch.setattr(aiohttp.ClientSession, "_request", patched)
    sandbox.seed_handlers(1)
    network = FleetNetwork(1, fence=fence)
    async with client_over(network, sandbox.api_key, base_url=sandbox.base_url) as bitpeak:
        handlers = bitpeak.notification_handlers
        [handler] = (await handlers.list()).data
        settings = EmailSettings("a@example.com")
        for write in (
            handlers.create("a", settings),
            handlers.update(handler.id, name="b"),
            handlers.delete(handler.id),
        ):
            with pytest.raises(NotSentError, match="fenced"):
                await write
        assert 1 == (await handlers.list()).meta.total
    await network.close()
    assert {"GET"} == {method for method, _ in sandbox.counts}
