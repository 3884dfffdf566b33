"""What only a person can settle: a dead letter is tried again or closed by hand, an UNKNOWN order gets its evidence."""

from decimal import Decimal
from typing import Any

import pytest

from engine.domain.command import CloseDeadLetter, Halt, ResolveUnknown, RetryDeadLetter
from engine.domain.order import LegRole, OrderStatus, TradeState
from engine.execution import trade as life
from engine.execution.trade import Trade
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

FILLS, NOTHING = Outcome(), Outcome(fill=Decimal(0))


def letter(rig: Rig) -> Trade:
    """Both chases and all three unwinds found nobody."""
    trade = rig.execute(FILLS, *[NOTHING] * 6)
    rig.settle()
    assert trade.state is TradeState.DEAD_LETTER
    rig.show_all()
    return trade


def retry(rig: Rig, trade: Trade):
    return rig.ask(RetryDeadLetter(trade_id=trade.plan.trade_id))


def close(rig: Rig, trade: Trade, **more: Any):
    return rig.ask(CloseDeadLetter(trade_id=trade.plan.trade_id, evidence="sold in the app", **more))


def test_a_retry_closes_the_remainder_at_the_price_of_now():
    rig = Rig().ready()
    trade = letter(rig)
    made = retry(rig, trade)
    assert made.ok, made.text
    rig.settle()
    assert trade.state is TradeState.CLOSED
    assert abs(life.exposure(trade)) < Decimal("0.00001"), "less than a lot"
    assert trade.plan.key not in rig.state.blocked_keys
    assert rig.ledger_difference() == {}


def test_a_retry_that_finds_nobody_is_a_dead_letter_again_after_one_order():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[NOTHING] * 9)
    rig.settle()
    rig.show_all()
    before = len(trade.orders)
    assert retry(rig, trade).ok
    rig.settle()
    assert trade.state is TradeState.DEAD_LETTER
    assert len(trade.orders) == before + 1
    assert rig.state.blocked_keys[trade.plan.key] == trade.plan.trade_id


def test_a_retry_is_refused_while_halted_and_says_why():
    rig = Rig().ready()
    trade = letter(rig)
    rig.ask(Halt(level=2, reason="lunch"))
    made = retry(rig, trade)
    assert (made.ok, made.rule) == (False, "halted") and "lunch" in made.text
    assert trade.state is TradeState.DEAD_LETTER


def test_a_retry_without_a_book_is_refused():
    rig = Rig().ready()
    trade = letter(rig)
    for leg in trade.plan.legs:
        book = rig.state.market.book(leg.venue, leg.symbol)
        assert book is not None
        book.drop()
    made = retry(rig, trade)
    assert (made.ok, made.rule) == (False, "no_price")


def test_two_presses_send_one_order():
    rig = Rig().ready()
    trade = letter(rig)
    before = len(trade.orders)
    assert retry(rig, trade).ok
    assert retry(rig, trade).rule == "not_dead_letter"
    assert len(trade.orders) == before + 1


def test_a_restart_in_the_middle_of_a_retry_knows_its_order():
    rig = Rig().ready()
    trade = rig.execute(FILLS, *[NOTHING] * 5, NOTHING, Outcome(answer="lost"))
    rig.settle()
    rig.show_all()
    assert retry(rig, trade).ok
    rig.run_for(100)  # what was said becomes durable
    rig.restart()
    again = rig.trade(trade.plan.trade_id)
    assert not again.is_over and again.orders[-1].request.role in (LegRole.CHASE, LegRole.UNWIND)
    rig.settle(120_000)
    assert again.is_over
    assert rig.ledger_difference() == {}


def test_a_part_closed_by_hand_leaves_the_rest_in_the_queue_over_a_restart():
    rig = Rig().ready()
    trade = letter(rig)
    naked = life.exposure(trade)
    half = (naked / 2).quantize(Decimal("0.00000001"))
    made = close(rig, trade, amount=half, price=Decimal(95_000_000))
    assert made.ok and "still open" in made.text
    assert trade.state is TradeState.DEAD_LETTER and life.exposure(trade) == naked - half
    rig.run_for(100)  # what was said becomes durable
    rig.restart()
    again = rig.trade(trade.plan.trade_id)
    assert again.state is TradeState.DEAD_LETTER and life.exposure(again) == naked - half
    assert "sold in the app" in again.reason and "95000000" in again.reason
    assert close(rig, again).ok
    assert rig.trade(trade.plan.trade_id).state is TradeState.CLOSED and life.exposure(again) == 0
    rig.run_for(100)  # what was said becomes durable
    rig.restart()
    assert life.exposure(rig.trade(trade.plan.trade_id)) == 0


def test_more_than_is_open_cannot_be_closed():
    rig = Rig().ready()
    trade = letter(rig)
    made = close(rig, trade, amount=life.exposure(trade) * 2)
    assert (made.ok, made.rule) == (False, "amount_differs")
    assert trade.state is TradeState.DEAD_LETTER


def unknown(rig: Rig) -> Trade:
    """The second order's answer is lost, and no look-up is answered either."""
    trade = rig.execute(FILLS, Outcome(answer="lost", misses=10_000))
    rig.run_for(5_000)
    assert trade.orders[1].status is OrderStatus.UNKNOWN
    return trade


WRONG = [  # why, share of the order that filled, price against its limit in the order's disfavour, the rule
    ("more than was ordered", "1.5", "1", "amount_differs"),
    ("worse than its limit", "1", "0.9", "price_differs"),
    ("no price", "1", "", "price_differs"),
]


@pytest.mark.parametrize("why, share, at, rule", WRONG, ids=[case[0] for case in WRONG])
def test_evidence_that_cannot_be_is_refused(why, share, at, rule):
    rig = Rig().ready()
    trade = unknown(rig)
    request = trade.orders[1].request
    price = request.price * Decimal(at) if at else None
    made = rig.ask(
        ResolveUnknown(cid=request.cid, evidence="seen in the app", filled=request.qty * Decimal(share), price=price)
    )
    assert (made.ok, made.rule) == (False, rule)
    assert trade.orders[1].status is OrderStatus.UNKNOWN


def test_an_unknown_order_that_a_person_saw_filled_balances_its_trade_over_a_restart():
    rig = Rig().ready()
    trade = unknown(rig)
    request = trade.orders[1].request
    made = rig.ask(ResolveUnknown(cid=request.cid, evidence="seen", filled=request.qty, price=request.price))
    assert made.ok, made.text
    assert trade.orders[1].status is OrderStatus.FILLED
    rig.run_for(100)  # what was said becomes durable
    rig.restart()
    again = rig.trade(trade.plan.trade_id)
    assert again.orders[1].status is OrderStatus.FILLED
    assert again.orders[1].report is not None and again.orders[1].report.filled_qty == request.qty
