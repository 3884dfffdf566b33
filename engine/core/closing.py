"""Perpetuals closed again: a hedge with what it stood against, a position by a person's tap, everything at L3."""

from decimal import Decimal

from msgspec import structs

from engine.core import hedging, placing, repairs, trades
from engine.core.halt import reply
from engine.core.state import Flattening, State
from engine.domain import command as ask
from engine.domain.effect import Reply, Severity
from engine.domain.event import Commanded
from engine.domain.market import Instrument, Product
from engine.domain.money import NS_PER_S, ZERO, floor_to
from engine.domain.order import LegRole, PlannedLeg, Policy, Side, TimeInForce, TradePlan, TradeState
from engine.execution import trade as life
from engine.execution.plan import NotExecutable, Priced, price_leg
from engine.execution.trade import End, Repair, Trade
from engine.risk.latch import HIGHEST, allows

STRATEGY = "flatten"
_MOST_TRIES = 5  # of one position or dead letter at L3; a position's each with a wider band
_STUCK_NS = 30 * NS_PER_S


def close_hedge(state: State, event: Commanded, command: ask.CloseHedge) -> Reply:
    """A person's tap: the hedge, reduce-only, and what it stood against leave together."""
    trade = state.hedged.get(command.trade_id)
    if trade is None:
        return reply(event, False, "no_hedge", f"{command.trade_id} has no hedge that stands")
    venues = {trade.plan.leg(index).venue for index in life.standing(trade)}
    refused = _why_not(state, venues) or _unwind(state, trade, LegRole.UNWIND, with_residue=True)
    if refused is not None:
        return reply(event, False, refused.rule, refused.text, refused.numbers)
    return reply(event, True, "", "the hedge is being closed", {"trade_id": command.trade_id})


def close_position(state: State, event: Commanded, command: ask.ClosePosition) -> Reply:
    """A person's tap: one perpetual that no hedge is, closed at the price of now, reduce-only."""
    qty = loose(state).get((command.venue, command.symbol), ZERO)
    if not qty:
        text = f"{command.venue} {command.symbol} has no open position that stands by itself"
        return reply(event, False, "no_position", text)
    if any(trade.plan.key == _key(command.venue, command.symbol) for trade in state.live_trades.values()):
        return reply(event, False, "orders_under_way", "it is being closed already")
    refused = _why_not(state, {command.venue}) or _open_flatten(
        state, command.venue, command.symbol, qty, 1, event.actor
    )
    if refused is not None:
        return reply(event, False, refused.rule, refused.text, refused.numbers)
    return reply(event, True, "", "the position is being closed", {"venue": command.venue, "symbol": command.symbol})


def _why_not(state: State, venues: set[str]) -> NotExecutable | None:
    """Where positions differ from our books, what is closed here may be gone there: a person accepts them first."""
    for venue in sorted(venues):
        held = state.venues.get(venue)
        if held is not None and held.rules_known and (held.blocked or held.mismatches or not held.agreed):
            why = held.blocked or "its balances are being compared"
            text = f"{venue}: {why}; where they differ, accept its balances first"
            return NotExecutable(rule="venue_blocked", text=text, numbers={"venue": venue})
    if not allows(state.level, LegRole.UNWIND):
        return NotExecutable(rule="halted", text=f"halted at L{state.level}: {state.level_reason}", numbers={})
    if not state.journal_writable:
        return NotExecutable(rule="journal", text="the journal cannot be written", numbers={})
    return None


def loose(state: State) -> dict[tuple[str, str], Decimal]:
    """Signed base of every open perpetual that is no trade's hedge."""
    owned: dict[tuple[str, str], Decimal] = {}
    for trade in [*state.hedged.values(), *state.live_trades.values()]:
        for index, qty in life.standing(trade).items():
            leg = trade.plan.leg(index)
            owned[leg.venue, leg.symbol] = owned.get((leg.venue, leg.symbol), ZERO) + qty
    return {
        (venue, symbol): left
        for venue in sorted(state.venues)
        for symbol, at in sorted(state.ledger.positions(venue).items())
        if (left := at.qty - owned.get((venue, symbol), ZERO))
    }


def _unwind(state: State, trade: Trade, role: LegRole, *, with_residue: bool) -> NotExecutable | None:
    """Orders for every hedge of a trade, and for what it stood against; all or none."""
    unknown = [leg for leg in trades.legs_in_use(trade) if (leg.venue, leg.symbol) not in state.market.instruments]
    if unknown:  # after a start, before the venues have told their rules
        text = f"the rules of {unknown[0].venue} {unknown[0].symbol} are not known yet"
        return NotExecutable(rule="no_rules", text=text, numbers={"venue": unknown[0].venue})
    steps = [hedging.close(state, trade, index, role, qty) for index, qty in life.standing(trade).items()]
    left = life.residue(trade)
    if with_residue and left and not trades.is_dust(state, trade, left):
        lead = life.lagging(trade, left)[1]
        steps.append(Repair(role, lead, trade.plan.legs[lead].side.opposite, abs(left)))
    requests = []
    for step in steps:
        sized = trades.size_repair(state, trade, step)
        if sized is None:
            leg = trade.plan.leg(step.leg)
            why = state.market.why_unusable(leg.venue, leg.symbol, state.now_ns) or "its book does not offer that much"
            return NotExecutable(rule="no_price", text=f"{leg.venue} {leg.symbol}: {why}", numbers={"venue": leg.venue})
        qty, limit = sized
        requests.append(trades.follow_up(state, trade, structs.replace(step, qty=qty), limit))
    repairs.reopen(state, trade)
    trade.naked_since_ns = state.now_ns
    placing.submit(state, trade, requests, None)
    trades.show(state, trade)
    return None


def _open_flatten(state: State, venue: str, symbol: str, qty: Decimal, width: int, actor: str) -> NotExecutable | None:
    """A trade of one leg that closes `qty` (signed) of a position; `width` times the usual band."""
    rules, side = state.market.instruments.get((venue, symbol)), Side.SELL if qty > 0 else Side.BUY
    unusable = state.market.why_unusable(venue, symbol, state.now_ns)
    if rules is None or unusable:
        text = f"{venue} {symbol}: {unusable or 'its rules are not known'}"
        return NotExecutable(rule="no_price", text=text, numbers={"venue": venue})
    size = floor_to(abs(qty), rules.qty_step)
    band = state.config.plan.unwind_band_bps * width
    priced = _as_deep_as_it_is(state, rules, side, size, band)
    if priced is None:
        return NotExecutable(rule="no_price", text=f"{venue} {symbol} shows no depth", numbers={"venue": venue})
    size, at = priced
    leg = PlannedLeg(
        venue=venue,
        symbol=symbol,
        base=rules.base,
        quote=rules.quote,
        side=side,
        qty=size,
        limit_price=at.limit,
        planned_vwap=at.vwap,
        fee_bps=rules.taker_fee_bps,
        quote_krw=state.krw_rates.get(rules.quote, ZERO),
        product=Product.PERP,
        reduce_only=True,
    )
    trade = Trade(plan=_plan(state, leg, actor), opened_ns=state.now_ns)
    placing.adopt(state, trade)
    order = placing.make_order(state, trade, 0, LegRole.FLATTEN, side, size, at.limit)
    placing.submit(state, trade, [order], trade.plan)
    state.counts["flattenings"] += 1
    trades.show(state, trade)
    return None


def _as_deep_as_it_is(
    state: State, rules: Instrument, side: Side, size: Decimal, band: Decimal
) -> tuple[Decimal, Priced] | None:
    """(size, price): all of it, else the halves of it that the book shows."""
    while size >= rules.min_qty and size > 0:
        priced = price_leg(state.market, rules, side, size, band)
        if isinstance(priced, Priced):
            return size, priced
        size = floor_to(size / 2, rules.qty_step)
    return None


def _plan(state: State, leg: PlannedLeg, actor: str) -> TradePlan:
    rules = state.config.plan
    return TradePlan(
        trade_id=state.next_id("t"),
        strategy=STRATEGY,
        opportunity_id=state.next_id("c"),
        key=_key(leg.venue, leg.symbol),
        legs=(leg,),
        policy=Policy.SIMULTANEOUS,
        hard_leg=0,
        tif=TimeInForce.IOC,
        rest_ms=0,
        expected_profit_krw=ZERO,
        expected_net=ZERO,
        naked_deadline_ms=rules.naked_deadline_ms,
        max_chase=rules.max_chase,
        max_unwind=rules.max_unwind,
        band_bps=rules.band_bps,
        actor=actor,
        created_ms=state.wall_ms,
    )


def _key(venue: str, symbol: str) -> str:
    return f"{STRATEGY}:{venue}:{symbol}"


def look(state: State) -> None:
    """At L3, once a second: perpetuals first, what they stood against by the trade's own repairs, all told."""
    if state.level < HIGHEST:
        if state.flattening.since_ns:
            state.flattening = Flattening()
        return
    run = state.flattening
    run.since_ns, run.began_ns = run.since_ns or state.now_ns, run.began_ns or state.now_ns
    for trade in list(state.hedged.values()):
        if _may_try(run, ("", trade.plan.trade_id)):
            if _reduces(state, trade) and _unwind(state, trade, LegRole.FLATTEN, with_residue=False) is None:
                _tried(run, ("", trade.plan.trade_id))
        elif trade.state is not TradeState.DEAD_LETTER:
            trades.settle(state, trade, _given_up(f"open_hedge: {trade.reason}"))
    busy = _busy(state)
    for (venue, symbol), qty in loose(state).items():
        if venue not in busy:
            _flatten_one(state, run, venue, symbol, qty)
    for trade in list(state.letters.values()):
        _flatten_letter(state, run, trade)
    _tell(state, run)


def _reduces(state: State, trade: Trade) -> bool:
    """Whether its hedges still stand at their venues: opposite ones of other trades may have cancelled them out."""
    steps = (hedging.close(state, trade, index, LegRole.FLATTEN, qty) for index, qty in life.standing(trade).items())
    return all(step.reduce_only for step in steps)


def _busy(state: State) -> set[str]:
    """Venues where an order has no end yet, or a trade closes a perpetual of its own."""
    live = state.live_trades.values()
    own = {leg.venue for trade in live for leg in trade.plan.legs if leg.product is Product.PERP}
    return own | {order.request.venue for trade in live for order in trade.unresolved}


def _flatten_one(state: State, run: Flattening, venue: str, symbol: str, qty: Decimal) -> None:
    market = (venue, symbol)
    if _may_try(run, market):
        width = run.tries.get(market, 0) + 1
        if _open_flatten(state, venue, symbol, qty, width, "halt") is None:
            _tried(run, market)
        return
    last = next((t for t in reversed(state.trades.values()) if t.plan.key == _key(venue, symbol)), None)
    if last is not None and last.state is not TradeState.DEAD_LETTER:
        trades.settle(state, last, _given_up(f"open_position: {qty} {symbol} {venue}"))


def _flatten_letter(state: State, run: Flattening, trade: Trade) -> None:
    """What waited for a person, the halt at L2 before this one has cut it open perhaps: closed like anything else."""
    tries = sum(order.request.role is LegRole.FLATTEN for order in trade.orders)  # journaled: a restart counts on
    if life.standing(trade) or tries >= _MOST_TRIES or not _is_there(state, run, trade):
        return
    found = repairs.way_out(state, trade)
    if not isinstance(found, NotExecutable):
        step, limit = found
        repairs.try_again(state, trade, structs.replace(step, role=LegRole.FLATTEN), limit)


def _is_there(state: State, run: Flattening, trade: Trade) -> bool:
    """Whether its venues' own balances say that the remainder is there still.

    A person may have closed it by hand, and not said so: balances must have agreed since the flattening began and its
    last order ended, and nobody may have accepted other ones since it was left to a person, at whatever venue.
    """
    base, venues = trade.plan.legs[0].base, {leg.venue for leg in trade.plan.legs}
    traded = [held for held in state.venues.values() if held.settings.trades]
    if any(base in at.differing or state.ledger.opened_ms(at.name) > trade.closed_ms for at in traded):
        return False
    since_ns = max(run.began_ns, *(order.done_ns for order in trade.orders))
    stale = [at.name for at in traded if at.name in venues and at.agreed_ns <= since_ns]
    for name in stale:
        trades.check_soon(state, name)
    return not stale and _why_not(state, venues) is None


def _may_try(run: Flattening, what: tuple[str, str]) -> bool:
    return run.tries.get(what, 0) < _MOST_TRIES


def _tried(run: Flattening, what: tuple[str, str]) -> None:
    run.tries[what] = run.tries.get(what, 0) + 1


def _given_up(reason: str) -> End:
    return End(TradeState.DEAD_LETTER, "dead_letter", reason)


def _letters_left(state: State) -> tuple[str, ...]:
    """What trades have open that wait for a person, or did when the flattening began."""
    found = []
    for trade in (state.letters | state.live_trades).values():
        naked = life.exposure(trade)
        if naked and len(trade.plan.legs) > 1 and not trades.is_surely_dust(state, trade, naked):
            found.append(f"{naked:f} {trade.plan.legs[0].base} ({trade.plan.key})")
    return tuple(sorted(found))


def _tell(state: State, run: Flattening) -> None:
    """How far it is, whenever that has changed; and once that it does not move."""
    left = tuple(
        f"{at.qty:f} {symbol} {venue}"
        for venue in sorted(state.venues)
        for symbol, at in sorted(state.ledger.positions(venue).items())
    ) + _letters_left(state)
    if left != run.left:
        text = f"still open: {', '.join(left)}" if left else "nothing stands open any more"
        numbers = {"left": ", ".join(left), "count": str(len(left))}
        state.alert("flattening", Severity.WARN if left else Severity.INFO, text, numbers=numbers)
        run.left, run.since_ns, run.is_stuck = left, state.now_ns, False
    elif left and not run.is_stuck and state.now_ns - run.since_ns > _STUCK_NS:
        run.is_stuck = True
        text = f"nothing closed for {_STUCK_NS // NS_PER_S} s: {', '.join(left)}"
        state.alert("flatten_stuck", Severity.CRIT, text, numbers={"left": ", ".join(left), "count": str(len(left))})
