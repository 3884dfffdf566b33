"""Post-only ladder: rungs of even size from our own side of the touch away to the far end of the band."""

from decimal import Decimal

from engine.domain.market import Instrument
from engine.domain.money import BPS, ceil_price, floor_price, tick_at
from engine.domain.order import Side, TimeInForce
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, even, joined, split

_RUNGS = 5
_REST_MS = 600_000


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    """The first rung joins the best price (or `ask.price`, where that is farther away), the last is a band away."""
    first = joined(ask, rules, touch) if ask.follow else touch.join(ask.side)
    if ask.price is not None and not ask.follow:
        first = min(first, ask.price) if ask.side is Side.BUY else max(first, ask.price)
    prices = _rungs(ask, rules, first)
    lowest = min(prices)
    sizes = split(ask.qty, even(len(prices)), rules, lowest)
    rest_ms = ask.over_ms or _REST_MS
    return tuple(
        Slice(
            qty=size,
            tif=TimeInForce.POST_ONLY,
            price=price,
            rest_ms=rest_ms,
            gap=abs(prices[0] - price) if ask.follow else None,
        )
        for size, price in zip(sizes, prices, strict=True)
        if size
    )


def _rungs(ask: Ask, rules: Instrument, first: Decimal) -> list[Decimal]:
    """Prices from near to far, each on its tick and none twice."""
    count = ask.parts or _RUNGS
    gap = first * ask.band_bps * BPS / max(1, count - 1)
    gap = max(gap, tick_at(rules.ticks, first))
    prices: list[Decimal] = []
    for rung in range(count):
        if ask.side is Side.BUY:
            price = floor_price(rules.ticks, first - gap * rung)
        else:
            price = ceil_price(rules.ticks, first + gap * rung)
        if price > 0 and price not in prices:
            prices.append(price)
    return prices
