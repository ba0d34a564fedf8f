"""BitPeak: configuration, environment, life cycle."""

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncGenerator

import aiohttp
import pytest
from builders import Connect

from bitpeak_async import (
    BitPeak,
    ClosedError,
    ConfigurationError,
    EmailSettings,
    NotFoundError,
    Pace,
    RequestTimeoutError,
    Retry,
    Timeout,
)
from bitpeak_async.sandbox import Fault, Sandbox

CANARY = "canary-key-4711"


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        (
            "timeout",
            "10",
            "timeout must be a bitpeak_async Timeout, or a number of seconds, not str",
        ),
        ("timeout", 0, r"Timeout\(total=\) must be a number above 0"),
        ("timeout", True, "timeout must be a bitpeak_async Timeout"),
        ("app_info", "", "app_info must be a name such as"),
        ("app_info", "acme\r\nX: 1", "app_info must be a name such as"),
        ("headers", ["X-Team"], "headers must be a mapping of names to values, not list"),
        ("headers", {"authorization": CANARY}, "headers must not hold 'authorization'"),
        ("headers", {"Host": CANARY}, "headers must not hold 'Host'"),
        ("headers", {"Content-Length": CANARY}, "headers must not hold 'Content-Length'"),
        ("headers", {"User-Agent": CANARY}, "headers must not hold 'User-Agent'"),
        ("headers", {"X-Team": f"{CANARY}\r\nX: 1"}, "headers must not hold 'X-Team'"),
        ("headers", {"X Team": CANARY}, "headers must not hold 'X Team'"),
        ("headers", {"X-Team": 1}, "headers must not hold 'X-Team'"),
        ("retry", 3, "retry must be a bitpeak_async Retry, not int"),
        ("pace", 3, "pace must be a bitpeak_async Pace, not int"),
        ("session", "s", "session must be a aiohttp ClientSession, not str"),
        ("ssl", True, "ssl must be a ssl SSLContext, not bool"),
        ("proxy", "proxy:3128", "proxy must be an absolute"),
        ("timezone", "UTC", "timezone must be a datetime tzinfo, not str"),
        ("max_reply_bytes", 0, "max_reply_bytes=.* must be a whole number of at least 1"),
    ],
)
def test_an_unusable_option_is_refused(option: str, value: object, problem: str):
    with pytest.raises(ConfigurationError, match=problem) as caught:
        BitPeak("key", **{option: value})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan"), "1"])
def test_an_unusable_deadline_is_refused(deadline: float):
    with pytest.raises(ConfigurationError, match="deadline"):
        BitPeak("key").with_options(deadline=deadline)


async def test_key_and_base_url_come_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BITPEAK_API_KEY", sandbox.api_key)
    monkeypatch.setenv("BITPEAK_BASE_URL", sandbox.base_url + "/")
    async with BitPeak() as bitpeak:
        assert 0 == len(await bitpeak.notification_handlers.list())


def test_the_key_is_in_no_repr():
    bitpeak = BitPeak(CANARY)
    assert "BitPeak(base_url='https://bitpeak.ru/api')" == repr(bitpeak)
    assert CANARY not in repr(vars(bitpeak)) + repr(vars(bitpeak._transport))


async def test_a_client_works_without_a_with_block_and_closes_twice(
    sandbox: Sandbox, connect: Connect
):
    bitpeak = connect(sandbox)
    assert 0 == len(await bitpeak.notification_handlers.list())
    await bitpeak.close()
    await bitpeak.close()


async def test_use_after_close_is_a_clear_error(sandbox: Sandbox, connect: Connect):
    async with connect(sandbox) as bitpeak:
        derived = bitpeak.with_options(deadline=5)
    for client in (bitpeak, derived):
        with pytest.raises(ClosedError, match="closed"):
            await client.notification_handlers.list()
    with pytest.raises(ClosedError):
        await bitpeak.__aenter__()


def test_use_in_another_event_loop_is_a_clear_error():
    """A session cannot move between loops; aiohttp itself would fail much later."""

    async def use(bitpeak: BitPeak, sandbox: Sandbox) -> None:
        await bitpeak.notification_handlers.list()

    async def scene() -> None:
        async with (
            Sandbox() as sandbox,
            BitPeak("sandbox-key", base_url=sandbox.base_url) as client,
        ):
            with pytest.raises(ClosedError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, use(client, sandbox))

    asyncio.run(scene())


async def test_a_given_session_is_used_and_left_open(sandbox: Sandbox, connect: Connect):
    async with aiohttp.ClientSession(headers={"X-Team": "ops"}) as session:
        async with connect(sandbox, session=session) as bitpeak:
            await bitpeak.notification_handlers.create("a", EmailSettings("a@example.com"))
        assert not session.closed
        await session.close()
        with pytest.raises(ClosedError, match="the session given to the client is closed"):
            await connect(sandbox, session=session).notification_handlers.list()


async def test_no_more_requests_at_once_than_a_given_session_has_connections(
    sandbox: Sandbox, connect: Connect
):
    """Waiting for a connection would run down the timeout: six calls of 0.2 s, two at a time."""
    sandbox.inject(Fault(delay=0.2), times=None)
    connector = aiohttp.TCPConnector(limit=2)
    async with aiohttp.ClientSession(connector=connector) as session:
        bitpeak = connect(
            sandbox, session=session, timeout=Timeout(total=0.5), retry=Retry(attempts=1)
        )
        calls = (bitpeak.notification_handlers.list() for _ in range(6))
        assert 6 == len(await asyncio.gather(*calls))


async def test_cookies_are_not_kept(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault(headers={"Set-Cookie": "PHPSESSID=1; Path=/"}))
    await bitpeak.notification_handlers.list()
    session = bitpeak._transport.lifecycle.open().exchange._session
    assert 0 == len(session.cookie_jar)


async def test_options_change_for_a_derived_client_only(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault.stall(), times=1)
    quick = bitpeak.with_options(timeout=Timeout(total=0.05), retry=Retry(attempts=1))
    with pytest.raises(RequestTimeoutError):
        await quick.notification_handlers.list()
    assert 0 == len(await bitpeak.notification_handlers.list())
    await quick.close()


async def test_a_derived_client_does_not_own_the_session(sandbox: Sandbox, bitpeak: BitPeak):
    await bitpeak.with_options(deadline=5).close()
    assert 0 == len(await bitpeak.notification_handlers.list())


async def test_the_wires_datetimes_are_read_in_the_given_timezone(
    sandbox: Sandbox, connect: Connect
):
    tashkent = dt.timezone(dt.timedelta(hours=5))
    async with connect(sandbox, timezone=tashkent) as bitpeak:
        handlers = bitpeak.notification_handlers
        handler = await handlers.get(await handlers.create("a", EmailSettings("a@example.com")))
    assert dt.timedelta(hours=5) == handler.datetime.utcoffset()


async def test_requests_go_through_a_given_proxy(sandbox: Sandbox, connect: Connect):
    """The sandbox plays the proxy: it is asked for a host that does not exist, which it hasn't."""
    proxy = sandbox.base_url.removesuffix("/api")
    async with BitPeak(
        sandbox.api_key,
        base_url="http://bitpeak.invalid/api",
        allow_insecure=True,
        proxy=proxy,
        retry=Retry(attempts=1),
    ) as bitpeak:
        with pytest.raises(NotFoundError):
            await bitpeak.notification_handlers.list()
    assert 1 == len(sandbox.requests)


def test_a_tls_context_may_be_given():
    BitPeak("key", ssl=ssl.create_default_context())


async def test_the_number_of_requests_at_once_is_the_paces(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault.slow(0.01), times=None)
    async with connect(sandbox, pace=Pace(in_flight=3)) as bitpeak:
        await asyncio.gather(*(bitpeak.notification_handlers.list() for _ in range(20)))
    assert 3 == sandbox.peak_in_flight


@pytest.mark.parametrize("is_given", [False, True], ids=["own session", "given session"])
async def test_headers_and_the_application_go_with_each_request(is_given: bool):
    heads: list[list[str]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(_requests(reader)) as requests:
            async for head in requests:
                heads.append(head)
                body = b'{"data": {"id": 7}}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    session = aiohttp.ClientSession() if is_given else None
    async with (
        server,
        BitPeak(
            "key",
            base_url=url,
            session=session,
            headers={"X-Team": CANARY},
            app_info="acme-bot/2.1",
        ) as bitpeak,
    ):
        await bitpeak.notification_handlers.delete(7)
        derived = bitpeak.with_options(headers={"x-team": "ops", "X-Trace": "1"})
        await derived.notification_handlers.create("a", EmailSettings("a@example.com"))
        assert CANARY not in repr(vars(bitpeak)) + repr(vars(bitpeak.notification_handlers))
        if session is not None:
            await session.close()
    [plain, other] = [dict(line.split(": ", 1) for line in head[1:]) for head in heads]
    assert CANARY == plain["X-Team"]
    assert plain["User-Agent"].startswith("acme-bot/2.1 bitpeak_async/")
    assert ("ops", "1", None) == (other["x-team"], other["X-Trace"], other.get("X-Team"))
    assert other["Content-Type"].startswith("multipart/form-data")
    assert "Bearer key" == plain["Authorization"] == other["Authorization"]


async def _requests(reader: asyncio.StreamReader) -> AsyncGenerator[list[str], None]:
    """Yield the lines of each request's head."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        lines = head.decode().splitlines()[:-1]
        length = [int(line.split(": ")[1]) for line in lines if line.startswith("Content-Length")]
        await reader.readexactly(sum(length))
        yield lines
