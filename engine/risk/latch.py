"""The kill latch's levels (domain.md §13): what still passes at each. It only rises; a resume alone returns it to 0.

- L0: everything, alerts only.
- L1: no new trade; one that is running may finish: its second leg, chase, hedge, unwind.
- L2: no order at all, whatever it is for, and every open one is cancelled. What is held stays held.
- L3: as L2, but what reduces an exposure passes: perpetuals are closed, what is open is flattened, then stop.

Cancels, look-ups and reads pass at every level.
"""

from engine.domain.order import LegRole

HIGHEST = 3

_REPAIRS = frozenset({LegRole.CHASE, LegRole.HEDGE, LegRole.UNWIND, LegRole.FLATTEN})
_REDUCES = frozenset({LegRole.UNWIND, LegRole.FLATTEN})


def allows(level: int, role: LegRole, *, finishes: bool = False) -> bool:
    """Whether an order of `role` may be sent.

    An ENTRY counts as the opening of a trade unless the caller knows that it `finishes` one: the second leg of a trade
    whose first has filled. The default is the careful one, because it is what a caller forgets.
    """
    if level <= 0:
        return True
    if level == 1:
        return role in _REPAIRS or finishes
    return level >= HIGHEST and role in _REDUCES


def opens_trades(level: int) -> bool:
    """Whether a new trade may begin."""
    return level <= 0


def cancels_open(level: int) -> bool:
    """Whether every open order of ours is to be cancelled."""
    return level >= 2


def raised(level: int, to: int) -> int:
    """The latch after a halt at `to`. Raises ValueError for a level that does not exist."""
    if not 1 <= to <= HIGHEST:
        raise ValueError(f"a halt has level 1, 2 or 3, not {to}")
    return max(level, to)
