"""The gate: no order of a new trade without an `Approved`, and only `review` makes one."""

from engine.domain.errors import InvariantBroken
from engine.domain.order import PlannedLeg
from engine.risk.limits import Limits
from engine.risk.rules import RULES, Case, Refused
from engine.risk.situation import Seen, Situation

__all__ = ["Approved", "Refused", "Seen", "Situation", "review"]

_SEAL = object()


class Approved:
    """Legs that passed every rule. Cannot be made but by `review`."""

    __slots__ = ("legs", "situation")

    def __init__(self, legs: tuple[PlannedLeg, ...], situation: Situation, seal: object) -> None:
        if seal is not _SEAL:
            raise InvariantBroken("only risk.review approves")
        self.legs = legs
        self.situation = situation


def review(legs: tuple[PlannedLeg, ...], situation: Situation, limits: Limits) -> Approved | Refused:
    """The first rule that refuses, or the approval of exactly these legs.

    Raises InvariantBroken when the situation does not describe these legs, one for one.
    """
    if not legs or len(legs) != len(situation.seen):
        raise InvariantBroken(f"{len(legs)} legs, {len(situation.seen)} of them seen")
    case = Case(legs, situation, limits)
    for rule in RULES:
        refused = rule(case)
        if refused is not None:
            return refused
    return Approved(legs, situation, _SEAL)
