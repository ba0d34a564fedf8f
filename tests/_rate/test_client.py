"""The rate as a client's user meets it, over real sockets."""

import asyncio
import math
from collections.abc import Callable

import pytest

from bitpeak_async import (
    BitPeak,
    EmailSettings,
    Pace,
    RateLimitError,
    RateSnapshot,
    Retry,
    SyncBitPeak,
)
from bitpeak_async.sandbox import FixedWindow, Sandbox

EMAIL = EmailSettings("a@example.com")


async def test_a_server_that_refuses_everything_is_given_up(connect: Callable[..., BitPeak]):
    """In one error for each waiting call, without further requests."""
    async with (
        Sandbox(limit=FixedWindow(0, 3600.0)) as sandbox,
        connect(sandbox, retry=Retry(give_up_after=0.5, throttled_attempts=100)) as bitpeak,
    ):
        handlers = bitpeak.notification_handlers
        errors = await asyncio.gather(
            *(handlers.create(f"n{i}", EMAIL) for i in range(40)), return_exceptions=True
        )
        sent = len(sandbox.requests)
        with pytest.raises(RateLimitError, match="this attempt was not sent"):
            await handlers.list()
        assert sent == len(sandbox.requests) <= 20
    assert {RateLimitError} == {type(error) for error in errors}
    assert {
        "the server has refused every request for 1 s (429), longer than Retry(give_up_after=0.5)"
    } == {str(error).partition(";")[0] for error in errors}


async def test_a_snapshot_has_rate_pause_and_waiting_requests(
    connect: Callable[..., BitPeak],
):
    limit = FixedWindow(3, 3600.0, announce="retry_after")
    pace = Pace(in_flight=2, requests_per_minute=60_000)
    async with Sandbox(limit=limit) as sandbox, connect(sandbox, pace=pace) as bitpeak:
        for _ in range(3):
            await bitpeak.notification_handlers.list()
        assert RateSnapshot(rate=1000.0) == bitpeak.rate
        tasks = [asyncio.create_task(bitpeak.notification_handlers.list()) for _ in range(5)]
        await asyncio.sleep(0)
        assert (2, 3) == (bitpeak.rate.in_flight, bitpeak.rate.waiting)
        while not bitpeak.rate.paused_for:  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.001)
        assert 50 < bitpeak.rate.paused_for <= 60
        while bitpeak.rate.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert 5 == bitpeak.with_options(deadline=1).rate.waiting
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert 0 == bitpeak.rate.waiting


def test_any_thread_may_ask_a_synchronous_client_for_its_rate(threaded_sandbox: Sandbox):
    key, url = threaded_sandbox.api_key, threaded_sandbox.base_url
    with SyncBitPeak(key, base_url=url, pace=Pace(requests_per_minute=600)) as bitpeak:
        assert RateSnapshot(rate=math.inf) == bitpeak.rate, "before the first call"
        bitpeak.notification_handlers.list()
        assert RateSnapshot(rate=10.0) == bitpeak.rate


async def test_two_clients_of_one_key_share_a_pause(connect: Callable[..., BitPeak]):
    limit = FixedWindow(3, 1.0, announce="retry_after")
    async with (
        Sandbox(limit=limit) as sandbox,
        connect(sandbox) as first,
        connect(sandbox) as second,
    ):
        for _ in range(4):
            await first.notification_handlers.list()
        before = len(sandbox.requests)
        await second.notification_handlers.list()
    assert 1 == sum(request.status == 429 for request in sandbox.requests)
    assert before + 1 == len(sandbox.requests)
