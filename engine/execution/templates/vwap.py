"""VWAP: slices in proportion to the turnover that these hours of the day have had."""

from decimal import Decimal

from engine.domain.market import Instrument
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, limit_of, missing, split
from engine.execution.templates.twap import slots

_HOUR_MS = 3_600_000


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    """`ask.curve`: turnover by hour of the day, UTC. `start_ms`: wall clock, UTC."""
    if not ask.curve:
        return missing("no_curve", f"no history of the turnover of {ask.base} is at hand: collect it, or use twap")
    due = slots(ask)
    ends = (*due[1:], ask.over_ms or due[-1] + due[1])
    weights = [_turnover(ask.curve, start_ms + begin, start_ms + end) for begin, end in zip(due, ends, strict=True)]
    if not sum(weights):
        return missing("no_curve", f"nothing of {ask.base} was traded in these hours: use twap")
    lowest = min(limit_of(ask, rules, touch), touch.bid)
    sizes = split(ask.qty, weights, rules, lowest)
    return tuple(Slice(qty=size, at_ms=at_ms) for size, at_ms in zip(sizes, due, strict=True) if size)


def _turnover(curve: tuple[float, ...], begin_ms: int, end_ms: int) -> Decimal:
    """What the curve holds between two moments, an hour counted as even in itself."""
    total, at_ms = Decimal(0), begin_ms
    while at_ms < end_ms:
        hour_end = min(end_ms, (at_ms // _HOUR_MS + 1) * _HOUR_MS)
        total += Decimal(repr(curve[at_ms // _HOUR_MS % 24])) * (hour_end - at_ms)
        at_ms = hour_end
    return total
