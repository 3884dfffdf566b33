"""What rests for a person: it hides no missing money, survives a restart, ends by evidence where nobody knows it."""

from decimal import Decimal as D

import pytest
from msgspec import structs

from engine.domain.account_event import Stopping
from engine.domain.command import ResolveUnknown
from engine.domain.effect import Cancel
from engine.domain.money import NS_PER_MS
from engine.domain.order import OrderStatus, Side
from engine.domain.parent import Ask, ParentState, Template
from engine.execution.order_state import OrderState
from engine.execution.parent import Parent, filled
from tests.core.harness import Rig
from tests.core.test_parents import begin, done, move

RESTS = Ask(template=Template.LIMIT, side=Side.BUY, base="BTC", qty=D("0.005"), venue="upbit", price=D(139_000_000))


def resting(rig: Rig) -> tuple[Parent, OrderState]:
    parent = begin(rig, RESTS)
    rig.run_for(2_000)
    [order] = parent.live[0].orders
    assert order.status is OrderStatus.OPEN
    return parent, order


def forget(rig: Rig, cid: str) -> None:
    """Cancelled behind our back, and no longer in any list of its venue."""
    rig.venues["upbit"].cancel(cid)
    del rig.venues["upbit"].orders[cid]


def again(rig: Rig, parent: Parent, down_ms: int = 3_000) -> Parent:
    rig.restart(down_ms)
    return rig.state.parents.all[parent.plan.parent_id]


def test_money_that_vanishes_is_seen_while_an_order_rests() -> None:
    rig = Rig().ready()
    resting(rig)
    rig.venues["upbit"].totals["KRW"] -= 5_000_000
    rig.run_for(45_000)
    assert rig.state.venues["upbit"].blocked == "ledger_mismatch: KRW -5000000"
    assert ("ledger_mismatch", "crit") in rig.alerts()


@pytest.mark.parametrize("share", [D("0.4"), D(1)])
def test_a_fill_of_what_rests_is_no_missing_money(share: D) -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    for held in rig.state.venues.values():
        held.next_check_ns = rig.now_ns + 10 * NS_PER_MS
    order.next_look_ns = rig.now_ns + 20_000 * NS_PER_MS  # its balances tell first
    rig.set_book("upbit", "KRW-BTC", 138_900_000)
    rig.venues["upbit"].take(order.request.cid, share)
    rig.run_for(8_000)
    assert filled(parent).qty == D("0.005") * share and rig.ledger_difference() == {}
    assert "ledger_mismatch" not in {name for name, _ in rig.alerts()} and rig.state.venues["upbit"].ready


def test_a_restart_leaves_it_where_it_rests() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    parent = again(rig, parent)
    rig.run_until(lambda: all(held.ready for held in rig.state.venues.values()), 10_000)
    rig.run_for(30_000)
    assert parent.state is ParentState.RUNNING and len(parent.trades) == 1
    assert rig.venues["upbit"].orders[order.request.cid].status is OrderStatus.OPEN
    assert not rig.of(Cancel)
    rig.set_book("upbit", "KRW-BTC", 138_900_000)
    rig.venues["upbit"].take(order.request.cid, D(1))
    assert filled(done(rig, parent)).qty == D("0.005") and rig.ledger_difference() == {}


def test_what_was_taken_back_while_the_desk_was_away_is_sent_again_and_said() -> None:
    rig = Rig().ready()
    parent, _ = resting(rig)
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent)
    rig.run_until(lambda: len(parent.live) == 1 and len(parent.trades) == 2, 15_000)
    rig.run_for(2_000)
    assert parent.state is ParentState.RUNNING
    assert parent.live[0].orders[0].status is OrderStatus.OPEN and parent.live[0].orders[0].request.qty == D("0.005")
    assert ("order_sent_again", "warn") in rig.alerts()
    again(rig, parent)
    rig.run_for(20_000)
    assert len(rig.state.parents.all[parent.plan.parent_id].trades) == 2, "once"


def test_what_had_rested_its_time_is_not_sent_again() -> None:
    rig = Rig().ready()
    parent = begin(rig, structs.replace(RESTS, over_ms=20_000))
    rig.run_for(2_000)
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent, 30_000)
    assert done(rig, parent, 30_000).state is ParentState.DONE
    assert len(parent.trades) == 1 and "order_sent_again" not in {name for name, _ in rig.alerts()}


def test_what_was_cancelled_there_while_the_desk_looked_on_has_ended() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.venues["upbit"].cancel(order.request.cid)
    assert done(rig, parent, 30_000).state is ParentState.DONE
    assert len(parent.trades) == 1 and "order_sent_again" not in {name for name, _ in rig.alerts()}


def test_an_order_that_its_venue_has_forgotten_ends_by_evidence() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.later(1_000 * NS_PER_MS, lambda: forget(rig, order.request.cid), is_world=True)
    parent = again(rig, parent)
    rig.run_until(lambda: len(parent.trades) == 2, 90_000)
    assert ("order_forgotten", "warn") in rig.alerts()
    rig.run_for(5_000)
    assert all(held.ready for held in rig.state.venues.values()) and rig.ledger_difference() == {}
    assert parent.trades[0].orders[0].status is OrderStatus.CANCELLED
    assert move(rig, parent, "cancel").ok
    assert done(rig, parent).state is ParentState.CANCELLED


def test_a_query_that_lags_makes_no_order_forgotten() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.venues["upbit"].orders[order.request.cid].misses = 1
    rig.run_for(60_000)
    assert parent.live[0].orders[0].status is OrderStatus.OPEN
    assert "order_forgotten" not in {name for name, _ in rig.alerts()}


def test_a_forgotten_order_with_money_gone_waits_for_a_person() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.venues["upbit"].totals["KRW"] -= 5_000_000
    forget(rig, order.request.cid)
    rig.run_for(120_000)
    order = parent.trades[0].orders[0]
    assert order.status.value == "unknown"
    reply = rig.ask(ResolveUnknown(cid=order.request.cid, evidence="the app shows it cancelled"))
    assert reply.ok, reply.text
    assert order.status == OrderStatus.CANCELLED and filled(parent).qty == 0
    rig.run_for(30_000)
    assert ("ledger_mismatch", "crit") in rig.alerts()


def test_a_stop_takes_back_what_rests_and_the_next_start_sends_it_again() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.handle(Stopping(seen_ns=rig.now_ns))
    rig.venues["upbit"].cancel(order.request.cid)
    order.next_look_ns = rig.now_ns
    rig.run_for(1_000)
    assert order.status is OrderStatus.CANCELLED and parent.state is ParentState.RUNNING, "its end was heard in time"
    parent = again(rig, parent)
    rig.run_until(lambda: len(parent.live) == 1, 15_000)
    rig.run_for(2_000)
    assert parent.live[0].orders[0].status is OrderStatus.OPEN and len(parent.trades) == 2
