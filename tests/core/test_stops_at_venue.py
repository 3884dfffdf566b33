"""A stop that rests at its venue: whoever relies on it is told when it stands no more, and what it promises is kept."""

from decimal import Decimal as D

import pytest
from msgspec import structs

from engine.core.parent_cards import view
from engine.domain.command import Halt, MoveParent
from engine.domain.order import OrderKind, OrderStatus, Side
from engine.domain.parent import ParentState, Template
from engine.execution.parent import Parent
from tests.core.harness import Rig
from tests.core.test_parents import begin, wish
from tests.core.venue_model import Outcome

STOP = wish(Template.STOP, "0.005", Side.SELL, "binance", stop=D(99_000), band_bps=D(30))
QTY = D("0.005")


def venue_keeps(rig: Rig) -> Rig:
    held = rig.state.venues["binance"]
    held.abilities = structs.replace(held.abilities, kinds=frozenset(OrderKind))
    return rig


def waits(rig: Rig) -> Parent:
    rig.outcomes.append(Outcome(fill=D(0)))
    parent = begin(rig, STOP)
    rig.run_for(10_000)
    return parent


def stops_told(rig: Rig) -> list[tuple[str, str]]:
    return [alert for alert in rig.alerts() if alert[0].startswith("stop_")]


def test_one_that_its_venue_ends_rings_and_goes_on_when_told() -> None:
    """No money when it went off, a wick, the venue's app: nobody waits for the price any more."""
    rig = venue_keeps(Rig().ready())
    parent = waits(rig)
    [order] = parent.live[0].orders
    rig.venues["binance"].cancel(order.request.cid)
    rig.run_for(20_000)
    assert order.status is OrderStatus.CANCELLED and parent.state is ParentState.PAUSED
    assert stops_told(rig) == [("stop_gone", "crit")] and "cancelled" in parent.reason
    assert view(rig.state, parent).stop_at == "nobody"
    rig.outcomes.append(Outcome(fill=D(0)))
    assert rig.ask(MoveParent(parent_id=parent.plan.parent_id, to="resume")).ok
    rig.run_for(10_000)
    [again] = parent.live[0].orders
    assert again.request.kind is OrderKind.STOP_LOSS and again.request.qty == QTY
    assert view(rig.state, parent).stop_at == "venue"


@pytest.mark.parametrize(
    "outcome",
    [Outcome(answer="refused"), Outcome(answer="unavailable"), Outcome(answer="lost", reaches=False)],
    ids=lambda outcome: outcome.answer,
)
def test_one_that_never_stood_there_rings(outcome: Outcome) -> None:
    rig = venue_keeps(Rig().ready())
    rig.outcomes.append(outcome)
    parent = begin(rig, STOP)
    rig.run_for(120_000)
    assert parent.state is ParentState.PAUSED and stops_told(rig) == [("stop_gone", "crit")]


def test_what_a_person_cancels_rings_nobody() -> None:
    rig = venue_keeps(Rig().ready())
    parent = waits(rig)
    assert rig.ask(MoveParent(parent_id=parent.plan.parent_id, to="cancel")).ok
    rig.run_for(10_000)
    assert parent.state is ParentState.CANCELLED and stops_told(rig) == []


def test_one_that_fills_at_its_venue_is_told() -> None:
    rig = venue_keeps(Rig().ready())
    parent = waits(rig)
    [order] = parent.live[0].orders
    rig.venues["binance"].take(order.request.cid, D(1))
    rig.run_for(20_000)
    assert parent.state is ParentState.DONE and stops_told(rig) == [("stop_went_off", "warn")]


def test_the_card_says_where_it_waits_and_after_a_halt_that_nobody_does() -> None:
    rig = venue_keeps(Rig().ready())
    parent = waits(rig)
    assert view(rig.state, parent).stop_at == "venue"
    rig.ask(Halt(level=2, reason="test"))
    rig.run_for(5_000)
    assert parent.state is ParentState.PAUSED and view(rig.state, parent).stop_at == "nobody"


@pytest.mark.parametrize("holds", [True, False])
def test_the_money_of_a_stop_is_promised_once_whether_its_venue_holds_it_or_not(holds: bool) -> None:
    """A foreign order's money is what is held beyond ours: a stop that holds nothing is no part of that."""
    rig = venue_keeps(Rig().ready())
    state, held = rig.state, rig.state.venues["binance"]
    held.abilities = structs.replace(held.abilities, holds_stops=holds)
    waits(rig)
    held.foreign = ["by-hand"]
    total = held.balances["BTC"].total
    at_venue = D("0.004") + (QTY if holds else D(0))
    held.balances["BTC"] = structs.replace(held.balances["BTC"], free=total - at_venue)
    state.refresh_available("binance")
    assert state.foreign_holds["binance", "BTC"] == D("0.004")
    assert state.free("binance", "BTC") == total - D("0.004") - QTY
