"""The sandbox's database: notification handlers in one SQLite table."""

import sqlite3
from collections.abc import Iterable
from typing import Literal, NamedTuple, cast

_SCHEMA = """
CREATE TABLE IF NOT EXISTS handlers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    is_enabled INTEGER NOT NULL DEFAULT 1,
    last_datetime TEXT,
    datetime TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""
_INSERT = (
    "INSERT INTO handlers (type, name, settings, is_enabled, last_datetime) VALUES (?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE handlers SET type = ?, name = ?, settings = ?, is_enabled = ?, last_datetime = ?"
    " WHERE id = ?"
)
_PAGES = {
    "ascending": "SELECT * FROM handlers ORDER BY id LIMIT ? OFFSET ?",
    "descending": "SELECT * FROM handlers ORDER BY id DESC LIMIT ? OFFSET ?",
    "name": "SELECT * FROM handlers ORDER BY name, id LIMIT ? OFFSET ?",
}

Order = Literal["ascending", "descending", "name"]


class Draft(NamedTuple):
    """All of a handler but what the database decides; see `StoredHandler`."""

    type: str
    name: str
    settings: str
    is_enabled: bool = True
    last_datetime: str | None = None


class StoredHandler(NamedTuple):
    """A row, its columns in order.

    Datetimes are `YYYY-mm-dd HH:MM:SS` in UTC, `settings` is a JSON object as text.
    """

    id: int
    type: str
    name: str
    settings: str
    is_enabled: int
    last_datetime: str | None
    datetime: str


class Store:
    """Keep handlers in a SQLite file, or in memory; each write is committed when it returns.

    Calls block for some 10 µs (a page of 1,000: some ms), which is less than a hop to a
    thread would take, so they are made on the event loop.

    Args:
        database: A path, or `":memory:"`.
    """

    def __init__(self, database: str) -> None:
        # A test may look into a sandbox that runs on another thread's loop; SQLite itself
        # serializes the calls.
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # With WAL a killed process loses nothing; syncing each commit guards against power cuts.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(_SCHEMA)
        # Counted once: a COUNT(*) for each page would read the whole table.
        (self._total,) = self._connection.execute("SELECT COUNT(*) FROM handlers").fetchone()

    def __len__(self) -> int:
        return int(self._total)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def insert(self, draft: Draft) -> int:
        """Add one handler and return its id, which no other handler ever had."""
        inserted = self._connection.execute(_INSERT, draft)
        self._total += 1
        return cast("int", inserted.lastrowid)  # every INSERT sets it

    def insert_many(self, drafts: Iterable[Draft]) -> None:
        """Add many handlers in one transaction."""
        with self._connection:
            self._connection.execute("BEGIN")
            self._total += self._connection.executemany(_INSERT, drafts).rowcount

    def get(self, handler_id: int) -> StoredHandler | None:
        """Return one handler, or None when there is none of this id."""
        row = self._connection.execute(
            "SELECT * FROM handlers WHERE id = ?", (handler_id,)
        ).fetchone()
        return row and StoredHandler._make(row)

    def page(self, order: Order, *, limit: int = -1, offset: int = 0) -> list[StoredHandler]:
        """Return up to `limit` handlers (-1: all) after skipping `offset` of them.

        SQLite steps over skipped rows: 10 ms for the last page of a million, by id.
        """
        rows = self._connection.execute(_PAGES[order], (limit, offset))
        return list(map(StoredHandler._make, rows))

    def update(self, handler_id: int, draft: Draft) -> None:
        """Overwrite one handler."""
        self._connection.execute(_UPDATE, (*draft, handler_id))

    def delete(self, handler_id: int) -> bool:
        """Delete one handler; return whether it was there."""
        deleted = self._connection.execute("DELETE FROM handlers WHERE id = ?", (handler_id,))
        self._total -= deleted.rowcount
        return deleted.rowcount == 1
