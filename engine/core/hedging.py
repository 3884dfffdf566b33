"""An exposure taken over by a perpetual: where that costs less than taking it back, and how both are closed again."""

from decimal import Decimal

from msgspec import Struct, structs

from engine.core import accounts, gate, margin, placing
from engine.core.state import State
from engine.domain.market import Instrument, Product
from engine.domain.money import BPS, ZERO, exact, floor_to
from engine.domain.order import LegRole, PlannedLeg, Side
from engine.execution import trade as life
from engine.execution.plan import Priced, price_leg, too_small
from engine.execution.trade import Repair, Trade
from engine.risk.margin import ASSET


class _Way(Struct, frozen=True):
    """One way out of an exposure, and what it costs now: distance from the mid of its own book, and fees."""

    step: Repair
    krw: Decimal


def candidates(state: State, legs: tuple[PlannedLeg, ...]) -> tuple[PlannedLeg, ...]:
    """The perpetuals that may take over an exposure of these legs, as they are configured. () for a single leg."""
    if len(legs) < 2:
        return ()
    base, made = legs[0].base, []
    for venue in state.config.plan.hedge.get(base, ()):
        at = state.venues.get(venue)
        found = [] if at is None else [state.market.instruments.get((venue, each)) for each in at.settings.symbols]
        rules = next((each for each in found if each and each.base == base and each.product is Product.PERP), None)
        rate = state.krw_rates.get(ASSET, ZERO)
        quote = state.market.quote(venue, rules.symbol) if rules is not None else None
        if rules is not None and quote is not None and rate and rules.quote == ASSET:
            made.append(_leg(rules, legs[0].side.opposite, exact(quote.mid), rate))
    return tuple(made)


def _leg(rules: Instrument, side: Side, mid: Decimal, rate: Decimal) -> PlannedLeg:
    return PlannedLeg(
        venue=rules.venue,
        symbol=rules.symbol,
        base=rules.base,
        quote=rules.quote,
        side=side,
        qty=ZERO,
        limit_price=mid,
        planned_vwap=mid,
        fee_bps=rules.taker_fee_bps,
        quote_krw=rate,
        product=Product.PERP,
    )


def cheaper(state: State, trade: Trade, naked: Decimal) -> Repair | None:
    """The hedge that costs less, in and out again, than taking the exposure back now. None where none does.

    Both are priced from the books of now, after fees. What cannot be taken back, or was refused as often as it may be
    tried, is dearer than any hedge.
    """
    ways = [way for index in range(len(trade.plan.hedges)) if (way := _way(state, trade, naked, index)) is not None]
    if not ways:
        return None
    best = min(ways, key=lambda way: way.krw)
    if trade.tries(LegRole.UNWIND, LegRole.FLATTEN) >= trade.plan.max_unwind:
        return best.step
    back = _taking_back(state, trade, abs(naked))
    return best.step if back is None or best.krw < back else None


def _way(state: State, trade: Trade, naked: Decimal, number: int) -> _Way | None:
    """A hedge by one perpetual; None where its venue, book, margin or limits do not carry it."""
    index = len(trade.plan.legs) + number
    leg, side = trade.plan.hedges[number], Side.SELL if naked > 0 else Side.BUY
    held, rules = state.venues.get(leg.venue), state.market.instruments.get((leg.venue, leg.symbol))
    if held is None or rules is None or not held.ready or held.failing or gate.resting(state, held):
        return None
    if accounts.why_unread(state, held):
        return None
    if gate.off_limits(state, leg.venue, leg.symbol) is not None:
        return None
    qty = floor_to(abs(naked), rules.qty_step)
    enter, leave = _cost(state, rules, side, qty), _cost(state, rules, side.opposite, qty)
    if enter is None or leave is None or not _carries(state, leg, side, qty):
        return None
    return _Way(Repair(LegRole.HEDGE, index, side, qty), (enter + leave) * leg.quote_krw)


def _carries(state: State, leg: PlannedLeg, side: Side, qty: Decimal) -> bool:
    """Whether its account has the margin, and its limits the room."""
    sized = structs.replace(leg, side=side, qty=qty)
    asset, needed = placing.worst_of(state, sized, side, qty, sized.limit_price)
    if needed > state.free(leg.venue, asset):
        return False
    limits, at = state.config.limits, margin.seen(state, sized)
    if at is not None:
        if at.usage is None or at.usage >= limits.margin_reduce:
            return False
        if at.usage_after is None or at.usage_after >= limits.margin_over:
            return False
    held = gate.held(state, leg.base)
    room = limits.max_perp_venue_usd * (state.usd_krw or ZERO) - held.perp_krw.get(leg.venue, ZERO)
    return qty * leg.limit_price * leg.quote_krw <= room


def _taking_back(state: State, trade: Trade, size: Decimal) -> Decimal | None:
    """KRW that it costs to take the exposure back on the leg that leads; None where its book does not offer that."""
    leg = trade.plan.legs[life.lagging(trade, life.exposure(trade))[1]]
    rules = state.market.instruments.get((leg.venue, leg.symbol))
    if rules is None or state.venues[leg.venue].failing:
        return None
    cost = _cost(state, rules, leg.side.opposite, floor_to(size, rules.qty_step))
    return cost * leg.quote_krw if cost is not None else None


def _cost(state: State, rules: Instrument, side: Side, qty: Decimal) -> Decimal | None:
    """Quote lost against the mid by trading `qty` now, fee included; None where it cannot be."""
    if state.market.why_unusable(rules.venue, rules.symbol, state.now_ns):
        return None
    quote = state.market.quote(rules.venue, rules.symbol)
    priced = price_leg(state.market, rules, side, qty, state.config.plan.unwind_band_bps)
    if quote is None or not isinstance(priced, Priced) or too_small(rules, qty, priced.limit) is not None:
        return None
    return qty * abs(priced.vwap - exact(quote.mid)) + qty * priced.vwap * rules.taker_fee_bps * BPS


def taken_back(state: State, trade: Trade, naked: Decimal) -> Repair | None:
    """An exposure that a hedge itself is, to its nearest lot: what it stood against is gone, by a late fill perhaps."""
    for index, qty in life.standing(trade).items():
        leg = trade.plan.leg(index)
        rules = state.market.instruments.get((leg.venue, leg.symbol))
        if rules is None or qty * naked <= 0:
            continue
        size = min(floor_to(abs(naked) + rules.qty_step / 2, rules.qty_step), abs(qty))
        if size >= rules.min_qty:
            return close(state, trade, index, LegRole.UNWIND, size if qty > 0 else -size)
    return None


def close(state: State, trade: Trade, index: int, role: LegRole, qty: Decimal) -> Repair:
    """Close `qty` (signed) of a hedge. Reduce-only, unless other trades' hedges have cancelled it out there."""
    leg, side = trade.plan.leg(index), Side.SELL if qty > 0 else Side.BUY
    at = state.ledger.position(leg.venue, leg.symbol)
    reduces = at is not None and at.qty * qty > 0 and abs(at.qty) >= abs(qty)
    return Repair(role, index, side, abs(qty), reduce_only=reduces)


def note(state: State, trade: Trade) -> None:
    """Enter a trade that has ended, or taken up again, among the standing hedges."""
    if trade.is_over and life.standing(trade):
        state.hedged[trade.plan.trade_id] = trade
    else:
        state.hedged.pop(trade.plan.trade_id, None)
