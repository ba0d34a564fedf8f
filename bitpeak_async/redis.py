"""A pace store on Redis: all processes that use a key share one pace, through ``limits``."""

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

_CONNECT: Final = 0.5  # seconds


class RedisPaceStore:
    """Lets all processes that are given it share the pace of a key: ``BitPeak(pace_store=)``.

    It is not connected before the first request, and each client or fleet has connections of its
    own, so one store may serve any number of them, of event loops and of forked processes. Redis
    sees a digest of base URL and key, counters that expire within a day, and nothing else.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user and password if need be:
            ``redis://user:password@redis.example:6379/0``.

    Raises:
        ConfigurationError: the URL is unusable.
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
        """Yield the counters to one event loop."""
        pool = ConnectionPool.from_url(
            self._url.value,
            socket_connect_timeout=_CONNECT,
            retry=Retry(NoBackoff(), 1),  # of a connection dropped while idle
        )
        options: dict[str, Any] = {"connection_pool": pool}  # which its types leave out
        try:
            yield RedisStorage(
                "async+redis://", implementation="redispy", key_prefix="bitpeak", **options
            )
        finally:
            await pool.disconnect()

    def __reduce__(self) -> tuple[type[RedisPaceStore], tuple[str]]:
        return type(self), (self._url.value,)  # it travels to workers, password included

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
