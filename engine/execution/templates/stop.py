"""Stop-loss: nothing until the price reaches the stop, then everything from the book within the band below it."""

from decimal import Decimal

from engine.domain.market import Instrument
from engine.domain.money import BPS, ceil_price, floor_price, floor_to
from engine.domain.order import OrderKind, Side, TimeInForce
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, missing

_REST_MS = 30 * 86_400_000


def bounds(ask: Ask, rules: Instrument, stop: Decimal) -> tuple[Decimal, Decimal]:
    """(the stop on its tick, the worst price after it): a sell stop lies below the market, a buy stop above."""
    if ask.side is Side.SELL:
        trigger = ceil_price(rules.ticks, stop)
        return trigger, ceil_price(rules.ticks, ask.price if ask.price is not None else stop * (1 - ask.band_bps * BPS))
    trigger = floor_price(rules.ticks, stop)
    return trigger, floor_price(rules.ticks, ask.price if ask.price is not None else stop * (1 + ask.band_bps * BPS))


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    """Held here: it works as long as the desk runs and sees this book."""
    if ask.stop is None:
        return missing("price_missing", "a stop-loss needs its stop price")
    trigger, _ = bounds(ask, rules, ask.stop)
    wrong = touch.bid <= trigger if ask.side is Side.SELL else touch.ask >= trigger
    if wrong:
        where = "below the best bid" if ask.side is Side.SELL else "above the best ask"
        return missing("stop_side", f"the stop {trigger} is not {where} {touch.hit(ask.side)}: it would go off at once")
    qty = floor_to(ask.qty, rules.qty_step)
    return (Slice(qty=qty, trigger=trigger, rising=ask.side is Side.BUY),)


def native(ask: Ask, rules: Instrument, held: tuple[Slice, ...]) -> tuple[Slice, ...]:
    """The same stop as an order that rests at the venue: it works while the desk is down."""
    trigger, limit = bounds(ask, rules, ask.stop or Decimal(0))
    return tuple(
        Slice(
            qty=piece.qty,
            tif=TimeInForce.GTC,
            kind=OrderKind.STOP_LOSS,
            price=limit,
            stop_price=trigger,
            rest_ms=_REST_MS,
        )
        for piece in held
    )
