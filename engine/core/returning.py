"""What rests for a person's order while the desk is away: taken back by a stop, the watchdog or a venue's timer.

The order still wants it: at the next start it is sent again, and where nobody here took it back that is said.
"""

from engine.core.state import State
from engine.domain.effect import Severity
from engine.execution.parent import Parent, filled_base


def note(parent: Parent) -> None:
    """At a start: what rested when the journal ended, as far as it tells."""
    parent.awaited = resting(parent) - parent.pulled


def resting(parent: Parent) -> set[int]:
    """Slices of which an order stands at its venue."""
    return {trade.plan.slice for trade in parent.live if any(order.rests for order in trade.orders)}


def gone(state: State, parent: Parent) -> set[int]:
    """Slices that rested then and were taken back since, not by us or their time; what its venue still names stands."""
    found = set()
    for index in sorted(parent.awaited):
        made = parent.children[index]
        if not made[-1].is_over:
            left = made[-1].unresolved
            if left and all(order.rests and order.told_ns > state.started_ns for order in left):
                parent.awaited.discard(index)
            continue
        parent.awaited.discard(index)
        piece, rested_ms = parent.plan.slices[index], state.wall_ms - made[-1].plan.created_ms
        was_ours = any(order.cancel_asked_ns for order in made[-1].orders) or 0 < piece.rest_ms <= rested_ms
        if not was_ours and filled_base(made) < piece.qty:
            found.add(index)
    return found


def tell(state: State, parent: Parent, slices: set[int]) -> None:
    plan = parent.plan
    text = f"{len(slices)} resting at {plan.venue} were taken back while the desk was away; they are sent again"
    numbers = {"order": plan.parent_id, "count": str(len(slices)), "base": plan.ask.base}
    state.alert("order_sent_again", Severity.WARN, f"order {plan.parent_id}: {text}", venue=plan.venue, numbers=numbers)
