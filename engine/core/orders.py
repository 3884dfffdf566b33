"""Order events: folded by cumulative quantity, posted to the ledger, resolved by evidence alone."""

from decimal import Decimal

from engine.core import gate, halt, hearing, latency, placing, receipts, strays, trades
from engine.core.state import State
from engine.domain.effect import Cancel, Severity
from engine.domain.event import (
    CancelRefused,
    OpenOrdersReported,
    OrderLost,
    OrderNotSent,
    OrderRefused,
    OrderReported,
    OrderSent,
)
from engine.domain.market import Product
from engine.domain.money import NS_PER_S, ZERO
from engine.domain.order import OrderReport, OrderStatus, Side, TradeState
from engine.domain.parent import ParentState
from engine.execution.order_state import OrderState, fold, move
from engine.execution.trade import Trade

_REST_NS = 2 * NS_PER_S


def on_sent(state: State, event: OrderSent) -> None:
    found = state.orders.get(event.cid)
    if found is None or found[1].status is not OrderStatus.PLANNED:
        return
    order = found[1]
    order.sent_ns = event.seen_ns
    move(order, OrderStatus.SENT)


def on_reported(state: State, event: OrderReported) -> None:
    found = state.orders.get(event.report.cid)
    if found is None:
        strays.hear(state, event.report)
        return
    if event.by_stream:
        hearing.note(state, found[1])
    before, was = found[1].report, found[1].status
    take_report(state, event.report)
    latency.note_report(state, found[1], was, "stream" if event.by_stream else "look_up")
    if not event.by_stream and found[1].report is not before:
        hearing.compare(state, found[1])


def take_report(state: State, report: OrderReport) -> None:
    """Fold one report of ours; what is not ours is nobody's business here."""
    found = state.orders.get(report.cid)
    if found is None:
        return
    trade, order = found
    before, was = order.report, order.status
    order.told_ns = state.now_ns
    if report.status is OrderStatus.OPEN:
        order.clean_misses = 0  # it is there
    if not fold(order, report):
        look_again(state, order)
        if order.by_evidence and report.status is OrderStatus.OPEN:
            _turned_up(state, trade, order)
        return
    if trade.is_over or was in (OrderStatus.NOT_PLACED, OrderStatus.REJECTED):
        reopen(state, trade, order, before, was)
    post(state, trade, order, before)
    _hold_to_size(state, trade, order, before)
    after(state, trade, order, was)


def _hold_to_size(state: State, trade: Trade, order: OrderState, before: OrderReport | None) -> None:
    """More was made of an order than was asked, by over a lot: a unit is mixed up somewhere, and the next order would
    be as wrong. No new trades; what it opened is closed as any exposure (reliability.md #16).
    """
    request, filled = order.request, order.report.filled_qty if order.report else ZERO
    rules = state.market.instruments.get((request.venue, request.symbol))
    most = request.qty + (rules.qty_step if rules is not None else ZERO)
    if state.recovering or filled <= most or (before is not None and before.filled_qty > most):
        return
    text = f"order {request.cid} asked {request.qty} {request.symbol} of {request.venue}, and {filled} are filled"
    numbers = receipts.order_numbers(trade, order)
    state.alert("overfilled", Severity.CRIT, text, venue=request.venue, trade_id=trade.plan.trade_id, numbers=numbers)
    halt.raise_to(state, 1, f"overfilled: {text}", "overfilled")


def _turned_up(state: State, trade: Trade, order: OrderState) -> None:
    """All evidence said that it was gone, and there it stands: the list of open orders has it taken back."""
    order.by_evidence = False
    state.alert(
        "late_order",
        Severity.CRIT,
        f"order {order.request.cid} was believed {order.status} and is open at {order.request.venue}",
        venue=order.request.venue,
        trade_id=trade.plan.trade_id,
        numbers=receipts.order_numbers(trade, order) | {"was": order.status, "status": "open"},
    )
    request = order.request
    venue_id = order.report.venue_order_id if order.report is not None else ""
    state.emit(
        Cancel(cid=request.cid, venue=request.venue, symbol=request.symbol, venue_order_id=venue_id, kind=request.kind)
    )


def reopen(state: State, trade: Trade, order: OrderState, before: OrderReport | None, was: OrderStatus) -> None:
    """Late evidence: an order believed ended has filled after all, or names its fee only now.

    A finished trade is live again until its exposure is closed and its result is booked anew.
    """
    filled = order.report.filled_qty if order.report else ZERO
    if order.status is not was or filled > (before.filled_qty if before else ZERO):
        state.alert(
            "late_order",
            Severity.CRIT,
            f"order {order.request.cid} was believed {was} and is {order.status} with {filled} filled "
            f"at {order.request.venue}",
            venue=order.request.venue,
            trade_id=trade.plan.trade_id,
            numbers=receipts.order_numbers(trade, order) | {"was": str(was)},
        )
    if trade.is_over:
        trade.state, trade.settled = TradeState.WORKING, False
        state.live_trades[trade.plan.trade_id] = trade
        state.hedged.pop(trade.plan.trade_id, None)


def post(state: State, trade: Trade, order: OrderState, before: OrderReport | None) -> None:
    """Book the difference between two cumulative reports."""
    report = order.report
    if report is None:
        return
    leg = trade.plan.leg(order.request.leg)
    state.ledger.post_fill(before, report, leg.base, leg.quote, leg.product)
    reserved = state.reservations
    spent = report.filled_quote - (before.filled_quote if before else ZERO)
    fees = fees_in(report, leg.quote) - fees_in(before, leg.quote)
    if leg.product is Product.PERP:
        reserved.consume(report.cid, max(ZERO, placing.margin_for(state, leg, spent) + fees))
    elif report.side is Side.BUY:
        reserved.consume(report.cid, max(ZERO, spent + fees))
    else:
        reserved.consume(report.cid, report.filled_qty - (before.filled_qty if before else ZERO))
    if before is None or report.filled_qty > before.filled_qty:
        state.counts["fills"] += 1


def fees_in(report: OrderReport | None, asset: str) -> Decimal:
    return sum((fee.amount for fee in report.fees if fee.asset == asset), ZERO) if report else ZERO


def after(state: State, trade: Trade, order: OrderState, was: OrderStatus) -> None:
    """What every change of an order brings: reservation, balances, evidence, the trade's next step."""
    venue = order.request.venue
    state.touch(venue)
    held = state.venues.get(venue)
    if held is not None and (held.blocked or held.mismatches or held.differs_ns):
        trades.check_soon(state, venue)  # this may be what was missing
    if order.is_terminal:
        state.reservations.release(order.request.cid)
        if not order.done_ns:
            order.done_ns, order.done_ms = state.now_ns, placing.wall_of(state, trade)
        if order.was_unknown and was is OrderStatus.UNKNOWN:
            state.counts["unknowns_resolved"] += 1
            state.alert(
                "unknown_resolved",
                Severity.INFO,
                f"order {order.request.cid} at {venue}: {order.status} after {order.looks} look-ups",
                venue=venue,
                trade_id=trade.plan.trade_id,
                numbers=receipts.order_numbers(trade, order),
            )
        gate.note_order(state, trade, order)
    else:
        look_again(state, order)
    state.refresh_available(venue)
    trades.drive(state, trade)
    if was is not order.status and not trade.is_over:
        trades.show(state, trade)


def look_again(state: State, order: OrderState) -> None:
    """An acknowledged order without its end is looked up: an IOC ends at once, a resting one when it ends."""
    if order.status is OrderStatus.OPEN and order.next_look_ns <= state.now_ns:
        order.next_look_ns = state.now_ns + placing.first_look_ns(state, order)
        placing.look_up_due(state, order)


def on_not_sent(state: State, event: OrderNotSent) -> None:
    found = state.orders.get(event.cid)
    if found is None or found[1].is_terminal:
        return
    trade, order = found
    was = order.status
    if was is OrderStatus.OPEN:
        # The venue has named it already: its word stands against our belief that nothing left.
        state.alert(
            "late_order",
            Severity.CRIT,
            f"order {event.cid} is open at {order.request.venue}, and yet: {event.reason}",
            venue=order.request.venue,
            trade_id=trade.plan.trade_id,
            numbers=receipts.order_numbers(trade, order) | {"was": str(OrderStatus.NOT_PLACED)},
        )
        return
    order.reason = event.reason
    move(order, OrderStatus.NOT_PLACED)
    if event.rule:
        plan = trade.plan
        state.refuse(plan.strategy, plan.key, plan.opportunity_id, event.rule, event.reason, event.numbers)
    if order.never_left and event.reason.startswith("nothing left"):
        # An empty rate budget, or nobody there: a second leg would find the same, and leave its partner naked.
        held = state.venues.get(order.request.venue)
        if held is not None:
            held.rests_until_ns = state.now_ns + _REST_NS
    after(state, trade, order, was)


def on_refused(state: State, event: OrderRefused) -> None:
    found = state.orders.get(event.cid)
    if found is None or found[1].is_terminal:
        return
    trade, order = found
    was = order.status
    order.reason = f"{event.code}: {event.text}"
    move(order, OrderStatus.REJECTED)
    state.counts["order_refusals"] += 1
    if event.about_rules:
        state.wanted.ask(order.request.venue, state.now_ns, f"an order was refused: {order.reason}")
    state.refuse(
        trade.plan.strategy,
        trade.plan.key,
        trade.plan.opportunity_id,
        "venue_refused",
        f"{order.request.venue} refused to {order.request.side} {order.request.qty} {order.request.symbol}: "
        f"{order.reason}",
        {"venue": order.request.venue, "code": event.code},
    )
    after(state, trade, order, was)


def on_lost(state: State, event: OrderLost) -> None:
    """Sent and no answer: both outcomes stay reserved, look-ups begin."""
    found = state.orders.get(event.cid)
    if found is None or found[1].is_terminal:
        return
    trade, order = found
    order.reason = event.reason
    order.final_after_ns = event.final_after_ns
    order.next_look_ns = state.now_ns
    if order.status is not OrderStatus.OPEN:
        move(order, OrderStatus.UNKNOWN)
        state.counts["unknowns"] += 1
        _tell_unknown(state, trade, order)
    state.touch(order.request.venue)
    gate.note_order(state, trade, order)
    if state.recovering:
        return
    placing.look_up_due(state, order)
    trades.drive(state, trade)
    trades.show(state, trade)


def _tell_unknown(state: State, trade: Trade, order: OrderState) -> None:
    state.alert(
        "order_unknown",
        Severity.WARN,
        f"no answer from {order.request.venue} on {order.request.side} {order.request.qty} {order.request.symbol}",
        venue=order.request.venue,
        trade_id=trade.plan.trade_id,
        numbers=receipts.order_numbers(trade, order),
    )


def tell_due(state: State, trade: Trade, order: OrderState) -> None:
    """A start has made it UNKNOWN: told as a lost answer is, once the first look-ups have not found it."""
    if order.status is OrderStatus.UNKNOWN and state.now_ns < order.tell_ns:
        return
    order.tell_ns = 0
    if order.status is OrderStatus.UNKNOWN:
        _tell_unknown(state, trade, order)


def on_cancel_refused(state: State, event: CancelRefused) -> None:
    """Often it was filled first: read the order again."""
    found = state.orders.get(event.cid)
    if found is not None and not found[1].is_terminal:
        found[1].next_look_ns = state.now_ns
        placing.look_up_due(state, found[1])


def _is_wanted(state: State, trade: Trade) -> bool:
    """Whether a person's order that is under way still counts on what rests for it."""
    parent = state.parents.live.get(trade.plan.parent_id)
    if parent is None or parent.state is ParentState.CANCELLING:
        return False
    return trade.plan.slice not in parent.pulled  # what a halt at L1 has paused goes on resting


def on_open_orders(state: State, event: OpenOrdersReported) -> None:
    """Ours are folded, and cancelled when we believe them ended; others are shown, never touched.

    At a start all are cancelled but what rests for a person: who ordered it still wants it.
    """
    held = state.venues[event.venue]
    is_first, held.swept, held.swept_ns, held.failing = not held.swept, True, event.asked_ns, ""
    foreign: dict[str, str] = {}  # the venue's id -> the client's
    for report in event.reports:
        found = state.orders.get(report.cid)
        if found is None:
            foreign[report.venue_order_id] = report.cid
            strays.hear(state, report)
            continue
        take_report(state, report)
        is_start = (is_first or not held.agreed) and not _is_wanted(state, found[0])
        if found[0].is_over or found[1].is_terminal or is_start or state.level >= 2:
            state.emit(
                Cancel(
                    cid=report.cid,
                    venue=event.venue,
                    symbol=report.symbol,
                    venue_order_id=report.venue_order_id,
                    kind=found[1].request.kind,
                )
            )
    strays.show(state, event.venue, [cid for name, cid in foreign.items() if name not in held.foreign])
    held.foreign = list(foreign)
    state.refresh_available(event.venue)
