"""A stop that goes off: who is told, and what may not hold it back."""

from engine.core.state import State
from engine.domain.effect import Severity
from engine.domain.market import Instrument, Product
from engine.domain.money import NS_PER_S, exact
from engine.domain.order import OrderStatus, Side
from engine.domain.parent import ParentPlan, ParentState, Slice, Template
from engine.execution.parent import Parent, filled_base, size

HALTED = "halted at L"  # how the reason of an order begins that a halt has paused
RINGS_NS = 5 * NS_PER_S  # one that has gone off and is not filled for so long: somebody is rung


def gets_out(plan: ParentPlan, rules: Instrument) -> bool:
    """Whether an order only makes smaller what is held: reduce-only, or a stop that sells coins of ours."""
    sells_coins = plan.ask.side is Side.SELL and rules.product is Product.SPOT
    return plan.ask.reduce_only or (plan.ask.template is Template.STOP and sells_coins)


def flags(plan: ParentPlan, rules: Instrument) -> tuple[str, ...]:
    """What the gate must know of it (domain.order.Intent)."""
    if not gets_out(plan, rules):
        return ()
    return ("closes", "stop") if plan.ask.template is Template.STOP else ("closes",)


def goes_on(plan: ParentPlan, rules: Instrument | None) -> bool:
    """A stop of the desk that gets out: once it has gone off nothing but a person or a halt ends its tries."""
    return plan.ask.template is Template.STOP and not is_at_venue(plan) and rules is not None and gets_out(plan, rules)


def is_held_by_halt(parent: Parent) -> bool:
    return parent.state is ParentState.PAUSED and parent.reason.startswith(HALTED)


def is_at_venue(plan: ParentPlan) -> bool:
    return plan.ask.template is Template.STOP and plan.slices[0].stop_price is not None


def where(parent: Parent) -> str:
    """Who waits for its price: `venue`, `desk`, or `nobody` as far as is known; "" of what is no stop."""
    plan = parent.plan
    if plan.ask.template is not Template.STOP:
        return ""
    if not is_at_venue(plan):
        return "desk"
    orders = [order for trade in parent.live for order in trade.unresolved]
    stands = any(order.status is OrderStatus.OPEN and not order.cancel_asked_ns for order in orders)
    return "venue" if stands else "nobody"


def went_off(state: State, parent: Parent, piece: Slice) -> None:
    plan = parent.plan
    if plan.ask.template is not Template.STOP:
        return
    what = f"{plan.ask.side} {piece.qty} {plan.ask.base}"
    text = f"the stop {piece.stop_price or piece.trigger} was reached: {what}, {plan.limit} at the worst"
    state.alert("stop_went_off", Severity.WARN, text, venue=plan.venue, numbers=_numbers(parent))


def watch(state: State, parent: Parent) -> None:
    """It has gone off when the touch is there: at its venue, which sends it, or here, where a halt may hold it back."""
    plan = parent.plan
    if is_at_venue(plan) and not parent.triggered and filled_base(parent.trades):
        parent.triggered.add(0)
        went_off(state, parent, plan.slices[0])
    stop = plan.slices[0].stop_price or plan.slices[0].trigger if plan.ask.template is Template.STOP else None
    if parent.state is ParentState.PAUSED and not state.level and not is_held_by_halt(parent):
        return  # whoever paused it knows
    quote = state.market.quote(plan.venue, plan.symbol) if stop is not None else None
    if stop is None or quote is None or state.market.why_unusable(plan.venue, plan.symbol, state.now_ns):
        return
    is_there = exact(quote.ask) >= stop if plan.ask.side is Side.BUY else exact(quote.bid) <= stop
    parent.reached_ns = (parent.reached_ns or state.now_ns) if is_there else 0
    if is_there and state.now_ns - parent.reached_ns >= RINGS_NS:
        rule = "halted" if state.level else "paused" if parent.state is ParentState.PAUSED else ""
        failed(state, parent, rule, "its price was there")


def failed(state: State, parent: Parent, rule: str, why: str) -> None:
    """It has gone off and does not fill: rung once, for the price may run away meanwhile."""
    if parent.plan.ask.template is not Template.STOP or not (parent.triggered or parent.reached_ns) or parent.rung:
        return
    parent.rung = True
    left = size(parent) - filled_base(parent.trades)
    text = f"the stop {parent.plan.ask.stop} has gone off and {left} {parent.plan.ask.base} are not filled: {why}"
    numbers = _numbers(parent) | {"unfilled": f"{left:f}", "rule": rule}
    state.alert("stop_unfilled", Severity.CRIT, text, venue=parent.plan.venue, numbers=numbers)


def gone(state: State, parent: Parent, why: str) -> None:
    """Not at its venue any more, or never, and by none of ours: nothing waits for the price until a person says so."""
    parent.rung = True
    left = size(parent) - filled_base(parent.trades)
    text = f"the stop {parent.plan.ask.stop} for {left} {parent.plan.ask.base} stands no more: {why}; paused"
    numbers = _numbers(parent) | {"unfilled": f"{left:f}", "why": why}
    state.alert("stop_gone", Severity.CRIT, text, venue=parent.plan.venue, numbers=numbers)


def _numbers(parent: Parent) -> dict[str, str]:
    plan = parent.plan
    qty = f"{size(parent):f}"
    stop = f"{plan.ask.stop:f}" if plan.ask.stop is not None else ""
    numbers = {"order": plan.parent_id, "side": plan.ask.side.value, "base": plan.ask.base, "qty": qty}
    return numbers | {"stop": stop, "limit": f"{plan.limit:f}", "quote": plan.quote}
