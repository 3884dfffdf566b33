"""Resting slices that follow the touch: changed in place where the venue can, else taken back and sent anew.

Between an order that was taken back and the new one stands the venue's word on what of it was filled.
"""

from decimal import Decimal

from engine.core import accounts, placing
from engine.core.child_prices import on_tick
from engine.core.state import State
from engine.domain.market import Instrument
from engine.domain.money import BPS, NS_PER_S, exact, tick_at
from engine.domain.order import OrderStatus, Side
from engine.domain.parent import ParentPlan, Slice
from engine.execution.order_state import OrderState
from engine.execution.parent import Parent, Sent, filled_base
from engine.execution.trade import Trade

_LEAST_BPS = Decimal(1)  # of the price: less is no reason to leave the queue
_DWELL_NS = 2 * NS_PER_S
_MOST_REFUSED = 5  # in a row, where the price was gone before a post-only order came


def price(state: State, plan: ParentPlan, piece: Slice, rules: Instrument) -> Decimal | None:
    """Where a following slice belongs now, never beyond the parent's limit; None while the book cannot be used."""
    quote = state.market.quote(rules.venue, rules.symbol)
    if quote is None or piece.gap is None or state.market.why_unusable(rules.venue, rules.symbol, state.now_ns):
        return None
    side = plan.ask.side
    if side is Side.BUY:
        return on_tick(rules, side, min(exact(quote.bid) - piece.gap, plan.limit))
    return on_tick(rules, side, max(exact(quote.ask) + piece.gap, plan.limit))


def moved(state: State, parent: Parent, rules: Instrument, room: int) -> list[int]:
    """Slices that belong elsewhere now, at most `room`: their price has moved away, or none came to rest."""
    found: list[int] = []
    for index, piece in enumerate(parent.plan.slices):
        if piece.gap is None or index in parent.pulled or len(found) >= room:
            continue
        trades = parent.children.get(index, [])
        if trades and left_ms(state, piece, trades) > 0 and _is_misplaced(state, parent, piece, rules, trades):
            found.append(index)
    return found


def left_ms(state: State, piece: Slice, trades: list[Trade]) -> int:
    """Of a slice's time to rest, counted from its first child."""
    return piece.rest_ms - (state.wall_ms - trades[0].plan.created_ms) if trades else piece.rest_ms


def _is_misplaced(state: State, parent: Parent, piece: Slice, rules: Instrument, trades: list[Trade]) -> bool:
    newest = trades[-1]
    if newest.is_over:
        return filled_base(trades) < piece.qty and _was_refused(trades)
    wanted = price(state, parent.plan, piece, rules)
    order = newest.orders[-1]
    if wanted is None or order.status is not OrderStatus.OPEN or order.is_moving:
        return False
    if order.cannot_move:
        return True  # its price is in doubt: taken back, it has none
    if state.now_ns - max(order.sent_ns, order.move_asked_ns) < _DWELL_NS:
        return False
    if not _takes_new_risk(state, rules.venue):
        return False
    off = abs(wanted - (order.moved_to or order.request.price))
    return off >= max(tick_at(rules.ticks, wanted), wanted * _LEAST_BPS * BPS)


def _takes_new_risk(state: State, venue: str) -> bool:
    """Another price is held to what a new order is (risk.rules `_venue`): else what rests there stays as it is."""
    held = state.venues[venue]
    return held.ready and not accounts.why_unread(state, held)


def move_in_place(state: State, parent: Parent, index: int, rules: Instrument) -> bool:
    """Ask for another price of what rests; False where it has to be taken back instead."""
    newest, piece = parent.children[index][-1], parent.plan.slices[index]
    order = newest.orders[-1]
    wanted = price(state, parent.plan, piece, rules)
    is_able = state.venues[rules.venue].abilities.moves and not order.cannot_move and not order.cancel_asked_ns
    if newest.is_over or wanted is None or not is_able or not placing.ask_move(state, order, wanted):
        return False
    parent.sent.append(Sent(state.now_ns, rules.venue, rules.symbol, parent.plan.ask.side))
    return True


def _was_refused(trades: list[Trade]) -> bool:
    """The last ones ended at once because they would have taken, and not too often."""
    in_a_row = 0
    for trade in reversed(trades):
        if not _bounced(trade.orders[-1]):
            break
        in_a_row += 1
    return 0 < in_a_row <= _MOST_REFUSED


def _bounced(order: OrderState) -> bool:
    """Refused, or taken and ended by the venue itself: what a person cancels there later stays cancelled."""
    if order.status is OrderStatus.REJECTED:
        return True
    is_empty = order.report is None or not order.report.filled_qty
    is_at_once = order.done_ns - order.sent_ns < _DWELL_NS
    return order.status is OrderStatus.CANCELLED and is_empty and is_at_once and not order.cancel_asked_ns


def is_following(plan: ParentPlan) -> bool:
    return any(piece.gap is not None for piece in plan.slices)
