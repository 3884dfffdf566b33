"""What a venue may say and cannot mean: nothing is booked by it, and a person is told in words of money."""

from decimal import Decimal

import pytest

from engine.domain.command import AcceptBalances
from engine.domain.event import OrderReported
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.execution import trade as life
from tests.core.harness import Rig
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


@pytest.mark.parametrize("moves_money", [False, True])
def test_a_fill_of_an_order_that_was_never_sent(moves_money: bool):
    rig = Rig().ready()
    books = rig.state.ledger.accounts()
    report = OrderReport(
        cid="nobody-sent-this",
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.BUY,
        status=OrderStatus.FILLED,
        venue_order_id="999",
        filled_qty=D("0.01"),
        filled_quote=D(950_000),
        fees=(),
        venue_ts_ms=1,
    )
    rig.handle(OrderReported(report=report, seen_ns=rig.now_ns))
    if moves_money:
        rig.venues["upbit"].totals["KRW"] -= D(950_000)
        rig.venues["upbit"].totals["BTC"] += D("0.01")
    rig.run_for(40_000)
    assert rig.state.ledger.accounts() == books
    blocked = rig.state.venues["upbit"].blocked
    assert blocked == ("ledger_mismatch: BTC +0.01, KRW -950000" if moves_money else "")
