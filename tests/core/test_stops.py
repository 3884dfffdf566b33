"""A stop-loss that goes off: rung when it does not fill, and held back by no limit on new risk."""

from decimal import Decimal as D

import pytest
from msgspec import structs

from engine.domain.command import Halt, MoveParent, ResumeConfirm, ResumeRequest
from engine.domain.effect import RenewStream
from engine.domain.order import OrderKind, OrderStatus, Side, TradeState
from engine.domain.parent import ParentState, Template
from engine.domain.stream_event import OrderStreamState
from engine.execution.parent import filled
from engine.risk.breakers import Breakers
from tests.core.harness import Rig
from tests.core.test_parents import begin, done, wish
from tests.core.venue_model import Outcome

STOP = wish(Template.STOP, "0.005", Side.SELL, stop=D(139_500_000), band_bps=D(30))


def test_one_that_fills_is_told_once_and_rings_nobody() -> None:
    rig = Rig().ready()
    parent = begin(rig, STOP)
    rig.set_book("upbit", "KRW-BTC", 139_400_000)
    assert filled(done(rig, parent)).qty == D("0.005")
    told = [alert for alert in rig.alerts() if alert[0].startswith("stop_")]
    assert told == [("stop_went_off", "warn")]


def test_a_gap_through_its_band_rings_somebody() -> None:
    rig = Rig().ready()
    parent = begin(rig, STOP)
    rig.run_for(1_000)
    rig.set_book("upbit", "KRW-BTC", 138_000_000)
    rig.run_for(60_000)
    assert parent.state is ParentState.RUNNING and filled(parent).qty == 0
    told = [alert for alert in rig.alerts() if alert[0].startswith("stop_")]
    assert told == [("stop_went_off", "warn"), ("stop_unfilled", "crit")]
    rig.set_book("upbit", "KRW-BTC", 139_450_000)
    assert filled(done(rig, parent)).qty == D("0.005"), "it goes on trying"


@pytest.mark.parametrize("fill, rings", [(D(0), True), (D(1), False)])
def test_one_at_its_venue_that_the_market_jumps_over_rings_somebody(fill: D, rings: bool) -> None:
    rig = Rig().ready()
    held = rig.state.venues["binance"]
    held.abilities = structs.replace(held.abilities, kinds=frozenset(OrderKind))
    rig.outcomes.append(Outcome(fill=D(0)))
    ask = wish(Template.STOP, "0.005", Side.SELL, "binance", stop=D(99_000), band_bps=D(30))
    parent = begin(rig, ask)
    rig.run_for(10_000)
    [order] = parent.live[0].orders
    assert order.request.kind is OrderKind.STOP_LOSS and rig.alerts() == []
    rig.set_book("binance", "BTCUSDT", 98_900)
    rig.venues["binance"].take(order.request.cid, fill)
    rig.run_for(12_000)
    assert (("stop_unfilled", "crit") in rig.alerts()) is rings


def test_no_limit_on_new_risk_holds_it_back() -> None:
    rig = Rig().ready()
    parent = begin(rig, STOP)
    rig.run_for(1_000)
    rig.state.pnl_today_krw = rig.state.pnl_total_krw = D(-100_000_000)
    rig.state.trades_today = 10_000
    for _ in range(Breakers.FAILURES_IN_A_ROW):
        rig.state.breakers.note_order("upbit", failed=True, now_ns=rig.now_ns)
    rig.set_book("upbit", "KRW-BTC", 139_400_000)
    assert filled(done(rig, parent)).qty == D("0.005")
    assert parent.trades[0].state is TradeState.CLOSED


def test_a_stop_that_buys_is_new_risk() -> None:
    rig = Rig().ready()
    parent = begin(rig, wish(Template.STOP, "0.005", Side.BUY, stop=D(140_500_000), band_bps=D(100)))
    rig.run_for(1_000)
    rig.state.pnl_today_krw = D(-100_000_000)
    rig.set_book("upbit", "KRW-BTC", 140_600_000)
    rig.run_for(70_000)
    assert not parent.children and parent.state is ParentState.PAUSED
    assert ("stop_unfilled", "crit") in rig.alerts() and "daily_loss" in parent.reason


def test_a_stop_that_a_halt_holds_back_rings() -> None:
    rig = Rig().ready()
    begin(rig, STOP)
    rig.run_for(1_000)
    rig.ask(Halt(level=1, reason="test"))
    rig.set_book("upbit", "KRW-BTC", 139_000_000)
    rig.run_for(10_000)
    assert ("stop_unfilled", "crit") in rig.alerts()


@pytest.mark.parametrize("venue, level", [("upbit", 1), ("upbit", 2), ("binance", 2)])
def test_a_stop_that_a_halt_has_paused_is_told_at_the_resume_and_rings_when_its_price_comes(venue, level) -> None:
    rig = Rig().ready()
    held = rig.state.venues["binance"]
    held.abilities = structs.replace(held.abilities, kinds=frozenset(OrderKind))
    rig.outcomes.append(Outcome(fill=D(0)))
    at_venue = wish(Template.STOP, "0.005", Side.SELL, "binance", stop=D(99_000), band_bps=D(30))
    parent = begin(rig, STOP if venue == "upbit" else at_venue)
    rig.run_for(5_000)
    rig.ask(Halt(level=level, reason="test"))
    rig.run_for(20_000)
    assert rig.ask(ResumeRequest(token="r")).ok and rig.ask(ResumeConfirm(token="r")).ok
    assert parent.state is ParentState.PAUSED
    assert ("orders_held", "warn") in rig.alerts()
    if venue == "upbit":
        rig.set_book("upbit", "KRW-BTC", 139_000_000)
    else:
        rig.set_book("binance", "BTCUSDT", 98_900)
    rig.run_for(10_000)
    assert ("stop_unfilled", "crit") in rig.alerts()


def test_a_stop_that_a_person_has_paused_rings_nobody() -> None:
    rig = Rig().ready()
    parent = begin(rig, STOP)
    rig.run_for(1_000)
    assert rig.ask(MoveParent(parent_id=parent.plan.parent_id, to="pause")).ok
    rig.set_book("upbit", "KRW-BTC", 139_000_000)
    rig.run_for(20_000)
    assert rig.alerts() == []


def test_a_thin_book_does_not_hold_a_stop_back_within_its_band() -> None:
    """The gate's own limits of spread and slippage are for who chooses the moment."""
    rig = Rig().ready()
    parent = begin(rig, wish(Template.STOP, "0.005", Side.SELL, stop=D(139_500_000), band_bps=D(200)))
    rig.run_for(1_000)
    rig.books["upbit", "KRW-BTC"] = ([(139_000_000.0, 0.001), (137_500_000.0, 1.0)], [(141_500_000.0, 1.0)])
    rig.show_book("upbit", "KRW-BTC")
    assert filled(done(rig, parent)).qty == D("0.005")


def test_a_stop_passes_an_order_without_an_answer() -> None:
    rig = Rig().ready()
    parent = begin(rig, STOP)
    rig.run_for(1_000)
    rig.outcomes.append(Outcome(answer="lost", reaches=False))
    begin(rig, wish(Template.SWEEP, "0.001", Side.BUY))
    rig.run_for(2_000)
    rig.set_book("upbit", "KRW-BTC", 139_400_000)
    rig.run_for(1_000)
    assert any(order.status is OrderStatus.UNKNOWN for _, order in rig.state.orders.values())
    assert filled(parent).qty == D("0.005")


def test_a_stop_that_has_gone_off_goes_on_trying_for_longer_than_a_minute() -> None:
    rig = Rig().ready()
    parent = begin(rig, STOP)
    rig.run_for(1_000)
    rig.state.quarantined["upbit", "KRW-BTC"] = "its price is another coin's"
    rig.set_book("upbit", "KRW-BTC", 139_400_000)
    rig.run_for(90_000)
    assert parent.state is ParentState.RUNNING and filled(parent).qty == 0
    rig.state.quarantined.clear()
    rig.set_book("upbit", "KRW-BTC", 139_400_000)
    assert filled(done(rig, parent)).qty == D("0.005")


def test_a_stop_that_ends_at_its_venue_unheard_costs_its_stream_no_trust() -> None:
    """Most venues' streams tell nothing of a stop that waits: that one of them is silent means nothing."""
    rig = Rig().ready()
    held = rig.state.venues["binance"]
    held.abilities = structs.replace(held.abilities, kinds=frozenset(OrderKind))
    rig.handle(OrderStreamState(venue="binance", connected=True, reason="", seen_ns=rig.now_ns))
    rig.outcomes.append(Outcome(fill=D(0)))
    parent = begin(rig, wish(Template.STOP, "0.005", Side.SELL, "binance", stop=D(99_000), band_bps=D(30)))
    rig.run_for(10_000)
    [order] = parent.live[0].orders
    rig.venues["binance"].cancel(order.request.cid)
    rig.run_for(20_000)
    assert order.is_terminal and not rig.of(RenewStream) and held.hearing.is_trusted
