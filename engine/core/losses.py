"""Hedges that are gone from their venue: liquidated, deleveraged for another account's loss, or closed by hand."""

from decimal import Decimal

from engine.core import trades
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.money import ZERO
from engine.domain.order import TradeState
from engine.execution import trade as life
from engine.execution.trade import End, Trade


def is_repaired_at(state: State, venue: str) -> bool:
    """Whether a trade with a hedge there is on its way to another end."""
    live = state.live_trades.values()
    return any(trade.plan.leg(index).venue == venue for trade in live for index in life.standing(trade))


def write_off(state: State, held: VenueState) -> int:
    """A person takes the venue's word: what its positions no longer carry of our hedges stands against nothing.

    The oldest hedges are the first that are gone. Each is a dead letter with what it stood against. Called before the
    balances are adopted, so that one write keeps both. Returns how many.
    """
    lost: dict[str, Trade] = {}
    for symbol, hedges in _hedges(state, held.name).items():
        at = held.account.positions.get(symbol)
        owned, has = sum((qty for _, _, qty in hedges), ZERO), at.qty if at is not None else ZERO
        left = max(ZERO, min(abs(owned), abs(owned) - (has if owned > 0 else -has)))
        for trade, index, qty in hedges:
            part = min(left, abs(qty)).copy_sign(qty) if qty * owned > 0 else ZERO
            if part:
                left -= abs(part)
                trade.taken[index] = trade.taken.get(index, ZERO) + part
                lost[trade.plan.trade_id] = trade
    for trade in lost.values():
        base, naked = trade.plan.legs[0].base, life.exposure(trade)
        reason = f"its hedge at {held.name} is gone, closed by the venue or by hand: {naked} {base} stands open"
        trades.settle(state, trade, End(TradeState.DEAD_LETTER, "dead_letter", reason))
    return len(lost)


def _hedges(state: State, venue: str) -> dict[str, list[tuple[Trade, int, Decimal]]]:
    """By symbol: trade, index of the leg, signed base."""
    found: dict[str, list[tuple[Trade, int, Decimal]]] = {}
    for trade in state.hedged.values():
        for index, qty in life.standing(trade).items():
            leg = trade.plan.leg(index)
            if leg.venue == venue:
                found.setdefault(leg.symbol, []).append((trade, index, qty))
    return found
