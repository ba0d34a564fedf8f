"""What a store of a shared pace has to be."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bitpeak_async.errors import ConfigurationError


class PaceCounters(Protocol):
    """Counters that expire: what each asynchronous storage of the ``limits`` library is.

    Whatever a method raises means that the store is lost for now.
    """

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter and return it; a new one expires after ``expiry`` seconds."""
        ...

    async def get(self, key: str) -> int:
        """Return a counter, or 0."""
        ...

    async def clear(self, key: str) -> None:
        """Forget a counter."""
        ...


class PaceStore(Protocol):
    """Leads to the counters that the processes of a key share."""

    def connect(self) -> AbstractAsyncContextManager[PaceCounters]:
        """Yield the counters to one event loop; what belongs to them is closed at the end."""
        ...


def check_store(store: object) -> None:
    """Raise ConfigurationError unless a pace store is None or can be connected to."""
    is_store = callable(getattr(store, "connect", None)) and not isinstance(store, type)
    if store is not None and not is_store:
        raise ConfigurationError(
            f"pace_store must be a store such as RedisPaceStore, not {type(store).__name__}"
        )
