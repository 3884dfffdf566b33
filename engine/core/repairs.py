"""What a person settles: a dead letter tried again or closed by hand, an UNKNOWN order resolved with evidence."""

from decimal import Decimal

from msgspec import structs

from engine.core import hedging, orders, receipts, trades
from engine.core.halt import reply
from engine.core.state import State
from engine.domain import command as ask
from engine.domain.effect import Remember, Reply, Severity
from engine.domain.event import Commanded, OrderNotSent, OrderReported, TradeSettled
from engine.domain.money import ZERO
from engine.domain.order import LegRole, OrderReport, OrderStatus, Side, TradeState
from engine.execution import trade as life
from engine.execution.plan import NotExecutable
from engine.execution.trade import Repair, Trade
from engine.risk.latch import allows


def retry_dead_letter(state: State, event: Commanded, command: ask.RetryDeadLetter) -> Reply:
    """Close the remainder at the price of now: one order through the same gate as every repair.

    On the leg that lags where that still pays, else back on the leg that leads. What it leaves is a dead letter again.
    """
    trade = _letter(state, command.trade_id)
    if trade is None:
        return reply(event, False, "not_dead_letter", f"{command.trade_id} is not in the dead-letter queue")
    found = way_out(state, trade)
    if isinstance(found, NotExecutable):
        return reply(event, False, found.rule, found.text, found.numbers)
    step, limit = found
    leg = trade.plan.leg(step.leg)
    try_again(state, trade, step, limit)
    text = f"{step.side} {step.qty} {leg.symbol} at {leg.venue}, {limit} at the worst"
    return reply(event, True, "", text, {"trade_id": command.trade_id, "venue": leg.venue})


def way_out(state: State, trade: Trade) -> tuple[Repair, Decimal] | NotExecutable:
    """(order, limit) that would close a dead letter's remainder at the price of now, or what stands against it."""
    if len(trade.plan.legs) == 1:
        text = "it held one position: close that where positions are shown"
        return NotExecutable(rule="nothing_left", text=text, numbers={})
    naked = life.exposure(trade)
    refused = _why_not_now(state, trade, naked)
    if refused is not None:
        return NotExecutable(rule=refused[0], text=refused[1], numbers={})
    step = _step(state, trade, naked)
    sized = trades.size_repair(state, trade, step)
    leg = trade.plan.leg(step.leg)
    if step.leg >= len(trade.plan.legs) and (blocked := state.venues[leg.venue].blocked):
        text = f"{leg.venue}: {blocked}; accept its balances first"
        return NotExecutable(rule="venue_blocked", text=text, numbers={"venue": leg.venue})
    if sized is None:
        why = state.market.why_unusable(leg.venue, leg.symbol, state.now_ns) or f"{abs(naked)} is too small there"
        text = f"{leg.venue} {leg.symbol}: {why}"
        return NotExecutable(rule="no_price", text=text, numbers={"venue": leg.venue})
    qty, limit = sized
    return structs.replace(step, qty=qty), limit


def try_again(state: State, trade: Trade, step: Repair, limit: Decimal) -> None:
    """A dead letter lives again with one order; what that leaves is a dead letter once more."""
    reopen(state, trade)
    trade.naked_since_ns = state.now_ns
    trades.send_repair(state, trade, step, limit)


def reopen(state: State, trade: Trade) -> None:
    """A trade that was over with an order of its own under way again: live, its pair no longer closed by a letter."""
    if life.standing(trade):
        trade.tried_from = len(trade.orders)  # a hedge is closed: making it has used up no try of that
    trade.state, trade.settled = TradeState.NAKED, False
    state.live_trades[trade.plan.trade_id] = trade
    trades.unblock(state, trade)
    hedging.note(state, trade)


def _letter(state: State, trade_id: str) -> Trade | None:
    trade = state.trades.get(trade_id)
    return trade if trade is not None and trade.state is TradeState.DEAD_LETTER else None


def _why_not_now(state: State, trade: Trade, naked: Decimal) -> tuple[str, str] | None:
    """(rule, text) of what stands against any repair of this trade at this moment."""
    if not allows(state.level, LegRole.UNWIND):
        return "halted", f"halted at L{state.level}: {state.level_reason}"
    if not state.journal_writable:
        return "journal", "the journal cannot be written"
    for venue in dict.fromkeys(leg.venue for leg in trades.legs_in_use(trade)):
        if venue not in state.venues or not state.venues[venue].settings.trades:
            return "watched", f"{venue} is only watched now: it has no account here"
    if trade.unresolved:
        return "orders_under_way", f"{len(trade.unresolved)} of its orders have no end yet"
    if any((leg.venue, leg.symbol) not in state.market.instruments for leg in trades.legs_in_use(trade)):
        return "venue_not_ready", "the rules of its markets are not known yet"
    if trades.is_dust(state, trade, naked):
        text = f"{naked} {trade.plan.legs[0].base} is less than any of its venues takes: close it by hand"
        return "nothing_left", text
    return None


def _step(state: State, trade: Trade, naked: Decimal) -> Repair:
    back = hedging.taken_back(state, trade, naked)
    if back is not None:
        return back
    lag, lead = life.lagging(trade, naked)
    size, legs = abs(naked), trade.plan.legs
    usable = {index for index in (lag, lead) if state.venues[legs[index].venue].ready}
    pays = state.level == 0 and lag in usable and trades.chase_price(state, trade, lag, lead, size) is not None
    if pays:
        return Repair(LegRole.CHASE, lag, legs[lag].side, size)
    unwind = Repair(LegRole.UNWIND, lead, legs[lead].side.opposite, size)
    if lead not in usable or trades.is_too_small(state, trade, unwind):
        return Repair(LegRole.UNWIND, lag, legs[lag].side, size)
    return unwind


def close_dead_letter(state: State, event: Commanded, command: ask.CloseDeadLetter) -> Reply:
    """A person's word on what was closed at the venue by hand. A part of it leaves the rest in the queue."""
    trade = _letter(state, command.trade_id)
    if trade is None:
        return reply(event, False, "not_dead_letter", f"{command.trade_id} is not in the dead-letter queue")
    naked = life.exposure(trade)
    amount = abs(naked) if command.amount is None else command.amount
    if amount <= 0 and naked:
        return reply(event, False, "bad_parameter", f"the amount must be above 0: {amount}")
    if amount > abs(naked):
        text = f"{amount} is more than what is open: {abs(naked)} {trade.plan.legs[0].base}"
        return reply(event, False, "amount_differs", text, {"open": abs(naked)})
    trade.written_off += amount if naked > 0 else -amount
    left = life.exposure(trade)
    at = f" at {command.price}" if command.price is not None else ""
    trade.reason = f"closed_by_hand: {amount}{at}, {event.actor}: {command.evidence}"
    is_whole = not left or trades.is_surely_dust(state, trade, left)
    if is_whole:
        trade.written_off += left  # what fills late is an exposure of its own
        trade.state = TradeState.CLOSED
        trades.unblock(state, trade)
    else:
        trades.block(state, trade)
    state.emit(
        Remember(
            event=TradeSettled(
                trade_id=command.trade_id,
                state=trade.state,
                outcome=trade.outcome,
                reason=trade.reason,
                wall_ms=state.wall_ms,
                seen_ns=state.now_ns,
                written_off=trade.written_off,
            )
        )
    )
    trades.show(state, trade)
    text = "closed" if is_whole else f"{left} {trade.plan.legs[0].base} is still open"
    return reply(event, True, "", text, {"trade_id": command.trade_id, "left": ZERO if is_whole else left})


def resolve_unknown(state: State, event: Commanded, command: ask.ResolveUnknown) -> Reply:
    """A person's evidence on an UNKNOWN order: it was never placed, or it ended with so much filled at a price."""
    found = state.orders.get(command.cid)
    if found is None or found[1].status is not OrderStatus.UNKNOWN:
        return reply(event, False, "not_unknown", f"order {command.cid} is not UNKNOWN")
    if command.filled or found[1].report is not None:
        return _resolve_filled(state, event, command)
    verdict = OrderNotSent(cid=command.cid, reason=f"{event.actor}: {command.evidence}", seen_ns=state.now_ns)
    state.emit(Remember(event=verdict))
    orders.on_not_sent(state, verdict)
    return reply(event, True, "", "resolved as never placed", {"cid": command.cid})


def _resolve_filled(state: State, event: Commanded, command: ask.ResolveUnknown) -> Reply:
    trade, order = state.orders[command.cid]
    request, price = order.request, command.price
    known = order.report.filled_qty if order.report is not None else ZERO
    filled = command.filled or known  # "never placed" of one that was there: it has ended with what was told
    limits = {request.price, order.dearest or request.price, order.moved_to or request.price}
    if (parent := state.parents.all.get(trade.plan.parent_id)) is not None:
        limits.add(parent.plan.limit)  # a price that was moved to is in no journal
    is_beyond = price is not None and (price > max(limits) if request.side is Side.BUY else price < min(limits))
    if not known <= filled <= request.qty:
        text = f"{filled} cannot be filled of an order for {request.qty}"
        return reply(event, False, "amount_differs", text, {"open": request.qty})
    if filled > known and (price is None or price <= 0 or is_beyond):
        text = f"an order to {request.side} at {request.price} cannot fill at {price}"
        return reply(event, False, "price_differs", text, {"limit": request.price})
    told = order.report.filled_quote if order.report is not None else ZERO
    quote = told if filled == known or price is None else filled * price
    report = OrderReport(
        cid=request.cid,
        venue=request.venue,
        symbol=request.symbol,
        side=request.side,
        status=OrderStatus.FILLED if filled == request.qty else OrderStatus.CANCELLED,
        venue_order_id=order.report.venue_order_id if order.report else "",
        filled_qty=filled,
        filled_quote=quote,
        fees=(),  # not known: the comparison of balances shows them, the venue's own word adds them
    )
    at = f" at {price}" if price is not None else ""
    said = OrderReported(report=report, seen_ns=state.now_ns)
    state.emit(Remember(event=said))
    order.reason = f"{event.actor}: {command.evidence}"
    state.alert(
        "resolved_by_hand",
        Severity.WARN,
        f"order {request.cid} at {request.venue}: {filled} filled{at}, says {event.actor}",
        venue=request.venue,
        trade_id=trade.plan.trade_id,
        numbers=receipts.order_numbers(trade, order) | {"filled": str(filled), "price": str(price), "by": event.actor},
    )
    orders.take_report(state, report)
    return reply(event, True, "", f"resolved as {filled} filled{at}", {"cid": command.cid})
