"""What rests for a person's order while the desk is away: a stop, the watchdog or a venue's timer takes it back.

Nobody here knows who did, or whether it is only not shown yet: the order is paused and its person told. A resume sends
it again.
"""

from engine.core.state import State
from engine.domain.effect import Remember, Severity
from engine.domain.event import ParentMoved
from engine.domain.order import OrderStatus
from engine.domain.parent import ParentMove, Template
from engine.execution.order_state import OrderState
from engine.execution.parent import Parent, filled_base
from engine.execution.trade import Trade, is_held_ioc


def resting(parent: Parent) -> set[int]:
    """Slices with an order that stands at its venue, or may: whoever ends it, it was not meant to end yet."""
    waiting = [trade for trade in parent.live if trade.plan.slice not in parent.pulled]
    return {trade.plan.slice for trade in waiting if any(_is_to_rest(trade, order) for order in trade.unresolved)}


def _is_to_rest(trade: Trade, order: OrderState) -> bool:
    return not order.request.tif.ends_at_once and not is_held_ioc(trade, order) and not order.cancel_asked_ns


def remember(state: State, parent: Parent) -> None:
    """How the order stands, for the next start."""
    said = ParentMove(
        parent_id=parent.plan.parent_id,
        state=parent.state,
        reason=parent.reason,
        ran_ms=parent.ran_ms,
        pulled=tuple(sorted(parent.pulled)),
        triggered=tuple(sorted(parent.triggered)),
        awaited=tuple(sorted(parent.awaited)),
    )
    state.emit(Remember(event=ParentMoved(move=said, seen_ns=state.now_ns)))


def gone(state: State, parent: Parent) -> set[int]:
    """Awaited slices that have ended since, not by us or their time; what its venue names is awaited no more."""
    found = set()
    for index in sorted(parent.awaited):
        made = parent.children[index]
        newest = made[-1]
        if not newest.is_over:
            if index in parent.pulled:
                continue  # it is taken back by us: whether its venue says so shows its end
            left = newest.unresolved
            if left and all(order.rests and order.told_ns > state.started_ns for order in left):
                parent.awaited.discard(index)
            continue
        parent.awaited.discard(index)
        is_due = 0 < newest.plan.rest_ms <= state.wall_ms - newest.plan.created_ms
        was_ours = any(order.cancel_asked_ns for order in newest.orders)
        is_settled = is_named(parent, {index}) if index in parent.pulled else is_due or was_ours
        if not is_settled and filled_base(made) < parent.plan.slices[index].qty:
            found.add(index)
    return found


def is_named(parent: Parent, slices: set[int]) -> bool:
    """Whether their venue itself has told of each end; what never left needs no word of it."""
    ends = [order for index in sorted(slices) for order in parent.children[index][-1].orders]
    return not any(
        order.by_evidence or (order.was_unknown and order.status is OrderStatus.NOT_PLACED) for order in ends
    )


def tell(state: State, parent: Parent, slices: set[int]) -> None:
    """A stop-loss that stands no more rings."""
    plan = parent.plan
    severity = Severity.CRIT if plan.ask.template is Template.STOP else Severity.WARN
    is_told = is_named(parent, slices)
    what = "were taken back while the desk was away" if is_told else "are not found any more: look there first"
    text = f"{len(slices)} resting at {plan.venue} {what}; paused, a resume sends them"
    named = "yes" if is_told else "no"
    numbers = {"order": plan.parent_id, "count": str(len(slices)), "base": plan.ask.base, "named": named}
    state.alert("order_taken_back", severity, f"order {plan.parent_id}: {text}", venue=plan.venue, numbers=numbers)
