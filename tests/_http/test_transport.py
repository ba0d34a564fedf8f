"""The attempt loop over real sockets: retries, unknown outcomes, caps, deadlines, cancelling."""

import asyncio
import gzip
import socket
from functools import cache

import aiohttp
import pytest
import virtual_time
from builders import Connect

from bitpeak_async import (
    AuthenticationError,
    BitPeak,
    ClosedError,
    ConfigurationError,
    EmailSettings,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    Pace,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReplyError,
    RequestTimeoutError,
    Retry,
    ServerError,
    Timeout,
    TransportError,
)
from bitpeak_async._http import session
from bitpeak_async.sandbox import Dialect, Fault, Sandbox

CANARY = "canary-4711"
EMAIL = EmailSettings("a@example.com")


@pytest.fixture(autouse=True, params=["lean", "session"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send requests by the connector alone, and by ``ClientSession.request``."""
    if request.param == "session":
        monkeypatch.setattr(session, "_REQUEST", None)


UNUSABLE_REPLIES = {
    "HTML": (Fault(body=b"<html>Just a moment...</html>"), "not JSON"),
    "empty": (Fault(body=b""), "an empty body"),
    "blank": (Fault(body=b" \n"), "an empty body"),
    "an array": (Fault(body=b"[1, 2]"), "expected an object, got an array"),
    "wrong shape": (Fault(body=b'{"data": {"name": 1}}'), r"\$\.data"),
    "invalid UTF-8": (Fault(body=b'{"data": "\xff"}'), "not JSON"),
    "cut off, without saying so": (Fault(body=b'{"data": {"id": 1'), "not JSON"),
}


@pytest.mark.parametrize(("fault", "problem"), UNUSABLE_REPLIES.values(), ids=UNUSABLE_REPLIES)
async def test_an_unusable_reply_is_a_typed_error(
    fault: Fault, problem: str, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(fault)
    with pytest.raises(ReplyError, match=f"get notification handler 1: .*{problem}") as caught:
        await bitpeak.notification_handlers.get(1)
    assert 200 == caught.value.status
    assert caught.value.path.startswith("$")
    assert 200 >= len(caught.value.excerpt)


@pytest.mark.parametrize("fault", [fault for fault, _ in UNUSABLE_REPLIES.values()])
async def test_an_unusable_reply_leaves_a_creates_outcome_unknown(
    fault: Fault, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await bitpeak.notification_handlers.create("a", EMAIL)
    assert isinstance(caught.value.__cause__, ReplyError)
    assert "a" == caught.value.name
    assert 1 == len(sandbox.requests)


async def test_a_reply_larger_than_the_cap_is_not_read(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(body=b" " * 300_000), times=None)
    async with connect(sandbox, max_reply_bytes=200_000) as bitpeak:
        with pytest.raises(ReplyError, match="larger than 200000 bytes"):
            await bitpeak.notification_handlers.get(1)


@cache
def gzip_bomb() -> bytes:
    return gzip.compress(bytes(200_000_000), compresslevel=9)


async def test_a_gzip_bomb_is_stopped_at_the_cap(sandbox: Sandbox, connect: Connect):
    """200 MB out of 200 kB."""
    sandbox.inject(Fault(body=gzip_bomb(), headers={"Content-Encoding": "gzip"}), times=None)
    async with connect(sandbox, max_reply_bytes=1_000_000) as bitpeak:
        with pytest.raises(ReplyError, match="larger than 1000000 bytes"):
            await bitpeak.notification_handlers.get(1)


async def test_broken_compression_is_a_transport_error(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault(body=b"not gzip", headers={"Content-Encoding": "gzip"}), times=None)
    with pytest.raises(TransportError):
        await bitpeak.notification_handlers.get(1)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.gateway_error(502),
        Fault.gateway_error(503),
        Fault(status=500),
        Fault(status=408),
        Fault(status=429),
        Fault.disconnect_before_commit(),
        Fault.disconnect_after_commit(),
        Fault.truncated_body(),
        Fault(delivery="reset"),
        Fault(delivery="stall"),
    ],
    ids=str,
)
async def test_reads_updates_and_deletes_are_repeated(
    fault: Fault, sandbox: Sandbox, connect: Connect
):
    sandbox.seed_handlers(2)
    quick = Timeout(total=0.3)
    async with connect(sandbox, timeout=quick) as bitpeak:
        handlers = bitpeak.notification_handlers
        sandbox.inject(fault, method="GET")
        assert 1 == (await handlers.get(1)).id
        sandbox.inject(fault, method="POST")
        await handlers.update(1, name="b")
        sandbox.inject(fault, method="DELETE")
        await handlers.delete(2)
    assert ["b"] == [handler["name"] for handler in sandbox.handlers]


async def test_a_delete_of_nothing_is_not_found(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault(status=429))
    with pytest.raises(NotFoundError):
        await bitpeak.notification_handlers.delete(7)


@pytest.mark.parametrize("status", [429, 521, 523, 525, 526])
async def test_a_create_is_repeated_where_the_server_never_saw_it(
    status: int, sandbox: Sandbox, bitpeak: BitPeak
):
    sandbox.inject(Fault(status=status), times=2)
    assert 1 == await bitpeak.notification_handlers.create("a", EMAIL)
    assert 3 == len(sandbox.requests)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.gateway_error(500),
        Fault.gateway_error(502, commits=True),
        Fault.gateway_error(503, retry_after="0"),
        Fault.gateway_error(520),
        Fault.gateway_error(522),
        Fault.gateway_error(524),
        Fault.disconnect_before_commit(),
        Fault.disconnect_after_commit(),
        Fault.truncated_body(),
        Fault(delivery="reset"),
        Fault(delivery="stall", commits=True),
    ],
    ids=str,
)
async def test_a_create_is_never_sent_twice_blindly(
    fault: Fault, sandbox: Sandbox, connect: Connect
):
    sandbox.inject(fault)
    total = 1.0 if fault.delivery == "stall" else 30.0
    async with connect(sandbox, timeout=Timeout(total=total)) as bitpeak:
        with pytest.raises(OutcomeUnknownError, match=r"create .* 'a': .*unknown whether .*: find"):
            await bitpeak.notification_handlers.create("a", EMAIL)
    assert 1 == len(sandbox.requests)


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault.odd_status(status, commits=True) for status in ("000", "099", "101", "600", "999")),
        *(Fault.gateway_error(status, commits=True) for status in (408, 425)),
    ],
    ids=lambda fault: str(fault.status),
)
async def test_no_status_but_a_clear_refusal_proves_that_a_create_was_not_executed(
    fault: Fault, sandbox: Sandbox, connect: Connect
):
    sandbox.inject(fault)
    async with connect(sandbox) as bitpeak:
        with pytest.raises(OutcomeUnknownError):
            await bitpeak.notification_handlers.create("a", EMAIL)
    assert (1, 1) == (len(sandbox.requests), len(sandbox.handlers))


@pytest.mark.parametrize("own", [True, False], ids=["own session", "given session"])
async def test_an_unsolicited_reply_is_not_taken_for_that_to_the_next_request(
    own: bool, sandbox: Sandbox
):
    sandbox.inject(Fault.unsolicited_response('{"data":{"id":77}}', interval=0))
    async with aiohttp.ClientSession() as session:
        given = None if own else session
        async with BitPeak(sandbox.api_key, base_url=sandbox.base_url, session=given) as bitpeak:
            await bitpeak.notification_handlers.list()
            await sandbox.settled()
            await asyncio.sleep(0.05)  # until it has come through the socket
            assert 1 == await bitpeak.notification_handlers.create("a", EMAIL)
    assert [1] == [handler["id"] for handler in sandbox.handlers]


async def passes_on(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    return await handler(request)


@pytest.mark.parametrize("middlewares", [(), (passes_on,)], ids=["none", "one"])
async def test_a_delete_that_a_given_session_repeats_has_deleted(middlewares, sandbox: Sandbox):
    """The session repeats it by itself, if the server drops the connection that it kept."""
    sandbox.seed_handlers(1)
    async with (
        aiohttp.ClientSession(middlewares=middlewares) as session,
        BitPeak(
            sandbox.api_key, base_url=sandbox.base_url, session=session, retry=Retry(attempts=1)
        ) as bitpeak,
    ):
        await bitpeak.notification_handlers.get(1)
        sandbox.inject(Fault.disconnect_after_commit(), method="DELETE")
        await bitpeak.notification_handlers.delete(1)
    assert (1, 1) == (sandbox.counts["DELETE", None], sandbox.counts["DELETE", 404])


async def test_a_401_with_a_reason_to_a_create_is_no_bad_key_once_the_key_has_worked():
    async with (
        Sandbox(dialect=Dialect(max_handlers=1)) as sandbox,
        BitPeak(sandbox.api_key, base_url=sandbox.base_url) as bitpeak,
    ):
        await bitpeak.notification_handlers.create("a", EMAIL)
        with pytest.raises(PermissionDeniedError, match=r"create .* 'b': 401 ") as caught:
            await bitpeak.notification_handlers.create("b", EMAIL)
        assert 401 == caught.value.status
        assert caught.value.title


async def test_a_refused_connection_is_retried_and_then_not_sent(connect: Connect):
    async with Sandbox() as sandbox:
        base_url = sandbox.base_url
    async with BitPeak("key", base_url=base_url, retry=Retry(attempts=3, base_delay=0)) as bitpeak:
        with pytest.raises(
            NotSentError, match=r"ClientConnectorError .*; the request was not sent"
        ) as caught:
            await bitpeak.notification_handlers.create("a", EMAIL)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_errors_that_will_not_change_are_not_retried(sandbox: Sandbox):
    async with BitPeak("wrong-key", base_url=sandbox.base_url) as bitpeak:
        with pytest.raises(AuthenticationError, match="401"):
            await bitpeak.notification_handlers.list()
    assert 1 == len(sandbox.requests)


async def test_attempts_end(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault.gateway_error(502), times=None)
    async with connect(sandbox, retry=Retry(attempts=3, base_delay=0)) as bitpeak:
        with pytest.raises(ServerError, match="502"):
            await bitpeak.notification_handlers.list()
    assert 3 == len(sandbox.requests)


async def test_throttled_attempts_end_too(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(status=429, headers={"Retry-After": "0.01"}), times=None)
    async with connect(sandbox, retry=Retry(throttled_attempts=4)) as bitpeak:
        with pytest.raises(RateLimitError) as caught:
            await bitpeak.notification_handlers.list()
    assert 0.01 == caught.value.retry_after
    assert 4 == len(sandbox.requests)


async def test_redirects_are_refused_and_the_key_stays_home(sandbox: Sandbox, connect: Connect):
    async with Sandbox(api_key=CANARY) as elsewhere:
        sandbox.inject(Fault.redirect(elsewhere.base_url + "/notification-handlers"), times=None)
        async with connect(sandbox) as bitpeak:
            with pytest.raises(RedirectError, match="301"):
                await bitpeak.notification_handlers.list()
            with pytest.raises(RedirectError):
                await bitpeak.notification_handlers.create("a", EMAIL)
        assert 0 == len(elsewhere.requests)


async def test_a_slow_body_ends_at_the_total_timeout(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault.slow_body(0.05), times=None)
    once = Retry(attempts=1)
    async with connect(sandbox, timeout=Timeout(total=0.2), retry=once) as bitpeak:
        with pytest.raises(RequestTimeoutError, match="no complete reply in time"):
            await bitpeak.notification_handlers.list()


async def test_the_deadline_bounds_all_attempts_and_waits(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(delivery="stall"), times=None)
    async with connect(sandbox, timeout=Timeout(total=0.05)) as bitpeak:
        hasty = bitpeak.with_options(deadline=0.12)
        with pytest.raises(RequestTimeoutError, match=r"deadline of 0.12 s \(\d attempts failed\)"):
            await hasty.notification_handlers.list()


async def test_a_create_under_way_at_its_deadline_is_unknown(sandbox: Sandbox, bitpeak: BitPeak):
    sandbox.inject(Fault(delivery="stall"), times=None)
    with pytest.raises(OutcomeUnknownError, match="deadline"):
        await bitpeak.with_options(deadline=0.05).notification_handlers.create("a", EMAIL)


async def test_a_create_still_waiting_at_its_deadline_was_not_sent(
    sandbox: Sandbox, connect: Connect
):
    sandbox.inject(Fault(delivery="stall"), method="GET")
    async with connect(sandbox, pace=Pace(in_flight=1)) as bitpeak:
        blocker = asyncio.create_task(bitpeak.notification_handlers.list())
        while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        with pytest.raises(RequestTimeoutError, match="deadline"):
            await bitpeak.with_options(deadline=0.05).notification_handlers.create("a", EMAIL)
        blocker.cancel()
        await asyncio.gather(blocker, return_exceptions=True)
    assert 1 == len(sandbox.requests)


async def test_a_deadline_that_is_met_changes_nothing(sandbox: Sandbox, bitpeak: BitPeak):
    patient = bitpeak.with_options(deadline=30).notification_handlers
    assert 1 == await patient.create("a", EMAIL)
    with pytest.raises(NotFoundError):
        await patient.get(7)


async def test_an_attempts_own_timeout_is_not_the_deadlines(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(delivery="stall"), times=None)
    once = Retry(attempts=1)
    async with connect(sandbox, timeout=Timeout(total=0.05), retry=once) as bitpeak:
        with pytest.raises(RequestTimeoutError, match="no complete reply in time"):
            await bitpeak.with_options(deadline=30).notification_handlers.list()


def test_a_timeout_while_connecting_is_a_request_never_sent():
    options = {"timeout": Timeout(total=0.2, connect=10), "retry": Retry(attempts=1)}

    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            base_url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            async with BitPeak("k" * 20, base_url=base_url, **options) as bitpeak:
                with pytest.raises(NotSentError, match="ConnectionTimeoutError"):
                    await bitpeak.notification_handlers.create("a", EMAIL)

    virtual_time.run(scene())  # else a busy machine reaches the total before it looks again


async def test_cancelling_leaves_no_slot_taken(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(delivery="stall"), times=8)
    async with connect(sandbox, pace=Pace(in_flight=2)) as bitpeak:
        tasks = [asyncio.create_task(bitpeak.notification_handlers.list()) for _ in range(8)]
        while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [asyncio.CancelledError] * 8 == [type(result) for result in results]
        sandbox.clear_faults()
        assert 0 == len(await bitpeak.notification_handlers.list())
        assert 2 == bitpeak._transport.lifecycle.open().limiter._free


async def test_closing_ends_what_is_under_way(sandbox: Sandbox, connect: Connect):
    sandbox.inject(Fault(delivery="stall"), times=None)
    bitpeak = connect(sandbox)
    call = asyncio.create_task(bitpeak.notification_handlers.list())
    while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event for it
        await asyncio.sleep(0.001)
    await bitpeak.close()
    with pytest.raises((TransportError, ClosedError)):
        await asyncio.wait_for(call, 5)


async def test_no_error_holds_the_key(sandbox: Sandbox):
    """Neither in its text nor in anything it carries."""
    sandbox.api_key = CANARY
    faults = [
        Fault(status=500),
        Fault(body=CANARY.encode()),
        Fault(status=403, body=CANARY.encode()),
    ]
    faults += [Fault(delivery="reset"), Fault(body=b'{"errors": "key ' + CANARY.encode() + b'"}')]
    async with BitPeak(CANARY, base_url=sandbox.base_url, retry=Retry(attempts=1)) as bitpeak:
        for fault in faults:
            sandbox.clear_faults()
            sandbox.inject(fault, times=None)
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
                await bitpeak.notification_handlers.get(1)
            error: BaseException | None = caught.value
            while error is not None:
                assert CANARY not in f"{error} {error!r} {vars(error)}"
                error = error.__cause__ or error.__context__


def test_an_aiohttp_session_must_be_one():
    with pytest.raises(ConfigurationError):
        BitPeak("key", session=object())
