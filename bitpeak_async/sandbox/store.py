"""Store notification handlers in one SQLite table."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from attrs import frozen

_SCHEMA = """
CREATE TABLE IF NOT EXISTS handlers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    is_enabled INTEGER NOT NULL,
    last_datetime TEXT,
    account TEXT NOT NULL,
    datetime TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS handlers_of_account ON handlers (account, id)
"""
_COLUMNS = "id, type, name, settings, is_enabled, last_datetime, datetime"
_INSERT = (
    "INSERT INTO handlers (type, name, settings, is_enabled, last_datetime, account, datetime)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE handlers SET type = ?, name = ?, settings = ?, is_enabled = ?, last_datetime = ?"
    " WHERE id = ?"
)
_DELETE = "DELETE FROM handlers WHERE id = ?"

#: The value of `is_enabled` for an email handler whose address awaits confirmation.
UNCONFIRMED = 2


class Draft(NamedTuple):
    """The columns that the caller decides; see `StoredHandler`."""

    type: str
    name: str
    settings: str
    is_enabled: int = 1
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

    @property
    def draft(self) -> Draft:
        """The columns that the caller decides."""
        return Draft(*self[1:6])


@frozen
class Selection:
    """The handlers to read, and their order.

    Attributes:
        account: The account to read; None reads all.
        conditions: Pairs of an SQL condition with one placeholder and its value.
        order: SQL sort terms.
    """

    account: str | None = None
    conditions: tuple[tuple[str, Any], ...] = ()
    order: str = "id"

    def sql(self, columns: str) -> tuple[str, list[Any]]:
        """Return a SELECT statement and its values."""
        conditions = list(self.conditions)
        if self.account is not None:
            conditions.insert(0, ("account = ?", self.account))
        where = " AND ".join(condition for condition, _ in conditions) or "1"
        statement = f"SELECT {columns} FROM handlers WHERE {where}"  # noqa: S608 - constant texts
        return statement, [value for _, value in conditions]


class Store:
    """Store handlers in a SQLite file or in memory; every write commits before it returns.

    Every handler belongs to an account; the default account is `""`.

    Calls block for about 10 µs (some ms for a page of 1,000), less than a thread hop costs, so
    the event loop makes them directly.

    Args:
        database: A path, or `":memory:"`.

    Attributes:
        on_write: Called after every write with the statement and its rows of values.
    """

    def __init__(self, database: str) -> None:
        # A test may read from another thread than the sandbox's; SQLite serializes the calls.
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # WAL survives a killed process; only a power cut needs a sync per commit.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        # COUNT(*) reads the whole table: too slow to repeat for every page.
        self._counts: dict[Selection, int] = {}
        self.on_write: Callable[[str, Sequence[Sequence[Any]]], None] = lambda *_: None

    def copy(self) -> "Store":
        """Return a copy in memory."""
        copy = Store(":memory:")
        self._connection.backup(copy._connection)
        return copy

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def count(self, selection: Selection = Selection()) -> int:
        """Return how many handlers are selected."""
        if selection not in self._counts:
            statement, values = selection.sql("COUNT(*)")
            self._counts[selection] = self._connection.execute(statement, values).fetchone()[0]
        return self._counts[selection]

    def page(
        self,
        selection: Selection = Selection(),
        *,
        limit: int = -1,
        offset: int = 0,
    ) -> list[StoredHandler]:
        """Return up to `limit` selected handlers (-1: all), starting at `offset`.

        SQLite steps over the skipped rows: 10 ms for the last page of a million, by id.
        """
        statement, values = selection.sql(_COLUMNS)
        statement += f" ORDER BY {selection.order} LIMIT ? OFFSET ?"
        rows = self._connection.execute(statement, (*values, limit, offset))
        return list(map(StoredHandler._make, rows))

    def get(self, handler_id: int, account: str | None = None) -> StoredHandler | None:
        """Return one handler, or None if the account has none with this id."""
        rows = self.page(Selection(account, (("id = ?", handler_id),)))
        return rows[0] if rows else None

    def insert(self, draft: Draft, account: str = "") -> int:
        """Insert one handler and return its id; ids are never reused."""
        return cast("int", self.write(_INSERT, [(*draft, account, _now())]))

    def insert_many(self, drafts: Iterable[tuple[Draft, str]]) -> None:
        """Insert (handler, account) pairs in one transaction."""
        now = _now()
        self.write(_INSERT, [(*draft, account, now) for draft, account in drafts])

    def update(self, handler_id: int, draft: Draft) -> None:
        """Overwrite one handler."""
        self.write(_UPDATE, [(*draft, handler_id)])

    def delete(self, handler_id: int) -> None:
        """Delete one handler."""
        self.write(_DELETE, [(handler_id,)])

    def write(self, statement: str, rows: Sequence[Sequence[Any]]) -> int | None:
        """Execute a statement once per row of values, in one transaction.

        Returns:
            The id of the inserted handler, if it was a single one.
        """
        if len(rows) == 1:
            inserted = self._connection.execute(statement, rows[0]).lastrowid
        else:
            with self._connection:
                self._connection.execute("BEGIN")
                inserted = self._connection.executemany(statement, rows).lastrowid
        self._counts.clear()
        self.on_write(statement, rows)
        return inserted


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
