"""A trade and its orders as people see them, and as rows: computed from the orders, never stored beside them."""

from decimal import Decimal

from msgspec import structs

from engine.core.state import State
from engine.domain.effect import OrderView, Severity
from engine.domain.money import ZERO, exact
from engine.domain.order import LegRole, TradeState
from engine.domain.view import FillView, NakedView, PnlView, TradeView
from engine.execution import trade as life
from engine.execution.order_state import OrderState
from engine.execution.trade import Trade
from engine.portfolio.pnl import Done, realised, slippage_bps

_AS_PLANNED = frozenset({LegRole.ENTRY, LegRole.CHASE})
_HEDGE = frozenset({LegRole.HEDGE})
_BACK = frozenset({LegRole.UNWIND, LegRole.FLATTEN})


def pnl(trade: Trade) -> PnlView:
    return realised(trade.plan, [Done(order.request, order.report) for order in trade.orders])


def publish(state: State, trade: Trade) -> None:
    """The receipt, and the rows of the trade and its orders."""
    severity = Severity.CRIT if trade.state is TradeState.DEAD_LETTER else Severity.INFO
    state.publish("trade", "trades", trade.plan.trade_id, severity, trade_view(state, trade))
    record_orders(state, trade)


def record_orders(state: State, trade: Trade) -> None:
    for order in trade.orders:
        state.record("orders", order.request.cid, order_view(order))


def trade_view(state: State, trade: Trade) -> TradeView:
    plan, naked = trade.plan, life.exposure(trade)
    return TradeView(
        id=plan.trade_id,
        opportunity_id=plan.opportunity_id,
        strategy=plan.strategy,
        key=plan.key,
        actor=plan.actor,
        state=trade.state,
        outcome=trade.outcome,
        legs=tuple(_leg(trade, index) for index in range(len(plan.legs))) + _hedges(trade),
        naked_qty=naked,
        naked_krw=_worth_krw(state, trade, naked),
        pnl=pnl(trade),
        facts=plan.facts,
        opened_ms=plan.created_ms,
        closed_ms=trade.closed_ms,
        reason=trade.reason,
    )


def _worth_krw(state: State, trade: Trade, naked: Decimal) -> Decimal:
    """At today's price while somebody may act on it; a closed trade as planned, or each start would rewrite its row."""
    if not naked:
        return ZERO
    leg = trade.plan.legs[life.lagging(trade, naked)[1]]
    quote = state.market.quote(leg.venue, leg.symbol) if trade.state is not TradeState.CLOSED else None
    price = exact((quote.bid + quote.ask) / 2) if quote is not None else leg.planned_vwap
    return abs(naked) * price * leg.quote_krw


def naked(state: State, trade: Trade) -> NakedView | None:
    """The leg that leads, with what it has open and no partner for; None where all is balanced."""
    open_qty = life.exposure(trade)
    if not open_qty:
        return None
    leg = trade.plan.legs[life.lagging(trade, open_qty)[1]]
    return NakedView(
        trade_id=trade.plan.trade_id,
        venue=leg.venue,
        symbol=leg.symbol,
        base=leg.base,
        side=leg.side,
        qty=abs(open_qty),
        krw=_worth_krw(state, trade, open_qty),
        is_letter=trade.state is TradeState.DEAD_LETTER,
    )


def open_numbers(state: State, trade: Trade) -> dict[str, str]:
    """Of an alert: which leg is open, how much of it, and at which halt. A trade of one leg has no partner to lack."""
    found = naked(state, trade)
    if found is None:
        leg = trade.plan.legs[0]
        return {"at": leg.venue, "symbol": leg.symbol}
    return {
        "at": found.venue,
        "symbol": found.symbol,
        "side": str(found.side),
        "naked": f"{found.qty:f}",
        "base": found.base,
        "krw": f"{found.krw:.0f}",
        "halt": str(state.level),
    }


def order_numbers(trade: Trade, order: OrderState) -> dict[str, str]:
    """Of an alert: the order, with its worth in KRW at its own limit and its plan's rate."""
    request, leg = order.request, trade.plan.leg(order.request.leg)
    filled = order.report.filled_qty if order.report else ZERO
    return {
        "cid": request.cid,
        "symbol": request.symbol,
        "side": str(request.side),
        "qty": f"{request.qty:f}",
        "filled": f"{filled:f}",
        "base": leg.base,
        "krw": f"{request.qty * request.price * leg.quote_krw:.0f}",
        "status": str(order.status),
    }


def _hedges(trade: Trade) -> tuple[FillView, ...]:
    """Those that were made; most trades need none."""
    first = len(trade.plan.legs)
    used = sorted({order.request.leg for order in trade.orders if order.request.leg >= first})
    return tuple(_hedge(trade, index) for index in used)


def _hedge(trade: Trade, index: int) -> FillView:
    made = _leg(trade, index)
    qty, quote = life.filled(trade.of_leg(index), _HEDGE)
    asked = next(order.request for order in trade.of_leg(index))
    return structs.replace(
        made,
        side=asked.side,
        planned_qty=asked.qty,
        filled_qty=qty,
        fill_price=quote / qty if qty else ZERO,
        slippage_bps=0.0,
        is_hedge=True,
    )


def _leg(trade: Trade, index: int) -> FillView:
    leg = trade.plan.leg(index)
    orders = trade.of_leg(index)
    qty, quote = life.filled(orders, _AS_PLANNED)
    price = quote / qty if qty else ZERO
    fees: dict[str, Decimal] = {}
    for order in orders:
        for fee in order.report.fees if order.report else ():
            fees[fee.asset] = fees.get(fee.asset, ZERO) + fee.amount
    return FillView(
        venue=leg.venue,
        symbol=leg.symbol,
        base=leg.base,
        quote=leg.quote,
        side=leg.side,
        status=orders[-1].status if orders else "waiting",
        planned_qty=leg.qty,
        planned_price=leg.planned_vwap,
        filled_qty=qty,
        fill_price=price,
        fees=fees,
        slippage_bps=slippage_bps(leg.side, leg.planned_vwap, price),
        unwound_qty=life.filled(orders, _BACK)[0],
        orders=len(orders),
        unknowns=sum(1 for order in orders if order.was_unknown),
    )


def order_view(order: OrderState) -> OrderView:
    return OrderView(
        request=order.request,
        status=order.status,
        report=order.report,
        reason=order.reason,
        sent_ms=order.planned_ms,
        done_ms=order.done_ms,
        to_send_us=max(0, order.sent_ns - order.planned_ns) // 1_000 if order.sent_ns else 0,
        latency_us=max(0, order.done_ns - order.sent_ns) // 1_000 if order.done_ns and order.sent_ns else 0,
    )
