"""Venues' dead-man timers around a desk: armed by the tick, never where others have orders, striking when it dies."""

from decimal import Decimal as D

import msgspec

from engine.core import boards
from engine.domain.board import CountdownView, Wires
from engine.domain.effect import Arm
from engine.domain.order import OrderReport, OrderStatus, Side
from engine.domain.parent import Ask, ParentState, Template
from engine.execution.parent import Parent
from tests.core.harness import Rig
from tests.core.test_parents import begin


def timed() -> Rig:
    rig = Rig()
    rig.timed = ("okx",)
    return rig.ready()


def rest(rig: Rig) -> Parent:
    ask = Ask(template=Template.LADDER, side=Side.BUY, base="BTC", qty=D("0.004"), venue="okx", parts=2)
    return begin(rig, msgspec.structs.replace(ask, band_bps=D(50), over_ms=600_000))


def shown(rig: Rig) -> CountdownView:
    held = rig.state.venues["okx"]
    return boards.venue(rig.state, held, Wires()).countdown


def stranger() -> OrderReport:
    return OrderReport(
        cid="",
        venue="okx",
        symbol="BTC-USDT",
        side=Side.BUY,
        status=OrderStatus.OPEN,
        venue_order_id="other-1",
        filled_qty=D(0),
        filled_quote=D(0),
        fees=(),
    )


def test_it_is_set_when_an_order_rests_renewed_and_disarmed_when_none_does():
    rig = timed()
    assert not rig.of(Arm) and shown(rig) == CountdownView(offered=True)
    parent = rest(rig)
    rig.run_until(lambda: shown(rig).armed_s == 30, 2_000)
    rig.run_for(60_000)
    assert rig.struck == [] and len(parent.live) == 2
    assert 6 <= len(rig.of(Arm)) <= 8, "a third of its time apart"
    for trade in parent.live:
        rig.venues["okx"].cancel(trade.orders[0].request.cid)
    rig.run_until(lambda: shown(rig).armed_s == 0, 20_000)
    assert rig.of(Arm)[-1].timeout_s == 0 and rig.struck == []


def test_a_desk_that_is_gone_lets_it_run_out_and_hears_of_it_later():
    rig = timed()
    parent = rest(rig)
    rig.run_until(lambda: shown(rig).armed_s == 30, 2_000)
    rig.restart(down_ms=45_000)
    assert rig.struck == ["okx"]
    rig.run_until(lambda: all(held.ready for held in rig.state.venues.values()), 10_000)
    again = rig.state.parents.all[parent.plan.parent_id]
    rig.run_until(lambda: not again.live, 10_000)
    assert {order.status for trade in again.trades for order in trade.orders} == {OrderStatus.CANCELLED}
    assert again.state is ParentState.PAUSED and ("order_taken_back", "warn") in rig.alerts()
    assert rig.ledger_difference() == {}


def test_a_desk_that_cannot_write_lets_it_run_out():
    rig = timed()
    rest(rig)
    rig.run_until(lambda: shown(rig).armed_s == 30, 2_000)
    asked = len(rig.of(Arm))
    rig.venues["okx"].cancels_to_lose = 10_000  # its own cancels do not arrive
    rig.state.journal_writable = False
    rig.run_for(40_000)
    assert len(rig.of(Arm)) == asked and rig.struck == ["okx"]


def test_where_others_have_orders_it_stays_off_and_says_so():
    rig = timed()
    rig.venues["okx"].foreign.append(stranger())
    rig.state.venues["okx"].next_sweep_ns = rig.state.venues["okx"].next_check_ns = 0
    rig.run_until(lambda: bool(rig.state.venues["okx"].foreign), 10_000)
    rest(rig)
    rig.run_for(5_000)
    assert not rig.of(Arm) and ("countdown_off", "warn") in rig.alerts()
    assert (shown(rig).armed_s, shown(rig).foreign) == (0, 1)
    rig.venues["okx"].foreign.clear()
    rig.state.venues["okx"].next_sweep_ns = rig.state.venues["okx"].next_check_ns = 0
    rig.run_until(lambda: shown(rig).armed_s == 30, 10_000)
    rig.run_for(200)
    assert ("countdown_on", "info") in rig.alerts() and rig.struck == []


def test_a_venue_that_does_not_take_it_is_told_once():
    rig = timed()
    rig.timers_refuse = "no such permission"
    rest(rig)
    rig.run_for(20_000)
    assert len(rig.of(Arm)) >= 5, "asked again and again"
    assert rig.alerts().count(("countdown_off", "warn")) == 1
    assert shown(rig).why == "no such permission"
