"""Hedges that are gone from their venue: written off once a person has accepted it, never counted twice."""

from decimal import Decimal

import pytest
from msgspec import structs

from engine.core import gate, losses, receipts, trades
from engine.domain.command import AcceptBalances, CloseDeadLetter, CloseHedge, ClosePosition, RetryDeadLetter
from engine.domain.event import JournalState
from engine.domain.margin_event import HedgeLost
from engine.domain.market import Balance
from engine.domain.order import TradeState
from engine.domain.position import Holding
from engine.execution import trade as life
from engine.execution.trade import Trade
from tests.core.perp_rig import LOT, SYMBOL, VENUE, PerpRig
from tests.core.test_perps import hedged, position

D = Decimal


def lose(rig: PerpRig, qty: Decimal, price: int = 100_500) -> None:
    """The venue closes so much of the position, signed, and the desk sees the difference."""
    rig.perp.totals["USDT"] += rig.perp.trade(-qty, D(price))
    rig.set_book(VENUE, SYMBOL, price)
    rig.run_for(70_000)
    assert rig.state.venues[VENUE].blocked.startswith("ledger_mismatch")


@pytest.mark.parametrize("share", ["0.5", "1"])
def test_a_hedge_that_its_venue_has_closed_by_itself_is_a_dead_letter_once_a_person_has_accepted_it(share):
    """Liquidated, or deleveraged: the position is smaller, the wallet has its result, and no order of ours says why."""
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    stands = position(rig)
    gone, before = (stands * D(share)).quantize(LOT), life.exposure(rig.trade(trade_id))
    lose(rig, gone)
    assert trade_id in rig.state.hedged
    assert ("ledger_mismatch", "crit") in rig.alerts()
    reply = rig.ask(AcceptBalances(venue=VENUE))
    assert reply.ok and "lost hedges: 1" in reply.text
    rig.run_for(100)
    assert ("dead_letter", "crit") in rig.alerts()
    rig.restart()
    rig.run_for(5_000)
    trade = rig.trade(trade_id)
    assert (trade.state, life.exposure(trade)) == (TradeState.DEAD_LETTER, before - gone)
    assert trade.reason.startswith("open_hedge_lost: ")
    assert rig.books_agree() and position(rig) == stands - gone
    assert sum(life.standing(trade).values()) == stands - gone
    rig.set_book("binance", "BTCUSDT", 100_000)
    rig.set_book("upbit", "KRW-BTC", 139_000_000)
    assert rig.ask(RetryDeadLetter(trade_id=trade_id)).ok
    rig.settle()
    if stands != gone:
        rig.set_book("binance", "BTCUSDT", 100_000)
        assert rig.ask(CloseHedge(trade_id=trade_id)).ok
        rig.settle()
    assert position(rig) == 0 and not rig.state.hedged and rig.books_agree()
    assert rig.trade(trade_id).state is TradeState.CLOSED


def letter_of_the_hedge(rig: PerpRig, trade_id: str) -> Decimal:
    """The coin is sold, the hedge is not closed: it is what stands open. Its signed base."""
    rig.set_book("binance", "BTCUSDT", 100_000)
    rig.perp.refuses = True
    assert rig.ask(CloseHedge(trade_id=trade_id)).ok
    rig.settle()
    rig.perp.refuses = False
    trade = rig.trade(trade_id)
    assert trade.state is TradeState.DEAD_LETTER and abs(life.exposure(trade) - position(rig)) < LOT
    return position(rig)


@pytest.mark.parametrize("says_so_first", [True, False])
def test_a_hedge_that_a_person_has_closed_by_hand_is_counted_once(says_so_first):
    """As the operator's book tells them: close it at the venue, close the letter, accept the balances; or without."""
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    stands = letter_of_the_hedge(rig, trade_id)
    if says_so_first:
        assert rig.ask(CloseDeadLetter(trade_id=trade_id, evidence="bought at the venue")).ok
    lose(rig, stands)
    assert rig.ask(AcceptBalances(venue=VENUE)).ok
    rig.run_for(100)
    for _ in range(2):
        trade = rig.trade(trade_id)
        assert (trade.state, abs(life.exposure(trade)) < LOT) == (TradeState.CLOSED, True)
        assert not (rig.state.letters or rig.state.blocked_keys or rig.state.hedged) and rig.books_agree()
        rig.restart()
        rig.run_for(5_000)


def test_the_result_has_the_loss_of_a_liquidated_hedge_and_the_gain_of_its_coin():
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    total, size = rig.state.pnl_total_krw, abs(position(rig))
    lose(rig, position(rig), 130_000)
    assert rig.ask(AcceptBalances(venue=VENUE)).ok
    rig.run_for(100)
    booked = rig.state.pnl_total_krw
    assert booked == receipts.pnl(rig.trade(trade_id)).net_krw
    rig.restart()
    rig.run_for(5_000)
    assert rig.state.pnl_total_krw == booked
    rig.show_all()
    rig.set_book("binance", "BTCUSDT", 130_000)
    rig.set_book("upbit", "KRW-BTC", float(130_000 * rig.state.krw_rates["USDT"]))
    assert rig.ask(RetryDeadLetter(trade_id=trade_id)).ok
    rig.settle()
    moved_krw = size * 30_000 * rig.state.krw_rates["USDT"]
    assert abs(rig.state.pnl_total_krw - total) < moved_krw / 20
    assert rig.state.pnl_total_krw == receipts.pnl(rig.trade(trade_id)).net_krw, "each part once"
    for _ in range(2):
        total = rig.state.pnl_total_krw
        rig.run_for(100)
        rig.restart()
        rig.run_for(5_000)
        assert rig.state.pnl_total_krw == total
    assert rig.books_agree()


def test_nothing_is_closed_by_a_tap_where_the_positions_differ():
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    lose(rig, position(rig))
    refused = rig.ask(CloseHedge(trade_id=trade_id))
    assert (refused.rule, "ledger_mismatch" in refused.text) == ("venue_blocked", True)


def test_no_position_is_closed_by_a_tap_where_it_differs():
    rig = PerpRig()
    rig.perp.hold("0.05", "100000")
    rig.ready()
    lose(rig, D("0.02"))
    assert rig.ask(ClosePosition(venue=VENUE, symbol=SYMBOL)).rule == "venue_blocked"
    assert rig.ask(AcceptBalances(venue=VENUE)).ok
    rig.set_book(VENUE, SYMBOL, 100_500)
    assert rig.ask(ClosePosition(venue=VENUE, symbol=SYMBOL)).ok
    rig.settle()
    assert position(rig) == 0 and rig.books_agree()


def test_balances_are_not_accepted_with_positions_of_another_answer():
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    held = rig.state.venues[VENUE]
    held.balances = {"USDT": Balance("USDT", D(1), D(1))}
    held.account.asked_ns -= 1
    assert rig.ask(AcceptBalances(venue=VENUE)).rule == "stale" and trade_id in rig.state.hedged


def test_nothing_is_accepted_that_the_journal_cannot_keep():
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    lose(rig, position(rig))
    rig.handle(JournalState(writable=False, reason="disk full", seen_ns=rig.now_ns))
    assert rig.ask(AcceptBalances(venue=VENUE)).rule == "journal" and trade_id in rig.state.hedged


def test_letters_of_one_pair_all_count() -> None:
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    lose(rig, position(rig))
    assert rig.ask(AcceptBalances(venue=VENUE)).ok
    first = rig.trade(trade_id)
    key, alone = first.plan.key, gate.held(rig.state, "BTC").coin_krw
    second = Trade(plan=structs.replace(first.plan, trade_id="t-second"), opened_ns=1, state=TradeState.DEAD_LETTER)
    trades.block(rig.state, second)
    assert (list(rig.state.letters), rig.state.blocked_keys) == ([trade_id, "t-second"], {key: "t-second"})
    assert alone and gate.held(rig.state, "BTC").coin_krw == 2 * alone
    trades.unblock(rig.state, second)
    assert (list(rig.state.letters), rig.state.blocked_keys) == ([trade_id], {key: trade_id})
    assert rig.ask(CloseDeadLetter(trade_id=trade_id, evidence="sold")).ok
    assert not (rig.state.letters or rig.state.blocked_keys) and not gate.held(rig.state, "BTC").coin_krw


@pytest.mark.parametrize("is_in_wallet", [True, False])
def test_funding_of_before_the_accept_that_is_listed_after_it_is_booked_only_where_the_wallet_says_so(is_in_wallet):
    """Chaos seeds 1019319 and 1024035: the accepted wallet had the payment, the list of the same asking had not."""
    rig = PerpRig().ready()
    hedged(rig)
    rig.perp.lists_funding = False
    rig.perp.pay("0.98", rig.wall_ms)
    if not is_in_wallet:
        rig.perp.totals["USDT"] -= D("0.98")
    lose(rig, position(rig))
    assert rig.ask(AcceptBalances(venue=VENUE)).ok
    if not is_in_wallet:
        rig.perp.totals["USDT"] += D("0.98")
    rig.perp.lists_funding = True
    rig.run_for(70_000)
    assert rig.books_agree() and rig.state.venues[VENUE].ready
    assert rig.state.counts["funding_payments"] == (0 if is_in_wallet else 1)
    rig.restart()
    rig.run_for(70_000)
    assert rig.books_agree() and rig.state.venues[VENUE].ready


def test_hedges_that_stand_are_not_lost_by_an_accept_for_another_reason():
    """The position is smaller than the hedge by a person's own one, as the books know; then money was deposited."""
    rig = PerpRig()
    rig.perp.hold("0.001", "100000")
    rig.ready()
    trade_id = hedged(rig)
    stands = sum(life.standing(rig.trade(trade_id)).values())
    assert position(rig) == stands + D("0.001") and rig.books_agree()
    rig.perp.totals["USDT"] += 1_000
    rig.run_for(70_000)
    assert rig.state.venues[VENUE].blocked.startswith("ledger_mismatch")
    reply = rig.ask(AcceptBalances(venue=VENUE))
    assert reply.ok and "lost" not in reply.text
    assert rig.books_agree() and not rig.state.letters
    assert sum(life.standing(rig.trade(trade_id)).values()) == stands


def test_of_opposite_hedges_those_are_lost_whose_side_was_closed():
    """Chaos seed 1026887: a short was taken away, longs of other trades came, and then somebody looked."""
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    stands = position(rig)
    first = rig.trade(trade_id)
    other = structs.replace(first, plan=structs.replace(first.plan, trade_id="t-other"), orders=[])
    rig.state.trades["t-other"] = rig.state.hedged["t-other"] = other
    losses.on_lost(rig.state, HedgeLost(trade_id="t-other", leg=2, qty=3 * stands, price=D(1), wall_ms=1, seen_ns=1))
    assert life.standing(other) == {2: -3 * stands}
    held = rig.state.venues[VENUE]
    holding = Holding(symbol=SYMBOL, base="BTC", quote="USDT", qty=-2 * stands, entry=D(100_000))
    rig.state.ledger.open(VENUE, {"USDT": D(1)}, [holding])
    held.account.positions = {SYMBOL: structs.replace(rig.perp.positions()[0], qty=D("-2.5") * stands)}
    losses.write_off(rig.state, held)
    assert life.standing(first) == {2: stands / 2} and life.standing(other) == {2: -3 * stands}


def test_a_letter_that_is_a_hedge_is_not_tried_again_where_positions_differ():
    rig = PerpRig().ready()
    trade_id = hedged(rig)
    stands = letter_of_the_hedge(rig, trade_id)
    lose(rig, stands)
    refused = rig.ask(RetryDeadLetter(trade_id=trade_id))
    assert (refused.rule, "accept its balances first" in refused.text) == ("venue_blocked", True)
