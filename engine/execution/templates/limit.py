"""A plain limit order: it rests at its price until it is filled, taken back, or its time is over."""

from engine.domain.market import Instrument
from engine.domain.money import ZERO, floor_to
from engine.domain.order import TimeInForce
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, joined, limit_of, missing

_DAY_MS = 86_400_000


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    if ask.follow:
        price = joined(ask, rules, touch)
        qty, rest_ms = floor_to(ask.qty, rules.qty_step), ask.over_ms or _DAY_MS
        return (Slice(qty=qty, tif=TimeInForce.POST_ONLY, price=price, rest_ms=rest_ms, gap=ZERO),)
    if ask.price is None:
        return missing("price_missing", "a limit order needs its price")
    qty, price = floor_to(ask.qty, rules.qty_step), limit_of(ask, rules, touch)
    return (Slice(qty=qty, tif=TimeInForce.GTC, price=price, rest_ms=ask.over_ms or _DAY_MS),)
