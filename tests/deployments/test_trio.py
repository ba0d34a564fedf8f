"""Calls inside the event loop of trio."""

from __future__ import annotations

import pytest
import trio

from bitpeak_async import BitPeak, ConfigurationError, SyncBitPeak
from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments


def test_awaiting_a_client_says_that_it_runs_on_asyncio():
    async def main() -> None:
        await BitPeak("key").notification_handlers.get(1)

    with pytest.raises(ConfigurationError, match="BitPeak runs on asyncio, not on trio"):
        trio.run(main)


def test_entering_a_client_says_that_it_runs_on_asyncio():
    async def main() -> None:
        async with BitPeak("key"):
            pass

    with pytest.raises(ConfigurationError, match="BitPeak runs on asyncio, not on trio"):
        trio.run(main)


def test_the_synchronous_client_works_in_a_thread_of_trio(threaded_sandbox: Sandbox):
    threaded_sandbox.seed_handlers(3)

    async def main() -> int:
        with SyncBitPeak(threaded_sandbox.api_key, base_url=threaded_sandbox.base_url) as bitpeak:
            page = await trio.to_thread.run_sync(bitpeak.notification_handlers.list)
            assert page == bitpeak.notification_handlers.list()
            return page.meta.total

    assert 3 == trio.run(main)
