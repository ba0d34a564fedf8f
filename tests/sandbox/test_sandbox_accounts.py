"""Several keys in one sandbox: handlers, limits and faults of each."""

import pytest

from bitpeak_async import BitPeak, EmailSettings, NotFoundError, RateLimitError, Retry, ServerError
from bitpeak_async.sandbox import Fault, FixedWindow, Sandbox

EMAIL = EmailSettings("hey@example.com")


def connect(sandbox: Sandbox, key: str) -> BitPeak:
    return BitPeak(key, base_url=sandbox.base_url, retry=Retry(attempts=1, throttled_attempts=1))


def names(handlers) -> list[str]:
    return [handler["name"] for handler in handlers]


async def test_each_key_has_its_own_handlers():
    async with (
        Sandbox("a", api_keys=["b"]) as sandbox,
        connect(sandbox, "a") as first,
        connect(sandbox, "b") as second,
    ):
        handler_id = await first.notification_handlers.create("of a", EMAIL)
        await second.notification_handlers.create("of b", EMAIL)
        page = await second.notification_handlers.list()
        assert (1, ["of b"]) == (page.meta.total, [handler.name for handler in page])
        for call in (second.notification_handlers.get, second.notification_handlers.delete):
            with pytest.raises(NotFoundError):
                await call(handler_id)
        assert (["of a"], ["of b"]) == (
            names(sandbox.handlers_of("a")),
            names(sandbox.handlers_of("b")),
        )
        assert ["of a", "of b"] == names(sandbox.handlers)


async def test_handlers_can_be_added_for_a_key():
    async with Sandbox("a", api_keys=["b"]) as sandbox:
        sandbox.add(name="x", type="email", settings={"email": "x@example.com"}, api_key="b")
        sandbox.seed_handlers(1)
        assert (["x"], ["Handler 1"]) == (
            names(sandbox.handlers_of("b")),
            names(sandbox.handlers_of("a")),
        )
        with pytest.raises(ValueError, match="unknown API key"):
            sandbox.handlers_of("c")


async def test_a_limit_counts_the_requests_of_each_key():
    async with (
        Sandbox("a", api_keys=["b"], limit=FixedWindow(1, 3600)) as sandbox,
        connect(sandbox, "a") as first,
        connect(sandbox, "b") as second,
    ):
        for client in (first, second):
            await client.notification_handlers.list()
            with pytest.raises(RateLimitError):
                await client.notification_handlers.list()


async def test_a_fault_can_be_for_one_key():
    async with (
        Sandbox("a", api_keys=["b"]) as sandbox,
        connect(sandbox, "a") as first,
        connect(sandbox, "b") as second,
    ):
        injection = sandbox.inject(Fault.gateway_error(), api_key="b", times=None)
        await first.notification_handlers.list()
        with pytest.raises(ServerError):
            await second.notification_handlers.list()
        assert 1 == injection.fired
        assert "'b'" not in repr(injection)
