"""TWAP: even slices over the time asked for, taken from the book within the parent's limit."""

from engine.domain.market import Instrument
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, even, limit_of, split

_OVER_MS = 600_000
_EVERY_MS = 15_000
_MOST = 200


def slots(ask: Ask) -> tuple[int, ...]:
    """When the slices are due: every 15 s unless a number was asked for; the first at once, the last before the end."""
    over_ms = ask.over_ms or _OVER_MS
    count = ask.parts or min(_MOST, max(2, over_ms // _EVERY_MS))
    return tuple(over_ms * index // count for index in range(count))


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    due = slots(ask)
    lowest = min(limit_of(ask, rules, touch), touch.bid)
    sizes = split(ask.qty, even(len(due)), rules, lowest)
    return tuple(Slice(qty=size, at_ms=at_ms) for size, at_ms in zip(sizes, due, strict=True) if size)
