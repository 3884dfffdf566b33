"""Resting children that follow the touch: taken back, proved ended, sent anew; never twice, never beyond the limit."""

from collections import Counter
from decimal import Decimal as D

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.effect import Amend, Cancel
from engine.domain.order import OrderStatus, Side
from engine.domain.parent import ParentState, Template
from engine.execution.parent import Parent, filled
from tests.core.harness import Rig
from tests.core.test_parents import begin, done, move, preview, wish
from tests.core.venue_model import Outcome

MID = 140_000_000
BAND = D(100)


def follow(rig: Rig, template: Template = Template.LADDER, qty: str = "0.006", **more: object) -> Parent:
    asked = {"parts": 2, "band_bps": BAND, "over_ms": 3_600_000, "follow": True, **more}
    return begin(rig, replace(wish(template, qty), **asked))


def at(rig: Rig, bps: int) -> None:
    rig.set_book("upbit", "KRW-BTC", round(MID * (1 + bps / 10_000), -4))


def resting(rig: Rig, parent: Parent) -> dict[int, list[D]]:
    """Prices of what the venue has open, by slice."""
    found: dict[int, list[D]] = {}
    for trade in parent.trades:
        for order in trade.orders:
            placed = rig.venues["upbit"].orders.get(order.request.cid)
            if placed is not None and placed.status is OrderStatus.OPEN:
                found.setdefault(trade.plan.slice, []).append(placed.request.price)
    return found


def bid(rig: Rig) -> D:
    return rig.venues["upbit"].tops["KRW-BTC"][0]


def test_a_ladder_moves_with_the_touch_and_stops_at_its_limit():
    rig = Rig().ready()
    parent = follow(rig)
    rig.run_for(3_000)
    before = resting(rig, parent)
    at(rig, 30)
    rig.run_for(1_500)
    rig.run_until(lambda: len(resting(rig, parent)) == 2 and resting(rig, parent) != before, 5_000)
    [near], [far] = resting(rig, parent)[0], resting(rig, parent)[1]
    assert bid(rig) - 1_000 < near <= bid(rig) and near > before[0][0]
    assert near - far == before[0][0] - before[1][0], "each as far from the touch as planned"
    at(rig, 150)
    rig.run_for(10_000)
    assert parent.plan.limit - 1_000 <= resting(rig, parent)[0][0] <= parent.plan.limit
    assert rig.state.trades_today == 1 and parent.state is ParentState.RUNNING
    at(rig, 0)
    rig.run_for(10_000)
    assert resting(rig, parent)[0][0] <= bid(rig)


def test_what_was_filled_before_is_not_bought_again():
    rig = Rig().ready()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(500)
    [trade] = parent.live
    rig.venues["upbit"].take(trade.orders[0].request.cid, D("0.4"))
    at(rig, 40)
    rig.run_until(lambda: len(parent.trades) == 2, 8_000)
    assert parent.trades[-1].plan.legs[0].qty == D("0.003") and trade.is_over
    rig.run_until(lambda: bool(resting(rig, parent)), 2_000)
    for again in parent.live:
        rig.venues["upbit"].take(again.orders[0].request.cid, D(1))
    done(rig, parent)
    assert (parent.state, filled(parent).qty) == (ParentState.DONE, D("0.005")) and rig.ledger_difference() == {}


def test_one_that_fills_while_it_is_taken_back_is_not_sent_again():
    rig = Rig().ready()
    parent = follow(rig, Template.ICEBERG, "0.006", parts=0, shown=D("0.003"))
    rig.run_for(500)
    [trade] = parent.live
    at(rig, 40)
    rig.run_until(lambda: bool(trade.orders[0].cancel_asked_ns), 5_000)
    placed = rig.venues["upbit"].orders[trade.orders[0].request.cid]
    rig.venues["upbit"].take(trade.orders[0].request.cid, D(1))
    rig.run_for(3_000)
    assert [each.plan.slice for each in parent.trades] == ([0, 1] if placed.filled_qty else [0, 0])
    assert len(parent.live) == 1, "one piece is shown at a time"


def test_a_kill_between_the_old_and_the_new_one_loses_neither():
    rig = Rig().ready()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(500)
    at(rig, 40)
    rig.run_until(lambda: bool(parent.pulled), 5_000)
    rig.restart()
    rig.run_until(lambda: all(held.ready for held in rig.state.venues.values()), 10_000)
    after = rig.state.parents.all[parent.plan.parent_id]
    rig.run_until(lambda: len(after.trades) == 2 and len(resting(rig, after)) == 1, 10_000)
    assert resting(rig, after)[0] == [after.live[0].orders[0].request.price]


def test_a_price_that_is_gone_before_it_comes_is_tried_again_and_not_for_ever():
    rig = Rig().ready()
    rig.outcomes.extend([Outcome(answer="refused")] * 2)
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_until(lambda: len(parent.live) == 1 and len(parent.trades) == 3, 10_000)
    assert len(resting(rig, parent)) == 1
    move(rig, parent, "cancel")
    done(rig, parent)
    rig.outcomes.extend([Outcome(answer="refused")] * 50)
    other = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(120_000)
    assert 2 < len(other.trades) <= 6 and other.state is not ParentState.RUNNING and not filled(other).qty


def test_it_keeps_to_the_pace_of_one_market():
    rig = Rig().ready()
    most = rig.state.config.limits.max_trades_per_window
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    for turn in range(60):
        at(rig, 40 if turn % 2 else 0)
        rig.run_for(1_000)
    assert 5 < len(parent.trades) <= most and rig.state.level == 0
    assert parent.state is ParentState.RUNNING and len(resting(rig, parent)) == 1, "rather a stale price than none"


def test_its_time_to_rest_goes_on_while_it_moves():
    rig = Rig().ready()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0, over_ms=20_000)
    for turn in range(8):
        at(rig, 40 if turn % 2 else 0)
        rig.run_for(3_000)
    done(rig, parent, 10_000)
    assert parent.state is ParentState.DONE and len(parent.trades) > 2 and resting(rig, parent) == {}


def movable() -> Rig:
    """Upbit's place is taken by a venue that changes a price in place."""
    rig = Rig()
    rig.movable = ("upbit",)
    return rig.ready()


def test_where_the_venue_can_the_order_moves_in_place():
    rig = movable()
    parent = follow(rig)
    rig.run_for(3_000)
    before = resting(rig, parent)
    at(rig, 40)
    rig.run_until(lambda: all(resting(rig, parent)[index] != before[index] for index in (0, 1)), 8_000)
    assert len(parent.trades) == 2 and not rig.of(Cancel), "the same two orders"
    [near] = resting(rig, parent)[0]
    assert bid(rig) - 1_000 < near <= bid(rig)
    for trade in parent.live:
        request, held = trade.orders[0].request, rig.state.reservations.of(trade.orders[0].request.cid)
        assert held is not None and held.amount >= request.qty * rig.venues["upbit"].orders[request.cid].request.price
    at(rig, 150)
    rig.run_for(8_000)
    assert resting(rig, parent)[0][0] <= parent.plan.limit
    for bps in (0, 60, 0, 60):
        at(rig, bps)
        rig.run_for(5_000)
    for trade in parent.live:
        held = rig.state.reservations.of(trade.orders[0].request.cid)
        worst = trade.plan.legs[0].qty * parent.plan.limit * D("1.01")
        assert held is not None and held.amount <= worst, "promised once, however often it moves"


@pytest.mark.parametrize("can_move", [True, False])
def test_at_a_venue_that_takes_no_new_risk_it_stays_as_it_is(can_move):
    """Another price is new risk: where balances differ nobody may ask for one, and what rests was allowed to."""
    rig = movable() if can_move else Rig().ready()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(3_000)
    before = resting(rig, parent)
    rig.state.venues["upbit"].blocked = "by hand"
    at(rig, 40)
    rig.run_for(10_000)
    assert resting(rig, parent) == before != {} and not rig.of(Amend) and not rig.of(Cancel)
    rig.state.venues["upbit"].blocked = ""
    rig.run_until(lambda: bool(resting(rig, parent)) and resting(rig, parent) != before, 10_000)


def test_what_was_filled_counts_towards_the_order_that_moves():
    rig = movable()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(500)
    cid = parent.live[0].orders[0].request.cid
    rig.venues["upbit"].take(cid, D("0.4"))
    at(rig, 40)
    rig.run_until(lambda: bool(rig.of(Amend)), 8_000)
    rig.run_for(1_000)
    rig.venues["upbit"].take(cid, D(1))
    done(rig, parent)
    assert (parent.state, filled(parent).qty, len(parent.trades)) == (ParentState.DONE, D("0.005"), 1)
    assert rig.ledger_difference() == {}


@pytest.mark.parametrize("answer", ["refused", "lost", "lost, and moved"])
def test_a_price_in_doubt_is_taken_back_and_sent_anew(answer):
    rig = movable()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(500)
    rig.amends.append(answer)
    at(rig, 40)
    rig.run_until(lambda: len(parent.trades) == 2 and len(resting(rig, parent).get(0, [])) == 1, 10_000)
    old, new = parent.trades
    assert old.is_over and old.orders[0].status is OrderStatus.CANCELLED and len(rig.of(Amend)) == 1
    assert bid(rig) - 1_000 < new.orders[0].request.price <= bid(rig)


def test_without_the_money_for_the_new_price_it_is_taken_back_first():
    rig = movable()
    follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(500)
    rig.state.foreign_holds["upbit", "KRW"] += rig.state.free("upbit", "KRW")  # others' orders hold the rest
    at(rig, 40)
    rig.run_until(lambda: bool(rig.of(Cancel)), 8_000)
    assert not rig.of(Amend)


def test_after_a_restart_the_price_is_not_known_and_the_order_is_sent_anew():
    rig = movable()
    parent = follow(rig, Template.LIMIT, "0.005", parts=0)
    rig.run_for(500)
    at(rig, 40)
    rig.run_until(lambda: resting(rig, parent)[0] != [parent.live[0].orders[0].request.price], 8_000)
    rig.restart()
    after = rig.state.parents.all[parent.plan.parent_id]
    rig.run_until(lambda: len(after.trades) == 2 and len(resting(rig, after).get(0, [])) == 1, 20_000)
    assert after.trades[0].is_over and resting(rig, after)[0] == [after.trades[1].orders[0].request.price]


REFUSED = [Template.TWAP, Template.SWEEP, Template.STOP, Template.BUCKETS]


@pytest.mark.parametrize("template", REFUSED, ids=str)
def test_what_does_not_rest_does_not_follow(template):
    asked = wish(template, "0.005", follow=True, stop=D(150_000_000) if template is Template.STOP else None)
    assert preview(Rig().ready(), asked).rule == "no_follow"


ACT = st.one_of(
    st.tuples(st.just("move"), st.integers(-150, 150)),
    st.tuples(st.just("fill"), st.integers(1, 100)),
    st.tuples(st.just("wait"), st.integers(100, 6_000)),
    st.tuples(st.sampled_from(["pause", "resume", "restart", "refuse", "lose", "lose a cancel"]), st.just(0)),
    st.tuples(st.sampled_from(["refused", "lost", "lost, and moved"]), st.just(0)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(ACT, min_size=3, max_size=14),
    st.sampled_from([Template.LADDER, Template.ICEBERG, Template.LIMIT]),
    st.sampled_from(list(Side)),
    st.booleans(),
)
def test_whatever_happens_no_slice_rests_twice_and_no_more_is_traded_than_asked(acts, template, side, moves):
    rig = movable() if moves else Rig().ready()
    parent_id = begin(
        rig, wish(template, "0.006", side, follow=True, parts=2, band_bps=BAND, over_ms=60_000)
    ).plan.parent_id
    for name, number in [*acts, ("wait", 3_000)]:
        parent = rig.state.parents.all[parent_id]
        if name == "move":
            at(rig, number)
        elif name == "fill":
            for trade in parent.live[:1]:
                rig.venues["upbit"].take(trade.orders[-1].request.cid, D(number) / 100)
        elif name == "restart":
            rig.restart(down_ms=500)
        elif name == "refuse":
            rig.outcomes.append(Outcome(answer="refused"))
        elif name == "lose":
            rig.outcomes.append(Outcome(answer="lost"))
        elif name == "lose a cancel":
            rig.venues["upbit"].cancels_to_lose += 1
        elif name in ("refused", "lost", "lost, and moved"):
            rig.amends.append(name)
        elif name in ("pause", "resume"):
            move(rig, parent, name)
        for _ in range(max(1, number // 500) if name == "wait" else 1):
            rig.run_for(min(number, 500) if name == "wait" else 50)
            check(rig, parent_id)
    move(rig, rig.state.parents.all[parent_id], "cancel")
    rig.run_until(lambda: rig.state.parents.all[parent_id].is_over, 120_000)
    rig.settle()
    check(rig, parent_id)
    assert resting(rig, rig.state.parents.all[parent_id]) == {} and rig.ledger_difference() == {}


def check(rig: Rig, parent_id: str) -> None:
    parent = rig.state.parents.all[parent_id]
    plan, orders = parent.plan, rig.venues["upbit"].orders.values()
    open_now = Counter(
        trade.plan.slice
        for trade in parent.trades
        for order in trade.orders
        if (placed := rig.venues["upbit"].orders.get(order.request.cid)) and placed.status is OrderStatus.OPEN
    )
    assert all(count == 1 for count in open_now.values()), open_now
    traded = sum((placed.filled_qty for placed in orders), D(0))
    still = sum((p.request.qty - p.filled_qty for p in orders if p.status is OrderStatus.OPEN), D(0))
    assert traded + still <= plan.ask.qty, "more rests and was traded than was asked for"
    worse = (lambda price: price > plan.limit) if plan.ask.side is Side.BUY else (lambda price: price < plan.limit)
    assert not [placed.request.price for placed in orders if worse(placed.request.price)]
