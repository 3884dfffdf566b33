"""What comes after its time: an execution later than any bound, and rows that a kill kept from the store."""

from engine.domain.effect import Record
from engine.domain.money import NS_PER_MS
from engine.domain.order import OrderStatus
from tests.core.harness import Rig
from tests.core.venue_model import Outcome


def test_an_execution_later_than_the_bound_is_found_through_the_balances():
    """Evidence said "never placed"; the venue executed it all the same: the ledger must not stay wrong for ever."""
    rig = Rig().ready()
    trade = rig.execute(Outcome(answer="lost", late_ms=45_000), Outcome())
    late = trade.orders[0]
    rig.run_until(lambda: late.status is OrderStatus.NOT_PLACED)
    rig.run_until(lambda: late.status is OrderStatus.FILLED, 120_000)
    rig.settle()
    rig.run_for(60_000)
    assert ("late_order", "crit") in rig.alerts()
    assert rig.ledger_difference() == {}
    assert all(held.ready for held in rig.state.venues.values())
    assert trade.outcome in ("unwound", "balanced", "dead_letter")


def test_it_is_found_while_another_order_is_without_an_answer():
    """Its change is no proof against the other one, nor may the other one keep it from being looked for: found by
    chaos seed 92, where the two waited for each other for an hour and a half."""
    rig = Rig().ready()
    first = rig.execute(Outcome(answer="lost", late_ms=60_000), Outcome())
    late = first.orders[0]
    rig.run_until(lambda: late.status is OrderStatus.NOT_PLACED)
    rig.settle(40_000)
    rig.run_until(lambda: rig.now_ns - late.planned_ns > 55_000 * NS_PER_MS)
    second = rig.execute(Outcome(answer="lost", reaches=False), Outcome())
    assert late.status is OrderStatus.NOT_PLACED
    absent = second.orders[0]
    assert absent.request.venue == late.request.venue
    rig.run_for(60_000)
    assert (late.status, absent.is_terminal) == (OrderStatus.FILLED, True)
    rig.settle()
    assert rig.ledger_difference() == {}


def test_a_kill_before_the_store_has_written_loses_no_row():
    rig = Rig().ready()
    trade = rig.execute()
    rig.settle()
    rig.restart()
    rows = {effect.key for effect in rig.of(Record)}
    assert {trade.plan.trade_id, *(order.request.cid for order in trade.orders)} <= rows
