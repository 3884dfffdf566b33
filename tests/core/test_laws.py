"""Laws that hold whatever the venues do and wherever the process dies."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core import receipts
from engine.core.trades import is_dust
from engine.domain.command import Halt
from engine.domain.order import OrderStatus, Side, TradeState
from engine.execution import trade as life
from engine.execution.trade import Trade
from tests.core.conftest import HERE
from tests.core.harness import Rig
from tests.core.venue_model import Outcome

RATIOS = st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.3"), Decimal("0.77"), Decimal(1)])
OUTCOMES = st.one_of(
    st.builds(Outcome, fill=RATIOS),
    st.builds(Outcome, answer=st.just("ack"), fill=RATIOS, open_ms=st.sampled_from([0, 120, 900, 4_000])),
    st.builds(
        Outcome,
        answer=st.just("lost"),
        fill=RATIOS,
        reaches=st.booleans(),
        late_ms=st.sampled_from([0, 300, 4_500, 20_000]),  # the last one is later than any bound
        misses=st.sampled_from([0, 1, 3]),
    ),
    st.just(Outcome(answer="refused")),
    st.just(Outcome(answer="unavailable")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    outcomes=st.lists(OUTCOMES, max_size=6),
    crashes=st.lists(st.one_of(st.integers(0, 80), st.integers(0, 800)), max_size=3),
    loses_tail=st.booleans(),
    moves=st.sampled_from([0.01, 0.004, -0.002, -0.02]),
    halt=st.sampled_from([0, 0, 0, 1, 2, 3]),
    halt_ms=st.integers(0, 2_000),
    is_hard=st.booleans(),
)
def test_every_end_is_clean(outcomes, crashes, loses_tail, moves, halt, halt_ms, is_hard):
    rig = Rig(*([HERE / "hard.yaml"] if is_hard else [])).ready()
    rig.loses_tail = loses_tail
    rig.outcomes.extend(outcomes)
    rig.crashes = list(crashes)
    token = rig.token(rig.premium(0.01))
    rig.later(0, lambda: rig.tap(token))
    rig.later(20_000_000, lambda: rig.set_book("upbit", "KRW-BTC", round(140_000_000 * (1 + moves), -4)))
    if halt:
        rig.later(halt_ms * 1_000_000, lambda: rig.is_up and rig.ask(Halt(level=halt, reason="test")), is_world=True)
    rig.arm()
    rig.run_for(4_000)
    rig.crashes = []
    rig.crash_in = -1
    come_to_rest(rig)
    check_laws(rig)


def come_to_rest(rig: Rig) -> None:
    """Until nothing is under way and nothing left to be found: late executions are found at the next comparison."""
    rig.settle(120_000)
    for _ in range(6):
        if not rig.is_expecting and rig.ledger_difference() == {}:
            break
        rig.run_for(40_000)
        rig.show_all()
        rig.settle(120_000)
    rig.run_for(3_000)


def check_laws(rig: Rig) -> None:
    state = rig.state
    assert rig.ledger_difference() == {}
    assert all(held.ready for held in state.venues.values()), [held.blocked for held in state.venues.values()]
    intents = {order.cid for event in rig.recall(0) for order in getattr(event, "orders", ())}
    for venue in rig.venues.values():
        assert set(venue.orders) <= intents
        assert not [order for order in venue.orders.values() if order.status is OrderStatus.OPEN]
        for asset in venue.totals:
            assert state.reservations.total(venue.name, asset) == 0
    state.ledger.check()
    for trade in state.trades.values():
        assert trade.settled
        assert all(order.is_terminal for order in trade.orders)
        naked = life.exposure(trade)
        assert is_dust(state, trade, naked) or trade.state is TradeState.DEAD_LETTER, (trade.outcome, naked)
        assert receipts.pnl(trade).net_krw == pytest.approx(cash_krw(rig, trade), abs=Decimal("0.000001"))
    booked = sum((receipts.pnl(trade).net_krw for trade in state.trades.values()), Decimal(0))
    assert state.pnl_today_krw == state.pnl_total_krw == booked


def cash_krw(rig: Rig, trade: Trade) -> Decimal:
    """What the venues' own records say that the trade brought, at its plan's rates; coin at what buying was planned."""
    legs = trade.plan.legs
    buys = [leg for leg in legs if leg.side is Side.BUY] or list(legs)
    mark = buys[0].planned_vwap * buys[0].quote_krw
    total = Decimal(0)
    for leg in legs:
        for order in rig.venues[leg.venue].orders.values():
            if order.request.trade_id == trade.plan.trade_id:
                sign = 1 if order.request.side is Side.BUY else -1
                total += sign * (order.filled_qty * mark - order.filled_quote * leg.quote_krw)
                total -= order.fees.get(leg.base, Decimal(0)) * mark
                total -= order.fees.get(leg.quote, Decimal(0)) * leg.quote_krw
    return total
