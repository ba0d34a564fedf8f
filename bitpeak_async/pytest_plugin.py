"""The pytest plugin: an embedded BitPeak, clients of it, and faults by a marker.

pytest loads this in every run where the package is installed, so nothing of the SDK is imported
before a test uses a fixture.
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
_AT_ONCE: Final = {"base_delay": 0, "unknown_outcome_delay": 0, "duplicate_check_delay": 0}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, so that ``--strict-markers`` knows it."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(fault, *, method=None, path=None, when=None, times=1, after=0, "
        "probability=1.0): let requests to bitpeak_sandbox meet a fault, as Sandbox.inject does",
    )


@pytest.fixture
def bitpeak_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An embedded BitPeak server in a thread of its own, with the faults of the test's markers."""
    from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - only tests that use it pay for it

    with Sandbox() as sandbox:
        for mark in request.node.iter_markers(_MARKER):
            _inject(sandbox, mark)
        yield sandbox


@pytest.fixture
def bitpeak(bitpeak_sandbox: Sandbox) -> Iterator[BitPeak]:
    """An asynchronous client of ``bitpeak_sandbox`` that retries without waiting.

    It needs no plugin for asynchronous tests and works with each: it belongs to the event loop
    that uses it first, and is closed when that ends or the test does.
    """
    from bitpeak_async import BitPeak, Retry  # noqa: PLC0415

    ending = _Ending()
    client = BitPeak(
        bitpeak_sandbox.api_key,
        base_url=bitpeak_sandbox.base_url,
        retry=Retry(**_AT_ONCE),
        hooks=[ending.notice],
    )
    ending.client = client
    yield client
    ending.come()


@pytest.fixture
def sync_bitpeak(bitpeak_sandbox: Sandbox) -> Iterator[SyncBitPeak]:
    """A synchronous client of ``bitpeak_sandbox`` that retries without waiting."""
    from bitpeak_async import Retry, SyncBitPeak  # noqa: PLC0415

    key, url = bitpeak_sandbox.api_key, bitpeak_sandbox.base_url
    with SyncBitPeak(key, base_url=url, retry=Retry(**_AT_ONCE)) as client:
        yield client


def _inject(sandbox: Sandbox, mark: pytest.Mark) -> None:
    try:
        sandbox.inject(*mark.args, **mark.kwargs)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(
            f"@pytest.mark.{_MARKER} takes a Fault and the keywords of Sandbox.inject: "
            f"{error.args[0]}"
        ) from error


class _Ending:
    """Closes a client in the loop that used it: at the end of that loop or, before, of the test.

    Connections can only be closed by their loop while that is open. Which one it is, the client's
    events tell. When it ends, and ``asyncio.run`` and all plugins for asynchronous tests agree
    here, it closes the asynchronous generators begun in it: this one closes the client.
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

    def notice(self, _: Event) -> None:
        """Begin the generator in the running loop, with the first request."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            with suppress(StopIteration):  # at its yield
                anext(self._guard).send(None)

    def come(self) -> None:
        """Close the client, unless its loop did."""
        loop = self._loop
        if loop is None or loop.is_closed():
            with suppress(StopIteration):  # at once, for there are no connections to wait for
                self._close().send(None)
        elif not loop.is_running():
            loop.run_until_complete(self._close())
        elif self._thread != threading.get_ident():
            asyncio.run_coroutine_threadsafe(self._close(), loop).result()
