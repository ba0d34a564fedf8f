"""The filters of a list, on the wire."""

import sqlite3

import pytest

from bitpeak_async.sandbox import Dialect

ROWS = [
    # id, type, name, is_enabled, last_datetime, datetime
    (1, "email", "Ops", 1, None, "2025-12-01 10:00:00"),
    (2, "slack", "ops room", 0, "2025-12-09 08:00:00", "2025-12-02 10:00:00"),
    (3, "slack", "Sales", 1, "2025-12-08 08:00:00", "2025-12-03 23:59:59"),
    (4, "email", "Board", 2, None, "2025-12-04 00:00:00"),
]


@pytest.fixture
def listed(serve, tmp_path):
    """List the ids that a query selects from `ROWS`."""

    async def listed(query, **dialect):
        database = str(tmp_path / "handlers.sqlite")
        caller = await serve(database=database, dialect=Dialect(**dialect))
        connection = sqlite3.connect(database)
        with connection:
            connection.executemany(
                "INSERT OR IGNORE INTO handlers"
                " (id, type, name, is_enabled, last_datetime, datetime, settings, account)"
                " VALUES (?, ?, ?, ?, ?, ?, '{}', '')",
                ROWS,
            )
        connection.close()
        page = (await caller.send("GET", f"/notification-handlers/?{query}")).json
        ids = [handler["id"] for handler in page["data"]]
        assert len(ids) == page["meta"]["total"]
        return ids

    return listed


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [1, 2, 3, 4]),
        ("search=ops", [1, 2]),
        ("search=s&search_by=type", [2, 3]),
        ("search=s&search_by=settings", [1, 2, 3, 4]),
        ("type=slack", [2, 3]),
        ("type=pigeon", []),
        ("is_enabled=1", [1, 3]),
        ("is_enabled=0", [2]),
        ("is_enabled=yes", [1, 2, 3, 4]),
        ("type=slack&is_enabled=1", [3]),
        ("order_by=name", [4, 1, 3, 2]),
        ("order_by=name&order_type=DESC", [2, 3, 1, 4]),
        ("order_by=notification_handler_id&order_type=desc", [4, 3, 2, 1]),
        ("order_by=type", [1, 4, 2, 3]),
        ("order_by=type&order_type=DESC", [3, 2, 4, 1]),
        ("order_by=settings&order_type=DESC", [1, 2, 3, 4]),
        ("datetime_start=2025-12-02", [2, 3, 4]),
        ("datetime_end=2025-12-03", [1, 2, 3]),
        ("datetime_start=2025-12-02&datetime_end=2025-12-02%2010:00:00", [2]),
        ("datetime_field=last_datetime&datetime_start=2025-12-09", [2]),
        ("datetime_field=name&datetime_start=2025-12-09", [1, 2, 3, 4]),
    ],
)
async def test_filters(listed, query, ids):
    assert ids == await listed(query, filters=True)


@pytest.mark.parametrize("query", ["search=ops", "type=slack", "order_by=name", "is_enabled=1"])
async def test_a_server_without_filters_ignores_them(listed, query):
    assert [4, 3, 2, 1] == await listed(query, order="descending")
