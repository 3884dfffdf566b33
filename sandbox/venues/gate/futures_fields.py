"""How requests to Gate's futures write sizes, prices and pages."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.venues.door import Malformed, whole

_MOST_ROWS = 1_000


def size_of(body: Mapping[str, object]) -> Decimal:
    """A whole number of contracts, not zero. Raises Malformed."""
    text = str(body.get("size", ""))
    if not text.removeprefix("-").isdigit() or not int(text):
        raise Malformed("size")
    return Decimal(text)


def price_of(value: object) -> Decimal:
    """Raises Malformed."""
    text = str(value)
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise Malformed("price")
    return Decimal(text)


def page_of(rows: list[dict[str, Any]], query: Mapping[str, str], most: int = _MOST_ROWS) -> list[dict[str, Any]]:
    offset, limit = whole(query, "offset", 0), whole(query, "limit", 100)
    if not 0 < limit <= most:
        raise Malformed("limit")
    return rows[offset : offset + limit]
