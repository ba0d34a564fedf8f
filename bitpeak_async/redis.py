"""A store on Redis: all processes that use a key share one rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import ConfigurationError

try:
    from redis.asyncio import ConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import AskError, ClusterError, ResponseError
except ModuleNotFoundError as _error:
    raise ConfigurationError(
        "a pace store on Redis needs redis: install bitpeak_async[redis]"
    ) from _error

__all__ = ["RedisPaceStore"]

_CONNECT_TIMEOUT: Final = 0.5  # seconds
_ONE: Final = "(a pace store needs one primary at one address)"
_OF_A_CLUSTER: Final = "MOVED", "ASK", "CLUSTERDOWN"
_KEPT: Final = 86_400  # seconds until an unused record expires

# Compare and set, and return Redis' own time. An empty new record only reads.
_SWAP: Final = """
local time = redis.call('TIME')
local kept = redis.call('GET', KEYS[1]) or ''
if ARGV[2] ~= '' and kept == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return {time[1], time[2]}
end
return {time[1], time[2], kept}
"""


class _Connections:
    """The connections of one event loop, as long as there are users."""

    def __init__(self, url: str) -> None:
        self.users = 0
        self.pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # for a connection dropped while idle
        )
        self.swap = Redis(connection_pool=self.pool).register_script(_SWAP)


class RedisPaceStore:
    """Shares the pace of a key among processes: ``BitPeak(pace_store=)``.

    It connects at the first request; all its clients in an event loop share a few connections.
    One store may serve any number of clients, event loops and forked processes. Redis holds one
    small record per key, named by a digest of base URL and key. A record expires after a day.

    A store pickles with its URL, password included.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``; it may hold user and password:
            ``redis://user:password@redis.example:6379/0``. The address must be that of a
            primary: nodes of a Redis Cluster and Sentinels are refused.

    Raises:
        ConfigurationError: the URL is invalid.
    """

    @hides("url")
    def __init__(self, url: str) -> None:
        self._url = Secret.of(url)
        if not _is_usable(self._url):
            raise ConfigurationError(
                "the URL of a pace store must be like 'redis://localhost:6379/0', "
                "'rediss://…' or 'unix://…'"
            )
        self._connections = WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections]()

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[None, None]:
        """Hold connections for the running event loop until the last context exits."""
        loop = asyncio.get_running_loop()
        connections = self._connections.get(loop)
        if connections is None:
            connections = self._connections[loop] = _Connections(self._url.reveal())
        connections.users += 1
        try:
            yield
        finally:
            connections.users -= 1
            if not connections.users:
                del self._connections[loop]
                await connections.pool.disconnect()

    async def read(self, place: str) -> tuple[float, bytes]:
        """Return Redis' time, and the record with this name."""
        now, kept = await self.swap(place, b"", b"")
        return now, kept or b""

    async def swap(self, place: str, seen: bytes, new: bytes) -> tuple[float, bytes | None]:
        """Replace a record if it is still the one that was seen."""
        swap = self._connections[asyncio.get_running_loop()].swap
        try:
            reply: Any = await swap([f"bitpeak:{place}"], [seen, new, _KEPT])
        except ResponseError as error:
            # An AskError is MOVED, too; redis before 6 leaves the word of the server in the text.
            if isinstance(error, AskError | ClusterError) or str(error).startswith(_OF_A_CLUSTER):
                raise ConfigurationError(f"it is a node of a Redis Cluster {_ONE}") from None
            if "unknown command" in str(error):
                raise ConfigurationError(f"it runs no scripts, like a Sentinel {_ONE}") from None
            raise
        seconds, micros, *kept = reply
        return int(seconds) + int(micros) / 1e6, kept[0] if kept else None

    def __reduce__(self) -> tuple[type[RedisPaceStore], tuple[str]]:
        return type(self), (self._url.reveal(),)

    def __repr__(self) -> str:
        if not hasattr(self, "_url"):
            return "RedisPaceStore()"
        parts = urlsplit(self._url.reveal())
        host = parts.netloc.rpartition("@")[2]
        return f"RedisPaceStore('{parts.scheme}://{host}{parts.path}')"


def _is_usable(url: Secret[str]) -> bool:
    if not isinstance(url.reveal(), str):
        return False
    try:
        ConnectionPool.from_url(url.reveal())
    except ValueError:
        return False
    return True
