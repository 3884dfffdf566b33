"""Continuity of one KuCoin symbol: the guard, and a range of changes in the shape that every dialect is brought to."""

from typing import cast

from msgspec import Struct

from engine.domain.errors import SequenceGap
from engine.domain.market import Levels
from engine.venues.kucoin import wire
from engine.venues.typed import is_compiled

SPOT, FUTURES = "kucoin", "kucoin_futures"
_MAX_WAITING = 5_000  # a busy symbol sends hundreds of classic changes a second: so many, and no base came
Rows = list[wire.Row[float]]


class SequenceGuard:
    """Continuity of one symbol's ranges of changes. Holds one integer, does no I/O."""

    __slots__ = ("last_seq",)

    def __init__(self, snapshot_seq: int) -> None:
        self.last_seq = snapshot_seq

    def accepts(self, first: int, last: int) -> bool:
        """False for a range older than the book. Raises SequenceGap if one was missed."""
        if last <= self.last_seq:
            return False
        if first > self.last_seq + 1:
            raise SequenceGap(f"expected {self.last_seq + 1}, received {first}")
        self.last_seq = last
        return True


class Diff(Struct):
    """A range of changes, whichever dialect it came in."""

    symbol: str
    first: int
    last: int
    bids: Rows
    asks: Rows
    ts_ms: int


class Chain:
    __slots__ = ("guard", "is_asked", "venue", "waiting", "was_lost")

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.guard: SequenceGuard | None = None
        self.waiting: list[Diff] = []  # classic only: what came before the base
        self.was_lost = False
        self.is_asked = False

    def wait(self, diff: Diff) -> bool:
        """Keep a classic change for its base. True: the base must be asked for, or asked for again."""
        if len(self.waiting) >= _MAX_WAITING:
            self.waiting.clear()
            self.is_asked = False
        self.waiting.append(diff)
        was_asked, self.is_asked = self.is_asked, True
        return not was_asked


def venue_of(symbol: str) -> str:
    return SPOT if "-" in symbol else FUTURES


def priced(rows: Rows) -> Levels:
    """As levels, without those at price 0: there only the sequence moved."""
    if is_compiled(rows):
        return cast(Levels, rows.priced())  # type: ignore[attr-defined]
    return [(row.price, row.size) for row in rows if row.price]
