"""Trades: opened through the gate, driven by order events and time, settled once."""

from decimal import Decimal

from engine.core import cards, gate, receipts
from engine.core.state import Opportunity, State
from engine.domain.effect import Cancel, LookUp, Remember, Severity, Submit
from engine.domain.errors import InvariantBroken
from engine.domain.event import TradeSettled
from engine.domain.market import FeeSide
from engine.domain.money import BPS, NS_PER_MS, NS_PER_S, ZERO, exact, floor_to
from engine.domain.order import (
    Intent,
    LegRole,
    OrderRequest,
    OrderStatus,
    PlannedLeg,
    Policy,
    Side,
    TimeInForce,
    TradePlan,
    TradeState,
)
from engine.execution import trade as life
from engine.execution.cid import client_id
from engine.execution.order_state import OrderState
from engine.execution.plan import NotExecutable, Priced, expected_result, price_leg, too_small
from engine.execution.trade import CancelRest, End, NextLeg, Repair, Trade
from engine.risk.latch import allows
from engine.strategies.sight import LastAction

_LOOK_AFTER_MS = (0, 150, 400, 1_000, 2_000, 4_000)  # then every 5 s
CLEAN_MISSES = 2  # look-ups after the last possible acceptance that must find nothing
_HOPELESS_NS = 30 * NS_PER_S  # an exposure that cannot even be priced for so long goes to a person


def open_trade(
    state: State, found: Opportunity, intent: Intent, legs: tuple[PlannedLeg, ...], net_floor: float, actor: str
) -> NotExecutable | None:
    """The only way to a new trade: pass the gate, reserve, submit. Returns what refused it."""
    profit, net = expected_result(legs, state.market.instruments) if len(legs) > 1 else (ZERO, ZERO)
    if len(legs) > 1 and float(net) < net_floor:
        return NotExecutable(
            rule="price_moved",
            text=f"net {float(net):.4%} at this size is below the floor {net_floor:.4%}",
            numbers={"net": f"{float(net):.6f}", "floor": f"{net_floor:.6f}"},
        )
    approved = gate.approve(state, found, intent, legs, actor == "auto")
    if isinstance(approved, NotExecutable):
        return approved
    rules = state.config.plan
    share = legs[0].qty / exact(intent.qty_est)  # a single leg's expectation was made for the whole wish
    plan = TradePlan(
        trade_id=state.next_id("t"),
        strategy=found.strategy,
        opportunity_id=found.id,
        key=found.key,
        legs=approved.legs,
        policy=intent.policy,
        hard_leg=intent.hard_leg,
        tif=intent.tif,
        rest_ms=intent.rest_ms,
        expected_profit_krw=profit if len(legs) > 1 else exact(intent.profit_krw_est) * share,
        expected_net=net if len(legs) > 1 else exact(intent.net_est),
        naked_deadline_ms=rules.naked_deadline_ms,
        max_chase=rules.max_chase,
        max_unwind=rules.max_unwind,
        band_bps=rules.band_bps,
        actor=actor,
        created_ms=state.wall_ms,
        facts=intent.facts,
    )
    trade = Trade(plan=plan, opened_ns=state.now_ns)
    adopt(state, trade)
    found.trade_id = plan.trade_id
    first = [plan.hard_leg] if plan.policy is Policy.HARD_LEG_FIRST and len(plan.legs) > 1 else range(len(plan.legs))
    orders = [
        make_order(
            state,
            trade,
            index,
            LegRole.ENTRY,
            plan.legs[index].side,
            plan.legs[index].qty,
            plan.legs[index].limit_price,
        )
        for index in first
    ]
    submit(state, trade, orders, plan)
    state.traded_ns.append(state.now_ns)
    state.counts["trades"] += 1
    state.trades_today += 1
    state.strategies[plan.strategy].trades_today += 1
    remember_action(state, plan)
    show(state, trade)
    return None


def adopt(state: State, trade: Trade) -> None:
    """Take a trade into the books: a new one, or one read back from the journal."""
    state.trades[trade.plan.trade_id] = trade
    state.live_trades[trade.plan.trade_id] = trade


def remember_action(state: State, plan: TradePlan) -> None:
    """What frequency control and hysteresis need of the newest executed action."""
    old = state.last.get(plan.key)
    recent = (*(old.recent_ns if old else ()), state.now_ns)[-64:]
    premium = plan.facts.get("premium", plan.facts.get("k_usdt", 0.0))
    state.last[plan.key] = LastAction(wall_ns=state.now_ns, premium=premium, recent_ns=recent)


def make_order(
    state: State, trade: Trade, leg: int, role: LegRole, side: Side, qty: Decimal, price: Decimal
) -> OrderRequest:
    """The next order of a trade; its client id follows from instance, trade, leg and attempt."""
    plan = trade.plan
    attempt = len(trade.of_leg(leg))
    return OrderRequest(
        cid=client_id(state.instance, plan.trade_id, leg, attempt),
        trade_id=plan.trade_id,
        leg=leg,
        role=role,
        venue=plan.legs[leg].venue,
        symbol=plan.legs[leg].symbol,
        side=side,
        qty=qty,
        price=price,
        tif=plan.tif if role is LegRole.ENTRY else TimeInForce.IOC,
    )


def track(state: State, trade: Trade, request: OrderRequest) -> OrderState:
    """Enter an order into the books and reserve its worst case."""
    if request.cid in state.orders:
        raise InvariantBroken(f"client id {request.cid} is used twice in trade {request.trade_id}")
    order = OrderState(request=request, planned_ns=state.now_ns, planned_ms=state.wall_ms)
    trade.orders.append(order)
    state.orders[request.cid] = (trade, order)
    asset, amount = worst_case(state, request)
    state.reservations.reserve(request.cid, request.venue, asset, amount)
    state.refresh_available(request.venue)
    return order


def worst_case(state: State, request: OrderRequest) -> tuple[str, Decimal]:
    """(asset, amount) that the order can take from us at most: quote plus fee when buying, base when selling."""
    rules = state.market.instruments.get((request.venue, request.symbol))
    leg = state.trades[request.trade_id].plan.legs[request.leg]
    if request.side is Side.SELL:
        return leg.base, request.qty
    fee = leg.fee_bps if rules is None or rules.fee_side is FeeSide.QUOTE else ZERO
    return leg.quote, request.qty * request.price * (1 + fee * BPS)


def submit(state: State, trade: Trade, requests: list[OrderRequest], plan: TradePlan | None) -> None:
    for request in requests:
        track(state, trade, request)
        leg = trade.plan.legs[request.leg]
        state.submitted.append((state.now_ns, request.qty * request.price * leg.quote_krw))
        state.venues[request.venue].touched_ns = state.now_ns
        state.counts["orders"] += 1
    state.emit(Submit(plan=plan, orders=tuple(requests), trigger_ns=state.now_ns))


def drive(state: State, trade: Trade) -> None:
    """Look at a trade and do the next thing it needs. Idempotent: nothing new, nothing done."""
    if state.recovering or trade.is_over:
        return
    naked = life.exposure(trade)
    if trade.unresolved:
        for rest in life.waits(trade, state.now_ns):
            ask_cancel(state, rest)
        if life.has_fills(trade) and len(trade.plan.legs) > 1 and not trade.naked_since_ns:
            trade.naked_since_ns = state.now_ns
        warn_naked(state, trade, naked)
        return
    second = life.next_leg(trade)
    if second is not None and not is_dust(state, trade, naked):
        enter_second(state, trade, second)
        return
    if naked and not is_dust(state, trade, naked):
        trade.naked_since_ns = trade.naked_since_ns or state.now_ns
        trade.state = TradeState.NAKED
        mend(state, trade, naked)
        return
    settle(state, trade, life.ending(trade))


def is_dust(state: State, trade: Trade, naked: Decimal) -> bool:
    """An exposure that neither venue would take as an order."""
    size = abs(naked)
    for leg in trade.plan.legs:
        rules = state.market.instruments[leg.venue, leg.symbol]
        qty = floor_to(size, rules.qty_step)
        if too_small(rules, qty, leg.planned_vwap) is None:
            return False
    return True


def enter_second(state: State, trade: Trade, second: NextLeg) -> None:
    leg = trade.plan.legs[second.leg]
    rules = state.market.instruments[leg.venue, leg.symbol]
    qty = floor_to(second.qty, rules.qty_step)
    priced = price_leg(state.market, rules, leg.side, qty, trade.plan.band_bps)
    limit = priced.limit if isinstance(priced, Priced) else leg.limit_price
    send_repair(state, trade, second.leg, LegRole.ENTRY, leg.side, qty, limit)


def send_repair(state: State, trade: Trade, leg: int, role: LegRole, side: Side, qty: Decimal, limit: Decimal) -> None:
    """Send one follow-up order of a trade where the latch lets its role pass; else the remainder waits for a person."""
    if not allows(state.level, role, finishes=True):
        halted = End(TradeState.DEAD_LETTER, "dead_letter", f"halted at L{state.level} with an open exposure")
        settle(state, trade, halted)
        return
    submit(state, trade, [make_order(state, trade, leg, role, side, qty, limit)], None)
    show(state, trade)


def mend(state: State, trade: Trade, naked: Decimal) -> None:
    """NAKED: chase, then unwind, then the dead-letter queue (domain.md §5)."""
    warn_naked(state, trade, naked)
    lag, lead = life.lagging(trade, naked)
    pays = chase_price(state, trade, lag, lead, abs(naked)) is not None
    step = life.repair(trade, naked, state.now_ns, pays)
    if isinstance(step, End):
        settle(state, trade, step)
        return
    if state.level >= 3:
        step = Repair(LegRole.FLATTEN, lead, trade.plan.legs[lead].side.opposite, abs(naked))
    sized = size_repair(state, trade, step)
    if sized is not None:
        send_repair(state, trade, step.leg, step.role, step.side, *sized)
    elif state.now_ns - trade.naked_since_ns > _HOPELESS_NS:
        settle(state, trade, End(TradeState.DEAD_LETTER, "dead_letter", f"no price to close {naked} for 30 s"))


def chase_price(state: State, trade: Trade, lag: int, lead: int, size: Decimal) -> Priced | None:
    """A price for the lagging leg that still leaves net ≥ 0; None where there is none."""
    leg, done = trade.plan.legs[lag], trade.plan.legs[lead]
    if state.market.why_unusable(leg.venue, leg.symbol, state.now_ns) or state.venues[leg.venue].failing:
        return None
    rules = state.market.instruments[leg.venue, leg.symbol]
    qty = floor_to(size, rules.qty_step)
    priced = price_leg(state.market, rules, leg.side, qty, trade.plan.band_bps)
    if not isinstance(priced, Priced) or too_small(rules, qty, priced.limit) is not None:
        return None
    return priced if life.chase_pays(leg, priced.limit, done, life.leg_vwap(trade, lead)) else None


def size_repair(state: State, trade: Trade, step: Repair) -> tuple[Decimal, Decimal] | None:
    """(qty, limit) of a repairing order; None while its book cannot be used."""
    leg = trade.plan.legs[step.leg]
    if state.market.why_unusable(leg.venue, leg.symbol, state.now_ns):
        return None
    rules = state.market.instruments[leg.venue, leg.symbol]
    band = trade.plan.band_bps if step.role is LegRole.CHASE else state.config.plan.unwind_band_bps
    wanted = step.qty
    if step.side is Side.BUY and rules.fee_side is FeeSide.RECEIVED:
        wanted = step.qty / (1 - rules.taker_fee_bps * BPS)
    qty = floor_to(wanted, rules.qty_step)
    priced = price_leg(state.market, rules, step.side, qty, band)
    if not isinstance(priced, Priced) or too_small(rules, qty, priced.limit) is not None:
        return None
    return qty, priced.limit


def warn_naked(state: State, trade: Trade, naked: Decimal) -> None:
    """Say so once when an exposure outlives its deadline."""
    late_ns = trade.plan.naked_deadline_ms * NS_PER_MS
    if trade.naked_alerted or not trade.naked_since_ns or state.now_ns - trade.naked_since_ns < late_ns:
        return
    trade.naked_alerted = True
    base = trade.plan.legs[0].base
    state.alert(
        "naked",
        Severity.CRIT,
        f"trade {trade.plan.trade_id}: {naked} {base} without its partner",
        trade_id=trade.plan.trade_id,
        numbers={"naked": str(naked), "base": base},
    )
    show(state, trade)


def ask_cancel(state: State, rest: CancelRest) -> None:
    order = rest.order
    order.cancel_asked_ns = state.now_ns
    state.emit(
        Cancel(
            cid=order.request.cid,
            venue=order.request.venue,
            symbol=order.request.symbol,
            venue_order_id=order.report.venue_order_id if order.report else "",
        )
    )
    order.next_look_ns = state.now_ns + 200 * NS_PER_MS


def look_up_due(state: State, order: OrderState) -> None:
    """Ask for an order without an answer: soon, then ever more slowly; on the look-ups' own rate share."""
    if order.status not in (OrderStatus.UNKNOWN, OrderStatus.OPEN, OrderStatus.SENT, OrderStatus.PLANNED):
        return
    if not order.next_look_ns or state.now_ns < order.next_look_ns:
        return
    request = order.request
    state.emit(LookUp(cid=request.cid, venue=request.venue, symbol=request.symbol))
    order.looks += 1
    wait_ms = _LOOK_AFTER_MS[order.looks] if order.looks < len(_LOOK_AFTER_MS) else 5_000
    order.next_look_ns = state.now_ns + wait_ms * NS_PER_MS
    if order.status is OrderStatus.UNKNOWN and order.final_after_ns and order.clean_misses < CLEAN_MISSES:
        # "Not found" becomes evidence at that moment: ask right after it, and once more.
        soonest_ns = max(order.final_after_ns + NS_PER_MS, state.now_ns + 500 * NS_PER_MS)
        if state.now_ns > order.final_after_ns or soonest_ns < order.next_look_ns:
            order.next_look_ns = soonest_ns


def settle(state: State, trade: Trade, end: End) -> None:
    """The end of a trade: receipt, rows, breakers, opportunity. Runs once; a dead letter may end again by a person."""
    trade.state, trade.outcome, trade.reason = end.state, end.outcome, end.reason
    trade.closed_ms = state.wall_ms
    trade.settled = True
    plan = trade.plan
    state.live_trades.pop(plan.trade_id, None)
    state.emit(
        Remember(
            event=TradeSettled(
                trade_id=plan.trade_id,
                state=end.state,
                outcome=end.outcome,
                wall_ms=state.wall_ms,
                seen_ns=state.now_ns,
            )
        )
    )
    book_result(state, trade)
    if end.state is TradeState.DEAD_LETTER:
        state.blocked_keys[plan.key] = plan.trade_id
        state.alert("dead_letter", Severity.CRIT, f"trade {plan.trade_id}: {end.reason}", trade_id=plan.trade_id)
    for leg in plan.legs:
        check_soon(state, leg.venue)
    found = state.opportunities.get(plan.opportunity_id)
    if found is not None and found.state == "executing":
        found.state = "executed" if life.has_fills(trade) else "refused"
        found.reason = end.reason
        cards.show(state, found)
        cards.record(state, found)
    show(state, trade)


def check_soon(state: State, venue: str) -> None:
    """Compare a venue's balances shortly after a trade."""
    held = state.venues[venue]
    held.next_check_ns = min(held.next_check_ns, state.now_ns + 300 * NS_PER_MS)


def book_result(state: State, trade: Trade) -> None:
    """Fold a finished trade into today's figures and the breakers."""
    result = receipts.pnl(trade)
    if (trade.closed_ms + state.utc_offset_ms) // 86_400_000 == state.local_day:
        state.pnl_today_krw += result.net_krw
    state.pnl_total_krw += result.net_krw
    state.pnl_peak_krw = max(state.pnl_peak_krw, state.pnl_total_krw)
    if state.recovering:
        return
    gate.note_result(state, trade, result)


def show(state: State, trade: Trade) -> None:
    """The receipt as of now, and the trade's and its orders' rows."""
    if state.recovering:
        return
    view = receipts.trade_view(state, trade)
    severity = Severity.CRIT if trade.state is TradeState.DEAD_LETTER else Severity.INFO
    state.notice("trade", trade.plan.trade_id, severity, view)
    state.record("trades", trade.plan.trade_id, view)
    for order in trade.orders:
        state.record("orders", order.request.cid, receipts.order_view(order))
