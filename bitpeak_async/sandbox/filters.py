"""Select and sort the handlers of a list by its query parameters."""

from collections.abc import Mapping

from bitpeak_async.sandbox.dialect import Dialect
from bitpeak_async.sandbox.store import Selection

_ORDERS = {"ascending": "id", "descending": "id DESC", "name": "name, id"}
_SORTABLE = {
    "id": "id",
    "notification_handler_id": "id",
    "name": "name",
    "type": "type",
    "datetime": "datetime",
    "last_datetime": "last_datetime",
}
_SEARCHABLE = ("name", "type")
_DATETIMES = ("datetime", "last_datetime")
#: The length of `YYYY-mm-dd`.
_DATE_LENGTH = 10


def select(query: Mapping[str, str], account: str, dialect: Dialect) -> Selection:
    """Return what a list selects; unknown values are ignored, as the platform does.

    With `Dialect.filters`, the query may contain `search` (part of the name, or of the column
    `search_by`), `type`, `is_enabled`, `datetime_start` and `datetime_end` (inclusive, of
    `datetime` or of the column `datetime_field`), `order_by` and `order_type` (`ASC` or `DESC`).
    """
    order = _ORDERS[dialect.order]
    if not dialect.filters:
        return Selection(account, order=order)
    conditions = []
    searched = query.get("search_by", "name")
    if "search" in query and searched in _SEARCHABLE:
        conditions.append((f"{searched} LIKE ?", f"%{query['search']}%"))
    if "type" in query:
        conditions.append(("type = ?", query["type"]))
    if query.get("is_enabled") in ("0", "1"):
        conditions.append(("is_enabled = CAST(? AS INTEGER)", query["is_enabled"]))
    dated = query.get("datetime_field", "datetime")
    if dated in _DATETIMES:
        start, end = query.get("datetime_start"), query.get("datetime_end")
        if start:
            conditions.append((f"{dated} >= ?", start))
        if end:
            last = f"{end} 23:59:59" if len(end) == _DATE_LENGTH else end
            conditions.append((f"{dated} <= ?", last))
    if query.get("order_by") in _SORTABLE:
        way = "DESC" if query.get("order_type", "").upper() == "DESC" else "ASC"
        order = f"{_SORTABLE[query['order_by']]} {way}, id {way}"
    return Selection(account, tuple(conditions), order)
