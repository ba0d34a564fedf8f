"""A real server for every test that talks to one."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bitpeak_async import BitPeak, Retry
from bitpeak_async.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own settings out."""
    for name in ("API_KEY", "BASE_URL"):
        monkeypatch.delenv(f"BITPEAK_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A BitPeak that speaks as documented."""
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def connect() -> Callable[..., BitPeak]:
    """Make a client of a sandbox that retries without waiting."""

    def connect(sandbox: Sandbox, **options: Any) -> BitPeak:
        options = {"retry": Retry(base_delay=0, settle=0, sweep=0), **options}
        return BitPeak(sandbox.api_key, base_url=sandbox.base_url, **options)

    return connect


@pytest.fixture
async def bitpeak(sandbox: Sandbox, connect: Callable[..., BitPeak]) -> AsyncIterator[BitPeak]:
    """A client of ``sandbox``."""
    async with connect(sandbox) as bitpeak:
        yield bitpeak
