"""Orders that nobody finds: proved absent by look-ups, lists and balances, or left to a person."""

from msgspec import structs

from engine.core import orders, placing, receipts, trades
from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.effect import Remember, Severity
from engine.domain.event import OrderMissing, OrderNotSent, OrderReported
from engine.domain.money import NS_PER_MS, NS_PER_S
from engine.domain.order import OrderReport, OrderStatus
from engine.execution.order_state import OrderState, move
from engine.execution.trade import Trade

_STUCK_NS = 10 * NS_PER_S  # past its last possible acceptance: other orders' late fills are looked for until then


def on_missing(state: State, event: OrderMissing) -> None:
    """A clean "not found" counts only when it was asked after the venue could no longer accept the order."""
    found = state.orders.get(event.cid)
    if found is None or found[1].is_terminal:
        return
    order = found[1]
    if order.status is OrderStatus.OPEN:
        _lose_sight(state, *found, event.asked_ns)
        return
    if order.final_after_ns and event.asked_ns > order.final_after_ns:
        order.clean_misses += 1
    if order.clean_misses >= placing.CLEAN_MISSES and not state.recovering:
        held = state.venues.get(order.request.venue)
        if held is None:
            return  # of an older configuration
        held.next_check_ns = state.now_ns  # at the next tick, for all that were missed meanwhile
        if not order.request.tif.ends_at_once:
            held.next_sweep_ns = state.now_ns


def _lose_sight(state: State, trade: Trade, order: OrderState, asked_ns: int) -> None:
    """Acknowledged, and not found: at first its venue's order query lags; later its venue has forgotten it.

    Venues forget what was cancelled while nobody asked. From here on it is UNKNOWN, and ends by the evidence of one.
    """
    held = state.venues.get(order.request.venue)
    if held is None:
        return  # of an older configuration
    if asked_ns <= order.told_ns + placing.late_ms(held) * NS_PER_MS:
        return
    order.clean_misses += 1
    if order.clean_misses < placing.CLEAN_MISSES or state.recovering:
        return
    move(order, OrderStatus.UNKNOWN)
    order.clean_misses, order.final_after_ns, order.next_look_ns = 0, asked_ns, state.now_ns
    order.reason = "its venue does not know it any more"
    state.counts["unknowns"] += 1
    request = order.request
    state.alert(
        "order_forgotten",
        Severity.WARN,
        f"{request.venue} does not know {request.side} {request.qty} {request.symbol} any more; it had acknowledged it",
        venue=request.venue,
        trade_id=trade.plan.trade_id,
        numbers=receipts.order_numbers(trade, order),
    )
    placing.look_up_due(state, order)
    trades.show(state, trade)


def conclude_missing(state: State, held: VenueState, asked_ns: int, changed: frozenset[str]) -> None:
    """The third piece of evidence: balances read after the last possible acceptance show no change in its assets.

    What rests changes no total: such an order must also be missing from a list of open orders asked for that late.
    """
    if held.touched_ns > asked_ns or not held.rules_known or state.leaving:
        return
    waiting = [
        (trade, order)
        for trade in state.live_trades.values()
        for order in trade.orders
        if order.request.venue == held.name
        and order.status in (OrderStatus.UNKNOWN, OrderStatus.SENT, OrderStatus.PLANNED)
        and order.clean_misses >= placing.CLEAN_MISSES
        and asked_ns > order.final_after_ns
        and (order.request.tif.ends_at_once or held.swept_ns > order.final_after_ns)
    ]
    for trade, order in waiting:
        leg = trade.plan.leg(order.request.leg)
        if leg.base in changed or leg.quote in changed or leg.symbol in changed:
            _ring(state, trade, order)
            continue
        if order.report is not None:  # it was there, and is gone with nothing more filled
            order.by_evidence = True
            close(state, structs.replace(order.report, status=OrderStatus.CANCELLED))
            continue
        verdict = OrderNotSent(
            cid=order.request.cid,
            reason=f"never placed: {order.clean_misses} look-ups past its expiry found nothing, balances are the same",
            seen_ns=state.now_ns,
        )
        state.emit(Remember(event=verdict))
        orders.on_not_sent(state, verdict)


def _ring(state: State, trade: Trade, order: OrderState) -> None:
    """Nowhere to be found, and balances that differ: what became of it only a person can tell. Rung once."""
    if order.unknown_alerted or state.now_ns - order.final_after_ns < _STUCK_NS:
        return
    order.unknown_alerted = True
    request = order.request
    text = f"{request.side} {request.qty} {request.symbol} is not found, and balances differ: resolve it by hand"
    state.alert(
        "order_stuck",
        Severity.CRIT,
        f"{request.venue}: {text}",
        venue=request.venue,
        trade_id=trade.plan.trade_id,
        numbers=receipts.order_numbers(trade, order),
    )


def close(state: State, report: OrderReport) -> None:
    """An end that evidence gives an order, not its venue: journaled, and taken as the venue's word would be."""
    state.emit(Remember(event=OrderReported(report=report, seen_ns=state.now_ns)))
    orders.take_report(state, report)
