"""Trades: opened through the gate, driven by order events and time, settled once."""

from decimal import Decimal

from msgspec import structs

from engine.core import cards, gate, hedging, placing, receipts
from engine.core.state import Opportunity, State
from engine.domain.effect import Remember, Severity
from engine.domain.event import TradeSettled
from engine.domain.market import FeeSide, Instrument
from engine.domain.money import BPS, NS_PER_MS, NS_PER_S, ZERO, exact, floor_to
from engine.domain.order import (
    Intent,
    LegRole,
    OrderRequest,
    OrderStatus,
    PlannedLeg,
    Policy,
    Side,
    TradePlan,
    TradeState,
)
from engine.execution import trade as life
from engine.execution.plan import NotExecutable, Priced, expected_result, price_leg, too_small
from engine.execution.trade import End, NextLeg, Repair, Trade
from engine.risk.latch import allows, cancels_open

_BREATH_NS = 200 * NS_PER_MS
_BUDGET_BREATH_NS = 500 * NS_PER_MS  # after an order that never left: a venue's rate budget comes back by the second
_RECORDED_AGAIN = 200  # far more than can wait for the store: one that cannot be written halts trading
_RULES_NS = 15 * NS_PER_S  # so long a start waits for the rules of all venues of a trade, then those do that have told
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
    plan = _plan(state, found, intent, approved.legs, (profit, net), actor)
    trade = Trade(plan=plan, opened_ns=state.now_ns)
    placing.adopt(state, trade)
    found.trade_id = plan.trade_id
    first = [plan.hard_leg] if plan.policy is Policy.HARD_LEG_FIRST and len(plan.legs) > 1 else range(len(plan.legs))
    placing.hold_waiting(state, trade, set(first))
    orders = [
        placing.make_order(
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
    placing.submit(state, trade, orders, plan)
    state.counts["trades"] += 1
    placing.count_trade(state, plan, state.now_ns)
    show(state, trade)
    return None


def _plan(
    state: State,
    found: Opportunity,
    intent: Intent,
    legs: tuple[PlannedLeg, ...],
    expected: tuple[Decimal, Decimal],
    actor: str,
) -> TradePlan:
    """Legs and what to do when one fails. `expected`: profit in KRW and net of two legs; one alone has its wish's."""
    rules = state.config.plan
    share = legs[0].qty / exact(intent.qty_est)  # a single leg's expectation was made for the whole wish
    return TradePlan(
        trade_id=state.next_id("t"),
        strategy=found.strategy,
        opportunity_id=found.id,
        key=found.key,
        legs=legs,
        policy=intent.policy,
        hard_leg=intent.hard_leg,
        tif=intent.tif,
        rest_ms=intent.rest_ms,
        expected_profit_krw=expected[0] if len(legs) > 1 else exact(intent.profit_krw_est) * share,
        expected_net=expected[1] if len(legs) > 1 else exact(intent.net_est),
        naked_deadline_ms=rules.naked_deadline_ms,
        max_chase=rules.max_chase,
        max_unwind=rules.max_unwind,
        band_bps=rules.band_bps,
        actor=actor,
        created_ms=state.wall_ms,
        facts=intent.facts,
        parent_id=intent.parent_id,
        slice=intent.slice,
        hedges=hedging.candidates(state, legs),
    )


def drive(state: State, trade: Trade) -> None:
    """Look at a trade and do the next thing it needs. Idempotent: nothing new, nothing done."""
    if state.recovering or trade.is_over:
        return
    for rest in life.waits(trade, state.now_ns, at_once=cancels_open(state.level)):
        placing.ask_cancel(state, rest)
    knows_all = knows_rules(state, trade)
    if not knows_all and state.now_ns - state.started_ns < _RULES_NS:
        return  # nothing can be sized before the venues have told their rules
    naked = life.exposure(trade)
    is_naked = not is_dust(state, trade, naked)
    if is_naked:
        trade.naked_since_ns = trade.naked_since_ns or state.now_ns
        warn_naked(state, trade, naked)
    if trade.unresolved:
        return
    if not is_naked:
        if knows_all:
            settle(state, trade, life.ending(trade))
        return
    second = life.next_leg(trade) if knows_all else None
    if second is None or not enter_second(state, trade, second):
        trade.state = TradeState.NAKED
        mend(state, trade, naked)


def legs_in_use(trade: Trade) -> list[PlannedLeg]:
    """The trade's own, and its hedges that stand."""
    return [*trade.plan.legs, *(trade.plan.leg(index) for index in life.standing(trade))]


def knows_rules(state: State, trade: Trade) -> bool:
    """Whether all its markets have told their rules; after a start they have not yet."""
    return all((leg.venue, leg.symbol) in state.market.instruments for leg in legs_in_use(trade))


def is_surely_dust(state: State, trade: Trade, naked: Decimal) -> bool:
    return knows_rules(state, trade) and is_dust(state, trade, naked)


def is_dust(state: State, trade: Trade, naked: Decimal) -> bool:
    """An exposure that none of its venues would take as an order; of one without rules, a thousandth of its plan."""
    if not naked:
        return True
    size = abs(naked)
    for leg in legs_in_use(trade):
        rules = state.market.instruments.get((leg.venue, leg.symbol))
        if rules is None:
            if size * 1_000 > leg.qty:
                return False
            continue
        qty = floor_to(size, rules.qty_step)
        if too_small(rules, qty, leg.planned_vwap) is None:
            return False
    return True


def is_too_small(state: State, trade: Trade, step: Repair) -> bool:
    leg = trade.plan.leg(step.leg)
    rules = state.market.instruments.get((leg.venue, leg.symbol))
    return rules is not None and too_small(rules, order_qty(rules, step.side, step.qty), leg.planned_vwap) is not None


def enter_second(state: State, trade: Trade, second: NextLeg) -> bool:
    """Send the second leg at the price of now while that pays, else at the planned one. False: too small to send."""
    leg = trade.plan.legs[second.leg]
    rules = state.market.instruments[leg.venue, leg.symbol]
    qty = order_qty(rules, leg.side, second.qty)
    if too_small(rules, qty, leg.limit_price) is not None:
        return False
    priced = chase_price(state, trade, second.leg, trade.plan.hard_leg, second.qty)
    limit = priced.limit if priced is not None else leg.limit_price
    send_repair(state, trade, Repair(LegRole.ENTRY, second.leg, leg.side, qty), limit)
    return True


def order_qty(rules: Instrument, side: Side, wanted: Decimal) -> Decimal:
    """What to order so that `wanted` base changes hands: more where the venue keeps its fee out of what it delivers."""
    if side is Side.BUY and rules.fee_side is FeeSide.RECEIVED:
        wanted = wanted / (1 - rules.taker_fee_bps * BPS)
    return floor_to(wanted, rules.qty_step)


def send_repair(state: State, trade: Trade, step: Repair, limit: Decimal) -> None:
    """Send one follow-up order of a trade where the latch lets its role pass; else the remainder waits for a person."""
    if not allows(state.level, step.role, finishes=True):
        halted = End(TradeState.DEAD_LETTER, "dead_letter", f"open_halted: L{state.level}")
        settle(state, trade, halted)
        return
    placing.submit(state, trade, [follow_up(state, trade, step, limit)], None)
    show(state, trade)


def follow_up(state: State, trade: Trade, step: Repair, limit: Decimal) -> OrderRequest:
    return placing.make_order(
        *(state, trade, step.leg, step.role, step.side, step.qty, limit), reduce_only=step.reduce_only
    )


def mend(state: State, trade: Trade, naked: Decimal) -> None:
    """NAKED: chase, then hedge or unwind, whichever costs less, then the dead-letter queue (domain.md §5)."""
    if trade.plan.trade_id in state.letters:
        # A late fill on a dead letter: a person may be closing it at this moment, so nothing is sent.
        reason = f"open_again: {naked} {trade.plan.legs[0].base}"
        settle(state, trade, End(TradeState.DEAD_LETTER, "dead_letter", reason))
        return
    if out_of_breath(state, trade):
        return
    lag, lead = life.lagging(trade, naked)
    # Flattening returns to what was held before: nothing is chased then.
    pays = state.level < 3 and chase_price(state, trade, lag, lead, abs(naked)) is not None
    hedge = hedging.cheaper(state, trade, naked) if state.level < 2 and not pays else None
    back = hedging.taken_back(state, trade, naked)
    step = life.repair(trade, naked, state.now_ns, pays, hedge, back)
    if isinstance(step, End):
        settle(state, trade, step)
        return
    if state.level >= 3 and back is None:
        step = Repair(LegRole.FLATTEN, lead, trade.plan.legs[lead].side.opposite, abs(naked))
    if back is None and step.role is LegRole.UNWIND and is_too_small(state, trade, step):
        # Less than its own venue takes, more than dust: the other venue takes it.
        step = Repair(LegRole.UNWIND, lag, trade.plan.legs[lag].side, abs(naked))
    sized = size_repair(state, trade, step)
    if sized is not None:
        qty, limit = sized
        send_repair(state, trade, structs.replace(step, qty=qty), limit)
    elif state.now_ns - trade.naked_since_ns > _HOPELESS_NS:
        reason = f"open_unpriced: {naked} {trade.plan.legs[0].base}, {_HOPELESS_NS // NS_PER_S} s"
        settle(state, trade, End(TradeState.DEAD_LETTER, "dead_letter", reason))


def out_of_breath(state: State, trade: Trade) -> bool:
    """A repair that was refused at once is not tried again at once: attempts are few, and venues recover."""
    last = trade.orders[-1]
    if last.request.role is LegRole.ENTRY or state.level == 2:
        return False
    if last.never_left:
        return state.now_ns - last.done_ns < _BUDGET_BREATH_NS
    failed = last.status in (OrderStatus.REJECTED, OrderStatus.NOT_PLACED)
    return failed and state.level == 0 and state.now_ns - last.done_ns < _BREATH_NS


def chase_price(state: State, trade: Trade, lag: int, lead: int, size: Decimal) -> Priced | None:
    """A price for the lagging leg that still leaves net ≥ 0; None where there is none."""
    leg, done = trade.plan.legs[lag], trade.plan.legs[lead]
    rules = state.market.instruments.get((leg.venue, leg.symbol))
    if rules is None or state.venues[leg.venue].failing:
        return None
    if state.market.why_unusable(leg.venue, leg.symbol, state.now_ns):
        return None
    qty = order_qty(rules, leg.side, size)
    priced = price_leg(state.market, rules, leg.side, qty, trade.plan.band_bps)
    if not isinstance(priced, Priced) or too_small(rules, qty, priced.limit) is not None:
        return None
    return priced if life.chase_pays(leg, priced.limit, done, life.leg_vwap(trade, lead)) else None


def size_repair(state: State, trade: Trade, step: Repair) -> tuple[Decimal, Decimal] | None:
    """(qty, limit) of a repairing order; None while its book cannot be used."""
    leg = trade.plan.leg(step.leg)
    rules = state.market.instruments.get((leg.venue, leg.symbol))
    if rules is None or state.market.why_unusable(leg.venue, leg.symbol, state.now_ns):
        return None
    band = trade.plan.band_bps if step.role is LegRole.CHASE else state.config.plan.unwind_band_bps
    qty = order_qty(rules, step.side, step.qty)
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
        numbers=receipts.open_numbers(state, trade),
    )
    show(state, trade)


def settle(state: State, trade: Trade, end: End) -> None:
    """The end of a trade: receipt, rows, breakers, opportunity. Runs once; a dead letter may end again by a person."""
    trade.state, trade.outcome, trade.reason = end.state, end.outcome, end.reason
    trade.closed_ms = state.wall_ms
    trade.settled = True
    plan = trade.plan
    state.live_trades.pop(plan.trade_id, None)
    placing.drop_waiting(state, trade)
    state.emit(
        Remember(
            event=TradeSettled(
                trade_id=plan.trade_id,
                state=end.state,
                outcome=end.outcome,
                reason=end.reason,
                wall_ms=state.wall_ms,
                seen_ns=state.now_ns,
                written_off=trade.written_off,
            )
        )
    )
    book_result(state, trade)
    if end.state is TradeState.DEAD_LETTER:
        block(state, trade)
        text = f"trade {plan.trade_id}: {end.reason}"
        numbers = receipts.open_numbers(state, trade)
        state.alert("dead_letter", Severity.CRIT, text, trade_id=plan.trade_id, numbers=numbers)
    else:
        unblock(state, trade)
    hedging.note(state, trade)
    for venue in dict.fromkeys([*(leg.venue for leg in plan.legs), *(each.request.venue for each in trade.orders)]):
        check_soon(state, venue)
    if plan.parent_id:
        state.parents.due[plan.parent_id] = None
    found = state.opportunities.get(plan.opportunity_id)
    if found is not None and found.state == "executing":
        found.state = "executed" if life.has_fills(trade) else "refused"
        found.reason = end.reason
        cards.show_and_record(state, found)
    show(state, trade)


def block(state: State, trade: Trade) -> None:
    """A dead letter: its pair is closed until a person has ended it."""
    state.letters[trade.plan.trade_id] = trade
    state.blocked_keys[trade.plan.key] = trade.plan.trade_id


def unblock(state: State, trade: Trade) -> None:
    """Open the pair again where this trade had closed it. An older remainder of the same pair keeps it closed."""
    key = trade.plan.key
    state.letters.pop(trade.plan.trade_id, None)
    if state.blocked_keys.get(key) == trade.plan.trade_id:
        del state.blocked_keys[key]
        for other in state.letters.values():
            if other.plan.key == key:
                state.blocked_keys[key] = other.plan.trade_id  # the newest of them


def check_soon(state: State, venue: str) -> None:
    """Compare a venue's balances shortly after a trade; a busy desk leaves room for its books' snapshots."""
    held = state.venues.get(venue)
    if held is None:  # of an older configuration
        return
    soon_ns = max(state.now_ns + 300 * NS_PER_MS, held.balances_asked_ns + 2_000 * NS_PER_MS)
    held.next_check_ns = min(held.next_check_ns, soon_ns)


def book_result(state: State, trade: Trade) -> None:
    """Fold a finished trade into today's figures and the breakers; of one that ended before, what has changed."""
    result = receipts.pnl(trade)
    is_again = trade.booked_krw is not None
    gain = result.net_krw - (trade.booked_krw or ZERO)
    trade.booked_krw = result.net_krw
    if (trade.closed_ms + state.utc_offset_ms) // placing.DAY_MS == state.local_day:
        state.pnl_today_krw += gain
    state.pnl_total_krw += gain
    state.pnl_peak_krw = max(state.pnl_peak_krw, state.pnl_total_krw)
    if not is_again:
        gate.note_result(state, trade, result)


def show(state: State, trade: Trade) -> None:
    """The receipt as it stands at the end of this step, and the trade's and its orders' rows."""
    if not state.recovering:
        state.trades_due[trade.plan.trade_id] = trade


def record_again(state: State) -> None:
    """After a restart: the rows of the newest trades, for a kill takes whatever the store had not written yet."""
    for trade in list(state.trades.values())[-_RECORDED_AGAIN:]:
        state.record("trades", trade.plan.trade_id, receipts.trade_view(state, trade))
        receipts.record_orders(state, trade)
