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
    from bitpeak_async.client import BitPeak
    from bitpeak_async.events import Event
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
    """An asynchronous client of ``bitpeak_sandbox`` that retries without waiting.

    It works with any plugin for asynchronous tests, or without one: the client belongs to the
    event loop that uses it first, and is closed when that loop or the test ends.
    """
    from bitpeak_async import BitPeak, Retry  # noqa: PLC0415

    closer = _Closer()
    client = BitPeak(
        bitpeak_sandbox.api_key,
        base_url=bitpeak_sandbox.base_url,
        retry=Retry(**_NO_DELAYS),
        hooks=[closer.watch_loop],
    )
    closer.client = client
    yield client
    closer.close()


@pytest.fixture
def sync_bitpeak(bitpeak_sandbox: Sandbox) -> Iterator[SyncBitPeak]:
    """A synchronous client of ``bitpeak_sandbox`` that retries without waiting."""
    from bitpeak_async import Retry, SyncBitPeak  # noqa: PLC0415

    key, url = bitpeak_sandbox.api_key, bitpeak_sandbox.base_url
    with SyncBitPeak(key, base_url=url, retry=Retry(**_NO_DELAYS)) as client:
        yield client


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
