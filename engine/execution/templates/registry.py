"""Every template by name, and the one way to plan an order."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from engine.domain.market import Instrument
from engine.domain.order import Abilities, OrderKind
from engine.domain.parent import BEST, Ask, Slice, Template
from engine.execution.plan import NotExecutable, too_small
from engine.execution.templates import buckets, iceberg, ladder, limit, stop, sweep, taker, twap, vwap
from engine.execution.templates.split import Touch, limit_of, missing, too_little

Planner = Callable[[Ask, Instrument, Touch, int], tuple[Slice, ...] | NotExecutable]

TEMPLATES: Mapping[Template, Planner] = {
    Template.SWEEP: sweep.plan,
    Template.IOC: taker.plan,
    Template.FOK: taker.plan,
    Template.LIMIT: limit.plan,
    Template.LADDER: ladder.plan,
    Template.TWAP: twap.plan,
    Template.VWAP: vwap.plan,
    Template.ICEBERG: iceberg.plan,
    Template.BUCKETS: buckets.plan,
    Template.STOP: stop.plan,
}
ROUTED = frozenset({Template.SWEEP, Template.TWAP, Template.VWAP, Template.BUCKETS})  # each slice may go elsewhere
FOLLOWS = frozenset({Template.LIMIT, Template.LADDER, Template.ICEBERG})
TOPS_UP = frozenset({Template.SWEEP, Template.TWAP, Template.VWAP, Template.BUCKETS, Template.STOP})  # what is left


def plan(
    ask: Ask, rules: Instrument, touch: Touch, start_ms: int, abilities: Abilities
) -> tuple[Slice, ...] | NotExecutable:
    """The slices of `ask` at the market of `rules`. Deterministic: the same words, the same slices."""
    small = too_little(ask, rules, limit_for(ask, rules, touch))
    if small is not None:
        return small
    if ask.follow and ask.template not in FOLLOWS:
        return missing("no_follow", f"only what rests follows the touch: limit, ladder or iceberg, not {ask.template}")
    made = TEMPLATES[ask.template](ask, rules, touch, start_ms)
    if isinstance(made, NotExecutable):
        return made
    for piece in made:
        refused = too_small(rules, piece.qty, piece.price or piece.trigger or touch.bid)
        if refused is not None:
            return refused
    if ask.template is Template.STOP and OrderKind.STOP_LOSS in abilities.kinds and ask.venue != BEST:
        return stop.native(ask, rules, made)
    return made


def limit_for(ask: Ask, rules: Instrument, touch: Touch) -> Decimal:
    """The worst price of any child of this order."""
    if ask.template is Template.STOP and ask.stop is not None:
        return stop.bounds(ask, rules, ask.stop)[1]
    if ask.template in (Template.LADDER, Template.ICEBERG) and ask.price is None and not ask.follow:
        # What rests never takes: its own side of the touch is the worst that it may get.
        return touch.join(ask.side)
    return limit_of(ask, rules, touch)
