"""What a venue may say and cannot mean: nothing is booked by it, and a person is told in words of money."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.domain.command import AcceptBalances
from engine.domain.effect import Notice
from engine.domain.event import OrderReported
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.domain.stream_event import ForeignOrder
from engine.execution import trade as life
from tests.core.harness import Rig
from tests.core.test_stops_at_venue import venue_keeps, waits
from tests.core.venue_model import Outcome

D = Decimal


def test_a_negative_balance_is_nothing_to_begin_from():
    rig = Rig()
    rig.venues["upbit"].totals["KRW"] = D(-5)
    rig.start()
    rig.run_for(10_000)
    held = rig.state.venues["upbit"]
    assert not held.opened and held.blocked == "balance_below_zero: KRW -5"
    assert [alert for alert in rig.alerts() if alert[0] == "balance_below_zero"] == [("balance_below_zero", "crit")]
    assert rig.state.venues["binance"].ready
    refused = rig.ask(AcceptBalances(venue="upbit"))
    assert (refused.ok, refused.rule) == (False, "balance_below_zero")
    assert "KRW -5" in refused.text
    rig.venues["upbit"].totals["KRW"] = D(50_000_000)
    rig.run_for(40_000)
    assert held.opened and held.ready and not held.blocked


def test_a_debt_of_dust_is_rounding():
    rig = Rig()
    rig.venues["upbit"].totals["BTC"] = D("-0.000000001")
    rig.ready()
    assert rig.state.venues["upbit"].opened


def test_a_balance_that_turns_negative_stops_its_venue_and_stays_out_of_the_books():
    rig = Rig().ready()
    before = rig.state.ledger.balance("upbit", "KRW")
    rig.venues["upbit"].totals["KRW"] = D(-7)
    rig.run_for(40_000)
    assert ("ledger_mismatch", "crit") in rig.alerts()
    assert rig.state.venues["upbit"].blocked == f"ledger_mismatch: KRW {-7 - before:+f}"
    assert rig.state.ledger.balance("upbit", "KRW") == before
    assert rig.ask(AcceptBalances(venue="upbit")).rule == "balance_below_zero"


def test_more_filled_than_was_asked_halts_new_trades_and_closes_the_surplus():
    rig = Rig().ready()
    trade = rig.execute(Outcome(fill=D(2)), Outcome())
    rig.settle()
    assert rig.state.level == 1 and rig.state.level_reason.startswith("overfilled: order ")
    assert [alert for alert in rig.alerts() if alert[0] == "overfilled"] == [("overfilled", "crit")]
    assert abs(life.exposure(trade)) < D("0.0001")
    rig.restart()
    rig.settle()
    assert rig.state.level == 1 and ("overfilled", "crit") not in rig.alerts(), "nobody is rung twice"


OURS = "a2b3c4d5e6f7g2h3i4j5k6l7mn"  # of the form of our own ids, and never planned
THEIRS = "nobody-sent-this"


def fill(cid: str = THEIRS, order_id: str = "999", filled: str = "0.01", quote: str = "950000") -> OrderReport:
    return OrderReport(
        cid=cid,
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.BUY,
        status=OrderStatus.FILLED,
        venue_order_id=order_id,
        filled_qty=D(filled),
        filled_quote=D(quote),
        fees=(),
        venue_ts_ms=1,
    )


def told(rig: Rig) -> list[dict[str, Any]]:
    """Every alert of a fill that is no order's of this desk."""
    alerts = [msgspec.json.decode(notice.body) for notice in rig.of(Notice) if notice.kind == "alert"]
    return [view for view in alerts if view["rule"] in ("stray_fill", "foreign_fill")]


def by_stream(rig: Rig, report: OrderReport) -> None:
    is_open = report.status is OrderStatus.OPEN
    rig.handle(
        ForeignOrder(
            venue=report.venue,
            venue_order_id=report.venue_order_id,
            is_open=is_open,
            seen_ns=rig.now_ns,
            fill=report,
        )
    )


@pytest.mark.parametrize("moves_money", [False, True])
@pytest.mark.parametrize(
    "cid, rule, severity", [(OURS, "stray_fill", "warn"), (THEIRS, "foreign_fill", "info")], ids=["ours", "theirs"]
)
def test_a_fill_of_an_order_that_was_never_sent(cid: str, rule: str, severity: str, moves_money: bool):
    rig = Rig().ready()
    books = rig.state.ledger.accounts()
    rig.handle(OrderReported(report=fill(cid), seen_ns=rig.now_ns))
    if moves_money:
        rig.venues["upbit"].totals["KRW"] -= D(950_000)
        rig.venues["upbit"].totals["BTC"] += D("0.01")
    rig.run_for(40_000)
    assert rig.state.ledger.accounts() == books
    blocked = rig.state.venues["upbit"].blocked
    assert blocked == ("ledger_mismatch: BTC +0.01, KRW -950000" if moves_money else "")
    assert (rule, severity) in rig.alerts()
    (view,) = told(rig)
    assert (view["venue"], view["symbol"]) == ("upbit", "KRW-BTC")
    assert view["text"] == (
        f"upbit: buy 0.01 KRW-BTC at 95000000 filled by order {cid}, not sent by this desk; nothing is booked"
    )
    assert view["numbers"] == {
        "cid": cid,
        "symbol": "KRW-BTC",
        "side": "buy",
        "qty": "0.01",
        "base": "BTC",
        "price": "95000000",
        "worth": "950000",
        "quote": "KRW",
    }


@pytest.mark.parametrize("cid", [OURS, THEIRS])
def test_one_order_is_told_once_by_whichever_way_and_however_often(cid: str):
    rig = Rig().ready()
    part = msgspec.structs.replace(fill(cid), status=OrderStatus.OPEN)
    by_stream(rig, part)
    rig.venues["upbit"].foreign.append(part)
    rig.run_for(20 * 60_000)  # listed again and again
    for filled, quote in (("0.02", "1900000"), ("0.03", "2850000")):
        by_stream(rig, fill(cid, filled=filled, quote=quote))
        rig.handle(OrderReported(report=fill(cid, filled=filled, quote=quote), seen_ns=rig.now_ns))
    assert len(told(rig)) == 1


def test_of_one_venue_and_order_id_each_is_another_order():
    rig = Rig().ready()
    rig.handle(OrderReported(report=fill(OURS, "1"), seen_ns=rig.now_ns))
    rig.handle(OrderReported(report=fill(OURS, "2"), seen_ns=rig.now_ns))
    elsewhere = msgspec.structs.replace(fill(OURS, "1"), venue="binance", symbol="BTCUSDT")
    rig.handle(OrderReported(report=elsewhere, seen_ns=rig.now_ns))
    assert [view["venue"] for view in told(rig)] == ["upbit", "upbit", "binance"]


def test_a_person_who_trades_there_all_day_is_told_of_it_once_in_ten_minutes():
    rig = Rig().ready()
    for turn in range(120):
        by_stream(rig, fill(THEIRS, f"by-hand-{turn}"))
        rig.run_for(10_000)
    assert len(told(rig)) == 2
    by_stream(rig, fill(OURS, "ours"))
    assert told(rig)[-1]["rule"] == "stray_fill", "an alarm waits for nobody"


def test_what_is_remembered_of_others_has_a_bound():
    rig = Rig().ready()
    for turn in range(3_000):
        by_stream(rig, fill(OURS, f"{turn}"))
    assert len(rig.state.venues["upbit"].strays) == 1_000
    by_stream(rig, fill(OURS, "2999"))
    assert len(told(rig)) == 3_000


def test_without_a_price_or_an_instrument_what_is_known_is_told():
    rig = Rig().ready()
    by_stream(rig, fill(OURS, quote="0"))
    by_stream(rig, msgspec.structs.replace(fill(OURS, "1000", quote="30"), symbol="KRW-NOBODY"))
    one, two = told(rig)
    assert (one["numbers"]["price"], one["numbers"]["worth"]) == ("", "")
    assert one["text"].startswith("upbit: buy 0.01 KRW-BTC filled by order ")
    assert (two["numbers"]["base"], two["numbers"]["quote"], two["numbers"]["price"]) == ("KRW-NOBODY", "", "3000")


def test_an_average_price_is_told_in_digits_that_a_person_reads():
    rig = Rig().ready()
    by_stream(rig, fill(OURS, filled="0.03", quote="1000000"))
    assert told(rig)[0]["numbers"]["price"] == "33333333.33"


def test_an_order_that_filled_nothing_is_no_fill():
    rig = Rig().ready()
    by_stream(rig, fill(OURS, filled="0", quote="0"))
    rig.handle(OrderReported(report=fill(OURS, filled="0", quote="0"), seen_ns=rig.now_ns))
    assert told(rig) == []


def test_what_a_stop_of_ours_has_made_bears_an_id_of_the_venue_and_is_no_strangers():
    """A look-up tells it under the stop's own id; the stream's word may come before that, or after."""
    rig = venue_keeps(Rig().ready())
    (order,) = waits(rig).live[0].orders
    asked = order.request
    made = msgspec.structs.replace(fill("made-there"), venue=asked.venue, symbol=asked.symbol, side=asked.side)
    by_stream(rig, made)
    rig.venues[asked.venue].take(asked.cid, D(1))
    rig.run_until(lambda: order.is_terminal)
    by_stream(rig, made)
    assert told(rig) == []
    rig.run_for(60_000)
    by_stream(rig, made)
    assert len(told(rig)) == 1
