"""One child of a person's order, priced exactly: what rests at its own price, what takes cut to the book."""

from decimal import Decimal

from engine.core import routing
from engine.core.state import State
from engine.domain.market import Instrument
from engine.domain.money import BPS, ceil_price, exact, floor_price, floor_to
from engine.domain.order import OrderKind, PlannedLeg, Side, TimeInForce
from engine.domain.parent import Slice
from engine.execution.plan import NotExecutable, too_small
from engine.market.walk import walk


def on_tick(rules: Instrument, side: Side, price: Decimal) -> Decimal:
    """Never rounded to the worse."""
    return floor_price(rules.ticks, price) if side is Side.BUY else ceil_price(rules.ticks, price)


def price_child(
    state: State, side: Side, piece: Slice, rules: Instrument, qty: Decimal, limit: Decimal
) -> PlannedLeg | NotExecutable:
    """One child, exactly. What is taken from the book is cut to what stands there within the limit."""
    rate = routing.krw_rate(state, rules.quote)
    if rate <= 0:
        return NotExecutable(rule="no_rate", text=f"no KRW rate for {rules.quote}", numbers={})
    if not piece.tif.ends_at_once or piece.kind is OrderKind.STOP_LOSS:
        price = piece.price if piece.price is not None else limit
        sized, vwap, fee_bps = floor_to(qty, rules.qty_step), piece.stop_price or price, rules.maker_fee_bps
        if piece.kind is OrderKind.STOP_LOSS:
            fee_bps = rules.taker_fee_bps
    else:
        taken = _taken(state, side, rules, qty, piece.price if piece.price is not None else limit)
        if isinstance(taken, NotExecutable):
            return taken
        sized, price, vwap = taken
        fee_bps = rules.taker_fee_bps
        if piece.tif is TimeInForce.FOK and sized < floor_to(qty, rules.qty_step):
            return NotExecutable(rule="depth", text=f"{rules.venue} does not show the whole {qty}", numbers={})
    small = too_small(rules, sized, price)
    if small is not None:
        return small
    return PlannedLeg(
        venue=rules.venue,
        symbol=rules.symbol,
        base=rules.base,
        quote=rules.quote,
        side=side,
        qty=sized,
        limit_price=price,
        planned_vwap=vwap,
        fee_bps=fee_bps,
        quote_krw=rate,
        stop_price=piece.stop_price,
        product=rules.product,
    )


def _taken(
    state: State, side: Side, rules: Instrument, qty: Decimal, limit: Decimal
) -> tuple[Decimal, Decimal, Decimal] | NotExecutable:
    """(size, limit, VWAP) of what the book offers no worse than `limit`; the order's own limit stays near its VWAP."""
    book = state.market.book(rules.venue, rules.symbol)
    unusable = state.market.why_unusable(rules.venue, rules.symbol, state.now_ns)
    if book is None or unusable:
        text = f"the book of {rules.venue} {rules.symbol} cannot be traded on: {unusable}"
        return NotExecutable(rule="book_unusable", text=text, numbers={"reason": unusable})
    bound = float(limit)
    levels = book.asks() if side is Side.BUY else book.bids()
    found = walk([at for at in levels if (at[0] <= bound if side is Side.BUY else at[0] >= bound)], float(qty))
    if not found.qty:
        text = f"{rules.venue} {rules.symbol} offers nothing within {limit}"
        return NotExecutable(rule="band", text=text, numbers={"limit": str(limit)})
    # The walk is an estimate: what it says is there is made into whole lots, and never more than was wanted.
    sized = floor_to(min(qty, exact(found.qty)), rules.qty_step)
    vwap = exact(found.vwap)
    band = state.config.plan.band_bps * BPS
    worst = exact(found.worst)
    near = vwap * (1 + band) if side is Side.BUY else vwap * (1 - band)
    own = on_tick(rules, side, max(near, worst) if side is Side.BUY else min(near, worst))
    return sized, (min(own, limit) if side is Side.BUY else max(own, limit)), vwap
