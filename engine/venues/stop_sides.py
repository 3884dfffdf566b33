"""For venues that are told no direction of a stop: whether its price is there already, and which were seen right."""

from decimal import Decimal
from typing import TypeVar

from engine.domain.order import Side

V = TypeVar("V")

_REMEMBERED = 1_000


def is_passed(side: Side, stop: Decimal, last: Decimal) -> bool:
    """The last price has reached the stop, or is beyond it."""
    return last <= stop if side is Side.SELL else last >= stop


def keep(kept: dict[str, V], key: str, value: V) -> None:
    """As the newest of a thousand; the oldest makes room."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > _REMEMBERED:
        del kept[next(iter(kept))]
