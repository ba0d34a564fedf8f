"""The rate as a client's user meets it, over real sockets."""

import asyncio
from collections.abc import Callable

import pytest

from bitpeak_async import BitPeak, EmailSettings, RateLimitError, Retry
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
        with pytest.raises(RateLimitError, match="no request was sent"):
            await handlers.list()
        assert sent == len(sandbox.requests) <= 20
    assert {RateLimitError} == {type(error) for error in errors}
    assert {"the server has refused every request for 1 s (429)"} == {
        str(error).partition(";")[0] for error in errors
    }


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
