"""What rests for a person: it hides no missing money, survives a restart, ends by evidence where nobody knows it."""

from decimal import Decimal as D

import pytest
from msgspec import structs

from engine.core import step
from engine.domain.account_event import Stopping
from engine.domain.command import Halt, ResolveUnknown, ResumeConfirm, ResumeRequest
from engine.domain.effect import Cancel
from engine.domain.event import OrderMissing, OrderReported
from engine.domain.money import NS_PER_MS
from engine.domain.order import OrderReport, OrderStatus, Side
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


def test_what_was_taken_back_while_the_desk_was_away_pauses_its_order_and_a_resume_sends_it_again() -> None:
    rig = Rig().ready()
    parent, _ = resting(rig)
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent)
    rig.run_until(lambda: parent.state is ParentState.PAUSED, 15_000)
    assert ("order_taken_back", "warn") in rig.alerts() and len(parent.trades) == 1
    parent = again(rig, parent)
    rig.run_for(20_000)
    assert parent.state is ParentState.PAUSED and len(parent.trades) == 1
    assert move(rig, parent, "resume").ok
    rig.run_for(2_000)
    assert parent.live[0].orders[0].status is OrderStatus.OPEN and parent.live[0].orders[0].request.qty == D("0.005")
    assert len(parent.trades) == 2, "once"


def test_a_second_kill_right_after_the_start_drops_nothing() -> None:
    rig = Rig().ready()
    parent, _ = resting(rig)
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent)
    rig.run_until(lambda: all(order.is_terminal for trade in parent.trades for order in trade.orders), 15_000)
    parent = again(rig, parent)
    rig.run_for(20_000)
    assert parent.state is ParentState.PAUSED and ("order_taken_back", "warn") in rig.alerts()


@pytest.mark.parametrize("how", ["killed", "stopped", "taken back"])
def test_what_rested_through_a_halt_is_not_done_after_two_starts(how: str) -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.ask(Halt(level=1, reason="test"))
    rig.run_for(1_000)
    assert parent.state is ParentState.PAUSED and order.rests, "what has left may finish at L1"
    if how == "stopped":
        stop(rig, order)
    elif how == "taken back":
        rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    for _ in range(2):
        parent = again(rig, parent)
        rig.run_for(15_000)
    assert rig.ask(ResumeRequest(token="r")).ok and rig.ask(ResumeConfirm(token="r")).ok
    assert move(rig, parent, "resume").ok
    rig.run_for(3_000)
    assert parent.state is ParentState.RUNNING and len(parent.live) == 1
    assert len(parent.trades) == (1 if how == "killed" else 2)


def test_an_order_on_its_way_when_the_desk_dies_is_not_done() -> None:
    rig = Rig().ready()
    parent = begin(rig, RESTS)
    rig.run_for(8)  # at its venue, unanswered
    assert not parent.live[0].orders[0].is_terminal and parent.live[0].orders[0].status is not OrderStatus.OPEN
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent)
    rig.run_for(40_000)
    assert parent.state is ParentState.PAUSED and ("order_taken_back", "warn") in rig.alerts()


def test_what_a_person_cancels_there_after_the_start_is_not_sent_again() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.ask(Halt(level=1, reason="test"))
    parent = again(rig, parent)
    rig.run_for(10_000)
    assert not parent.awaited, "it stands, and the desk knows it"
    rig.venues["upbit"].cancel(order.request.cid)
    rig.run_for(15_000)
    assert ("order_taken_back", "warn") not in rig.alerts()
    assert rig.ask(ResumeRequest(token="r")).ok and rig.ask(ResumeConfirm(token="r")).ok
    move(rig, parent, "resume")
    rig.run_for(5_000)
    assert len(parent.trades) == 1


def test_what_had_rested_its_time_is_not_sent_again() -> None:
    rig = Rig().ready()
    parent = begin(rig, structs.replace(RESTS, over_ms=20_000))
    rig.run_for(2_000)
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent, 30_000)
    assert done(rig, parent, 30_000).state is ParentState.DONE
    assert len(parent.trades) == 1 and "order_taken_back" not in {name for name, _ in rig.alerts()}


def test_what_was_cancelled_there_while_the_desk_looked_on_has_ended() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.venues["upbit"].cancel(order.request.cid)
    assert done(rig, parent, 30_000).state is ParentState.DONE
    assert len(parent.trades) == 1 and "order_taken_back" not in {name for name, _ in rig.alerts()}


def test_an_order_that_its_venue_has_forgotten_ends_by_evidence() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.later(1_000 * NS_PER_MS, lambda: forget(rig, order.request.cid), is_world=True)
    parent = again(rig, parent)
    rig.run_until(lambda: parent.state is ParentState.PAUSED, 90_000)
    assert {("order_forgotten", "warn"), ("order_taken_back", "warn")} <= set(rig.alerts())
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


def stop(rig: Rig, order: OrderState) -> None:
    """As the shell does it: the core is told, then what rests is taken back, and its end is heard in time."""
    rig.handle(Stopping(seen_ns=rig.now_ns))
    rig.venues["upbit"].cancel(order.request.cid)
    order.next_look_ns = rig.now_ns
    rig.run_for(1_000)
    assert order.status is OrderStatus.CANCELLED


def test_a_stop_takes_back_what_rests_and_ends_no_order() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    stop(rig, order)
    assert parent.state is ParentState.RUNNING
    parent = again(rig, parent)
    rig.run_until(lambda: parent.state is ParentState.PAUSED, 15_000)
    assert ("order_taken_back", "warn") in rig.alerts()


def test_a_stop_whose_cancel_is_lost_leaves_the_order_where_it_rests() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.handle(Stopping(seen_ns=rig.now_ns))
    parent = again(rig, parent)
    rig.run_for(20_000)
    assert parent.state is ParentState.RUNNING and not parent.awaited and not parent.pulled
    rig.venues["upbit"].cancel(order.request.cid)
    assert done(rig, parent, 30_000).state is ParentState.DONE and len(parent.trades) == 1


def test_what_was_only_hidden_is_not_doubled_and_rings_when_it_turns_up() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    placed = rig.venues["upbit"].orders.pop(order.request.cid)
    parent = again(rig, parent)
    rig.run_until(lambda: parent.state is ParentState.PAUSED, 90_000)
    rig.venues["upbit"].orders[order.request.cid] = placed
    rig.run_for(40_000)
    assert ("late_order", "crit") in rig.alerts() and placed.status is OrderStatus.CANCELLED
    assert len(parent.trades) == 1


def test_late_fills_are_looked_for_past_ten_ordinary_cancels() -> None:
    rig = Rig().ready()
    made = []
    for number in range(12):
        made.append(begin(rig, structs.replace(RESTS, price=D(139_000_000 - 10_000 * number))))
        rig.run_for(500)
        move(rig, made[-1], "cancel")
        done(rig, made[-1])
    late = made[0].trades[0].orders[0]
    placed = rig.venues["upbit"].orders[late.request.cid]
    rig.set_book("upbit", "KRW-BTC", 138_900_000)
    placed.status = OrderStatus.OPEN
    rig.venues["upbit"].take(late.request.cid, D("0.4"))
    placed.status = OrderStatus.CANCELLED
    rig.run_for(60_000)
    assert ("late_order", "crit") in rig.alerts() and rig.ledger_difference() == {}
    assert rig.state.venues["upbit"].ready


def test_a_halt_whose_cancel_is_answered_at_once_ends_no_order() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.ask(Halt(level=2, reason="test"))
    order.next_look_ns = rig.now_ns
    rig.handle(OrderReported(report=ended(rig, order), seen_ns=rig.now_ns))
    rig.run_for(3_000)
    assert parent.state is ParentState.PAUSED and parent.pulled == {0}
    assert rig.ask(ResumeRequest(token="r")).ok and rig.ask(ResumeConfirm(token="r")).ok
    move(rig, parent, "resume")
    rig.run_for(2_000)
    assert len(parent.live) == 1 and len(parent.trades) == 2


def ended(rig: Rig, order: OrderState) -> OrderReport:
    venue = rig.venues["upbit"]
    venue.cancel(order.request.cid)
    return venue.report(venue.orders[order.request.cid])


def test_a_ladder_whose_rest_of_a_rung_is_too_small_goes_on() -> None:
    rig = Rig().ready()
    ask = Ask(template=Template.LADDER, side=Side.BUY, base="BTC", qty=D("0.006"), venue="upbit", parts=3)
    parent = begin(rig, structs.replace(ask, band_bps=D(50)))
    rig.run_for(1_000)
    rig.venues["upbit"].take(parent.live[0].orders[0].request.cid, D("0.99"))
    rig.later(1_000 * NS_PER_MS, rig.venues["upbit"].cancel_all, is_world=True)
    parent = again(rig, parent)
    rig.run_until(lambda: parent.state is ParentState.PAUSED, 20_000)
    assert move(rig, parent, "resume").ok
    rig.run_for(3_000)
    assert parent.state is ParentState.RUNNING and len(parent.live) == 2


def test_a_journal_that_names_a_venue_of_another_configuration_is_read() -> None:
    rig = Rig().ready()
    _, order = resting(rig)
    missing = OrderMissing(cid=order.request.cid, asked_ns=rig.now_ns + 10**12, seen_ns=rig.now_ns + 10**12)
    del rig.state.venues["upbit"]
    rig.state.recovering = True
    step.step(rig.state, missing)
    step.step(rig.state, OrderReported(report=order.report, seen_ns=rig.now_ns))  # type: ignore[arg-type]
    assert order.status is OrderStatus.OPEN


def test_what_was_moved_and_forgotten_is_resolved_at_the_price_that_it_was_moved_to() -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    order.moved_to = order.dearest = D(139_500_000)
    rig.venues["upbit"].totals["KRW"] -= 5_000_000
    forget(rig, order.request.cid)
    rig.run_for(120_000)
    told = ResolveUnknown(cid=order.request.cid, evidence="app", filled=D("0.005"), price=D(139_600_000))
    assert rig.ask(told).rule == "price_differs"
    assert rig.ask(structs.replace(told, price=D(139_500_000))).ok
    assert filled(parent).qty == D("0.005")


@pytest.mark.parametrize("down", ["not at all", "killed", "stopped"])
def test_a_harder_halt_over_a_pause_ends_no_order(down: str) -> None:
    rig = Rig().ready()
    parent, order = resting(rig)
    rig.ask(Halt(level=1, reason="test"))
    rig.run_for(1_000)
    rig.ask(Halt(level=2, reason="test"))
    if down == "stopped":
        rig.handle(Stopping(seen_ns=rig.now_ns))
    rig.run_for(2_000)
    assert order.status is OrderStatus.CANCELLED
    if down != "not at all":
        parent = again(rig, parent)
        rig.run_for(15_000)
    assert rig.ask(ResumeRequest(token="r")).ok and rig.ask(ResumeConfirm(token="r")).ok
    assert move(rig, parent, "resume").ok
    rig.run_for(3_000)
    assert parent.state is ParentState.RUNNING and len(parent.live) == 1 and len(parent.trades) == 2


def test_a_start_goes_on_past_an_order_of_a_venue_that_is_configured_no_more() -> None:
    rig = Rig().ready()
    resting(rig)
    venues = {name: venue for name, venue in rig.config.venues.items() if name != "upbit"}
    rig.config = structs.replace(rig.config, venues=venues)
    del rig.venues["upbit"]
    rig.restart()
    rig.run_for(5_000)
    assert rig.state.venues["binance"].ready and "upbit" not in rig.state.venues
