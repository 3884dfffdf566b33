"""One try at a limit price: what is there is taken, the rest ends (IOC), or all of it or nothing (FOK)."""

from engine.domain.market import Instrument
from engine.domain.money import floor_to
from engine.domain.order import TimeInForce
from engine.domain.parent import Ask, Slice, Template
from engine.execution.plan import NotExecutable
from engine.execution.templates.split import Touch, limit_of


def plan(ask: Ask, rules: Instrument, touch: Touch, start_ms: int) -> tuple[Slice, ...] | NotExecutable:
    tif = TimeInForce.FOK if ask.template is Template.FOK else TimeInForce.IOC
    return (Slice(qty=floor_to(ask.qty, rules.qty_step), tif=tif, price=limit_of(ask, rules, touch)),)
