"""Hedges that are gone from their venue: liquidated, deleveraged for another account's loss, or closed by hand."""

from decimal import Decimal

from engine.core import collateral, trades
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.effect import Remember
from engine.domain.margin_event import HedgeLost
from engine.domain.money import ZERO
from engine.domain.order import LegRole, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce, TradeState
from engine.execution import trade as life
from engine.execution.order_state import OrderState
from engine.execution.trade import End, Trade


def is_repaired_at(state: State, venue: str) -> bool:
    """Whether a trade with a hedge there is on its way to another end."""
    live = state.live_trades.values()
    return any(trade.plan.leg(index).venue == venue for trade in live for index in life.standing(trade))


def write_off(state: State, held: VenueState) -> int:
    """A person takes the venue's word: what its positions no longer carry of our hedges stands against nothing.

    What a person said to have closed by hand is gone first, then the oldest hedges. What they stood against is a dead
    letter. Called before the balances are adopted, so that one write keeps both. Returns the number of letters.
    """
    lost: dict[str, Trade] = {}
    for symbol, hedges in _hedges(state, held.name).items():
        left = _gone(state, held, symbol, sum((qty for _, _, qty in hedges), ZERO))
        said = [(trade, index, _lesser(qty, trade.written_off)) for trade, index, qty in hedges]
        for trade, index, qty in (*said, *hedges):
            stands = life.standing(trade).get(index, ZERO)
            part = _lesser(_lesser(left, qty), stands)
            if part:
                left -= part
                _lose(state, held, trade, index, part)
                lost[trade.plan.trade_id] = trade
    ends = [(trade, _ending(state, trade, held.name)) for trade in lost.values()]
    for trade, end in ends:
        trades.settle(state, trade, end)
    return sum(end.state is TradeState.DEAD_LETTER for _, end in ends)


def _gone(state: State, held: VenueState, symbol: str, owned: Decimal) -> Decimal:
    """What the position has lost, signed, less what was no hedge of it."""
    at, told = state.ledger.position(held.name, symbol), held.account.positions.get(symbol)
    was, has = at.qty if at is not None else ZERO, told.qty if told is not None else ZERO
    return was - has - _lesser(was - has, was - owned)


def _lesser(one: Decimal, other: Decimal) -> Decimal:
    """The smaller of two amounts of one sign; 0 where their signs differ."""
    return min(one, other, key=abs) if one * other > 0 else ZERO


def _lose(state: State, held: VenueState, trade: Trade, index: int, qty: Decimal) -> None:
    """At the mark of when the difference was seen first, else of now."""
    leg = trade.plan.leg(index)
    at, price = state.ledger.position(leg.venue, leg.symbol), held.account.marks.get(leg.symbol)
    if price is None:
        price = collateral.mark(state.market, leg.venue, leg.symbol, at) if at is not None else leg.planned_vwap
    event = HedgeLost(
        trade_id=trade.plan.trade_id,
        leg=index,
        qty=qty,
        price=price,
        wall_ms=state.wall_ms,
        seen_ns=state.now_ns,
    )
    state.emit(Remember(event=event))
    on_lost(state, event)


def on_lost(state: State, event: HedgeLost) -> None:
    """Now, or read back from the journal: as an order that nobody of us has sent and that no venue is asked about.

    The ledger takes the position from the balances that are adopted; the trade, its result and its receipt from here.
    A part that a person had written off before, having closed it by hand, is not counted twice.
    """
    trade = state.trades.get(event.trade_id)
    if trade is None:
        return
    trade.settled = False  # its result is booked anew
    trade.written_off -= _lesser(trade.written_off, event.qty)
    leg, size = trade.plan.leg(event.leg), abs(event.qty)
    request = OrderRequest(
        cid=f"{event.trade_id}-lost-{event.leg}-{event.wall_ms}",
        trade_id=event.trade_id,
        leg=event.leg,
        role=LegRole.UNWIND,
        venue=leg.venue,
        symbol=leg.symbol,
        side=Side.SELL if event.qty > 0 else Side.BUY,
        qty=size,
        price=event.price,
        tif=TimeInForce.IOC,
        reduce_only=True,
    )
    report = OrderReport(
        cid=request.cid,
        venue=leg.venue,
        symbol=leg.symbol,
        side=request.side,
        status=OrderStatus.FILLED,
        venue_order_id="",
        filled_qty=size,
        filled_quote=size * event.price,
        fees=(),
        venue_ts_ms=event.wall_ms,
    )
    trade.orders.append(
        OrderState(
            request=request,
            status=OrderStatus.FILLED,
            report=report,
            reason="closed by the venue, or by hand",
            planned_ns=state.now_ns,
            planned_ms=event.wall_ms,
            done_ns=state.now_ns,
            done_ms=event.wall_ms,
        )
    )
    trade.tried_from = len(trade.orders)  # nobody has tried anything yet


def _ending(state: State, trade: Trade, venue: str) -> End:
    base, naked = trade.plan.legs[0].base, life.exposure(trade)
    if not naked or trades.is_surely_dust(state, trade, naked):
        return life.ending(trade)
    left = sum(life.standing(trade).values(), ZERO)
    reason = f"open_hedge_lost: {naked} {base}, {venue}" + (f", left {left}" if left else "")
    return End(TradeState.DEAD_LETTER, "dead_letter", reason)


def _hedges(state: State, venue: str) -> dict[str, list[tuple[Trade, int, Decimal]]]:
    """By symbol: trade, index of the leg, signed base; the oldest trade first."""
    found: dict[str, list[tuple[Trade, int, Decimal]]] = {}
    for trade in sorted(state.hedged.values(), key=lambda trade: trade.plan.created_ms):
        for index, qty in life.standing(trade).items():
            leg = trade.plan.leg(index)
            if leg.venue == venue:
                found.setdefault(leg.symbol, []).append((trade, index, qty))
    return found
