"""What a private stream tells of orders that are not in our books: shown with what they have filled, and not kept."""

from decimal import Decimal
from typing import Any

import msgspec

from engine.domain.effect import Notice
from engine.domain.order import Fee, OrderReport, OrderStatus, Side
from engine.streams import Streams
from engine.venues.protocol import OrderTold
from tests.core.harness import Rig


def told_by(report: OrderReport, is_whole: bool) -> list[dict[str, Any]]:
    """The alerts that this frame brings."""
    kept: list[Any] = []
    rig = Rig().ready()
    journal: Any = type("Journal", (), {"note": kept.append})
    Streams(rig.desk, journal, (), lambda: rig.now_ns).hear(OrderTold(report=report, is_whole=is_whole))
    assert kept == []
    return [msgspec.json.decode(notice.body) for notice in rig.of(Notice) if notice.kind == "alert"]


FILLED = OrderReport(
    cid="a2b3c4d5e6f7g2h3i4j5k6l7mn",
    venue="upbit",
    symbol="KRW-BTC",
    side=Side.BUY,
    status=OrderStatus.FILLED,
    venue_order_id="7",
    filled_qty=Decimal("0.01"),
    filled_quote=Decimal(475_000),
    fees=(Fee("KRW", Decimal(1)),),
)


def test_a_whole_word_is_told_with_its_price():
    (alert,) = told_by(FILLED, is_whole=True)
    assert (alert["rule"], alert["numbers"]["qty"], alert["numbers"]["price"]) == ("stray_fill", "0.01", "47500000")


def test_of_a_word_that_is_not_whole_no_price_is_made():
    """Its money may be that of the last push alone, its quantity that of all."""
    (alert,) = told_by(FILLED, is_whole=False)
    assert (alert["rule"], alert["numbers"]["qty"], alert["numbers"]["price"]) == ("stray_fill", "0.01", "")


def test_what_ended_without_a_fill_is_nothing_to_tell():
    nothing = msgspec.structs.replace(FILLED, filled_qty=Decimal(0), filled_quote=Decimal(0), fees=())
    assert told_by(nothing, is_whole=True) == []
