"""A venue is traded on only while its balances agree with the ledger; only our own orders are touched."""

from decimal import Decimal

import pytest

from engine.domain.command import AcceptBalances, Mode, SetMode
from engine.domain.effect import Cancel, FetchBalances, FetchOpenOrders, OpenLedger
from engine.domain.event import BalancesReported, VenueFailed
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.domain.order import OrderReport, OrderStatus, Side
from tests.core.harness import Rig
from tests.core.venue_model import Outcome


def test_balances_are_adopted_once():
    rig = Rig().ready()
    assert sorted(entry.venue for entry in rig.recall(0) if hasattr(entry, "balances")) == sorted(rig.venues)
    rig.restart()
    rig.run_for(5_000)
    assert rig.of(OpenLedger) == []
    assert all(held.ready for held in rig.state.venues.values())


@pytest.mark.parametrize("empty_ms, opened_with", [(1_500, 50_000_000), (60_000, 0)])
def test_a_first_answer_without_any_balance_is_asked_again_before_the_books_are_opened_with_it(empty_ms, opened_with):
    rig = Rig()
    account, held = rig.venues["upbit"], dict(rig.venues["upbit"].totals)
    account.totals = {}
    rig.later(empty_ms * NS_PER_MS, lambda: account.totals.update(held, KRW=Decimal(50_000_000)))
    rig.start()
    rig.run_until(lambda: rig.state.venues["upbit"].opened, 10_000)
    assert rig.state.ledger.balance("upbit", "KRW") == opened_with
    assert rig.state.venues["binance"].opened and ("ledger_mismatch", "crit") not in rig.alerts()


def test_one_difference_may_be_the_venues_own_delay():
    rig = Rig().ready()
    rig.venues["upbit"].totals["KRW"] += 50_000
    rig.run_until(lambda: rig.state.venues["upbit"].mismatches == 1)
    rig.venues["upbit"].totals["KRW"] -= 50_000
    rig.run_for(5_000)
    assert rig.state.venues["upbit"].ready
    assert rig.alerts() == []


def test_a_difference_seen_three_times_blocks_that_venue_alone():
    rig = Rig().ready()
    rig.venues["upbit"].totals["KRW"] += 50_000
    rig.run_for(40_000)
    assert ("ledger_mismatch", "crit") in rig.alerts()
    assert len([alert for alert in rig.alerts() if alert[0] == "ledger_mismatch"]) == 1
    assert rig.state.venues["upbit"].blocked == "ledger_mismatch: KRW +50000"
    assert rig.state.venues["binance"].ready
    rig.show_all()
    assert rig.tap(rig.token(rig.premium(0.01))).rule == "venue_blocked"

    assert rig.ask(AcceptBalances(venue="upbit")).ok
    assert rig.state.venues["upbit"].ready
    assert rig.ledger_difference() == {}
    rig.run_for(5_000)
    rig.restart()
    rig.run_for(5_000)
    assert rig.state.venues["upbit"].ready, "what a person accepted is journaled"


def test_a_difference_that_vanishes_unblocks():
    rig = Rig().ready()
    rig.venues["upbit"].totals["KRW"] += 50_000
    rig.run_until(lambda: rig.state.venues["upbit"].blocked != "")
    rig.venues["upbit"].totals["KRW"] -= 50_000
    rig.run_for(31_000)
    assert rig.state.venues["upbit"].ready
    assert ("ledger_agrees", "info") in rig.alerts()


def test_balances_read_before_an_order_are_not_accepted():
    rig = Rig().ready()
    rig.execute()
    rig.run_until(lambda: not rig.state.live_trades)
    reply = rig.ask(AcceptBalances(venue="upbit"))
    assert reply.rule == "stale"
    rig.run_for(3_000)
    assert rig.ask(AcceptBalances(venue="upbit")).ok
    assert rig.ledger_difference() == {}


def test_balances_are_not_accepted_while_orders_are_under_way():
    rig = Rig().ready()
    rig.execute(Outcome(), Outcome(answer="lost", reaches=False))
    rig.run_for(1_000)
    assert rig.ask(AcceptBalances(venue="upbit")).rule == "orders_under_way"
    assert rig.ask(AcceptBalances(venue="nowhere")).rule == "unknown_venue"


def foreign_order(cid: str = "somebody-elses") -> OrderReport:
    return OrderReport(
        cid=cid,
        venue="upbit",
        symbol="KRW-BTC",
        side=Side.BUY,
        status=OrderStatus.OPEN,
        venue_order_id="x-1",
        filled_qty=Decimal(0),
        filled_quote=Decimal(0),
        fees=(),
    )


def test_a_difference_asks_for_balances_often_and_for_open_orders_in_their_turn():
    """A list of open orders is dear (Binance: 80 of 1,200 a minute): it must not use up what books need."""
    rig = Rig().ready()
    rig.run_for(31_000)
    rig.effects.clear()
    rig.venues["upbit"].totals["KRW"] += 50_000
    rig.run_for(40_000)
    balances = [effect for effect in rig.of(FetchBalances) if effect.venue == "upbit"]
    lists = [effect for effect in rig.of(FetchOpenOrders) if effect.venue == "upbit"]
    assert len(balances) >= 3 and len(lists) == 1


def test_an_order_of_our_own_form_that_nobody_planned_is_an_alarm_and_left_alone():
    """A journal that was lost or put back, or another copy of the desk: a person must know, whoever it was."""
    rig = Rig().ready()
    rig.venues["upbit"].foreign.append(foreign_order("a2b3c4d5e6f7g2h3i4j5k6l7mn"))
    rig.run_for(65_000)
    told = [each for each in rig.alerts() if each[0] in ("stray_orders", "foreign_orders")]
    assert told == [("stray_orders", "warn")]
    assert rig.venues["upbit"].cancels == []


def test_foreign_orders_are_told_and_never_touched():
    rig = Rig().ready()
    rig.venues["upbit"].foreign.append(foreign_order())
    rig.venues["upbit"].held["KRW"] = Decimal(20_000_000)
    rig.run_for(31_000)
    assert ("foreign_orders", "info") in rig.alerts()
    assert rig.of(Cancel) == []
    assert rig.state.available["upbit", "KRW"] == 30_000_000
    rig.restart()
    rig.run_for(5_000)
    assert rig.venues["upbit"].cancels == []
    assert rig.state.venues["upbit"].ready


def test_own_orders_left_open_are_cancelled_at_start(tether_rig):
    rig = tether_rig
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.AUTO))
    rig.show_book("upbit", "KRW-USDT")
    rig.run_for(100)
    (cid,) = rig.venues["upbit"].orders
    assert rig.venues["upbit"].orders[cid].status is OrderStatus.OPEN
    rig.restart(down_ms=100)
    rig.run_for(500)
    assert rig.venues["upbit"].cancels[:1] == [cid]
    assert rig.venues["upbit"].orders[cid].status is OrderStatus.CANCELLED
    rig.run_for(5_000)
    assert rig.state.orders[cid][1].status is OrderStatus.CANCELLED
    assert rig.state.venues["upbit"].ready


def test_a_resting_order_is_cancelled_after_its_time(tether_rig):
    rig = tether_rig
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.AUTO))
    rig.show_book("upbit", "KRW-USDT")
    (trade,) = rig.state.trades.values()
    rig.run_for(1_900)
    assert rig.venues["upbit"].cancels == []
    cid = trade.orders[0].request.cid
    rig.venues["upbit"].fill(cid, Decimal("0.25"))
    rig.run_for(400)
    assert rig.venues["upbit"].cancels == [cid]
    rig.run_for(2_000)
    assert (trade.state, trade.outcome) == ("closed", "balanced")
    assert trade.orders[0].status is OrderStatus.CANCELLED
    assert trade.orders[0].report.filled_qty > 0
    assert rig.ledger_difference() == {}
    assert rig.state.reservations.total("upbit", "KRW") == 0


def test_a_resting_order_that_was_lost_is_not_believed_absent_while_it_may_rest(tether_rig):
    rig = tether_rig
    rig.outcomes.append(Outcome(answer="lost", misses=30))
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.AUTO))
    rig.show_book("upbit", "KRW-USDT")
    (trade,) = rig.state.trades.values()
    rig.run_for(20_000)
    assert trade.orders[0].status in (OrderStatus.OPEN, OrderStatus.CANCELLED), "the list of open orders names it"
    rig.settle()
    assert trade.orders[0].status is OrderStatus.CANCELLED


def test_a_failed_read_is_tried_again_soon():
    rig = Rig().ready()
    rig.handle(VenueFailed(venue="upbit", call="balances", reason="503", seen_ns=rig.now_ns))
    assert rig.state.venues["upbit"].failing == "balances: 503"
    rig.run_for(2_500)
    assert rig.state.venues["upbit"].failing == ""


def test_the_first_failures_cost_a_start_little_and_many_do_not_hammer():
    rig = Rig().ready()
    held, waits_ms = rig.state.venues["upbit"], []
    for _ in range(6):
        held.next_check_ns = rig.now_ns + 60 * NS_PER_S
        rig.handle(VenueFailed(venue="upbit", call="balances", reason="503", seen_ns=rig.now_ns))
        waits_ms.append((held.next_check_ns - rig.now_ns) // NS_PER_MS)
    assert waits_ms == [200, 400, 800, 1_600, 2_000, 2_000]
    rig.run_for(2_500)
    assert held.failures == 0


def test_a_venue_that_says_for_how_long_is_asked_right_after():
    rig = Rig().ready()
    held = rig.state.venues["upbit"]
    held.next_check_ns = rig.now_ns + 60 * NS_PER_S
    rig.handle(VenueFailed(venue="upbit", call="balances", reason="429", retry_ms=7_300, seen_ns=rig.now_ns))
    rig.run_for(7_200)
    assert held.failing == "balances: 429"
    rig.run_for(400)
    assert held.failing == ""


def test_without_a_list_of_open_orders_a_resting_order_is_not_believed_absent(tether_rig):
    rig = tether_rig
    rig.outcomes.append(Outcome(answer="lost", misses=1_000))
    rig.ask(SetMode(strategy="tether_bot", mode=Mode.AUTO))
    rig.show_book("upbit", "KRW-USDT")
    (trade,) = rig.state.trades.values()
    rig.loses_sweeps = True
    rig.run_for(60_000)
    assert str(trade.orders[0].status) == "unknown", "it holds its funds, and changes no total"
    assert trade.orders[0].clean_misses >= 2
    rig.loses_sweeps = False
    rig.run_for(10_000)
    assert str(trade.orders[0].status) != "unknown"


def test_balances_asked_for_before_a_fill_compare_nothing():
    rig = Rig().ready()
    before = rig.venues["upbit"].balances()
    asked_ns = rig.now_ns
    rig.execute()
    rig.run_until(lambda: not rig.state.live_trades)
    for _ in range(3):
        rig.handle(BalancesReported(venue="upbit", balances=before, asked_ns=asked_ns, seen_ns=rig.now_ns))
    assert (rig.state.venues["upbit"].mismatches, rig.state.venues["upbit"].blocked) == (0, "")
    rig.run_for(3_000)
    assert rig.state.venues["upbit"].ready
