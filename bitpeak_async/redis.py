"""A pace store on Redis: all processes that use a key share one pace, by ``limits``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from bitpeak_async._rate.store import PaceCounters
from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import ConfigurationError

try:
    from limits.aio.storage import RedisStorage
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
except ModuleNotFoundError as _error:
    raise ConfigurationError(
        "a pace store on Redis needs limits and redis: install bitpeak_async[redis]"
    ) from _error

__all__ = ["RedisPaceStore"]

_CONNECT_TIMEOUT: Final = 0.5  # seconds


class RedisPaceStore:
    """Shares the pace of a key among processes: ``BitPeak(pace_store=)``.

    It connects at the first request, and each client or fleet opens its own connections. One
    store may therefore serve any number of clients, event loops and forked processes. Redis holds
    only counters, which expire within a day, under a digest of base URL and key.

    A store pickles with its URL, password included.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``; it may hold user and password:
            ``redis://user:password@redis.example:6379/0``.

    Raises:
        ConfigurationError: the URL is invalid.
    """

    @hides("url")
    def __init__(self, url: str) -> None:
        self._url = Secret.of(url)
        if not _is_usable(self._url):
            raise ConfigurationError(
                "the URL of a pace store must be such as 'redis://localhost:6379/0', "
                "'rediss://…' or 'unix://…'"
            )

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[PaceCounters, None]:
        """Yield the counters for one event loop."""
        pool = ConnectionPool.from_url(
            self._url.value,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # for a connection dropped while idle
        )
        options: dict[str, Any] = {"connection_pool": pool}  # missing in the types of limits
        try:
            yield RedisStorage(
                "async+redis://", implementation="redispy", key_prefix="bitpeak", **options
            )
        finally:
            await pool.disconnect()

    def __reduce__(self) -> tuple[type[RedisPaceStore], tuple[str]]:
        return type(self), (self._url.value,)

    def __repr__(self) -> str:
        if not hasattr(self, "_url"):
            return "RedisPaceStore()"
        parts = urlsplit(self._url.value)
        host = parts.netloc.rpartition("@")[2]
        return f"RedisPaceStore('{parts.scheme}://{host}{parts.path}')"


def _is_usable(url: Secret[str]) -> bool:
    if not isinstance(url.value, str):
        return False
    try:
        ConnectionPool.from_url(url.value)
    except ValueError:
        return False
    return True
