"""The pytest plugin: an embedded BitPeak server, clients for it, and a marker for faults.

pytest loads this module in every run once the package is installed, so it imports nothing of the
SDK until a test uses a fixture.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from bitpeak_async._http.lifecycle import NewLimiter
    from bitpeak_async._rate.factory import LimiterFactory
    from bitpeak_async.client import BitPeak
    from bitpeak_async.events import Event, Hook
    from bitpeak_async.sandbox import Sandbox
    from bitpeak_async.sync import SyncBitPeak

__all__ = ["bitpeak", "bitpeak_sandbox", "sync_bitpeak"]

_MARKER: Final = "bitpeak_fault"
_NO_DELAYS: Final = {"base_delay": 0, "unknown_outcome_delay": 0, "duplicate_check_delay": 0}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for ``--strict-markers``."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(fault, *, method=None, path=None, when=None, times=1, after=0, "
        "probability=1.0): inject a fault into bitpeak_sandbox; see Sandbox.inject",
    )


@pytest.fixture
def bitpeak_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An embedded BitPeak server in its own thread, with the faults of the test's markers."""
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - slow to import

    with Sandbox() as sandbox:
        for mark in request.node.iter_markers(_MARKER):
            _inject(sandbox, mark)
        yield sandbox


@pytest.fixture
def bitpeak(bitpeak_sandbox: Sandbox) -> Iterator[BitPeak]:
    """An asynchronous client of ``bitpeak_sandbox`` without delays.

    It retries immediately and skips the pauses of the rate.

    It works with any plugin for asynchronous tests, or without one: the client belongs to the
    event loop that uses it first, and is closed when that loop or the test ends.
    """
    closer = _Closer()
    closer.client = _client(bitpeak_sandbox, closer.watch_loop)
    yield closer.client
    closer.close()


@pytest.fixture
def sync_bitpeak(bitpeak_sandbox: Sandbox) -> Iterator[SyncBitPeak]:
    """A synchronous client of ``bitpeak_sandbox`` without delays, as ``bitpeak`` is."""
    from bitpeak_async.sync.client import sync_client_over  # noqa: PLC0415 - slow to import

    with sync_client_over(_client(bitpeak_sandbox)) as client:
        yield client


def _client(sandbox: Sandbox, *hooks: Hook) -> BitPeak:
    """Return a client that retries immediately and pauses in virtual time.

    While no request is in flight, the clocks of the client and the sandbox skip the pauses of the
    rate: a 429, ``Retry-After`` or the sandbox's own limit.
    """
    from bitpeak_async import Retry  # noqa: PLC0415 - slow to import
    from bitpeak_async._http.network import SessionNetwork  # noqa: PLC0415 - the same
    from bitpeak_async._rate.limiter import Limiter  # noqa: PLC0415 - the same
    from bitpeak_async.client import client_over  # noqa: PLC0415 - the same

    skipped = 0.0

    class JumpingLimiter(Limiter):
        def _look_later(self, loop: asyncio.AbstractEventLoop, delay: float) -> asyncio.TimerHandle:
            nonlocal skipped
            if self.lease.under_way:  # its reply may change everything
                return super()._look_later(loop, delay)
            skipped += delay
            sandbox.skip(delay)
            return super()._look_later(loop, 0)

    class JumpingNetwork(SessionNetwork):
        def new_limiter(self, limiters: LimiterFactory) -> NewLimiter:
            return lambda clock, slots: limiters.make(
                lambda: clock() + skipped, slots, limiter=JumpingLimiter
            )

    return client_over(
        JumpingNetwork(),
        sandbox.api_key,
        base_url=sandbox.base_url,
        retry=Retry(**_NO_DELAYS),
        hooks=hooks,
    )


def _inject(sandbox: Sandbox, mark: pytest.Mark) -> None:
    try:
        sandbox.inject(*mark.args, **mark.kwargs)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(
            f"@pytest.mark.{_MARKER} takes a Fault and the keywords of Sandbox.inject: "
            f"{error.args[0]}"
        ) from error


class _Closer:
    """Closes a client in the loop that used it, when that loop or the test ends.

    Only their own loop can close connections, while it is open. The client's events reveal that
    loop. ``asyncio.run`` and all plugins for asynchronous tests close the asynchronous generators
    of a loop that ends, so a generator started in it can close the client.
    """

    client: BitPeak

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._guard = self._until_closed()

    async def _until_closed(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.close()

    async def _close(self) -> None:
        await self._guard.aclose()
        await self.client.close()

    def watch_loop(self, _: Event) -> None:
        """Start the generator in the running loop, at the first event."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            with suppress(StopIteration):  # raised at the yield
                anext(self._guard).send(None)

    def close(self) -> None:
        """Close the client, unless its loop has closed it."""
        loop = self._loop
        if loop is None or loop.is_closed():
            with suppress(StopIteration):  # without connections it never waits
                self._close().send(None)
        elif not loop.is_running():
            loop.run_until_complete(self._close())
        elif self._thread != threading.get_ident():
            asyncio.run_coroutine_threadsafe(self._close(), loop).result()
