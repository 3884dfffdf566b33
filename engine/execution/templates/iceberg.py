"""Iceberg: one small piece rests at the limit, and the next appears when it is gone."""

from decimal import Decimal

from engine.domain.market import Instrument
from engine.domain.money import ZERO, ceil_price, ceil_to, floor_price, floor_to
from engine.domain.order import Side, TimeInForce
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, joined, least, split

_REST_MS = 3_600_000
_MOST = 200


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    """Each piece is `ask.shown`, a tenth unless asked otherwise; it joins our own side of the touch without a price."""
    wanted = ask.price if ask.price is not None else touch.join(ask.side)
    wanted = joined(ask, rules, touch) if ask.follow else wanted
    price = floor_price(rules.ticks, wanted) if ask.side is Side.BUY else ceil_price(rules.ticks, wanted)
    piece = max(least(rules, price), ceil_to(ask.shown or ask.qty / 10, rules.qty_step))
    piece = max(piece, ceil_to(ask.qty / _MOST, rules.qty_step))
    whole = int(floor_to(ask.qty / piece, Decimal(1)))
    rest = floor_to(ask.qty - piece * whole, rules.qty_step)
    weights = (piece,) * whole + ((rest,) if rest > 0 else ())
    sizes = split(ask.qty, weights, rules, price)
    rest_ms = ask.over_ms or _REST_MS
    tif, gap = (TimeInForce.POST_ONLY, ZERO) if ask.follow else (TimeInForce.GTC, None)
    return tuple(
        Slice(qty=size, tif=tif, price=price, rest_ms=rest_ms, in_turn=True, gap=gap) for size in sizes if size
    )
