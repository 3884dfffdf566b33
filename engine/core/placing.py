"""Orders on their way: client ids, reservations, counts for the limits, submits, cancels, look-ups."""

from decimal import Decimal

from msgspec.structs import replace

from engine.core.state import State
from engine.core.venue_state import VenueState
from engine.domain.account_event import Amended
from engine.domain.effect import Amend, Cancel, LookUp, Submit
from engine.domain.errors import InvariantBroken
from engine.domain.market import FeeSide, Product
from engine.domain.money import BPS, NS_PER_MS, ZERO
from engine.domain.order import LegRole, OrderKind, OrderRequest, OrderStatus, PlannedLeg, Side, TimeInForce, TradePlan
from engine.execution.cid import client_id
from engine.execution.order_state import OrderState
from engine.execution.trade import CancelRest, Trade
from engine.strategies.sight import LastAction

DAY_MS = 86_400_000
CLEAN_MISSES = 2  # look-ups after the last possible acceptance that must find nothing
_LOOK_AFTER_MS = (0, 150, 400, 1_000, 2_000, 4_000)  # then every 5 s
_LONGEST_LOOK_MS = 5_000
_CROWD_MS = 80  # per order without an answer at a venue: together they ask about as often as most venues like it
_FIRST_LOOK_MS = 500  # of an acknowledged order, while the venue's private stream can be trusted


def adopt(state: State, trade: Trade) -> None:
    """Take a trade into the books: a new one, or one read back from the journal."""
    state.trades[trade.plan.trade_id] = trade
    state.live_trades[trade.plan.trade_id] = trade


def hold_waiting(state: State, trade: Trade, sent: set[int]) -> None:
    """Promise what the legs that are sent later will need: nothing else may take it meanwhile (R118)."""
    for index, leg in enumerate(trade.plan.legs):
        if index not in sent:
            asset, amount = worst_of(state, leg, leg.side, leg.qty, leg.limit_price)
            state.reservations.reserve(waiting(trade, index), leg.venue, asset, amount)
            state.refresh_available(leg.venue)


def waiting(trade: Trade, leg: int) -> str:
    """Owner of the promise for a leg without an order yet."""
    return f"{trade.plan.trade_id}:{leg}"


def drop_waiting(state: State, trade: Trade) -> None:
    for index, leg in enumerate(trade.plan.legs):
        if state.reservations.release(waiting(trade, index)):
            state.refresh_available(leg.venue)


def count_trade(state: State, plan: TradePlan, at_ns: int) -> None:
    """What frequency limits and hysteresis need of an executed action; `at_ns` may lie before this start."""
    old = state.last.get(plan.key)
    recent = (*(old.recent_ns if old else ()), at_ns)[-64:]
    premium = plan.facts.get("premium", plan.facts.get("k_usdt", 0.0))
    state.last[plan.key] = LastAction(wall_ns=at_ns, premium=premium, recent_ns=recent)
    if plan.parent_id and not plan.key.endswith(":0"):
        return  # a person's order is one trade, in however many children
    state.traded_ns.append(at_ns)
    if (plan.created_ms + state.utc_offset_ms) // DAY_MS == state.local_day:
        state.trades_today += 1
        if plan.strategy in state.strategies:
            state.strategies[plan.strategy].trades_today += 1


def count_order(state: State, trade: Trade, request: OrderRequest, at_ns: int) -> None:
    """What the limits per minute need."""
    leg = trade.plan.leg(request.leg)
    state.submitted.append((at_ns, request.qty * request.price * leg.quote_krw))


def make_order(
    state: State,
    trade: Trade,
    leg: int,
    role: LegRole,
    side: Side,
    qty: Decimal,
    price: Decimal,
    *,
    reduce_only: bool = False,
) -> OrderRequest:
    """The next order of a trade; its client id follows from instance, trade, leg and attempt."""
    plan = trade.plan
    attempt = len(trade.of_leg(leg))
    at = plan.leg(leg)
    stop_price = at.stop_price if role is LegRole.ENTRY else None
    return OrderRequest(
        cid=client_id(state.instance, plan.trade_id, leg, attempt),
        trade_id=plan.trade_id,
        leg=leg,
        role=role,
        venue=at.venue,
        symbol=at.symbol,
        side=side,
        qty=qty,
        price=price,
        tif=able_tif(state, at.venue, plan.tif if role is LegRole.ENTRY else TimeInForce.IOC),
        kind=OrderKind.LIMIT if stop_price is None else OrderKind.STOP_LOSS,
        stop_price=stop_price,
        reduce_only=reduce_only or at.reduce_only,
        late_ms=late_ms(state.venues[at.venue]),
    )


def late_ms(held: VenueState) -> int:
    """How long the venue may still accept what left before a start: at the latest it left at the end before that."""
    bounds = held.settings
    return bounds.expiring_ms if held.abilities.expiry else bounds.late_acceptance_ms


def able_tif(state: State, venue: str, wanted: TimeInForce) -> TimeInForce:
    """An IOC that the venue has not is held here: sent to rest, taken back at once (execution.trade.is_held_ioc)."""
    if wanted is TimeInForce.IOC and TimeInForce.IOC not in state.venues[venue].abilities.tifs:
        return TimeInForce.GTC
    return wanted


def track(state: State, trade: Trade, request: OrderRequest) -> OrderState:
    """Enter an order into the books and reserve its worst case."""
    if request.cid in state.orders:
        raise InvariantBroken(f"client id {request.cid} is used twice in trade {request.trade_id}")
    state.reservations.release(waiting(trade, request.leg))
    order = OrderState(request=request, planned_ns=state.now_ns, planned_ms=wall_of(state, trade))
    trade.orders.append(order)
    state.orders[request.cid] = (trade, order)
    asset, amount = worst_case(state, request)
    state.reservations.reserve(request.cid, request.venue, asset, amount)
    state.refresh_available(request.venue)
    return order


def wall_of(state: State, trade: Trade) -> int:
    """Wall clock of this event. While the journal is read only its distance from the trade's plan is known."""
    if not state.recovering:
        return state.wall_ms
    return trade.plan.created_ms + max(0, state.now_ns - trade.opened_ns) // NS_PER_MS


def worst_case(state: State, request: OrderRequest) -> tuple[str, Decimal]:
    """(asset, amount) that the order can take from us at most: quote plus fee when buying, base when selling."""
    leg = state.trades[request.trade_id].plan.leg(request.leg)
    if request.reduce_only:
        return leg.quote, ZERO
    return worst_of(state, leg, request.side, request.qty, request.price)


def worst_of(state: State, leg: PlannedLeg, side: Side, qty: Decimal, price: Decimal) -> tuple[str, Decimal]:
    rules = state.market.instruments.get((leg.venue, leg.symbol))
    if leg.product is Product.PERP:
        worth = qty * price
        return leg.quote, ZERO if leg.reduce_only else margin_for(state, leg, worth) + worth * leg.fee_bps * BPS
    if side is Side.SELL:
        return leg.base, qty
    fee = leg.fee_bps if rules is None or rules.fee_side is FeeSide.QUOTE else ZERO
    return leg.quote, qty * price * (1 + fee * BPS)


def margin_for(state: State, leg: PlannedLeg, worth: Decimal) -> Decimal:
    """Initial margin of a perpetual's position worth so much quote."""
    at = state.venues.get(leg.venue)
    return worth / (at.settings.leverage or 1) if at is not None else worth


def submit(state: State, trade: Trade, requests: list[OrderRequest], plan: TradePlan | None) -> None:
    for request in requests:
        track(state, trade, request)
        count_order(state, trade, request, state.now_ns)
        state.touch(request.venue)
        state.counts["orders"] += 1
    state.emit(Submit(plan=plan, orders=tuple(requests), trigger_ns=state.now_ns))


def ask_cancel(state: State, rest: CancelRest) -> None:
    order = rest.order
    if order.request.venue not in state.venues:
        return  # of an older configuration: nobody is there to be asked
    order.cancel_asked_ns = state.now_ns
    state.emit(
        Cancel(
            cid=order.request.cid,
            venue=order.request.venue,
            symbol=order.request.symbol,
            venue_order_id=order.report.venue_order_id if order.report else "",
            kind=order.request.kind,
        )
    )
    order.next_look_ns = state.now_ns + (_FIRST_LOOK_MS if is_heard(state, order) else 200) * NS_PER_MS


def is_heard(state: State, order: OrderState) -> bool:
    """The private stream will tell what becomes of it: looking it up is a safeguard, and may take its time."""
    held = state.venues.get(order.request.venue)  # None: of an older configuration
    return order.status is OrderStatus.OPEN and held is not None and held.hearing.is_trusted


def first_look_ns(state: State, order: OrderState) -> int:
    """From an acknowledgement to the look-up that follows it: an IOC ends at once, a resting order when it ends."""
    if order.looks or is_heard(state, order):
        return _FIRST_LOOK_MS * NS_PER_MS
    return 1


def ask_move(state: State, order: OrderState, price: Decimal) -> bool:
    """Change the price of an open order in place; False where what is free there would not suffice."""
    request, held = order.request, state.reservations.of(order.request.cid)
    # Never less than for the dearest price so far: until the venue's word on fills any of them may be the one.
    before = order.dearest or request.price
    dearest = max(before, price)
    asset, promised = worst_case(state, replace(request, price=before))
    more = max(ZERO, worst_case(state, replace(request, price=dearest))[1] - promised)
    if held is None or more > max(ZERO, state.free(request.venue, asset)):
        return False
    state.reservations.release(request.cid)
    state.reservations.reserve(request.cid, request.venue, asset, held.amount + more)
    state.refresh_available(request.venue)
    order.moved_to, order.dearest = price, dearest
    order.move_asked_ns, order.is_moving = state.now_ns, True
    state.emit(
        Amend(
            cid=request.cid,
            venue=request.venue,
            symbol=request.symbol,
            venue_order_id=order.report.venue_order_id if order.report else "",
            qty=request.qty,
            price=price,
        )
    )
    return True


def on_amended(state: State, event: Amended) -> None:
    """The venue's word on a price. Whatever it was, its word on fills is asked for next."""
    found = state.orders.get(event.cid)
    if found is None or found[1].is_terminal:
        return
    order = found[1]
    order.is_moving, order.cannot_move = False, bool(event.reason)
    order.next_look_ns = state.now_ns
    look_up_due(state, order)


def unresolved_at(state: State, venue: str) -> list[OrderState]:
    return [
        order
        for trade in state.live_trades.values()
        for order in trade.orders
        if order.request.venue == venue and not order.is_terminal
    ]


def look_up_due(state: State, order: OrderState) -> None:
    """Ask for an order without an answer: soon, then ever more slowly; on the look-ups' own rate share."""
    if state.recovering or order.status not in (
        OrderStatus.UNKNOWN,
        OrderStatus.OPEN,
        OrderStatus.SENT,
        OrderStatus.PLANNED,
    ):
        return
    if not order.next_look_ns or state.now_ns < order.next_look_ns or order.request.venue not in state.venues:
        return
    request = order.request
    state.emit(LookUp(cid=request.cid, venue=request.venue, symbol=request.symbol, kind=request.kind))
    order.looks += 1
    wait_ms = _LOOK_AFTER_MS[order.looks] if order.looks < len(_LOOK_AFTER_MS) else _LONGEST_LOOK_MS
    unknown = [each for each in unresolved_at(state, request.venue) if each.status is OrderStatus.UNKNOWN]
    crowd_ms = _CROWD_MS * len(unknown)
    wait_ms = max(wait_ms, crowd_ms)
    if is_heard(state, order):
        wait_ms *= 2
    order.next_look_ns = state.now_ns + wait_ms * NS_PER_MS
    if order.status is OrderStatus.UNKNOWN and order.final_after_ns and order.clean_misses < CLEAN_MISSES:
        # "Not found" becomes evidence at that moment: ask right after it, and once more.
        soonest_ns = max(order.final_after_ns + NS_PER_MS, state.now_ns + max(500, crowd_ms) * NS_PER_MS)
        if state.now_ns > order.final_after_ns or soonest_ns < order.next_look_ns:
            order.next_look_ns = soonest_ns
