"""Private streams of orders: what they tell is folded like any report, and while they live look-ups take their time."""

from engine.core import strays
from engine.core.state import State
from engine.domain.effect import RenewStream
from engine.domain.money import NS_PER_MS
from engine.domain.order import OrderKind
from engine.domain.stream_event import ForeignOrder, OrderStirred, OrderStreamState
from engine.execution.order_state import OrderState

_GRACE_NS = 100 * NS_PER_MS  # what is missing of a report often comes with the stream's next frame
_PATIENCE_NS = 400 * NS_PER_MS  # a look-up may overtake the stream: only after so long does its silence mean something


def on_stream_state(state: State, event: OrderStreamState) -> None:
    """Lost: open orders are looked up at once. Back: what nobody told meanwhile is asked for, too."""
    held = state.venues[event.venue]
    hearing = held.hearing
    if event.connected == hearing.is_up:
        return
    hearing.is_up = event.connected
    hearing.ups += event.connected
    if state.recovering or (event.connected and hearing.ups == 1):
        return  # a start reconciles anyway
    for trade in state.live_trades.values():
        for order in trade.unresolved:
            if order.request.venue == event.venue:
                look_by(order, state.now_ns)
    if event.connected:
        held.next_check_ns, held.next_sweep_ns = state.now_ns, 0


def on_stirred(state: State, event: OrderStirred) -> None:
    found = state.orders.get(event.cid)
    if found is None:
        return
    order = found[1]
    note(state, order)
    if not order.is_terminal:
        look_by(order, state.now_ns + _GRACE_NS)


def on_foreign(state: State, event: ForeignOrder) -> None:
    """What it holds is known with the next balances; until then only that it is there."""
    held = state.venues[event.venue]
    held.hearing.is_deaf = False
    if event.fill is not None:
        strays.hear(state, event.fill)
    is_known = event.venue_order_id in held.foreign
    if is_known and not event.is_open:
        held.foreign.remove(event.venue_order_id)
    if is_known or not event.is_open:
        return
    strays.show(state, event.venue, [event.cid])
    held.foreign.append(event.venue_order_id)


def note(state: State, order: OrderState) -> None:
    """The stream spoke of an order of ours."""
    order.heard_ns = state.now_ns
    held = state.venues.get(order.request.venue)  # the journal may tell of a venue that is configured no more
    if held is not None:
        held.hearing.is_deaf = False


def look_by(order: OrderState, at_ns: int) -> None:
    """Look it up no later than that; the next tick asks."""
    order.next_look_ns = min(order.next_look_ns or at_ns, at_ns)


def compare(state: State, order: OrderState) -> None:
    """A look-up brought news: a stream that stands would have told it before."""
    venue = order.request.venue
    held = state.venues.get(venue)
    if held is None:
        return
    hearing = held.hearing
    if not hearing.is_trusted or order.heard_ns or not order.looks:
        return
    if order.request.kind is OrderKind.STOP_LOSS:
        return  # most venues tell of a stop nothing before it goes off, and of its end there nothing at all
    if state.now_ns - order.sent_ns < _PATIENCE_NS:
        return
    state.counts["stream_silences"] += 1
    if hearing.missed(state.now_ns):
        state.emit(RenewStream(venue=venue, reason=f"silent on order {order.request.cid}"))
