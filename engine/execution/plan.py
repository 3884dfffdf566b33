"""From a wish to exact orders: every leg priced again from the levels, by whole ticks and lots."""

from decimal import Decimal

from msgspec import Struct

from engine.domain.market import FeeSide, Instrument
from engine.domain.money import BPS, ZERO, ceil_price, exact, floor_price, floor_to
from engine.domain.order import Intent, LegWish, PlannedLeg, Side, TimeInForce, TradePlan
from engine.market.view import Market
from engine.market.walk import walk

_PRICE_DIGITS = Decimal("1e-12")


class PlanRules(Struct, frozen=True, kw_only=True):
    band_bps: Decimal  # how far beyond its VWAP an IOC leg may trade
    unwind_band_bps: Decimal
    naked_deadline_ms: int
    max_chase: int
    max_unwind: int
    hedge: dict[str, tuple[str, ...]] = {}  # coin -> venues whose perpetual may take an exposure over, in their order


class NotExecutable(Struct, frozen=True, kw_only=True):
    """Why a wish cannot become orders now."""

    rule: str
    text: str
    numbers: dict[str, str]


class Priced(Struct, frozen=True):
    limit: Decimal
    vwap: Decimal


def price_leg(
    market: Market, instrument: Instrument, side: Side, qty: Decimal, band_bps: Decimal
) -> Priced | NotExecutable:
    """VWAP of `qty` on the side it hits, and the IOC limit around it, on the tick.

    The limit is rounded so that rounding may cost a fill, never money: buys down, sells up.
    """
    book = market.book(instrument.venue, instrument.symbol)
    if book is None or not book.synced:
        return NotExecutable(
            rule="no_book",
            text=f"{instrument.venue} {instrument.symbol} has no usable book",
            numbers={"venue": instrument.venue, "symbol": instrument.symbol},
        )
    taken = walk(book.asks() if side is Side.BUY else book.bids(), float(qty))
    if taken.qty < float(qty) * (1 - 1e-12):
        return NotExecutable(
            rule="depth",
            text=f"{instrument.venue} {instrument.symbol} shows {taken.qty:g} of the {qty} needed",
            numbers={"needed": str(qty), "available": repr(taken.qty)},
        )
    top = book.best_ask if side is Side.BUY else book.best_bid
    # Within the first level the price is the venue's own digits, without what a float division leaves.
    vwap = exact(top) if taken.worst == top else exact(taken.vwap).quantize(_PRICE_DIGITS)
    if side is Side.BUY:
        limit = floor_price(instrument.ticks, vwap * (1 + band_bps * BPS))
        return Priced(max(limit, floor_price(instrument.ticks, exact(top))), vwap)
    limit = ceil_price(instrument.ticks, vwap * (1 - band_bps * BPS))
    return Priced(min(limit, ceil_price(instrument.ticks, exact(top))), vwap)


def passive_price(market: Market, instrument: Instrument, side: Side) -> Priced | NotExecutable:
    """The best price on our own side of the book: a post-only order joins the queue there."""
    quote = market.quote(instrument.venue, instrument.symbol)
    if quote is None:
        return NotExecutable(rule="no_book", text=f"{instrument.venue} {instrument.symbol} has no book", numbers={})
    price = exact(quote.bid if side is Side.BUY else quote.ask)
    on_tick = floor_price(instrument.ticks, price) if side is Side.BUY else ceil_price(instrument.ticks, price)
    return Priced(on_tick, on_tick)


def leg_sizes(instruments: list[Instrument], sides: list[Side], qty: Decimal) -> list[Decimal]:
    """What each leg orders so that bought-and-received equals sold, rounded down to each venue's step.

    A venue that takes its buy fee in base delivers q(1 - f): the other leg sells that, not q.
    """
    step = max(instrument.qty_step for instrument in instruments)
    ordered = floor_to(qty, step)
    received = ordered
    for instrument, side in zip(instruments, sides, strict=True):
        if side is Side.BUY and instrument.fee_side is FeeSide.RECEIVED:
            received = ordered * (1 - instrument.taker_fee_bps * BPS)
    if len(instruments) == 1:
        return [floor_to(qty, instruments[0].qty_step)]
    return [
        ordered if side is Side.BUY else floor_to(received, instrument.qty_step)
        for instrument, side in zip(instruments, sides, strict=True)
    ]


def too_small(instrument: Instrument, qty: Decimal, price: Decimal) -> NotExecutable | None:
    """Below the venue's minimum in base or in quote: it would be refused, so it is not sent."""
    notional = qty * price
    if qty < instrument.min_qty or qty <= 0 or notional < instrument.min_notional:
        return NotExecutable(
            rule="min_notional",
            text=(
                f"{instrument.venue} {instrument.symbol}: {qty} x {price} = {notional} is below the minimum "
                f"({instrument.min_qty} {instrument.base}, {instrument.min_notional} {instrument.quote})"
            ),
            numbers={"qty": str(qty), "notional": str(notional), "min_notional": str(instrument.min_notional)},
        )
    return None


def plan_leg(
    market: Market, wish: LegWish, instrument: Instrument, qty: Decimal, intent: Intent, rules: PlanRules
) -> PlannedLeg | NotExecutable:
    """One leg of `intent` with exact price and size."""
    if intent.tif is TimeInForce.POST_ONLY:
        priced = passive_price(market, instrument, wish.side)
        fee_bps = instrument.maker_fee_bps
    else:
        priced = price_leg(market, instrument, wish.side, qty, rules.band_bps)
        fee_bps = instrument.taker_fee_bps
    if isinstance(priced, NotExecutable):
        return priced
    small = too_small(instrument, qty, priced.limit)
    if small is not None:
        return small
    rate = 1.0 if instrument.quote == "KRW" else intent.facts.get("usdt_krw", 0.0)
    if rate <= 0.0:
        return NotExecutable(rule="no_rate", text=f"no KRW rate for {instrument.quote}", numbers={})
    return PlannedLeg(
        venue=wish.venue,
        symbol=wish.symbol,
        base=instrument.base,
        quote=instrument.quote,
        side=wish.side,
        qty=qty,
        limit_price=priced.limit,
        planned_vwap=priced.vwap,
        fee_bps=fee_bps,
        quote_krw=exact(rate),
        product=instrument.product,
    )


def plan_legs(
    market: Market, intent: Intent, max_qty: Decimal, rules: PlanRules
) -> tuple[PlannedLeg, ...] | NotExecutable:
    """Every leg of `intent` priced at `max_qty` base (already the smaller of wish, token and limits)."""
    instruments: list[Instrument] = []
    for wish in intent.legs:
        instrument = market.instruments.get((wish.venue, wish.symbol))
        if instrument is None:
            return NotExecutable(
                rule="no_rules", text=f"the rules of {wish.venue} {wish.symbol} are not known", numbers={}
            )
        instruments.append(instrument)
    sizes = leg_sizes(instruments, [wish.side for wish in intent.legs], max_qty)
    legs: list[PlannedLeg] = []
    for wish, instrument, qty in zip(intent.legs, instruments, sizes, strict=True):
        leg = plan_leg(market, wish, instrument, qty, intent, rules)
        if isinstance(leg, NotExecutable):
            return leg
        legs.append(leg)
    return tuple(legs)


def expected_result(
    legs: tuple[PlannedLeg, ...], markets: dict[tuple[str, str], Instrument]
) -> tuple[Decimal, Decimal]:
    """(profit in KRW, net as a ratio of what is paid) of two planned legs at their planned VWAPs, after fees.

    A base fee needs no term of its own: the selling leg is already smaller by it.
    """
    paid = got = ZERO
    for leg in legs:
        value = leg.qty * leg.planned_vwap * leg.quote_krw
        fee_in_quote = markets[leg.venue, leg.symbol].fee_side is FeeSide.QUOTE
        if leg.side is Side.BUY:
            paid += value * (1 + leg.fee_bps * BPS) if fee_in_quote else value
        else:
            got += value * (1 - leg.fee_bps * BPS)
    return got - paid, (got / paid - 1 if paid else ZERO)


def max_quantity(legs: tuple[PlannedLeg, ...]) -> Decimal:
    """The largest base size among the legs."""
    return max(leg.qty for leg in legs)


def notional_krw(plan: TradePlan) -> Decimal:
    """KRW value of the larger leg."""
    return max(leg.qty * leg.planned_vwap * leg.quote_krw for leg in plan.legs)
