"""The protocol of a store that shares rates."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bitpeak_async.errors import ConfigurationError


class RateStore(Protocol):
    """Keeps one small record for each key, and has a clock.

    Any exception means that the store is unavailable for now. A store serves any number of
    clients and event loops, one after the other or at once.
    """

    def connect(self) -> AbstractAsyncContextManager[object]:
        """Hold connections for the running event loop; entered as often as there are users."""
        ...

    async def read(self, place: str) -> tuple[float, bytes]:
        """Return the store's time in seconds, and the record of a place or ``b""``."""
        ...

    async def swap(self, place: str, seen: bytes, new: bytes) -> tuple[float, bytes | None]:
        """Replace a record if it is still the one that was seen; do so atomically.

        Args:
            place: names the record.
            seen: the record as it was last seen; ``b""`` for none.
            new: the record to keep from now on; it may be forgotten after a day.

        Returns:
            The store's time in seconds, and None if the record was replaced, else the record
            that is kept in its place.
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
