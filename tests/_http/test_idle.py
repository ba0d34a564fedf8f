"""Which idle connections a create may use, over the package's own sessions and given ones."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from typing import Any

import aiohttp
import pytest
from raw_server import Server, reply, serving

from bitpeak_async import BitPeak, EmailSettings, OutcomeUnknownError
from bitpeak_async._http import idle

EMAIL = EmailSettings("a@example.com")


async def wait(request: aiohttp.ClientRequest, handler) -> aiohttp.ClientResponse:
    await asyncio.sleep(0)  # as one that fetches a token does
    return await handler(request)


async def wait_to_trace(*_: object) -> None:
    await asyncio.sleep(0)


def traces_that_wait() -> list[aiohttp.TraceConfig]:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(wait_to_trace)
    return [trace]


SESSIONS = {
    "own": lambda: None,
    "given": aiohttp.ClientSession,
    "given, with a middleware that waits": lambda: aiohttp.ClientSession(middlewares=[wait]),
    "given, with a trace that waits": lambda: aiohttp.ClientSession(
        trace_configs=traces_that_wait()
    ),
}


@pytest.fixture(params=SESSIONS.values(), ids=SESSIONS)
async def session(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession | None]:
    session = request.param()
    yield session
    if session is not None:
        await session.close()


async def test_no_create_meets_a_connection_that_closes_after_each_reply(session):
    async with serving(reply, closes=True, session=session) as (server, bitpeak):
        for number in range(20):
            assert number + 1 == await bitpeak.notification_handlers.create("a", EMAIL)
    assert 20 == len(server.connections)


async def test_creates_share_no_connection_before_one_has_survived(session, monkeypatch):
    monkeypatch.setattr(idle, "_EVIDENCE", 60)
    async with serving(reply, session=session) as (server, bitpeak):
        for _ in range(3):
            await bitpeak.notification_handlers.create("a", EMAIL)
    assert 3 == len(server.connections)


async def test_a_create_that_waits_for_a_slot_shares_no_old_connection(monkeypatch):
    """Another user of the session holds its only slot, and an idle connection is left."""
    monkeypatch.setattr(idle, "_EVIDENCE", 60)
    connector = aiohttp.TCPConnector(limit=1)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        serving(reply, session=session) as (server, bitpeak),
        serving(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n") as (other, _),
    ):
        await bitpeak.notification_handlers.get(1)
        elsewhere = await session.get(f"http://127.0.0.1:{other.port}/")  # its body never comes
        create = asyncio.create_task(bitpeak.notification_handlers.create("a", EMAIL))
        while not connector._waiters:  # noqa: ASYNC110 - nothing here could tell
            await asyncio.sleep(0)
        elsewhere.close()
        await create
    assert 2 == len(server.connections)


async def test_creates_share_connections_once_others_have_survived(session, monkeypatch):
    monkeypatch.setattr(idle, "_EVIDENCE", 0)
    async with serving(reply, session=session) as (server, bitpeak):
        for _ in range(20):
            await bitpeak.notification_handlers.create("a", EMAIL)
        assert len(server.connections) < 6
        await bitpeak.notification_handlers.get(21)
        assert len(server.connections) < 6


def pool_of(bitpeak: BitPeak) -> tuple[dict[Hashable, float], deque[tuple[Any, float]]]:
    """Return the survived times and the only pool of a client's connector."""
    connector: Any = bitpeak._transport.lifecycle.open().exchange._session.connector
    [pool] = connector._conns.values()
    return idle._SURVIVED[connector], pool


async def two_idle_connections(server: Server, bitpeak: BitPeak) -> deque[tuple[Any, float]]:
    """Return a pool with an old connection and one that was just used."""
    handlers = bitpeak.notification_handlers
    await asyncio.gather(handlers.get(1), handlers.get(2))
    assert 2 == len(server.connections)
    survived, pool = pool_of(bitpeak)
    [key] = bitpeak._transport.lifecycle.open().exchange._session.connector._conns
    survived[key] = 3.0
    oldest, since = pool[0]
    pool[0] = oldest, since - 2  # more than half, and less than the connector allows
    return pool


async def test_a_create_takes_the_connection_that_was_used_last(session):
    async with serving(reply, session=session) as (server, bitpeak):
        pool = await two_idle_connections(server, bitpeak)
        before = [*pool]
        for _ in range(3):
            await bitpeak.notification_handlers.create("a", EMAIL)
        assert [protocol for protocol, _ in before] == [protocol for protocol, _ in pool]
        assert 2 == len(server.connections)


async def test_a_dropped_connection_leaves_the_pool_and_others_are_still_used(session):
    """A server closes surplus connections; the one in use must not be replaced for each create."""
    async with serving(reply, session=session) as (server, bitpeak):
        handlers = bitpeak.notification_handlers
        await asyncio.gather(handlers.get(1), handlers.get(2), handlers.get(3))
        _, pool = pool_of(bitpeak)
        for index, seconds in enumerate((3, 2)):
            protocol, since = pool[index]
            pool[index] = protocol, since - seconds
        pool[0][0].close()
        for _ in range(3):
            await handlers.create("a", EMAIL)
        assert (2, 3) == (len(pool), len(server.connections))


@pytest.mark.parametrize("happens", ["an unsolicited reply", "a close"])
async def test_a_create_takes_no_old_connection_instead_of_an_unusable_one(session, happens):
    async with serving(reply, session=session) as (server, bitpeak):
        newest = (await two_idle_connections(server, bitpeak))[-1][0]
        if happens == "a close":
            newest.close()
        else:
            newest.data_received(reply(666))
        await bitpeak.notification_handlers.create("a", EMAIL)
        assert 3 == len(server.connections)


async def test_a_request_that_meets_a_dropped_connection_takes_the_trust_in_all_away(
    session, monkeypatch
):
    monkeypatch.setattr(idle, "_EVIDENCE", 0)
    async with serving(reply, session=session) as (server, bitpeak):
        handlers = bitpeak.notification_handlers
        await handlers.get(1)
        await handlers.create("a", EMAIL)
        connector = bitpeak._transport.lifecycle.open().exchange._session.connector
        assert all(seconds > 0 for seconds in idle._SURVIVED[connector].values())
        server.answer, server.closes = (lambda _: b""), True
        with pytest.raises(OutcomeUnknownError):
            await handlers.create("a", EMAIL)
        assert not idle._SURVIVED[connector]


async def test_an_end_that_the_loop_has_not_seen_yet_is_no_survival(session, monkeypatch):
    """The loop was busy meanwhile: only the operating system knows."""
    monkeypatch.setattr(idle, "_EVIDENCE", 0)
    async with serving(reply, session=session) as (server, bitpeak):
        await bitpeak.notification_handlers.get(1)
        connector = bitpeak._transport.lifecycle.open().exchange._session.connector
        [[(protocol, _)]] = connector._conns.values()
        assert idle._is_quiet(protocol)
        server.connections[0].write(b"unasked")  # a local socket has it at once
        assert not idle._is_quiet(protocol)


async def test_a_burst_of_creates_keeps_no_more_connections_than_can_be_used(session, monkeypatch):
    """The oldest is among them, because it is the first that shows how long others survive."""
    monkeypatch.setattr(idle, "_EVIDENCE", 60)
    async with serving(reply, session=session) as (server, bitpeak):
        handlers = bitpeak.notification_handlers
        await handlers.create("a", EMAIL)
        connector = bitpeak._transport.lifecycle.open().exchange._session.connector
        [[(oldest, _)]] = connector._conns.values()
        for _ in range(connector.limit + 10):
            await handlers.create("a", EMAIL)
        assert connector.limit + 11 == len(server.connections)
        [pool] = connector._conns.values()
        assert connector.limit + 1 == len(pool)  # one more came back after the last check
        assert pool[0][0] is oldest


async def test_the_operating_system_is_not_asked_before_each_create(session, monkeypatch):
    monkeypatch.setattr(idle, "_EVIDENCE", 0)
    asked = []
    monkeypatch.setattr(idle, "_is_quiet", lambda protocol: not asked.append(protocol))
    async with serving(reply, session=session) as (_, bitpeak):
        for _ in range(200):
            await bitpeak.notification_handlers.create("a", EMAIL)
    assert 0 < len(asked) < 60
