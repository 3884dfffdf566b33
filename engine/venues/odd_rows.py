"""Rows of a list where one that nobody understands must not hide the others."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from engine.domain.errors import VenueUnavailable
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.venues.reports import unfilled

T = TypeVar("T")
Row = dict[str, Any]

_NOTHING = (None, "")


def read(venue: str, row: Row, shape: type[T]) -> T:
    """A row of ours; null and empty text say nothing, so defaults stand for them. Raises VenueUnavailable."""
    try:
        return msgspec.convert(_said(row), shape, strict=False)
    except msgspec.ValidationError as error:
        raise VenueUnavailable(f"{venue}: unreadable stop: {error}") from error


def text(row: object, name: str) -> str:
    """What it says there, a number, too; "" for nothing and for what is neither."""
    value = row.get(name) if isinstance(row, Mapping) else None
    return str(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else ""


def waits(venue: str, cid: str, symbol: str, side: str, stop_id: str, at: str) -> OrderReport:
    """One that waits, in the row's own words. Of no known side: nobody trades on that, its ids alone count."""
    told = Side.BUY if side.lower() == Side.BUY.value else Side.SELL
    at_ms = int(at) if at.isascii() and at.isdigit() and len(at) < 16 else 0
    return unfilled(venue, symbol, told, cid, stop_id, OrderStatus.OPEN, at_ms)


def _said(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _said(each) for name, each in value.items() if each not in _NOTHING}
