"""Store notification handlers in one SQLite table."""

import sqlite3
from collections import Counter
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
    datetime TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    account TEXT NOT NULL DEFAULT ''
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS handlers_of_account ON handlers (account, id)"
_COLUMNS = "id, type, name, settings, is_enabled, last_datetime, datetime"
_INSERT = (
    "INSERT INTO handlers (type, name, settings, is_enabled, last_datetime, account)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE handlers SET type = ?, name = ?, settings = ?, is_enabled = ?, last_datetime = ?"
    " WHERE id = ?"
)
_ORDERS = {"ascending": "id", "descending": "id DESC", "name": "name, id"}

Order = Literal["ascending", "descending", "name"]


class Draft(NamedTuple):
    """The columns that the caller decides; see `StoredHandler`."""

    type: str
    name: str
    settings: str
    is_enabled: bool = True
    last_datetime: str | None = None


class StoredHandler(NamedTuple):
    """One row: datetimes are `YYYY-mm-dd HH:MM:SS` in UTC, `settings` is JSON text."""

    id: int
    type: str
    name: str
    settings: str
    is_enabled: int
    last_datetime: str | None
    datetime: str


class Store:
    """Store handlers in a SQLite file or in memory; every write commits before it returns.

    Every handler belongs to an account; the default account is `""`.

    Calls block for about 10 µs (some ms for a page of 1,000), less than a thread hop costs, so
    the event loop makes them directly.

    Args:
        database: A path, or `":memory:"`.
    """

    def __init__(self, database: str) -> None:
        # A test may read from another thread than the sandbox's; SQLite serializes the calls.
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # WAL survives a killed process; only a power cut needs a sync per commit.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(_SCHEMA)
        self._connection.execute(_INDEX)
        # Counted once: COUNT(*) would scan the table for every page.
        counts = self._connection.execute("SELECT account, COUNT(*) FROM handlers GROUP BY account")
        self._counts = Counter[str](dict(counts.fetchall()))

    def __len__(self) -> int:
        return self._counts.total()

    def count(self, account: str = "") -> int:
        """Return how many handlers an account has."""
        return self._counts[account]

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def insert(self, draft: Draft, account: str = "") -> int:
        """Insert one handler and return its id; ids are never reused."""
        inserted = self._connection.execute(_INSERT, (*draft, account))
        self._counts[account] += 1
        return cast("int", inserted.lastrowid)  # every INSERT sets it

    def insert_many(self, drafts: Iterable[tuple[Draft, str]]) -> None:
        """Insert (handler, account) pairs in one transaction."""
        rows = [(*draft, account) for draft, account in drafts]
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany(_INSERT, rows)
        self._counts.update(row[-1] for row in rows)

    def get(self, handler_id: int, account: str = "") -> StoredHandler | None:
        """Return one handler, or None if the account has none with this id."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM handlers WHERE id = ? AND account = ?",  # noqa: S608 - constant
            (handler_id, account),
        ).fetchone()
        return row and StoredHandler._make(row)

    def page(
        self, order: Order, *, limit: int = -1, offset: int = 0, account: str | None = None
    ) -> list[StoredHandler]:
        """Return up to `limit` handlers (-1: all), starting at `offset`.

        SQLite steps over the skipped rows: 10 ms for the last page of a million, by id.

        Args:
            order: The sort order.
            limit: The maximum number of handlers.
            offset: The number of handlers to skip.
            account: The account to read; None reads all.
        """
        where, values = ("", ()) if account is None else (" WHERE account = ?", (account,))
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM handlers{where}"  # noqa: S608 - constants
            f" ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        return list(map(StoredHandler._make, rows))

    def update(self, handler_id: int, draft: Draft) -> None:
        """Overwrite one handler."""
        self._connection.execute(_UPDATE, (*draft, handler_id))

    def delete(self, handler_id: int, account: str = "") -> bool:
        """Delete one handler; return whether the account had it."""
        deleted = self._connection.execute(
            "DELETE FROM handlers WHERE id = ? AND account = ?", (handler_id, account)
        )
        self._counts[account] -= deleted.rowcount
        return deleted.rowcount == 1
