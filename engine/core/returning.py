"""What rests for a person's order while the desk is away: a stop, the watchdog or a venue's timer takes it back.

Nobody here knows who did, or whether it is only not shown yet: the order is paused and its person told. A resume sends
it again.
"""

from engine.core.state import State
from engine.domain.effect import Severity
from engine.domain.order import TimeInForce
from engine.domain.parent import Template
from engine.execution.order_state import OrderState
from engine.execution.parent import Parent, filled_base
from engine.execution.trade import Trade, is_held_ioc

_RESTING = (TimeInForce.GTC, TimeInForce.POST_ONLY)


def resting(parent: Parent) -> set[int]:
    """Slices with an order that stands at its venue, or may: whoever ends it, it was not meant to end yet."""
    waiting = [trade for trade in parent.live if trade.plan.slice not in parent.pulled]
    return {trade.plan.slice for trade in waiting if any(_is_to_rest(trade, order) for order in trade.unresolved)}


def _is_to_rest(trade: Trade, order: OrderState) -> bool:
    return order.request.tif in _RESTING and not is_held_ioc(trade, order) and not order.cancel_asked_ns


def gone(state: State, parent: Parent) -> set[int]:
    """Awaited slices that have ended since, not by us or their time; what its venue names is awaited no more."""
    found = set()
    parent.awaited -= parent.pulled
    for index in sorted(parent.awaited):
        made = parent.children[index]
        newest = made[-1]
        if not newest.is_over:
            left = newest.unresolved
            if left and all(order.rests and order.told_ns > state.started_ns for order in left):
                parent.awaited.discard(index)
            continue
        parent.awaited.discard(index)
        is_due = 0 < newest.plan.rest_ms <= state.wall_ms - newest.plan.created_ms
        was_ours = any(order.cancel_asked_ns for order in newest.orders)
        if not (is_due or was_ours) and filled_base(made) < parent.plan.slices[index].qty:
            found.add(index)
    return found


def is_named(parent: Parent, slices: set[int]) -> bool:
    """Whether their venue itself has told of each end."""
    ends = [order for index in slices for order in parent.children[index][-1].orders]
    return not any(order.by_evidence for order in ends)


def tell(state: State, parent: Parent, slices: set[int]) -> None:
    """A stop-loss that stands no more rings."""
    plan = parent.plan
    severity = Severity.CRIT if plan.ask.template is Template.STOP else Severity.WARN
    text = f"{len(slices)} resting at {plan.venue} were taken back while the desk was away: paused, a resume sends them"
    numbers = {"order": plan.parent_id, "count": str(len(slices)), "base": plan.ask.base}
    state.alert("order_taken_back", severity, f"order {plan.parent_id}: {text}", venue=plan.venue, numbers=numbers)
