"""Market sweep: everything at once, as deep as the band allows. A market order that knows where to stop."""

from engine.domain.market import Instrument
from engine.domain.money import floor_to
from engine.domain.parent import Ask, Slice
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    return (Slice(qty=floor_to(ask.qty, rules.qty_step)),)
