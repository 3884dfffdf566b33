"""A trade's life, derived from its orders: entry, naked, chase, unwind, end (domain.md §5)."""

from decimal import Decimal

from msgspec import Struct, field

from engine.domain.money import NS_PER_MS, NS_PER_S, ZERO
from engine.domain.order import LegRole, OrderStatus, PlannedLeg, Policy, Side, TimeInForce, TradePlan, TradeState
from engine.execution.order_state import OrderState, net_base

_MAX_HEDGES = 3
_MAX_UNSENT = 60  # orders of one trade that never left: half a minute of trying twice a second


class Trade(Struct, kw_only=True):
    """A plan and all orders made for it, in the order of their making. Written by the core alone."""

    plan: TradePlan
    opened_ns: int
    orders: list[OrderState] = field(default_factory=list)
    state: TradeState = TradeState.WORKING
    outcome: str = ""  # balanced | unwound | hedged | nothing_filled | dead_letter
    reason: str = ""
    naked_since_ns: int = 0
    naked_alerted: bool = False
    settled: bool = False
    closed_ms: int = 0
    written_off: Decimal = ZERO  # signed base that a person has closed by hand
    tried_from: int = 0  # of its orders: those before belong to what had ended well
    booked_krw: Decimal | None = None  # what of its result is in the day's figures

    def of_leg(self, leg: int) -> list[OrderState]:
        return [order for order in self.orders if order.request.leg == leg]

    def tries(self, *roles: LegRole) -> int:
        """Orders of these roles that reached their venue, or may have."""
        tried = self.orders[self.tried_from :]
        return sum(1 for order in tried if order.request.role in roles and not order.never_left)

    @property
    def is_over(self) -> bool:
        return self.state in (TradeState.CLOSED, TradeState.DEAD_LETTER)

    @property
    def unresolved(self) -> list[OrderState]:
        return [order for order in self.orders if not order.is_terminal]


class NextLeg(Struct, frozen=True):
    """Hard leg first: the second leg, sized from the confirmed net fill."""

    leg: int
    qty: Decimal


class Repair(Struct, frozen=True):
    """Close an exposure: `role` CHASE on the leg that lags, UNWIND on the leg that leads, HEDGE on a perpetual."""

    role: LegRole
    leg: int
    side: Side
    qty: Decimal
    reduce_only: bool = False


class CancelRest(Struct, frozen=True):
    """Ask to cancel an order that should not rest any more."""

    order: OrderState


class End(Struct, frozen=True):
    state: TradeState
    outcome: str
    reason: str  # "rule: figures" (docs/refusals.md) where a person is to go on, else what its orders say


Move = NextLeg | Repair | CancelRest | End


def exposure(trade: Trade) -> Decimal:
    """Signed naked base: what was bought and received minus what was sold. 0 for a single-leg trade: it wants one."""
    if len(trade.plan.legs) == 1:
        return ZERO
    total = sum((net_base(order, trade.plan.leg(order.request.leg).base) for order in trade.orders), ZERO)
    return total - trade.written_off


def standing(trade: Trade) -> dict[int, Decimal]:
    """Signed base of each hedge that still stands, by its leg's index."""
    first = len(trade.plan.legs)
    sums: dict[int, Decimal] = {}
    for order in trade.orders:
        index = order.request.leg
        if index >= first:
            sums[index] = sums.get(index, ZERO) + net_base(order, trade.plan.leg(index).base)
    return {index: qty for index, qty in sums.items() if qty}


def residue(trade: Trade) -> Decimal:
    """Signed base that hedges stand against."""
    return exposure(trade) - sum(standing(trade).values(), ZERO)


def has_fills(trade: Trade) -> bool:
    return any(order.report is not None and order.report.filled_qty > 0 for order in trade.orders)


def lagging(trade: Trade, naked: Decimal) -> tuple[int, int]:
    """(the leg that lags, the leg that leads): bought too much means the selling leg lags."""
    buy = next(index for index, leg in enumerate(trade.plan.legs) if leg.side is Side.BUY)
    sell = next(index for index, leg in enumerate(trade.plan.legs) if leg.side is Side.SELL)
    return (sell, buy) if naked > 0 else (buy, sell)


def next_leg(trade: Trade) -> NextLeg | None:
    """Under HARD_LEG_FIRST: the second leg once the hard one is done with a fill."""
    plan = trade.plan
    if plan.policy is not Policy.HARD_LEG_FIRST or len(plan.legs) != 2:
        return None
    other = 1 - plan.hard_leg
    if trade.of_leg(other):
        return None
    filled = abs(sum((net_base(order, plan.legs[plan.hard_leg].base) for order in trade.of_leg(plan.hard_leg)), ZERO))
    return NextLeg(other, filled) if filled > 0 else None


def is_held_ioc(trade: Trade, order: OrderState) -> bool:
    """An IOC at a venue that has none: it goes out to rest, and is taken back as soon as the venue has named it."""
    wanted = trade.plan.tif if order.request.role is LegRole.ENTRY else TimeInForce.IOC
    return wanted is TimeInForce.IOC and order.request.tif is TimeInForce.GTC


def waits(trade: Trade, now_ns: int, at_once: bool = False) -> list[CancelRest]:
    """While orders are unresolved: what may be cancelled. UNKNOWN ones are looked up, never cancelled blindly.

    `at_once`: however short a time they have rested. The same holds for one that was given up and has turned up:
    nobody counts on it any more. A cancel without effect is asked again after a second.
    """
    plan = trade.plan
    patience_ns = (plan.rest_ms if plan.rest_ms else plan.naked_deadline_ms) * NS_PER_MS
    return [
        CancelRest(order)
        for order in trade.unresolved
        if order.status is OrderStatus.OPEN
        and (
            at_once
            or order.done_ns
            or is_held_ioc(trade, order)
            or now_ns - (order.sent_ns or trade.opened_ns) >= patience_ns
        )
        and (not order.cancel_asked_ns or now_ns - order.cancel_asked_ns >= NS_PER_S)
    ]


def repair(
    trade: Trade,
    naked: Decimal,
    now_ns: int,
    chase_pays: bool,
    hedge: Repair | None = None,
    back: Repair | None = None,
) -> Repair | End:
    """The next step for an exposure: chase while it pays and time is left, else hedge or unwind, else a person's hands.

    `hedge`: where that is the cheaper way out. `back`: the exposure is a hedge that has lost what it stood against.
    """
    plan = trade.plan
    lag, lead = lagging(trade, naked)
    size = abs(naked)
    in_time = now_ns - trade.naked_since_ns < plan.naked_deadline_ms * NS_PER_MS
    chases, unwinds = trade.tries(LegRole.CHASE), trade.tries(LegRole.UNWIND, LegRole.FLATTEN)
    unsent = sum(1 for order in trade.orders if order.never_left)
    if back is not None and unwinds < plan.max_unwind:
        return back
    if back is None and chase_pays and in_time and chases < plan.max_chase:
        return Repair(LegRole.CHASE, lag, plan.legs[lag].side, size)
    if back is None and hedge is not None and trade.tries(LegRole.HEDGE) < _MAX_HEDGES and unsent < _MAX_UNSENT:
        return hedge
    if back is None and unwinds < plan.max_unwind and unsent < _MAX_UNSENT:
        return Repair(LegRole.UNWIND, lead, plan.legs[lead].side.opposite, size)
    return End(
        TradeState.DEAD_LETTER,
        "dead_letter",
        f"open_tried: {naked} {plan.legs[0].base}, chase {chases}, unwind {unwinds}, never left {unsent}",
    )


def ending(trade: Trade) -> End:
    """The end of a trade whose orders are all done and whose exposure is dust."""
    if not has_fills(trade):
        reasons = [order.reason for order in trade.orders if order.reason]
        return End(TradeState.CLOSED, "nothing_filled", "; ".join(reasons))
    if standing(trade):
        held = ", ".join(f"{qty} {trade.plan.leg(at).symbol}" for at, qty in standing(trade).items())
        return End(TradeState.CLOSED, "hedged", f"{residue(trade)} {trade.plan.legs[0].base} against {held}")
    unwound = any(
        order.request.role in (LegRole.UNWIND, LegRole.FLATTEN)
        and order.report is not None
        and order.report.filled_qty > 0
        for order in trade.orders
    )
    return End(TradeState.CLOSED, "unwound" if unwound else "balanced", "")


def filled(orders: list[OrderState], roles: frozenset[LegRole]) -> tuple[Decimal, Decimal]:
    """(base, quote) filled by the orders of these roles, before fees."""
    reports = [order.report for order in orders if order.request.role in roles and order.report is not None]
    return sum((report.filled_qty for report in reports), ZERO), sum((report.filled_quote for report in reports), ZERO)


def leg_vwap(trade: Trade, leg: int) -> Decimal:
    """Average price of a leg's entry and chase fills; the planned one where nothing filled."""
    qty, quote = filled(trade.of_leg(leg), frozenset({LegRole.ENTRY, LegRole.CHASE}))
    return quote / qty if qty else trade.plan.legs[leg].planned_vwap


def chase_pays(leg: PlannedLeg, price: Decimal, done: PlannedLeg, done_vwap: Decimal) -> bool:
    """Whether filling the lagging leg at `price` still leaves net ≥ 0 against what the other leg got (domain.md §5)."""
    fees = 1 - (leg.fee_bps + done.fee_bps) / Decimal(10_000)
    ours, theirs = price * leg.quote_krw, done_vwap * done.quote_krw
    return ours * fees >= theirs if leg.side is Side.SELL else theirs * fees >= ours
