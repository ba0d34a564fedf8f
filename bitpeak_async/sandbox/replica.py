"""A read replica of the database that lags behind."""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from bitpeak_async.sandbox.store import Store


class Replica:
    """A copy of a store that repeats its writes `lag` seconds later.

    Args:
        primary: The store to follow.
        lag: Seconds between a write and its repetition.
        clock: The current time in seconds.
    """

    def __init__(self, primary: Store, *, lag: float, clock: Callable[[], float]) -> None:
        self._copy = primary.copy()
        self._lag = lag
        self._clock = clock
        self._pending: deque[tuple[float, str, Sequence[Sequence[Any]]]] = deque()
        self._lock = Lock()  # a test may catch up from another thread than the sandbox's
        primary.on_write = self._record

    def close(self) -> None:
        """Close the database."""
        self._copy.close()

    def current(self) -> Store:
        """Return the copy as it is now."""
        return self._catch_up(self._clock() - self._lag)

    def catch_up(self) -> None:
        """Repeat all writes immediately."""
        self._catch_up(float("inf"))

    def _record(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._pending.append((self._clock(), statement, rows))

    def _catch_up(self, until: float) -> Store:
        with self._lock:
            while self._pending and self._pending[0][0] <= until:
                _, statement, rows = self._pending.popleft()
                self._copy.write(statement, rows)
        return self._copy
