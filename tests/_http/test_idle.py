"""Which idle connections a create may use, over the package's own sessions and given ones."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from raw_server import reply, serving

from bitpeak_async import EmailSettings, OutcomeUnknownError
from bitpeak_async._http import idle

EMAIL = EmailSettings("a@example.com")


@pytest.fixture(params=["own", "given"])
async def session(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession | None]:
    if request.param == "own":
        yield None
        return
    async with aiohttp.ClientSession() as session:
        yield session


async def test_no_create_meets_a_connection_that_closes_after_each_reply(session):
    async with serving(reply, closes=True, session=session) as (server, bitpeak):
        for number in range(20):
            assert number + 1 == await bitpeak.notification_handlers.create("a", EMAIL)
    assert 20 == len(server.connections)


async def test_creates_share_connections_once_others_have_survived(session, monkeypatch):
    monkeypatch.setattr(idle, "_EVIDENCE", 0)
    async with serving(reply, session=session) as (server, bitpeak):
        for _ in range(20):
            await bitpeak.notification_handlers.create("a", EMAIL)
        assert len(server.connections) < 6
        await bitpeak.notification_handlers.get(21)
        assert len(server.connections) < 6


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
