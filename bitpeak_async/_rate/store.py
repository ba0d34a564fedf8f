"""The protocol of a store that shares rates."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bitpeak_async.errors import ConfigurationError


class RateStore(Protocol):
    """Keeps one small record per key, and has a clock.

    Any exception means that the store is unavailable. A store serves any number of clients and
    event loops, also concurrently.
    """

    def connect(self) -> AbstractAsyncContextManager[object]:
        """Return a context manager that holds connections for the running event loop.

        Several may be open at once.
        """
        ...

    async def read(self, place: str) -> tuple[float, bytes]:
        """Return the store's time in seconds, and the record at ``place``, or ``b""``."""
        ...

    async def swap(self, place: str, seen: bytes, new: bytes) -> tuple[float, bytes | None]:
        """Replace a record atomically, if it has not changed since it was read.

        Args:
            place: the name of the record.
            seen: the record as last read; ``b""`` for none.
            new: the new record; the store may drop it after a day.

        Returns:
            The store's time in seconds, and None if the record was replaced, else the current
            record.
        """
        ...


def check_store(store: object) -> None:
    """Raise ConfigurationError unless a store is None or has the methods of ``RateStore``."""
    names = ("connect", "read", "swap")
    is_store = all(callable(getattr(store, name, None)) for name in names)
    if store is not None and (not is_store or isinstance(store, type)):
        raise ConfigurationError(
            f"pace_store must be a store such as RedisPaceStore, not {type(store).__name__}"
        )
