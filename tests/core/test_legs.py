"""When a leg fails: chase, unwind, dead letter. When an answer never comes: evidence, never time alone."""

from decimal import Decimal

import msgspec

from engine.domain.command import CloseDeadLetter, ResolveUnknown
from engine.domain.effect import FetchBalances, FetchOpenOrders, LookUp, Notice, Submit
from engine.domain.event import OrderMissing, OrderReported
from engine.domain.money import NS_PER_MS
from engine.domain.order import LegRole, OrderStatus, TradeState
from engine.domain.view import TradeView
from engine.execution import trade as life
from engine.execution.order_state import OrderState
from engine.execution.trade import Trade
from tests.core.conftest import HERE
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

FILLS = Outcome()
REFUSED = Outcome(answer="refused")
NOTHING = Outcome(fill=Decimal(0))
LOST = Outcome(answer="lost")
NEVER_CAME = Outcome(answer="lost", reaches=False)


def status(order: OrderState) -> str:
    return str(order.status)


def roles(trade: Trade) -> list[LegRole]:
    return [order.request.role for order in trade.orders]


def receipt(rig: Rig) -> TradeView:
    return [msgspec.json.decode(n.body, type=TradeView) for n in rig.of(Notice) if n.kind == "trade"][-1]


def fall(rig: Rig, trade: Trade) -> None:
    """The Korean price falls below what was paid abroad: chasing does not pay any more."""
    rig.set_book("upbit", "KRW-BTC", 139_000_000)


def test_a_refused_leg_is_chased_while_that_pays():
    rig = Rig().ready()
    trade = rig.execute(FILLS, REFUSED)
    rig.settle()
    assert roles(trade) == [LegRole.ENTRY, LegRole.ENTRY, LegRole.CHASE]
    assert (trade.state, trade.outcome) == ("closed", "balanced")
    assert "venue_refused" in {refusal.rule for refusal in rig.state.refusals}
    assert rig.ledger_difference() == {}


def test_two_chases_then_the_first_leg_is_sold_back():
    rig = Rig().ready()
    trade = rig.execute(FILLS, NOTHING, NOTHING, NOTHING)
    rig.settle()
    assert roles(trade)[2:] == [LegRole.CHASE, LegRole.CHASE, LegRole.UNWIND]
    assert trade.orders[-1].request.venue == "binance"
    assert (trade.state, trade.outcome) == ("closed", "unwound")
    assert receipt(rig).legs[0].unwound_qty == trade.orders[-1].request.qty
    assert rig.state.pnl_today_krw < 0


def test_a_chase_that_does_not_pay_is_not_tried():
    rig = Rig().ready()
    trade = rig.execute(FILLS, REFUSED)
    rig.later(NS_PER_MS, lambda: fall(rig, trade))
    rig.settle()
    assert roles(trade)[2:] == [LegRole.UNWIND]
    assert trade.outcome == "unwound"


def test_the_missing_purchase_is_chased_with_its_fee_in_coin():
    rig = Rig().ready()
    trade = rig.execute(REFUSED, FILLS)
    rig.settle()
    sold = trade.orders[1].request.qty
    chase = trade.orders[2].request
    assert (chase.role, chase.venue) == (LegRole.CHASE, "binance")
    assert sold <= chase.qty <= sold / Decimal("0.999")
    assert trade.outcome == "balanced"


def test_a_sale_without_its_purchase_is_bought_back():
    rig = Rig().ready()
    trade = rig.execute(REFUSED, FILLS, NOTHING, NOTHING)
    rig.settle()
    assert roles(trade)[2:] == [LegRole.CHASE, LegRole.CHASE, LegRole.UNWIND]
    assert (trade.orders[-1].request.venue, trade.orders[-1].request.side) == ("upbit", "buy")
    assert trade.outcome == "unwound"


def test_what_cannot_be_unwound_waits_for_a_person():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[NOTHING] * 6)
    rig.settle()
    assert roles(trade)[4:] == [LegRole.UNWIND] * 3
    assert str(trade.state) == "dead_letter"
    assert ("dead_letter", "crit") in rig.alerts()
    assert receipt(rig).naked_qty == life.exposure(trade) > 0
    key = trade.plan.key
    rig.run_for(70_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.found(key))).rule == "dead_letter"

    assert rig.ask(CloseDeadLetter(trade_id="t0", evidence="x")).rule == "not_dead_letter"
    assert rig.ask(CloseDeadLetter(trade_id=trade.plan.trade_id, evidence="sold by hand")).ok
    assert str(trade.state) == "closed"
    rig.show_all()
    rig.ask(CloseDeadLetter(trade_id=trade.plan.trade_id, evidence="again"))
    rig.run_for(16_000)
    rig.show_all()
    assert rig.tap(rig.token(rig.found(key))).ok


def test_attempts_after_a_refusal_take_a_breath():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[REFUSED] * 6)
    began_ns = rig.world_ns
    rig.run_until(lambda: trade.is_over)
    assert str(trade.state) == "dead_letter"
    assert rig.world_ns - began_ns > 4 * 200 * NS_PER_MS


def test_an_exposure_without_any_price_goes_to_a_person_after_half_a_minute():
    rig = Rig().ready()
    trade = rig.execute(FILLS, REFUSED)
    for venue, symbol in (("upbit", "KRW-BTC"), ("binance", "BTCUSDT")):
        book = rig.state.market.book(venue, symbol)
        assert book is not None
        book.drop()
    rig.run_for(29_000)
    assert str(trade.state) == "naked"
    assert ("naked", "crit") in rig.alerts()
    rig.run_for(3_000)
    assert str(trade.state) == "dead_letter"


def test_partial_fills_are_balanced_to_the_last_lot():
    rig = Rig().ready()
    trade = rig.execute(Outcome(fill=Decimal("0.6")), Outcome(fill=Decimal("0.25")))
    rig.settle()
    assert trade.outcome == "balanced"
    assert abs(life.exposure(trade)) < Decimal("0.00001") * 4
    assert rig.ledger_difference() == {}


def test_dust_is_left_alone():
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(fill=Decimal("0.999")))
    rig.settle()
    assert roles(trade) == [LegRole.ENTRY, LegRole.ENTRY]
    assert (trade.outcome, life.exposure(trade) > 0) == ("balanced", True)


def test_nothing_filled_is_an_end_too():
    rig = Rig().ready()
    trade = rig.execute(NOTHING, REFUSED)
    rig.settle()
    assert (trade.outcome, rig.state.pnl_today_krw) == ("nothing_filled", Decimal(0))


# UNKNOWN


def test_a_lost_answer_is_found_by_look_up():
    rig = Rig().ready()
    trade = rig.execute(FILLS, LOST)
    rig.run_for(201)
    assert status(trade.orders[1]) == "unknown"
    assert rig.state.reservations.total("upbit", "BTC") == trade.orders[1].request.qty
    rig.settle()
    assert (trade.outcome, trade.orders[1].was_unknown) == ("balanced", True)
    assert len(rig.venues["upbit"].orders) == 1
    assert {("order_unknown", "warn"), ("unknown_resolved", "info")} <= set(rig.alerts())


def test_an_order_that_never_came_is_proved_absent_and_repaired():
    rig = Rig().ready()
    trade = rig.execute(FILLS, NEVER_CAME)
    lost = trade.orders[1]
    began_ns = rig.world_ns
    rig.run_until(lambda: lost.is_terminal)
    assert status(lost) == "not_placed"
    assert rig.world_ns - began_ns > rig.late_ns("upbit")
    assert lost.clean_misses >= 2
    rig.settle()
    assert trade.outcome == "unwound", "its deadline to chase has long passed"
    assert rig.ledger_difference() == {}


def test_not_found_before_the_expiry_is_no_evidence():
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="lost", late_ms=5_500))
    rig.run_for(5_000)
    lost = trade.orders[1]
    assert (lost.status, lost.clean_misses) == (OrderStatus.UNKNOWN, 0)
    assert len([effect for effect in rig.of(LookUp) if effect.cid == lost.request.cid]) >= 4
    rig.settle()
    assert status(lost) == "filled"
    assert trade.outcome == "balanced"
    assert len(rig.sent) == 2


def test_many_misses_ask_for_the_balances_once():
    """After a crash with twenty orders under way each miss had its own question, and they used the read budget up."""
    rig = Rig().ready()
    trade = rig.execute(FILLS, NEVER_CAME)
    lost = trade.orders[1]
    rig.run_until(lambda: lost.clean_misses == 1)
    rig.run_for(1)
    asked, swept = len(rig.of(FetchBalances)), len(rig.of(FetchOpenOrders))
    for _ in range(5):
        rig.handle(OrderMissing(cid=lost.request.cid, asked_ns=rig.now_ns, seen_ns=rig.now_ns))
    assert len(rig.of(FetchBalances)) == asked
    rig.run_for(110)
    assert [effect.venue for effect in rig.of(FetchBalances)[asked:]] == ["upbit"]
    assert len(rig.of(FetchOpenOrders)) == swept, "an IOC cannot rest: the dearer list proves nothing more"
    assert status(lost) == "not_placed"


def test_changed_balances_contradict_not_found():
    rig = Rig().ready()
    trade = rig.execute(FILLS, Outcome(answer="lost", misses=14))
    lost = trade.orders[1]
    rig.run_until(lambda: lost.clean_misses >= 3)
    assert status(lost) == "unknown"
    rig.settle()
    assert status(lost) == "filled"


def test_time_alone_concludes_nothing():
    rig = Rig().ready()
    trade = rig.execute(FILLS, NEVER_CAME)
    rig.venues["upbit"].totals["BTC"] += Decimal("0.3")  # a deposit: the balances are no evidence any more
    rig.run_for(600_000)
    lost = trade.orders[1]
    assert status(lost) == "unknown"
    assert rig.state.reservations.total("upbit", "BTC") == lost.request.qty
    reply = rig.ask(ResolveUnknown(cid=lost.request.cid, evidence="looked at the venue's own page"))
    assert reply.ok and status(lost) == "not_placed"
    rig.run_for(5_000)
    assert trade.is_over
    rig.restart()
    rig.run_for(5_000)
    assert status(rig.orders(trade.plan.trade_id)[1]) == "not_placed"


def test_only_an_unknown_order_can_be_resolved_by_hand():
    rig = Rig().ready()
    trade = rig.execute()
    rig.settle()
    for order in trade.orders:
        assert rig.ask(ResolveUnknown(cid=order.request.cid, evidence="x")).rule == "not_unknown"


def test_an_unknown_order_closes_its_assets_to_new_trades():
    rig = Rig(HERE / "two_worlds.yaml").ready()
    rig.execute(FILLS, NEVER_CAME, fraction="0.3")
    rig.run_for(400)
    rig.show_all()
    assert rig.tap(rig.token(rig.found("kimchi:BTC:okx>upbit"))).rule == "order_unknown"


def test_the_second_fill_of_an_ended_order_is_repaired():
    """A cancel is a request; a fill may come first, and its word may come last."""
    rig = Rig().ready()
    trade = rig.execute(NOTHING, NOTHING)
    rig.settle()
    assert trade.outcome == "nothing_filled"
    cid = trade.orders[1].request.cid
    rig.venues["upbit"].fill(cid, Decimal(1))
    report = rig.venues["upbit"].report(rig.venues["upbit"].orders[cid])
    rig.tell(OrderReported(report=report, seen_ns=rig.now_ns))
    assert ("late_order", "crit") in rig.alerts()
    rig.settle()
    assert trade.outcome in ("balanced", "unwound")
    assert life.exposure(trade) == 0 or abs(life.exposure(trade)) < Decimal("0.0001")
    assert rig.ledger_difference() == {}
    assert rig.state.pnl_today_krw == receipt(rig).pnl.net_krw


def test_a_late_fill_on_a_dead_letter_sends_nothing():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[NOTHING] * 6)
    rig.settle()
    sent = len(rig.of(Submit))
    last = trade.orders[-1].request
    rig.venues[last.venue].fill(last.cid, Decimal("0.5"))
    report = rig.venues[last.venue].report(rig.venues[last.venue].orders[last.cid])
    rig.tell(OrderReported(report=report, seen_ns=rig.now_ns))
    rig.run_for(5_000)
    assert len(rig.of(Submit)) == sent
    assert str(trade.state) == "dead_letter"
    assert rig.ledger_difference() == {}
    assert trade.plan.key in rig.state.blocked_keys


def test_what_a_person_closed_by_hand_is_not_closed_again():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[NOTHING] * 6)
    rig.settle()
    rig.ask(CloseDeadLetter(trade_id=trade.plan.trade_id, evidence="sold by hand"))
    assert life.exposure(trade) == 0
    rig.run_for(10)
    rig.restart()
    rig.run_for(3_000)
    again = rig.trade(trade.plan.trade_id)
    assert (again.state, life.exposure(again)) == (TradeState.CLOSED, Decimal(0))
    assert rig.state.blocked_keys == {}
    assert rig.state.pnl_total_krw == again.booked_krw


# Hard leg first


def test_the_second_leg_is_sized_from_the_confirmed_fill(hard_rig):
    rig = hard_rig
    trade = rig.execute(Outcome(fill=Decimal("0.5")))
    assert [order.request.venue for order in trade.orders] == ["upbit"]
    assert rig.state.reservations.total("binance", "USDT") > 0
    rig.settle()
    sold = trade.orders[0].report.filled_qty
    bought = trade.orders[1].report.filled_qty
    assert bought * Decimal("0.999") <= sold <= bought
    assert sold - bought * Decimal("0.999") < Decimal("0.00002")
    assert trade.outcome == "balanced"
    assert rig.state.reservations.total("binance", "USDT") == 0


def test_a_hard_leg_without_fill_ends_the_trade(hard_rig):
    trade = hard_rig.execute(NOTHING)
    hard_rig.settle()
    assert len(trade.orders) == 1
    assert trade.outcome == "nothing_filled"
    assert hard_rig.state.reservations.total("binance", "USDT") == 0


def test_a_second_leg_that_does_not_pay_any_more_stays_at_its_planned_price(hard_rig):
    rig = hard_rig
    trade = rig.execute()
    rig.later(NS_PER_MS, lambda: rig.set_book("binance", "BTCUSDT", 102_500))
    rig.settle()
    assert trade.orders[1].request.price == trade.plan.legs[0].limit_price
    assert trade.outcome == "unwound"


def test_a_crash_between_the_legs_goes_on_with_the_second(hard_rig):
    rig = hard_rig
    trade = rig.execute()
    rig.run_until(lambda: status(trade.orders[0]) == "filled")
    rig.restart()
    assert rig.state.reservations.total("binance", "USDT") > 0
    rig.settle()
    again = rig.trade(trade.plan.trade_id)
    assert again.outcome in ("balanced", "unwound")
    assert rig.ledger_difference() == {}
    assert rig.state.reservations.total("binance", "USDT") == 0
