"""Staggered buckets: the capital in portions, the next one each time the price has come a step towards us."""

from decimal import Decimal

from engine.domain.market import Instrument
from engine.domain.money import BPS, ceil_price, floor_price
from engine.domain.order import Side
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, even, split

_BUCKETS = 4


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    """The first bucket is taken at once; bucket k waits until the price is k bands better (one of `ask.band_bps`)."""
    triggers = [_trigger(ask, rules, touch, index) for index in range(ask.parts or _BUCKETS)]
    lowest = min(price for price in (touch.bid, *triggers) if price > 0)
    sizes = split(ask.qty, even(len(triggers)), rules, lowest)
    return tuple(
        Slice(qty=size, trigger=trigger if index else None, rising=ask.side is Side.SELL)
        for index, (size, trigger) in enumerate(zip(sizes, triggers, strict=True))
        if size
    )


def _trigger(ask: Ask, rules: Instrument, touch: Touch, index: int) -> Decimal:
    away = ask.band_bps * BPS * index
    if ask.side is Side.BUY:
        return floor_price(rules.ticks, touch.ask * (1 - away))
    return ceil_price(rules.ticks, touch.bid * (1 + away))
